// Checkpoints: the same bits come back, a damaged file is noticed wherever it is damaged and the other one taken, a
// full disk leaves what was there.
#include <math.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "train/checkpoint.h"
#include "train/safetensors.h"
#include "train_fixture.h"

enum { ROOM = 8, PARAMETERS = 3 * 6 * 9 + 6 + 6 * 49 * 10 + 10, STATISTICS = 12 };

static char folder[FIXTURE_PATH];
static sht_session session;

static int set_up(void **state) {
  (void)state;
  sht_error error;
  fixture_folder(folder);
  sht_config config = fixture_config(folder);
  fixture_ok(sht__session_open(&config, NULL, &session, &error), &error);
  assert_int_equal(session.graph->parameter_count, PARAMETERS);
  assert_int_equal(session.graph->statistic_count, STATISTICS);
  return 0;
}

static int tear_down(void **state) {
  (void)state;
  sht__session_close(&session);
  fixture_remove(folder);
  return 0;
}

static const char *checkpoint(char slot) {
  static char path[2][FIXTURE_PATH + 40];
  (void)snprintf(path[slot == 'b'], sizeof path[0], "%s/checkpoint-%c.safetensors", folder, slot);
  return path[slot == 'b'];
}

// Values that depend on `tag`, among them ones that a detour through text would change.
static void put_values(float tag) {
  static float values[PARAMETERS];
  sht_error error;
  for (int i = 0; i < PARAMETERS; i++) {
    values[i] = tag + (float)i / 3;
  }
  values[0] = 1e-42F;
  values[1] = -0.0F;
  fixture_ok(sht_engine_put(session.engine, SHT_STATE_PARAMETERS, values, PARAMETERS, &error), &error);
  fixture_ok(sht_engine_put(session.engine, SHT_STATE_STATISTICS, values, STATISTICS, &error), &error);
  values[2] = tag * 7;
  fixture_ok(sht_engine_put(session.engine, SHT_STATE_MOMENTUM, values, PARAMETERS, &error), &error);
}

static void assert_values(float tag) {
  static float values[PARAMETERS];
  sht_error error;
  fixture_ok(sht_engine_get(session.engine, SHT_STATE_MOMENTUM, values, PARAMETERS, &error), &error);
  assert_true(values[0] == 1e-42F && signbit(values[1]) && values[2] == tag * 7);
  fixture_ok(sht_engine_get(session.engine, SHT_STATE_PARAMETERS, values, PARAMETERS, &error), &error);
  assert_true(values[2] == tag + 2.0F / 3 && values[PARAMETERS - 1] == tag + (float)(PARAMETERS - 1) / 3);
  fixture_ok(sht_engine_get(session.engine, SHT_STATE_STATISTICS, values, STATISTICS, &error), &error);
  assert_true(values[STATISTICS - 1] == tag + (float)(STATISTICS - 1) / 3);
}

static sht_epoch records[ROOM];

static sht_position position_at(uint32_t epoch, uint64_t step) {
  for (uint32_t i = 0; i < epoch; i++) {
    records[i] = sht_epoch_blank();
    records[i].epoch = i + 1;
    records[i].steps = (i + 1) * FIXTURE_STEPS;
    records[i].learning_rate = 0.1 / (i + 1);
    records[i].train_loss = 1.0 / 3 + i;
    records[i].train_accuracy = 0.7;
    records[i].test_loss = 2.1;
    records[i].test_accuracy = 0.1;
    records[i].corrupted_test_accuracy = 0.11;
    records[i].memorised = 1.0 / 7;
    records[i].resisted = 2.0 / 7;
    records[i].other = 4.0 / 7;
    records[i].clean_fitted = 0.9;
    records[i].dynamics_corrupted = 7;
    records[i].dynamics_clean = 10 + i;
    records[i].curve_loss[0] = 0.3;
    records[i].curve_loss[SHT_CURVE_PARTS - 1] = 0.1 + 0.7;
    records[i].curve_accuracy[SHT_CURVE_PARTS - 1] = 0.6;
  }
  return (sht_position){.epoch = epoch,
                        .step = step,
                        .loss_sum = 0.1 + 0.2,
                        .correct = 5,
                        .seen = 64,
                        .curve = {.loss = {0.1, 0.2}, .correct = {2, 3}, .seen = {32, 32}},
                        .records = records,
                        .room = ROOM};
}

static void remove_both(void) { sht__checkpoint_remove(folder); }

