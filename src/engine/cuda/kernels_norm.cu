// Batch normalisation forward and backward, with the ReLU behind it, and the gradients of biases.
//
// The batch's variance is that of differences to the first pixel of each channel, so that little cancels where the mean
// is large against the deviation. Every run has a plane of blocks (z) of its own.
#include "engine/cuda/sums.cuh"

namespace {

__device__ inline uint32_t real_rows(const cuda_norm &in) { return job_examples(&in.job[blockIdx.z]) * in.area; }

// Of this block's run: its first row, and where its numbers lie.
__device__ inline uint32_t first_row(const cuda_extent &extent) { return blockIdx.z * extent.rows; }

__device__ inline size_t statistic_of(const cuda_norm &in, uint32_t channel) {
  return static_cast<size_t>(blockIdx.z) * in.statistics_apart + channel;
}

__device__ inline sum_plan plan_of(const cuda_extent &extent, float *partial, uint32_t *counter) {
  const size_t sums = static_cast<size_t>(gridDim.x) * 2 * extent.vectors * CUDA_VECTOR;
  return {extent, partial + blockIdx.z * sums, counter + blockIdx.z * gridDim.y};
}

template <typename T>
__global__ void measure(const __grid_constant__ cuda_norm in, const bool settle) {
  const uint32_t rows = real_rows(in);
  const double count = rows > 0 ? rows : 1;  // none: y and gradients are no NaN
  const T *first = at<T>(in.x, first_row(in.extent), 0);
  const uint32_t columns = min(in.extent.vectors - blockIdx.y * SUM_COLUMNS, SUM_COLUMNS);
  const vec8 pivot = load8(first + (blockIdx.y * SUM_COLUMNS + threadIdx.x % columns) * CUDA_VECTOR);
  sum_channels(
      plan_of(in.extent, in.partial, in.counter), rows,
      [&](uint32_t row, uint32_t vector, two8 *sums) {
        const vec8 x = load8(at<T>(in.x, first_row(in.extent) + row, vector));
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
        const size_t place = statistic_of(in, channel);
        in.mean[place] = static_cast<float>(mean);
        in.inverse[place] = static_cast<float>(1 / sqrt(variance + in.epsilon));
        if (settle && in.job[blockIdx.z].stopped == 0) {
          const double decay = in.decay;
          in.running_mean[place] = static_cast<float>(decay * in.running_mean[place] + (1 - decay) * mean);
          in.running_variance[place] = static_cast<float>(decay * in.running_variance[place] + (1 - decay) * variance);
        }
      });
}

// A vector of channels' x -> z = (x - mean) * inverse -> y = z * scale + shift.
struct normalizer {
  vec8 mean, inverse, scale, shift;
};

// A vector of the run's scale or shift.
__device__ inline vec8 load_or(const cuda_norm &in, const float *values, uint32_t vector, float otherwise) {
  vec8 out;
  if (values != nullptr) {
    return load8(values + blockIdx.z * in.apart + vector * CUDA_VECTOR);
  }
#pragma unroll
  for (int k = 0; k < CUDA_VECTOR; k++) {
    out.v[k] = otherwise;
  }
  return out;
}

__device__ inline normalizer load_normalizer(const cuda_norm &in, const float *mean, const float *inverse,
                                             uint32_t vector) {
  const size_t place = statistic_of(in, vector * CUDA_VECTOR);
  return {load8(mean + place), load8(inverse + place), load_or(in, in.scale, vector, 1),
          load_or(in, in.shift, vector, 0)};
}

__device__ inline float z_of(const normalizer &by, int k, float x) { return (x - by.mean.v[k]) * by.inverse.v[k]; }
// One rounding wherever it is computed, so that the backward pass finds the ReLU's choices as they were.
__device__ inline float y_of(const normalizer &by, int k, float z) { return fmaf(z, by.scale.v[k], by.shift.v[k]); }

template <typename T>
__global__ void apply(const __grid_constant__ cuda_norm in, const float *mean, const float *inverse,
                      const cuda_map out) {
  const uint32_t items = in.extent.rows * in.extent.vectors;
  for (uint32_t i = blockIdx.x * THREADS + threadIdx.x; i < items; i += gridDim.x * THREADS) {
    const uint32_t row = first_row(in.extent) + i / in.extent.vectors;
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
  const uint32_t columns = min(in.extent.vectors - blockIdx.y * SUM_COLUMNS, SUM_COLUMNS);
  const normalizer by = load_normalizer(in, in.mean, in.inverse, blockIdx.y * SUM_COLUMNS + threadIdx.x % columns);
  sum_channels(
      plan_of(in.extent, in.partial, in.counter), rows,
      [&](uint32_t row, uint32_t vector, two8 *all) {
        vec8 z;
        const vec8 g = load_g<T>(in, by, dy, first_row(in.extent) + row, vector, &z);
#pragma unroll
        for (int k = 0; k < CUDA_VECTOR; k++) {
          all->a.v[k] += g.v[k];
          all->b.v[k] += g.v[k] * z.v[k];
        }
      },
      [&](uint32_t channel, double a, double b) {
        const size_t parameter = blockIdx.z * in.apart + channel;
        in.mean_g[statistic_of(in, channel)] = static_cast<float>(a / rows);
        in.mean_gz[statistic_of(in, channel)] = static_cast<float>(b / rows);
        if (in.shift_gradient != nullptr) {
          in.shift_gradient[parameter] = static_cast<float>(a);
        }
        if (in.scale_gradient != nullptr) {
          in.scale_gradient[parameter] = static_cast<float>(b);
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
    const uint32_t row = first_row(in.extent) + i / in.extent.vectors;
    const uint32_t vector = i % in.extent.vectors;
    vec8 dx = zero8();
    if (i / in.extent.vectors < real) {
      const normalizer by = load_normalizer(in, in.mean, in.inverse, vector);
      const vec8 mean_g = load8(in.mean_g + statistic_of(in, vector * CUDA_VECTOR));
      const vec8 mean_gz = load8(in.mean_gz + statistic_of(in, vector * CUDA_VECTOR));
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
  const size_t place = static_cast<size_t>(blockIdx.z) * count + i;
  if (i < count) {
    inverse[place] = static_cast<float>(1 / sqrt(static_cast<double>(variance[place]) + epsilon[i]));
  }
}

template <typename T>
__global__ void bias_gradient(const __grid_constant__ cuda_bias in) {
  sum_channels(
      plan_of(in.extent, in.partial, in.counter), in.extent.rows,
      [&](uint32_t of_run, uint32_t vector, two8 *all) {
        const uint32_t row = first_row(in.extent) + of_run;
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

dim3 pixel_grid(const cuda_norm *in) {
  return dim3(blocks_for(static_cast<uint64_t>(in->extent.rows) * in->extent.vectors), 1, in->runs);
}

dim3 channel_grid(cuda_extent extent, uint32_t runs) {
  dim3 grid = sum_grid(extent);
  grid.z = runs;
  return grid;
}

}  // namespace

void cuda_run_norm_measure(cuda_type type, const cuda_norm *in, bool settle, cudaStream_t stream) {
  with_type(type, [&](auto t) {
    launch(measure<decltype(t)>, channel_grid(in->extent, in->runs), THREADS, stream, *in, settle);
  });
}

void cuda_run_norm_apply(cuda_type type, const cuda_norm *in, const float *mean, const float *inverse, cuda_map y,
                         cudaStream_t stream) {
  with_type(type, [&](auto t) { launch(apply<decltype(t)>, pixel_grid(in), THREADS, stream, *in, mean, inverse, y); });
}

void cuda_run_norm_sums(cuda_type type, const cuda_norm *in, const cuda_terms *dy, cudaStream_t stream) {
  with_type(type,
            [&](auto t) { launch(sums<decltype(t)>, channel_grid(in->extent, in->runs), THREADS, stream, *in, *dy); });
}

void cuda_run_norm_backward(cuda_type type, const cuda_norm *in, const cuda_terms *dy, cuda_map dx,
                            cudaStream_t stream) {
  with_type(type, [&](auto t) { launch(backward<decltype(t)>, pixel_grid(in), THREADS, stream, *in, *dy, dx); });
}

void cuda_run_norm_inverse(const float *variance, const float *epsilon, float *inverse, uint32_t count, uint32_t runs,
                           cudaStream_t stream) {
  const dim3 grid((count + THREADS - 1) / THREADS, 1, runs);
  launch(inverse_of, grid, THREADS, stream, variance, epsilon, inverse, count);
}

void cuda_run_bias_gradient(cuda_type type, const cuda_bias *in, cudaStream_t stream) {
  with_type(type, [&](auto t) {
    launch(bias_gradient<decltype(t)>, channel_grid(in->extent, in->runs), THREADS, stream, *in);
  });
}
