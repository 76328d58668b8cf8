// The store of runs: the same bytes however a run came about, and an index that may be lost at any time.
#include <fcntl.h>
#include <math.h>
#include <sqlite3.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <time.h>

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

// A new, empty store inside the test's folder.
static sht_store *new_store(const char *name) {
  char path[FIXTURE_PATH * 2];
  sht_store *store = NULL;
  sht_error error;
  (void)snprintf(path, sizeof path, "%s/%s", folder, name);
  fixture_remove(path);
  fixture_ok(sht_store_open(path, &store, &error), &error);
  return store;
}

static sht_run train(sht_store *store, const sht_config *config, bool *reused) {
  sht_run run;
  sht_error error;
  fixture_ok(sht_lab_train(store, config, false, NULL, &run, reused, &error), &error);
  assert_false(run.damaged);
  assert_true(run.complete);
  return run;
}

static void assert_same_files(const sht_run *a, const sht_run *b) {
  static const char *const files[] = {"config.yaml", "model.yaml",          "metrics.jsonl",
                                      "result.json", "weights.safetensors", "checkpoint-a.safetensors"};
  for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
    fixture_assert_same_file(a->folder, b->folder, files[i]);
  }
}

static bool has(const sht_run *run, const char *name) {
  char path[FIXTURE_PATH * 4];
  (void)snprintf(path, sizeof path, "%s/%s", run->folder, name);
  return sht_file_exists(path);
}

static void put_file(const sht_run *run, const char *name, const char *text) {
  char path[FIXTURE_PATH * 4];
  (void)snprintf(path, sizeof path, "%s/%s", run->folder, name);
  fixture_write(path, text, strlen(text));
}

static char *env_read(const sht_run *run) {
  char path[FIXTURE_PATH * 4];
  size_t size = 0;
  (void)snprintf(path, sizeof path, "%s/env.json", run->folder);
  return fixture_read(path, &size);
}

// Puts a text in the place of the first one in the run's env.json.
static void env_replace(const sht_run *run, const char *from, const char *to) {
  char *env = env_read(run);
  char changed[1 << 14];
  const char *at = strstr(env, from);
  assert_non_null(at);
  (void)snprintf(changed, sizeof changed, "%.*s%s%s", (int)(at - env), env, to, at + strlen(from));
  put_file(run, "env.json", changed);
  free(env);
}

static void env_assert(const sht_run *run, const char *text, bool there) {
  char *env = env_read(run);
  assert_int_equal(strstr(env, text) != NULL, there);
  free(env);
}

static void a_run_is_trained_once(void **state) {
  (void)state;
  sht_store *store = new_store("once");
  sht_config config = fixture_config(folder);
  bool reused = true;
  sht_run first = train(store, &config, &reused);
  assert_false(reused);
  assert_non_null(strstr(first.folder, "/tiny-shapes-100-20-random-"));
  assert_int_equal(first.result.steps, 12);
  assert_int_equal(strlen(first.id), 64);
  assert_true(first.config.learning_rate == 0.05);  // the model's own in the place of "default"
  sht_run second = train(store, &config, &reused);
  assert_true(reused);
  assert_string_equal(first.folder, second.folder);
  assert_string_equal(first.result.weights_sha256, second.result.weights_sha256);
  assert_true(second.result.seconds > 0 && second.result.images_per_second > 0);
  sht_store_close(store);
}

static void repeated_runs_are_the_same_bytes(void **state) {
  (void)state;
  sht_store *one = new_store("one");
  sht_store *two = new_store("two");
  sht_config config = fixture_config(folder);
  sht_error error;
  bool reused = true;
  sht_run a = train(one, &config, NULL);
  config.threads = 2;
  config.checkpoint_seconds = 0;
  sht_run b = train(two, &config, NULL);
  assert_string_equal(a.id, b.id);
  assert_same_files(&a, &b);
  fixture_ok(sht_lab_train(two, &config, true, NULL, &b, &reused, &error), &error);
  assert_false(reused);
  assert_same_files(&a, &b);
  sht_store_close(two);
  sht_store_close(one);
}

