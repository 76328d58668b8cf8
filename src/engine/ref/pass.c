// One batch through the whole network: forward, loss, backward.
#include <math.h>
#include <string.h>

#include "engine/ref/ref.h"

void sht__ref_forward(sht__ref *ref) {
  for (int i = 0; i < ref->base.graph->node_count; i++) {
    sht__ref_op_of(ref->layers[i].node->op)->forward(&ref->layers[i]);
  }
}

static uint32_t first_largest(const double *logits, uint32_t classes) {
  uint32_t best = 0;
  for (uint32_t k = 1; k < classes; k++) {
    best = logits[k] > logits[best] ? k : best;
  }
  return best;
}

// log of the sum of exp(logit), moved by the largest so that nothing overflows.
static double log_sum_exp(const double *logits, uint32_t classes) {
  double largest = logits[first_largest(logits, classes)];
  double sum = 0;
  for (uint32_t k = 0; k < classes; k++) {
    sum += exp(logits[k] - largest);
  }
  return largest + log(sum);
}

double sht__ref_loss(sht__ref *ref, const uint16_t *labels, bool gradient, uint32_t *correct) {
  const sht__ref_layer *last = &ref->layers[ref->base.graph->node_count - 1];
  const uint32_t classes = ref->base.graph->classes;
  const uint32_t n = ref->batch.n;
  double total = 0;
  *correct = 0;
  for (uint32_t i = 0; i < n; i++) {
    const double *logits = last->y + (uint64_t)i * classes;
    double normalizer = log_sum_exp(logits, classes);
    ref->losses[i] = normalizer - logits[labels[i]];
    total += ref->losses[i];
    *correct += first_largest(logits, classes) == labels[i];
    for (uint32_t k = 0; gradient && k < classes; k++) {
      last->dy[(uint64_t)i * classes + k] = (exp(logits[k] - normalizer) - (k == labels[i])) / n;
    }
  }
  return total;
}

void sht__ref_backward(sht__ref *ref) {
  const int count = ref->base.graph->node_count;
  memset(ref->gradients, 0, ref->base.graph->parameter_count * sizeof *ref->gradients);
  for (int i = 0; i < count - 1; i++) {
    memset(ref->layers[i].dy, 0, sht__ref_size(&ref->layers[i]) * sizeof *ref->layers[i].dy);
  }
  for (int i = count - 1; i >= 0; i--) {
    sht__ref_op_of(ref->layers[i].node->op)->backward(&ref->layers[i]);
  }
}
