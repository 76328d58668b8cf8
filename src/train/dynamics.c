// What is learned when: see dynamics.h.
#include "train/dynamics.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "config/scalar.h"
#include "data/dataset.h"

enum { WATCHED_BY_DEFAULT = 5000 };  // a forward pass of 5,000 costs about 3 % of an epoch of 50,000

sht_status sht__dynamics_parse(const char *text, uint64_t *limit, sht_error *error) {
  static const char *const names[] = {"auto", "all", "off", NULL};
  static const uint64_t limits[] = {WATCHED_BY_DEFAULT, UINT64_MAX, 0};
  for (int i = 0; names[i] != NULL; i++) {
    if (strcmp(text, names[i]) == 0) {
      *limit = limits[i];
      return SHT_OK;
    }
  }
  if (sht__scalar_count(text, limit) && *limit > 0) {
    return SHT_OK;
  }
  const char *nearest = sht_text_nearest(text, names);
  return SHT_FAIL(error, SHT_CONFIG, "dynamics \"%s\": expected auto, all, off, or a number of examples%s%s%s", text,
                  nearest == NULL ? "" : "; did you mean ", nearest == NULL ? "" : nearest, nearest == NULL ? "" : "?");
}

static bool is_corrupted(const sht_split *split, uint64_t example) {
  return split->labels[example] != split->true_labels[example];
}

static uint64_t count_corrupted(const sht_split *split) {
  uint64_t corrupted = 0;
  for (uint64_t i = 0; i < split->count; i++) {
    corrupted += is_corrupted(split, i);
  }
  return corrupted;
}

static uint64_t smaller(uint64_t a, uint64_t b) { return a < b ? a : b; }

// How many of each kind: [0] clean, [1] corrupted. limit is below the split's count.
static void share_out(const sht_split *split, uint64_t limit, uint64_t wanted[2]) {
  uint64_t corrupted = count_corrupted(split);
  wanted[1] = smaller(corrupted, (limit + 1) / 2);
  wanted[0] = smaller(split->count - corrupted, limit - wanted[1]);
  wanted[1] = limit - wanted[0];
}

// Marks the first examples of a seeded order that are wanted. chosen: [N].
static sht_status choose(const sht_split *split, uint64_t seed, uint64_t limit, bool *chosen, sht_error *error) {
  uint32_t count = (uint32_t)split->count;
  uint32_t *order = NULL;
  uint64_t *scratch = NULL;
  uint64_t wanted[2];
  sht_status status = SHT_ALLOC(&order, count, "order of the watched examples", error);
  if (status == SHT_OK) {
    status = SHT_ALLOC(&scratch, 2 * split->count, "order of the watched examples", error);
  }
  if (status == SHT_OK) {
    share_out(split, limit, wanted);
    sht_rng_permutation(sht_rng_make(seed, SHT_PURPOSE_WATCHED), 0, 0, count, order, scratch);
    for (uint32_t i = 0; i < count; i++) {
      uint64_t *left = &wanted[is_corrupted(split, order[i])];
      chosen[order[i]] = *left > 0;
      *left -= *left > 0;
    }
  }
  sht_free(scratch);
  sht_free(order);
  return status;
}

static sht_status watch_part(sht_session *session, uint64_t limit, sht_error *error) {
  const sht_split *split = &session->data->train;
  bool *chosen = NULL;
  SHT_TRY(SHT_ALLOC(&chosen, split->count, "watched examples", error));
  sht_status status = choose(split, session->config.seed, limit, chosen, error);
  if (status == SHT_OK) {
    status = SHT_ALLOC(&session->watched_split, 1, "watched examples", error);
  }
  if (status == SHT_OK) {
    status = sht__split_choose(split, chosen, limit, session->watched_split, error);
  }
  sht_free(chosen);
  return status;
}

sht_status sht__dynamics_open(sht_session *session, sht_error *error) {
  const sht_split *split = &session->data->train;
  uint64_t limit = 0;
  SHT_TRY(sht__dynamics_parse(session->config.dynamics, &limit, error));
  if (limit == 0 || count_corrupted(split) == 0) {
    return SHT_OK;
  }
  if (limit < split->count) {
    SHT_TRY(watch_part(session, limit, error));
    split = session->watched_split;
  }
  session->watched = session->test;  // cut and whitened as the test images are: nothing drawn anew
  session->watched.split = split;
  return SHT_OK;
}

void sht__dynamics_close(sht_session *session) {
  if (session->watched_split != NULL) {
    sht__split_free(session->watched_split);
    sht_free(session->watched_split);
  }
}

void sht__dynamics_count(sht_answers *answers, uint32_t answer, uint16_t given, uint16_t truth) {
  bool right = answer == given;
  if (given == truth) {
    answers->clean_fitted += right;
    answers->clean++;
  } else {
    answers->memorised += right;
    answers->resisted += answer == truth;
    answers->corrupted++;
  }
}

static double share(uint64_t part, uint64_t whole) { return whole > 0 ? (double)part / (double)whole : (double)NAN; }

void sht__dynamics_file(const sht_answers *answers, sht_epoch *record) {
  record->memorised = share(answers->memorised, answers->corrupted);
  record->resisted = share(answers->resisted, answers->corrupted);
  record->other = share(answers->corrupted - answers->memorised - answers->resisted, answers->corrupted);
  record->clean_fitted = share(answers->clean_fitted, answers->clean);
  record->dynamics_corrupted = answers->corrupted;
  record->dynamics_clean = answers->clean;
}
