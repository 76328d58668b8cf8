// What one launch of cuDNN computes, as descriptors: needs no card.
#ifndef SHT_ENGINE_CUDA_OPERATION_H
#define SHT_ENGINE_CUDA_OPERATION_H

#include "engine/cuda/convolution.h"

enum { CUDA_OPERATION_PARTS = 12, CUDA_OPERATION_STEPS = 3 };

// Numbers by which the pack of addresses names tensors; the last two are never stored.
typedef enum cuda_operand {
  CUDA_OPERAND_X = 1,
  CUDA_OPERAND_W,
  CUDA_OPERAND_Y,
  CUDA_OPERAND_BIAS,
  CUDA_OPERAND_CONVOLVED,
  CUDA_OPERAND_BIASED
} cuda_operand;

typedef struct cuda_operation {
  cudnnBackendDescriptor_t parts[CUDA_OPERATION_PARTS];  // [part_count], owned
  int part_count;
  cudnnBackendDescriptor_t steps[CUDA_OPERATION_STEPS];  // [step_count] of them: the convolution, and what follows it
  int step_count;
} cuda_operation;

// What is asked for beside a convolution is looked at forward alone.
cudnnStatus_t cuda_operation_describe(const cuda_convolution_shape *shape, cuda_direction direction,
                                      cuda_operation *out);
sht_status cuda_operation_open(const cuda_convolution_shape *shape, cuda_direction direction, cuda_operation *out,
                               sht_error *error);
void cuda_operation_close(cuda_operation *operation);

#endif
