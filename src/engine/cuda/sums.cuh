// Two sums over all pixels for each channel, in a fixed order: each block adds the rows that are its own, in a tree
// over its threads; the last block to finish adds the blocks' sums in double, in the blocks' order.
#ifndef SHT_ENGINE_CUDA_SUMS_CUH
#define SHT_ENGINE_CUDA_SUMS_CUH

#include "engine/cuda/vector.cuh"

constexpr uint32_t SUM_COLUMNS = 8;  // vectors side by side in a block: 64 channels
constexpr uint32_t SUM_CHANNELS = SUM_COLUMNS * CUDA_VECTOR;

struct sum_plan {
  cuda_extent extent;
  float *partial;     // [gridDim.x][2][S]
  uint32_t *counter;  // [gridDim.y]
};

struct two8 {
  vec8 a, b;
};

// In shared memory, [threads]; each thread's part is replaced by the sum over the rows of its column.
__device__ inline void add_rows(two8 *part, uint32_t column, uint32_t row, uint32_t columns, uint32_t rows) {
  uint32_t half = 1;
  while (half < rows) {
    half *= 2;
  }
  for (half /= 2; half > 0; half /= 2) {
    __syncthreads();
    if (row < half && row + half < rows) {
      two8 *mine = &part[row * columns + column];
      const two8 *other = &part[(row + half) * columns + column];
#pragma unroll
      for (int k = 0; k < CUDA_VECTOR; k++) {
        mine->a.v[k] += other->a.v[k];
        mine->b.v[k] += other->b.v[k];
      }
    }
  }
  __syncthreads();
}

// Whether this block is the last of its column of blocks; then all others' partial sums can be read.
__device__ inline bool last_block(uint32_t *counter) {
  __shared__ bool last;
  __threadfence();
  __syncthreads();
  if (threadIdx.x == 0) {
    last = atomicInc(&counter[blockIdx.y], gridDim.x - 1) == gridDim.x - 1;  // wraps to 0 for the next time
  }
  __syncthreads();
  __threadfence();
  return last;
}

// Adds the blocks' sums and calls finish(channel, a, b) for each channel of this column of blocks.
template <typename Finish>
__device__ inline void add_blocks(const sum_plan &plan, double *shared, Finish finish) {
  const uint32_t stride = plan.extent.vectors * CUDA_VECTOR;
  constexpr uint32_t GROUPS = THREADS / SUM_CHANNELS;
  const uint32_t group = threadIdx.x / SUM_CHANNELS;
  const uint32_t local = threadIdx.x % SUM_CHANNELS;
  const uint32_t channel = blockIdx.y * SUM_CHANNELS + local;
  double a = 0;
  double b = 0;
  if (channel < stride) {
#pragma unroll 8
    for (uint32_t block = group; block < gridDim.x; block += GROUPS) {
      a += __ldcg(&plan.partial[(2 * block) * stride + channel]);  // past the cache that other blocks do not see
      b += __ldcg(&plan.partial[(2 * block + 1) * stride + channel]);
    }
  }
  shared[2 * threadIdx.x] = a;
  shared[2 * threadIdx.x + 1] = b;
  __syncthreads();
  if (group == 0 && channel < stride) {
    for (uint32_t g = 1; g < GROUPS; g++) {
      a += shared[2 * (g * SUM_CHANNELS + local)];
      b += shared[2 * (g * SUM_CHANNELS + local) + 1];
    }
    finish(channel, a, b);
  }
}

// item(row, vector, &sums) adds a pixel's vector to the sums; rows: how many are real. Blocks of THREADS threads, grid
// from sum_grid.
template <typename Item, typename Finish>
__device__ inline void sum_channels(const sum_plan &plan, uint32_t rows, Item item, Finish finish) {
  __shared__ __align__(16) two8 part[THREADS];
  const uint32_t first = blockIdx.y * SUM_COLUMNS;
  const uint32_t left = plan.extent.vectors - first;
  const uint32_t columns = left < SUM_COLUMNS ? left : SUM_COLUMNS;
  const uint32_t block_rows = THREADS / columns;
  const uint32_t column = threadIdx.x % columns;
  const uint32_t row = threadIdx.x / columns;
  two8 sums = {zero8(), zero8()};
  if (row < block_rows) {
    for (uint32_t r = blockIdx.x * block_rows + row; r < rows; r += gridDim.x * block_rows) {
      item(r, first + column, &sums);
    }
  }
  part[threadIdx.x] = sums;
  add_rows(part, column, row, columns, block_rows);
  if (row == 0) {
    const uint32_t stride = plan.extent.vectors * CUDA_VECTOR;
    float *to = plan.partial + static_cast<size_t>(blockIdx.x) * 2 * stride + (first + column) * CUDA_VECTOR;
    store8(to, part[threadIdx.x].a);
    store8(to + stride, part[threadIdx.x].b);
  }
  if (last_block(plan.counter)) {
    add_blocks(plan, reinterpret_cast<double *>(part), finish);
  }
}

// As many blocks as there is work for, at most CUDA_SUM_BLOCKS; the same for a shape on every call and card.
inline dim3 sum_grid(cuda_extent extent) {
  const uint32_t columns = extent.vectors < SUM_COLUMNS ? extent.vectors : SUM_COLUMNS;
  const uint32_t block_rows = THREADS / columns;
  const uint32_t blocks = (extent.rows + block_rows - 1) / block_rows;
  constexpr uint32_t most = CUDA_SUM_BLOCKS;
  return dim3(blocks < most ? blocks : most, (extent.vectors + SUM_COLUMNS - 1) / SUM_COLUMNS);
}

#endif
