// One convolution of one direction through cuDNN's graph interface, with what is done to its result before that is
// stored: described, an engine chosen, run. It is that of one run's batch, so that a run of a group has the sums that
// it has alone; every run has its own addresses.
//
// The engine is the first of cuDNN's own ranking for this card that can be built and whose notes promise the same bits
// from run to run and the precision asked for; the ranking depends on card and version alone, and what was chosen goes
// into the engine's description.
#ifndef SHT_ENGINE_CUDA_CONVOLUTION_H
#define SHT_ENGINE_CUDA_CONVOLUTION_H

#include <cudnn.h>
#include <stdbool.h>
#include <stdint.h>

#include "engine/cuda/kernels.h"
#include "shatter/error.h"

// x [n][height][width][channels], w [filters][kernel][kernel][channels], y [n][out_height][out_width][filters], all of
// one type. Sums are in float.
typedef struct cuda_convolution_shape {
  int64_t n, channels, height, width;
  int64_t filters, out_height, out_width;
  int64_t kernel, stride, padding;  // the same on all sides
  bool bfloat16;
  bool tf32;  // float: products of numbers rounded to 10 bits are allowed
  // Forward alone, in the same launch:
  bool bias;          // y = convolution + bias [filters], float
  bool relu;          // y = max(0, ...); NaN stays
  int64_t y_spacing;  // elements from pixel to pixel of y, a multiple of 8; 0: filters
} cuda_convolution_shape;

typedef struct cuda_convolution {
  cudnnBackendDescriptor_t plan;                 // owned; NULL: none
  cudnnBackendDescriptor_t pack[CUDA_RUNS_MAX];  // owned: each run's addresses
  uint64_t workspace_bytes;
  int64_t engine;  // cuDNN's number of what was chosen
  int proposed;    // engines of its ranking whose notes promise enough, built or not, as far as was looked
} cuda_convolution;

// Addresses on the card; NULL: what the shape does not ask for.
typedef struct cuda_convolution_operands {
  void *x, *w, *y;
  void *bias;
} cuda_convolution_operands;

// Where it is to run: on the card of a handle or, to see what cuDNN has for it, on one that is only described by its
// properties (CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR of cuDNN 9.8), which need not be there.
typedef struct cuda_place {
  cudnnHandle_t handle;
  cudnnBackendDescriptor_t described;  // NULL: the handle's card
} cuda_place;

static inline bool cuda_convolution_is_fused(const cuda_convolution_shape *shape) { return shape->bias || shape->relu; }

// Leaves out->plan NULL where cuDNN has nothing for it: of fused shapes, where its ranking has nothing, for what it
// falls back to is slow. layer: its name, for messages. Errors: SHT_UNAVAILABLE, SHT_MEMORY, when a part of cuDNN is
// missing, or memory.
sht_status cuda_convolution_open(const cuda_place *place, const cuda_convolution_shape *shape, cuda_direction direction,
                                 const char *layer, cuda_convolution *out, sht_error *error);
// Fixes a run's addresses; workspace: at least workspace_bytes.
sht_status cuda_convolution_bind(cuda_convolution *convolution, uint32_t run, const cuda_convolution_operands *at,
                                 void *workspace, sht_error *error);
// Puts that of a run on the handle's stream.
static inline cudnnStatus_t cuda_convolution_run(const cuda_convolution *convolution, uint32_t run,
                                                 cudnnHandle_t handle) {
  return cudnnBackendExecute(handle, convolution->plan, convolution->pack[run]);
}
void cuda_convolution_close(cuda_convolution *convolution);

#endif