// Each change of what decides a result makes another run; where files lie and how fast they are worked on does not.
static void identities(void **state) {
  (void)state;
  sht_store *store = new_store("identities");
  sht_config config = fixture_config(folder);
  char elsewhere[FIXTURE_PATH + 16];
  bool reused = false;
  config.epochs = 1;
  sht_run base = train(store, &config, NULL);
  (void)snprintf(elsewhere, sizeof elsewhere, "%s/copy.yaml", folder);
  fixture_write(elsewhere, fixture_model, sizeof fixture_model - 1);
  sht_config moved = config;
  (void)snprintf(moved.model, sizeof moved.model, "%s", elsewhere);
  (void)train(store, &moved, &reused);
  assert_true(reused);
  sht_config changed[5];
  for (int i = 0; i < 5; i++) {
    changed[i] = config;
  }
  changed[0].seed = 2;
  changed[1].batch = 50;
  changed[2].momentum = 0.5;
  (void)snprintf(changed[3].labels, sizeof changed[3].labels, "corrupt:0.5");
  (void)snprintf(changed[4].precision, sizeof changed[4].precision, "fp64");
  for (int i = 0; i < 5; i++) {
    sht_run run = train(store, &changed[i], &reused);
    assert_false(reused);
    assert_string_not_equal(run.id, base.id);
    assert_string_not_equal(run.family, base.family);
  }
  // The model's own probability said again is no other run; another one, and none, are.
  static const double dropout[] = {0.1, 0.2, 0};
  for (int i = 0; i < 3; i++) {
    sht_config dropped = config;
    dropped.dropout = dropout[i];
    sht_run run = train(store, &dropped, &reused);
    assert_int_equal(reused, i == 0);
    assert_int_equal(strcmp(run.id, base.id) == 0, i == 0);
  }
  fixture_write(elsewhere, "layers:\n  - linear: {units: classes}\n", 36);
  (void)train(store, &moved, &reused);
  assert_false(reused);
  sht_store_close(store);
}

// 3 epochs, then 6: the bytes of 6 in a store that never saw the 3.
static void a_longer_run_goes_on_from_a_shorter_one(void **state) {
  (void)state;
  sht_store *one = new_store("short");
  sht_store *two = new_store("long");
  sht_config config = fixture_config(folder);
  size_t size = 0;
  char path[FIXTURE_PATH * 4];
  sht_run shorter = train(one, &config, NULL);
  config.epochs = 6;
  sht_run continued = train(one, &config, NULL);
  sht_run whole = train(two, &config, NULL);
  assert_same_files(&continued, &whole);
  assert_string_not_equal(shorter.id, continued.id);
  assert_string_equal(shorter.family, continued.family);
  assert_true(has(&shorter, "checkpoint-a.safetensors"));
  (void)snprintf(path, sizeof path, "%s/env.json", continued.folder);
  char *env = fixture_read(path, &size);
  assert_non_null(strstr(env, strrchr(shorter.folder, '/') + 1));
  free(env);
  sht_store_close(two);
  sht_store_close(one);
}

static void examples_are_saved_on_request(void **state) {
  (void)state;
  sht_store *store = new_store("save");
  sht_config config = fixture_config(folder);
  size_t size = 0;
  char path[FIXTURE_PATH * 4];
  bool reused = true;
  sht_run run = train(store, &config, NULL);
  (void)snprintf(config.save, sizeof config.save, "losses");
  run = train(store, &config, &reused);
  assert_false(reused);
  assert_true(has(&run, "losses-train.npy") && has(&run, "losses-test.npy") && !has(&run, "logits-train.npy"));
  (void)snprintf(path, sizeof path, "%s/losses-train.npy", run.folder);
  free(fixture_read(path, &size));
  assert_int_equal(size % 64, FIXTURE_TRAIN * 4 % 64);  // an NPY header fills a multiple of 64 bytes
  (void)train(store, &config, &reused);
  assert_true(reused);
  sht_store_close(store);
}

