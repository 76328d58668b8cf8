// A convolution, bias and ReLU as descriptors of cuDNN: see operation.h.
#include "engine/cuda/operation.h"

#include "engine/cuda/descriptor.h"
#include "engine/cuda/libraries.h"

enum { ALIGNMENT = 16, RANK = 4 };

// Descriptors are added until one is refused.
typedef struct builder {
  const cuda_convolution_shape *shape;
  cuda_operation *out;
  cudnnStatus_t status;
} builder;

static cudnnBackendDescriptor_t add(builder *b, cuda_draft *draft) {
  cudnnBackendDescriptor_t part = NULL;
  const cudnnStatus_t status = cuda_draft_finish(draft, &part);
  b->status = b->status == CUDNN_STATUS_SUCCESS ? status : b->status;
  if (part != NULL) {
    b->out->parts[b->out->part_count++] = part;
  }
  return part;
}

static void add_step(builder *b, cuda_draft *draft) {
  cudnnBackendDescriptor_t step = add(b, draft);
  if (step != NULL) {
    b->out->steps[b->out->step_count++] = step;
  }
}

// part: NULL: it was refused.
static void set_part(cuda_draft *draft, cudnnBackendAttributeName_t name, cudnnBackendDescriptor_t part) {
  if (part == NULL && draft->status == CUDNN_STATUS_SUCCESS) {
    draft->status = CUDNN_STATUS_BAD_PARAM_NULL_POINTER;
  }
  cuda_draft_set(draft, name, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &part);
}

static void set_type(cuda_draft *draft, cudnnBackendAttributeName_t name, cudnnDataType_t type) {
  cuda_draft_set(draft, name, CUDNN_TYPE_DATA_TYPE, 1, &type);
}

// dims: N, C, H, W (of filters: K, C, R, S), held with channels last, `spacing` elements from pixel to pixel. A virtual
// one is never stored.
static cudnnBackendDescriptor_t add_tensor(builder *b, int64_t number, const int64_t dims[RANK], int64_t spacing,
                                           cudnnDataType_t type, bool is_virtual) {
  const int64_t strides[RANK] = {spacing * dims[2] * dims[3], 1, dims[3] * spacing, spacing};
  const int64_t alignment = ALIGNMENT;
  cuda_draft draft = cuda_draft_of(CUDNN_BACKEND_TENSOR_DESCRIPTOR);
  set_type(&draft, CUDNN_ATTR_TENSOR_DATA_TYPE, type);
  cuda_draft_set(&draft, CUDNN_ATTR_TENSOR_DIMENSIONS, CUDNN_TYPE_INT64, RANK, dims);
  cuda_draft_set(&draft, CUDNN_ATTR_TENSOR_STRIDES, CUDNN_TYPE_INT64, RANK, strides);
  cuda_draft_set(&draft, CUDNN_ATTR_TENSOR_UNIQUE_ID, CUDNN_TYPE_INT64, 1, &number);
  cuda_draft_set(&draft, CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, CUDNN_TYPE_INT64, 1, &alignment);
  cuda_draft_set(&draft, CUDNN_ATTR_TENSOR_IS_VIRTUAL, CUDNN_TYPE_BOOLEAN, 1, &is_virtual);
  return add(b, &draft);
}

static cudnnDataType_t type_of(const cuda_convolution_shape *s) {
  return s->bfloat16 ? CUDNN_DATA_BFLOAT16 : CUDNN_DATA_FLOAT;
}

static cudnnBackendDescriptor_t add_x(builder *b) {
  const cuda_convolution_shape *s = b->shape;
  const int64_t dims[RANK] = {s->n, s->channels, s->height, s->width};
  return add_tensor(b, CUDA_OPERAND_X, dims, s->channels, type_of(s), false);
}

static cudnnBackendDescriptor_t add_w(builder *b) {
  const cuda_convolution_shape *s = b->shape;
  const int64_t dims[RANK] = {s->filters, s->channels, s->kernel, s->kernel};
  return add_tensor(b, CUDA_OPERAND_W, dims, s->channels, type_of(s), false);
}

static cudnnBackendDescriptor_t add_y(builder *b) {
  const cuda_convolution_shape *s = b->shape;
  const int64_t dims[RANK] = {s->n, s->filters, s->out_height, s->out_width};
  return add_tensor(b, CUDA_OPERAND_Y, dims, s->y_spacing > 0 ? s->y_spacing : s->filters, type_of(s), false);
}

// What is between the convolution and y, in float.
static cudnnBackendDescriptor_t add_between(builder *b, cuda_operand number) {
  const cuda_convolution_shape *s = b->shape;
  const int64_t dims[RANK] = {s->n, s->filters, s->out_height, s->out_width};
  return add_tensor(b, number, dims, s->filters, CUDNN_DATA_FLOAT, true);
}

static cudnnBackendDescriptor_t add_bias(builder *b) {
  const int64_t dims[RANK] = {1, b->shape->filters, 1, 1};
  return add_tensor(b, CUDA_OPERAND_BIAS, dims, b->shape->filters, CUDNN_DATA_FLOAT, false);
}

