// What is done in one launch with the layer before it: ReLU, and the sums that batch normalisation needs.
#include "base/memory.h"
#include "engine/cuda/plan.h"

// ReLU becomes part of the one layer before it that can do it.
static void fuse_relu(cuda_plan *plan) {
  for (int i = 0; i < plan->graph->node_count; i++) {
    const sht_node *n = &plan->graph->nodes[i];
    const int input = n->inputs[0];
    if (n->op != SHT_OP_RELU || plan->values[input].consumers != 1) {
      continue;
    }
    const sht_op before = plan->graph->nodes[input].op;
    if (before == SHT_OP_CONV || before == SHT_OP_LINEAR || before == SHT_OP_BATCHNORM) {
      plan->values[i].fused_into = input;
      plan->values[input].relu = i;
    }
  }
}

// Whether the node's value is zero where no example is, as its inputs' are (zero[input]).
static bool keeps_zeros(const sht_node *n, const bool *zero) {
  const bool adds = n->op == SHT_OP_SHIFT || ((n->op == SHT_OP_CONV || n->op == SHT_OP_LINEAR) && n->bias >= 0);
  bool all = true;
  for (int k = 0; k < n->input_count; k++) {
    all = all && zero[n->inputs[k]];
  }
  return n->op == SHT_OP_BATCHNORM || (all && !adds);
}

// The sums of a convolution's launch are those of all rows: they are right where rows without an example are zeros. In
// float the sums of squares would be coarser than those of differences that a launch of their own takes.
static bool can_measure(const cuda_plan *plan, int node, const bool *zero) {
  const sht_node *n = &plan->graph->nodes[node];
  const cuda_value *value = &plan->values[node];
  return plan->engine->fusion == CUDA_FUSE_STATISTICS && plan->engine->type == CUDA_BFLOAT16 && n->op == SHT_OP_CONV &&
         n->bias < 0 && value->relu < 0 && value->consumers == 1 && zero[n->inputs[0]];
}

sht_status cuda_plan_fuse(cuda_plan *plan, sht_error *error) {
  bool *zero = NULL;
  SHT_TRY(SHT_ALLOC(&zero, plan->graph->node_count, "plan", error));
  fuse_relu(plan);
  for (int i = 0; i < plan->graph->node_count; i++) {
    const sht_node *n = &plan->graph->nodes[i];
    zero[i] = keeps_zeros(n, zero);
    if (n->op == SHT_OP_BATCHNORM) {
      plan->values[n->inputs[0]].measured = can_measure(plan, n->inputs[0], zero);
    }
  }
  sht_free(zero);
  return SHT_OK;
}