static void a_stopped_run_goes_on(void **state) {
  (void)state;
  sht_store *one = new_store("stopped");
  sht_store *two = new_store("unstopped");
  sht_config config = fixture_config(folder);
  sht_run whole = train(two, &config, NULL);
  sht_run run;
  sht_epoch *epochs = NULL;
  uint64_t count = 0;
  sht_status status = SHT_STOPPED;
  for (int sessions = 0; status == SHT_STOPPED && sessions < 50; sessions++) {
    fixture_watch watch = {.stop_at = 4};
    sht_observer observer = fixture_observer(&watch);
    status = sht_lab_train(one, &config, false, &observer, &run, NULL, NULL);
    assert_true(run.complete == (status == SHT_OK));
    fixture_ok(sht_run_epochs(&run, &epochs, &count, NULL), &(sht_error){0});
    assert_int_equal(count, run.result.epochs);
    sht_free(epochs);
    if (status == SHT_STOPPED) {
      put_file(&run, "result.json.tmp.4711", "left by a killed process");
    }
  }
  assert_int_equal(status, SHT_OK);
  assert_false(has(&run, "result.json.tmp.4711"));
  assert_same_files(&whole, &run);
  sht_store_close(two);
  sht_store_close(one);
}

// When a run was begun, and from which one, outlives its sessions; a run that is trained anew begins anew.
static void env_keeps_where_a_run_began(void **state) {
  (void)state;
  sht_store *store = new_store("origin");
  sht_config config = fixture_config(folder);
  fixture_watch watch = {.stop_at = 6};
  sht_observer observer = fixture_observer(&watch);
  sht_error error;
  sht_run run;
  sht_run shorter = train(store, &config, NULL);
  const char *name = strrchr(shorter.folder, '/') + 1;
  config.epochs = 6;
  assert_int_equal(sht_lab_train(store, &config, false, &observer, &run, NULL, NULL), SHT_STOPPED);
  assert_true(run.created > 1e9);
  env_replace(&run, "\"created\": ", "\"created\": 1000, \"was\": ");
  run = train(store, &config, NULL);
  assert_true(run.created == 1000);
  env_assert(&run, name, true);
  fixture_ok(sht_lab_train(store, &config, true, NULL, &run, NULL, &error), &error);
  assert_true(run.created > 1e9);
  env_assert(&run, name, false);
  sht_store_close(store);
}

static void divergence_is_a_result(void **state) {
  (void)state;
  sht_store *store = new_store("diverged");
  sht_config config = fixture_config(folder);
  sht_error error;
  char *text = NULL;
  bool reused = false;
  config.learning_rate = 1000;
  config.learning_rate_decay = 1;
  config.momentum = 0.9999;
  config.weight_decay = 10;
  config.epochs = 50;
  sht_run run = train(store, &config, NULL);
  assert_int_equal(run.result.outcome, SHT_OUTCOME_DIVERGED);
  fixture_ok(sht_run_json(&run, &text, &error), &error);
  assert_non_null(strstr(text, "\"outcome\": \"diverged\""));
  assert_non_null(strstr(text, "\"weights_sha256\": null"));
  sht_free(text);
  assert_false(has(&run, "weights.safetensors"));
  (void)train(store, &config, &reused);
  assert_true(reused);
  sht_store_close(store);
}

// A second descriptor of the lock file is what a second process holds.
static void one_process_owns_a_run(void **state) {
  (void)state;
  sht_store *store = new_store("lock");
  sht_config config = fixture_config(folder);
  sht_error error;
  sht_run run = train(store, &config, NULL);
  sht_run refused;
  char path[FIXTURE_PATH * 4];
  (void)snprintf(path, sizeof path, "%s/lock", run.folder);
  int lock = open(path, O_RDWR);
  assert_int_equal(flock(lock, LOCK_EX | LOCK_NB), 0);
  assert_int_equal(sht_lab_train(store, &config, true, NULL, &refused, NULL, &error), SHT_UNAVAILABLE);
  assert_non_null(strstr(error.message, "is being trained by another process"));
  assert_true(has(&run, "result.json"));
  (void)close(lock);
  fixture_ok(sht_lab_train(store, &config, true, NULL, &run, NULL, &error), &error);
  sht_store_close(store);
}

