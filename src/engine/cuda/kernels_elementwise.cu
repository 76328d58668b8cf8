// Kernels that go pixel by pixel: sums of terms with bias, ReLU and mask; copies, frames; dropout; shift.
#include "engine/cuda/vector.cuh"

#include "base/philox.h"

namespace {

template <typename T>
__global__ void gather(const __grid_constant__ cuda_gather in) {
  const uint32_t items = in.runs * in.extent.rows * in.extent.vectors;
  for (uint32_t i = blockIdx.x * THREADS + threadIdx.x; i < items; i += gridDim.x * THREADS) {
    const uint32_t row = i / in.extent.vectors;
    const uint32_t vector = i % in.extent.vectors;
    vec8 x = load_terms<T>(in.terms, row, vector);
    if (in.bias != nullptr) {
      const vec8 bias = load8(in.bias + row / in.extent.rows * in.apart + vector * CUDA_VECTOR);
#pragma unroll
      for (int k = 0; k < CUDA_VECTOR; k++) {
        x.v[k] += bias.v[k];
      }
    }
    if (in.relu) {
#pragma unroll
      for (int k = 0; k < CUDA_VECTOR; k++) {
        x.v[k] = relu(x.v[k]);
      }
    }
    apply_mask<T>(in.mask, row, vector, &x);
    store8(at<T>(in.out, row, vector), x);
  }
}

template <typename T>
__global__ void copy_channels(const __grid_constant__ cuda_channels in) {
  const uint64_t items = static_cast<uint64_t>(in.rows) * in.fill;
  const T *from = static_cast<const T *>(in.from.data);
  T *out = static_cast<T *>(in.out.data);
  for (uint64_t i = blockIdx.x * THREADS + threadIdx.x; i < items; i += gridDim.x * THREADS) {
    const uint64_t row = i / in.fill;
    const uint64_t c = i % in.fill;
    out[row * in.out.stride + c] = c < in.channels ? from[row * in.from.stride + c] : T(0.0F);
  }
}

template <typename T>
__global__ void frame_put(const __grid_constant__ cuda_frame in) {
  const uint32_t items = in.batch * in.large_height * in.large_width * in.vectors;
  for (uint32_t i = blockIdx.x * THREADS + threadIdx.x; i < items; i += gridDim.x * THREADS) {
    const uint32_t vector = i % in.vectors;
    const uint32_t row = i / in.vectors;
    const uint32_t x = row % in.large_width - in.before;  // wraps around where it is before the image
    const uint32_t y = row / in.large_width % in.large_height - in.before;
    const uint32_t image = row / in.large_width / in.large_height;
    vec8 value = zero8();
    if (x < in.width && y < in.height) {
      value = load8(at<T>(in.small, (image * in.height + y) * in.width + x, vector));
    }
    store8(at<T>(in.large, row, vector), value);
  }
}

template <typename T>
__global__ void frame_cut(const __grid_constant__ cuda_frame in) {
  const uint32_t items = in.batch * in.height * in.width * in.vectors;
  for (uint32_t i = blockIdx.x * THREADS + threadIdx.x; i < items; i += gridDim.x * THREADS) {
    const uint32_t vector = i % in.vectors;
    const uint32_t row = i / in.vectors;
    const uint32_t x = row % in.width + in.before;
    const uint32_t y = row / in.width % in.height + in.before;
    const uint32_t image = row / in.width / in.height;
    store8(at<T>(in.small, row, vector),
           load8(at<T>(in.large, (image * in.large_height + y) * in.large_width + x, vector)));
  }
}

// Elements of an example are numbered in H, W, C order, without what is added to whole vectors.
template <typename T>
__global__ void dropout(const __grid_constant__ cuda_dropout in) {
  const uint32_t items = in.runs * in.extent.rows * in.extent.vectors;
  for (uint32_t i = blockIdx.x * THREADS + threadIdx.x; i < items; i += gridDim.x * THREADS) {
    const uint32_t row = i / in.extent.vectors;
    const uint32_t vector = i % in.extent.vectors;
    const cuda_job &job = in.job[row / in.extent.rows];
    const uint64_t address = static_cast<uint64_t>(in.node) << 32 | in.examples[row / in.area];
    const uint32_t first = row % in.area * in.channels + vector * CUDA_VECTOR;
    vec8 x = load_terms<T>(in.x, row, vector);
    uint32_t words[4];
#pragma unroll
    for (uint32_t k = 0; k < CUDA_VECTOR; k++) {
      const uint32_t element = first + k;
      if (k == 0 || element % 4 == 0) {
        sht__philox_block(job.dropout, job.epoch, address, element / 4, words);
      }
      const uint32_t low = element % 2 == 0 ? words[0] : words[1];
      const uint32_t high = element % 2 == 0 ? words[2] : words[3];
      const uint32_t word = element % 4 < 2 ? low : high;
      const bool stays = vector * CUDA_VECTOR + k < in.channels && word >= in.threshold;
      x.v[k] = stays ? x.v[k] * in.kept : 0;
    }
    store8(at<T>(in.y, row, vector), x);
  }
}

template <typename T>
__global__ void shift(const __grid_constant__ cuda_shift in) {
  const uint32_t items = in.runs * in.batch * in.vectors;
  for (uint32_t i = blockIdx.x * THREADS + threadIdx.x; i < items; i += gridDim.x * THREADS) {
    const uint32_t row = i / in.vectors;
    const uint32_t vector = i % in.vectors;
    const float x = load8(at<T>(in.x, row, 0)).v[0];
    vec8 y = load8(in.shift + row / in.batch * in.apart + vector * CUDA_VECTOR);
#pragma unroll
    for (uint32_t k = 0; k < CUDA_VECTOR; k++) {
      y.v[k] = vector * CUDA_VECTOR + k < in.units ? x - y.v[k] : 0;
    }
    store8(at<T>(in.y, row, vector), y);
  }
}

template <typename T>
__global__ void shift_backward(const __grid_constant__ cuda_shift in, const __grid_constant__ cuda_terms dy,
                               const cuda_map dx) {
  const uint32_t rows = in.runs * in.batch;
  for (uint32_t row = blockIdx.x * THREADS + threadIdx.x; row < rows; row += gridDim.x * THREADS) {
    vec8 sum = zero8();
    for (uint32_t vector = 0; vector < in.vectors; vector++) {
      const vec8 g = load_terms<T>(dy, row, vector);
#pragma unroll
      for (int k = 0; k < CUDA_VECTOR; k++) {
        sum.v[0] += g.v[k];
      }
    }
    store8(at<T>(dx, row, 0), sum);
  }
}

}  // namespace