static cudnnBackendDescriptor_t add_convolution(builder *b) {
  const cuda_convolution_shape *s = b->shape;
  const int64_t spatial = 2;
  const int64_t padding[2] = {s->padding, s->padding};
  const int64_t stride[2] = {s->stride, s->stride};
  const int64_t dilation[2] = {1, 1};
  const cudnnConvolutionMode_t mode = CUDNN_CROSS_CORRELATION;
  cuda_draft draft = cuda_draft_of(CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR);
  cuda_draft_set(&draft, CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, CUDNN_TYPE_INT64, 1, &spatial);
  set_type(&draft, CUDNN_ATTR_CONVOLUTION_COMP_TYPE, CUDNN_DATA_FLOAT);
  cuda_draft_set(&draft, CUDNN_ATTR_CONVOLUTION_CONV_MODE, CUDNN_TYPE_CONVOLUTION_MODE, 1, &mode);
  cuda_draft_set(&draft, CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, CUDNN_TYPE_INT64, 2, padding);
  cuda_draft_set(&draft, CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, CUDNN_TYPE_INT64, 2, padding);
  cuda_draft_set(&draft, CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, CUDNN_TYPE_INT64, 2, stride);
  cuda_draft_set(&draft, CUDNN_ATTR_CONVOLUTION_DILATIONS, CUDNN_TYPE_INT64, 2, dilation);
  return add(b, &draft);
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

static void convolve(builder *b, cuda_direction direction, cudnnBackendDescriptor_t y) {
  const direction_names *names = &names_of[direction];
  const double one = 1;
  const double zero = 0;
  cudnnBackendDescriptor_t x = add_x(b);
  cudnnBackendDescriptor_t w = add_w(b);
  cudnnBackendDescriptor_t convolution = add_convolution(b);
  cuda_draft draft = cuda_draft_of(names->type);
  set_part(&draft, names->convolution, convolution);
  set_part(&draft, names->x, x);
  set_part(&draft, names->w, w);
  set_part(&draft, names->y, y);
  cuda_draft_set(&draft, names->alpha, CUDNN_TYPE_DOUBLE, 1, &one);
  cuda_draft_set(&draft, names->beta, CUDNN_TYPE_DOUBLE, 1, &zero);
  add_step(b, &draft);
}

static cudnnBackendDescriptor_t add_pointwise(builder *b, cudnnPointwiseMode_t mode) {
  const cudnnNanPropagation_t nan = CUDNN_PROPAGATE_NAN;  // it must reach the loss
  cuda_draft draft = cuda_draft_of(CUDNN_BACKEND_POINTWISE_DESCRIPTOR);
  cuda_draft_set(&draft, CUDNN_ATTR_POINTWISE_MODE, CUDNN_TYPE_POINTWISE_MODE, 1, &mode);
  set_type(&draft, CUDNN_ATTR_POINTWISE_MATH_PREC, CUDNN_DATA_FLOAT);
  if (mode == CUDNN_POINTWISE_RELU_FWD) {
    cuda_draft_set(&draft, CUDNN_ATTR_POINTWISE_NAN_PROPAGATION, CUDNN_TYPE_NAN_PROPOGATION, 1, &nan);
  }
  return add(b, &draft);
}

// other: NULL: the function has one argument.
static void apply(builder *b, cudnnPointwiseMode_t mode, cudnnBackendDescriptor_t from, cudnnBackendDescriptor_t other,
                  cudnnBackendDescriptor_t to) {
  cudnnBackendDescriptor_t function = add_pointwise(b, mode);
  cuda_draft draft = cuda_draft_of(CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR);
  set_part(&draft, CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR, function);
  set_part(&draft, CUDNN_ATTR_OPERATION_POINTWISE_XDESC, from);
  if (other != NULL) {
    set_part(&draft, CUDNN_ATTR_OPERATION_POINTWISE_BDESC, other);
  }
  set_part(&draft, CUDNN_ATTR_OPERATION_POINTWISE_YDESC, to);
  add_step(b, &draft);
}

static void describe_forward(builder *b) {
  const cuda_convolution_shape *s = b->shape;
  cudnnBackendDescriptor_t y = add_y(b);
  cudnnBackendDescriptor_t last = s->bias || s->relu ? add_between(b, CUDA_OPERAND_CONVOLVED) : y;
  convolve(b, CUDA_FORWARD, last);
  if (s->bias) {
    cudnnBackendDescriptor_t biased = s->relu ? add_between(b, CUDA_OPERAND_BIASED) : y;
    apply(b, CUDNN_POINTWISE_ADD, last, add_bias(b), biased);
    last = biased;
  }
  if (s->relu) {
    apply(b, CUDNN_POINTWISE_RELU_FWD, last, NULL, y);
  }
}

cudnnStatus_t cuda_operation_describe(const cuda_convolution_shape *shape, cuda_direction direction,
                                      cuda_operation *out) {
  builder b = {.shape = shape, .out = out, .status = CUDNN_STATUS_SUCCESS};
  *out = (cuda_operation){.part_count = 0};
  if (direction == CUDA_FORWARD) {
    describe_forward(&b);
  } else {
    convolve(&b, direction, add_y(&b));
  }
  if (b.status != CUDNN_STATUS_SUCCESS) {
    cuda_operation_close(out);
  }
  return b.status;
}

sht_status cuda_operation_open(const cuda_convolution_shape *shape, cuda_direction direction, cuda_operation *out,
                               sht_error *error) {
  return cuda_check_cudnn(cuda_operation_describe(shape, direction, out), "describing a convolution", error);
}

void cuda_operation_close(cuda_operation *operation) {
  for (int i = operation->part_count - 1; i >= 0; i--) {
    cuda_descriptor_destroy(operation->parts[i]);
  }
  *operation = (cuda_operation){.part_count = 0};
}