// Four processes train four runs each in one store, half of them the same ones, and list it all the while. The model's
// file is written before they start: each write empties it for a moment.
static void processes_share_a_store(void **state) {
  (void)state;
  enum { PROCESSES = 4, RUNS = 4 };
  sht_store_close(new_store("shared"));
  sht_config config = fixture_config(folder);
  pid_t children[PROCESSES];
  for (int child = 0; child < PROCESSES; child++) {
    children[child] = fork();
    if (children[child] != 0) {
      continue;
    }
    sht_store *store = NULL;
    char path[FIXTURE_PATH * 2];
    (void)snprintf(path, sizeof path, "%s/shared", folder);
    int faults = sht_store_open(path, &store, NULL) != SHT_OK;
    for (int i = 0; i < RUNS && faults == 0; i++) {
      sht_run run;
      sht_run *runs = NULL;
      uint64_t count = 0;
      config.seed = (uint64_t)(child / 2 * RUNS + i + 1);
      sht_status status = sht_lab_train(store, &config, false, NULL, &run, NULL, NULL);
      faults += status != SHT_OK && status != SHT_UNAVAILABLE;
      faults += sht_store_list(store, &runs, &count, NULL) != SHT_OK;
      sht_free(runs);
    }
    _exit(faults);
  }
  for (int child = 0; child < PROCESSES; child++) {
    int how = 0;
    assert_int_equal(waitpid(children[child], &how, 0), children[child]);
    assert_true(WIFEXITED(how) && WEXITSTATUS(how) == 0);
  }
  sht_store *store = NULL;
  sht_run *runs = NULL;
  uint64_t count = 0;
  char path[FIXTURE_PATH * 2];
  (void)snprintf(path, sizeof path, "%s/shared", folder);
  fixture_ok(sht_store_open(path, &store, NULL), &(sht_error){0});
  fixture_ok(sht_store_list(store, &runs, &count, NULL), &(sht_error){0});
  assert_int_equal(count, PROCESSES / 2 * RUNS);
  for (uint64_t i = 0; i < count; i++) {
    assert_true(runs[i].complete && !runs[i].damaged);
  }
  sht_free(runs);
  sht_store_close(store);
}

static void assert_listing(const char *name, uint64_t expected, const sht_run *known) {
  char path[FIXTURE_PATH * 2];
  sht_store *store = NULL;
  sht_run *runs = NULL;
  uint64_t count = 0;
  sht_error error;
  (void)snprintf(path, sizeof path, "%s/%s", folder, name);
  fixture_ok(sht_store_open(path, &store, &error), &error);
  for (int twice = 0; twice < 2; twice++) {
    fixture_ok(sht_store_list(store, &runs, &count, &error), &error);
    assert_int_equal(count, expected);
    for (uint64_t i = 0; i < count; i++) {
      assert_true(runs[i].complete && !runs[i].damaged);
      if (strcmp(runs[i].id, known->id) == 0) {
        assert_string_equal(runs[i].folder, known->folder);
        assert_string_equal(runs[i].family, known->family);
        assert_string_equal(runs[i].config.model, known->config.model);
        assert_int_equal(runs[i].config.epochs, known->config.epochs);
        assert_true(runs[i].result.last.test_loss == known->result.last.test_loss);
        assert_true(runs[i].result.last.train_loss == known->result.last.train_loss);
        assert_string_equal(runs[i].result.weights_sha256, known->result.weights_sha256);
        assert_true(runs[i].created == known->created);
      }
    }
    sht_free(runs);
  }
  sht_store_close(store);
}

static void the_index_can_be_lost(void **state) {
  (void)state;
  sht_store *store = new_store("index");
  sht_config config = fixture_config(folder);
  char path[FIXTURE_PATH * 2];
  size_t size = 0;
  config.epochs = 1;
  sht_run known = train(store, &config, NULL);
  config.seed = 2;
  (void)train(store, &config, NULL);
  sht_store_close(store);
  assert_listing("index", 2, &known);
  (void)snprintf(path, sizeof path, "%s/index/index.sqlite", folder);
  char *whole = fixture_read(path, &size);
  assert_int_equal(unlink(path), 0);
  assert_listing("index", 2, &known);
  fixture_write(path, "not a database, but long enough to look at", 42);
  assert_listing("index", 2, &known);
  fixture_write(path, whole, size / 2);
  assert_listing("index", 2, &known);
  for (size_t at = 0; at + 512 <= size; at += 512) {
    char *bent = malloc(size);
    memcpy(bent, whole, size);
    memset(bent + at, 0xa5, 512);
    fixture_write(path, bent, size);
    free(bent);
    sht_run *runs = NULL;
    uint64_t count = 0;
    char where[FIXTURE_PATH * 2];
    (void)snprintf(where, sizeof where, "%s/index", folder);
    fixture_ok(sht_store_open(where, &store, NULL), &(sht_error){0});
    fixture_ok(sht_store_list(store, &runs, &count, NULL), &(sht_error){0});
    assert_int_equal(count, 2);
    sht_free(runs);
    sht_store_close(store);
  }
  whole[63] = 99;  // user_version, as an index of a later program has
  fixture_write(path, whole, size);
  assert_listing("index", 2, &known);
  free(whole);
}

