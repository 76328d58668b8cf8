// The built-in data set "shapes": endless pictures of ten forms, each drawn from (seed, index) alone.
#ifndef SHT_DATA_SHAPES_H
#define SHT_DATA_SHAPES_H

#include <stdint.h>

#include "shatter/data.h"

enum { SHT_SHAPES_SIDE = 32, SHT_SHAPES_CHANNELS = 3, SHT_SHAPES_TRAIN = 10000, SHT_SHAPES_TEST = 2000 };

// The class of picture `index`: ten consecutive pictures hold each class once, in a random order.
uint16_t sht__shapes_label(uint64_t seed, uint64_t index);

// Draws picture `index` of class `label`. pixels: [32][32][3].
void sht__shapes_draw(uint64_t seed, uint64_t index, uint16_t label, uint8_t *pixels);

#endif
