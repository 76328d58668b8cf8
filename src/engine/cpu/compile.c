// Graph -> plan: what is fused, what is written straight into a concatenation, then each node's operations, forward and
// in reverse order backward.
#include "engine/cpu/plan.h"

// ---- analysis

static void count_consumers(cpu_plan *plan) {
  for (int i = 0; i < plan->graph->node_count; i++) {
    plan->values[i].relu = plan->values[i].fused_into = plan->values[i].home = plan->values[i].chain = -1;
    for (int k = 0; k < plan->graph->nodes[i].input_count; k++) {
      plan->values[plan->graph->nodes[i].inputs[k]].consumers++;
    }
  }
}

static bool holds_parameters(sht_op op) { return op == SHT_OP_CONV || op == SHT_OP_LINEAR || op == SHT_OP_BATCHNORM; }

static void find_gradients(cpu_plan *plan) {
  for (int i = 0; i < plan->graph->node_count; i++) {
    const sht_node *n = &plan->graph->nodes[i];
    plan->values[i].needs_gradient = holds_parameters(n->op);
    for (int k = 0; k < n->input_count; k++) {
      plan->values[i].needs_gradient |= plan->values[n->inputs[k]].needs_gradient;
    }
  }
}

// What the loss depends on: the last node.
static void find_used(cpu_plan *plan) {
  plan->values[plan->graph->node_count - 1].used = true;
  for (int i = plan->graph->node_count - 1; i >= 0; i--) {
    const sht_node *n = &plan->graph->nodes[i];
    for (int k = 0; plan->values[i].used && k < n->input_count; k++) {
      plan->values[n->inputs[k]].used = true;
    }
  }
}

// ReLU becomes part of the one layer before it that can do it.
static void fuse_relu(cpu_plan *plan) {
  for (int i = 0; i < plan->graph->node_count; i++) {
    int input = plan->graph->nodes[i].inputs[0];
    if (plan->graph->nodes[i].op == SHT_OP_RELU && plan->values[input].consumers == 1 &&
        holds_parameters(plan->graph->nodes[input].op)) {
      plan->values[i].fused_into = input;
      plan->values[input].relu = i;
    }
  }
}

// Dense layers that feed nothing but the next one are one chain.
static void find_chains(cpu_plan *plan) {
  for (int i = 0; i < plan->graph->node_count; i++) {
    if (plan->graph->nodes[i].op != SHT_OP_LINEAR) {
      continue;
    }
    int input = plan->graph->nodes[i].inputs[0];
    bool single = plan->values[input].consumers == 1;
    int layer = plan->values[input].fused_into >= 0 ? plan->values[input].fused_into : input;
    bool follows = single && plan->graph->nodes[layer].op == SHT_OP_LINEAR;
    plan->values[i].chain = follows ? plan->values[layer].chain : i;
    plan->values[i].chain_index = follows ? plan->values[layer].chain_index + 1 : 0;
  }
}

static bool can_write_slice(const cpu_plan *plan, int node) {
  int layer = plan->values[node].fused_into >= 0 ? plan->values[node].fused_into : node;
  switch (plan->graph->nodes[layer].op) {
    case SHT_OP_BATCHNORM:
    case SHT_OP_RELU:
    case SHT_OP_MAXPOOL:
    case SHT_OP_AVGPOOL:
    case SHT_OP_LRN:
    case SHT_OP_DROPOUT:
    case SHT_OP_ADD:
      return true;
    default:
      return false;
  }
}

// Inputs of a concatenation whose channels are whole blocks are written where they belong. (An input of two
// concatenations lives in the first and is copied into the other.)
static void find_homes(cpu_plan *plan, int node) {
  const sht_node *n = &plan->graph->nodes[node];
  uint32_t channel = 0;
  for (int i = 0; i < n->input_count; i++) {
    cpu_value *input = &plan->values[n->inputs[i]];
    uint32_t channels = plan->graph->nodes[n->inputs[i]].out.channels;
    if (channel % plan->engine->block == 0 && channels % plan->engine->block == 0 && input->home < 0 &&
        can_write_slice(plan, n->inputs[i])) {
      input->home = node;
      input->home_channel = channel;
    }
    channel += channels;
  }
  plan->values[node].layout = CPU_BLOCKED;
  plan->values[node].view = cpu_plan_activation(plan, node);
}

