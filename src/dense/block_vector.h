// The vector types of block_template.h: BLOCK_WIDTH floats, or half as many doubles.
#ifndef SHT_DENSE_BLOCK_VECTOR_H
#define SHT_DENSE_BLOCK_VECTOR_H

#include "dense/block.h"

#define BLOCK_INLINE static inline __attribute__((always_inline)) BLOCK_TARGET

typedef float vec __attribute__((vector_size(4 * BLOCK_WIDTH), may_alias));
typedef double vec_f64 __attribute__((vector_size(4 * BLOCK_WIDTH), may_alias));

BLOCK_INLINE vec vec_set(float value) { return value - (vec){0}; }
BLOCK_INLINE vec_f64 vec_set_f64(double value) { return value - (vec_f64){0}; }

#endif