// Another program may hold the index for longer than we wait: it is left as it is, and the folders are read instead.
static void a_busy_index_is_left_alone(void **state) {
  (void)state;
  sht_store *store = new_store("busy");
  sht_config config = fixture_config(folder);
  char path[FIXTURE_PATH * 2];
  struct stat before;
  struct stat after;
  sqlite3 *other = NULL;
  config.epochs = 1;
  sht_run known = train(store, &config, NULL);
  sht_store_close(store);
  (void)snprintf(path, sizeof path, "%s/busy/index.sqlite", folder);
  assert_int_equal(stat(path, &before), 0);
  assert_int_equal(sqlite3_open(path, &other), SQLITE_OK);
  assert_int_equal(sqlite3_exec(other, "BEGIN EXCLUSIVE", NULL, NULL, NULL), SQLITE_OK);
  assert_listing("busy", 1, &known);
  assert_int_equal(stat(path, &after), 0);
  assert_int_equal(before.st_ino, after.st_ino);
  assert_int_equal(sqlite3_exec(other, "ROLLBACK", NULL, NULL, NULL), SQLITE_OK);
  (void)sqlite3_close(other);
  assert_listing("busy", 1, &known);
}

static void removed_and_changed_folders_are_noticed(void **state) {
  (void)state;
  sht_store *store = new_store("changed");
  sht_config config = fixture_config(folder);
  sht_run *runs = NULL;
  uint64_t count = 0;
  config.epochs = 1;
  sht_run one = train(store, &config, NULL);
  config.seed = 2;
  sht_run two = train(store, &config, NULL);
  fixture_ok(sht_store_list(store, &runs, &count, NULL), &(sht_error){0});
  assert_int_equal(count, 2);
  sht_free(runs);
  fixture_remove(one.folder);
  put_file(&two, "result.json", "{\"outcome\": \"fitted\"}");
  fixture_ok(sht_store_list(store, &runs, &count, NULL), &(sht_error){0});
  assert_int_equal(count, 1);
  assert_true(runs[0].damaged);
  assert_non_null(strstr(runs[0].problem, "result.json"));
  sht_free(runs);
  fixture_ok(sht_store_rebuild(store, NULL), &(sht_error){0});
  sht_run again = train(store, &config, NULL);  // a damaged result is made anew
  assert_false(again.damaged);
  sht_store_close(store);
}

// A file of a run cut at any byte: the run is read, or is damaged and says so; the listing goes on.
static void damaged_files_are_told(void **state) {
  (void)state;
  static const char *const files[] = {"result.json", "config.yaml", "metrics.jsonl", "env.json", "timing.jsonl"};
  sht_store *store = new_store("damaged");
  sht_config config = fixture_config(folder);
  config.epochs = 1;
  sht_run run = train(store, &config, NULL);
  for (int f = 0; f < 5; f++) {
    char path[FIXTURE_PATH * 4];
    size_t size = 0;
    (void)snprintf(path, sizeof path, "%s/%s", run.folder, files[f]);
    char *whole = fixture_read(path, &size);
    for (size_t length = 0; length < size; length += 1 + size / 40) {
      sht_run *runs = NULL;
      uint64_t count = 0;
      fixture_write(path, whole, length);
      fixture_ok(sht_store_list(store, &runs, &count, NULL), &(sht_error){0});
      assert_int_equal(count, 1);
      if (f == 0) {
        assert_true(runs[0].damaged && strlen(runs[0].problem) > 20);
      }
      sht_free(runs);
    }
    fixture_write(path, whole, size);
    free(whole);
  }
  sht_store_close(store);
}

