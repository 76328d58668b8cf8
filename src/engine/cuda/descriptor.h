// Descriptors of cuDNN's graph interface, while they are put together.
#ifndef SHT_ENGINE_CUDA_DESCRIPTOR_H
#define SHT_ENGINE_CUDA_DESCRIPTOR_H

#include <cudnn.h>
#include <stdint.h>

// Attributes that cuDNN has since 9.8; what is older refuses them.
#if CUDNN_VERSION < 90800
#define CUDNN_ATTR_ENGINEHEUR_DEVICEPROP ((cudnnBackendAttributeName_t)204)
#define CUDNN_ATTR_EXECUTION_PLAN_DEVICEPROP ((cudnnBackendAttributeName_t)407)
#endif

// A descriptor while its attributes are set; the first refusal is kept. The draft owns it until it is finished.
typedef struct cuda_draft {
  cudnnBackendDescriptor_t descriptor;
  cudnnStatus_t status;
} cuda_draft;

cuda_draft cuda_draft_of(cudnnBackendDescriptorType_t type);
void cuda_draft_set(cuda_draft *draft, cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type,
                    int64_t count, const void *values);
// The finished descriptor in *out, which is the caller's to destroy, or NULL.
cudnnStatus_t cuda_draft_finish(cuda_draft *draft, cudnnBackendDescriptor_t *out);
void cuda_descriptor_destroy(cudnnBackendDescriptor_t descriptor);  // NULL is allowed

#endif
