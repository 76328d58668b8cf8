// Maximum and mean over windows, and normalisation across channels. Backward passes gather: each thread sums what comes
// to its own pixel, window by window in order, so that nothing is added by several threads at once.
#include "engine/cuda/vector.cuh"

namespace {

// Where item i of a tensor of images lies.
struct place {
  uint32_t image, y, x, vector;
};

__device__ inline place place_of(uint32_t i, uint32_t height, uint32_t width, uint32_t vectors) {
  const uint32_t pixel = i / vectors;
  return {pixel / width / height, pixel / width % height, pixel % width, i % vectors};
}

// Elements first .. end-1 of a window that starts at output position `out` lie in the input; element 0 is at `start`.
struct span {
  int32_t start;
  uint32_t first, end;
};

__device__ inline span span_of(const cuda_pool &in, uint32_t out, uint32_t size) {
  const int32_t start = static_cast<int32_t>(out * in.stride) - static_cast<int32_t>(in.before);
  const int32_t left = static_cast<int32_t>(size) - start;
  return {start, start < 0 ? static_cast<uint32_t>(-start) : 0,
          left < static_cast<int32_t>(in.kernel) ? static_cast<uint32_t>(left) : in.kernel};
}

// Windows first .. end-1 hold input position `at`.
struct windows {
  uint32_t first, end;
};

__device__ inline windows windows_of(const cuda_pool &in, uint32_t at, uint32_t outputs) {
  const uint32_t from = at + in.before;
  const uint32_t end = from / in.stride + 1;
  return {from < in.kernel ? 0 : (from - in.kernel) / in.stride + 1, end < outputs ? end : outputs};
}

// Only a larger element takes the place, so the first of equals wins; the comparison lets NaN win.
template <typename T>
__global__ void maxpool(const __grid_constant__ cuda_pool in) {
  const uint32_t items = in.batch * in.out_height * in.out_width * in.vectors;
  for (uint32_t i = blockIdx.x * THREADS + threadIdx.x; i < items; i += gridDim.x * THREADS) {
    const place p = place_of(i, in.out_height, in.out_width, in.vectors);
    const span rows = span_of(in, p.y, in.height);
    const span columns = span_of(in, p.x, in.width);
    vec8 best;
    uint32_t winner[CUDA_VECTOR];
#pragma unroll
    for (int k = 0; k < CUDA_VECTOR; k++) {
      best.v[k] = -INFINITY;
      winner[k] = 255;
    }
    for (uint32_t r = rows.first; r < rows.end; r++) {
      for (uint32_t c = columns.first; c < columns.end; c++) {
        const uint32_t row = (p.image * in.height + rows.start + r) * in.width + columns.start + c;
        const vec8 x = load8(at<T>(in.x, row, p.vector));
#pragma unroll
        for (int k = 0; k < CUDA_VECTOR; k++) {
          const bool wins = !(x.v[k] <= best.v[k]);
          best.v[k] = wins ? x.v[k] : best.v[k];
          winner[k] = wins ? r * in.kernel + c : winner[k];
        }
      }
    }
    store8(at<T>(in.y, i / in.vectors, p.vector), best);
    uint2 packed = {0, 0};
#pragma unroll
    for (int k = 0; k < 4; k++) {
      packed.x |= winner[k] << 8 * k;
      packed.y |= winner[k + 4] << 8 * k;
    }
    reinterpret_cast<uint2 *>(in.winner)[i] = packed;
  }
}

template <typename T>
__global__ void maxpool_backward(const __grid_constant__ cuda_pool in, const __grid_constant__ cuda_terms dy,
                                 const cuda_map dx) {
  const uint32_t items = in.batch * in.height * in.width * in.vectors;
  for (uint32_t i = blockIdx.x * THREADS + threadIdx.x; i < items; i += gridDim.x * THREADS) {
    const place p = place_of(i, in.height, in.width, in.vectors);
    const windows rows = windows_of(in, p.y, in.out_height);
    const windows columns = windows_of(in, p.x, in.out_width);
    vec8 sum = zero8();
    for (uint32_t r = rows.first; r < rows.end; r++) {
      for (uint32_t c = columns.first; c < columns.end; c++) {
        const uint32_t row = (p.image * in.out_height + r) * in.out_width + c;
        const uint32_t element = (p.y + in.before - r * in.stride) * in.kernel + p.x + in.before - c * in.stride;
        const uint2 packed = reinterpret_cast<const uint2 *>(in.winner)[row * in.vectors + p.vector];
        const vec8 g = load_terms<T>(dy, row, p.vector);
#pragma unroll
        for (int k = 0; k < CUDA_VECTOR; k++) {
          const uint32_t winner = ((k < 4 ? packed.x : packed.y) >> 8 * (k % 4)) & 255;
          sum.v[k] += winner == element ? g.v[k] : 0;
        }
      }
    }
    store8(at<T>(dx, i / in.vectors, p.vector), sum);
  }
}

__device__ inline float share(const cuda_pool &in, uint32_t y, uint32_t x) {
  const span rows = span_of(in, y, in.height);
  const span columns = span_of(in, x, in.width);
  return 1.0F / static_cast<float>((rows.end - rows.first) * (columns.end - columns.first));
}

template <typename T>
__global__ void avgpool(const __grid_constant__ cuda_pool in) {
  const uint32_t items = in.batch * in.out_height * in.out_width * in.vectors;
  for (uint32_t i = blockIdx.x * THREADS + threadIdx.x; i < items; i += gridDim.x * THREADS) {
    const place p = place_of(i, in.out_height, in.out_width, in.vectors);
    const span rows = span_of(in, p.y, in.height);
    const span columns = span_of(in, p.x, in.width);
    const float part = share(in, p.y, p.x);
    vec8 sum = zero8();
    for (uint32_t r = rows.first; r < rows.end; r++) {
      for (uint32_t c = columns.first; c < columns.end; c++) {
        const uint32_t row = (p.image * in.height + rows.start + r) * in.width + columns.start + c;
        const vec8 x = load8(at<T>(in.x, row, p.vector));
#pragma unroll
        for (int k = 0; k < CUDA_VECTOR; k++) {
          sum.v[k] += x.v[k];
        }
      }
    }
#pragma unroll
    for (int k = 0; k < CUDA_VECTOR; k++) {
      sum.v[k] *= part;
    }
    store8(at<T>(in.y, i / in.vectors, p.vector), sum);
  }
}

template <typename T>
__global__ void avgpool_backward(const __grid_constant__ cuda_pool in, const __grid_constant__ cuda_terms dy,
                                 const cuda_map dx) {
  const uint32_t items = in.batch * in.height * in.width * in.vectors;
  for (uint32_t i = blockIdx.x * THREADS + threadIdx.x; i < items; i += gridDim.x * THREADS) {
    const place p = place_of(i, in.height, in.width, in.vectors);
    const windows rows = windows_of(in, p.y, in.out_height);
    const windows columns = windows_of(in, p.x, in.out_width);
    vec8 sum = zero8();
    for (uint32_t r = rows.first; r < rows.end; r++) {
      for (uint32_t c = columns.first; c < columns.end; c++) {
        const vec8 g = load_terms<T>(dy, (p.image * in.out_height + r) * in.out_width + c, p.vector);
        const float part = share(in, r, c);
#pragma unroll
        for (int k = 0; k < CUDA_VECTOR; k++) {
          sum.v[k] += part * g.v[k];
        }
      }
    }
    store8(at<T>(dx, i / in.vectors, p.vector), sum);
  }
}

// Channels first .. end-1 are near some channel of a vector; `offset` 0 is the vector's first channel.
struct neighbours {
  int32_t first, end;
};

__device__ inline neighbours neighbours_of(const cuda_lrn &in, uint32_t vector) {
  const int32_t c = static_cast<int32_t>(vector * CUDA_VECTOR);
  const int32_t radius = static_cast<int32_t>(in.radius);
  return {max(0, c - radius), min(static_cast<int32_t>(in.channels), c + CUDA_VECTOR + radius)};
}

__device__ inline bool is_near(const cuda_lrn &in, uint32_t vector, int k, int32_t channel) {
  return abs(static_cast<int32_t>(vector * CUDA_VECTOR) + k - channel) <= static_cast<int32_t>(in.radius);
}

template <typename T>
__global__ void lrn(const __grid_constant__ cuda_lrn in) {
  const uint32_t items = in.extent.rows * in.extent.vectors;
  for (uint32_t i = blockIdx.x * THREADS + threadIdx.x; i < items; i += gridDim.x * THREADS) {
    const uint32_t row = i / in.extent.vectors;
    const uint32_t vector = i % in.extent.vectors;
    const neighbours near = neighbours_of(in, vector);
    const T *pixel = at<T>(in.x, row, 0);
    vec8 s = zero8();
    for (int32_t j = near.first; j < near.end; j++) {
      const float x = static_cast<float>(pixel[j]);
#pragma unroll
      for (int k = 0; k < CUDA_VECTOR; k++) {
        s.v[k] += is_near(in, vector, k, j) ? x * x : 0;
      }
    }
    vec8 x = load8(at<T>(in.x, row, vector));
#pragma unroll
    for (int k = 0; k < CUDA_VECTOR; k++) {
      s.v[k] = in.bias + in.alpha * s.v[k];
      x.v[k] *= powf(s.v[k], -in.beta);
    }
    store8(in.s + static_cast<size_t>(i) * CUDA_VECTOR, s);
    store8(at<T>(in.y, row, vector), x);
  }
}

// Channel j of the sum of terms.
template <typename T>
__device__ inline float load_channel(const cuda_terms &terms, uint32_t row, int32_t j) {
  float sum = 0;
  for (int i = 0; i < terms.count; i++) {
    sum += static_cast<float>(at<T>(terms.term[i], row, 0)[j]);
  }
  return sum;
}

// dx_c = dy_c * s_c^-beta - 2 * alpha * beta * x_c * sum over neighbours j of dy_j * y_j / s_j.
template <typename T>
__global__ void lrn_backward(const __grid_constant__ cuda_lrn in, const __grid_constant__ cuda_terms dy,
                             const cuda_map dx) {
  const uint32_t items = in.extent.rows * in.extent.vectors;
  for (uint32_t i = blockIdx.x * THREADS + threadIdx.x; i < items; i += gridDim.x * THREADS) {
    const uint32_t row = i / in.extent.vectors;
    const uint32_t vector = i % in.extent.vectors;
    const neighbours near = neighbours_of(in, vector);
    const float *scales = in.s + static_cast<size_t>(row) * in.extent.vectors * CUDA_VECTOR;
    vec8 sum = zero8();
    for (int32_t j = near.first; j < near.end; j++) {
      const float y = static_cast<float>(at<T>(in.y, row, 0)[j]);
      const float part = load_channel<T>(dy, row, j) * y / scales[j];
#pragma unroll
      for (int k = 0; k < CUDA_VECTOR; k++) {
        sum.v[k] += is_near(in, vector, k, j) ? part : 0;
      }
    }
    const vec8 s = load8(scales + vector * CUDA_VECTOR);
    const vec8 x = load8(at<T>(in.x, row, vector));
    vec8 g = load_terms<T>(dy, row, vector);
#pragma unroll
    for (int k = 0; k < CUDA_VECTOR; k++) {
      g.v[k] = g.v[k] * powf(s.v[k], -in.beta) - 2 * in.alpha * in.beta * x.v[k] * sum.v[k];
    }
    store8(at<T>(dx, row, vector), g);
  }
}

unsigned output_blocks(const cuda_pool *in) {
  return blocks_for(static_cast<uint64_t>(in->batch) * in->out_height * in->out_width * in->vectors);
}

unsigned input_blocks(const cuda_pool *in) {
  return blocks_for(static_cast<uint64_t>(in->batch) * in->height * in->width * in->vectors);
}

unsigned lrn_blocks(const cuda_lrn *in) {
  return blocks_for(static_cast<uint64_t>(in->extent.rows) * in->extent.vectors);
}

}  // namespace

