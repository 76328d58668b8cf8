// What the processor has and oneDNN may use: its environment variable ONEDNN_MAX_CPU_ISA can lower that.
#ifndef SHT_ENGINE_CPU_ISA_H
#define SHT_ENGINE_CPU_ISA_H

#include <oneapi/dnnl/dnnl.h>
#include <stdbool.h>

static inline bool cpu_isa_has(dnnl_cpu_isa_t wanted) { return (dnnl_get_effective_cpu_isa() & wanted) == wanted; }

#endif
