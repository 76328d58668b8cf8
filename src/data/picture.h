// One picture file: PNG or JPEG, told by its first bytes and not by its name.
//
// PNG of every kind: grey, palette, RGB, interlaced or not; alpha and transparency are dropped, 16 bits become 8
// (rounded), fewer become 8 (the largest value is 255). JPEG: grey and colour, slow integer DCT, smooth upsampling of
// the chroma. Neither colour profiles nor EXIF's orientation are applied. Damaged or cut data is an error, never a
// picture with a part missing.
#ifndef SHT_DATA_PICTURE_H
#define SHT_DATA_PICTURE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "shatter/error.h"

enum { SHT_PICTURE_SIDE_MAX = 16384 };  // of a file, before it is scaled

typedef struct sht__picture {
  uint32_t height, width;
  uint32_t channels;  // 1: the file is grey; 3: colour or palette
  uint8_t *pixels;    // [height][width][channels]; NULL when only measured
} sht__picture;

// What the file's header says; pixels stay NULL. Errors: SHT_MISSING, SHT_DISK, SHT_DATA; each names the file.
sht_status sht__picture_measure(const char *path, sht__picture *out, sht_error *error);
// The whole picture; close it, also after a failure. Errors: SHT_MEMORY too.
sht_status sht__picture_read(const char *path, sht__picture *out, sht_error *error);
void sht__picture_close(sht__picture *picture);

// An open file, for the two formats.
typedef struct sht__picture_source {
  const char *path;  // opens messages
  FILE *file;        // at its beginning
  uint64_t size;     // bytes
  bool whole;        // pixels too
} sht__picture_source;

// The same from an open file. On failure `out` may hold pixels: close it.
sht_status sht__picture_decode(const sht__picture_source *source, sht__picture *out, sht_error *error);
sht_status sht__picture_png(const sht__picture_source *source, sht__picture *out, sht_error *error);
sht_status sht__picture_jpeg(const sht__picture_source *source, sht__picture *out, sht_error *error);

// Checks the sides that a header has, and that a file of that size can hold so many pixels at `ratio` pixels a byte (0:
// any), before memory is asked for. Fills height, width and channels.
sht_status sht__picture_set_shape(const sht__picture_source *source, const uint32_t shape[3], uint64_t ratio,
                                  sht__picture *out, sht_error *error);
sht_status sht__picture_allocate(const sht__picture_source *source, sht__picture *out, sht_error *error);
sht_status sht__picture_fail(const sht__picture_source *source, const char *format, const char *reason,
                             sht_error *error);

#endif
