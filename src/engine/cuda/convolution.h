// One convolution of one direction through cuDNN's graph interface: described, an engine chosen, run.
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
} cuda_convolution_shape;

typedef struct cuda_convolution {
  cudnnBackendDescriptor_t plan;  // owned; NULL: none
  cudnnBackendDescriptor_t pack;  // owned: the addresses
  uint64_t workspace_bytes;
  int64_t engine;  // cuDNN's number of what was chosen
} cuda_convolution;

// What is computed, as descriptors: needs no card.
typedef struct cuda_operation {
  cudnnBackendDescriptor_t tensors[3];  // x, w, y
  cudnnBackendDescriptor_t convolution, operation;
} cuda_operation;
sht_status cuda_operation_open(const cuda_convolution_shape *shape, cuda_direction direction, cuda_operation *out,
                               sht_error *error);
void cuda_operation_close(cuda_operation *operation);

// Leaves out->plan NULL where cuDNN has nothing for it. layer: its name, for messages. Errors: SHT_UNAVAILABLE,
// SHT_MEMORY, when a part of cuDNN is missing, or memory.
sht_status cuda_convolution_open(cudnnHandle_t handle, const cuda_convolution_shape *shape, cuda_direction direction,
                                 const char *layer, cuda_convolution *out, sht_error *error);
// Fixes the addresses; workspace: at least workspace_bytes.
sht_status cuda_convolution_bind(cuda_convolution *convolution, void *x, void *w, void *y, void *workspace,
                                 sht_error *error);
// Puts it on the handle's stream.
static inline cudnnStatus_t cuda_convolution_run(const cuda_convolution *convolution, cudnnHandle_t handle) {
  return cudnnBackendExecute(handle, convolution->plan, convolution->pack);
}
void cuda_convolution_close(cuda_convolution *convolution);

#endif
