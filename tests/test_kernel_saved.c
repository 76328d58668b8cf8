// Kernel machines whose progress is saved: the same bits however often they are stopped, and no trust in a folder that
// someone else had a hand in.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
// cmocka needs the first four

#include <cmocka.h>

#include "base/file.h"
#include "kernel_fixture.h"

enum { CLASSES = 3 };

typedef struct stopper {
  int polls_left;
} stopper;

static bool stop(void *context) {
  stopper *s = context;
  return s->polls_left-- <= 0;
}

static void check_same_numbers(const sht_kernel_solution *a, const sht_kernel_solution *b) {
  const double first[] = {a->jitter,     a->smallest_pivot,     a->residual,          a->train_error,
                          a->iterations, a->largest_eigenvalue, a->eigenvalue_bound,  a->norms.solution,
                          a->converged,  a->norms.centred,      a->norms.coefficients};
  const double second[] = {b->jitter,     b->smallest_pivot,     b->residual,          b->train_error,
                           b->iterations, b->largest_eigenvalue, b->eigenvalue_bound,  b->norms.solution,
                           b->converged,  b->norms.centred,      b->norms.coefficients};
  for (size_t i = 0; i < sizeof first / sizeof first[0]; i++) {
    assert_true(first[i] == second[i]);
  }
}

// Stopped again and again after a while, each time going on from what was saved: the same bits as in one go.
static void check_resume(const sht_kernel_examples *train, sht_kernel_options o, int step) {
  char folder[] = "/tmp/test_kernel_XXXXXX";
  assert_non_null(mkdtemp(folder));
  sht_kernel_result *whole = NULL, *parts = NULL;
  assert_int_equal(sht_kernel_solve(train, NULL, &o, &whole, NULL), SHT_OK);
  stopper s = {0};
  sht_work work = {.context = &s, .stop_requested = stop};
  o.folder = folder;
  o.checkpoint_seconds = 0;
  o.work = &work;
  int stops = 0;
  for (int polls = 3; parts == NULL; polls += step) {
    s.polls_left = polls;
    sht_status status = sht_kernel_solve(train, NULL, &o, &parts, NULL);
    assert_true(status == SHT_OK || status == SHT_STOPPED);
    stops += status == SHT_STOPPED;
  }
  assert_true(stops > 3);
  assert_memory_equal(whole->solutions[0].coefficients, parts->solutions[0].coefficients,
                      train->count * train->outputs * sizeof(double));
  check_same_numbers(&whole->solutions[0], &parts->solutions[0]);
  o.ridges[0] = 0.123;  // another problem in the same folder
  sht_kernel_result *none = NULL;
  sht_error error = {0};
  s.polls_left = 1000000;
  assert_int_equal(sht_kernel_solve(train, NULL, &o, &none, &error), SHT_CONFIG);
  assert_non_null(strstr(error.message, "another problem"));
  sht_kernel_forget(folder);
  assert_int_equal(access(folder, F_OK), -1);
  sht_kernel_result_close(whole);
  sht_kernel_result_close(parts);
}

static void test_resume(void **state) {
  (void)state;
  sample s = make_sample(1100, 1, 10, CLASSES);
  check_resume(&s.train, plain_options(SHT_KERNEL_GAUSSIAN, 0.5, 0), 3);
  free_sample(&s);
}

// Streamed features: the same, and the same solution as the linear kernel of features that were made before.
static void test_streamed_resume(void **state) {
  (void)state;
  sht_dataset *data = NULL;
  sht_kernel_examples train = open_shapes("shapes:160,10", &data);
  sht_kernel_options o = plain_options(SHT_KERNEL_LINEAR, 1, 1);
  o.features = "randconv:260";
  o.tolerance = 1e-9;
  check_resume(&train, o, 11);
  sht_dataset_close(data);
}

static bool stop_when_saved(void *path) { return sht_file_exists(path); }

// Solves until progress.json tells of one block of the features' inner products, and says there that it is two.
static void claim_a_block(const sht_kernel_examples *train, sht_kernel_options o, char *path) {
  static const char told[] = "\"gram_blocks\": 1";
  sht_work work = {.context = path, .stop_requested = stop_when_saved};
  sht_kernel_result *none = NULL;
  char *text = NULL;
  uint64_t size = 0;
  o.work = &work;
  assert_int_equal(sht_kernel_solve(train, NULL, &o, &none, NULL), SHT_STOPPED);
  assert_int_equal(sht_file_read(path, 1 << 20, &text, &size, NULL), SHT_OK);
  char *blocks = strstr(text, told);
  assert_non_null(blocks);
  blocks[sizeof told - 2] = '2';
  assert_int_equal(sht_file_write(path, text, size, NULL), SHT_OK);
  sht_free(text);
}

