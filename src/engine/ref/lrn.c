// Local response normalisation across channels (Krizhevsky et al. 2012, section 3.3):
// y_c = x_c * s_c^-beta, s_c = bias + alpha * sum of x_j^2 over |j - c| <= radius.
//
// Scratch: s, shaped as the output.
#include <math.h>

#include "engine/ref/layer.h"

// Channels first .. end-1 are the neighbours of c.
typedef struct neighbours {
  uint32_t first, end;
} neighbours;

static neighbours neighbours_of(const sht_node *node, uint32_t c) {
  const uint32_t channels = node->out.channels;
  const uint32_t radius = node->lrn_radius;
  return (neighbours){.first = c > radius ? c - radius : 0, .end = channels - c > radius ? c + radius + 1 : channels};
}

static void forward_pixel(const sht__ref_layer *layer, uint64_t at) {
  const sht_node *node = layer->node;
  const double *x = layer->x[0] + at;
  for (uint32_t c = 0; c < node->out.channels; c++) {
    neighbours near = neighbours_of(node, c);
    double sum = 0;
    for (uint32_t j = near.first; j < near.end; j++) {
      sum += x[j] * x[j];
    }
    double s = (double)node->lrn_bias + (double)node->lrn_alpha * sum;
    layer->scratch[at + c] = s;
    layer->y[at + c] = x[c] * pow(s, -(double)node->lrn_beta);
  }
}

static void forward(const sht__ref_layer *layer) {
  for (uint64_t at = 0; at < sht__ref_size(layer); at += layer->node->out.channels) {
    forward_pixel(layer, at);
  }
}

// dx_c = dy_c * s_c^-beta - 2 * alpha * beta * x_c * sum over neighbours j of dy_j * x_j * s_j^(-beta-1),
// where x_j * s_j^-beta is y_j.
static void backward_pixel(const sht__ref_layer *layer, uint64_t at) {
  const sht_node *node = layer->node;
  const double alpha = (double)node->lrn_alpha;
  const double beta = (double)node->lrn_beta;
  const double *s = layer->scratch + at;
  const double *dy = layer->dy + at;
  for (uint32_t c = 0; c < node->out.channels; c++) {
    neighbours near = neighbours_of(node, c);
    double sum = 0;
    for (uint32_t j = near.first; j < near.end; j++) {
      sum += dy[j] * layer->y[at + j] / s[j];
    }
    layer->dx[0][at + c] += dy[c] * pow(s[c], -beta) - 2 * alpha * beta * layer->x[0][at + c] * sum;
  }
}

static void backward(const sht__ref_layer *layer) {
  for (uint64_t at = 0; at < sht__ref_size(layer); at += layer->node->out.channels) {
    backward_pixel(layer, at);
  }
}

const sht__ref_op sht__ref_lrn = {
    .scratch_count = sht__ref_scratch_like_output, .forward = forward, .backward = backward};
