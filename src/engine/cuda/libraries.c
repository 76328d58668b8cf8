// Errors of NVIDIA's libraries: see libraries.h.
#include "engine/cuda/libraries.h"

#include "engine/cuda/device.h"

sht_status cuda_check_cudnn(cudnnStatus_t code, const char *doing, sht_error *error) {
  if (code == CUDNN_STATUS_SUCCESS) {
    return SHT_OK;
  }
  char detail[256] = "";
  cudnnGetLastErrorString(detail, sizeof detail);
  if (code == CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED) {
    return cuda_fail_memory(doing, error);
  }
  if (code == CUDNN_STATUS_INTERNAL_ERROR_HOST_ALLOCATION_FAILED) {
    return SHT_FAIL(error, SHT_MEMORY, "%s: cuDNN finds no more memory in this machine (%s)", doing, detail);
  }
  return SHT_FAIL(error, SHT_UNAVAILABLE,
                  "%s: cuDNN %zu says %s (%s); a complete cuDNN 9 must be installed, its libraries in one folder",
                  doing, cudnnGetVersion(), cudnnGetErrorString(code), detail);
}

sht_status cuda_check_cublas(cublasStatus_t code, const char *doing, sht_error *error) {
  if (code == CUBLAS_STATUS_SUCCESS) {
    return SHT_OK;
  }
  if (code == CUBLAS_STATUS_ALLOC_FAILED) {
    return cuda_fail_memory(doing, error);
  }
  if (code == CUBLAS_STATUS_NOT_INITIALIZED || code == CUBLAS_STATUS_ARCH_MISMATCH) {
    return SHT_FAIL(error, SHT_UNAVAILABLE, "%s: cuBLASLt %zu says %s; a complete cuBLAS %d must be installed", doing,
                    cublasLtGetVersion(), cublasLtGetStatusString(code), CUBLAS_VER_MAJOR);
  }
  return SHT_FAIL(error, SHT_INTERNAL, "%s: cuBLASLt %zu says %s; report this, --device cpu goes on meanwhile", doing,
                  cublasLtGetVersion(), cublasLtGetStatusString(code));
}
