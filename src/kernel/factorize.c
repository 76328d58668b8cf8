// Filling and factoring: see factorize.h.
#include "kernel/factorize.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "base/work.h"
#include "kernel/card.h"
#include "kernel/lead.h"

enum { ATTEMPTS = 12, NOTE_BYTES = 256 };

// A pivot that is smaller than this part of the matrix's own diagonal element consists of rounding errors.
static const float PIVOT_FLOOR = 1e-7F;
// The first jitter, in units of sqrt(n) eps times the largest diagonal element: the size (as an operator) of a matrix
// of independent rounding errors; and the factor from one attempt to the next.
static const double FIRST_JITTER = 4, NEXT_JITTER = 8;
// The smallest pivot, in units of sqrt(n) eps, of which rounding is at most a hundredth.
static const double SOUND_PIVOT = 100;

typedef struct attempt {
  sht__gram *gram;
  sht__saved *saved;
  sht__kept_products *kept;
  double checkpoint_seconds;
  sht__tiles *tiles;
  float *diagonal;   // [N * 256]
  sht__lead lead;    // stored features
  uint64_t columns;  // that are factored already
  float smallest;    // pivot of them
  double jitter;
  sht__factor_report *report;
} attempt;

static void note(const attempt *a, const char *sentence) {
  if (a->gram->work->noted != NULL) {
    a->gram->work->noted(a->gram->work->context, sentence);
  }
}

// Features whose products make an element of K; kept products are there already.
static uint64_t stored_width(const attempt *a) { return a->gram->train.products != NULL ? 0 : a->gram->map.width; }

// Of streamed inner products, and of the features that are made on the way.
static double streamed_flops(const attempt *a) {
  return (double)a->tiles->n * a->gram->map.flops + sht__gram_flops(a->tiles->n, a->gram->map.width);
}

static sht_status save_products(void *context, uint64_t done, sht_error *error) {
  attempt *a = context;
  return sht__saved_add_gram(a->kept->saved, a->tiles, done, done == a->gram->map.blocks, a->checkpoint_seconds, error);
}

// The inner products that are in the file into the tiles; *first: the number of blocks they are of.
static sht_status load_products(attempt *a, uint64_t *first, sht_error *error) {
  sht__saved *saved = a->kept->saved;
  bool sound = false;
  sht__tiles_clear(a->tiles);
  if (saved != NULL && saved->gram_blocks > 0) {
    SHT_TRY(sht__saved_load_gram(saved, a->tiles, &sound, error));
    *first = saved->gram_blocks;
  }
  return SHT_OK;
}

// The inner products of streamed features: from the copy, from the file, from the file on, or from the start.
static sht_status stream(attempt *a, sht_error *error) {
  const uint64_t bytes = sht__tiles_held(a->tiles), blocks = a->gram->map.blocks;
  if (a->kept->complete) {
    memcpy(a->tiles->data, a->kept->copy, bytes);
    return SHT_OK;
  }
  uint64_t first = 0;
  SHT_TRY(load_products(a, &first, error));
  SHT_TRY(
      sht__gram_accumulate(a->gram, NULL, first, a->kept->saved != NULL ? save_products : NULL, a, a->tiles, error));
  a->report->gram_flops += (double)(blocks - first) / (double)blocks * streamed_flops(a);
  if (a->kept->copy != NULL) {
    memcpy(a->kept->copy, a->tiles->data, bytes);
    a->kept->complete = true;
  }
  return a->gram->train.squares == NULL ? sht__side_measure_tiles(&a->gram->train, a->tiles, error) : SHT_OK;
}

// Columns of the factor that were saved, over inner products, and K in the rest.
static sht_status fill_streamed(attempt *a, sht_error *error) {
  uint64_t promised = 0;
  do {  // again when a column is not what was written: what was read of it has replaced its inner products
    promised = a->saved != NULL ? a->saved->columns : 0;
    SHT_TRY(stream(a, error));
    if (a->saved != NULL) {
      SHT_TRY(sht__saved_load_columns(a->saved, a->tiles, error));
      a->columns = a->saved->columns;
    }
  } while (a->columns < promised);
  return SHT_OK;
}

static sht_status save_columns(void *context, uint64_t first, uint64_t last, float smallest, sht_error *error) {
  attempt *a = context;
  return sht__saved_add_columns(a->saved, a->tiles, first, last, smallest, error);
}

