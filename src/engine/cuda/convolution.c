// One convolution through cuDNN: see convolution.h.
#include "engine/cuda/convolution.h"

#include "engine/cuda/libraries.h"

enum { TENSOR_X = 1, TENSOR_W, TENSOR_Y };  // numbers by which the pack of addresses names them
enum { CANDIDATES_MAX = 64, NOTES_MAX = 32, ALIGNMENT = 16, RANK = 4 };

// A descriptor while its attributes are set; the first refusal is kept.
typedef struct draft {
  cudnnBackendDescriptor_t descriptor;
  cudnnStatus_t status;
} draft;

static draft draft_of(cudnnBackendDescriptorType_t type) {
  draft d = {.descriptor = NULL};
  d.status = cudnnBackendCreateDescriptor(type, &d.descriptor);
  return d;
}

static void set(draft *d, cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, int64_t count,
                const void *values) {
  if (d->status == CUDNN_STATUS_SUCCESS) {
    d->status = cudnnBackendSetAttribute(d->descriptor, name, type, count, values);
  }
}

static void destroy(cudnnBackendDescriptor_t descriptor) {
  if (descriptor != NULL) {
    (void)cudnnBackendDestroyDescriptor(descriptor);
  }
}

// The finished descriptor in *out, or NULL.
static cudnnStatus_t finish(draft *d, cudnnBackendDescriptor_t *out) {
  if (d->status == CUDNN_STATUS_SUCCESS) {
    d->status = cudnnBackendFinalize(d->descriptor);
  }
  if (d->status != CUDNN_STATUS_SUCCESS) {
    destroy(d->descriptor);
    d->descriptor = NULL;
  }
  *out = d->descriptor;
  return d->status;
}

// dims: N, C, H, W (of filters: K, C, R, S), held with channels last.
static cudnnStatus_t make_tensor(int64_t number, const int64_t dims[RANK], bool bfloat16,
                                 cudnnBackendDescriptor_t *out) {
  const int64_t strides[RANK] = {dims[1] * dims[2] * dims[3], 1, dims[3] * dims[1], dims[1]};
  const cudnnDataType_t type = bfloat16 ? CUDNN_DATA_BFLOAT16 : CUDNN_DATA_FLOAT;
  const int64_t alignment = ALIGNMENT;
  draft d = draft_of(CUDNN_BACKEND_TENSOR_DESCRIPTOR);
  set(&d, CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_TYPE_DATA_TYPE, 1, &type);
  set(&d, CUDNN_ATTR_TENSOR_DIMENSIONS, CUDNN_TYPE_INT64, RANK, dims);
  set(&d, CUDNN_ATTR_TENSOR_STRIDES, CUDNN_TYPE_INT64, RANK, strides);
  set(&d, CUDNN_ATTR_TENSOR_UNIQUE_ID, CUDNN_TYPE_INT64, 1, &number);
  set(&d, CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, CUDNN_TYPE_INT64, 1, &alignment);
  return finish(&d, out);
}

static cudnnStatus_t make_tensors(const cuda_convolution_shape *s, cuda_operation *out) {
  const int64_t x[RANK] = {s->n, s->channels, s->height, s->width};
  const int64_t w[RANK] = {s->filters, s->channels, s->kernel, s->kernel};
  const int64_t y[RANK] = {s->n, s->filters, s->out_height, s->out_width};
  cudnnStatus_t status = make_tensor(TENSOR_X, x, s->bfloat16, &out->tensors[0]);
  if (status == CUDNN_STATUS_SUCCESS) {
    status = make_tensor(TENSOR_W, w, s->bfloat16, &out->tensors[1]);
  }
  if (status == CUDNN_STATUS_SUCCESS) {
    status = make_tensor(TENSOR_Y, y, s->bfloat16, &out->tensors[2]);
  }
  return status;
}

