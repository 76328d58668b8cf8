// Launching a kernel, in one place: tests without a card put another file of this name in its place, which runs the
// kernels on the processor.
#ifndef SHT_ENGINE_CUDA_LAUNCH_CUH
#define SHT_ENGINE_CUDA_LAUNCH_CUH

#include <cuda_runtime.h>

template <typename... Parameters, typename... Arguments>
inline void launch(void (*kernel)(Parameters...), dim3 grid, unsigned threads, cudaStream_t stream,
                   Arguments... arguments) {
  kernel<<<grid, threads, 0, stream>>>(arguments...);
}

#endif