static void analyse(cpu_plan *plan) {
  count_consumers(plan);
  find_gradients(plan);
  find_used(plan);
  fuse_relu(plan);
  find_chains(plan);
  for (int i = 0; i < plan->graph->node_count; i++) {
    if (plan->graph->nodes[i].op == SHT_OP_CONCAT) {
      find_homes(plan, i);
    }
  }
}

// ---- emission

// A fused ReLU's value is its layer's.
static void share_with_relu(cpu_plan *plan, int node) {
  const cpu_value *value = &plan->values[node];
  if (value->relu >= 0) {
    plan->values[value->relu].layout = value->layout;
    plan->values[value->relu].view = value->view;
  }
}

static sht_status plan_forward(cpu_plan *plan, int node, sht_error *error) {
  switch (plan->graph->nodes[node].op) {
    case SHT_OP_CONV:
      return cpu_conv_forward(plan, node, error);
    case SHT_OP_LINEAR:
      return cpu_linear_forward(plan, node, error);
    case SHT_OP_BATCHNORM:
      return cpu_norm_forward(plan, node, error);
    case SHT_OP_INPUT:
      cpu_input_forward(plan, node);
      break;
    case SHT_OP_RELU:
      cpu_relu_forward(plan, node);
      break;
    case SHT_OP_MAXPOOL:
    case SHT_OP_AVGPOOL:
      return cpu_pool_forward(plan, node, error);
    case SHT_OP_LRN:
      cpu_lrn_forward(plan, node);
      break;
    case SHT_OP_DROPOUT:
      cpu_dropout_forward(plan, node);
      break;
    case SHT_OP_ADD:
      cpu_add_forward(plan, node);
      break;
    case SHT_OP_CONCAT:
      cpu_concat_forward(plan, node);
      break;
    case SHT_OP_SHIFT:
      return SHT_FAIL(error, SHT_UNAVAILABLE, "the engine 'cpu' has no shift (layer '%s'); use --device ref",
                      plan->graph->nodes[node].name);
  }
  return SHT_OK;
}

static void plan_backward(cpu_plan *plan, int node) {
  switch (plan->graph->nodes[node].op) {
    case SHT_OP_INPUT:
    case SHT_OP_SHIFT:  // refused by plan_forward
      break;
    case SHT_OP_CONV:
      cpu_conv_backward(plan, node);
      break;
    case SHT_OP_LINEAR:
      cpu_linear_backward(plan, node);
      break;
    case SHT_OP_BATCHNORM:
      cpu_norm_backward(plan, node);
      break;
    case SHT_OP_RELU:
      cpu_relu_backward(plan, node);
      break;
    case SHT_OP_MAXPOOL:
    case SHT_OP_AVGPOOL:
      cpu_pool_backward(plan, node);
      break;
    case SHT_OP_LRN:
      cpu_lrn_backward(plan, node);
      break;
    case SHT_OP_DROPOUT:
      cpu_dropout_backward(plan, node);
      break;
    case SHT_OP_ADD:
      cpu_add_backward(plan, node);
      break;
    case SHT_OP_CONCAT:
      cpu_concat_backward(plan, node);
      break;
  }
}

// Whether something behind the node sent a gradient; in a chain of dense layers it reaches the last one only.
static bool has_gradient(const cpu_plan *plan, int node) {
  return plan->values[node].needs_gradient && plan->values[node].term_count > 0;
}

sht_status cpu_compile(cpu_plan *plan, sht_error *error) {
  analyse(plan);
  for (int i = 0; i < plan->graph->node_count; i++) {
    SHT_TRY(plan_forward(plan, i, error));
    share_with_relu(plan, i);
  }
  cpu_loss_forward(plan);
  for (int i = plan->graph->node_count - 1; i >= 0; i--) {
    if (has_gradient(plan, i)) {
      plan_backward(plan, i);
    }
  }
  return cpu_plan_finish(plan, error);
}