// Someone else's hand in the folder: more blocks than were summed are not believed, and a link with the name of the
// features' file is taken away, not followed.
static void test_edited_folder(void **state) {
  (void)state;
  char folder[] = "/tmp/test_kernel_XXXXXX", path[64], link_path[64], *text = NULL;
  uint64_t size = 0;
  sht_dataset *data = NULL;
  sht_kernel_examples train = open_shapes("shapes:160,10", &data);
  sht_kernel_options o = plain_options(SHT_KERNEL_LINEAR, 1, 1);
  sht_kernel_result *whole = NULL, *edited = NULL;
  o.features = "randconv:260";
  o.tolerance = 1e-9;
  assert_int_equal(sht_kernel_solve(&train, NULL, &o, &whole, NULL), SHT_OK);
  assert_non_null(mkdtemp(folder));
  (void)snprintf(path, sizeof path, "%s/precious", folder);
  (void)snprintf(link_path, sizeof link_path, "%s/features.blocks", folder);
  assert_int_equal(sht_file_write(path, "precious", 8, NULL), SHT_OK);
  assert_int_equal(symlink(path, link_path), 0);
  o.folder = folder;
  o.checkpoint_seconds = 0;
  (void)snprintf(link_path, sizeof link_path, "%s/progress.json", folder);
  claim_a_block(&train, o, link_path);
  assert_int_equal(sht_kernel_solve(&train, NULL, &o, &edited, NULL), SHT_OK);
  assert_memory_equal(whole->solutions[0].coefficients, edited->solutions[0].coefficients,
                      train.count * train.outputs * sizeof(double));
  assert_int_equal(sht_file_read(path, 100, &text, &size, NULL), SHT_OK);
  assert_int_equal(size, 8);
  assert_memory_equal(text, "precious", size);
  sht_free(text);
  assert_int_equal(unlink(path), 0);
  sht_kernel_forget(folder);
  assert_int_equal(access(folder, F_OK), -1);
  sht_kernel_result_close(whole);
  sht_kernel_result_close(edited);
  sht_dataset_close(data);
}

// A link with the name of a file of progress ends the run; what it points to is not written.
static void test_link_in_folder(void **state) {
  (void)state;
  static const char *const names[] = {"factor.tiles", "gram-1.tiles"};
  static const char *const features[] = {NULL, "randconv:260"};
  sht_dataset *data = NULL;
  sht_kernel_examples train = open_shapes("shapes:160,10", &data);
  for (int i = 0; i < 2; i++) {
    char folder[] = "/tmp/test_kernel_XXXXXX", path[64], link_path[64];
    sht_kernel_options o = plain_options(SHT_KERNEL_LINEAR, 1, 1);
    sht_kernel_result *result = NULL;
    sht_error error;
    uint64_t size = 1;
    o.features = features[i];
    o.checkpoint_seconds = 0;
    o.folder = folder;
    assert_non_null(mkdtemp(folder));
    (void)snprintf(path, sizeof path, "%s/precious", folder);
    (void)snprintf(link_path, sizeof link_path, "%s/%s", folder, names[i]);
    assert_int_equal(sht_file_write(path, "", 0, NULL), SHT_OK);
    assert_int_equal(symlink(path, link_path), 0);
    assert_int_equal(sht_kernel_solve(&train, NULL, &o, &result, &error), SHT_DISK);
    assert_non_null(strstr(error.message, names[i]));
    assert_int_equal(sht_file_size(path, &size, NULL), SHT_OK);
    assert_int_equal(size, 0);
    sht_kernel_result_close(result);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(unlink(link_path), 0);
    sht_kernel_forget(folder);
  }
  sht_dataset_close(data);
}

// A path of ridges on streamed features: inner products are added up for the first alone, and each solution is the
// same bits as that of its ridge by itself; kept in memory, and in a folder. summed: not found in the folder.
enum { PATH_RIDGES = 2 };

static const double path_ridges[PATH_RIDGES] = {3, 0};

static void check_path(const sht_kernel_examples *train, const sht_kernel_options *one, sht_kernel_result **singles,
                       const char *folder, bool summed) {
  sht_kernel_options o = *one;
  o.folder = folder;
  o.ridge_count = PATH_RIDGES;
  memcpy(o.ridges, path_ridges, sizeof path_ridges);
  sht_kernel_result *path = NULL;
  assert_int_equal(sht_kernel_solve(train, NULL, &o, &path, NULL), SHT_OK);
  for (uint32_t r = 0; r < PATH_RIDGES; r++) {
    const sht_kernel_solution *found = &path->solutions[r], *wanted = &singles[r]->solutions[0];
    assert_memory_equal(found->coefficients, wanted->coefficients, train->count * train->outputs * sizeof(double));
    check_same_numbers(found, wanted);
    assert_string_equal(found->phases[0].name, "gram");
    assert_true((found->phases[0].gflops > 0) == (summed && r == 0));
  }
  sht_kernel_result_close(path);
}

static void test_path(void **state) {
  (void)state;
  sht_dataset *data = NULL;
  sht_dataset_options options = {.seed = 3};
  sht_kernel_result *singles[PATH_RIDGES] = {NULL};
  char folder[] = "/tmp/test_kernel_XXXXXX";
  assert_non_null(mkdtemp(folder));
  assert_int_equal(sht_dataset_open("shapes:60,10", &options, &data, NULL), SHT_OK);
  sht_kernel_examples train = {
      .count = 60, .images = &data->train, .labels = data->train.labels, .outputs = data->classes};
  sht_kernel_options o = plain_options(SHT_KERNEL_LINEAR, 1, 0);
  o.features = "randconv:260";
  o.tolerance = 1e-6;
  for (uint32_t r = 0; r < PATH_RIDGES; r++) {
    o.ridges[0] = path_ridges[r];
    assert_int_equal(sht_kernel_solve(&train, NULL, &o, &singles[r], NULL), SHT_OK);
  }
  check_path(&train, &o, singles, NULL, true);
  check_path(&train, &o, singles, folder, true);
  check_path(&train, &o, singles, folder, false);  // everything is there already
  sht_kernel_forget(folder);
  assert_int_equal(access(folder, F_OK), -1);
  for (uint32_t r = 0; r < PATH_RIDGES; r++) {
    sht_kernel_result_close(singles[r]);
  }
  sht_dataset_close(data);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_resume),        cmocka_unit_test(test_streamed_resume),
      cmocka_unit_test(test_edited_folder), cmocka_unit_test(test_link_in_folder),
      cmocka_unit_test(test_path),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
