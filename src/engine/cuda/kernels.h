// Kernels of our own, as C sees them: every function puts work on a stream and returns.
//
// Layout. A tensor of the batch is [B][H][W][S] in the engine's type (float or bfloat16), S the channels rounded up to
// whole vectors of 8; what is added is always zero. A map is such a tensor or a slice of one in channels: an address
// and the elements from pixel to pixel. Addresses and strides are multiples of 8 elements, so that every access moves a
// whole vector, except in cuda_run_copy_channels. `rows` is pixels in the batch, B * H * W; `vectors` those of a pixel.
//
// Runs. Several runs of one network share every launch: their tensors lie one after the other, [runs][B][H][W][S],
// their parameters [runs][P'], and so on. A kernel that goes pixel by pixel sees no more than a batch of runs * B
// images; one that needs to know its run says `runs` below, and the rows, batches and extents in its arguments are
// those of one run. `apart`: elements from a run's parameter to the next one's. No number of a run depends on how many
// there are.
//
// Sums across threads are added in a fixed order in every kernel: the same bits from run to run on one kind of card.
// Only the first n of the B images are real (the last batch of an epoch has fewer): the others hold zeros as input and
// zeros as gradients, and take part in no statistic.
#ifndef SHT_ENGINE_CUDA_KERNELS_H
#define SHT_ENGINE_CUDA_KERNELS_H

#include <cuda_runtime_api.h>
#include <stdbool.h>
#include <stdint.h>

#include "engine/cuda/example.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { CUDA_RUNS_MAX = 64, CUDA_VECTOR = 8, CUDA_TERMS_MAX = 4, CUDA_SUM_BLOCKS = 128, CUDA_CHUNK = 1024 };

typedef enum cuda_type { CUDA_FLOAT, CUDA_BFLOAT16 } cuda_type;

typedef struct cuda_map {
  void *data;  // NULL: none
  uint32_t stride;
} cuda_map;

// A gradient, or a sum of inputs: the sum of its terms.
typedef struct cuda_terms {
  cuda_map term[CUDA_TERMS_MAX];
  int count;
} cuda_terms;

typedef struct cuda_extent {
  uint32_t rows;
  uint32_t vectors;
} cuda_extent;

// What a step needs to know, in the card's memory: written by the host once a call, moved on by every step.
typedef struct cuda_job {
  sht__example_source source;
  const uint32_t *order;  // [examples] of the epoch; NULL: base, base + 1, ...
  uint64_t base;
  uint64_t examples;  // in all steps of the call's epoch or list
  uint64_t step;      // the present one, counted from the start of the epoch or list
  uint32_t batch;     // B
  uint32_t epoch;
  uint32_t slot;  // of metrics, logits and losses
  float learning_rate, momentum, weight_decay;
  sht_rng dropout;
  uint32_t infinite;  // an updated weight is not finite
  uint32_t stopped;   // a step was not finite: nothing is to change any more
  double loss_sum;
  uint32_t correct;
} cuda_job;

typedef struct cuda_metrics {
  double loss_sum;
  uint32_t correct, count, finite;
} cuda_metrics;

// Fetches the step's examples: x [runs][B][h][w][S], labels [runs][B], examples [runs][B] (their indices, for dropout).
// levels: [runs][B][h * w * C] for the kernel's own use.
typedef struct cuda_input {
  cuda_job *job;  // [runs]
  cuda_map x;
  int16_t *levels;
  int32_t *labels;
  uint32_t *examples;
  uint32_t batch;
  uint32_t positions, vectors;  // pixels of an image, vectors of a pixel
  uint32_t runs;
} cuda_input;
void cuda_run_input(cuda_type type, const cuda_input *in, cudaStream_t stream);

// out = sum of terms (+ bias) (then ReLU), or zero where `mask` is not positive. bias: [S] float of a run, or NULL.
typedef struct cuda_gather {
  cuda_terms terms;
  const float *bias;
  bool relu;
  cuda_map mask;
  cuda_map out;
  cuda_extent extent;
  uint32_t runs;
  uint64_t apart;
} cuda_gather;
void cuda_run_gather(cuda_type type, const cuda_gather *in, cudaStream_t stream);

