// Convolutions in straight loops: right for every shape, and slow. They stand in where cuDNN has nothing that gives the
// same bits from run to run. A thread computes eight channels of one pixel (or of one tap of one filter) alone.
#include "engine/cuda/vector.cuh"

namespace {

// The operands of this block's run.
template <typename T>
__device__ inline cuda_direct of_run(cuda_direct in) {
  const uint32_t images = blockIdx.y * in.batch;
  in.x.data = at<T>(in.x, images * in.height * in.width, 0);
  in.y.data = at<T>(in.y, images * in.out_height * in.out_width, 0);
  in.w = static_cast<T *>(in.w) + blockIdx.y * in.apart;
  return in;
}

// Row of the pixel of x that element (r, c) of the window of y's pixel reads; false: outside.
__device__ inline bool source_row(const cuda_direct &in, uint32_t y_row, uint32_t r, uint32_t c, uint32_t *row) {
  const uint32_t h = y_row / in.out_width % in.out_height * in.stride + r - in.padding;  // wraps around outside
  const uint32_t w = y_row % in.out_width * in.stride + c - in.padding;
  *row = (y_row / in.out_width / in.out_height * in.height + h) * in.width + w;
  return h < in.height && w < in.width;
}

// Eight channels of a filter at a tap.
template <typename T>
__device__ inline vec8 load_filter(const cuda_direct &in, uint32_t filter, uint32_t tap, uint32_t vector) {
  const size_t place = static_cast<size_t>(filter) * in.kernel * in.kernel + tap;
  return load8(static_cast<const T *>(in.w) + (place * in.vectors + vector) * CUDA_VECTOR);
}

template <typename T>
__global__ void forward(const __grid_constant__ cuda_direct all) {
  const cuda_direct in = of_run<T>(all);
  const uint32_t items = in.batch * in.out_height * in.out_width * in.out_vectors;
  for (uint32_t i = blockIdx.x * THREADS + threadIdx.x; i < items; i += gridDim.x * THREADS) {
    const uint32_t y_row = i / in.out_vectors;
    const uint32_t filter = i % in.out_vectors * CUDA_VECTOR;
    vec8 sum = zero8();
    for (uint32_t tap = 0; tap < in.kernel * in.kernel; tap++) {
      uint32_t row = 0;
      if (!source_row(in, y_row, tap / in.kernel, tap % in.kernel, &row)) {
        continue;
      }
      for (uint32_t vector = 0; vector < in.vectors; vector++) {
        const vec8 x = load8(at<T>(in.x, row, vector));
        for (uint32_t k = 0; k < CUDA_VECTOR; k++) {
          const vec8 w = load_filter<T>(in, filter + k, tap, vector);
#pragma unroll
          for (int c = 0; c < CUDA_VECTOR; c++) {
            sum.v[k] += x.v[c] * w.v[c];
          }
        }
      }
    }
    store8(at<T>(in.y, y_row, i % in.out_vectors), sum);
  }
}

// Adds what the pixel of y gives to eight channels of x through a tap.
template <typename T>
__device__ inline void add_tap(const cuda_direct &in, uint32_t y_row, uint32_t tap, uint32_t vector, vec8 *sum) {
  for (uint32_t filters = 0; filters < in.out_vectors; filters++) {
    const vec8 g = load8(at<T>(in.y, y_row, filters));
    for (uint32_t k = 0; k < CUDA_VECTOR; k++) {
      const vec8 w = load_filter<T>(in, filters * CUDA_VECTOR + k, tap, vector);
#pragma unroll
      for (int c = 0; c < CUDA_VECTOR; c++) {
        sum->v[c] += g.v[k] * w.v[c];
      }
    }
  }
}

template <typename T>
__global__ void input_gradient(const __grid_constant__ cuda_direct all) {
  const cuda_direct in = of_run<T>(all);
  const uint32_t items = in.batch * in.height * in.width * in.vectors;
  for (uint32_t i = blockIdx.x * THREADS + threadIdx.x; i < items; i += gridDim.x * THREADS) {
    const uint32_t row = i / in.vectors;
    const uint32_t h = row / in.width % in.height + in.padding;
    const uint32_t w = row % in.width + in.padding;
    vec8 sum = zero8();
    for (uint32_t tap = 0; tap < in.kernel * in.kernel; tap++) {
      const uint32_t up = h - tap / in.kernel;  // wraps around where no window holds the pixel there
      const uint32_t left = w - tap % in.kernel;
      if (up % in.stride == 0 && left % in.stride == 0 && up / in.stride < in.out_height &&
          left / in.stride < in.out_width) {
        const uint32_t image = row / in.width / in.height;
        add_tap<T>(in, (image * in.out_height + up / in.stride) * in.out_width + left / in.stride, tap, i % in.vectors,
                   &sum);
      }
    }
    store8(at<T>(in.x, row, i % in.vectors), sum);
  }
}

// Sums over a whole batch: in double.
template <typename T>
__global__ void filter_gradient(const __grid_constant__ cuda_direct all) {
  const cuda_direct in = of_run<T>(all);
  const uint32_t taps = in.kernel * in.kernel;
  const uint32_t items = in.out_vectors * CUDA_VECTOR * taps * in.vectors;
  for (uint32_t i = blockIdx.x * THREADS + threadIdx.x; i < items; i += gridDim.x * THREADS) {
    const uint32_t vector = i % in.vectors;
    const uint32_t tap = i / in.vectors % taps;
    const uint32_t filter = i / in.vectors / taps;
    double sum[CUDA_VECTOR] = {0, 0, 0, 0, 0, 0, 0, 0};
    for (uint32_t y_row = 0; y_row < in.batch * in.out_height * in.out_width; y_row++) {
      uint32_t row = 0;
      if (!source_row(in, y_row, tap / in.kernel, tap % in.kernel, &row)) {
        continue;
      }
      const float g = static_cast<float>(at<T>(in.y, y_row, 0)[filter]);
      const vec8 x = load8(at<T>(in.x, row, vector));
#pragma unroll
      for (int c = 0; c < CUDA_VECTOR; c++) {
        sum[c] += g * x.v[c];
      }
    }
    vec8 rounded;
#pragma unroll
    for (int c = 0; c < CUDA_VECTOR; c++) {
      rounded.v[c] = static_cast<float>(sum[c]);
    }
    store8(static_cast<T *>(in.w) + static_cast<size_t>(i) * CUDA_VECTOR, rounded);
  }
}

}  // namespace

void cuda_run_direct(cuda_type type, const cuda_direct *in, cudaStream_t stream) {
  const uint64_t outputs = static_cast<uint64_t>(in->batch) * in->out_height * in->out_width * in->out_vectors;
  const uint64_t inputs = static_cast<uint64_t>(in->batch) * in->height * in->width * in->vectors;
  const uint64_t filters = static_cast<uint64_t>(in->out_vectors) * CUDA_VECTOR * in->kernel * in->kernel * in->vectors;
  with_type(type, [&](auto t) {
    using T = decltype(t);
    if (in->direction == CUDA_FORWARD) {
      launch(forward<T>, dim3(blocks_for(outputs), in->runs), THREADS, stream, *in);
    } else if (in->direction == CUDA_INPUT_GRADIENT) {
      launch(input_gradient<T>, dim3(blocks_for(inputs), in->runs), THREADS, stream, *in);
    } else {
      launch(filter_gradient<T>, dim3(blocks_for(filters), in->runs), THREADS, stream, *in);
    }
  });
}
