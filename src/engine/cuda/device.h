// The card: whether there is one, its memory, and what its errors mean for a person.
#ifndef SHT_ENGINE_CUDA_DEVICE_H
#define SHT_ENGINE_CUDA_DEVICE_H

#include <cuda_runtime_api.h>
#include <stdint.h>

#include "shatter/error.h"

typedef struct cuda_device {
  int number;
  char name[64];  // "NVIDIA H100 80GB HBM3"
  int major, minor;
  int processors;
  int driver, runtime;  // 13000: CUDA 13.0
} cuda_device;

// The present card, after a check that the plugin's kernels run on it: `launch` launches one that does nothing, on the
// default stream. Errors: SHT_UNAVAILABLE.
sht_status cuda_device_open(void (*launch)(void), cuda_device *out, sht_error *error);

// What cannot be done without a driver that is new enough: driver is cudaDriverGetVersion's (0: none is installed).
sht_status cuda_fail_driver(int driver, int runtime, sht_error *error);

// A sentence for an error of the CUDA runtime: what was being done, why it failed, what to do next. cudaSuccess:
// SHT_OK.
sht_status cuda_check(cudaError_t code, const char *doing, sht_error *error);
// SHT_MEMORY: what was being done, and how much of the card's memory is free.
sht_status cuda_fail_memory(const char *doing, sht_error *error);

// Copies on the stream and waits; a kernel that could not be launched before is told of as well. (cudaMemcpy alone may
// still be on its way when it returns, and other streams than the default one do not wait for it.)
sht_status cuda_copy(cudaStream_t stream, void *to, const void *from, uint64_t bytes, enum cudaMemcpyKind kind,
                     const char *doing, sht_error *error);

// Blocks of the card's memory that are freed together.
typedef struct cuda_memory {
  void **blocks;
  uint64_t count, room;
  uint64_t bytes;
} cuda_memory;

// bytes of zeros on the card; bytes 0 gives a block all the same. Errors: SHT_MEMORY, which says what is free.
sht_status cuda_memory_take(cuda_memory *memory, void **out, uint64_t bytes, const char *what, sht_error *error);
void cuda_memory_close(cuda_memory *memory);

#endif