void cuda_run_gather(cuda_type type, const cuda_gather *in, cudaStream_t stream) {
  const unsigned blocks = blocks_for(static_cast<uint64_t>(in->runs) * in->extent.rows * in->extent.vectors);
  with_type(type, [&](auto t) { launch(gather<decltype(t)>, blocks, THREADS, stream, *in); });
}

void cuda_run_copy_channels(cuda_type type, const cuda_channels *in, cudaStream_t stream) {
  const unsigned blocks = blocks_for(static_cast<uint64_t>(in->rows) * in->fill);
  with_type(type, [&](auto t) { launch(copy_channels<decltype(t)>, blocks, THREADS, stream, *in); });
}

void cuda_run_frame_put(cuda_type type, const cuda_frame *in, cudaStream_t stream) {
  const unsigned blocks =
      blocks_for(static_cast<uint64_t>(in->batch) * in->large_height * in->large_width * in->vectors);
  with_type(type, [&](auto t) { launch(frame_put<decltype(t)>, blocks, THREADS, stream, *in); });
}

void cuda_run_frame_cut(cuda_type type, const cuda_frame *in, cudaStream_t stream) {
  const unsigned blocks = blocks_for(static_cast<uint64_t>(in->batch) * in->height * in->width * in->vectors);
  with_type(type, [&](auto t) { launch(frame_cut<decltype(t)>, blocks, THREADS, stream, *in); });
}

void cuda_run_dropout(cuda_type type, const cuda_dropout *in, cudaStream_t stream) {
  const unsigned blocks = blocks_for(static_cast<uint64_t>(in->runs) * in->extent.rows * in->extent.vectors);
  with_type(type, [&](auto t) { launch(dropout<decltype(t)>, blocks, THREADS, stream, *in); });
}

void cuda_run_shift(cuda_type type, const cuda_shift *in, cudaStream_t stream) {
  const unsigned blocks = blocks_for(static_cast<uint64_t>(in->runs) * in->batch * in->vectors);
  with_type(type, [&](auto t) { launch(shift<decltype(t)>, blocks, THREADS, stream, *in); });
}

void cuda_run_shift_backward(cuda_type type, const cuda_shift *in, const cuda_terms *dy, cuda_map dx,
                             cudaStream_t stream) {
  const unsigned blocks = blocks_for(static_cast<uint64_t>(in->runs) * in->batch);
  with_type(type, [&](auto t) { launch(shift_backward<decltype(t)>, blocks, THREADS, stream, *in, *dy, dx); });
}
