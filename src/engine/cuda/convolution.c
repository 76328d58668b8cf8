// One convolution through cuDNN: see convolution.h.
#include "engine/cuda/convolution.h"

#include "engine/cuda/descriptor.h"
#include "engine/cuda/libraries.h"
#include "engine/cuda/operation.h"

enum { CANDIDATES_MAX = 64, NOTES_MAX = 32 };

// What is looked for, and where.
typedef struct search {
  const cuda_place *place;
  const cuda_convolution_shape *shape;
  cudnnBackendDescriptor_t graph;
  cuda_convolution *out;
  cudnnStatus_t fault;  // the first word that tells of something else than that this cannot be had
} search;

// Such a word: that a part of cuDNN is missing, or memory.
static void keep_fault(search *s, cudnnStatus_t status) {
  const bool is_fault = CUDNN_STATUS_CATEGORY(status) == CUDNN_STATUS_CATEGORY(CUDNN_STATUS_NOT_INITIALIZED) ||
                        status == CUDNN_STATUS_INTERNAL_ERROR_HOST_ALLOCATION_FAILED ||
                        status == CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED;
  s->fault = s->fault == CUDNN_STATUS_SUCCESS && is_fault ? status : s->fault;
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
  cuda_draft engine = cuda_draft_of(CUDNN_BACKEND_ENGINE_DESCRIPTOR);
  int64_t count = 0;
  bool allows = engine.status == CUDNN_STATUS_SUCCESS &&
                cudnnBackendGetAttribute(config, CUDNN_ATTR_ENGINECFG_ENGINE, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &count,
                                         &engine.descriptor) == CUDNN_STATUS_SUCCESS &&
                notes_allow(shape, engine.descriptor) &&
                cudnnBackendGetAttribute(engine.descriptor, CUDNN_ATTR_ENGINE_GLOBAL_INDEX, CUDNN_TYPE_INT64, 1, &count,
                                         number) == CUDNN_STATUS_SUCCESS;
  cuda_descriptor_destroy(engine.descriptor);
  return allows;
}

// The card that a descriptor is of.
static void set_place(cuda_draft *draft, const cuda_place *place, cudnnBackendAttributeName_t handle,
                      cudnnBackendAttributeName_t described) {
  if (place->described != NULL) {
    cuda_draft_set(draft, described, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &place->described);
  } else {
    cuda_draft_set(draft, handle, CUDNN_TYPE_HANDLE, 1, &place->handle);
  }
}

// The plan of one candidate, if it can be built.
static cudnnStatus_t try_config(search *s, cudnnBackendDescriptor_t config) {
  cuda_convolution *out = s->out;
  int64_t bytes = 0;
  int64_t count = 0;
  if (!config_allows(s->shape, config, &out->engine)) {
    return CUDNN_STATUS_NOT_SUPPORTED;
  }
  out->proposed++;
  cuda_draft draft = cuda_draft_of(CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR);
  set_place(&draft, s->place, CUDNN_ATTR_EXECUTION_PLAN_HANDLE, CUDNN_ATTR_EXECUTION_PLAN_DEVICEPROP);
  cuda_draft_set(&draft, CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &config);
  cudnnStatus_t status = cuda_draft_finish(&draft, &out->plan);
  if (status != CUDNN_STATUS_SUCCESS) {
    return status;
  }
  status = cudnnBackendGetAttribute(out->plan, CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE, CUDNN_TYPE_INT64, 1, &count,
                                    &bytes);
  if (status != CUDNN_STATUS_SUCCESS) {
    cuda_descriptor_destroy(out->plan);
    out->plan = NULL;
  }
  out->workspace_bytes = (uint64_t)bytes;
  return status;
}

// cuDNN's ranking of what it has, in one mode.
static cudnnStatus_t rank(const search *s, cudnnBackendHeurMode_t mode, cudnnBackendDescriptor_t *out) {
  cuda_draft draft = cuda_draft_of(CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR);
  cuda_draft_set(&draft, CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &s->graph);
  cuda_draft_set(&draft, CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_TYPE_HEUR_MODE, 1, &mode);
  if (s->place->described != NULL) {
    cuda_draft_set(&draft, CUDNN_ATTR_ENGINEHEUR_DEVICEPROP, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &s->place->described);
  }
  return cuda_draft_finish(&draft, out);
}