static sht_status load(sht_position *position, fixture_watch *watch, bool *found, sht_error *error) {
  static sht_epoch loaded[ROOM];
  sht_observer observer = fixture_observer(watch);
  *watch = (fixture_watch){0};
  *position = (sht_position){.records = loaded, .room = ROOM};
  return sht__checkpoint_load(&session, folder, &observer, position, found, error);
}

static void save(float tag, sht_position *position) {
  sht_error error;
  put_values(tag);
  fixture_ok(sht__checkpoint_save(&session, folder, position, &error), &error);
}

static void what_is_saved_comes_back(void **state) {
  (void)state;
  sht_position saved = position_at(2, 3);
  sht_position loaded;
  fixture_watch watch;
  sht_error error;
  bool found = true;
  remove_both();
  fixture_ok(load(&loaded, &watch, &found, &error), &error);
  assert_false(found);
  assert_false(sht__checkpoint_exists(folder));
  save(1, &saved);
  assert_true(sht__checkpoint_exists(folder));
  put_values(99);
  fixture_ok(load(&loaded, &watch, &found, &error), &error);
  assert_true(found);
  assert_values(1);
  assert_int_equal(loaded.epoch, 2);
  assert_int_equal(loaded.step, 3);
  assert_int_equal(loaded.correct, 5);
  assert_int_equal(loaded.seen, 64);
  assert_true(loaded.loss_sum == 0.1 + 0.2);
  assert_true(loaded.records[1].train_loss == records[1].train_loss && isnan(loaded.records[1].train_loss_eval));
  assert_int_equal(loaded.records[1].steps, 2 * FIXTURE_STEPS);
  assert_memory_equal(&loaded.curve, &saved.curve, sizeof loaded.curve);
  const sht_epoch *last = &loaded.records[1];
  assert_true(last->corrupted_test_accuracy == 0.11 && last->memorised == 1.0 / 7 && last->resisted == 2.0 / 7);
  assert_true(last->other == 4.0 / 7 && last->clean_fitted == 0.9);
  assert_true(last->dynamics_corrupted == 7 && last->dynamics_clean == 11);
  assert_true(last->curve_loss[0] == 0.3 && isnan(last->curve_loss[1]) && isnan(last->curve_accuracy[0]));
  assert_true(last->curve_loss[SHT_CURVE_PARTS - 1] == 0.1 + 0.7 && last->curve_accuracy[SHT_CURVE_PARTS - 1] == 0.6);
}

// Without what checkpoints grew by later: that is NaN or 0, the rest comes back.
static void older_checkpoints_are_read(void **state) {
  (void)state;
  static const char *const newer[] = {"details", "curve_loss", "curve_counts"};
  sht_position saved = position_at(2, 3);
  sht_position loaded;
  fixture_watch watch;
  sht_error error;
  sht_safetensors *file = NULL;
  sht_tensor kept[16];
  int count = 0;
  int there = 0;
  bool found = false;
  remove_both();
  save(1, &saved);
  fixture_ok(sht_safetensors_open(checkpoint('a'), &file, &error), &error);
  const sht_tensor *all = sht_safetensors_tensors(file, &there);
  for (int i = 0; i < there; i++) {
    bool is_newer = false;
    for (int k = 0; k < 3; k++) {
      is_newer = is_newer || strcmp(all[i].name, newer[k]) == 0;
    }
    if (!is_newer) {
      kept[count++] = all[i];
    }
  }
  assert_int_equal(count, there - 3);
  const sht_metadata metadata[] = {{"shatter.family", session.family}};
  fixture_ok(sht_safetensors_write(checkpoint('b'), kept, count, metadata, 1, &error), &error);
  sht_safetensors_close(file);
  assert_int_equal(unlink(checkpoint('a')), 0);
  fixture_ok(load(&loaded, &watch, &found, &error), &error);
  assert_true(found);
  assert_values(1);
  assert_true(loaded.epoch == 2 && loaded.step == 3 && loaded.records[1].train_loss == records[1].train_loss);
  assert_true(isnan(loaded.records[1].memorised) && isnan(loaded.records[1].curve_loss[0]));
  assert_int_equal(loaded.records[1].dynamics_corrupted, 0);
  assert_int_equal(loaded.curve.seen[0], 0);
}

static void the_newest_of_two_wins(void **state) {
  (void)state;
  sht_position position = position_at(1, 1);
  sht_position loaded;
  fixture_watch watch;
  bool found = false;
  remove_both();
  for (uint64_t step = 1; step <= 4; step++) {
    position.step = step;
    save((float)step, &position);
    fixture_ok(load(&loaded, &watch, &found, NULL), &(sht_error){0});
    assert_int_equal(loaded.step, step);
    assert_int_equal(loaded.slot, step % 2);
    assert_int_equal(watch.notes, 0);
    assert_values((float)step);
  }
  position.epoch = 2;
  position.step = 0;
  save(50, &position);
  fixture_ok(load(&loaded, &watch, &found, NULL), &(sht_error){0});
  assert_int_equal(loaded.epoch, 2);
}

