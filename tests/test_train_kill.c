// Killed at random instants (SIGKILL, which nothing can prepare for) and resumed, a run ends with the same bytes as one
// that was left in peace. SHATTER_TEST_KILLS says how many kills a device gets.
#include <signal.h>
#include <sys/wait.h>
#include <time.h>

#include "shatter/random.h"
#include "train_fixture.h"

static char folder[FIXTURE_PATH];

static int set_up(void **state) {
  (void)state;
  fixture_folder(folder);
  return 0;
}

static int tear_down(void **state) {
  (void)state;
  fixture_remove(folder);
  return 0;
}

static double now_seconds(void) {
  struct timespec now;
  (void)clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static sht_config config_for(const char *device) {
  sht_config config = fixture_config(folder);
  (void)snprintf(config.device, sizeof config.device, "%s", device);
  config.epochs = 25;
  (void)snprintf(config.dynamics, sizeof config.dynamics, "40");
  config.checkpoint_seconds = 0;  // after every chunk of steps, so that most kills hit a save
  return config;
}

// Trains in a process of its own that is killed after `delay` seconds. Returns its exit status, or -1 when killed.
static int train_in_child(const char *store_name, const char *device, double delay) {
  pid_t child = fork();
  if (child == 0) {
    char path[FIXTURE_PATH * 2];
    sht_store *store = NULL;
    sht_run run;
    sht_error error = {0};
    (void)snprintf(path, sizeof path, "%s/%s", folder, store_name);
    sht_config config = config_for(device);
    sht_status status = sht_store_open(path, &store, &error);
    if (status == SHT_OK) {
      status = sht_lab_train(store, &config, false, NULL, &run, NULL, &error);
    }
    if (status != SHT_OK) {
      (void)fprintf(stderr, "%s\n", error.message);
    }
    _exit((int)status);
  }
  const struct timespec moment = {0, 100000};
  double end = now_seconds() + delay;
  int how = 0;
  pid_t ended = 0;
  while (ended == 0 && now_seconds() < end) {
    (void)nanosleep(&moment, NULL);
    ended = waitpid(child, &how, WNOHANG);
  }
  if (ended == 0) {
    (void)kill(child, SIGKILL);
    ended = waitpid(child, &how, 0);
  }
  assert_int_equal(ended, child);
  return WIFEXITED(how) ? WEXITSTATUS(how) : -1;
}

// The only run of a store.
static sht_run run_of(const char *store_name) {
  char path[FIXTURE_PATH * 2];
  sht_store *store = NULL;
  sht_run run;
  sht_error error;
  (void)snprintf(path, sizeof path, "%s/%s", folder, store_name);
  fixture_ok(sht_store_open(path, &store, &error), &error);
  fixture_ok(sht_store_find(store, "last", &run, &error), &error);
  sht_store_close(store);
  return run;
}

static void assert_same_run(const sht_run *a, const sht_run *b) {
  static const char *const files[] = {"config.yaml", "model.yaml",          "metrics.jsonl",
                                      "result.json", "weights.safetensors", "checkpoint-a.safetensors"};
  for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
    fixture_assert_same_file(a->folder, b->folder, files[i]);
  }
}

static void assert_nothing_is_left_over(const sht_run *run) {
  DIR *entries = opendir(run->folder);
  assert_non_null(entries);
  for (struct dirent *entry = readdir(entries); entry != NULL; entry = readdir(entries)) {
    assert_null(strstr(entry->d_name, ".tmp."));
    assert_null(strstr(entry->d_name, "checkpoint-b"));
  }
  (void)closedir(entries);
}

static int kills_wanted(void) {
  const char *text = getenv("SHATTER_TEST_KILLS");
  return text != NULL ? atoi(text) : 20;
}

// The delays are uniform over the time that a whole run takes, so that kills fall on every part of it.
static void survive_kills(const char *device) {
  sht_rng rng = sht_rng_make(1, SHT_PURPOSE_ORDER);
  char path[FIXTURE_PATH * 2];
  int kills = 0;
  uint32_t draws = 0;
  (void)snprintf(path, sizeof path, "%s/whole", folder);
  fixture_remove(path);
  double began = now_seconds();
  assert_int_equal(train_in_child("whole", device, 100), 0);
  double seconds = now_seconds() - began;
  sht_run whole = run_of("whole");
  while (kills < kills_wanted()) {
    (void)snprintf(path, sizeof path, "%s/killed", folder);
    fixture_remove(path);
    for (int status = -1; status != 0;) {
      status = train_in_child("killed", device, seconds * sht_rng_unit(rng, 0, draws++, 0));
      assert_true(status == 0 || status == -1);
      kills += status == -1;
      assert_true(draws < 2000);
    }
    sht_run killed = run_of("killed");
    assert_same_run(&whole, &killed);
    assert_nothing_is_left_over(&killed);
  }
}

static void the_reference_survives_kills(void **state) {
  (void)state;
  survive_kills("ref");
}

static void the_cpu_engine_survives_kills(void **state) {
  (void)state;
  int status = train_in_child("probe", "cpu", 100);
  if (status == SHT_UNAVAILABLE) {
    skip();
  }
  assert_int_equal(status, 0);
  survive_kills("cpu");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_reference_survives_kills),
      cmocka_unit_test(the_cpu_engine_survives_kills),
  };
  return cmocka_run_group_tests(tests, set_up, tear_down);
}
