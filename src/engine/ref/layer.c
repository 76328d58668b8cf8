// The table: operation -> what it does.
#include "engine/ref/layer.h"

#include "base/memory.h"

static void do_nothing(const sht__ref_layer *layer) { (void)layer; }

static const sht__ref_op input = {.forward = do_nothing, .backward = do_nothing};

const sht__ref_op *sht__ref_op_of(sht_op op) {
  static const sht__ref_op *const table[] = {
      [SHT_OP_INPUT] = &input,
      [SHT_OP_CONV] = &sht__ref_conv,
      [SHT_OP_LINEAR] = &sht__ref_linear,
      [SHT_OP_BATCHNORM] = &sht__ref_batchnorm,
      [SHT_OP_RELU] = &sht__ref_relu,
      [SHT_OP_MAXPOOL] = &sht__ref_maxpool,
      [SHT_OP_AVGPOOL] = &sht__ref_avgpool,
      [SHT_OP_LRN] = &sht__ref_lrn,
      [SHT_OP_DROPOUT] = &sht__ref_dropout,
      [SHT_OP_ADD] = &sht__ref_add,
      [SHT_OP_CONCAT] = &sht__ref_concat,
      [SHT_OP_SHIFT] = &sht__ref_shift,
  };
  return (size_t)op < sizeof table / sizeof table[0] ? table[op] : NULL;
}

bool sht__ref_scratch_like_output(const sht__ref_layer *layer, uint64_t batch, uint64_t *count) {
  return sht_size_mul(batch, sht__ref_volume(layer->node->out), count);
}
