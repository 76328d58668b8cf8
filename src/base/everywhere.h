// SHT_EVERYWHERE: a function that is compiled for the processor and, by CUDA's compiler, for the card as well, so that
// arithmetic that must give the same bits on both is written once.
//
// What carries it is C and C++ alike: plain integers, no compound literals, constants inside the function. Floating
// point is only what IEEE 754 fixes (one operation, one rounding), compiled without contraction.
#ifndef SHT_BASE_EVERYWHERE_H
#define SHT_BASE_EVERYWHERE_H

#ifdef __CUDACC__
#define SHT_EVERYWHERE static inline __host__ __device__
#else
#define SHT_EVERYWHERE static inline
#endif

#endif
