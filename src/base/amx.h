// The matrix unit of Intel's processors from Sapphire Rapids on (AMX): whether it is there and may be used.
#ifndef SHT_BASE_AMX_H
#define SHT_BASE_AMX_H

#include <stdbool.h>

// Whether the processor has tiles with products of bf16 and of bytes, and Linux lets this process have their state,
// which it wants to be asked for once. Any thread; cheap after the first call.
bool sht_amx_available(void);

#endif
