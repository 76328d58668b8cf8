// Kernels of our own for kernel problems, as C sees them: every function puts work on a stream and returns.
//
// Matrices have their columns one after another, as cuBLAS wants them; ld: elements from a column to the next.
#ifndef SHT_KERNEL_CUDA_KERNELS_H
#define SHT_KERNEL_CUDA_KERNELS_H

#include <cuda_runtime_api.h>
#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { CARD_LANES = 32, CARD_LEAF = 64, CARD_SEGMENTS = 5, CARD_WINDOWS = 3, CARD_VECTOR = 8 };

// k(x, z) out of p = <x, z>: p; (factor p + offset)^degree; exp(factor d^2); exp(factor d), d = |x - z|, 0 where d^2 is
// no larger than `rounding` of |x|^2 + |z|^2.
typedef enum card_form { CARD_LINEAR, CARD_POWER, CARD_OF_SQUARE, CARD_OF_DISTANCE } card_form;

typedef struct card_function {
  card_form form;
  double factor, offset, rounding;
  uint32_t degree;
} card_function;

// How a factorisation fares, in the card's memory.
typedef struct card_pivots {
  uint64_t failed_row;  // whose pivot was not above the floor; UINT64_MAX: none
  float smallest;       // pivot, relative to the diagonal
} card_pivots;

// The layer of random convolutions (kernel/randconv.c), in positions of a patch.
typedef struct card_layer {
  uint32_t row, run;                      // levels of a row of an image, and of a patch
  uint32_t image, step;                   // levels of an image, and from a position to the next in its row: C
  uint32_t places[2];                     // positions: rows, columns
  uint32_t views;                         // 2: the image, then its mirror image, left to right; 1: the image alone
  uint32_t bounds[2][CARD_SEGMENTS + 1];  // of the segments of a side, in order
  uint32_t taps, ones, depth;             // values of a patch, ones under them, with zeros to whole vectors
  float contrast, threshold, share;       // share: of a position in the mean over a window
  float whole;                            // what a pixel is divided by
  bool words;                             // pixels are int16_t, else uint8_t
} card_layer;

// to [examples][width] <- a panel [width][32] of features, the first `examples` of its 32.
void card_run_unpack(const float *panel, uint64_t width, uint32_t examples, double *to, cudaStream_t stream);

// products [columns][rows]: inner products become values of the kernel. row_squares: [rows], column_squares: [columns].
void card_run_function(const card_function *function, double *products, uint64_t rows, uint64_t columns,
                       const double *row_squares, const double *column_squares, cudaStream_t stream);

// to [columns][rows] <- values of the kernel out of inner products from [rows][from_ld], of which the first `columns`
// count. row_squares: [rows], column_squares: [columns].
void card_run_take(const card_function *function, const float *from, uint64_t from_ld, uint64_t rows, uint64_t columns,
                   const double *row_squares, const double *column_squares, double *to, uint64_t to_ld,
                   cudaStream_t stream);

// to [row_count][column_count] <- elements (rows[..], columns[..]) of a symmetric matrix of which the upper triangle is
// there.
void card_run_select(const float *from, uint64_t ld, const uint32_t *rows, uint64_t row_count, const uint32_t *columns,
                     uint64_t column_count, float *to, cudaStream_t stream);

// Row and column `to` of a symmetric matrix [n][n] of which the upper triangle is there <- row and column `from`, and
// its diagonal <- that of `from`.
void card_run_repeat(float *a, uint64_t n, uint64_t from, uint64_t to, cudaStream_t stream);

// The lower triangle of a [n][ld] <- the upper one.
void card_run_mirror(float *a, uint64_t ld, uint64_t n, cudaStream_t stream);

// to [n] <- the diagonal of a [n][ld].
void card_run_diagonal(const float *a, uint64_t ld, uint64_t n, double *to, cudaStream_t stream);

// to <- from + shift on the diagonal, rounded to fp32; from becomes what that holds. Both [columns][rows].
void card_run_round(double *from, uint64_t from_ld, uint64_t rows, uint64_t columns, double shift, float *to,
                    uint64_t to_ld, cudaStream_t stream);

// Cholesky factor of a block of `count` <= CARD_LEAF rows in place, computed in double; the lower triangle is read and
// written. diagonal: [count], what pivots are measured by; `first` is the block's first row in the whole matrix. Does
// nothing after a failure.
void card_run_factor(float *block, uint64_t ld, uint32_t count, uint64_t first, const float *diagonal, float floor,
                     card_pivots *pivots, cudaStream_t stream);

// a's diagonal += shift; a: [n][n].
void card_run_shift(float *a, uint64_t n, double shift, cudaStream_t stream);

// to [images][views][places][depth] <- the patches of images, made free of their mean and variance, in bf16.
void card_run_patches(const card_layer *layer, const void *pixels, uint64_t images, uint16_t *to, cudaStream_t stream);

// to [images][2 signs][3][3 windows][filters] <- the means of responses [images][views][places][filters] through the
// thresholds, in bf16.
void card_run_pool(const card_layer *layer, const float *responses, uint64_t images, uint32_t filters, uint16_t *to,
                   cudaStream_t stream);

// to [count] <- from [count] in bf16.
void card_run_widen(const uint16_t *from, uint64_t count, double *to, cudaStream_t stream);

#ifdef __cplusplus
}
#endif

#endif