static void one_is_left_at_the_end(void **state) {
  (void)state;
  sht_position loaded;
  fixture_watch watch;
  bool found = false;
  for (uint64_t saves = 1; saves <= 4; saves++) {
    sht_position position = position_at(1, 0);
    remove_both();
    for (uint64_t step = 1; step <= saves; step++) {
      position.step = step;
      save((float)step, &position);
    }
    fixture_ok(sht__checkpoint_keep_last(folder, &position, NULL), &(sht_error){0});
    assert_true(sht_file_exists(checkpoint('a')));
    assert_false(sht_file_exists(checkpoint('b')));
    assert_int_equal(position.slot, 1);
    fixture_ok(load(&loaded, &watch, &found, NULL), &(sht_error){0});
    assert_int_equal(loaded.step, saves);
  }
}

// a: step 1; b: step 2, damaged at `at` by `flip`, or cut to `at` when flip is 0. The load must give step 1 and a note.
static void assert_falls_back(const char *whole, size_t size, size_t at, char flip) {
  sht_position loaded;
  fixture_watch watch;
  sht_error error;
  bool found = false;
  char *bent = malloc(size);
  memcpy(bent, whole, size);
  if (flip != 0) {
    bent[at] = (char)(bent[at] ^ flip);
  }
  fixture_write(checkpoint('b'), bent, flip == 0 ? at : size);
  free(bent);
  fixture_ok(load(&loaded, &watch, &found, &error), &error);
  if (!found || loaded.step != 1 || watch.notes != 1 || loaded.slot != 1) {
    fail_msg("byte %zu, flip %d: step %d, %d notes", at, flip, (int)loaded.step, (int)watch.notes);
  }
}

// Every byte of the header and of the small tensors behind it, then every 97th; cut at as many places.
static void damage_anywhere_falls_back(void **state) {
  (void)state;
  sht_position position = position_at(1, 1);
  size_t size = 0;
  remove_both();
  save(1, &position);
  position.step = 2;
  save(2, &position);
  char *whole = fixture_read(checkpoint('b'), &size);
  for (size_t at = 0; at < size; at += at < 2000 ? 1 : 97) {
    assert_falls_back(whole, size, at, (char)(1 << at % 8));
    assert_falls_back(whole, size, at, 0);
  }
  assert_falls_back(whole, size, size - 1, 0);
  fixture_write(checkpoint('b'), whole, size);
  sht_position loaded;
  fixture_watch watch;
  bool found = false;
  fixture_ok(load(&loaded, &watch, &found, NULL), &(sht_error){0});
  assert_int_equal(loaded.step, 2);
  free(whole);
}

static void two_damaged_ones_are_an_error(void **state) {
  (void)state;
  sht_position loaded;
  fixture_watch watch;
  sht_error error;
  bool found = true;
  remove_both();
  fixture_write(checkpoint('a'), "damaged", 7);
  fixture_write(checkpoint('b'), "", 0);
  assert_int_equal(load(&loaded, &watch, &found, &error), SHT_DATA);
  assert_non_null(strstr(error.message, "no whole checkpoint is left"));
  assert_false(found);
}

static void the_checkpoint_of_another_run_is_refused(void **state) {
  (void)state;
  sht_position position = position_at(1, 1);
  sht_position loaded;
  fixture_watch watch;
  sht_error error;
  bool found = true;
  remove_both();
  save(1, &position);
  session.family[0] ^= 1;
  assert_int_equal(load(&loaded, &watch, &found, &error), SHT_CONFIG);
  session.family[0] ^= 1;
  assert_non_null(strstr(error.message, "another configuration"));
  assert_false(found);
}

static void places_beyond_the_run_are_refused(void **state) {
  (void)state;
  sht_position loaded;
  fixture_watch watch;
  sht_error error;
  bool found = true;
  sht_position far = position_at(ROOM, 0);
  remove_both();
  save(1, &far);
  sht_observer observer = fixture_observer(&watch);
  loaded = (sht_position){.records = records, .room = ROOM - 1};
  assert_int_equal(sht__checkpoint_load(&session, folder, &observer, &loaded, &found, &error), SHT_CONFIG);
  assert_non_null(strstr(error.message, "more than the 7 asked for"));
  sht_position late = position_at(1, FIXTURE_STEPS + 1);
  remove_both();
  save(1, &late);
  assert_int_equal(load(&loaded, &watch, &found, &error), SHT_DATA);
}

