// Convolutions in bf16 on AMX: the forward pass, and for those of stride 1 the gradient with respect to the input,
// which is a convolution of the output's gradient with the filters turned round. Such gradients with respect to one
// input (of the branches of an Inception module) are made as one sum: it is rounded once, and written and read once.
//
// An image is copied with zeros around, in rows as wide for input and output. So a place in the filter is one shift for
// all positions, the places in a row of the filter lie side by side in memory and are one sum over their channels, and
// any 16 positions are the rows of a tile, wherever the image's rows begin and end. With a stride, the image is cut
// into stride x stride phases, each of which is a convolution of stride 1.
#ifndef SHT_ENGINE_CPU_CONVOLVE_H
#define SHT_ENGINE_CPU_CONVOLVE_H

#include "engine/cpu/plan.h"

typedef struct cpu_convolve cpu_convolve;

// Channels are counted in blocks of 16. pad: zeros above and left of the input. reach: positions that a row has room
// for behind the output's, at least; the same for convolutions that are added up.
typedef struct cpu_convolve_shape {
  uint32_t in_blocks, height, width;
  uint32_t out_blocks, out_height, out_width;
  uint32_t kernel, stride, pad, reach;
} cpu_convolve_shape;

cpu_convolve_shape cpu_convolve_forward_shape(const sht_node *node, sht_shape in);
// Of the gradient with respect to the input, for stride 1 and less padding than the window is wide.
cpu_convolve_shape cpu_convolve_data_shape(const sht_node *node, sht_shape in, uint32_t reach);

// Whether what it works on fits the cache; where cpu_correlate_fits, which says whether there is AMX.
bool cpu_convolve_fits(const cpu_convolve_shape *shape);
sht_status cpu_convolve_open(cpu_engine *engine, const cpu_convolve_shape *shape, cpu_convolve **out, sht_error *error);
void cpu_convolve_close(cpu_convolve *c);

// Bytes of scratch memory that a run needs for each of its convolutions.
uint64_t cpu_convolve_scratch(const cpu_convolve *c);

// Filters as they are wanted, from those of the layer, [O/16][I/16][K][K][16 O][16 I]; turned: for the gradient, where
// the layer's outputs are the inputs.
void cpu_convolve_pack(cpu_convolve *c, const float *filters, bool turned);

// y = the sum of the convolutions of x[0 .. count-1], which agree in the output and the stride; x, y: the shard's, x
// dense. bias: [O] or NULL.
enum { CPU_CONVOLVE_SUM_MAX = 4 };
void cpu_convolve_run(const cpu_convolve *const *all, int count, const cpu_tile *tile, const cpu_array *x, cpu_array y,
                      const float *bias, bool relu);

#endif
