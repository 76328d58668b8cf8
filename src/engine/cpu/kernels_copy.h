// Sums, copies and changes of layout. Part of kernels_body.h.
#include "engine/cpu/kernels_vector.h"

INLINE void gather_image(const char *const *terms, int count, const char *mask, char *out, uint64_t elements, bool bf) {
  for (uint64_t i = 0; i < elements; i += V) {
    uint64_t n = elements - i;
    vf sum = load_part(terms[0], i, bf, n);
    for (int t = 1; t < count; t++) {
      sum += load_part(terms[t], i, bf, n);
    }
    if (mask != NULL) {  // written so that NaN stays
      sum = select_where(load_part(mask, i, bf, n) <= 0.0f, splat(0), sum);
    }
    store_part(out, i, bf, sum, n);
  }
}

static void gather(const cpu_array *terms, int count, const cpu_array *mask, const cpu_array *out, uint32_t images,
                   uint64_t elements) {
  for (uint32_t n = 0; n < images; n++) {
    const char *from[CPU_TERMS_MAX];
    for (int t = 0; t < count; t++) {
      from[t] = image_of(&terms[t], n);
    }
    const char *gate = mask == NULL ? NULL : image_of(mask, n);
    if (out->bf16) {
      gather_image(from, count, gate, image_of(out, n), elements, true);
    } else {
      gather_image(from, count, gate, image_of(out, n), elements, false);
    }
  }
}

static void multiply(const cpu_array *x, const cpu_array *factors, const cpu_array *out, uint32_t images,
                     uint64_t elements) {
  for (uint32_t n = 0; n < images; n++) {
    for (uint64_t i = 0; i < elements; i += V) {
      uint64_t left = elements - i;
      vf product = load_part(image_of(x, n), i, x->bf16, left) * load_part(image_of(factors, n), i, false, left);
      store_part(image_of(out, n), i, out->bf16, product, left);
    }
  }
}

static void block_rows(const cpu_array *rows, const cpu_array *blocked, uint32_t images, uint32_t channels,
                       uint32_t positions) {
  for (uint32_t n = 0; n < images; n++) {
    const char *source = image_of(rows, n);
    char *target = image_of(blocked, n);
    for (uint32_t c = 0; c < channels; c += V) {
      for (uint32_t p = 0; p < positions; p++) {
        vf x = load_part(source, (uint64_t)p * channels + c, rows->bf16, channels - c);
        store(target, (uint64_t)c * positions + (uint64_t)p * V, blocked->bf16, x);
      }
    }
  }
}

static void unblock_rows(const cpu_array *blocked, const cpu_array *rows, uint32_t images, uint32_t channels,
                         uint32_t positions) {
  for (uint32_t n = 0; n < images; n++) {
    const char *source = image_of(blocked, n);
    char *target = image_of(rows, n);
    for (uint32_t c = 0; c < channels; c += V) {
      for (uint32_t p = 0; p < positions; p++) {
        vf x = load(source, (uint64_t)c * positions + (uint64_t)p * V, blocked->bf16);
        store_part(target, (uint64_t)p * channels + c, rows->bf16, x, channels - c);
      }
    }
  }
}
