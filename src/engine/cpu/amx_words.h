// What the kernels of convolutions on AMX have in common: phases of a strided filter, and words of pairs of bf16, as
// products want them.
#ifndef SHT_ENGINE_CPU_AMX_WORDS_H
#define SHT_ENGINE_CPU_AMX_WORDS_H

#include <immintrin.h>
#include <stdint.h>
#include <string.h>

#define AMX_TARGET __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512bf16,amx-tile,amx-bf16")))
#define AMX_INLINE static inline __attribute__((always_inline)) AMX_TARGET

enum {
  AMX_SIDE = 16,            // channels of a block, rows of a tile, words of its row
  AMX_STEP = 2 * AMX_SIDE,  // what a product sums over
  AMX_TILE_WORDS = AMX_SIDE * AMX_SIDE,
};

// Phases of the inputs that the filter reads, along one side.
static inline uint32_t amx_phases(uint32_t kernel, uint32_t stride) { return kernel < stride ? kernel : stride; }

// How far the filter's last place lies from the first, within a phase.
static inline uint32_t amx_reach(uint32_t kernel, uint32_t stride) { return (kernel - 1) / stride; }

typedef uint32_t amx_words __attribute__((vector_size(64)));

// Words [16][16] turned: four rounds of perfect shuffles of the rows.
AMX_INLINE void amx_turn_square(amx_words *rows) {
  amx_words shuffled[AMX_SIDE];
  for (int round = 1; round < AMX_SIDE; round *= 2) {
#pragma GCC unroll 8
    for (int r = 0; r < AMX_SIDE / 2; r++) {
      const amx_words a = rows[r];
      const amx_words b = rows[r + AMX_SIDE / 2];
      shuffled[2 * r] = __builtin_shufflevector(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
      shuffled[2 * r + 1] = __builtin_shufflevector(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
    }
    memcpy(rows, shuffled, sizeof shuffled);
  }
}

#endif
