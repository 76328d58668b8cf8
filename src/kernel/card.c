// Finding the plugin, and what is the same for every card: see card.h.
#include "kernel/card.h"

#include <dlfcn.h>
#include <stdio.h>

#include "base/memory.h"
#include "base/plugin.h"
#include "kernel/randconv.h"

// What responses of random filters may take.
static const uint64_t RESPONSE_BYTES = (uint64_t)512 << 20;
enum { IMAGES_MAX = 256 };

sht_status sht__card_check_options(const sht_kernel_options *options, sht_error *error) {
  if (options->device != NULL && strcmp(options->device, "cpu") != 0 && !sht__card_is_asked(options)) {
    return SHT_FAIL(error, SHT_CONFIG, "device '%.32s'; kernel machines run on cpu and cuda", options->device);
  }
  if (!sht__card_is_asked(options)) {
    return SHT_OK;
  }
  if (options->cluster != NULL) {
    return SHT_FAIL(error, SHT_CONFIG, "--device cuda is for one process with one card, not for several ranks");
  }
  if (options->leave_one_out) {
    return SHT_FAIL(error, SHT_CONFIG, "--leave-one-out is not made on a card; use --device cpu, or leave it out");
  }
  if (options->folder != NULL) {
    return SHT_FAIL(error, SHT_CONFIG,
                    "on a card no progress is saved: leave the folder out (the program still writes its result to -o "
                    "FOLDER)");
  }
  return SHT_OK;
}

static void add(uint64_t *sum, uint64_t count, uint64_t size) {
  uint64_t bytes = 0;
  if (!sht_size_mul(count, size, &bytes) || !sht_size_add(*sum, bytes, sum)) {
    *sum = UINT64_MAX;
  }
}

static uint64_t least(uint64_t a, uint64_t b) { return a < b ? a : b; }

sht__card_blocks sht__card_blocks_of(const sht__feature_map *map, const sht_split *images) {
  const uint64_t patch = SHT__RANDCONV_PATCH, filters = map->width / SHT__RANDCONV_FEATURES;
  const uint64_t values = patch * patch * images->channels + SHT__RANDCONV_SHIFTS;
  sht__card_blocks b = {.all = (filters + SHT_LANES - 1) / SHT_LANES * SHT_LANES};
  b.filters = least(b.all, SHT__CARD_FILTERS);
  b.count = (b.all + b.filters - 1) / b.filters;
  b.width = b.filters * SHT__RANDCONV_FEATURES;
  b.places = (map->mirror ? 2 : 1) * (images->height - patch + 1) * (images->width - patch + 1);
  b.depth = (values + SHT__CARD_TAPS_MULTIPLE - 1) / SHT__CARD_TAPS_MULTIPLE * SHT__CARD_TAPS_MULTIPLE;
  b.images = 1 + least(RESPONSE_BYTES / (b.places * b.filters * sizeof(float)), IMAGES_MAX - 1);
  return b;
}

// Features, and what K is made with.
static void add_stored(uint64_t *sum, uint64_t n, uint64_t tests, uint64_t width) {
  const uint64_t longest = n > tests ? n : tests;
  add(sum, n + tests, (width + 1) * sizeof(double));        // features, squared lengths
  add(sum, n + longest, SHT__CARD_BLOCK * sizeof(double));  // leading columns, those at hand
  add(sum, SHT_LANES, width * sizeof(float));               // features on their way
}

// Features in blocks and their inner products.
static void add_blocks(uint64_t *sum, uint64_t n, uint64_t tests, const sht__card_blocks *b, const sht_split *images) {
  const uint64_t pixels = (uint64_t)images->height * images->width * images->channels;
  add(sum, n + tests, pixels * (images->type == SHT_PIXEL_U8 ? sizeof(uint8_t) : sizeof(int16_t)));
  add(sum, b->all, b->depth * sizeof(uint16_t));                   // filters
  add(sum, b->images * b->places, b->depth * sizeof(uint16_t));    // patches
  add(sum, b->images * b->places, b->filters * sizeof(float));     // responses
  add(sum, n + tests, b->width * sizeof(uint16_t));                // features of a block
  add(sum, n + SHT__CARD_BLOCK, SHT__CARD_BLOCK * sizeof(float));  // blocks on the diagonal
  add(sum, n, sizeof(double));                                     // squared lengths
}

// What products with K are made with when features are streamed.
static void add_streamed(uint64_t *sum, const sht__card_blocks *b, uint64_t columns) {
  add(sum, SHT__CARD_WIDE + columns, b->width * sizeof(double));  // features in double, images of right-hand sides
}