void cuda_run_maxpool(cuda_type type, const cuda_pool *in, cudaStream_t stream) {
  with_type(type, [&](auto t) { launch(maxpool<decltype(t)>, output_blocks(in), THREADS, stream, *in); });
}

void cuda_run_maxpool_backward(cuda_type type, const cuda_pool *in, const cuda_terms *dy, cuda_map dx,
                               cudaStream_t stream) {
  with_type(type,
            [&](auto t) { launch(maxpool_backward<decltype(t)>, input_blocks(in), THREADS, stream, *in, *dy, dx); });
}

void cuda_run_avgpool(cuda_type type, const cuda_pool *in, cudaStream_t stream) {
  with_type(type, [&](auto t) { launch(avgpool<decltype(t)>, output_blocks(in), THREADS, stream, *in); });
}

void cuda_run_avgpool_backward(cuda_type type, const cuda_pool *in, const cuda_terms *dy, cuda_map dx,
                               cudaStream_t stream) {
  with_type(type,
            [&](auto t) { launch(avgpool_backward<decltype(t)>, input_blocks(in), THREADS, stream, *in, *dy, dx); });
}

void cuda_run_lrn(cuda_type type, const cuda_lrn *in, cudaStream_t stream) {
  with_type(type, [&](auto t) { launch(lrn<decltype(t)>, lrn_blocks(in), THREADS, stream, *in); });
}

void cuda_run_lrn_backward(cuda_type type, const cuda_lrn *in, const cuda_terms *dy, cuda_map dx, cudaStream_t stream) {
  with_type(type, [&](auto t) { launch(lrn_backward<decltype(t)>, lrn_blocks(in), THREADS, stream, *in, *dy, dx); });
}