static void logs_are_read_strictly(void **state) {
  (void)state;
  sht_store *store = new_store("logs");
  sht_config config = fixture_config(folder);
  sht_epoch *epochs = NULL;
  uint64_t count = 0;
  sht_error error;
  sht_run run = train(store, &config, NULL);
  fixture_ok(sht_run_epochs(&run, &epochs, &count, &error), &error);
  assert_int_equal(count, 3);
  assert_true(epochs[2].test_loss == run.result.last.test_loss && isnan(epochs[0].train_loss_eval));
  sht_free(epochs);
  put_file(&run, "metrics.jsonl", "{\"epoch\": 1, \"ste");
  fixture_ok(sht_run_epochs(&run, &epochs, &count, &error), &error);
  assert_int_equal(count, 0);
  sht_free(epochs);
  put_file(&run, "metrics.jsonl", "{\"epoch\": 1}\n");
  assert_int_equal(sht_run_epochs(&run, &epochs, &count, &error), SHT_DATA);
  assert_non_null(strstr(error.message, "line 1"));
  sht_store_close(store);
}

// Takes ", "key": value" out of every line, as an older program wrote it.
static char *without(const char *text, const char *key) {
  char member[64];
  char *out = NULL;
  size_t size = 0;
  FILE *stream = open_memstream(&out, &size);
  (void)snprintf(member, sizeof member, ", \"%s\": ", key);
  for (const char *at = text; *at != '\0';) {
    if (strncmp(at, member, strlen(member)) != 0) {
      (void)fputc(*at++, stream);
      continue;
    }
    at += strlen(member);
    at += *at == '[' ? strcspn(at, "]") + 1 : strcspn(at, ",}");
  }
  (void)fclose(stream);
  return out;
}

static void make_old(const sht_run *run, const char *name) {
  static const char *const newer[] = {
      "corrupted_test_accuracy", "memorised",      "resisted",   "other",          "clean_fitted",
      "dynamics_corrupted",      "dynamics_clean", "curve_loss", "curve_accuracy", "generalisation_error",
      "online_fitted_step",      "converged_step"};
  char path[FIXTURE_PATH * 4];
  size_t size = 0;
  (void)snprintf(path, sizeof path, "%s/%s", run->folder, name);
  char *text = fixture_read(path, &size);
  bool is_result = strcmp(name, "result.json") == 0;
  for (size_t i = is_result ? 1 : 0; i < sizeof newer / sizeof newer[0]; i++) {
    char *rest = without(text, newer[i]);
    free(text);
    text = rest;
  }
  assert_true(strlen(text) < size);
  put_file(run, name, text);
  free(text);
}

// Folders of a program that knew nothing of dynamics and curves: what it did not know is NaN, the rest as ever.
static void older_folders_are_read(void **state) {
  (void)state;
  sht_store *store = new_store("old");
  sht_config config = fixture_config(folder);
  sht_epoch *epochs = NULL;
  uint64_t count = 0;
  sht_error error;
  bool reused = false;
  sht_run run = train(store, &config, NULL);
  assert_true(run.result.last.memorised >= 0 && run.result.last.dynamics_corrupted > 0);
  fixture_ok(sht_run_epochs(&run, &epochs, &count, &error), &error);
  assert_true(epochs[1].memorised >= 0 && epochs[2].curve_loss[3] > 0 && isnan(epochs[2].curve_loss[4]));
  assert_true(epochs[2].corrupted_test_accuracy == run.result.corrupted_test_accuracy);
  sht_free(epochs);
  make_old(&run, "result.json");
  make_old(&run, "metrics.jsonl");
  sht_run old = train(store, &config, &reused);
  assert_true(reused);
  assert_true(old.result.last.test_loss == run.result.last.test_loss);
  assert_true(isnan(old.result.last.memorised) && old.result.last.dynamics_corrupted == 0);
  fixture_ok(sht_run_epochs(&old, &epochs, &count, &error), &error);
  assert_int_equal(count, 3);
  assert_true(isnan(epochs[1].memorised) && isnan(epochs[2].curve_loss[3]));
  assert_true(epochs[2].train_accuracy_eval == run.result.last.train_accuracy_eval);
  sht_free(epochs);
  sht_store_close(store);
}

