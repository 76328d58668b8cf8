// Features of random convolutions on the card, block by block: patches and pools by kernels of our own, responses by
// cuBLAS on tensor cores: factors in bf16, sums in fp32. What they are: kernel/randconv.c, whose filters are taken.
#include "base/memory.h"
#include "kernel/cuda/state.h"
#include "kernel/randconv.h"

enum { SIDES = 2, BITS = 16 };

static const float ONE = 1, ZERO = 0, GREY_LEVELS = 255, PARTS_OF_A_LEVEL = 64;

_Static_assert((int)SHT__CARD_TAPS_MULTIPLE == CARD_VECTOR && (int)SHT__RANDCONV_WINDOWS == CARD_WINDOWS &&
                   (int)SHT__RANDCONV_SEGMENTS == CARD_SEGMENTS,
               "the kernels have the layer's constants");

static card_layer layer_of(const sht_split *images, const sht__randconv *r, uint64_t depth) {
  card_layer layer = {.step = images->channels,
                      .row = images->width * images->channels,
                      .run = SHT__RANDCONV_PATCH * images->channels,
                      .taps = (uint32_t)r->taps,
                      .ones = SHT__RANDCONV_SHIFTS,
                      .depth = (uint32_t)depth,
                      .contrast = (float)SHT__RANDCONV_CONTRAST,
                      .threshold = SHT__RANDCONV_THRESHOLD,
                      .views = r->mirror ? 2 : 1,
                      .share = (r->mirror ? 0.5F : 1.0F) / (float)(r->window[0] * r->window[1]),
                      .words = images->type == SHT_PIXEL_I16};
  layer.image = images->height * layer.row;
  layer.whole = layer.words ? GREY_LEVELS * PARTS_OF_A_LEVEL : GREY_LEVELS;
  for (int side = 0; side < SIDES; side++) {
    layer.places[side] = r->positions[side];
    for (uint32_t w = 0; w < CARD_WINDOWS; w++) {  // the last window begins before the first one ends
      layer.bounds[side][w] = w * r->stride[side];
      layer.bounds[side][CARD_WINDOWS + w] = w * r->stride[side] + r->window[side];
    }
  }
  return layer;
}

// From pairs of taps, 32 filters side by side, to one filter after the other, with zeros to whole vectors.
static sht_status copy_bank(const card_state *s, const sht__randconv *r, sht_error *error) {
  const card_convolutions *c = &s->convolutions;
  const uint64_t depth = c->blocks.depth, all = c->blocks.all;
  uint16_t *bank = NULL;
  SHT_TRY(SHT_ALLOC(&bank, all * depth, "random filters", error));
  for (uint64_t f = 0; f < all; f++) {
    const uint32_t *pairs = r->bank + f / SHT_LANES * r->depth / 2 * SHT_LANES + f % SHT_LANES;
    for (uint64_t t = 0; t < r->depth; t++) {
      bank[f * depth + t] = (uint16_t)(pairs[t / 2 * SHT_LANES] >> (t % 2 == 0 ? 0 : BITS));
    }
  }
  sht_status status = cuda_copy(s->stream, c->bank, bank, all * depth * sizeof *bank, cudaMemcpyHostToDevice,
                                "copying random filters to the card", error);
  sht_free(bank);
  return status;
}

static sht_status copy_images(card_state *s, const sht_split *images, card_side *side, sht_error *error) {
  const card_layer *layer = &s->convolutions.layer;
  const uint64_t bytes = side->n * layer->image * (layer->words ? sizeof(int16_t) : sizeof(uint8_t));
  SHT_TRY(cuda_memory_take(&s->memory, &side->pixels, bytes, "images", error));
  return cuda_copy(s->stream, side->pixels, images->pixels, bytes, cudaMemcpyHostToDevice, "copying images to the card",
                   error);
}

static sht_status take_memory(card_state *s, sht_error *error) {
  card_convolutions *c = &s->convolutions;
  const sht__card_blocks *b = &c->blocks;
  SHT_TRY(CARD_TAKE(s, &c->bank, b->all * b->depth, "random filters"));
  SHT_TRY(CARD_TAKE(s, &c->patches, b->images * b->places * b->depth, "patches"));
  SHT_TRY(CARD_TAKE(s, &c->responses, b->images * b->places * b->filters, "responses of filters"));
  SHT_TRY(CARD_TAKE(s, &s->train.block, s->n * b->width, "features of a block"));
  return CARD_TAKE(s, &s->test.block, s->test.n * b->width, "features of a block");
}