// Goes through what cuDNN proposes in one mode, best first.
static void try_mode(search *s, cudnnBackendHeurMode_t mode) {
  cudnnBackendDescriptor_t ranking = NULL;
  cudnnBackendDescriptor_t candidates[CANDIDATES_MAX] = {NULL};
  cudnnStatus_t status = rank(s, mode, &ranking);
  int64_t count = 0;
  for (int i = 0; status == CUDNN_STATUS_SUCCESS && i < CANDIDATES_MAX; i++) {
    status = cudnnBackendCreateDescriptor(CUDNN_BACKEND_ENGINECFG_DESCRIPTOR, &candidates[i]);
  }
  if (status == CUDNN_STATUS_SUCCESS) {
    status = cudnnBackendGetAttribute(ranking, CUDNN_ATTR_ENGINEHEUR_RESULTS, CUDNN_TYPE_BACKEND_DESCRIPTOR,
                                      CANDIDATES_MAX, &count, candidates);
  }
  for (int64_t i = 0; status == CUDNN_STATUS_SUCCESS && i < count && i < CANDIDATES_MAX && s->out->plan == NULL; i++) {
    keep_fault(s, try_config(s, candidates[i]));
  }
  for (int i = 0; i < CANDIDATES_MAX; i++) {
    cuda_descriptor_destroy(candidates[i]);
  }
  cuda_descriptor_destroy(ranking);
  keep_fault(s, status);
}

static void choose(search *s, const cuda_operation *operation) {
  cuda_draft draft = cuda_draft_of(CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR);
  if (s->place->described == NULL) {
    cuda_draft_set(&draft, CUDNN_ATTR_OPERATIONGRAPH_HANDLE, CUDNN_TYPE_HANDLE, 1, &s->place->handle);
  }
  cuda_draft_set(&draft, CUDNN_ATTR_OPERATIONGRAPH_OPS, CUDNN_TYPE_BACKEND_DESCRIPTOR, operation->step_count,
                 operation->steps);
  keep_fault(s, cuda_draft_finish(&draft, &s->graph));
  if (s->graph != NULL) {
    try_mode(s, CUDNN_HEUR_MODE_A);
  }
  if (s->graph != NULL && s->out->plan == NULL && !cuda_convolution_is_fused(s->shape)) {
    try_mode(s, CUDNN_HEUR_MODE_FALLBACK);
  }
  cuda_descriptor_destroy(s->graph);
}

sht_status cuda_convolution_open(const cuda_place *place, const cuda_convolution_shape *shape, cuda_direction direction,
                                 const char *layer, cuda_convolution *out, sht_error *error) {
  cuda_operation operation;
  search s = {.place = place, .shape = shape, .out = out, .fault = CUDNN_STATUS_SUCCESS};
  *out = (cuda_convolution){.plan = NULL};
  const cudnnStatus_t described = cuda_operation_describe(shape, direction, &operation);
  keep_fault(&s, described);
  if (described == CUDNN_STATUS_SUCCESS) {
    choose(&s, &operation);
  }
  cuda_operation_close(&operation);
  return out->plan != NULL ? SHT_OK : cuda_check_cudnn(s.fault, layer, error);
}

sht_status cuda_convolution_bind(cuda_convolution *convolution, uint32_t run, const cuda_convolution_operands *at,
                                 void *workspace, sht_error *error) {
  const int64_t numbers[] = {CUDA_OPERAND_X, CUDA_OPERAND_W, CUDA_OPERAND_Y, CUDA_OPERAND_BIAS};
  void *const addresses[] = {at->x, at->w, at->y, at->bias};
  const int64_t count = at->bias != NULL ? 4 : 3;
  cuda_draft draft = cuda_draft_of(CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR);
  cuda_draft_set(&draft, CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, CUDNN_TYPE_INT64, count, numbers);
  cuda_draft_set(&draft, CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, CUDNN_TYPE_VOID_PTR, count, addresses);
  cuda_draft_set(&draft, CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_TYPE_VOID_PTR, 1, &workspace);
  return cuda_check_cudnn(cuda_draft_finish(&draft, &convolution->pack[run]), "binding a convolution", error);
}

void cuda_convolution_close(cuda_convolution *convolution) {
  for (uint32_t run = 0; run < CUDA_RUNS_MAX; run++) {
    cuda_descriptor_destroy(convolution->pack[run]);
  }
  cuda_descriptor_destroy(convolution->plan);
  *convolution = (cuda_convolution){.plan = NULL};
}
