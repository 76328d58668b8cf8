// The card: see device.h.
#include "engine/cuda/device.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"

enum { BYTES_TEXT = 32 };
enum { CONTAINED = 226 };  // cudaErrorContained, which the headers of CUDA 12.0 to 12.6 do not have

static int major_of(int version) { return version / 1000; }
static int minor_of(int version) { return version % 1000 / 10; }

sht_status cuda_fail_driver(int driver, int runtime, sht_error *error) {
  if (driver == 0) {
    return SHT_FAIL(error, SHT_UNAVAILABLE,
                    "--device cuda finds no NVIDIA driver (libcuda.so.1) on this machine; install one for CUDA %d, "
                    "or use --device cpu",
                    major_of(runtime));
  }
  return SHT_FAIL(error, SHT_UNAVAILABLE,
                  "the NVIDIA driver on this machine is for CUDA %d.%d, --device cuda was built with %d.%d; install "
                  "a newer driver, or use --device cpu",
                  major_of(driver), minor_of(driver), major_of(runtime), minor_of(runtime));
}

sht_status cuda_fail_memory(const char *doing, sht_error *error) {
  size_t free_bytes = 0, all_bytes = 0;
  char have[BYTES_TEXT], all[BYTES_TEXT];
  (void)cudaMemGetInfo(&free_bytes, &all_bytes);
  return SHT_FAIL(
      error, SHT_MEMORY,
      "%s: the card has not enough memory (%s of %s are free); make --train-size or (in training) --batch smaller, "
      "or end what else runs on the card",
      doing, sht_text_bytes(free_bytes, have, sizeof have), sht_text_bytes(all_bytes, all, sizeof all));
}

static sht_status fail_with_driver(sht_error *error) {
  int driver = 0;
  int runtime = 0;
  (void)cudaDriverGetVersion(&driver);
  (void)cudaRuntimeGetVersion(&runtime);
  return cuda_fail_driver(driver, runtime, error);
}

// Errors after which the card's memory and everything in it is gone for this process.
static bool is_lost(cudaError_t code) {
  static const cudaError_t lost[] = {cudaErrorDevicesUnavailable, cudaErrorDeviceUninitialized,
                                     cudaErrorECCUncorrectable,   cudaErrorNvlinkUncorrectable,
                                     cudaErrorLaunchTimeout,      cudaErrorHardwareStackError,
                                     cudaErrorLaunchFailure,      (cudaError_t)CONTAINED,
                                     cudaErrorSystemNotReady,     cudaErrorUnknown};
  for (size_t i = 0; i < sizeof lost / sizeof lost[0]; i++) {
    if (code == lost[i]) {
      return true;
    }
  }
  return false;
}

static sht_status fail_device(cudaError_t code, const char *doing, sht_error *error) {
  switch (code) {
    case cudaErrorNoDevice:
      return SHT_FAIL(error, SHT_UNAVAILABLE,
                      "the NVIDIA driver shows no card; look whether `nvidia-smi` lists one and what "
                      "CUDA_VISIBLE_DEVICES says, or use --device cpu");
    case cudaErrorStubLibrary:
      return SHT_FAIL(error, SHT_UNAVAILABLE,
                      "libcuda.so.1 is the stand-in that programs are linked with, not a driver; take its folder out "
                      "of LD_LIBRARY_PATH, or use --device cpu");
    case cudaErrorNoKernelImageForDevice:
    case cudaErrorInvalidDeviceFunction:
    case cudaErrorUnsupportedPtxVersion:
      return SHT_FAIL(error, SHT_UNAVAILABLE,
                      "the plugin holds no code for this card; build it with its compute capability in "
                      "SHATTER_CUDA_ARCHITECTURES (docs/cuda.md), or use --device cpu");
    default:
      return SHT_FAIL(error, SHT_INTERNAL, "%s: CUDA says %s (%s); this is a fault of shatter, report it", doing,
                      cudaGetErrorName(code), cudaGetErrorString(code));
  }
}