// A whole safetensors file that is no checkpoint, and one of another model.
static void other_files_are_refused(void **state) {
  (void)state;
  sht_position loaded;
  fixture_watch watch;
  sht_error error;
  bool found = true;
  const sht_tensor tensor = {.name = "place", .dtype = SHT_DTYPE_U8, .rank = 1, .dims = {1}, .bytes = "x", .size = 1};
  remove_both();
  fixture_ok(sht_safetensors_write(checkpoint('a'), &tensor, 1, NULL, 0, &error), &error);
  assert_int_equal(load(&loaded, &watch, &found, &error), SHT_DATA);
}

static void copies_are_checkpoints(void **state) {
  (void)state;
  char other[FIXTURE_PATH];
  sht_position position = position_at(1, 1);
  sht_error error;
  fixture_folder(other);
  remove_both();
  assert_int_equal(sht__checkpoint_copy(folder, other, &error), SHT_MISSING);
  save(1, &position);
  position.step = 2;
  save(2, &position);
  fixture_ok(sht__checkpoint_copy(folder, other, &error), &error);
  sht__checkpoint_remove(folder);
  fixture_ok(sht__checkpoint_copy(other, folder, &error), &error);
  fixture_remove(other);
  sht_position loaded;
  fixture_watch watch;
  bool found = false;
  fixture_ok(load(&loaded, &watch, &found, &error), &error);
  assert_int_equal(loaded.step, 2);
}

static int count_files(void) {
  DIR *entries = opendir(folder);
  int count = 0;
  for (struct dirent *entry = readdir(entries); entry != NULL; entry = readdir(entries)) {
    count += strstr(entry->d_name, "checkpoint") != NULL;
  }
  (void)closedir(entries);
  return count;
}

// In a process of its own whose files may not grow beyond `limit` bytes: what a full disk does to a write.
static sht_status save_with_limit(sht_position *position, rlim_t limit) {
  pid_t child = fork();
  if (child == 0) {
    const struct rlimit most = {limit, limit};
    (void)signal(SIGXFSZ, SIG_IGN);
    (void)setrlimit(RLIMIT_FSIZE, &most);
    sht_error error = {0};
    sht_status status = sht__checkpoint_save(&session, folder, position, &error);
    bool told = status == SHT_OK || strstr(error.message, "ulimit") != NULL;
    _exit(told ? (int)status : 99);
  }
  int how = 0;
  assert_int_equal(waitpid(child, &how, 0), child);
  assert_true(WIFEXITED(how));
  return (sht_status)WEXITSTATUS(how);
}

// The disk fills at every possible place in the file, in steps: the two checkpoints before it stand.
static void a_full_disk_keeps_what_was_there(void **state) {
  (void)state;
  sht_position position = position_at(1, 1);
  sht_position loaded;
  fixture_watch watch;
  bool found = false;
  size_t size = 0;
  remove_both();
  save(1, &position);
  position.step = 2;
  save(2, &position);
  free(fixture_read(checkpoint('b'), &size));
  position.step = 3;
  for (size_t limit = 0; limit < size; limit += 1 + limit / 2) {
    assert_int_equal(save_with_limit(&position, limit), SHT_DISK);
    assert_int_equal(count_files(), 2);
    fixture_ok(load(&loaded, &watch, &found, NULL), &(sht_error){0});
    assert_int_equal(loaded.step, 2);
    assert_int_equal(watch.notes, 0);
  }
  assert_int_equal(save_with_limit(&position, size), SHT_OK);
  fixture_ok(load(&loaded, &watch, &found, NULL), &(sht_error){0});
  assert_int_equal(loaded.step, 3);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(what_is_saved_comes_back),
      cmocka_unit_test(older_checkpoints_are_read),
      cmocka_unit_test(the_newest_of_two_wins),
      cmocka_unit_test(one_is_left_at_the_end),
      cmocka_unit_test(damage_anywhere_falls_back),
      cmocka_unit_test(two_damaged_ones_are_an_error),
      cmocka_unit_test(the_checkpoint_of_another_run_is_refused),
      cmocka_unit_test(places_beyond_the_run_are_refused),
      cmocka_unit_test(other_files_are_refused),
      cmocka_unit_test(copies_are_checkpoints),
      cmocka_unit_test(a_full_disk_keeps_what_was_there),
  };
  return cmocka_run_group_tests(tests, set_up, tear_down);
}
