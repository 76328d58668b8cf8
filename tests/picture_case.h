// What the tests of pictures write: PNG and JPEG files of given pixels, in folders of classes.
#ifndef SHATTER_TESTS_PICTURE_CASE_H
#define SHATTER_TESTS_PICTURE_CASE_H

#include <ftw.h>
#include <jpeglib.h>
#include <png.h>
#include <zlib.h>

#include "data_case.h"

typedef struct png_kind {
  int colour_type, depth;
  bool interlaced;
} png_kind;

static inline FILE *create(const char *path) {
  FILE *file = fopen(path, "wb");
  if (file == NULL) {
    abort();
  }
  return file;
}

// rows: as the kind has them, whole bytes, one row after the other. palette: of colour type PALETTE, `colours` long.
static inline void put_png_kind(const char *path, png_kind kind, uint32_t height, uint32_t width, const uint8_t *rows,
                                const png_color *palette, int colours) {
  FILE *file = create(path);
  png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, NULL, NULL);
  png_infop info = png_create_info_struct(png);
  png_init_io(png, file);
  png_set_IHDR(png, info, width, height, kind.depth, kind.colour_type,
               kind.interlaced ? PNG_INTERLACE_ADAM7 : PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT,
               PNG_FILTER_TYPE_DEFAULT);
  if (palette != NULL) {
    png_set_PLTE(png, info, palette, colours);
  }
  png_write_info(png, info);
  const int passes = png_set_interlace_handling(png);
  for (int pass = 0; pass < passes; pass++) {
    for (uint32_t y = 0; y < height; y++) {
      png_write_row(png, rows + y * png_get_rowbytes(png, info));
    }
  }
  png_write_end(png, info);
  png_destroy_write_struct(&png, &info);
  (void)fclose(file);
}

// 8 bits, grey or RGB. pixels: [height][width][channels]
static inline void put_png(const char *path, uint32_t height, uint32_t width, int channels, const uint8_t *pixels) {
  const png_kind kind = {channels == 1 ? PNG_COLOR_TYPE_GRAY : PNG_COLOR_TYPE_RGB, 8, false};
  put_png_kind(path, kind, height, width, pixels, NULL, 0);
}

// channels 4: CMYK.
static inline void put_jpeg(const char *path, uint32_t height, uint32_t width, int channels, bool progressive,
                            const uint8_t *pixels) {
  struct jpeg_compress_struct jpeg = {0};
  struct jpeg_error_mgr errors;
  FILE *file = create(path);
  jpeg.err = jpeg_std_error(&errors);
  jpeg_create_compress(&jpeg);
  jpeg_stdio_dest(&jpeg, file);
  jpeg.image_height = height;
  jpeg.image_width = width;
  jpeg.input_components = channels;
  jpeg.in_color_space = channels == 1 ? JCS_GRAYSCALE : channels == 3 ? JCS_RGB : JCS_CMYK;
  jpeg_set_defaults(&jpeg);
  if (progressive) {
    jpeg_simple_progression(&jpeg);
  }
  jpeg_start_compress(&jpeg, TRUE);
  for (uint32_t y = 0; y < height; y++) {
    JSAMPROW row = (JSAMPROW)pixels + (size_t)y * width * (size_t)channels;
    (void)jpeg_write_scanlines(&jpeg, &row, 1);
  }
  jpeg_finish_compress(&jpeg);
  jpeg_destroy_compress(&jpeg);
  (void)fclose(file);
}

// FOLDER/NAME, its folders made.
static inline const char *at(const char *folder, const char *name) {
  static char paths[4][512];  // for as many in one call
  static int next = 0;
  char *path = paths[next = (next + 1) % 4];
  (void)snprintf(path, sizeof paths[0], "%s/%s", folder, name);
  for (char *slash = path + 1; (slash = strchr(slash, '/')) != NULL; slash++) {
    *slash = '\0';
    (void)mkdir(path, 0777);
    *slash = '/';
  }
  return path;
}

// A grey PNG of one level.
static inline void put_level(const char *folder, const char *name, uint32_t height, uint32_t width, uint8_t level) {
  uint8_t *pixels = malloc((size_t)height * width);
  memset(pixels, level, (size_t)height * width);
  put_png(at(folder, name), height, width, 1, pixels);
  free(pixels);
}

static inline int remove_entry(const char *path, const struct stat *info, int kind, struct FTW *place) {
  (void)info;
  (void)kind;
  (void)place;
  return remove(path);
}

static inline void remove_tree(const char *folder) { (void)nftw(folder, remove_entry, 16, FTW_DEPTH | FTW_PHYS); }

#endif
