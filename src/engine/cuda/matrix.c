// One matrix product through cuBLASLt: see matrix.h.
//
// cuBLASLt's matrices have columns side by side: our d [m][n] is its n x m matrix, the product of our b as its first
// operand (n x k) and our a as its second (k x m). A bias along our columns is then one along its rows, as it wants it.
#include "engine/cuda/matrix.h"

#include "engine/cuda/libraries.h"

// apart: elements to the next run's.
static cublasStatus_t make_layout(uint64_t rows, uint64_t columns, cudaDataType_t type, uint64_t apart,
                                  cublasLtMatrixLayout_t *out) {
  const int64_t offset = (int64_t)apart;
  cublasStatus_t status = cublasLtMatrixLayoutCreate(out, type, rows, columns, (int64_t)rows);
  return status != CUBLAS_STATUS_SUCCESS
             ? status
             : cublasLtMatrixLayoutSetAttribute(*out, CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET, &offset,
                                                sizeof offset);
}

static cublasStatus_t make_layouts(const cuda_matrix_shape *s, cuda_matrix *out) {
  const cudaDataType_t type = s->bfloat16 ? CUDA_R_16BF : CUDA_R_32F;
  cublasStatus_t status = make_layout(s->b_turned ? s->k : s->n, s->b_turned ? s->n : s->k, type, s->apart.b, &out->b);
  if (status == CUBLAS_STATUS_SUCCESS) {
    status = make_layout(s->a_turned ? s->m : s->k, s->a_turned ? s->k : s->m, type, s->apart.a, &out->a);
  }
  if (status == CUBLAS_STATUS_SUCCESS) {
    status = make_layout(s->n, s->m, s->d_float ? CUDA_R_32F : type, s->apart.d, &out->d);
  }
  return status;
}

static cublasStatus_t set(cublasLtMatmulDesc_t product, cublasLtMatmulDescAttributes_t name, const void *value,
                          size_t size) {
  return cublasLtMatmulDescSetAttribute(product, name, value, size);
}

static cublasStatus_t make_product(const cuda_matrix_shape *s, const void *bias, cuda_matrix *out) {
  const cublasComputeType_t compute = !s->bfloat16 && s->tf32 ? CUBLAS_COMPUTE_32F_FAST_TF32 : CUBLAS_COMPUTE_32F;
  const cublasOperation_t first = s->b_turned ? CUBLAS_OP_T : CUBLAS_OP_N;
  const cublasOperation_t second = s->a_turned ? CUBLAS_OP_T : CUBLAS_OP_N;
  const cublasLtEpilogue_t epilogue = !s->bias  ? CUBLASLT_EPILOGUE_DEFAULT
                                      : s->relu ? CUBLASLT_EPILOGUE_RELU_BIAS
                                                : CUBLASLT_EPILOGUE_BIAS;
  cublasStatus_t status = cublasLtMatmulDescCreate(&out->product, compute, CUDA_R_32F);
  if (status == CUBLAS_STATUS_SUCCESS) {
    status = set(out->product, CUBLASLT_MATMUL_DESC_TRANSA, &first, sizeof first);
  }
  if (status == CUBLAS_STATUS_SUCCESS) {
    status = set(out->product, CUBLASLT_MATMUL_DESC_TRANSB, &second, sizeof second);
  }
  if (status == CUBLAS_STATUS_SUCCESS) {
    status = set(out->product, CUBLASLT_MATMUL_DESC_EPILOGUE, &epilogue, sizeof epilogue);
  }
  const int64_t bias_apart = (int64_t)s->apart.bias;
  if (status == CUBLAS_STATUS_SUCCESS && s->bias) {
    status = set(out->product, CUBLASLT_MATMUL_DESC_BIAS_BATCH_STRIDE, &bias_apart, sizeof bias_apart);
  }
  if (status == CUBLAS_STATUS_SUCCESS && s->bias) {
    status = set(out->product, CUBLASLT_MATMUL_DESC_BIAS_POINTER, &bias, sizeof bias);
  }
  return status;
}

// The largest power of two, up to what cuBLASLt takes for granted, that addresses of all runs' operands divide by.
static uint32_t alignment_of(uint64_t apart, uint64_t bytes) {
  uint32_t alignment = 256;
  while (apart * bytes % alignment != 0) {
    alignment /= 2;
  }
  return alignment;
}

// What the algorithm may use: workspace, and sums of parts of k in a fixed order.
static cublasStatus_t make_preference(const cuda_matrix_shape *s, uint64_t workspace_bytes,
                                      cublasLtMatmulPreference_t *out) {
  const uint64_t bytes = s->bfloat16 ? 2 : 4;
  const uint32_t d = alignment_of(s->apart.d, s->d_float ? 4 : bytes);
  const struct {
    cublasLtMatmulPreferenceAttributes_t name;
    uint32_t value;
  } alignments[] = {{CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, alignment_of(s->apart.b, bytes)},
                    {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, alignment_of(s->apart.a, bytes)},
                    {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, d},
                    {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, d}};
  const uint32_t sums = CUBLASLT_REDUCTION_SCHEME_NONE | CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE;
  cublasStatus_t status = cublasLtMatmulPreferenceCreate(out);
  if (status == CUBLAS_STATUS_SUCCESS) {
    status = cublasLtMatmulPreferenceSetAttribute(*out, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &workspace_bytes,
                                                  sizeof workspace_bytes);
  }
  if (status == CUBLAS_STATUS_SUCCESS) {
    status = cublasLtMatmulPreferenceSetAttribute(*out, CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, &sums, sizeof sums);
  }
  for (size_t i = 0; i < sizeof alignments / sizeof alignments[0] && status == CUBLAS_STATUS_SUCCESS; i++) {
    status = cublasLtMatmulPreferenceSetAttribute(*out, alignments[i].name, &alignments[i].value,
                                                  sizeof alignments[i].value);
  }
  return status;
}