sht_status card_open_convolutions(card_state *s, const sht__side *test, sht_error *error) {
  card_convolutions *c = &s->convolutions;
  const sht__feature_map *map = &s->gram->map;
  const sht_split *images = s->gram->train.split;
  const sht__randconv *r = map->state;
  c->blocks = sht__card_blocks_of(map, images);
  c->layer = layer_of(images, r, c->blocks.depth);
  SHT_TRY(take_memory(s, error));
  SHT_TRY(copy_bank(s, r, error));
  SHT_TRY(copy_images(s, images, &s->train, error));
  return test != NULL ? copy_images(s, test->split, &s->test, error) : SHT_OK;
}

sht_status card_keep_blocks(card_state *s, sht_error *error) {
  card_convolutions *c = &s->convolutions;
  const uint64_t bytes = s->n * c->blocks.width * sizeof **c->kept;
  size_t left = 0, all = 0;
  SHT_TRY(SHT_ALLOC(&c->kept, c->blocks.count, "blocks of features", error));
  SHT_TRY(SHT_ALLOC(&c->made, c->blocks.count, "blocks of features", error));
  for (uint64_t block = 0; block < c->blocks.count; block++) {
    SHT_TRY(cuda_check(cudaMemGetInfo(&left, &all), "looking for room for features", error));
    if (left < bytes + SHT__CARD_RUNTIME) {
      break;
    }
    SHT_TRY(CARD_TAKE(s, &c->kept[block], s->n * c->blocks.width, "features"));
  }
  return SHT_OK;
}

void card_close_convolutions(card_state *s) {
  sht_free(s->convolutions.kept);
  sht_free(s->convolutions.made);
}

uint64_t card_filters_of(const card_convolutions *c, uint64_t block) {
  const uint64_t left = c->blocks.all - block * c->blocks.filters;
  return left < c->blocks.filters ? left : c->blocks.filters;
}

// Of `count` images from `first` on.
static sht_status make_some(const card_state *s, const card_side *side, uint64_t first, uint64_t count, uint64_t block,
                            uint16_t *to, sht_error *error) {
  const card_convolutions *c = &s->convolutions;
  const int64_t filters = (int64_t)card_filters_of(c, block), depth = c->layer.depth;
  const uint64_t pixel = c->layer.words ? sizeof(int16_t) : sizeof(uint8_t);
  const char *pixels = (const char *)side->pixels + first * c->layer.image * pixel;
  card_run_patches(&c->layer, pixels, count, c->patches, s->stream);
  SHT_TRY(card_check(cublasGemmEx_64(s->cublas, CUBLAS_OP_T, CUBLAS_OP_N, filters, (int64_t)(count * c->blocks.places),
                                     depth, &ONE, c->bank + block * c->blocks.filters * c->blocks.depth, CUDA_R_16BF,
                                     depth, c->patches, CUDA_R_16BF, depth, &ZERO, c->responses, CUDA_R_32F, filters,
                                     CUBLAS_COMPUTE_32F, CUBLAS_GEMM_DEFAULT),
                     "responses of random filters", error));
  card_run_pool(&c->layer, c->responses, count, (uint32_t)filters, to, s->stream);
  return SHT_OK;
}

sht_status card_make_features(const card_state *s, bool test, uint64_t block, const uint16_t **out, sht_error *error) {
  const card_convolutions *c = &s->convolutions;
  const card_side *side = test ? &s->test : &s->train;
  const uint64_t width = card_filters_of(c, block) * SHT__RANDCONV_FEATURES, together = c->blocks.images;
  const bool keeps = !test && c->kept != NULL && c->kept[block] != NULL;
  uint16_t *to = keeps ? c->kept[block] : side->block;
  *out = to;
  if (keeps && c->made[block]) {
    return SHT_OK;
  }
  for (uint64_t first = 0; first < side->n; first += together) {
    const uint64_t count = side->n - first < together ? side->n - first : together;
    SHT_TRY(make_some(s, side, first, count, block, to + first * width, error));
  }
  if (keeps) {
    c->made[block] = true;
  }
  return SHT_OK;
}
