// How far the logits can move: see bounds.h.
#include <math.h>

#include "base/memory.h"
#include "measure/bounds.h"

// Over the windows of one direction that have a position: of a largest value their number, of a mean
// the sum of 1 / (positions of the image in the window). Of the position where it is largest.
static double windows_sum(const sht_node *node, uint32_t in, uint32_t out) {
  double largest = 0;
  for (uint32_t at = 0; at < in; at++) {
    double sum = 0;
    for (uint32_t o = 0; o < out; o++) {
      const int64_t first = (int64_t)o * node->stride - node->pad_before, end = first + node->kernel;
      if (at >= first && at < end) {
        const int64_t positions = (end < in ? end : in) - (first > 0 ? first : 0);
        sum += node->op == SHT_OP_MAXPOOL ? 1 : 1.0 / (double)positions;
      }
    }
    largest = fmax(largest, sum);
  }
  return largest;
}

// A largest value moves by no more than the largest move in its window, so that the sum of squares of all is at most
// what each position moves by, as often as it has windows. A mean over windows is a linear map whose rows sum to 1, and
// its norm is at most the root of the largest row sum times the largest column sum. Both are products over the two
// directions.
static double pool_norm(const sht_node *node, sht_shape in) {
  return sqrt(windows_sum(node, in.height, node->out.height) * windows_sum(node, in.width, node->out.width));
}

// y_i = x_i d_i with d_i = (k + alpha s_i)^-beta. The Jacobian is diag(d) less the matrix with 2 alpha beta x_i x_j
// (k + alpha s_i)^-(beta + 1) for j in the window of i. A row of the latter has at most the norm
// 2 beta t (1 + t)^-(beta + 1) k^-beta, t = alpha s_i / k, largest at t = 1 / beta; rows of w elements, each position
// in w of them, make the norm of the whole at most sqrt(w) times that of a row.
static double response_norm(const sht_node *node) {
  const double beta = node->lrn_beta, window = fmin(2.0 * node->lrn_radius + 1, node->out.channels);
  const double row = 2 * pow(1 + 1 / beta, -(beta + 1));
  return pow(node->lrn_bias, -beta) * (1 + sqrt(window) * row);
}

// Of what comes in: moves of several inputs, seen as one vector.
static double joined(const sht_node *node, const double *moves) {
  double squares = 0;
  for (int k = 0; k < node->input_count; k++) {
    squares += moves[node->inputs[k]] * moves[node->inputs[k]];
  }
  return sqrt(squares);
}

static double summed(const sht_node *node, const double *moves) {
  double sum = 0;
  for (int k = 0; k < node->input_count; k++) {
    sum += moves[node->inputs[k]];
  }
  return sum;
}

// moves: [i] of the nodes before i. NaN: there is no such operation.
static double move_of(const sht_graph *graph, int i, const double *spectral, const double *moves) {
  const sht_node *node = &graph->nodes[i];
  const double in = node->input_count > 0 ? moves[node->inputs[0]] : 1;
  switch (node->op) {
    case SHT_OP_INPUT:
    case SHT_OP_RELU:
    case SHT_OP_DROPOUT:
      return in;
    case SHT_OP_CONV:
    case SHT_OP_LINEAR:
    case SHT_OP_BATCHNORM:
      return in * spectral[i];
    case SHT_OP_MAXPOOL:
    case SHT_OP_AVGPOOL:
      return in * pool_norm(node, graph->nodes[node->inputs[0]].out);
    case SHT_OP_LRN:
      return in * response_norm(node);
    case SHT_OP_ADD:
      return summed(node, moves);
    case SHT_OP_CONCAT:
      return joined(node, moves);
    case SHT_OP_SHIFT:
      return in * sqrt((double)node->out.channels);
  }
  return NAN;
}

sht_status sht__lipschitz_bound(const sht_graph *graph, const double *spectral, double *out, sht_error *error) {
  double *moves = NULL;
  SHT_TRY(SHT_ALLOC(&moves, graph->node_count, "bounds of the layers", error));
  for (int i = 0; i < graph->node_count; i++) {
    moves[i] = move_of(graph, i, spectral, moves);
  }
  *out = moves[graph->node_count - 1];
  sht_free(moves);
  return SHT_OK;
}
