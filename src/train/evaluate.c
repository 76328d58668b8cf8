// Evaluation of a whole split: see evaluate.h.
#include "train/evaluate.h"

#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "train/dynamics.h"

// Examples between two questions whether to stop, rounded up to whole batches so that the engine's tiles are the same.
enum { BLOCK_EXAMPLES = 512 };

typedef struct sht_sums {
  double loss;
  uint64_t correct;
  uint64_t other_correct;
  sht_answers answers;
} sht_sums;

static uint32_t largest_of(const float *logits, uint32_t classes) {
  uint32_t best = 0;
  for (uint32_t k = 1; k < classes; k++) {
    if (logits[k] > logits[best]) {
      best = k;
    }
  }
  return best;
}

// A logit that is NaN makes no prediction; the loss tells of it. logits: [n][classes]; losses: [n].
static void add_block(const sht_evaluate_options *options, uint64_t first, uint64_t n, uint32_t classes,
                      const float *logits, const float *losses, sht_sums *sums) {
  const sht_split *split = options->pipeline->split;
  for (uint64_t i = 0; i < n; i++) {
    uint32_t answer = largest_of(logits + i * classes, classes);
    sums->loss += losses[i];
    sums->correct += answer == split->labels[first + i];
    sht__dynamics_count(&sums->answers, answer, split->labels[first + i], split->true_labels[first + i]);
    sums->other_correct += options->other_labels != NULL && answer == options->other_labels[first + i];
  }
}

// logits: [block][K] and losses: [block], used where the caller keeps none.
static sht_status run_blocks(sht_session *session, const sht_evaluate_options *options, uint64_t block, float *logits,
                             float *losses, sht_sums *sums, sht_error *error) {
  uint32_t classes = session->graph->classes;
  uint64_t count = options->pipeline->split->count;
  const sht_observer *observer = options->observer;
  for (uint64_t first = 0; first < count; first += block) {
    uint64_t n = count - first < block ? count - first : block;
    float *block_logits = options->logits != NULL ? options->logits + first * classes : logits;
    float *block_losses = options->losses != NULL ? options->losses + first : losses;
    if (observer != NULL && observer->stop_requested != NULL && observer->stop_requested(observer->context)) {
      return SHT_FAIL(error, SHT_STOPPED, "stopped on request; can be resumed");
    }
    SHT_TRY(sht_engine_evaluate(session->engine, options->pipeline, first, n, block_logits, block_losses, error));
    add_block(options, first, n, classes, block_logits, block_losses, sums);
  }
  return SHT_OK;
}

sht_status sht__evaluate(sht_session *session, const sht_evaluate_options *options, sht_evaluation *out,
                         sht_error *error) {
  uint64_t count = options->pipeline->split->count;
  uint64_t batch = session->config.batch;
  uint64_t block = (BLOCK_EXAMPLES + batch - 1) / batch * batch;
  float *logits = NULL;
  float *losses = NULL;
  sht_sums sums = {0};
  *out = (sht_evaluation){.loss = NAN, .accuracy = NAN, .corrupted_accuracy = NAN};
  sht_status status = SHT_ALLOC(&logits, block * session->graph->classes, "logits", error);
  if (status == SHT_OK) {
    status = SHT_ALLOC(&losses, block, "losses", error);
  }
  if (status == SHT_OK) {
    status = run_blocks(session, options, block, logits, losses, &sums, error);
  }
  sht_free(losses);
  sht_free(logits);
  out->answers = sums.answers;
  if (status == SHT_OK && count > 0) {
    out->loss = sums.loss / (double)count;
    out->accuracy = (double)sums.correct / (double)count;
    if (options->other_labels != NULL) {
      out->corrupted_accuracy = (double)sums.other_correct / (double)count;
    }
  }
  return status;
}
