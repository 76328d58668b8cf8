// Solves and products with a Cholesky factor whose tiles are spread over the ranks of a cluster.
//
// Sums that cross ranks travel: a right-hand side's panel that takes something from every tile of its row goes from
// rank to rank along the row of the grid, in the order of the tiles, so that bits are those of triangle.c. Every rank
// has the whole right-hand sides before and after.
#ifndef SHT_DENSE_SPREAD_TRIANGLE_H
#define SHT_DENSE_SPREAD_TRIANGLE_H

#include "dense/triangle.h"

// Elements of triangle->panels.
uint64_t sht__spread_panels(const sht__grid *grid);
// sht__triangle_solve and sht__triangle_product, together.
void sht__spread_solve(const sht__triangle *triangle, float *x);
void sht__spread_product(const sht__triangle *triangle, float *x, float *y);

#endif
