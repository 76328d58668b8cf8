// The plugin's seam: opening, the features' way to the card, closing. See kernel/card.h and state.h.
#include <stdio.h>

#include "base/memory.h"
#include "base/work.h"
#include "kernel/cuda/state.h"

sht_status card_check(cublasStatus_t code, const char *doing, sht_error *error) {
  if (code == CUBLAS_STATUS_SUCCESS) {
    return SHT_OK;
  }
  if (code == CUBLAS_STATUS_ALLOC_FAILED) {
    return cuda_fail_memory(doing, error);
  }
  // The card's own word, where it has one: cuBLAS has a runtime of its own, whose last error does not show in ours.
  SHT_TRY(cuda_check(cudaStreamSynchronize(NULL), doing, error));
  return SHT_FAIL(error, SHT_UNAVAILABLE, "%s: cuBLAS says %s; a complete cuBLAS %d must be installed", doing,
                  cublasGetStatusString(code), CUBLAS_VER_MAJOR);
}

sht_status card_wait(const card_state *s, const char *doing, sht_error *error) {
  SHT_TRY(cuda_check(cudaGetLastError(), doing, error));
  return cuda_check(cudaStreamSynchronize(s->stream), doing, error);
}

sht_status card_tell(const card_state *s, const char *phase, double done, double total, sht_error *error) {
  SHT_TRY(card_wait(s, phase, error));
  return sht__work_tell(s->gram->work, phase, done, total) ? SHT_FAIL(error, SHT_STOPPED, "stopped in: %s", phase)
                                                           : SHT_OK;
}

static void launch_nothing(void) { card_run_unpack(NULL, 1, 0, NULL, NULL); }

static sht_status find(sht_kernel_card *out, sht_error *error) {
  cuda_device device;
  size_t free_bytes = 0, bytes = 0;
  SHT_TRY(cuda_device_open(launch_nothing, &device, error));
  SHT_TRY(cuda_check(cudaMemGetInfo(&free_bytes, &bytes), "looking for a card", error));
  *out = (sht_kernel_card){.bytes = bytes, .free_bytes = free_bytes};
  (void)snprintf(out->name, sizeof out->name, "%s", device.name);
  return SHT_OK;
}

static sht_status take_side(card_state *s, card_side *side, sht_error *error) {
  SHT_TRY(CARD_TAKE(s, &side->features, side->n * s->width, "features"));
  return CARD_TAKE(s, &side->squares, side->n, "squared lengths");
}

// A panel of 32 examples after the other: the copies of one wait for the kernel of the one before.
static sht_status copy_side(card_state *s, const sht__side *side, const card_side *to, sht_error *error) {
  static const char *const doing = "copying features to the card";
  const uint64_t bytes = s->width * SHT_LANES * sizeof *s->panel;
  for (uint64_t i = 0; i < side->n; i += SHT_LANES) {
    const uint64_t count = side->n - i < SHT_LANES ? side->n - i : SHT_LANES;
    const float *panel = sht__panel_at(&side->panels, i / SHT_LANES);
    SHT_TRY(cuda_check(cudaMemcpyAsync(s->panel, panel, bytes, cudaMemcpyHostToDevice, s->stream), doing, error));
    card_run_unpack(s->panel, s->width, (uint32_t)count, to->features + i * s->width, s->stream);
  }
  SHT_TRY(card_wait(s, doing, error));
  return cuda_copy(s->stream, to->squares, side->squares, side->n * sizeof *to->squares, cudaMemcpyHostToDevice, doing,
                   error);
}

