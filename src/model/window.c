// Where windows stand: see window.h.
#include "model/window.h"

bool sht__window_place(const sht__window *window, uint32_t n, uint32_t *positions, uint32_t *before, uint32_t *after) {
  uint64_t k = window->kernel;
  uint64_t s = window->stride;
  if (window->padding == SHT__PADDING_SAME) {
    uint64_t count = ((uint64_t)n + s - 1) / s;
    uint64_t reach = (count - 1) * s + k;
    uint64_t total = reach > n ? reach - n : 0;
    *positions = (uint32_t)count;
    *before = (uint32_t)(total / 2);
    *after = (uint32_t)(total - total / 2);
    return true;
  }
  uint64_t pad = window->padding == SHT__PADDING_FIXED ? window->fixed : 0;
  uint64_t padded = n + 2 * pad;
  if (padded < k) {
    return false;
  }
  *positions = (uint32_t)((padded - k) / s + 1);
  *before = *after = (uint32_t)pad;
  return true;
}
