// CUDA on the processor, for tests without a card: what the kernels use of the language, and launching them.
//
// The threads of a block are fibers that take turns and stop at barriers and shuffles; blocks run one after the other.
// A barrier that not every thread of its block reaches, and a shuffle without its whole warp, end the program.
#ifndef SHT_TESTS_CUDA_ON_HOST_LAUNCH_CUH
#define SHT_TESTS_CUDA_ON_HOST_LAUNCH_CUH

#include <cuda_runtime_api.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <functional>

#undef __global__
#undef __device__
#undef __shared__
#undef __launch_bounds__
#undef __grid_constant__
#define __global__
#define __device__
#define __shared__ static
#define __launch_bounds__(threads)
#define __grid_constant__

namespace on_host {

struct position {
  dim3 thread, block, threads, grid;
};
extern position here;  // of the fiber that runs

void run_grid(dim3 grid, unsigned threads, const std::function<void()> &body);
void sync_block();
uint64_t exchange(uint64_t mine, unsigned lane);  // what that lane of the warp gave
// Puts it on the stream, or into the graph that is being captured: streams.cpp.
void enqueue(cudaStream_t stream, std::function<void()> work);
bool is_capturing();
void finish_everything();

}  // namespace on_host

#define threadIdx (on_host::here.thread)
#define blockIdx (on_host::here.block)
#define blockDim (on_host::here.threads)
#define gridDim (on_host::here.grid)

inline void __syncthreads() { on_host::sync_block(); }
inline void __threadfence() {}

template <typename T>
inline T __ldcg(const T *from) {
  return *from;
}

inline unsigned atomicInc(unsigned *value, unsigned limit) {
  const unsigned before = *value;
  *value = before >= limit ? 0 : before + 1;
  return before;
}

template <typename T>
inline T shuffle(T mine, unsigned lane) {
  uint64_t bits = 0;
  std::memcpy(&bits, &mine, sizeof mine);
  bits = on_host::exchange(bits, lane);
  std::memcpy(&mine, &bits, sizeof mine);
  return mine;
}

template <typename T>
inline T __shfl_xor_sync(unsigned, T mine, int mask) {
  return shuffle(mine, threadIdx.x % 32 ^ static_cast<unsigned>(mask));
}

template <typename T>
inline T __shfl_down_sync(unsigned, T mine, int step) {
  const unsigned lane = threadIdx.x % 32 + static_cast<unsigned>(step);
  return shuffle(mine, lane < 32 ? lane : threadIdx.x % 32);
}

inline float __uint_as_float(unsigned bits) {
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

using std::isfinite;
using std::max;
using std::min;

template <typename... Parameters, typename... Arguments>
inline void launch(void (*kernel)(Parameters...), dim3 grid, unsigned threads, cudaStream_t stream,
                   Arguments... arguments) {
  on_host::enqueue(stream, [=] { on_host::run_grid(grid, threads, [&] { kernel(arguments...); }); });
}

#endif