// What every problem needs.
static sht_status take_memory(card_state *s, uint64_t columns, sht_error *error) {
  const uint64_t longest = s->test.n > s->n ? s->test.n : s->n;
  SHT_TRY(CARD_TAKE(s, &s->factor, s->n * s->n, "kernel matrix"));
  SHT_TRY(CARD_TAKE(s, &s->v, columns * s->n, "right-hand sides"));
  SHT_TRY(CARD_TAKE(s, &s->out, columns * longest, "products"));
  SHT_TRY(CARD_TAKE(s, &s->x, s->n * SHT_LANES, "right-hand sides"));
  SHT_TRY(CARD_TAKE(s, &s->y, s->n * SHT_LANES, "right-hand sides"));
  SHT_TRY(CARD_TAKE(s, &s->diagonal, s->n, "diagonal of the kernel matrix"));
  return CARD_TAKE(s, &s->pivots, 1, "pivots");
}

// What K is made with, 512 columns at a time; streamed features do without.
static sht_status open_columns(card_state *s, sht_error *error) {
  const uint64_t longest = s->test.n > s->n ? s->test.n : s->n;
  s->leading_columns = card_block_from(0, s->n);
  SHT_TRY(CARD_TAKE(s, &s->leading, s->leading_columns * s->n, "leading columns of the factor"));
  return CARD_TAKE(s, &s->stripe, SHT__CARD_BLOCK * longest, "columns of the kernel matrix");
}

static sht_status open_stored(card_state *s, const sht__side *test, sht_error *error) {
  s->width = s->gram->train.panels.width;
  SHT_TRY(open_columns(s, error));
  SHT_TRY(CARD_TAKE(s, &s->panel, s->width * SHT_LANES, "features on their way"));
  SHT_TRY(take_side(s, &s->train, error));
  SHT_TRY(copy_side(s, &s->gram->train, &s->train, error));
  if (test == NULL) {
    return SHT_OK;
  }
  SHT_TRY(take_side(s, &s->test, error));
  return copy_side(s, test, &s->test, error);
}

static sht_status open_blocks(card_state *s, const sht__side *test, uint64_t columns, sht_error *error) {
  SHT_TRY(card_open_convolutions(s, test, error));
  SHT_TRY(card_open_products(s, error));
  return s->gram->streamed ? card_open_streamed(s, columns, error) : open_columns(s, error);
}

// Products in fp32 are exact products: TF32 is not asked for.
static sht_status start(card_state *s, sht_error *error) {
  SHT_TRY(cuda_device_open(launch_nothing, &s->device, error));
  SHT_TRY(cuda_check(cudaStreamCreateWithFlags(&s->stream, cudaStreamNonBlocking), "starting the card", error));
  SHT_TRY(card_check(cublasCreate(&s->cublas), "starting cuBLAS", error));
  SHT_TRY(card_check(cublasSetMathMode(s->cublas, CUBLAS_DEFAULT_MATH), "starting cuBLAS", error));
  return card_check(cublasSetStream(s->cublas, s->stream), "starting cuBLAS", error);
}

static sht_status open_state(const sht__gram *gram, const sht__side *test, uint64_t columns, void **state,
                             sht_error *error) {
  card_state *s = NULL;
  SHT_TRY(SHT_ALLOC(&s, 1, "a card's problem", error));
  *state = s;
  *s = (card_state){.gram = gram, .n = gram->train.n};
  s->train.n = s->n;
  s->test.n = test != NULL ? test->n : 0;
  SHT_TRY(start(s, error));
  SHT_TRY(take_memory(s, columns, error));
  return gram->map.blocks > 1 ? open_blocks(s, test, columns, error) : open_stored(s, test, error);
}

static void close_state(void *state) {
  card_state *s = state;
  card_close_convolutions(s);
  cuda_memory_close(&s->memory);
  if (s->cublas != NULL) {
    (void)cublasDestroy(s->cublas);
  }
  if (s->stream != NULL) {
    (void)cudaStreamDestroy(s->stream);
  }
  sht_free(s);
}

const sht__card_functions sht_kernel_card_cuda = {
    .version = SHT__CARD_VERSION,
    .find = find,
    .open = open_state,
    .close = close_state,
    .accumulate = card_accumulate,
    .select = card_select,
    .fill = card_fill,
    .factor = card_factorize,
    .solve = card_solve,
    .product = card_product,
    .multiply = card_multiply,
};