// Of runs that differ in one thing each, the ones with true data and all else equal are the measure.
static void the_baseline_differs_in_randomness_alone(void **state) {
  (void)state;
  enum { RUNS = 6 };
  sht_run *runs = calloc(RUNS, sizeof *runs);
  assert_non_null(runs);
  for (int i = 0; i < RUNS; i++) {
    runs[i].config = fixture_config(folder);
    (void)snprintf(runs[i].config.pixels, sizeof runs[i].config.pixels, "true");
    (void)snprintf(runs[i].config.labels, sizeof runs[i].config.labels, i == 0 ? "random" : "true");
    runs[i].result.fitted_step = 100;
    runs[i].result.epochs = 3;
  }
  runs[0].result.fitted_step = 250;
  assert_ptr_equal(sht_run_baseline(&runs[0], runs, 2), &runs[1]);
  assert_true(sht_run_relative_time(&runs[0], &runs[1]) == 2.5);
  runs[1].config.seed = 2;
  (void)snprintf(runs[2].config.pixels, sizeof runs[2].config.pixels, "shuffled");
  runs[3].config.weight_decay = 0.1;
  assert_null(sht_run_baseline(&runs[0], runs, 4));
  runs[4].config.threads = 7;  // decides nothing
  runs[5].config.epochs = 90;  // how long it goes on
  runs[5].result.epochs = 90;
  assert_ptr_equal(sht_run_baseline(&runs[0], runs, 5), &runs[4]);
  assert_ptr_equal(sht_run_baseline(&runs[0], runs, 6), &runs[5]);
  assert_ptr_equal(sht_run_baseline(&runs[4], runs, 5), &runs[4]);
  runs[5].result.fitted_step = 0;
  assert_true(isnan(sht_run_relative_time(&runs[0], &runs[5])));
  assert_true(isnan(sht_run_relative_time(&runs[0], NULL)));
  free(runs);
}

static void runs_are_found_by_what_is_typed(void **state) {
  (void)state;
  sht_store *store = new_store("find");
  sht_config config = fixture_config(folder);
  sht_run found;
  sht_error error;
  config.epochs = 1;
  assert_int_equal(sht_store_find(store, "last", &found, &error), SHT_MISSING);
  assert_non_null(strstr(error.message, "no runs yet"));
  sht_run one = train(store, &config, NULL);
  (void)snprintf(config.labels, sizeof config.labels, "true");
  sht_run two = train(store, &config, NULL);
  const char *name = strrchr(one.folder, '/') + 1;
  char slashed[FIXTURE_PATH * 3];
  (void)snprintf(slashed, sizeof slashed, "%s/", one.folder);
  const char *const words[] = {name, one.folder, slashed, one.id, "tiny-shapes-100-20-ra"};
  for (int i = 0; i < 5; i++) {
    fixture_ok(sht_store_find(store, words[i], &found, &error), &error);
    assert_string_equal(found.id, one.id);
  }
  fixture_ok(sht_store_find(store, "tiny-shapes-100-20-t", &found, &error), &error);
  assert_string_equal(found.id, two.id);
  fixture_ok(sht_store_find(store, "last", &found, &error), &error);
  assert_int_equal(sht_store_find(store, "tiny", &found, &error), SHT_USAGE);
  assert_non_null(strstr(error.message, "2 runs"));
  assert_int_equal(sht_store_find(store, "nobody", &found, &error), SHT_MISSING);
  assert_int_equal(sht_store_find(store, "", &found, &error), SHT_USAGE);
  sht_store_close(store);
}

static void stores_that_cannot_be_written(void **state) {
  (void)state;
  sht_store *store = NULL;
  sht_error error;
  assert_int_equal(sht_store_open("/dev/null/store", &store, &error), SHT_DISK);
  assert_null(store);
}

