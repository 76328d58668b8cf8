// Kernels of our own for kernel problems: see kernels.h.
#include "kernel/cuda/kernels.h"

#include "engine/cuda/launch.cuh"
#include "kernel/cuda/function.cuh"

namespace {

constexpr unsigned THREADS = 256;
constexpr uint64_t NONE = UINT64_MAX;

dim3 blocks(uint64_t rows, uint64_t columns) {
  return dim3(static_cast<unsigned>((rows + THREADS - 1) / THREADS), static_cast<unsigned>(columns));
}

__global__ void unpack(const float *panel, uint64_t width, uint32_t examples, double *to) {
  const uint64_t feature = static_cast<uint64_t>(blockIdx.x) * (THREADS / CARD_LANES) + threadIdx.x / CARD_LANES;
  const uint32_t example = threadIdx.x % CARD_LANES;
  if (feature < width && example < examples) {
    to[example * width + feature] = panel[feature * CARD_LANES + example];
  }
}

__global__ void apply(const card_function f, double *products, uint64_t rows, const double *row_squares,
                      const double *column_squares) {
  const uint64_t row = static_cast<uint64_t>(blockIdx.x) * THREADS + threadIdx.x;
  const uint64_t column = blockIdx.y;
  if (row < rows) {
    double *at = products + column * rows + row;
    *at = card_value_of(f, *at, row_squares[row], column_squares[column]);
  }
}

__global__ void round_down(double *from, uint64_t from_ld, uint64_t rows, double shift, float *to, uint64_t to_ld) {
  const uint64_t row = static_cast<uint64_t>(blockIdx.x) * THREADS + threadIdx.x;
  const uint64_t column = blockIdx.y;
  if (row < rows) {
    double *at = from + column * from_ld + row;
    const float rounded = static_cast<float>(*at + (row == column ? shift : 0));
    to[column * to_ld + row] = rounded;
    *at = rounded;
  }
}

__global__ void shift_diagonal(float *a, uint64_t n, double shift) {
  const uint64_t row = static_cast<uint64_t>(blockIdx.x) * THREADS + threadIdx.x;
  if (row < n) {
    a[row * (n + 1)] = static_cast<float>(a[row * (n + 1)] + shift);
  }
}

// A pivot, by one thread: false when it failed. *pivot becomes its root.
__device__ inline bool take_pivot(double *pivot, float diagonal, float floor, float *smallest) {
  const float quotient = static_cast<float>(*pivot / diagonal);
  if (!(quotient > floor)) {
    return false;
  }
  *smallest = quotient < *smallest ? quotient : *smallest;
  *pivot = sqrt(*pivot);
  return true;
}

// A thread has a row; after column c is finished, every row takes it off its later columns.
__global__ void factor(float *block, uint64_t ld, uint32_t count, uint64_t first, const float *diagonal, float floor,
                       card_pivots *pivots) {
  __shared__ double a[CARD_LEAF][CARD_LEAF + 1];  // [column][row]
  __shared__ bool sound;
  const uint32_t row = threadIdx.x;
  if (pivots->failed_row != NONE) {
    return;
  }
  for (uint32_t c = 0; row < count && c <= row; c++) {
    a[c][row] = block[c * ld + row];
  }
  for (uint32_t c = 0; c < count; c++) {
    __syncthreads();
    if (row == c) {
      sound = take_pivot(&a[c][c], diagonal[c], floor, &pivots->smallest);
      pivots->failed_row = sound ? NONE : first + c;
    }
    __syncthreads();
    if (!sound) {
      return;
    }
    if (row > c && row < count) {
      a[c][row] /= a[c][c];
    }
    __syncthreads();
    for (uint32_t k = c + 1; row < count && k <= row; k++) {
      a[k][row] -= a[c][row] * a[c][k];
    }
  }
  for (uint32_t c = 0; row < count && c <= row; c++) {
    block[c * ld + row] = static_cast<float>(a[c][row]);
  }
}

}  // namespace

extern "C" {

void card_run_unpack(const float *panel, uint64_t width, uint32_t examples, double *to, cudaStream_t stream) {
  launch(unpack, blocks(width * CARD_LANES, 1), THREADS, stream, panel, width, examples, to);
}

void card_run_function(const card_function *function, double *products, uint64_t rows, uint64_t columns,
                       const double *row_squares, const double *column_squares, cudaStream_t stream) {
  if (function->form != CARD_LINEAR) {
    launch(apply, blocks(rows, columns), THREADS, stream, *function, products, rows, row_squares, column_squares);
  }
}

void card_run_round(double *from, uint64_t from_ld, uint64_t rows, uint64_t columns, double shift, float *to,
                    uint64_t to_ld, cudaStream_t stream) {
  launch(round_down, blocks(rows, columns), THREADS, stream, from, from_ld, rows, shift, to, to_ld);
}

void card_run_shift(float *a, uint64_t n, double shift, cudaStream_t stream) {
  launch(shift_diagonal, blocks(n, 1), THREADS, stream, a, n, shift);
}

void card_run_factor(float *block, uint64_t ld, uint32_t count, uint64_t first, const float *diagonal, float floor,
                     card_pivots *pivots, cudaStream_t stream) {
  launch(factor, dim3(1), CARD_LEAF, stream, block, ld, count, first, diagonal, floor, pivots);
}

}  // extern "C"
