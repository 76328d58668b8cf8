// One matrix product through cuBLASLt, for dense layers: described, an algorithm chosen, run.
//
// The algorithm is the first of cuBLASLt's ranking among those whose sums do not depend on the order of blocks. It is
// chosen for one run, and serves all runs of a group in one launch where cuBLASLt takes it for that, else one after the
// other: the same sums for a run however many there are.
#ifndef SHT_ENGINE_CUDA_MATRIX_H
#define SHT_ENGINE_CUDA_MATRIX_H

#include <cublasLt.h>
#include <stdbool.h>
#include <stdint.h>

#include "shatter/error.h"

// d [m][n] = a times b, rows side by side without a gap. a is [m][k], or [k][m] when turned; b [k][n], or [n][k].
typedef struct cuda_matrix_shape {
  uint64_t m, n, k;
  bool a_turned, b_turned;
  bool bfloat16;  // a and b; else float
  bool d_float;   // d is float whatever a and b are
  bool tf32;
  bool bias;  // d also gets a vector [n], of d's type
  bool relu;  // and max(0, .) after that; only with a bias
  struct {
    uint64_t a, b, d, bias;
  } apart;  // elements from a run's operand to the next run's
} cuda_matrix_shape;

typedef struct cuda_operands {
  const void *a, *b;
  void *d;
  const void *bias;  // where the shape has one
} cuda_operands;

typedef struct cuda_matrix {
  cuda_matrix_shape shape;
  uint32_t together;  // runs of one launch
  cublasLtMatmulDesc_t product;
  cublasLtMatrixLayout_t a, b, d;  // as cuBLASLt has them: columns side by side, so that a and b change places
  cublasLtMatmulAlgo_t algorithm;
  uint64_t workspace_bytes;  // that it was chosen for
  uint32_t choice;           // checksum of the algorithm's settings
} cuda_matrix;

// For one run. bias: its address, when the shape has one.
sht_status cuda_matrix_open(cublasLtHandle_t handle, const cuda_matrix_shape *shape, const void *bias,
                            uint64_t workspace_bytes, const char *layer, cuda_matrix *out, sht_error *error);
// For `runs` runs: so many together, or one.
cublasStatus_t cuda_matrix_repeat(cuda_matrix *matrix, cublasLtHandle_t handle, uint32_t runs);
// `together` runs, the first of which has its operands there.
cublasStatus_t cuda_matrix_run(const cuda_matrix *matrix, cublasLtHandle_t handle, const cuda_operands *at,
                               void *workspace, cudaStream_t stream);
void cuda_matrix_close(cuda_matrix *matrix);

// The operands of another run than the first.
static inline cuda_operands cuda_operands_of(const cuda_matrix_shape *shape, const cuda_operands *first, uint32_t run) {
  const uint64_t bytes = shape->bfloat16 ? 2 : 4;
  const uint64_t d_bytes = shape->d_float ? 4 : bytes;
  return (cuda_operands){.a = (const char *)first->a + run * shape->apart.a * bytes,
                         .b = (const char *)first->b + run * shape->apart.b * bytes,
                         .d = (char *)first->d + run * shape->apart.d * d_bytes,
                         .bias = shape->bias ? (const char *)first->bias + run * shape->apart.bias * d_bytes : NULL};
}

#endif