// NaN and infinity are no JSON; everything that is a number must read back as the same bits.
static void the_printed_object_adds_times_alone(void **state) {
  (void)state;
  sht_store *store = new_store("json");
  sht_config config = fixture_config(folder);
  sht_error error;
  char *text = NULL;
  size_t size = 0;
  char path[FIXTURE_PATH * 4];
  sht_run run = train(store, &config, NULL);
  fixture_ok(sht_run_json(&run, &text, &error), &error);
  (void)snprintf(path, sizeof path, "%s/result.json", run.folder);
  char *result = fixture_read(path, &size);
  static const char *const keys[] = {"parameters",    "macs",           "weights", "train_accuracy",
                                     "test_accuracy", "train_loss",     "steps",   "epochs",
                                     "fitted_step",   "weights_sha256", "error"};
  for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
    char key[64];
    (void)snprintf(key, sizeof key, "\"%s\": ", keys[i]);
    const char *a = strstr(text, key);
    const char *b = strstr(result, key);
    assert_true(a != NULL && b != NULL);
    size_t length = strcspn(a, ",}");
    assert_memory_equal(a, b, length);
  }
  static const char *const times[] = {"\"run\": ", "\"seconds\": ", "\"images_per_second\": ", "\"step_ms\": "};
  for (size_t i = 0; i < 4; i++) {
    assert_non_null(strstr(text, times[i]));
    assert_null(strstr(result, times[i]));
  }
  free(result);
  sht_free(text);
  sht_store_close(store);
}

static double seconds_of_listing(sht_store *store, uint64_t expected) {
  struct timespec begin;
  struct timespec end;
  sht_run *runs = NULL;
  uint64_t count = 0;
  (void)clock_gettime(CLOCK_MONOTONIC, &begin);
  fixture_ok(sht_store_list(store, &runs, &count, NULL), &(sht_error){0});
  (void)clock_gettime(CLOCK_MONOTONIC, &end);
  assert_int_equal(count, expected);
  sht_free(runs);
  return (double)(end.tv_sec - begin.tv_sec) + 1e-9 * (double)(end.tv_nsec - begin.tv_nsec);
}

// Links to the files of one run stand for many. Their times are said and not judged: the machine may be busy.
static void many_runs_are_listed(void **state) {
  (void)state;
  static const char *const files[] = {"config.yaml", "result.json", "metrics.jsonl", "env.json", "timing.jsonl"};
  const uint64_t many = 2000;
  sht_store *store = new_store("many");
  sht_config config = fixture_config(folder);
  config.epochs = 1;
  sht_run run = train(store, &config, NULL);
  for (uint64_t i = 1; i < many; i++) {
    char copy[FIXTURE_PATH * 2];
    (void)snprintf(copy, sizeof copy, "%s/many/copy-%05d", folder, (int)i);
    assert_int_equal(mkdir(copy, 0777), 0);
    for (int f = 0; f < 5; f++) {
      char from[FIXTURE_PATH * 3];
      char to[FIXTURE_PATH * 3];
      (void)snprintf(from, sizeof from, "%s/%s", run.folder, files[f]);
      (void)snprintf(to, sizeof to, "%s/%s", copy, files[f]);
      assert_int_equal(link(from, to), 0);
    }
  }
  double first = seconds_of_listing(store, many);
  double second = seconds_of_listing(store, many);
  (void)fprintf(stderr, "%d runs: %.2f s to index, %.2f s to list\n", (int)many, first, second);
  sht_store_close(store);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_run_is_trained_once),
      cmocka_unit_test(repeated_runs_are_the_same_bytes),
      cmocka_unit_test(identities),
      cmocka_unit_test(a_longer_run_goes_on_from_a_shorter_one),
      cmocka_unit_test(examples_are_saved_on_request),
      cmocka_unit_test(a_stopped_run_goes_on),
      cmocka_unit_test(env_keeps_where_a_run_began),
      cmocka_unit_test(divergence_is_a_result),
      cmocka_unit_test(one_process_owns_a_run),
      cmocka_unit_test(processes_share_a_store),
      cmocka_unit_test(the_index_can_be_lost),
      cmocka_unit_test(a_busy_index_is_left_alone),
      cmocka_unit_test(removed_and_changed_folders_are_noticed),
      cmocka_unit_test(damaged_files_are_told),
      cmocka_unit_test(logs_are_read_strictly),
      cmocka_unit_test(older_folders_are_read),
      cmocka_unit_test(the_baseline_differs_in_randomness_alone),
      cmocka_unit_test(runs_are_found_by_what_is_typed),
      cmocka_unit_test(stores_that_cannot_be_written),
      cmocka_unit_test(the_printed_object_adds_times_alone),
      cmocka_unit_test(many_runs_are_listed),
  };
  return cmocka_run_group_tests(tests, set_up, tear_down);
}
