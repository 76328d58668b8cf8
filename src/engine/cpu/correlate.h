// The gradient of a convolution's filters in bf16 on AMX: for each place in the filter the products of inputs and
// output gradients, summed over positions. oneDNN's takes about twice as long.
//
// A product wants both factors in pairs of neighbouring positions: the output gradients turned, [channel][position],
// and the inputs paired, [pair][channel][2]. Positions are counted along rows that are as wide for both, with zeros
// where the output has none, so that the place (r, c) in the filter is one shift of the inputs for all positions of an
// image: each factor is rearranged once for all places, the inputs twice, in pairs from even and from odd positions on,
// so that any shift finds whole tiles. With a stride, the inputs are cut into stride x stride phases, each of which is
// a convolution of stride 1.
#ifndef SHT_ENGINE_CPU_CORRELATE_H
#define SHT_ENGINE_CPU_CORRELATE_H

#include "engine/cpu/plan.h"

typedef struct cpu_correlate cpu_correlate;

// Whether activations and the processor are fit for it. There is no other choice then: for some shapes (512 channels of
// 2 x 2, windows of 5 x 5 with stride 3) oneDNN 2.6.3's on AMX gives numbers that have nothing to do with it.
bool cpu_correlate_fits(const cpu_engine *engine);
sht_status cpu_correlate_open(cpu_engine *engine, const sht_node *node, sht_shape in, cpu_correlate **out,
                              sht_error *error);
void cpu_correlate_close(cpu_correlate *c);

// gradient: [O/16][I/16][K][K][16 O][16 I], channels padded to whole blocks, written, or (fresh false) added to;
// bias_gradient: [O], or NULL, always written. x, dy: the shard's, dense.
void cpu_correlate_run(const cpu_correlate *c, const cpu_tile *tile, cpu_array x, cpu_array dy, bool fresh,
                       float *gradient, float *bias_gradient);

#endif
