// Which kernels a processor gets: see block.h.
#include "dense/block.h"

const sht__block_kernels *const *sht__block_all(void) {
  static const sht__block_kernels *const sets[] = {&sht__block_amx,  &sht__block_avx512_bf16, &sht__block_avx512,
                                                   &sht__block_avx2, &sht__block_portable,    NULL};
  return sets;
}

const sht__block_kernels *sht__block_choose(void) {
  const sht__block_kernels *const *set = sht__block_all();
  while (set[1] != NULL && !(*set)->supported()) {
    set++;
  }
  return *set;  // the last one runs everywhere
}
