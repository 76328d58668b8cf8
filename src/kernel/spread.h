// A kernel problem over the ranks of a cluster: what each makes of it, and what all must agree on.
//
// Every rank has all examples, all stored features and all vectors of the refinement; the factor, and the work, are
// shared. Sums are taken in the order of a process alone, so that the bits are the same at any number of ranks.
#ifndef SHT_KERNEL_SPREAD_H
#define SHT_KERNEL_SPREAD_H

#include "kernel/problem.h"
#include "kernel/sides.h"

// What cannot be had over ranks: SHT_CONFIG, naming it. Without a cluster nothing is refused.
sht_status sht__spread_check_options(const sht_kernel_options *options, sht_error *error);
// All ranks have the same problem (data, features, kernel) and the same arithmetic, together: SHT_CONFIG.
sht_status sht__spread_check_problem(const sht__problem *problem, sht_error *error);

// The most bytes that `copies` of the tiles of n examples, and what the factorisation needs beside them, take on a
// rank.
uint64_t sht__spread_bytes(const sht_cluster *cluster, uint64_t n, uint64_t copies);

// sht__panels_fill, each rank making the features of its share of the examples, together. cluster: NULL: all are made
// here, or read where side->made has them.
sht_status sht__spread_fill(const sht__gram *gram, const sht__side *side, uint64_t block, sht__panels *panels,
                            sht_error *error);

// Sums of the tile rows that each rank has a share of (of units of 256 rows), together: all get all.
void sht__spread_complete(sht_cluster *cluster, sht__sides *sums);

// The squared lengths that lie on the rank of a diagonal tile, together.
void sht__spread_squares(const sht__tiles *tiles, sht__side *side);

#endif
