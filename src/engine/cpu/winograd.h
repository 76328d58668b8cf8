// One 3x3 convolution of stride 1 by Winograd's F(4x4, 3x3), on the shards of a batch: forward and both gradients.
//
// Weights are held as [O/V][I][3][3][V]; the transformed filters are made anew after each update. Tensors are blocked
// fp32; x and dy may be slices.
#ifndef SHT_ENGINE_CPU_WINOGRAD_H
#define SHT_ENGINE_CPU_WINOGRAD_H

#include "engine/cpu/cpu.h"

typedef struct cpu_winograd cpu_winograd;

// Whether the layer can be done so with at most half of the direct way's products: channels in whole vectors, an output
// that tiles cover well, tiles that a cache holds.
bool cpu_winograd_fits(const cpu_engine *engine, const sht_node *node, sht_shape in);

// Asks for the workers' scratch memory. Errors: SHT_MEMORY; *out is closed by the caller in any case.
sht_status cpu_winograd_open(cpu_engine *engine, const sht_node *node, sht_shape in, bool input_gradient,
                             cpu_winograd **out, sht_error *error);
void cpu_winograd_close(cpu_winograd *w);  // NULL is allowed

uint64_t cpu_winograd_weight_count(const cpu_winograd *w);  // floats held
// Makes the transformed filters from the held weights.
void cpu_winograd_repack(const cpu_winograd *w, const float *held);
// Between the graph's layout [O][I][3][3] and the held one.
void cpu_winograd_copy(const cpu_winograd *w, float *held, float *given, bool put);

// y = x * filters + bias (NULL: none), then ReLU where wanted.
void cpu_winograd_forward(const cpu_winograd *w, const cpu_tile *tile, cpu_array x, cpu_array y, const float *bias,
                          bool relu);
void cpu_winograd_data(const cpu_winograd *w, const cpu_tile *tile, cpu_array dy, cpu_array dx);
// gradient: of the held weights; bias_gradient: [O] or NULL.
void cpu_winograd_weights(const cpu_winograd *w, const cpu_tile *tile, cpu_array x, cpu_array dy, float *gradient,
                          float *bias_gradient);

#endif
