// cuBLAS on the processor, as far as kernel problems use it: plain loops over columns, sums in double, and those of
// products of bf16 in fp32.
#include <cublas_v2.h>

#include <vector>

#include "engine/cuda/launch.cuh"

namespace {

template <typename T>
struct matrix {
  T *data;
  int64_t ld;
  bool turned;
  T &operator()(int64_t row, int64_t column) const {
    return turned ? data[row * ld + column] : data[column * ld + row];
  }
};

double value_of(double x) { return x; }
double value_of(float x) { return x; }
float value_of(uint16_t bf16) { return __uint_as_float(static_cast<unsigned>(bf16) << 16); }

// Sums of a column of op(a) op(b), along the columns of a as it is stored; the last product comes first, since cuBLAS
// too has another order than the processor's code.
template <typename T>
void sum_column(int64_t m, int64_t k, matrix<const T> a, matrix<const T> b, int64_t j, std::vector<double> &sums) {
  std::fill(sums.begin(), sums.end(), 0);
  for (int64_t outer = 0; outer < (a.turned ? m : k); outer++) {
    for (int64_t inner = 0; inner < (a.turned ? k : m); inner++) {
      const int64_t i = a.turned ? outer : inner, l = k - 1 - (a.turned ? inner : outer);
      sums[static_cast<size_t>(i)] += value_of(a(i, l)) * value_of(b(l, j));
    }
  }
}

// c [m x n] = alpha op(a) op(b) + beta c; beta 0: c is not read, as cuBLAS promises.
template <typename From, typename T>
void multiply(int64_t m, int64_t n, int64_t k, T alpha, matrix<const From> a, matrix<const From> b, T beta,
              matrix<T> c) {
  std::vector<double> sums(static_cast<size_t>(m));
  for (int64_t j = 0; j < n; j++) {
    sum_column(m, k, a, b, j, sums);
    for (int64_t i = 0; i < m; i++) {
      const double before = beta == 0 ? 0 : static_cast<double>(beta) * c(i, j);
      c(i, j) = static_cast<T>(alpha * sums[static_cast<size_t>(i)] + before);
    }
  }
}

// c [m x n] = alpha a^T b + beta c in fp32; a: [m][k], b: [n][k]. The order of a sum depends on its row, as it may on
// where an element lies in the tiles of cuBLAS's kernels: products of two examples one way round and the other are not
// the same bits.
void multiply_bf16(int64_t m, int64_t n, int64_t k, float alpha, const uint16_t *a, int64_t lda, const uint16_t *b,
                   int64_t ldb, float beta, matrix<float> c) {
  constexpr int64_t TOGETHER = 16;  // columns, whose sums do not wait for one another
  std::vector<float> side_by_side(static_cast<size_t>(k * TOGETHER));  // [k][TOGETHER] of b
  for (int64_t first = 0; first < n; first += TOGETHER) {
    for (int64_t e = 0; e < k * TOGETHER; e++) {
      side_by_side[static_cast<size_t>(e)] = value_of(b[std::min(first + e % TOGETHER, n - 1) * ldb + e / TOGETHER]);
    }
    for (int64_t i = 0; i < m; i++) {
      float sums[TOGETHER] = {};
      for (int64_t step = 0; step < k; step++) {
        const int64_t l = i % 2 == 0 ? k - 1 - step : step;
        const float value = value_of(a[i * lda + l]), *row = &side_by_side[static_cast<size_t>(l * TOGETHER)];
        for (int64_t j = 0; j < TOGETHER; j++) {
          sums[j] += value * row[j];
        }
      }
      for (int64_t j = first; j < std::min(first + TOGETHER, n); j++) {
        c(i, j) = alpha * sums[j - first] + (beta == 0 ? 0 : beta * c(i, j));
      }
    }
  }
}

// x [m x n] <- x op(l)^-1, l lower: columns in the order in which op(l) gives them.
template <typename T>
void solve_right(int64_t m, int64_t n, matrix<const T> l, bool turned, matrix<T> x) {
  std::vector<double> sums(static_cast<size_t>(m));
  for (int64_t step = 0; step < n; step++) {
    const int64_t j = turned ? step : n - 1 - step;
    std::fill(sums.begin(), sums.end(), 0);
    for (int64_t k = turned ? 0 : j + 1; k < (turned ? j : n); k++) {
      const double factor = turned ? l(j, k) : l(k, j);
      for (int64_t i = 0; i < m; i++) {
        sums[static_cast<size_t>(i)] += x(i, k) * factor;
      }
    }
    for (int64_t i = 0; i < m; i++) {
      x(i, j) = static_cast<T>((x(i, j) - sums[static_cast<size_t>(i)]) / l(j, j));
    }
  }
}

// c [m x n] = b op(l), l lower.
template <typename T>
void multiply_right(int64_t m, int64_t n, matrix<const T> l, bool turned, matrix<const T> b, matrix<T> c) {
  for (int64_t j = 0; j < n; j++) {
    for (int64_t i = 0; i < m; i++) {
      double sum = 0;
      for (int64_t k = turned ? 0 : j; k < (turned ? j + 1 : n); k++) {
        sum += static_cast<double>(b(i, k)) * (turned ? l(j, k) : l(k, j));
      }
      c(i, j) = static_cast<T>(sum);
    }
  }
}

cudaStream_t of_cublas;

bool is_turned(cublasOperation_t form) { return form == CUBLAS_OP_T; }

bool is_known(cublasSideMode_t side, cublasFillMode_t fill, cublasDiagType_t diagonal) {
  return side == CUBLAS_SIDE_RIGHT && fill == CUBLAS_FILL_MODE_LOWER && diagonal == CUBLAS_DIAG_NON_UNIT;
}

}  // namespace

