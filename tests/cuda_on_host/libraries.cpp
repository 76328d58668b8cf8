// cuDNN and cuBLASLt on the processor, as far as the engine uses them: in the place of convolution.c and matrix.c,
// straight loops with sums in double.
#include <cublasLt.h>
#include <cuda_bf16.h>
#include <cudnn.h>

extern "C" {
#include "shatter/error.h"
}

#include "engine/cuda/kernels.h"

extern "C" {
#include "engine/cuda/convolution.h"
#include "engine/cuda/matrix.h"
}

#include "engine/cuda/launch.cuh"

namespace {

float load(const void *from, int64_t i, bool bfloat16) {
  return bfloat16 ? static_cast<float>(static_cast<const __nv_bfloat16 *>(from)[i])
                  : static_cast<const float *>(from)[i];
}

void store(void *to, int64_t i, bool bfloat16, float value) {
  if (bfloat16) {
    static_cast<__nv_bfloat16 *>(to)[i] = __float2bfloat16_rn(value);
  } else {
    static_cast<float *>(to)[i] = value;
  }
}

struct plan {
  cuda_convolution_shape shape;
  cuda_direction direction;
};

// As a pack holds them.
struct addresses {
  cuda_convolution_operands at;
  void *workspace;
};

int64_t count_of(const plan &p) {
  const cuda_convolution_shape &s = p.shape;
  return p.direction == CUDA_FORWARD          ? s.n * s.out_height * s.out_width * s.filters
         : p.direction == CUDA_INPUT_GRADIENT ? s.n * s.height * s.width * s.channels
                                              : s.filters * s.kernel * s.kernel * s.channels;
}

// Every product of x, w and y that a convolution has, to the sum of the one that is asked for, in the workspace.
void convolve(const plan &p, const cuda_convolution_operands &at, double *sums) {
  const cuda_convolution_shape &s = p.shape;
  std::fill(sums, sums + count_of(p), 0);
  for (int64_t row = 0; row < s.n * s.out_height * s.out_width; row++) {
    const int64_t n = row / s.out_width / s.out_height;
    for (int64_t tap = 0; tap < s.kernel * s.kernel; tap++) {
      const int64_t h = row / s.out_width % s.out_height * s.stride - s.padding + tap / s.kernel;
      const int64_t v = row % s.out_width * s.stride - s.padding + tap % s.kernel;
      if (h < 0 || v < 0 || h >= s.height || v >= s.width) {
        continue;
      }
      for (int64_t k = 0; k < s.filters; k++) {
        const int64_t y = row * s.filters + k;
        for (int64_t c = 0; c < s.channels; c++) {
          const int64_t x = ((n * s.height + h) * s.width + v) * s.channels + c;
          const int64_t w = (k * s.kernel * s.kernel + tap) * s.channels + c;
          if (p.direction == CUDA_FORWARD) {
            sums[y] += load(at.x, x, s.bfloat16) * load(at.w, w, s.bfloat16);
          } else if (p.direction == CUDA_INPUT_GRADIENT) {
            sums[x] += load(at.y, y, s.bfloat16) * load(at.w, w, s.bfloat16);
          } else {
            sums[w] += load(at.x, x, s.bfloat16) * load(at.y, y, s.bfloat16);
          }
        }
      }
    }
  }
}

// What is done with a forward convolution's sums before they are stored.
void finish(const cuda_convolution_shape &s, const cuda_convolution_operands &at, const double *sums) {
  const int64_t spacing = s.y_spacing > 0 ? s.y_spacing : s.filters;
  for (int64_t row = 0; row < s.n * s.out_height * s.out_width; row++) {
    for (int64_t k = 0; k < s.filters; k++) {
      const double y = sums[row * s.filters + k] + (s.bias ? load(at.bias, k, false) : 0);
      store(at.y, row * spacing + k, s.bfloat16, static_cast<float>(s.relu && y < 0 ? 0 : y));
    }
  }
}

void store_sums(const plan &p, const cuda_convolution_operands &at, const double *sums) {
  if (p.direction == CUDA_FORWARD) {
    finish(p.shape, at, sums);
    return;
  }
  void *out = p.direction == CUDA_INPUT_GRADIENT ? at.x : at.w;
  for (int64_t i = 0; i < count_of(p); i++) {
    store(out, i, p.shape.bfloat16, static_cast<float>(sums[i]));
  }
}

void multiply(const cuda_matrix_shape &s, const cuda_operands &at) {
  for (uint64_t i = 0; i < s.m; i++) {
    for (uint64_t j = 0; j < s.n; j++) {
      double sum = 0;
      for (uint64_t k = 0; k < s.k; k++) {
        const int64_t left = static_cast<int64_t>(s.a_turned ? k * s.m + i : i * s.k + k);
        const int64_t right = static_cast<int64_t>(s.b_turned ? j * s.k + k : k * s.n + j);
        sum += load(at.a, left, s.bfloat16) * load(at.b, right, s.bfloat16);
      }
      const bool rounded = s.bfloat16 && !s.d_float;
      sum += s.bias ? load(at.bias, static_cast<int64_t>(j), rounded) : 0;
      store(at.d, static_cast<int64_t>(i * s.n + j), rounded, static_cast<float>(s.relu && sum < 0 ? 0 : sum));
    }
  }
}

cudaStream_t of_cudnn;

}  // namespace

