// Vectors of V floats for kernels_body.h, and their loads and stores in fp32 and bf16. The including file sets V and
// KERNELS_WIDEN and KERNELS_NARROW.
#ifndef SHT_ENGINE_CPU_KERNELS_VECTOR_H
#define SHT_ENGINE_CPU_KERNELS_VECTOR_H

#include <stdint.h>
#include <string.h>

#include "engine/cpu/kernels.h"

// Vectors wider than the machine's cross no call: everything that takes one is inlined.
#pragma GCC diagnostic ignored "-Wpsabi"

#define INLINE static inline __attribute__((always_inline))

typedef float vf __attribute__((vector_size(V * 4)));
typedef int32_t vi __attribute__((vector_size(V * 4)));
typedef uint32_t vu __attribute__((vector_size(V * 4)));
typedef uint16_t vh __attribute__((vector_size(V * 2)));
typedef uint8_t vb __attribute__((vector_size(V)));

INLINE vf splat(float x) { return (vf){0} + x; }

INLINE vf select_where(vi mask, vf yes, vf no) { return (vf)((mask & (vi)yes) | (~mask & (vi)no)); }

INLINE vf widen_bits(vh bits) { return (vf)(__builtin_convertvector(bits, vu) << 16); }

// To nearest, ties to even; NaN stays NaN.
INLINE vh narrow_bits(vf x) {
  vu bits = (vu)x;
  vu rounded = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
  vu quiet = (bits >> 16) | 0x40;
  vu is_nan = (vu)(x != x);
  return __builtin_convertvector((is_nan & quiet) | (~is_nan & rounded), vh);
}

// The including file has the processor's own instructions, or these.
INLINE vf widen(vh bits) { return KERNELS_WIDEN(bits); }
INLINE vh narrow(vf x) { return KERNELS_NARROW(x); }

// Element i of an fp32 or bf16 array and the V - 1 after it.
INLINE vf load(const void *data, uint64_t i, bool bf16) {
  if (bf16) {
    vh bits;
    memcpy(&bits, (const uint16_t *)data + i, sizeof bits);
    return widen(bits);
  }
  vf x;
  memcpy(&x, (const float *)data + i, sizeof x);
  return x;
}

INLINE void store(void *data, uint64_t i, bool bf16, vf x) {
  if (bf16) {
    vh bits = narrow(x);
    memcpy((uint16_t *)data + i, &bits, sizeof bits);
    return;
  }
  memcpy((float *)data + i, &x, sizeof x);
}

// The first n (1 .. V) elements only; the others read as zero.
INLINE vf load_part(const void *data, uint64_t i, bool bf16, uint64_t n) {
  if (n >= V) {
    return load(data, i, bf16);
  }
  char bytes[V * 4] = {0};
  uint64_t size = bf16 ? 2 : 4;
  memcpy(bytes, (const char *)data + i * size, n * size);
  return load(bytes, 0, bf16);
}

INLINE void store_part(void *data, uint64_t i, bool bf16, vf x, uint64_t n) {
  if (n >= V) {
    store(data, i, bf16, x);
    return;
  }
  char bytes[V * 4];
  uint64_t size = bf16 ? 2 : 4;
  store(bytes, 0, bf16, x);
  memcpy((char *)data + i * size, bytes, n * size);
}

INLINE char *image_of(const cpu_array *array, uint32_t image) { return (char *)array->data + image * array->stride; }

// First element of a block of channels at a position, in an image.
INLINE uint64_t place_at(const cpu_array *array, uint32_t block, uint64_t position) {
  return block * array->steps.block + position * array->steps.position;
}

// One block of one image.
typedef struct plane_of {
  char *data;
  uint64_t step;  // elements from a position to the next
} plane_of;

INLINE plane_of plane_at(const cpu_array *array, uint32_t image, uint32_t block) {
  char *data = image_of(array, image) + place_at(array, block, 0) * (array->bf16 ? 2 : 4);
  return (plane_of){data, array->steps.position};
}

#endif