extern "C" {

cublasStatus_t cublasCreate_v2(cublasHandle_t *) { return CUBLAS_STATUS_SUCCESS; }
cublasStatus_t cublasDestroy_v2(cublasHandle_t) { return CUBLAS_STATUS_SUCCESS; }
cublasStatus_t cublasSetStream_v2(cublasHandle_t, cudaStream_t stream) {
  of_cublas = stream;
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasSetMathMode(cublasHandle_t, cublasMath_t) { return CUBLAS_STATUS_SUCCESS; }
const char *cublasGetStatusString(cublasStatus_t) { return "error"; }

cublasStatus_t cublasDgemm_v2_64(cublasHandle_t, cublasOperation_t form_a, cublasOperation_t form_b, int64_t m,
                                 int64_t n, int64_t k, const double *alpha, const double *a, int64_t lda,
                                 const double *b, int64_t ldb, const double *beta, double *c, int64_t ldc) {
  on_host::enqueue(of_cublas, [=, alpha = *alpha, beta = *beta] {
    multiply<double, double>(m, n, k, alpha, {a, lda, is_turned(form_a)}, {b, ldb, is_turned(form_b)}, beta,
                             {c, ldc, false});
  });
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasSgemm_v2_64(cublasHandle_t, cublasOperation_t form_a, cublasOperation_t form_b, int64_t m,
                                 int64_t n, int64_t k, const float *alpha, const float *a, int64_t lda, const float *b,
                                 int64_t ldb, const float *beta, float *c, int64_t ldc) {
  on_host::enqueue(of_cublas, [=, alpha = *alpha, beta = *beta] {
    multiply<float, float>(m, n, k, alpha, {a, lda, is_turned(form_a)}, {b, ldb, is_turned(form_b)}, beta,
                           {c, ldc, false});
  });
  return CUBLAS_STATUS_SUCCESS;
}

// Factors in bf16, sums in fp32: no other form is asked for.
cublasStatus_t cublasGemmEx_64(cublasHandle_t, cublasOperation_t form_a, cublasOperation_t form_b, int64_t m, int64_t n,
                               int64_t k, const void *alpha, const void *a, cudaDataType type_a, int64_t lda,
                               const void *b, cudaDataType type_b, int64_t ldb, const void *beta, void *c,
                               cudaDataType type_c, int64_t ldc, cublasComputeType_t sums, cublasGemmAlgo_t) {
  if (type_a != CUDA_R_16BF || type_b != CUDA_R_16BF || type_c != CUDA_R_32F || sums != CUBLAS_COMPUTE_32F ||
      form_a != CUBLAS_OP_T || form_b != CUBLAS_OP_N) {
    return CUBLAS_STATUS_NOT_SUPPORTED;
  }
  const float times = *static_cast<const float *>(alpha), kept = *static_cast<const float *>(beta);
  on_host::enqueue(of_cublas, [=] {
    multiply_bf16(m, n, k, times, static_cast<const uint16_t *>(a), lda, static_cast<const uint16_t *>(b), ldb, kept,
                  {static_cast<float *>(c), ldc, false});
  });
  return CUBLAS_STATUS_SUCCESS;
}

// c [m x n] = alpha op(a); beta is 0.
cublasStatus_t cublasSgeam_64(cublasHandle_t, cublasOperation_t form, cublasOperation_t, int64_t m, int64_t n,
                              const float *alpha, const float *a, int64_t lda, const float *beta, const float *,
                              int64_t, float *c, int64_t ldc) {
  const matrix<const float> from{a, lda, is_turned(form)};
  on_host::enqueue(of_cublas, [=, alpha = *alpha] {
    for (int64_t j = 0; j < n; j++) {
      for (int64_t i = 0; i < m; i++) {
        c[j * ldc + i] = alpha * from(i, j);
      }
    }
  });
  return *beta == 0 ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_NOT_SUPPORTED;
}

cublasStatus_t cublasDtrsm_v2_64(cublasHandle_t, cublasSideMode_t side, cublasFillMode_t fill, cublasOperation_t form,
                                 cublasDiagType_t diagonal, int64_t m, int64_t n, const double *, const double *l,
                                 int64_t ldl, double *x, int64_t ldx) {
  on_host::enqueue(of_cublas, [=] { solve_right<double>(m, n, {l, ldl, false}, is_turned(form), {x, ldx, false}); });
  return is_known(side, fill, diagonal) ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_NOT_SUPPORTED;
}

cublasStatus_t cublasStrsm_v2_64(cublasHandle_t, cublasSideMode_t side, cublasFillMode_t fill, cublasOperation_t form,
                                 cublasDiagType_t diagonal, int64_t m, int64_t n, const float *, const float *l,
                                 int64_t ldl, float *x, int64_t ldx) {
  on_host::enqueue(of_cublas, [=] { solve_right<float>(m, n, {l, ldl, false}, is_turned(form), {x, ldx, false}); });
  return is_known(side, fill, diagonal) ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_NOT_SUPPORTED;
}

cublasStatus_t cublasStrmm_v2_64(cublasHandle_t, cublasSideMode_t side, cublasFillMode_t fill, cublasOperation_t form,
                                 cublasDiagType_t diagonal, int64_t m, int64_t n, const float *, const float *l,
                                 int64_t ldl, const float *b, int64_t ldb, float *c, int64_t ldc) {
  on_host::enqueue(of_cublas, [=] {
    multiply_right<float>(m, n, {l, ldl, false}, is_turned(form), {b, ldb, false}, {c, ldc, false});
  });
  return is_known(side, fill, diagonal) ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_NOT_SUPPORTED;
}

}  // extern "C"
