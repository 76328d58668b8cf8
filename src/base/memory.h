// Checked sizes and memory. Indices and byte counts are 64-bit; products go through sht_size_mul.
#ifndef SHT_BASE_MEMORY_H
#define SHT_BASE_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shatter/error.h"

// *out = a * b (or a + b); false on overflow, *out untouched.
bool sht_size_mul(uint64_t a, uint64_t b, uint64_t *out);
bool sht_size_add(uint64_t a, uint64_t b, uint64_t *out);

// count * size bytes, zeroed, 64-byte aligned (large blocks: 2 MiB aligned with huge pages asked for).
// `what` names it in the message of SHT_MEMORY. Free with sht_free. count 0 gives a block of one byte.
sht_status sht_alloc(void **out, uint64_t count, uint64_t size, const char *what, sht_error *error);
void sht_free(void *block);  // NULL is allowed

// SHT_ALLOC(&values, n, "weights", error): the element size comes from the pointer.
#define SHT_ALLOC(pointer, count, what, error) \
  sht_alloc((void **)(pointer), (uint64_t)(count), sizeof **(pointer), (what), (error))

#endif
