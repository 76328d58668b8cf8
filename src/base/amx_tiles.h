// What the instruction ldtilecfg reads: the shapes of AMX's eight tiles.
#ifndef SHT_BASE_AMX_TILES_H
#define SHT_BASE_AMX_TILES_H

#include <stdint.h>

typedef struct sht_amx_shapes {
  uint8_t palette;  // 1
  uint8_t first_row, zero[14];
  uint16_t row_bytes[16];  // up to 64; both 0: a tile that is not used
  uint8_t rows[16];        // up to 16
} sht_amx_shapes;

#endif
