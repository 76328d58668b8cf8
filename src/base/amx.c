// Whether AMX can be used: see amx.h.
#include "base/amx.h"

#include <cpuid.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

// arch_prctl's request for a state that is too large to be kept of every thread, and the number of the tiles' own.
enum { REQUEST_STATE = 0x1023, TILE_STATE = 18 };
// Bits of EDX of leaf 7.
enum { AMX_BF16 = 1 << 22, AMX_TILE = 1 << 24, AMX_INT8 = 1 << 25, AMX_ALL = AMX_BF16 | AMX_TILE | AMX_INT8 };

static bool available;

static void ask(void) {
  unsigned a, b, c, d;
  available = __get_cpuid_count(7, 0, &a, &b, &c, &d) != 0 && (d & AMX_ALL) == AMX_ALL &&
              syscall(SYS_arch_prctl, REQUEST_STATE, TILE_STATE) == 0;
}

bool sht_amx_available(void) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  (void)pthread_once(&once, ask);
  return available;
}