// The leading columns, unless they were saved. result: as of sht__lead_factor.
static sht_status lead(attempt *a, sht__cholesky_result *result, sht_error *error) {
  *result = (sht__cholesky_result){.complete = true};
  if (a->columns >= a->lead.columns) {
    return SHT_OK;
  }
  a->report->gram_flops += sht__lead_flops(a->tiles->n, stored_width(a));
  SHT_TRY(sht__lead_factor(a->gram, a->jitter, a->diagonal, PIVOT_FLOOR, &a->lead, a->tiles, result, error));
  a->columns = result->complete ? a->lead.columns : 0;
  a->smallest = result->smallest_pivot;
  bool saves = a->saved != NULL && result->complete;
  return saves ? save_columns(a, 0, a->columns, a->smallest, error) : SHT_OK;
}

static sht_status fill_stored(attempt *a, sht__cholesky_result *result, sht_error *error) {
  if (a->saved != NULL) {
    SHT_TRY(sht__saved_load_columns(a->saved, a->tiles, error));
    a->columns = a->saved->columns;
  }
  SHT_TRY(lead(a, result, error));
  return result->complete ? sht__lead_fill(a->gram, &a->lead, a->columns, a->tiles, error) : SHT_OK;
}

static sht_status check_finite(const attempt *a, sht_error *error) {
  for (uint64_t i = 0; i < a->tiles->n; i++) {
    if (!isfinite(a->diagonal[i])) {
      return SHT_FAIL(error, SHT_DATA,
                      "the kernel of example %llu with itself is too large for fp32; scale the inputs, or take a "
                      "larger sigma or a smaller degree",
                      (unsigned long long)i);
    }
  }
  return SHT_OK;
}

static sht_status take_diagonal(const attempt *a, sht_error *error) {
  sht__gram_diagonal(a->gram, a->diagonal);
  return check_finite(a, error);
}

// The inner products of streamed features: summed once, and kept on the card.
static sht_status stream_on_card(attempt *a, sht_error *error) {
  if (a->gram->train.squares != NULL) {
    return SHT_OK;
  }
  a->report->gram_flops += streamed_flops(a);
  return sht__card_accumulate(a->gram, NULL, error);
}

static sht_status fill_on_card(attempt *a, sht__cholesky_result *result, sht_error *error) {
  const sht__card *card = a->gram->card;
  if (a->gram->streamed) {
    SHT_TRY(stream_on_card(a, error));
  } else {
    a->report->gram_flops += sht__lead_flops(a->tiles->n, stored_width(a));
  }
  SHT_TRY(take_diagonal(a, error));
  SHT_TRY(card->functions->fill(card->state, a->gram->ridge + a->jitter, a->diagonal, PIVOT_FLOOR, result, error));
  a->columns = result->columns;
  return SHT_OK;
}

static sht_status fill_here(attempt *a, sht__cholesky_result *result, sht_error *error) {
  *result = (sht__cholesky_result){.complete = true};
  if (a->gram->streamed) {
    SHT_TRY(fill_streamed(a, error));
    SHT_TRY(take_diagonal(a, error));
  } else {
    SHT_TRY(take_diagonal(a, error));
    SHT_TRY(fill_stored(a, result, error));
  }
  if (result->complete) {
    sht__gram_finish(a->gram, a->jitter, a->columns, a->tiles);
  }
  return SHT_OK;
}

// Columns of the factor that were saved or lead, and what they leave of K in the rest. Not complete: a pivot of those
// that lead failed.
static sht_status fill(attempt *a, sht__cholesky_result *result, sht_error *error) {
  double start = sht__work_clock();
  SHT_TRY(a->gram->card != NULL ? fill_on_card(a, result, error) : fill_here(a, result, error));
  a->report->gram_seconds += sht__work_clock() - start;
  return SHT_OK;
}

// Share of the n^3 / 3 of a factorisation that the columns of tiles first .. last-1 take of the fp32 one.
static double share_of(const attempt *a, uint64_t first, uint64_t last) {
  const uint64_t count = a->tiles->count, leading = a->lead.columns;
  double done = 0, total = 0;
  for (uint64_t j = 0; j < count; j++) {
    total += (double)(count - j) * (double)(j + 1);
    done += j >= first && j < last ? (double)(count - j) * (double)(j - leading + 1) : 0;
  }
  return done / total;
}

