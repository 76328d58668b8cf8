// Kernels of our own for kernel problems, as C sees them: every function puts work on a stream and returns.
//
// Matrices have their columns one after another, as cuBLAS wants them; ld: elements from a column to the next.
#ifndef SHT_KERNEL_CUDA_KERNELS_H
#define SHT_KERNEL_CUDA_KERNELS_H

#include <cuda_runtime_api.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { CARD_LANES = 32, CARD_LEAF = 64 };

// k(x, z) out of p = <x, z>: p; (factor p + offset)^degree; exp(factor d^2); exp(factor d), d = |x - z|.
typedef enum card_form { CARD_LINEAR, CARD_POWER, CARD_OF_SQUARE, CARD_OF_DISTANCE } card_form;

typedef struct card_function {
  card_form form;
  double factor, offset;
  uint32_t degree;
} card_function;

// How a factorisation fares, in the card's memory.
typedef struct card_pivots {
  uint64_t failed_row;  // whose pivot was not above the floor; UINT64_MAX: none
  float smallest;       // pivot, relative to the diagonal
} card_pivots;

// to [examples][width] <- a panel [width][32] of features, the first `examples` of its 32.
void card_run_unpack(const float *panel, uint64_t width, uint32_t examples, double *to, cudaStream_t stream);

// products [columns][rows]: inner products become values of the kernel. row_squares: [rows], column_squares: [columns].
void card_run_function(const card_function *function, double *products, uint64_t rows, uint64_t columns,
                       const double *row_squares, const double *column_squares, cudaStream_t stream);

// to <- from + shift on the diagonal, rounded to fp32; from becomes what that holds. Both [columns][rows].
void card_run_round(double *from, uint64_t from_ld, uint64_t rows, uint64_t columns, double shift, float *to,
                    uint64_t to_ld, cudaStream_t stream);

// Cholesky factor of a block of `count` <= CARD_LEAF rows in place, computed in double; the lower triangle is read and
// written. diagonal: [count], what pivots are measured by; `first` is the block's first row in the whole matrix. Does
// nothing after a failure.
void card_run_factor(float *block, uint64_t ld, uint32_t count, uint64_t first, const float *diagonal, float floor,
                     card_pivots *pivots, cudaStream_t stream);

#ifdef __cplusplus
}
#endif

#endif
