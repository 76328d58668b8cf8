// What variant.c shows to its tests.
#ifndef SHT_DATA_VARIANT_H
#define SHT_DATA_VARIANT_H

#include <stdint.h>

// Cosine and sine of an angle in 2^-24 turns, in 2^-16, each the nearest or the second nearest: eighths of a turn by
// symmetry, below that the first five terms of their series in integers of 2^-30. Exact at quarter turns.
void sht__turn(int32_t angle, int32_t *cosine, int32_t *sine);

// T of a turn of the hue (2^-24 turns) and a saturation (2^-16): see shatter/augment.h.
void sht__colour_transform(int32_t turn, int32_t saturation, int32_t transform[3][3]);

#endif
