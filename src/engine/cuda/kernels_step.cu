// Loss, update, and the end of a step.
#include "engine/cuda/vector.cuh"

namespace {

constexpr uint32_t LOSS_THREADS = 1024;
constexpr uint32_t LOSS_WARPS = LOSS_THREADS / 32;

__device__ inline float load_logit(const cuda_loss &in, uint32_t row, uint32_t k, float) {
  return at<float>(in.logits, row, 0)[k];
}

__device__ inline float load_logit(const cuda_loss &in, uint32_t row, uint32_t k, __nv_bfloat16) {
  return static_cast<float>(at<__nv_bfloat16>(in.logits, row, 0)[k]);
}

// Largest logit and the first class that has it.
struct best_class {
  float logit;
  uint32_t k;
};

__device__ inline best_class better(best_class a, best_class b) {
  return b.logit > a.logit || (b.logit == a.logit && b.k < a.k) ? b : a;
}

template <typename L>
__device__ inline best_class first_largest(const cuda_loss &in, uint32_t row) {
  best_class best = {-INFINITY, in.classes};
  for (uint32_t k = threadIdx.x % 32; k < in.classes; k += 32) {
    best = better(best, {load_logit(in, row, k, L()), k});
  }
  for (int step = 16; step > 0; step /= 2) {
    const best_class other = {__shfl_xor_sync(0xffffffffU, best.logit, step),
                              __shfl_xor_sync(0xffffffffU, best.k, step)};
    best = better(best, other);
  }
  return best;
}

// Softmax of an example: exp(logit - largest) / sum. In double, so that what is learned to the last bit still has a
// loss and a gradient.
struct softmax {
  float largest;
  double sum;
};

// Derivative of the mean loss: (softmax - onehot) / n; zeros for the channels that are no class.
template <typename T, typename L>
__device__ inline void write_gradient(const cuda_loss &in, uint32_t row, softmax by, int32_t label, uint32_t n) {
  T *to = at<T>(in.gradient, row, 0);
  for (uint32_t k = threadIdx.x % 32; k < in.vectors * CUDA_VECTOR; k += 32) {
    double g = 0;
    if (label >= 0 && k < in.classes) {
      g = (expf(load_logit(in, row, k, L()) - by.largest) / by.sum - (static_cast<int32_t>(k) == label ? 1 : 0)) / n;
    }
    to[k] = T(static_cast<float>(g));
  }
}

// One example by one warp: its loss; *correct counts it. row: in all runs.
template <typename T, typename L>
__device__ inline double example_loss(const cuda_loss &in, uint32_t row, uint32_t n, uint32_t *correct) {
  const int32_t label = in.labels[row];
  const best_class best = first_largest<L>(in, row);
  softmax by = {best.logit, 0};
  for (uint32_t k = threadIdx.x % 32; k < in.classes; k += 32) {
    by.sum += expf(load_logit(in, row, k, L()) - best.logit);
  }
  for (int step = 16; step > 0; step /= 2) {
    by.sum += __shfl_xor_sync(0xffffffffU, by.sum, step);
  }
  if (in.gradient.data != nullptr) {
    write_gradient<T, L>(in, row, by, label, n);
  }
  *correct += best.k == static_cast<uint32_t>(label);
  return log(by.sum) + (best.logit - load_logit(in, row, static_cast<uint32_t>(label), L()));
}

template <typename L>
__device__ inline void keep_answer(const cuda_loss &in, uint32_t slot, uint32_t row, double loss) {
  const size_t place = static_cast<size_t>(slot) * in.runs * in.batch + row;
  if (in.all_losses != nullptr && threadIdx.x % 32 == 0) {
    in.all_losses[place] = static_cast<float>(loss);
  }
  for (uint32_t k = threadIdx.x % 32; in.all_logits != nullptr && k < in.classes; k += 32) {
    in.all_logits[place * in.classes + k] = load_logit(in, row, k, L());
  }
}

// One block a run. Warps take examples in turn and add their losses in order; then the warps' sums are added in order.
template <typename T, typename L>
__global__ void __launch_bounds__(LOSS_THREADS) loss(const __grid_constant__ cuda_loss in) {
  __shared__ double sums[LOSS_WARPS];
  __shared__ uint32_t counts[LOSS_WARPS];
  cuda_job &job = in.job[blockIdx.x];
  const uint32_t n = job_examples(&job);
  const uint32_t first = blockIdx.x * in.batch;
  const uint32_t warp = threadIdx.x / 32;
  double sum = 0;
  uint32_t correct = 0;
  for (uint32_t row = warp; row < n; row += LOSS_WARPS) {
    const double mine = example_loss<T, L>(in, first + row, n, &correct);
    keep_answer<L>(in, job.slot, first + row, mine);
    sum += mine;
  }
  for (uint32_t row = n + warp; in.gradient.data != nullptr && row < in.batch; row += LOSS_WARPS) {
    write_gradient<T, L>(in, first + row, {0, 1}, -1, n);
  }
  if (threadIdx.x % 32 == 0) {
    sums[warp] = sum;
    counts[warp] = correct;
  }
  __syncthreads();
  if (threadIdx.x == 0) {
    for (uint32_t w = 1; w < LOSS_WARPS; w++) {
      sum += sums[w];
      correct += counts[w];
    }
    job.loss_sum = sum;
    job.correct = correct;
  }
}

// v <- momentum * v + (g + weight_decay * w); w <- w - learning_rate * v. One block a chunk of a run.
__global__ void update(const __grid_constant__ cuda_update in) {
  cuda_job &job = in.job[blockIdx.y];
  if (job.stopped != 0) {
    return;
  }
  const float momentum = job.momentum;
  const float learning_rate = job.learning_rate;
  const uint8_t chunk = in.chunks[blockIdx.x];
  const float decay = (chunk & CUDA_CHUNK_DECAYS) != 0 ? job.weight_decay : 0;
  bool finite = true;
  for (uint32_t i = threadIdx.x; i < CUDA_CHUNK / CUDA_VECTOR; i += blockDim.x) {
    const size_t place = (blockIdx.y * in.chunk_count + blockIdx.x) * CUDA_CHUNK + i * CUDA_VECTOR;
    const vec8 g = (chunk & CUDA_CHUNK_ROUNDED) != 0
                       ? load8(static_cast<const __nv_bfloat16 *>(in.rounded_gradients) + place)
                       : load8(in.gradients + place);
    vec8 v = load8(in.momentum + place);
    vec8 w = load8(in.weights + place);
#pragma unroll
    for (int k = 0; k < CUDA_VECTOR; k++) {
      v.v[k] = momentum * v.v[k] + (g.v[k] + decay * w.v[k]);
      w.v[k] -= learning_rate * v.v[k];
      finite = finite && isfinite(w.v[k]);
    }
    store8(in.momentum + place, v);
    store8(in.weights + place, w);
    if (in.rounded != nullptr) {
      store8(static_cast<__nv_bfloat16 *>(in.rounded) + place, w);
    }
  }
  if (!finite) {
    job.infinite = 1;  // whoever writes writes the same
  }
}

__global__ void round_all(const float *from, __nv_bfloat16 *to, uint64_t count) {
  for (uint64_t i = blockIdx.x * THREADS + threadIdx.x; i < count / CUDA_VECTOR; i += gridDim.x * THREADS) {
    store8(to + i * CUDA_VECTOR, load8(from + i * CUDA_VECTOR));
  }
}

__global__ void finish(cuda_job *jobs, cuda_metrics *metrics) {
  cuda_job *job = &jobs[blockIdx.x];
  const bool finite = isfinite(job->loss_sum) && job->infinite == 0;
  if (metrics != nullptr) {
    metrics[job->slot * gridDim.x + blockIdx.x] = {job->loss_sum, job->correct, job_examples(job), finite ? 1U : 0U};
  }
  job->stopped = job->stopped != 0 || !finite ? 1 : 0;
  job->step++;
  job->slot++;
}

}  // namespace

void cuda_run_loss(cuda_type type, const cuda_loss *in, cudaStream_t stream) {
  with_type(type, [&](auto t) {
    using T = decltype(t);
    if (in->logits_float) {
      launch(loss<T, float>, in->runs, LOSS_THREADS, stream, *in);
    } else {
      launch(loss<T, T>, in->runs, LOSS_THREADS, stream, *in);
    }
  });
}

void cuda_run_update(const cuda_update *in, cudaStream_t stream) {
  launch(update, dim3(static_cast<unsigned>(in->chunk_count), in->runs), CUDA_CHUNK / CUDA_VECTOR, stream, *in);
}

void cuda_run_round(const float *from, void *to, uint64_t count, cudaStream_t stream) {
  launch(round_all, blocks_for(count / CUDA_VECTOR), THREADS, stream, from, static_cast<__nv_bfloat16 *>(to), count);
}

void cuda_run_finish(cuda_job *job, cuda_metrics *metrics, uint32_t runs, cudaStream_t stream) {
  launch(finish, runs, 1, stream, job, metrics);
}
