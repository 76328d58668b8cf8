// Products of panels, the only inner loops of the dense linear algebra; one table for each instruction set.
//
// A panel holds 32 rows of a matrix side by side: [column][32 rows]. Both factors of a product are panels of the same
// form, so that tiles need no packing: what a tile is stored as is what the loops read. One thread runs each call, and
// sums are taken in the order of the columns, so that bits do not depend on the number of threads.
//
// bf16: values are stored in pairs, [pair][32 rows], a word holding columns 2 pair (low half) and 2 pair + 1 of its
// row, as the instruction vdpbf16ps takes them. A product of two is exact in fp32, and sums are taken in fp32 in one
// order, so that these products are the same bits with every set but AMX, whose unit sums the products of 16 pairs,
// first and second values apart, before it adds them to what there is.
//
// Whole numbers of 8 bits are stored in fours, [four][32 rows], a word holding columns 4 four (lowest byte) to 4 four +
// 3 of its row, as the instruction vpdpbusd takes them. Their products and sums are exact in 32 bits.
//
// Why our own: on 256 x 256 tiles in this form one core of an AMD EPYC (Zen 4) runs them at 96 % of its multiply-add
// peak; the same product costs OpenBLAS 0.3.21 and oneDNN 2.6.3 a packing pass and they reach 77 % and 81 %.
#ifndef SHT_DENSE_BLOCK_H
#define SHT_DENSE_BLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SHT_LANES = 32, SHT_BLOCK = SHT_LANES * SHT_LANES, SHT_PARTS = 3 };

// Products of several panels with one right factor: panel p, a + p a_step words, gives block c + p c_step elements. On
// the way what comes from far and is wanted next is asked for: from each of ahead[0] and ahead[1] `piece` words a
// panel.
typedef struct sht__block_walk {
  size_t panels, c_step, a_step;
  const uint32_t *ahead[2];
  size_t piece;  // 0: nothing is
} sht__block_walk;

typedef struct sht__block_kernels {
  const char *name;
  bool (*supported)(void);
  int bf16_rate;  // products in bf16 in the time of one in fp32, as runs have them: for estimates
  int byte_rate;  // products of bytes in that time
  size_t chunk;  // pairs worth multiplying at once, a multiple of 16: what is read lies in the cache, and for how often
                 // sums are added to c
  // NULL, or: multiply_bf16, respond_bf16 and multiply_bytes take their b turned, [ceil(k / 16)][32 rows][16], zeros
  // behind the last of k words of each row. from: [k][32]; to: [sht__block_turned(k)].
  void (*turn)(const uint32_t *from, uint32_t *to, size_t k);
  // c[j][i] += sign * sum over k of a[k][i] b[k][j], the sum taken from zero; c: [32][32]; a, b: [k][32].
  void (*multiply)(float *c, const float *a, const float *b, size_t k, float sign);
  // The same with blocks of b for each 32 values of k, b_step floats apart, that lie the other way: [32 j][32 k].
  void (*multiply_turned)(float *c, const float *a, const float *b, size_t b_step, size_t k, float sign);
  // As multiply with bf16, sign 1; a, b: [pairs][32]. On vectors the second product of each pair is added first.
  void (*multiply_bf16)(float *c, const uint32_t *a, const uint32_t *b, size_t pairs, const sht__block_walk *walk);
  // Those sums alone, through a threshold: plus[j][i] += max(sum - bias, 0), minus[j][i] += max(-sum - bias, 0).
  void (*respond_bf16)(float *plus, float *minus, const uint32_t *a, const uint32_t *b, size_t pairs, float bias);
  // c[j][i] += sum over k of a[k][i] b[k][j] in whole numbers, which the caller makes sure fit in 32 bits: those of a
  // from 0 to 255, those of b from -128 to 127; c: [32][32]; a, b: [fours][32].
  void (*multiply_bytes)(int32_t *c, const uint32_t *a, const uint32_t *b, size_t fours, const sht__block_walk *walk);
  // NULL, or products as of multiply with sign -1 by way of bf16, on a unit that is more than six times as fast with
  // them: each float is the sum of three bf16, x = h + m + l, exactly, and of the nine products those of m with l and
  // of l with l are left out, below 2^-26 of the whole. parts: [k / 32][h, m, l][16 pairs][32], from a panel [k][32], k
  // a multiple of 32; b of subtract_parts is turned, 48 words to 32 columns of k. The lengths of rows are to be between
  // 2^-40 and 2^63: products of parts below 2^-126 are lost.
  void (*split)(const float *panel, uint32_t *parts, size_t k);
  void (*subtract_parts)(float *c, const uint32_t *a, const uint32_t *b, size_t k, const sht__block_walk *walk);
  // As multiply, in double, sign 1, for the first `columns` of j (a multiple of 8).
  void (*multiply_f64)(double *c, const double *a, const double *b, size_t k, size_t columns);
  // to[i] = from[i]; n is a multiple of 32.
  void (*widen)(const float *from, double *to, size_t n);
  // From finite numbers [2 pairs][32] to bf16 in pairs: see bf16.h.
  void (*round_bf16)(const float *from, uint32_t *to, size_t pairs);
  // Back, in double: to: [2 pairs][32].
  void (*widen_bf16)(const uint32_t *from, double *to, size_t pairs);
  // x <- x l^-T and x <- x l^-1 for a lower triangle l; x: [32 columns][32 rows], l: [32 columns][32 rows].
  void (*solve_transposed)(float *x, const float *l);
  void (*solve)(float *x, const float *l);
  // Takes the mean out of each of the 32 rows of a panel and divides by the root of its variance + epsilon; panel:
  // [k][32].
  void (*normalise)(float *panel, size_t k, float epsilon);
  // values[i] = exp(values[i]), within 1.1 units in the last place; n is a multiple of 32. Arguments below the smallest
  // normal result give 0; above the largest, infinity; NaN stays.
  void (*exp_f64)(double *values, size_t n);
} sht__block_kernels;

// Words of the turned form of k words of each of 32 rows.
static inline size_t sht__block_turned(size_t k) { return (k + 15) / 16 * 16 * SHT_LANES; }

// The best set that this processor can run.
const sht__block_kernels *sht__block_choose(void);
// All sets, best first, ended by NULL; look at supported() before use.
const sht__block_kernels *const *sht__block_all(void);

extern const sht__block_kernels sht__block_amx;
extern const sht__block_kernels sht__block_avx512_bf16;
extern const sht__block_kernels sht__block_avx512;
extern const sht__block_kernels sht__block_avx2;
extern const sht__block_kernels sht__block_portable;

#endif