static uint32_t choice_of(const cublasLtMatmulAlgo_t *algorithm) {
  static const cublasLtMatmulAlgoConfigAttributes_t settings[] = {
      CUBLASLT_ALGO_CONFIG_ID, CUBLASLT_ALGO_CONFIG_TILE_ID, CUBLASLT_ALGO_CONFIG_SPLITK_NUM,
      CUBLASLT_ALGO_CONFIG_REDUCTION_SCHEME, CUBLASLT_ALGO_CONFIG_STAGES_ID};
  uint32_t sum = 0;
  for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++) {
    uint32_t value = 0;
    size_t written = 0;
    (void)cublasLtMatmulAlgoConfigGetAttribute(algorithm, settings[i], &value, sizeof value, &written);
    sum = 31 * sum + value;
  }
  return sum;
}

static cublasStatus_t choose(cublasLtHandle_t handle, cuda_matrix *matrix) {
  cublasLtMatmulPreference_t preference = NULL;
  cublasLtMatmulHeuristicResult_t found;
  int count = 0;
  cublasStatus_t status = make_preference(&matrix->shape, matrix->workspace_bytes, &preference);
  if (status == CUBLAS_STATUS_SUCCESS) {
    status = cublasLtMatmulAlgoGetHeuristic(handle, matrix->product, matrix->b, matrix->a, matrix->d, matrix->d,
                                            preference, 1, &found, &count);
  }
  if (status == CUBLAS_STATUS_SUCCESS) {
    status = count > 0 ? found.state : CUBLAS_STATUS_NOT_SUPPORTED;
  }
  if (status == CUBLAS_STATUS_SUCCESS) {
    matrix->algorithm = found.algo;
    matrix->choice = choice_of(&found.algo);
  }
  if (preference != NULL) {
    (void)cublasLtMatmulPreferenceDestroy(preference);
  }
  return status;
}

sht_status cuda_matrix_open(cublasLtHandle_t handle, const cuda_matrix_shape *shape, const void *bias,
                            uint64_t workspace_bytes, const char *layer, cuda_matrix *out, sht_error *error) {
  *out = (cuda_matrix){.shape = *shape, .together = 1, .workspace_bytes = workspace_bytes};
  cublasStatus_t status = make_layouts(shape, out);
  if (status == CUBLAS_STATUS_SUCCESS) {
    status = make_product(shape, bias, out);
  }
  if (status == CUBLAS_STATUS_SUCCESS) {
    status = choose(handle, out);
  }
  return cuda_check_cublas(status, layer, error);
}

static cublasStatus_t set_count(cuda_matrix *matrix, uint32_t count) {
  const int32_t runs = (int32_t)count;
  cublasLtMatrixLayout_t layouts[] = {matrix->a, matrix->b, matrix->d};
  cublasStatus_t status = CUBLAS_STATUS_SUCCESS;
  for (size_t i = 0; i < sizeof layouts / sizeof layouts[0] && status == CUBLAS_STATUS_SUCCESS; i++) {
    status = cublasLtMatrixLayoutSetAttribute(layouts[i], CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, &runs, sizeof runs);
  }
  matrix->together = count;
  return status;
}

cublasStatus_t cuda_matrix_repeat(cuda_matrix *matrix, cublasLtHandle_t handle, uint32_t runs) {
  cublasLtMatmulHeuristicResult_t found = {.workspaceSize = 0};
  cublasStatus_t status = set_count(matrix, runs);
  if (status != CUBLAS_STATUS_SUCCESS || runs == 1) {
    return status;
  }
  status = cublasLtMatmulAlgoCheck(handle, matrix->product, matrix->b, matrix->a, matrix->d, matrix->d,
                                   &matrix->algorithm, &found);
  const bool fits = status == CUBLAS_STATUS_SUCCESS && found.workspaceSize <= matrix->workspace_bytes;
  return fits ? status : set_count(matrix, 1);
}

cublasStatus_t cuda_matrix_run(const cuda_matrix *matrix, cublasLtHandle_t handle, const cuda_operands *at,
                               void *workspace, cudaStream_t stream) {
  const float one = 1;
  const float zero = 0;
  if (at->bias != NULL) {
    cublasStatus_t status = set(matrix->product, CUBLASLT_MATMUL_DESC_BIAS_POINTER, &at->bias, sizeof at->bias);
    if (status != CUBLAS_STATUS_SUCCESS) {
      return status;
    }
  }
  return cublasLtMatmul(handle, matrix->product, &one, at->b, matrix->b, at->a, matrix->a, &zero, at->d, matrix->d,
                        at->d, matrix->d, &matrix->algorithm, workspace, matrix->workspace_bytes, stream);
}

void cuda_matrix_close(cuda_matrix *matrix) {
  if (matrix->product != NULL) {
    (void)cublasLtMatmulDescDestroy(matrix->product);
  }
  cublasLtMatrixLayout_t layouts[] = {matrix->a, matrix->b, matrix->d};
  for (size_t i = 0; i < sizeof layouts / sizeof layouts[0]; i++) {
    if (layouts[i] != NULL) {
      (void)cublasLtMatrixLayoutDestroy(layouts[i]);
    }
  }
  *matrix = (cuda_matrix){.product = NULL};
}
