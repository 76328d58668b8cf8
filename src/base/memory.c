// Checked sizes and aligned memory: see memory.h.
#include "base/memory.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/text.h"

enum { ALIGN_SMALL = 64, ALIGN_HUGE = 2 << 20 };

bool sht_size_mul(uint64_t a, uint64_t b, uint64_t *out) {
  uint64_t product = 0;
  if (__builtin_mul_overflow(a, b, &product)) {
    return false;
  }
  *out = product;
  return true;
}

bool sht_size_add(uint64_t a, uint64_t b, uint64_t *out) {
  uint64_t sum = 0;
  if (__builtin_add_overflow(a, b, &sum)) {
    return false;
  }
  *out = sum;
  return true;
}

// Rounds up to the alignment; false on overflow.
static bool round_up(uint64_t bytes, uint64_t alignment, uint64_t *out) {
  uint64_t sum = 0;
  if (!sht_size_add(bytes, alignment - 1, &sum)) {
    return false;
  }
  *out = sum / alignment * alignment;
  return true;
}

sht_status sht_alloc(void **out, uint64_t count, uint64_t size, const char *what, sht_error *error) {
  *out = NULL;
  uint64_t bytes = 0;
  uint64_t rounded = 0;
  if (!sht_size_mul(count, size, &bytes)) {
    return SHT_FAIL(error, SHT_MEMORY, "%s: %llu times %llu bytes is more than a machine can address", what,
                    (unsigned long long)count, (unsigned long long)size);
  }
  bytes = bytes == 0 ? 1 : bytes;
  uint64_t alignment = bytes >= ALIGN_HUGE ? ALIGN_HUGE : ALIGN_SMALL;
  void *block = NULL;
  if (round_up(bytes, alignment, &rounded)) {
    block = aligned_alloc(alignment, rounded);
  }
  if (block == NULL) {
    char text[32];
    return SHT_FAIL(error, SHT_MEMORY, "%s: no memory for %s; use fewer examples, a smaller batch or a larger machine",
                    what, sht_text_bytes(bytes, text, sizeof text));
  }
  // A large block's pages are given back, so that each is zero again when it is first touched, by the thread that needs
  // it: to clear gigabytes here would keep one core busy for seconds.
  bool clear = false;
  if (alignment == ALIGN_HUGE) {
    (void)madvise(block, rounded, MADV_HUGEPAGE);  // speed only: a refusal does not matter
    clear = madvise(block, rounded, MADV_DONTNEED) == 0;
  }
  if (!clear) {
    memset(block, 0, bytes);
  }
  *out = block;
  return SHT_OK;
}

void sht_free(void *block) { free(block); }