static cudnnStatus_t make_convolution(const cuda_convolution_shape *s, cudnnBackendDescriptor_t *out) {
  const int64_t spatial = 2;
  const int64_t padding[2] = {s->padding, s->padding};
  const int64_t stride[2] = {s->stride, s->stride};
  const int64_t dilation[2] = {1, 1};
  const cudnnDataType_t sums = CUDNN_DATA_FLOAT;
  const cudnnConvolutionMode_t mode = CUDNN_CROSS_CORRELATION;
  draft d = draft_of(CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR);
  set(&d, CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, CUDNN_TYPE_INT64, 1, &spatial);
  set(&d, CUDNN_ATTR_CONVOLUTION_COMP_TYPE, CUDNN_TYPE_DATA_TYPE, 1, &sums);
  set(&d, CUDNN_ATTR_CONVOLUTION_CONV_MODE, CUDNN_TYPE_CONVOLUTION_MODE, 1, &mode);
  set(&d, CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, CUDNN_TYPE_INT64, 2, padding);
  set(&d, CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, CUDNN_TYPE_INT64, 2, padding);
  set(&d, CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, CUDNN_TYPE_INT64, 2, stride);
  set(&d, CUDNN_ATTR_CONVOLUTION_DILATIONS, CUDNN_TYPE_INT64, 2, dilation);
  return finish(&d, out);
}

// How a direction's descriptor names its parts.
typedef struct direction_names {
  cudnnBackendDescriptorType_t type;
  cudnnBackendAttributeName_t convolution, x, w, y, alpha, beta;
} direction_names;

static const direction_names names_of[CUDA_DIRECTIONS] = {
    [CUDA_FORWARD] = {CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR,
                      CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X,
                      CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y,
                      CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA},
    [CUDA_INPUT_GRADIENT] = {CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR,
                             CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_CONV_DESC,
                             CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DX, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_W,
                             CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DY,
                             CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_ALPHA,
                             CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_BETA},
    [CUDA_FILTER_GRADIENT] = {CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR,
                              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_CONV_DESC,
                              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_X,
                              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DW,
                              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DY,
                              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_ALPHA,
                              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_BETA},
};

static cudnnStatus_t make_operation(cuda_direction direction, cuda_operation *out) {
  const direction_names *names = &names_of[direction];
  const double one = 1;
  const double zero = 0;
  draft d = draft_of(names->type);
  set(&d, names->convolution, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &out->convolution);
  set(&d, names->x, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &out->tensors[0]);
  set(&d, names->w, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &out->tensors[1]);
  set(&d, names->y, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &out->tensors[2]);
  set(&d, names->alpha, CUDNN_TYPE_DOUBLE, 1, &one);
  set(&d, names->beta, CUDNN_TYPE_DOUBLE, 1, &zero);
  return finish(&d, &out->operation);
}

static cudnnStatus_t describe(const cuda_convolution_shape *shape, cuda_direction direction, cuda_operation *out) {
  *out = (cuda_operation){.operation = NULL};
  cudnnStatus_t status = make_tensors(shape, out);
  if (status == CUDNN_STATUS_SUCCESS) {
    status = make_convolution(shape, &out->convolution);
  }
  if (status == CUDNN_STATUS_SUCCESS) {
    status = make_operation(direction, out);
  }
  if (status != CUDNN_STATUS_SUCCESS) {
    cuda_operation_close(out);
  }
  return status;
}

sht_status cuda_operation_open(const cuda_convolution_shape *shape, cuda_direction direction, cuda_operation *out,
                               sht_error *error) {
  return cuda_check_cudnn(describe(shape, direction, out), "describing a convolution", error);
}

void cuda_operation_close(cuda_operation *operation) {
  destroy(operation->operation);
  destroy(operation->convolution);
  for (int i = 0; i < 3; i++) {
    destroy(operation->tensors[i]);
  }
  *operation = (cuda_operation){.operation = NULL};
}

// ---- choice

// Keeps the first word that tells of something else than that this cannot be had: that a part of cuDNN is missing, or
// memory.
static void keep_fault(cudnnStatus_t status, cudnnStatus_t *fault) {
  const bool is_fault = CUDNN_STATUS_CATEGORY(status) == CUDNN_STATUS_CATEGORY(CUDNN_STATUS_NOT_INITIALIZED) ||
                        status == CUDNN_STATUS_INTERNAL_ERROR_HOST_ALLOCATION_FAILED ||
                        status == CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED;
  *fault = *fault == CUDNN_STATUS_SUCCESS && is_fault ? status : *fault;
}

