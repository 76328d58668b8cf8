// What errors of the libraries that layers run on mean for a person: as cuda_check, for cuDNN and cuBLASLt.
#ifndef SHT_ENGINE_CUDA_LIBRARIES_H
#define SHT_ENGINE_CUDA_LIBRARIES_H

#include <cublasLt.h>
#include <cudnn.h>

#include "shatter/error.h"

sht_status cuda_check_cudnn(cudnnStatus_t code, const char *doing, sht_error *error);
sht_status cuda_check_cublas(cublasStatus_t code, const char *doing, sht_error *error);

#endif
