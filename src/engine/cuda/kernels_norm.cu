// Batch normalisation forward and backward, with the ReLU behind it, and the gradients of biases.
//
// The batch's variance is that of differences to the first pixel of each channel, so that little cancels where the mean
// is large against the deviation.
#include "engine/cuda/sums.cuh"

namespace {

__device__ inline uint32_t real_rows(const cuda_norm &in) { return job_examples(in.job) * in.area; }

template <typename T>
__global__ void measure(const __grid_constant__ cuda_norm in, const bool settle) {
  const uint32_t rows = real_rows(in);
  const double count = rows;
  const sum_plan plan = {in.extent, in.partial, in.counter};
  const T *first = static_cast<const T *>(in.x.data);
  const uint32_t columns = min(in.extent.vectors - blockIdx.y * SUM_COLUMNS, SUM_COLUMNS);
  const vec8 pivot = load8(first + (blockIdx.y * SUM_COLUMNS + threadIdx.x % columns) * CUDA_VECTOR);
  sum_channels(
      plan, rows,
      [&](uint32_t row, uint32_t vector, two8 *sums) {
        const vec8 x = load8(at<T>(in.x, row, vector));
#pragma unroll
        for (int k = 0; k < CUDA_VECTOR; k++) {
          const float d = x.v[k] - pivot.v[k];
          sums->a.v[k] += d;
          sums->b.v[k] += d * d;
        }
      },
      [&](uint32_t channel, double a, double b) {
        const double shifted = a / count;
        const double mean = static_cast<double>(static_cast<float>(first[channel])) + shifted;
        const double spread = b / count - shifted * shifted;
        const double variance = spread > 0 || spread != spread ? spread : 0;
        in.mean[channel] = static_cast<float>(mean);
        in.inverse[channel] = static_cast<float>(1 / sqrt(variance + in.epsilon));
        if (settle && in.job->stopped == 0) {
          const double decay = in.decay;
          in.running_mean[channel] = static_cast<float>(decay * in.running_mean[channel] + (1 - decay) * mean);
          in.running_variance[channel] =
              static_cast<float>(decay * in.running_variance[channel] + (1 - decay) * variance);
        }
      });
}

// A vector of channels' x -> z = (x - mean) * inverse -> y = z * scale + shift.
struct normalizer {
  vec8 mean, inverse, scale, shift;
};

__device__ inline vec8 load_or(const float *values, uint32_t vector, float otherwise) {
  vec8 out;
  if (values != nullptr) {
    return load8(values + vector * CUDA_VECTOR);
  }
#pragma unroll
  for (int k = 0; k < CUDA_VECTOR; k++) {
    out.v[k] = otherwise;
  }
  return out;
}

__device__ inline normalizer load_normalizer(const cuda_norm &in, const float *mean, const float *inverse,
                                             uint32_t vector) {
  return {load8(mean + vector * CUDA_VECTOR), load8(inverse + vector * CUDA_VECTOR), load_or(in.scale, vector, 1),
          load_or(in.shift, vector, 0)};
}

__device__ inline float z_of(const normalizer &by, int k, float x) { return (x - by.mean.v[k]) * by.inverse.v[k]; }
// One rounding wherever it is computed, so that the backward pass finds the ReLU's choices as they were.
__device__ inline float y_of(const normalizer &by, int k, float z) { return fmaf(z, by.scale.v[k], by.shift.v[k]); }

template <typename T>
__global__ void apply(const __grid_constant__ cuda_norm in, const float *mean, const float *inverse,
                      const cuda_map out) {
  const uint32_t items = in.extent.rows * in.extent.vectors;
  for (uint32_t i = blockIdx.x * THREADS + threadIdx.x; i < items; i += gridDim.x * THREADS) {
    const uint32_t row = i / in.extent.vectors;
    const uint32_t vector = i % in.extent.vectors;
    const normalizer by = load_normalizer(in, mean, inverse, vector);
    vec8 x = load8(at<T>(in.x, row, vector));
#pragma unroll
    for (int k = 0; k < CUDA_VECTOR; k++) {
      const float y = y_of(by, k, z_of(by, k, x.v[k]));
      x.v[k] = in.relu ? relu(y) : y;
    }
    store8(at<T>(out, row, vector), x);
  }
}

// The gradient with respect to y, behind the ReLU: whether it lets one through is computed again from x.
template <typename T>
__device__ inline vec8 load_g(const cuda_norm &in, const normalizer &by, const cuda_terms &dy, uint32_t row,
                              uint32_t vector, vec8 *z) {
  vec8 g = load_terms<T>(dy, row, vector);
  const vec8 x = load8(at<T>(in.x, row, vector));
#pragma unroll
  for (int k = 0; k < CUDA_VECTOR; k++) {
    z->v[k] = z_of(by, k, x.v[k]);
    g.v[k] = in.relu && !(y_of(by, k, z->v[k]) > 0) ? 0 : g.v[k];
  }
  return g;
}

template <typename T>
__global__ void sums(const __grid_constant__ cuda_norm in, const __grid_constant__ cuda_terms dy) {
  const uint32_t rows = real_rows(in);
  const sum_plan plan = {in.extent, in.partial, in.counter};
  const uint32_t columns = min(in.extent.vectors - blockIdx.y * SUM_COLUMNS, SUM_COLUMNS);
  const normalizer by = load_normalizer(in, in.mean, in.inverse, blockIdx.y * SUM_COLUMNS + threadIdx.x % columns);
  sum_channels(
      plan, rows,
      [&](uint32_t row, uint32_t vector, two8 *all) {
        vec8 z;
        const vec8 g = load_g<T>(in, by, dy, row, vector, &z);
#pragma unroll
        for (int k = 0; k < CUDA_VECTOR; k++) {
          all->a.v[k] += g.v[k];
          all->b.v[k] += g.v[k] * z.v[k];
        }
      },
      [&](uint32_t channel, double a, double b) {
        in.mean_g[channel] = static_cast<float>(a / rows);
        in.mean_gz[channel] = static_cast<float>(b / rows);
        if (in.shift_gradient != nullptr) {
          in.shift_gradient[channel] = static_cast<float>(a);
        }
        if (in.scale_gradient != nullptr) {
          in.scale_gradient[channel] = static_cast<float>(b);
        }
      });
}

// dx = scale * inverse * (g - mean(g) - z * mean(g z)); zero where no example is.
template <typename T>
__global__ void backward(const __grid_constant__ cuda_norm in, const __grid_constant__ cuda_terms dy,
                         const cuda_map out) {
  const uint32_t items = in.extent.rows * in.extent.vectors;
  const uint32_t real = real_rows(in);
  for (uint32_t i = blockIdx.x * THREADS + threadIdx.x; i < items; i += gridDim.x * THREADS) {
    const uint32_t row = i / in.extent.vectors;
    const uint32_t vector = i % in.extent.vectors;
    vec8 dx = zero8();
    if (row < real) {
      const normalizer by = load_normalizer(in, in.mean, in.inverse, vector);
      const vec8 mean_g = load8(in.mean_g + vector * CUDA_VECTOR);
      const vec8 mean_gz = load8(in.mean_gz + vector * CUDA_VECTOR);
      vec8 z;
      const vec8 g = load_g<T>(in, by, dy, row, vector, &z);
#pragma unroll
      for (int k = 0; k < CUDA_VECTOR; k++) {
        dx.v[k] = by.scale.v[k] * by.inverse.v[k] * (g.v[k] - mean_g.v[k] - z.v[k] * mean_gz.v[k]);
      }
    }
    store8(at<T>(out, row, vector), dx);
  }
}

__global__ void inverse_of(const float *variance, const float *epsilon, float *inverse, uint32_t count) {
  const uint32_t i = blockIdx.x * THREADS + threadIdx.x;
  if (i < count) {
    inverse[i] = static_cast<float>(1 / sqrt(static_cast<double>(variance[i]) + epsilon[i]));
  }
}

template <typename T>
__global__ void bias_gradient(const __grid_constant__ cuda_bias in) {
  const size_t sums = static_cast<size_t>(gridDim.x) * 2 * in.extent.vectors * CUDA_VECTOR;
  const sum_plan plan = {in.extent, in.partial + blockIdx.z * sums, in.counter + blockIdx.z * gridDim.y};
  sum_channels(
      plan, in.extent.rows,
      [&](uint32_t of_run, uint32_t vector, two8 *all) {
        const uint32_t row = blockIdx.z * in.extent.rows + of_run;
        vec8 g = load_terms<T>(in.terms, row, vector);
        apply_mask<T>(in.mask, row, vector, &g);
        if (in.out.data != nullptr) {
          store8(at<T>(in.out, row, vector), g);
        }
#pragma unroll
        for (int k = 0; k < CUDA_VECTOR; k++) {
          all->a.v[k] += g.v[k];
        }
      },
      [&](uint32_t channel, double a, double) {
        in.bias[blockIdx.z * in.apart + channel] = in.sign * static_cast<float>(a);
      });
}

unsigned blocks_of(const cuda_norm *in) {
  return blocks_for(static_cast<uint64_t>(in->extent.rows) * in->extent.vectors);
}

}  // namespace