// exact: products of floats as they are. Minimal filtering with small tiles is as good as a direct sum in float, and
// too coarse in bfloat16.
static bool note_forbids(cudnnBackendNumericalNote_t note, bool bfloat16, bool exact) {
  switch (note) {
    case CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC:
    case CUDNN_NUMERICAL_NOTE_REDUCED_PRECISION_REDUCTION:
    case CUDNN_NUMERICAL_NOTE_FFT:
    case CUDNN_NUMERICAL_NOTE_WINOGRAD_TILE_13x13:
      return true;
    case CUDNN_NUMERICAL_NOTE_WINOGRAD:
      return bfloat16;
    case CUDNN_NUMERICAL_NOTE_TENSOR_CORE:
    case CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS:
      return exact;
    default:
      return false;
  }
}

static bool notes_allow(const cuda_convolution_shape *shape, cudnnBackendDescriptor_t engine) {
  cudnnBackendNumericalNote_t notes[NOTES_MAX];
  int64_t count = 0;
  if (cudnnBackendGetAttribute(engine, CUDNN_ATTR_ENGINE_NUMERICAL_NOTE, CUDNN_TYPE_NUMERICAL_NOTE, NOTES_MAX, &count,
                               notes) != CUDNN_STATUS_SUCCESS) {
    return false;
  }
  const bool exact = !shape->bfloat16 && !shape->tf32;
  for (int64_t i = 0; i < count; i++) {
    if (note_forbids(notes[i], shape->bfloat16, exact)) {
      return false;
    }
  }
  return true;
}

static bool config_allows(const cuda_convolution_shape *shape, cudnnBackendDescriptor_t config, int64_t *number) {
  draft engine = draft_of(CUDNN_BACKEND_ENGINE_DESCRIPTOR);
  int64_t count = 0;
  bool allows = engine.status == CUDNN_STATUS_SUCCESS &&
                cudnnBackendGetAttribute(config, CUDNN_ATTR_ENGINECFG_ENGINE, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &count,
                                         &engine.descriptor) == CUDNN_STATUS_SUCCESS &&
                notes_allow(shape, engine.descriptor) &&
                cudnnBackendGetAttribute(engine.descriptor, CUDNN_ATTR_ENGINE_GLOBAL_INDEX, CUDNN_TYPE_INT64, 1, &count,
                                         number) == CUDNN_STATUS_SUCCESS;
  destroy(engine.descriptor);
  return allows;
}

// The plan of one candidate, if it can be built.
static cudnnStatus_t try_config(cudnnHandle_t handle, const cuda_convolution_shape *shape,
                                cudnnBackendDescriptor_t config, cuda_convolution *out) {
  int64_t bytes = 0;
  int64_t count = 0;
  if (!config_allows(shape, config, &out->engine)) {
    return CUDNN_STATUS_NOT_SUPPORTED;
  }
  draft d = draft_of(CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR);
  set(&d, CUDNN_ATTR_EXECUTION_PLAN_HANDLE, CUDNN_TYPE_HANDLE, 1, &handle);
  set(&d, CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &config);
  cudnnStatus_t status = finish(&d, &out->plan);
  if (status != CUDNN_STATUS_SUCCESS) {
    return status;
  }
  status = cudnnBackendGetAttribute(out->plan, CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE, CUDNN_TYPE_INT64, 1, &count,
                                    &bytes);
  if (status != CUDNN_STATUS_SUCCESS) {
    destroy(out->plan);
    out->plan = NULL;
  }
  out->workspace_bytes = (uint64_t)bytes;
  return status;
}

