// From the resident data set to the network's input: one block an example of a run, the parts of example.h with exact
// sums over the block between them. Compiled without contraction: the same bits as the processor's.
#include "engine/cuda/vector.cuh"

namespace {

// Sum over the block of one number a thread; everyone gets it. Integers: exact in any order.
__device__ inline uint64_t add_block(uint64_t mine, uint64_t *shared) {
  const uint32_t lane = threadIdx.x % 32;
  for (int step = 16; step > 0; step /= 2) {
    mine += __shfl_down_sync(0xffffffffU, mine, step);
  }
  __syncthreads();  // whoever still reads the last sum
  if (lane == 0) {
    shared[threadIdx.x / 32] = mine;
  }
  __syncthreads();
  uint64_t sum = 0;
  for (int warp = 0; warp < THREADS / 32; warp++) {
    sum += shared[warp];
  }
  return sum;
}

__device__ inline void colour(const sht__example_source &from, const sht_variant &variant, int16_t *levels,
                              uint64_t *shared) {
  const uint32_t channels = from.shape.channels;
  uint64_t sums[SHT_COLOURS];
  for (uint32_t c = 0; c < channels; c++) {
    const uint64_t sum = add_block(sht__example_channel(&from, c, threadIdx.x, THREADS, levels), shared);
    if (channels == SHT_COLOURS) {
      sums[c] = sum;
    } else {
      sht__example_contrast(&from, &variant, c, sum, threadIdx.x, THREADS, levels);
    }
  }
  if (channels == SHT_COLOURS) {
    sht__example_colour(&from, &variant, sums, threadIdx.x, THREADS, levels);
  }
}

// The thread's pixels from levels to x, with zeros up to whole vectors.
template <typename T>
__device__ inline void write_pixels(const cuda_input &in, uint32_t row, const sht__example_source &from,
                                    sht__whitening by, const int16_t *levels) {
  const uint32_t channels = from.shape.channels;
  const uint32_t positions = sht__example_positions(&from);
  for (uint32_t p = threadIdx.x; p < positions; p += THREADS) {
    for (uint32_t vector = 0; vector < in.vectors; vector++) {
      vec8 x;
#pragma unroll
      for (uint32_t k = 0; k < CUDA_VECTOR; k++) {
        const uint32_t c = vector * CUDA_VECTOR + k;
        x.v[k] = c < channels ? sht__whiten_level(by, levels[static_cast<size_t>(p) * channels + c]) : 0;
      }
      store8(at<T>(in.x, row * positions + p, vector), x);
    }
  }
}

template <typename T>
__device__ inline void write_zeros(const cuda_input &in, uint32_t row, uint32_t positions) {
  for (uint32_t i = threadIdx.x; i < positions * in.vectors; i += THREADS) {
    store8(at<T>(in.x, row * positions + i / in.vectors, i % in.vectors), zero8());
  }
}

template <typename T>
__global__ void __launch_bounds__(THREADS) input(const __grid_constant__ cuda_input in) {
  __shared__ uint64_t shared[THREADS / 32];
  const cuda_job &job = in.job[blockIdx.y];
  const sht__example_source &from = job.source;
  const uint32_t positions = in.positions;
  const uint32_t row = blockIdx.y * in.batch + blockIdx.x;
  const uint64_t place = job.step * job.batch + blockIdx.x;
  if (place >= job.examples) {
    write_zeros<T>(in, row, positions);
    if (threadIdx.x == 0) {
      in.labels[row] = -1;
      in.examples[row] = 0;
    }
    return;
  }
  const uint32_t example = job.order != nullptr ? job.order[place] : static_cast<uint32_t>(job.base + place);
  int16_t *levels = in.levels + static_cast<size_t>(row) * positions * from.shape.channels;
  sht_variant variant;
  sht__example_draw(&from, job.epoch, example, &variant);
  sht__example_window(&from, &variant, example, threadIdx.x, THREADS, levels);
  if (variant.coloured) {
    colour(from, variant, levels, shared);
  }
  sht__example_sum all = {0, 0};
  if (from.whiten) {
    const sht__example_sum mine = sht__example_sums(&from, threadIdx.x, THREADS, levels);
    all.sum = static_cast<int64_t>(add_block(static_cast<uint64_t>(mine.sum), shared));
    all.squares = add_block(mine.squares, shared);
  }
  write_pixels<T>(in, row, from, sht__example_whitening(&from, all), levels);
  if (threadIdx.x == 0) {
    in.labels[row] = from.labels[example];
    in.examples[row] = example;
  }
}

}  // namespace

void cuda_run_input(cuda_type type, const cuda_input *in, cudaStream_t stream) {
  with_type(type, [&](auto t) { launch(input<decltype(t)>, dim3(in->batch, in->runs), THREADS, stream, *in); });
}
