// Which kernels a processor gets: see dense_kernels.h.
#include "engine/cpu/dense_kernels.h"

const dense_kernels *const *dense_kernels_all(void) {
  static const dense_kernels *const sets[] = {&dense_kernels_amx,  &dense_kernels_avx512_bf16, &dense_kernels_avx512,
                                              &dense_kernels_avx2, &dense_kernels_portable,    NULL};
  return sets;
}

const dense_kernels *dense_kernels_choose(dense_words kind) {
  const dense_kernels *const *set = dense_kernels_all();
  // A matrix unit has nothing for fp32: the set behind is the same there, and names what a run was computed with.
  while (!(*set)->supported() || (kind == DENSE_FP32 && *set == &dense_kernels_amx)) {
    set++;
  }
  return *set;
}
