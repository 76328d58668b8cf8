// Descriptors of cuDNN: see descriptor.h.
#include "engine/cuda/descriptor.h"

cuda_draft cuda_draft_of(cudnnBackendDescriptorType_t type) {
  cuda_draft draft = {.descriptor = NULL};
  draft.status = cudnnBackendCreateDescriptor(type, &draft.descriptor);
  return draft;
}

void cuda_draft_set(cuda_draft *draft, cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type,
                    int64_t count, const void *values) {
  if (draft->status == CUDNN_STATUS_SUCCESS) {
    draft->status = cudnnBackendSetAttribute(draft->descriptor, name, type, count, values);
  }
}

cudnnStatus_t cuda_draft_finish(cuda_draft *draft, cudnnBackendDescriptor_t *out) {
  if (draft->status == CUDNN_STATUS_SUCCESS) {
    draft->status = cudnnBackendFinalize(draft->descriptor);
  }
  if (draft->status != CUDNN_STATUS_SUCCESS) {
    cuda_descriptor_destroy(draft->descriptor);
    draft->descriptor = NULL;
  }
  *out = draft->descriptor;
  return draft->status;
}

void cuda_descriptor_destroy(cudnnBackendDescriptor_t descriptor) {
  if (descriptor != NULL) {
    (void)cudnnBackendDestroyDescriptor(descriptor);
  }
}