// Channels one by one, for slices that are no whole vectors: out[0..channels) = from, out[channels..fill) = 0.
typedef struct cuda_channels {
  cuda_map from, out;
  uint32_t rows, channels, fill;
} cuda_channels;
void cuda_run_copy_channels(cuda_type type, const cuda_channels *in, cudaStream_t stream);

// A frame of zeros around every image (out, height and width with the frame), or the image out of its frame.
typedef struct cuda_frame {
  cuda_map small, large;
  uint32_t batch, height, width;               // of the small image
  uint32_t large_height, large_width, before;  // rows and columns before it
  uint32_t vectors;
} cuda_frame;
void cuda_run_frame_put(cuda_type type, const cuda_frame *in, cudaStream_t stream);
void cuda_run_frame_cut(cuda_type type, const cuda_frame *in, cudaStream_t stream);

typedef enum cuda_direction {
  CUDA_FORWARD,          // x, w -> y
  CUDA_INPUT_GRADIENT,   // y, w -> x
  CUDA_FILTER_GRADIENT,  // x, y -> w
  CUDA_DIRECTIONS
} cuda_direction;

// A convolution in straight loops. w: [filters][kernel][kernel][channels] of a run, both whole vectors.
typedef struct cuda_direct {
  cuda_direction direction;
  cuda_map x, y;
  void *w;
  uint32_t batch, height, width, out_height, out_width;
  uint32_t kernel, stride, padding;
  uint32_t vectors, out_vectors;  // of a pixel of x and of y
  uint32_t runs;
  uint64_t apart;
} cuda_direct;
void cuda_run_direct(cuda_type type, const cuda_direct *in, cudaStream_t stream);

// Batch normalisation. Vectors of [S] floats of a run; partial: [runs][CUDA_SUM_BLOCKS][2][S]; counter:
// [runs][ceil(vectors / 8)], zero. A run without examples has numbers in y and in its gradients, which mean nothing.
typedef struct cuda_norm {
  cuda_job *job;  // [runs]
  cuda_map x;
  cuda_extent extent;
  uint32_t area;  // pixels of an image
  float epsilon, decay;
  float *mean, *inverse;  // of the batch: mean and 1 / sqrt(variance + epsilon)
  float *running_mean, *running_variance;
  float *mean_g, *mean_gz;                 // backward: means of g and of g * z
  const float *scale, *shift;              // NULL: 1, 0
  float *scale_gradient, *shift_gradient;  // NULL: none
  float *partial;
  uint32_t *counter;
  bool relu;  // y = max(0, ...)
  uint32_t runs;
  uint64_t apart;             // of scale, shift and their gradients
  uint32_t statistics_apart;  // elements from a run's mean, inverse, ... to the next one's
} cuda_norm;
// Mean and inverse of the batch; `settle` also moves the running statistics.
void cuda_run_norm_measure(cuda_type type, const cuda_norm *in, bool settle, cudaStream_t stream);
// y from mean and inverse (which may be the running ones).
void cuda_run_norm_apply(cuda_type type, const cuda_norm *in, const float *mean, const float *inverse, cuda_map y,
                         cudaStream_t stream);
// dy -> sums and gradients of scale and shift; then dx.
void cuda_run_norm_sums(cuda_type type, const cuda_norm *in, const cuda_terms *dy, cudaStream_t stream);
void cuda_run_norm_backward(cuda_type type, const cuda_norm *in, const cuda_terms *dy, cuda_map dx,
                            cudaStream_t stream);
// inverse [runs][count] = 1 / sqrt(variance [runs][count] + epsilon [count]).
void cuda_run_norm_inverse(const float *variance, const float *epsilon, float *inverse, uint32_t count, uint32_t runs,
                           cudaStream_t stream);

// g = sum of terms, zero where `mask` is not positive, into `out` (unless it has no data); bias [S] = sum of g over the
// rows of a run. partial: [runs][CUDA_SUM_BLOCKS][2][S]; counter: [runs][ceil(vectors / 8)], zero.
typedef struct cuda_bias {
  cuda_terms terms;
  cuda_map mask, out;
  cuda_extent extent;
  float *bias;
  float sign;  // the sum is multiplied by it
  float *partial;
  uint32_t *counter;
  uint32_t runs;
  uint64_t apart;
} cuda_bias;
void cuda_run_bias_gradient(cuda_type type, const cuda_bias *in, cudaStream_t stream);