void cuda_run_norm_measure(cuda_type type, const cuda_norm *in, bool settle, cudaStream_t stream) {
  with_type(type, [&](auto t) { launch(measure<decltype(t)>, sum_grid(in->extent), THREADS, stream, *in, settle); });
}

void cuda_run_norm_apply(cuda_type type, const cuda_norm *in, const float *mean, const float *inverse, cuda_map y,
                         cudaStream_t stream) {
  with_type(type, [&](auto t) { launch(apply<decltype(t)>, blocks_of(in), THREADS, stream, *in, mean, inverse, y); });
}

void cuda_run_norm_sums(cuda_type type, const cuda_norm *in, const cuda_terms *dy, cudaStream_t stream) {
  with_type(type, [&](auto t) { launch(sums<decltype(t)>, sum_grid(in->extent), THREADS, stream, *in, *dy); });
}

void cuda_run_norm_backward(cuda_type type, const cuda_norm *in, const cuda_terms *dy, cuda_map dx,
                            cudaStream_t stream) {
  with_type(type, [&](auto t) { launch(backward<decltype(t)>, blocks_of(in), THREADS, stream, *in, *dy, dx); });
}

void cuda_run_norm_inverse(const float *variance, const float *epsilon, float *inverse, uint32_t count,
                           cudaStream_t stream) {
  launch(inverse_of, (count + THREADS - 1) / THREADS, THREADS, stream, variance, epsilon, inverse, count);
}

void cuda_run_bias_gradient(cuda_type type, const cuda_bias *in, cudaStream_t stream) {
  dim3 grid = sum_grid(in->extent);
  grid.z = in->runs;
  with_type(type, [&](auto t) { launch(bias_gradient<decltype(t)>, grid, THREADS, stream, *in); });
}
