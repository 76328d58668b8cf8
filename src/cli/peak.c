// Measures the multiply-add peak: see peak.h.
#include "cli/peak.h"

#include <immintrin.h>
#include <time.h>

#include "base/amx.h"
#include "base/amx_tiles.h"
#include "base/pool.h"

// Twelve chains hide a latency of 4 cycles at up to 3 multiply-adds a cycle; 24 leave room.
enum { CHAINS = 24, ROUNDS = 400000, THREADS_MAX = 1024 };
// Of AMX: six tiles of sums, one product for each in a round of 16 x 16 x 32 multiply-adds.
enum { TILES = 6, TILE_ROUNDS = 40000, TILE_FLOPS = 2 * 16 * 16 * 32 };

// The best of what is tried in this time: a core that was idle takes a while to reach its clock.
static const double seconds_measured = 0.06;
// On a busy machine tries wait for a core: at least so many, if they come within this time.
enum { TRIES_MIN = 40 };
static const double seconds_longest = 2;

typedef struct loop {
  void (*run)(float *sink);
  double flops;  // of one call
} loop;

typedef struct job {
  loop loop;
  float sinks[THREADS_MAX];
  double best[THREADS_MAX];  // GFLOP/s of each thread
} job;

__attribute__((target("avx512f"))) static void multiply_add_avx512(float *sink) {
  __m512 sums[CHAINS];
  for (int i = 0; i < CHAINS; i++) {
    sums[i] = _mm512_set1_ps((float)i);
  }
  const __m512 factor = _mm512_set1_ps(0.999F);
  for (int round = 0; round < ROUNDS; round++) {
#pragma GCC unroll 24
    for (int i = 0; i < CHAINS; i++) {
      sums[i] = _mm512_fmadd_ps(sums[i], factor, factor);
    }
  }
  for (int i = 0; i < CHAINS; i++) {
    *sink += _mm512_cvtss_f32(sums[i]);
  }
}

__attribute__((target("avx512f,avx512bf16"))) static void dot_product_bf16(float *sink) {
  __m512 sums[CHAINS];
  for (int i = 0; i < CHAINS; i++) {
    sums[i] = _mm512_set1_ps((float)i);
  }
  const __m512bh factor = (__m512bh)_mm512_set1_epi16(0x3f00);  // 0.5
  for (int round = 0; round < ROUNDS; round++) {
#pragma GCC unroll 24
    for (int i = 0; i < CHAINS; i++) {
      sums[i] = _mm512_dpbf16_ps(sums[i], factor, factor);
    }
  }
  for (int i = 0; i < CHAINS; i++) {
    *sink += _mm512_cvtss_f32(sums[i]);
  }
}

__attribute__((target("amx-tile,amx-bf16"))) static void tile_product_bf16(float *sink) {
  static const sht_amx_shapes whole = {
      .palette = 1, .row_bytes = {64, 64, 64, 64, 64, 64, 64, 64}, .rows = {16, 16, 16, 16, 16, 16, 16, 16}};
  float sums[16 * 16];
  _tile_loadconfig(&whole);  // and all tiles are zero
  for (int round = 0; round < TILE_ROUNDS; round++) {
    _tile_dpbf16ps(0, 6, 7);
    _tile_dpbf16ps(1, 6, 7);
    _tile_dpbf16ps(2, 6, 7);
    _tile_dpbf16ps(3, 6, 7);
    _tile_dpbf16ps(4, 6, 7);
    _tile_dpbf16ps(5, 6, 7);
  }
  _tile_stored(0, sums, 64);
  _tile_release();
  *sink += sums[0];
}

__attribute__((target("avx2,fma"))) static void multiply_add_avx2(float *sink) {
  __m256 sums[CHAINS / 2];
  for (int i = 0; i < CHAINS / 2; i++) {
    sums[i] = _mm256_set1_ps((float)i);
  }
  const __m256 factor = _mm256_set1_ps(0.999F);
  for (int round = 0; round < ROUNDS; round++) {
#pragma GCC unroll 12
    for (int i = 0; i < CHAINS / 2; i++) {
      sums[i] = _mm256_fmadd_ps(sums[i], factor, factor);
    }
  }
  for (int i = 0; i < CHAINS / 2; i++) {
    *sink += _mm256_cvtss_f32(sums[i]);
  }
}

static void multiply_add_sse(float *sink) {
  __m128 sums[CHAINS / 2];
  for (int i = 0; i < CHAINS / 2; i++) {
    sums[i] = _mm_set1_ps((float)i);
  }
  const __m128 factor = _mm_set1_ps(0.999F);
  for (int round = 0; round < ROUNDS; round++) {
#pragma GCC unroll 12
    for (int i = 0; i < CHAINS / 2; i++) {
      sums[i] = _mm_add_ps(_mm_mul_ps(sums[i], factor), factor);
    }
  }
  for (int i = 0; i < CHAINS / 2; i++) {
    *sink += _mm_cvtss_f32(sums[i]);
  }
}

static loop choose_loop(sht_precision precision) {
  if (precision == SHT_BF16 && sht_amx_available()) {
    return (loop){tile_product_bf16, (double)TILE_FLOPS * TILES * TILE_ROUNDS};
  }
  if (precision == SHT_BF16 && __builtin_cpu_supports("avx512bf16")) {
    return (loop){dot_product_bf16, 2.0 * 32 * CHAINS * ROUNDS};
  }
  if (__builtin_cpu_supports("avx512f")) {
    return (loop){multiply_add_avx512, 2.0 * 16 * CHAINS * ROUNDS};
  }
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
    return (loop){multiply_add_avx2, 2.0 * 8 * CHAINS / 2 * ROUNDS};
  }
  return (loop){multiply_add_sse, 2.0 * 4 * CHAINS / 2 * ROUNDS};
}

static double now(clockid_t clock) {
  struct timespec time;
  (void)clock_gettime(clock, &time);
  return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

static void run_loop(void *context, size_t task, int worker) {
  (void)worker;
  job *work = context;
  float sink = 0;
  const double start = now(CLOCK_THREAD_CPUTIME_ID);
  work->loop.run(&sink);
  const double rate = work->loop.flops / (now(CLOCK_THREAD_CPUTIME_ID) - start) * 1e-9;
  work->best[task] = rate > work->best[task] ? rate : work->best[task];
  work->sinks[task] = sink;  // so that the loop cannot be left out
}

sht_status sht__peak_measure(sht_precision precision, int threads, double *gflops, sht_error *error) {
  sht_pool *pool = NULL;
  SHT_TRY(sht_pool_open(threads, &pool, error));
  job work = {.loop = choose_loop(precision)};
  const double begun = now(CLOCK_MONOTONIC);
  double spent = 0;
  for (int tries = 0; spent < seconds_measured || (tries < TRIES_MIN && spent < seconds_longest); tries++) {
    sht_pool_each(pool, run_loop, &work);
    spent = now(CLOCK_MONOTONIC) - begun;
  }
  *gflops = 0;
  for (int thread = 0; thread < sht_pool_threads(pool); thread++) {
    *gflops += work.best[thread];
  }
  sht_pool_close(pool);
  return SHT_OK;
}