// Goes through what cuDNN proposes in one mode, best first.
static void try_mode(cudnnHandle_t handle, const cuda_convolution_shape *shape, cudnnBackendDescriptor_t graph,
                     cudnnBackendHeurMode_t mode, cuda_convolution *out, cudnnStatus_t *fault) {
  cudnnBackendDescriptor_t ranking = NULL;
  cudnnBackendDescriptor_t candidates[CANDIDATES_MAX] = {NULL};
  draft d = draft_of(CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR);
  set(&d, CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &graph);
  set(&d, CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_TYPE_HEUR_MODE, 1, &mode);
  cudnnStatus_t status = finish(&d, &ranking);
  int64_t count = 0;
  for (int i = 0; status == CUDNN_STATUS_SUCCESS && i < CANDIDATES_MAX; i++) {
    status = cudnnBackendCreateDescriptor(CUDNN_BACKEND_ENGINECFG_DESCRIPTOR, &candidates[i]);
  }
  if (status == CUDNN_STATUS_SUCCESS) {
    status = cudnnBackendGetAttribute(ranking, CUDNN_ATTR_ENGINEHEUR_RESULTS, CUDNN_TYPE_BACKEND_DESCRIPTOR,
                                      CANDIDATES_MAX, &count, candidates);
  }
  for (int64_t i = 0; status == CUDNN_STATUS_SUCCESS && i < count && i < CANDIDATES_MAX && out->plan == NULL; i++) {
    keep_fault(try_config(handle, shape, candidates[i], out), fault);
  }
  for (int i = 0; i < CANDIDATES_MAX; i++) {
    destroy(candidates[i]);
  }
  destroy(ranking);
  keep_fault(status, fault);
}

static void choose(cudnnHandle_t handle, const cuda_convolution_shape *shape, const cuda_operation *operation,
                   cuda_convolution *out, cudnnStatus_t *fault) {
  cudnnBackendDescriptor_t graph = NULL;
  draft d = draft_of(CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR);
  set(&d, CUDNN_ATTR_OPERATIONGRAPH_HANDLE, CUDNN_TYPE_HANDLE, 1, &handle);
  set(&d, CUDNN_ATTR_OPERATIONGRAPH_OPS, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &operation->operation);
  keep_fault(finish(&d, &graph), fault);
  static const cudnnBackendHeurMode_t modes[] = {CUDNN_HEUR_MODE_A, CUDNN_HEUR_MODE_FALLBACK};
  for (size_t i = 0; graph != NULL && i < sizeof modes / sizeof modes[0] && out->plan == NULL; i++) {
    try_mode(handle, shape, graph, modes[i], out, fault);
  }
  destroy(graph);
}

sht_status cuda_convolution_open(cudnnHandle_t handle, const cuda_convolution_shape *shape, cuda_direction direction,
                                 const char *layer, cuda_convolution *out, sht_error *error) {
  cuda_operation operation;
  cudnnStatus_t fault = CUDNN_STATUS_SUCCESS;
  *out = (cuda_convolution){.plan = NULL};
  const cudnnStatus_t described = describe(shape, direction, &operation);
  keep_fault(described, &fault);
  if (described == CUDNN_STATUS_SUCCESS) {
    choose(handle, shape, &operation, out, &fault);
  }
  cuda_operation_close(&operation);
  return out->plan != NULL ? SHT_OK : cuda_check_cudnn(fault, layer, error);
}

sht_status cuda_convolution_bind(cuda_convolution *convolution, void *x, void *w, void *y, void *workspace,
                                 sht_error *error) {
  const int64_t numbers[3] = {TENSOR_X, TENSOR_W, TENSOR_Y};
  void *const addresses[3] = {x, w, y};
  draft d = draft_of(CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR);
  set(&d, CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, CUDNN_TYPE_INT64, 3, numbers);
  set(&d, CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, CUDNN_TYPE_VOID_PTR, 3, addresses);
  set(&d, CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_TYPE_VOID_PTR, 1, &workspace);
  return cuda_check_cudnn(finish(&d, &convolution->pack), "binding a convolution", error);
}

void cuda_convolution_close(cuda_convolution *convolution) {
  destroy(convolution->pack);
  destroy(convolution->plan);
  *convolution = (cuda_convolution){.plan = NULL};
}