// Inner products with test examples, and what K is made with.
static void add_kept(uint64_t *sum, uint64_t n, uint64_t tests) {
  const uint64_t longest = n > tests ? n : tests;
  add(sum, tests, n * sizeof(float) + sizeof(double));                                 // with their squared lengths
  add(sum, tests > 0 ? tests + SHT__CARD_BLOCK : 0, SHT__CARD_BLOCK * sizeof(float));  // of which these are made
  add(sum, n + longest, SHT__CARD_BLOCK * sizeof(double));                             // leading columns, those at hand
  add(sum, n, sizeof(uint32_t));                                                       // an order of examples
}

uint64_t sht__card_bytes(uint64_t n, uint64_t tests, const sht__feature_map *map, const sht_split *images, bool keeps,
                         uint64_t columns) {
  const uint64_t longest = n > tests ? n : tests;
  uint64_t sum = SHT__CARD_RUNTIME;
  add(&sum, n, n * sizeof(float));
  add(&sum, n + longest, columns * sizeof(double));   // vectors of a product
  add(&sum, n, (2 * SHT_LANES + 1) * sizeof(float));  // right-hand sides, diagonal
  if (map->blocks > 1) {
    const sht__card_blocks blocks = sht__card_blocks_of(map, images);
    add_blocks(&sum, n, tests, &blocks, images);
    if (keeps) {
      add_kept(&sum, n, tests);
    } else {
      add_streamed(&sum, &blocks, columns);
    }
  } else {
    add_stored(&sum, n, tests, map->width);
  }
  return sum;
}

static sht_status load(sht__card *out, sht_error *error) {
  static const sht__plugin_request request = {
      .what = "--device cuda",
      .kind = "kernel card",
      .instead =
          "use --device cpu; the plugin is built where CUDA's compiler (nvcc) and cuDNN 9 are found (docs/cuda.md)",
      .file = "shatter-kernel-cuda.so",
      .symbol = "sht_kernel_card_cuda",
      .version = SHT__CARD_VERSION,
      .flags = RTLD_LOCAL};
  const void *table = NULL;
  SHT_TRY(sht__plugin_load(&request, &table, &out->handle, error));
  out->functions = table;
  return SHT_OK;
}

sht_status sht_kernel_find_card(sht_kernel_card *out, sht_error *error) {
  sht__card card = {0};
  *out = (sht_kernel_card){0};
  sht_status status = load(&card, error);
  if (status == SHT_OK) {
    status = card.functions->find(out, error);
  }
  sht__card_close(&card);
  return status;
}

sht_status sht__card_open(const sht__problem *problem, sht__card *out, sht_error *error) {
  *out = (sht__card){0};
  SHT_TRY(load(out, error));
  const sht__side *test = problem->test != NULL ? &problem->test_side : NULL;
  return out->functions->open(&problem->gram, test, problem->columns, &out->state, error);
}

void sht__card_close(sht__card *card) {
  if (card->state != NULL) {
    card->functions->close(card->state);
  }
  if (card->handle != NULL) {
    (void)dlclose(card->handle);
  }
  *card = (sht__card){0};
}

sht_status sht__card_accumulate(sht__gram *gram, const uint32_t *same, sht_error *error) {
  const uint64_t rows = sht__tile_rows(gram->train.n) * SHT_TILE;
  SHT_TRY(SHT_ALLOC(&gram->train.squares, rows, "squared lengths", error));
  return gram->card->functions->accumulate(gram->card->state, same, gram->train.squares, error);
}

sht_status sht__card_multiply(const sht__gram *gram, const double *v, double *out, uint64_t columns, sht_error *error) {
  SHT_TRY(gram->card->functions->multiply(gram->card->state, false, v, out, columns, error));
  for (uint64_t i = 0; i < columns * gram->train.n; i++) {
    out[i] += gram->ridge * v[i];
  }
  return SHT_OK;
}

sht_status sht__card_predict(const sht__gram *gram, const double *v, double *out, uint64_t columns, sht_error *error) {
  return gram->card->functions->multiply(gram->card->state, true, v, out, columns, error);
}

sht__far_factor sht__card_factor(const sht__card *card) {
  if (card == NULL) {
    return (sht__far_factor){0};
  }
  return (sht__far_factor){
      .context = card->state, .solve = card->functions->solve, .product = card->functions->product};
}
