// Sums, copies and changes of layout. Part of kernels_body.h.
#include "engine/cpu/kernels_vector.h"

INLINE char *run_of(const cpu_array *array, uint32_t image, uint32_t run) {
  return image_of(array, image) + run * array->steps.position * (array->bf16 ? 2 : 4);
}

INLINE void gather_run(const char *const *terms, int count, const char *mask, char *out, uint64_t elements, bool bf) {
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

INLINE void gather_image(const cpu_array *terms, int count, const cpu_array *mask, const cpu_array *out, uint32_t image,
                         cpu_runs shape, bool bf) {
  for (uint32_t run = 0; run < shape.runs; run++) {
    const char *from[CPU_TERMS_MAX];
    for (int t = 0; t < count; t++) {
      from[t] = run_of(&terms[t], image, run);
    }
    const char *gate = mask == NULL ? NULL : run_of(mask, image, run);
    gather_run(from, count, gate, run_of(out, image, run), shape.elements, bf);
  }
}

static void gather(const cpu_array *terms, int count, const cpu_array *mask, const cpu_array *out, cpu_runs shape) {
  for (uint32_t n = 0; n < shape.images; n++) {
    if (out->bf16) {
      gather_image(terms, count, mask, out, n, shape, true);
    } else {
      gather_image(terms, count, mask, out, n, shape, false);
    }
  }
}

INLINE void multiply_run(const cpu_array *x, const cpu_array *factors, const cpu_array *out, uint32_t image,
                         uint32_t run, uint64_t elements) {
  for (uint64_t i = 0; i < elements; i += V) {
    uint64_t left = elements - i;
    vf product =
        load_part(run_of(x, image, run), i, x->bf16, left) * load_part(run_of(factors, image, run), i, false, left);
    store_part(run_of(out, image, run), i, out->bf16, product, left);
  }
}

static void multiply(const cpu_array *x, const cpu_array *factors, const cpu_array *out, cpu_runs shape) {
  for (uint32_t n = 0; n < shape.images; n++) {
    for (uint32_t run = 0; run < shape.runs; run++) {
      multiply_run(x, factors, out, n, run, shape.elements);
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
        store(target, place_at(blocked, c / V, p), blocked->bf16, x);
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
        vf x = load(source, place_at(blocked, c / V, p), blocked->bf16);
        store_part(target, (uint64_t)p * channels + c, rows->bf16, x, channels - c);
      }
    }
  }
}
