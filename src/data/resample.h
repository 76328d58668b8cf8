// Scaling a picture down or up so that its shorter side is given, and cutting the centre square out of it.
//
// The filter is a triangle as wide as the pixels of the result (two of the picture's own when it grows): the "bilinear"
// with antialiasing of PIL and PyTorch. With s = in / out and f = max(s, 1), pixel i of the result is the mean of the
// pixels j weighted by max(0, 1 - |j + 1/2 - (i + 1/2) s| / f). Computed in double, rows before columns, and rounded
// once (half up), so that the result is the same on every machine. The longer side becomes floor(side * long / short),
// the square is cut at floor((length - side) / 2); a picture whose shorter side is `side` is cut alone.
#ifndef SHT_DATA_RESAMPLE_H
#define SHT_DATA_RESAMPLE_H

#include "data/picture.h"

// out: [side][side][picture->channels]. Errors: SHT_MEMORY.
sht_status sht__resample(const sht__picture *picture, uint32_t side, uint8_t *out, sht_error *error);

#endif