// Windows: maximum and mean. winner: [B][oh][ow][S] uint8_t, which element of its window (fewer than 256) won.
typedef struct cuda_pool {
  cuda_map x, y;
  uint8_t *winner;  // maximum alone
  uint32_t batch, height, width, out_height, out_width;
  uint32_t kernel, stride, before;
  uint32_t vectors;
} cuda_pool;
void cuda_run_maxpool(cuda_type type, const cuda_pool *in, cudaStream_t stream);
void cuda_run_maxpool_backward(cuda_type type, const cuda_pool *in, const cuda_terms *dy, cuda_map dx,
                               cudaStream_t stream);
void cuda_run_avgpool(cuda_type type, const cuda_pool *in, cudaStream_t stream);
void cuda_run_avgpool_backward(cuda_type type, const cuda_pool *in, const cuda_terms *dy, cuda_map dx,
                               cudaStream_t stream);

// Local response normalisation. s: [rows][S] float, kept for the backward pass.
typedef struct cuda_lrn {
  cuda_map x, y;
  float *s;
  cuda_extent extent;
  uint32_t channels, radius;
  float bias, alpha, beta;
} cuda_lrn;
void cuda_run_lrn(cuda_type type, const cuda_lrn *in, cudaStream_t stream);
void cuda_run_lrn_backward(cuda_type type, const cuda_lrn *in, const cuda_terms *dy, cuda_map dx, cudaStream_t stream);

// Dropout as in shatter/engine.h; backward is the same with a gradient as input.
typedef struct cuda_dropout {
  cuda_job *job;             // [runs]
  const uint32_t *examples;  // [runs][B]
  cuda_terms x;
  cuda_map y;
  cuda_extent extent;
  uint32_t area, channels;
  uint32_t node;
  uint32_t threshold;
  float kept;  // factor of what stays
  uint32_t runs;
} cuda_dropout;
void cuda_run_dropout(cuda_type type, const cuda_dropout *in, cudaStream_t stream);

// y_j = x - s_j; x has one channel and one pixel an example.
typedef struct cuda_shift {
  cuda_map x, y;
  const float *shift;  // [S] of a run's y
  uint32_t batch, units;
  uint32_t vectors;  // of y
  uint32_t runs;
  uint64_t apart;
} cuda_shift;
void cuda_run_shift(cuda_type type, const cuda_shift *in, cudaStream_t stream);
// dx = sum over j of dy_j.
void cuda_run_shift_backward(cuda_type type, const cuda_shift *in, const cuda_terms *dy, cuda_map dx,
                             cudaStream_t stream);

// Softmax cross-entropy of the step's real examples, one block a run. gradient.data NULL: none.
// all_logits: [slots][runs][B][K] and all_losses: [slots][runs][B], written at the job's slot; NULL: none.
typedef struct cuda_loss {
  cuda_job *job;  // [runs]
  cuda_map logits;
  bool logits_float;  // of type float whatever the engine's type
  cuda_map gradient;
  const int32_t *labels;
  uint32_t batch, classes, vectors;
  float *all_logits, *all_losses;
  uint32_t runs;
} cuda_loss;
void cuda_run_loss(cuda_type type, const cuda_loss *in, cudaStream_t stream);

// All parameters at once, [runs][chunk_count][CUDA_CHUNK]. Tensors begin at whole chunks.
typedef struct cuda_update {
  cuda_job *job;  // [runs]
  float *weights, *momentum;
  const float *gradients;
  const void *rounded_gradients;  // bfloat16; read where a chunk says so
  void *rounded;                  // bfloat16 copy of the weights; NULL: none
  const uint8_t *chunks;          // [chunk_count] CUDA_CHUNK_DECAYS, CUDA_CHUNK_ROUNDED
  uint64_t chunk_count;
  uint32_t runs;
} cuda_update;
enum { CUDA_CHUNK_DECAYS = 1, CUDA_CHUNK_ROUNDED = 2 };
void cuda_run_update(const cuda_update *in, cudaStream_t stream);
// The bfloat16 copy alone.
void cuda_run_round(const float *from, void *to, uint64_t count, cudaStream_t stream);

// Ends a step: its metrics, and the job moves on to the next. job: [runs]; metrics: [slots][runs] or NULL.
void cuda_run_finish(cuda_job *job, cuda_metrics *metrics, uint32_t runs, cudaStream_t stream);

#ifdef __cplusplus
}
#endif

#endif