sht_status cuda_check(cudaError_t code, const char *doing, sht_error *error) {
  if (code == cudaSuccess) {
    return SHT_OK;
  }
  (void)cudaGetLastError();  // where the error is one that passes, it is not told twice
  if (code == cudaErrorMemoryAllocation) {
    return cuda_fail_memory(doing, error);
  }
  if (code == cudaErrorInsufficientDriver || code == cudaErrorInitializationError) {
    return fail_with_driver(error);
  }
  if (is_lost(code)) {
    return SHT_FAIL(error, SHT_UNAVAILABLE,
                    "%s: the card stopped working (%s, %s); look at it with `nvidia-smi`, then begin again (`shatter "
                    "resume` goes on with a training run from its last checkpoint)",
                    doing, cudaGetErrorName(code), cudaGetErrorString(code));
  }
  return fail_device(code, doing, error);
}

sht_status cuda_device_open(void (*launch)(void), cuda_device *out, sht_error *error) {
  struct cudaDeviceProp properties;
  int count = 0;
  *out = (cuda_device){0};
  (void)cudaDriverGetVersion(&out->driver);
  SHT_TRY(cuda_check(cudaRuntimeGetVersion(&out->runtime), "looking for a card", error));
  if (out->driver == 0) {
    return cuda_fail_driver(0, out->runtime, error);
  }
  SHT_TRY(cuda_check(cudaGetDeviceCount(&count), "looking for a card", error));
  SHT_TRY(cuda_check(cudaGetDevice(&out->number), "looking for a card", error));
  SHT_TRY(cuda_check(cudaGetDeviceProperties(&properties, out->number), "looking for a card", error));
  (void)snprintf(out->name, sizeof out->name, "%.63s", properties.name);
  out->major = properties.major;
  out->minor = properties.minor;
  out->processors = properties.multiProcessorCount;
  launch();  // fails where there is no code for the card
  SHT_TRY(cuda_check(cudaGetLastError(), "first launch", error));
  // The stream and not the card: another engine may be capturing a graph, which does not stand being waited for.
  return cuda_check(cudaStreamSynchronize(NULL), "first launch", error);
}

sht_status cuda_copy(cudaStream_t stream, void *to, const void *from, uint64_t bytes, enum cudaMemcpyKind kind,
                     const char *doing, sht_error *error) {
  SHT_TRY(cuda_check(cudaGetLastError(), doing, error));
  SHT_TRY(cuda_check(cudaMemcpyAsync(to, from, bytes, kind, stream), doing, error));
  return cuda_check(cudaStreamSynchronize(stream), doing, error);
}

static sht_status make_room(cuda_memory *memory, sht_error *error) {
  if (memory->count < memory->room) {
    return SHT_OK;
  }
  void **blocks = NULL;
  SHT_TRY(SHT_ALLOC(&blocks, 2 * memory->room + 64, "list of the card's memory", error));
  if (memory->count > 0) {
    memcpy(blocks, memory->blocks, memory->count * sizeof *blocks);
  }
  sht_free(memory->blocks);
  memory->blocks = blocks;
  memory->room = 2 * memory->room + 64;
  return SHT_OK;
}

sht_status cuda_memory_take(cuda_memory *memory, void **out, uint64_t bytes, const char *what, sht_error *error) {
  char doing[160];
  char size[BYTES_TEXT];
  *out = NULL;
  SHT_TRY(make_room(memory, error));
  (void)snprintf(doing, sizeof doing, "%.96s, %s", what, sht_text_bytes(bytes, size, sizeof size));
  bytes = bytes == 0 ? 1 : bytes;
  SHT_TRY(cuda_check(cudaMalloc(out, bytes), doing, error));
  memory->blocks[memory->count++] = *out;
  memory->bytes += bytes;
  SHT_TRY(cuda_check(cudaMemset(*out, 0, bytes), doing, error));
  return cuda_check(cudaStreamSynchronize(NULL), doing, error);
}

void cuda_memory_close(cuda_memory *memory) {
  for (uint64_t i = 0; i < memory->count; i++) {
    (void)cudaFree(memory->blocks[i]);
  }
  sht_free(memory->blocks);
  *memory = (cuda_memory){0};
}
