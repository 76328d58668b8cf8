// Inner products of features that are made in blocks, kept so that any kernel can be made of them.
//
// A linear kernel streams such features through every product with K. Another kernel is a function of the finished
// inner products of each pair, so these are added up once, in fp32, for all pairs of training examples and of a
// training and a test example, and take the place of stored features: sums are rounded to fp32, K is made of them in
// double, and what is solved is the system of that K. One triangle of tiles holds all: the training examples, padded to
// whole tiles, and after them those of the test set; of the tiles that test examples have with one another only those
// of the diagonal, for their lengths. A card adds them up by itself and keeps them.
#ifndef SHT_KERNEL_PRODUCTS_H
#define SHT_KERNEL_PRODUCTS_H

#include "kernel/problem.h"

// Bytes of them for n training and `tests` test examples; UINT64_MAX when that overflows.
uint64_t sht__products_bytes(uint64_t n, uint64_t tests);

// Adds them up, or goes on from what the folder for progress has of them, and gives both sides their part; or has the
// problem's card do it. Errors: SHT_MEMORY, SHT_DISK, SHT_CONFIG and SHT_DATA of what is saved, SHT_STOPPED, those of
// the card.
sht_status sht__products_open(sht__problem *problem, sht_error *error);

// tile [8][256][32] <- inner products of examples 256 i .. of `side` and training examples 256 j .. (j <= i on the
// training side).
void sht__products_tile(const sht__gram *gram, const sht__side *side, uint64_t i, uint64_t j, double *tile);

// Squared distance of two training examples.
double sht__products_distance(const sht__tiles *products, uint64_t a, uint64_t b);

// Those of some training examples, order[0] .. order[count-1], from where all are; before any factorisation. Errors:
// SHT_MEMORY, those of the card. Close the tiles in every case.
sht_status sht__products_select(const sht__gram *gram, const uint32_t *order, uint64_t count, sht__tiles *out,
                                sht_error *error);

// Where they are saved inside a folder for progress.
void sht__products_folder(const char *folder, char *out, uint64_t size);

#endif
