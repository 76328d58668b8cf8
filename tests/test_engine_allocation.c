// No allocation inside a step: this program's own malloc family counts while a flag is up, for every thread and library
// of the process. The first epoch may allocate (a library's own lazy tables); the second must not. For every call of a
// primitive oneDNN makes a small table of its arguments, which is not ours to avoid: with convolutions, blocks below 4
// KiB do not count.
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
// after the four headers that it needs
#include <cmocka.h>

#include "shatter/engine.h"

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#endif

static atomic_bool counting;
static atomic_int allocations;
static atomic_size_t smallest;  // bytes from which an allocation counts

#ifndef SANITIZED  // a sanitizer brings its own malloc
static void count_one(size_t size) {
  if (atomic_load(&counting) && size >= atomic_load(&smallest)) {
    atomic_fetch_add(&allocations, 1);
  }
}

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *block, size_t size);
void *__libc_memalign(size_t alignment, size_t size);

void *malloc(size_t size) {
  count_one(size);
  return __libc_malloc(size);
}

void *calloc(size_t count, size_t size) {
  count_one(count * size);
  return __libc_calloc(count, size);
}

void *realloc(void *block, size_t size) {
  count_one(size);
  return __libc_realloc(block, size);
}

void *aligned_alloc(size_t alignment, size_t size) {
  count_one(size);
  return __libc_memalign(alignment, size);
}

int posix_memalign(void **out, size_t alignment, size_t size) {
  count_one(size);
  *out = __libc_memalign(alignment, size);
  return *out == NULL ? 12 : 0;
}
#endif

enum { EXAMPLES = 40, BATCH = 16, SIDE = 28, CHANNELS = 3, STEPS = 3 };

static uint8_t pixels[EXAMPLES * SIDE * SIDE * CHANNELS];
static uint16_t labels[EXAMPLES];

static sht_split make_split(void) {
  sht_rng rng = sht_rng_make(1, SHT_PURPOSE_SHAPES);
  for (uint32_t i = 0; i < sizeof pixels; i++) {
    pixels[i] = (uint8_t)sht_rng_u32(rng, 0, i, 0);
  }
  for (uint32_t i = 0; i < EXAMPLES; i++) {
    labels[i] = (uint16_t)(i % 10);
  }
  return (sht_split){EXAMPLES, SIDE, SIDE, CHANNELS, SHT_PIXEL_U8, pixels, labels, labels};
}

static void run_epoch(sht_engine *engine, const sht_pipeline *data, uint32_t epoch) {
  const sht_step_rates rates = {0.01F, 0.9F, 0};
  sht_step_metrics metrics[STEPS];
  uint64_t done = 0;
  assert_int_equal(sht_engine_train(engine, data, epoch, 0, STEPS, &rates, metrics, &done, NULL), SHT_OK);
  assert_int_equal(done, STEPS);
}

enum { EVERY = 0, TABLES = 4096 };

static void check_model(const char *model, sht_precision precision, size_t from) {
  sht_graph_options graph_options = {.input = {CHANNELS, SIDE, SIDE}, .classes = 10};
  sht_graph *graph = NULL;
  assert_int_equal(sht_graph_open(model, &graph_options, &graph, NULL), SHT_OK);
  sht_engine_options options = {
      .backend = "cpu", .precision = precision, .threads = 2, .batch = BATCH, .seed = 1, .train_examples = EXAMPLES};
  sht_engine *engine = NULL;
  sht_error error = {0};
  sht_status status = sht_engine_open(graph, &options, &engine, &error);
  if (status == SHT_UNAVAILABLE) {
    print_message("SKIP: %s\n", error.message);
    sht_graph_close(graph);
    skip();
  }
  assert_int_equal(status, SHT_OK);
  float *parameters = calloc(graph->parameter_count, sizeof *parameters);
  sht_graph_initialize(graph, 1, parameters);
  assert_int_equal(sht_engine_put(engine, SHT_STATE_PARAMETERS, parameters, graph->parameter_count, NULL), SHT_OK);
  sht_split split = make_split();
  sht_pipeline data = {.split = &split, .height = SIDE, .width = SIDE, .whiten = true, .seed = 1};
  run_epoch(engine, &data, 0);
  atomic_store(&allocations, 0);
  atomic_store(&smallest, from);
  atomic_store(&counting, true);
  free(malloc(TABLES));  // the counter counts
  run_epoch(engine, &data, 1);
  atomic_store(&counting, false);
#ifndef SANITIZED
  print_message("%s: %d allocations\n", model, atomic_load(&allocations) - 1);
  assert_int_equal(atomic_load(&allocations), 1);
#endif
  sht_engine_close(engine);
  free(parameters);
  sht_graph_close(graph);
}

static void mlp_fp32(void **state) {
  (void)state;
  check_model("mlp-3x512", SHT_FP32, EVERY);
}

static void alexnet_fp32(void **state) {
  (void)state;
  check_model("alexnet", SHT_FP32, TABLES);
}

static void inception_fp32(void **state) {
  (void)state;
  check_model("inception", SHT_FP32, TABLES);
}

static void inception_bf16(void **state) {
  (void)state;
  check_model("inception", SHT_BF16, TABLES);
}

static void mlp_bf16(void **state) {
  (void)state;
  check_model("mlp-3x512", SHT_BF16, EVERY);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(mlp_fp32),       cmocka_unit_test(alexnet_fp32), cmocka_unit_test(inception_fp32),
      cmocka_unit_test(inception_bf16), cmocka_unit_test(mlp_bf16),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