static sht_status factor_here(attempt *a, sht__cholesky_result *result, sht_error *error) {
  sht__cholesky_options options = {.first = a->columns,
                                   .lead = a->lead.columns,
                                   .smallest = a->smallest,
                                   .diagonal = a->diagonal,
                                   .floor = PIVOT_FLOOR};
  if (a->saved != NULL) {
    options.batch_seconds = a->checkpoint_seconds > 0 ? a->checkpoint_seconds : 1e-3;
    options.smallest = a->saved->smallest_pivot;
    options.saved = save_columns;
    options.context = a;
  }
  return sht__cholesky_factor(a->tiles, &options, a->gram->pool, a->gram->work, result, error);
}

static sht_status factor(attempt *a, sht__cholesky_result *result, sht_error *error) {
  const sht__card *card = a->gram->card;
  double start = sht__work_clock();
  SHT_TRY(card != NULL ? card->functions->factor(card->state, a->diagonal, PIVOT_FLOOR, result, error)
                       : factor_here(a, result, error));
  a->report->factor_seconds += sht__work_clock() - start;
  a->report->factored_flops += share_of(a, a->columns, result->columns) * sht__cholesky_flops(a->tiles->n);
  a->report->resumed_columns = a->columns;
  return SHT_OK;
}

static double next_jitter(const attempt *a) {
  double largest = 0;
  for (uint64_t i = 0; i < a->tiles->n; i++) {
    largest = a->diagonal[i] > largest ? a->diagonal[i] : largest;
  }
  double first = FIRST_JITTER * ldexp(1, -24) * sqrt((double)a->tiles->n) * largest;
  return a->jitter == 0 ? first : NEXT_JITTER * a->jitter;
}

static sht_status try_again(attempt *a, const sht__cholesky_result *result, sht_error *error) {
  char sentence[NOTE_BYTES];
  a->jitter = next_jitter(a);
  a->columns = 0;
  (void)snprintf(sentence, sizeof sentence,
                 "fp32 cannot factor the matrix (pivot %llu of %llu is lost in rounding errors): again with %.2g added "
                 "to the diagonal, as preconditioner for the matrix itself",
                 (unsigned long long)result->failed_row + 1, (unsigned long long)a->tiles->n, a->jitter);
  note(a, sentence);
  return a->saved != NULL ? sht__saved_start(a->saved, a->jitter, error) : SHT_OK;
}

static sht_status run(attempt *a, sht_error *error) {
  for (int i = 0; i < ATTEMPTS; i++) {
    sht__cholesky_result result;
    SHT_TRY(fill(a, &result, error));
    if (result.complete) {
      SHT_TRY(factor(a, &result, error));
    }
    a->report->jitter = a->jitter;
    a->report->smallest_pivot = result.smallest_pivot;
    if (result.complete) {
      return SHT_OK;
    }
    SHT_TRY(try_again(a, &result, error));
  }
  return SHT_FAIL(error, SHT_DATA,
                  "the kernel matrix cannot be factored: even %g on its diagonal does not make it positive definite in "
                  "fp32; scale the inputs, or choose another kernel",
                  a->jitter);
}

sht_status sht__factorize(sht__gram *gram, sht__saved *saved, sht__kept_products *kept, double checkpoint_seconds,
                          sht__tiles *tiles, sht__factor_report *out, sht_error *error) {
  sht__kept_products nowhere = {0};
  attempt a = {.gram = gram,
               .saved = saved,
               .kept = kept != NULL ? kept : &nowhere,
               .checkpoint_seconds = checkpoint_seconds,
               .tiles = tiles,
               .jitter = saved != NULL ? saved->jitter : 0,
               .report = out};
  *out = (sht__factor_report){0};
  SHT_TRY(SHT_ALLOC(&a.diagonal, tiles->count * SHT_TILE, "the diagonal of the kernel matrix", error));
  sht_status status = gram->streamed ? SHT_OK : sht__lead_open(tiles, &a.lead, error);
  if (status == SHT_OK) {
    status = run(&a, error);
  }
  sht__lead_close(&a.lead);
  sht_free(a.diagonal);
  return status;
}

bool sht__pivots_are_sound(uint64_t n, double smallest_pivot) {
  return smallest_pivot >= SOUND_PIVOT * sqrt((double)n) * ldexp(1, -24);
}