extern "C" {

// Not everything is there, as of cuDNN: windows of 5 x 5 and of 3 x 3 with strides are left to the engine's own loops,
// and what follows a convolution of one pixel to a pass of the engine's own.
sht_status cuda_convolution_open(const cuda_place *, const cuda_convolution_shape *shape, cuda_direction direction,
                                 const char *, cuda_convolution *out, sht_error *) {
  *out = cuda_convolution();
  const bool alone = shape->kernel != 5 && (shape->kernel != 3 || shape->stride == 1);
  if (alone && (!cuda_convolution_is_fused(shape) || shape->kernel > 1)) {
    plan *chosen = new plan{*shape, direction};
    out->plan = chosen;
    out->workspace_bytes = count_of(*chosen) * sizeof(double);
  }
  return SHT_OK;
}

sht_status cuda_convolution_bind(cuda_convolution *convolution, uint32_t run, const cuda_convolution_operands *at,
                                 void *workspace, sht_error *) {
  convolution->pack[run] = new addresses{*at, workspace};
  return SHT_OK;
}

void cuda_convolution_close(cuda_convolution *convolution) {
  delete static_cast<plan *>(convolution->plan);
  for (cudnnBackendDescriptor_t pack : convolution->pack) {
    delete static_cast<addresses *>(pack);
  }
}

cudnnStatus_t cudnnBackendExecute(cudnnHandle_t, cudnnBackendDescriptor_t what, cudnnBackendDescriptor_t where) {
  const plan p = *static_cast<plan *>(what);
  const addresses to = *static_cast<addresses *>(where);
  double *sums = static_cast<double *>(to.workspace);
  on_host::enqueue(of_cudnn, [=] { convolve(p, to.at, sums); });
  on_host::enqueue(of_cudnn, [=] { store_sums(p, to.at, sums); });  // by itself: others may come between the two
  return CUDNN_STATUS_SUCCESS;
}

size_t cudnnGetVersion(void) { return CUDNN_VERSION; }
cudnnStatus_t cudnnCreate(cudnnHandle_t *) { return CUDNN_STATUS_SUCCESS; }
cudnnStatus_t cudnnDestroy(cudnnHandle_t) { return CUDNN_STATUS_SUCCESS; }
cudnnStatus_t cudnnSetStream(cudnnHandle_t, cudaStream_t stream) {
  of_cudnn = stream;
  return CUDNN_STATUS_SUCCESS;
}
const char *cudnnGetErrorString(cudnnStatus_t) { return "error"; }
void cudnnGetLastErrorString(char *text, size_t size) {
  if (size > 0) {
    text[0] = '\0';
  }
}

sht_status cuda_matrix_open(cublasLtHandle_t, const cuda_matrix_shape *shape, const void *, uint64_t, const char *,
                            cuda_matrix *out, sht_error *) {
  *out = cuda_matrix();
  out->shape = *shape;
  out->together = 1;
  return SHT_OK;
}

// Not everything is taken for several runs at once, as of cuBLASLt: products with few columns are not.
cublasStatus_t cuda_matrix_repeat(cuda_matrix *matrix, cublasLtHandle_t, uint32_t runs) {
  matrix->together = matrix->shape.n > CUDA_VECTOR ? runs : 1;
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cuda_matrix_run(const cuda_matrix *matrix, cublasLtHandle_t, const cuda_operands *at, void *,
                               cudaStream_t stream) {
  const cuda_matrix_shape shape = matrix->shape;
  for (uint32_t run = 0; run < matrix->together; run++) {
    const cuda_operands mine = cuda_operands_of(&shape, at, run);
    on_host::enqueue(stream, [=] { multiply(shape, mine); });
  }
  return CUBLAS_STATUS_SUCCESS;
}

void cuda_matrix_close(cuda_matrix *) {}

size_t cublasLtGetVersion(void) { return CUBLAS_VERSION; }
cublasStatus_t cublasLtCreate(cublasLtHandle_t *) { return CUBLAS_STATUS_SUCCESS; }
cublasStatus_t cublasLtDestroy(cublasLtHandle_t) { return CUBLAS_STATUS_SUCCESS; }
const char *cublasLtGetStatusString(cublasStatus_t) { return "error"; }

}  // extern "C"
