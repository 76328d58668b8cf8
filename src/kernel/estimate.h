// What a solution takes, before it is begun.
#ifndef SHT_KERNEL_ESTIMATE_H
#define SHT_KERNEL_ESTIMATE_H

#include "shatter/kernel.h"

// Refuses what does not fit into options->memory_max, into what the machine has free, or into the card's memory where
// the options ask for one (card: else not read): SHT_MEMORY, saying how many examples would fit.
sht_status sht__estimate_check_memory(const sht_kernel_examples *train, const sht_kernel_examples *test,
                                      const sht_kernel_options *options, const sht_kernel_card *card, sht_error *error);

// Largest resident memory of this process so far, in bytes.
uint64_t sht__peak_memory(void);

// Bytes of files at once: a factor for each ridge and, for streamed features, the inner products twice.
uint64_t sht__estimate_folder(uint64_t n, bool streamed, uint32_t ridges);

#endif
