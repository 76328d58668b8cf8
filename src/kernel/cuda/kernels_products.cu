// Kept inner products: see kernels.h.
#include "engine/cuda/launch.cuh"
#include "kernel/cuda/function.cuh"
#include "kernel/cuda/kernels.h"

namespace {

constexpr unsigned THREADS = 256, SIDE = 32, STEP = THREADS / SIDE;

unsigned blocks(uint64_t count, unsigned each) { return static_cast<unsigned>((count + each - 1) / each); }

__device__ inline uint64_t thread_number() { return static_cast<uint64_t>(blockIdx.x) * THREADS + threadIdx.x; }

// 32 x 32 elements go through shared memory, so that what is read and what is written lie side by side.
__global__ void take(const card_function f, const float *from, uint64_t from_ld, uint64_t rows, uint64_t columns,
                     const double *row_squares, const double *column_squares, double *to, uint64_t to_ld) {
  __shared__ float tile[SIDE][SIDE + 1];  // [row][column]
  const unsigned lane = threadIdx.x % SIDE;
  const uint64_t first_row = static_cast<uint64_t>(blockIdx.x) * SIDE;
  const uint64_t first_column = static_cast<uint64_t>(blockIdx.y) * SIDE;
  for (unsigned r = threadIdx.x / SIDE; r < SIDE; r += STEP) {
    if (first_row + r < rows && first_column + lane < columns) {
      tile[r][lane] = from[(first_row + r) * from_ld + first_column + lane];
    }
  }
  __syncthreads();
  const uint64_t row = first_row + lane;
  for (unsigned c = threadIdx.x / SIDE; c < SIDE; c += STEP) {
    const uint64_t column = first_column + c;
    if (row < rows && column < columns) {
      to[column * to_ld + row] = card_value_of(f, tile[lane][c], row_squares[row], column_squares[column]);
    }
  }
}

__device__ inline uint64_t place_of(uint64_t a, uint64_t b, uint64_t ld) { return max(a, b) * ld + min(a, b); }

__global__ void select(const float *from, uint64_t ld, const uint32_t *rows, const uint32_t *columns,
                       uint64_t column_count, float *to) {
  const uint64_t i = blockIdx.y, j = thread_number();
  if (j < column_count) {
    to[i * column_count + j] = from[place_of(rows[i], columns[j], ld)];
  }
}

__global__ void repeat(float *a, uint64_t n, uint64_t from, uint64_t to) {
  const uint64_t i = thread_number();
  if (i < n) {
    a[place_of(to, i, n)] = a[place_of(from, i == to ? from : i, n)];
  }
}

__global__ void mirror(float *a, uint64_t ld, uint64_t n) {
  const uint64_t row = thread_number(), column = blockIdx.y;
  if (row < n && row > column) {
    a[column * ld + row] = a[row * ld + column];
  }
}

__global__ void take_diagonal(const float *a, uint64_t ld, uint64_t n, double *to) {
  const uint64_t i = thread_number();
  if (i < n) {
    to[i] = a[i * (ld + 1)];
  }
}

}  // namespace

extern "C" {

void card_run_take(const card_function *function, const float *from, uint64_t from_ld, uint64_t rows, uint64_t columns,
                   const double *row_squares, const double *column_squares, double *to, uint64_t to_ld,
                   cudaStream_t stream) {
  launch(take, dim3(blocks(rows, SIDE), blocks(columns, SIDE)), THREADS, stream, *function, from, from_ld, rows,
         columns, row_squares, column_squares, to, to_ld);
}

void card_run_select(const float *from, uint64_t ld, const uint32_t *rows, uint64_t row_count, const uint32_t *columns,
                     uint64_t column_count, float *to, cudaStream_t stream) {
  launch(select, dim3(blocks(column_count, THREADS), static_cast<unsigned>(row_count)), THREADS, stream, from, ld, rows,
         columns, column_count, to);
}

void card_run_repeat(float *a, uint64_t n, uint64_t from, uint64_t to, cudaStream_t stream) {
  launch(repeat, dim3(blocks(n, THREADS)), THREADS, stream, a, n, from, to);
}

void card_run_mirror(float *a, uint64_t ld, uint64_t n, cudaStream_t stream) {
  launch(mirror, dim3(blocks(n, THREADS), static_cast<unsigned>(n)), THREADS, stream, a, ld, n);
}

void card_run_diagonal(const float *a, uint64_t ld, uint64_t n, double *to, cudaStream_t stream) {
  launch(take_diagonal, dim3(blocks(n, THREADS)), THREADS, stream, a, ld, n, to);
}

}  // extern "C"
