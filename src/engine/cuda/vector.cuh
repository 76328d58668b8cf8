// Eight channels of a pixel: loaded and stored as one vector, computed with in float.
#ifndef SHT_ENGINE_CUDA_VECTOR_CUH
#define SHT_ENGINE_CUDA_VECTOR_CUH

#include <cuda_bf16.h>

#include "engine/cuda/kernels.h"
#include "engine/cuda/launch.cuh"

struct vec8 {
  float v[CUDA_VECTOR];
};

__device__ inline vec8 zero8() { return {{0, 0, 0, 0, 0, 0, 0, 0}}; }

__device__ inline vec8 load8(const float *p) {
  const float4 a = *reinterpret_cast<const float4 *>(p);
  const float4 b = *reinterpret_cast<const float4 *>(p + 4);
  return {{a.x, a.y, a.z, a.w, b.x, b.y, b.z, b.w}};
}

// A bfloat16 is the upper half of a float.
__device__ inline vec8 load8(const __nv_bfloat16 *p) {
  const uint4 raw = *reinterpret_cast<const uint4 *>(p);
  const unsigned words[4] = {raw.x, raw.y, raw.z, raw.w};
  vec8 out;
#pragma unroll
  for (int i = 0; i < 4; i++) {
    out.v[2 * i] = __uint_as_float(words[i] << 16);
    out.v[2 * i + 1] = __uint_as_float(words[i] & 0xffff0000U);
  }
  return out;
}

__device__ inline void store8(float *p, const vec8 &x) {
  *reinterpret_cast<float4 *>(p) = make_float4(x.v[0], x.v[1], x.v[2], x.v[3]);
  *reinterpret_cast<float4 *>(p + 4) = make_float4(x.v[4], x.v[5], x.v[6], x.v[7]);
}

__device__ inline void store8(__nv_bfloat16 *p, const vec8 &x) {
  unsigned words[4];
#pragma unroll
  for (int i = 0; i < 4; i++) {
    const unsigned low = __bfloat16_as_ushort(__float2bfloat16_rn(x.v[2 * i]));
    const unsigned high = __bfloat16_as_ushort(__float2bfloat16_rn(x.v[2 * i + 1]));
    words[i] = high << 16 | low;
  }
  *reinterpret_cast<uint4 *>(p) = make_uint4(words[0], words[1], words[2], words[3]);
}

template <typename T>
__device__ inline T *at(const cuda_map &map, uint32_t row, uint32_t vector) {
  return static_cast<T *>(map.data) + static_cast<size_t>(row) * map.stride + vector * CUDA_VECTOR;
}

template <typename T>
__device__ inline vec8 load_terms(const cuda_terms &terms, uint32_t row, uint32_t vector) {
  vec8 sum = load8(at<T>(terms.term[0], row, vector));
  for (int i = 1; i < terms.count; i++) {
    const vec8 more = load8(at<T>(terms.term[i], row, vector));
#pragma unroll
    for (int k = 0; k < CUDA_VECTOR; k++) {
      sum.v[k] += more.v[k];
    }
  }
  return sum;
}

// Zero where the mask is not positive; a map without data masks nothing.
template <typename T>
__device__ inline void apply_mask(const cuda_map &mask, uint32_t row, uint32_t vector, vec8 *x) {
  if (mask.data == nullptr) {
    return;
  }
  const vec8 m = load8(at<T>(mask, row, vector));
#pragma unroll
  for (int k = 0; k < CUDA_VECTOR; k++) {
    x->v[k] = m.v[k] > 0 ? x->v[k] : 0;
  }
}

// Written so that NaN passes through: it must reach the loss.
__device__ inline float relu(float x) { return x <= 0 ? 0 : x; }

// Real examples of the present step: none of a run that is at its end while others are not.
__device__ inline uint32_t job_examples(const cuda_job *job) {
  const uint64_t first = job->step * job->batch;
  const uint64_t left = first < job->examples ? job->examples - first : 0;
  return left < job->batch ? static_cast<uint32_t>(left) : job->batch;
}

constexpr int THREADS = 256;

// Enough blocks for one thread an item, at most some waves of a large card: the kernels loop over what is left.
inline unsigned blocks_for(uint64_t items) {
  const uint64_t blocks = (items + THREADS - 1) / THREADS;
  const uint64_t most = 132 * 16;
  return static_cast<unsigned>(blocks < 1 ? 1 : blocks < most ? blocks : most);
}

// Calls run(T()) with the type's element.
template <typename Run>
inline void with_type(cuda_type type, Run run) {
  if (type == CUDA_FLOAT) {
    run(float());
  } else {
    run(__nv_bfloat16());
  }
}

#endif
