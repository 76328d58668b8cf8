// One matrix product through cuBLASLt, for dense layers: described, an algorithm chosen, run.
//
// The algorithm is the first of cuBLASLt's ranking among those whose sums do not depend on the order of blocks.
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
} cuda_matrix_shape;

typedef struct cuda_matrix {
  cublasLtMatmulDesc_t product;
  cublasLtMatrixLayout_t a, b, d;  // as cuBLASLt has them: columns side by side, so that a and b change places
  cublasLtMatmulAlgo_t algorithm;
  uint64_t workspace_bytes;  // that it was chosen for
  uint32_t choice;           // checksum of the algorithm's settings
} cuda_matrix;

// bias: its address, when the shape has one.
sht_status cuda_matrix_open(cublasLtHandle_t handle, const cuda_matrix_shape *shape, const void *bias,
                            uint64_t workspace_bytes, const char *layer, cuda_matrix *out, sht_error *error);
cublasStatus_t cuda_matrix_run(const cuda_matrix *matrix, cublasLtHandle_t handle, const void *a, const void *b,
                               void *d, void *workspace, cudaStream_t stream);
void cuda_matrix_close(cuda_matrix *matrix);

#endif
