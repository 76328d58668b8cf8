// A picture of many examples with their labels, so that a person can see what a randomisation did.
#include <ctype.h>
#include <inttypes.h>
#include <png.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "shatter/data.h"

enum {
  ZOOM = 2,
  GLYPH_WIDTH = 5,
  GLYPH_HEIGHT = 7,
  LETTER = GLYPH_WIDTH + 1,  // distance between letters
  FRAME = 2,                 // around each image
  TEXT_BAND = GLYPH_HEIGHT + 6,
  MARGIN = 6,  // around the grid and between cells
  EXAMPLES_MAX = 10000,
  BYTES_A_PIXEL = 3,
};

typedef struct glyph {
  char letter;
  uint8_t rows[GLYPH_HEIGHT];  // five bits each, the left one highest
} glyph;

static const glyph font[] = {
    {'A', {0x0e, 0x11, 0x11, 0x1f, 0x11, 0x11, 0x11}}, {'B', {0x1e, 0x11, 0x11, 0x1e, 0x11, 0x11, 0x1e}},
    {'C', {0x0e, 0x11, 0x10, 0x10, 0x10, 0x11, 0x0e}}, {'D', {0x1e, 0x11, 0x11, 0x11, 0x11, 0x11, 0x1e}},
    {'E', {0x1f, 0x10, 0x10, 0x1e, 0x10, 0x10, 0x1f}}, {'F', {0x1f, 0x10, 0x10, 0x1e, 0x10, 0x10, 0x10}},
    {'G', {0x0e, 0x11, 0x10, 0x17, 0x11, 0x11, 0x0e}}, {'H', {0x11, 0x11, 0x11, 0x1f, 0x11, 0x11, 0x11}},
    {'I', {0x0e, 0x04, 0x04, 0x04, 0x04, 0x04, 0x0e}}, {'J', {0x07, 0x02, 0x02, 0x02, 0x02, 0x12, 0x0c}},
    {'K', {0x11, 0x12, 0x14, 0x18, 0x14, 0x12, 0x11}}, {'L', {0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x1f}},
    {'M', {0x11, 0x1b, 0x15, 0x15, 0x11, 0x11, 0x11}}, {'N', {0x11, 0x19, 0x19, 0x15, 0x13, 0x13, 0x11}},
    {'O', {0x0e, 0x11, 0x11, 0x11, 0x11, 0x11, 0x0e}}, {'P', {0x1e, 0x11, 0x11, 0x1e, 0x10, 0x10, 0x10}},
    {'Q', {0x0e, 0x11, 0x11, 0x11, 0x15, 0x12, 0x0d}}, {'R', {0x1e, 0x11, 0x11, 0x1e, 0x14, 0x12, 0x11}},
    {'S', {0x0f, 0x10, 0x10, 0x0e, 0x01, 0x01, 0x1e}}, {'T', {0x1f, 0x04, 0x04, 0x04, 0x04, 0x04, 0x04}},
    {'U', {0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x0e}}, {'V', {0x11, 0x11, 0x11, 0x11, 0x0a, 0x0a, 0x04}},
    {'W', {0x11, 0x11, 0x11, 0x15, 0x15, 0x1b, 0x11}}, {'X', {0x11, 0x11, 0x0a, 0x04, 0x0a, 0x11, 0x11}},
    {'Y', {0x11, 0x11, 0x0a, 0x04, 0x04, 0x04, 0x04}}, {'Z', {0x1f, 0x01, 0x02, 0x04, 0x08, 0x10, 0x1f}},
    {'0', {0x0e, 0x11, 0x13, 0x15, 0x19, 0x11, 0x0e}}, {'1', {0x04, 0x0c, 0x04, 0x04, 0x04, 0x04, 0x0e}},
    {'2', {0x0e, 0x11, 0x01, 0x02, 0x04, 0x08, 0x1f}}, {'3', {0x0e, 0x11, 0x01, 0x06, 0x01, 0x11, 0x0e}},
    {'4', {0x02, 0x06, 0x0a, 0x12, 0x1f, 0x02, 0x02}}, {'5', {0x1f, 0x10, 0x1e, 0x01, 0x01, 0x11, 0x0e}},
    {'6', {0x0e, 0x10, 0x10, 0x1e, 0x11, 0x11, 0x0e}}, {'7', {0x1f, 0x01, 0x02, 0x04, 0x04, 0x04, 0x04}},
    {'8', {0x0e, 0x11, 0x11, 0x0e, 0x11, 0x11, 0x0e}}, {'9', {0x0e, 0x11, 0x11, 0x0f, 0x01, 0x01, 0x0e}},
    {'-', {0x00, 0x00, 0x00, 0x0e, 0x00, 0x00, 0x00}},
};

typedef uint8_t colour[BYTES_A_PIXEL];
static const colour paper = {255, 255, 255};
static const colour ink = {60, 60, 60};
static const colour changed = {213, 94, 0};  // vermilion, told apart from grey by everyone

typedef struct sheet {
  uint32_t width, height;  // pixels
  uint8_t *rgb;            // [height][width][3]
} sheet;

static void dot(const sheet *page, uint32_t x, uint32_t y, const colour with) {
  memcpy(page->rgb + ((uint64_t)y * page->width + x) * BYTES_A_PIXEL, with, BYTES_A_PIXEL);
}

static void fill(const sheet *page, uint32_t x, uint32_t y, uint32_t width, uint32_t height, const colour with) {
  for (uint32_t row = 0; row < height; row++) {
    for (uint32_t column = 0; column < width; column++) {
      dot(page, x + column, y + row, with);
    }
  }
}

static const uint8_t *glyph_of(char letter) {
  static const uint8_t blank[GLYPH_HEIGHT] = {0};
  for (size_t i = 0; i < sizeof font / sizeof font[0]; i++) {
    if (font[i].letter == toupper((unsigned char)letter)) {
      return font[i].rows;
    }
  }
  return blank;
}

// Text centred in `width` from x; what does not fit is cut off.
static void write_text(const sheet *page, uint32_t x, uint32_t y, uint32_t width, const char *text, const colour with) {
  uint32_t letters = (uint32_t)strlen(text);
  letters = letters * LETTER > width + 1 ? (width + 1) / LETTER : letters;
  x += (width + 1 - letters * LETTER) / 2;
  for (uint32_t i = 0; i < letters; i++, x += LETTER) {
    const uint8_t *rows = glyph_of(text[i]);
    for (uint32_t row = 0; row < GLYPH_HEIGHT; row++) {
      for (uint32_t column = 0; column < GLYPH_WIDTH; column++) {
        if ((rows[row] >> (GLYPH_WIDTH - 1 - column) & 1) != 0) {
          dot(page, x + column, y + row, with);
        }
      }
    }
  }
}

// Value `place` of the split as a grey level that a screen can show.
static uint8_t level_of(const sht_split *split, uint64_t place) {
  if (split->type == SHT_PIXEL_U8) {
    return ((const uint8_t *)split->pixels)[place];
  }
  int level = (((const int16_t *)split->pixels)[place] + 32) / 64;
  return (uint8_t)(level < 0 ? 0 : (level > 255 ? 255 : level));
}

static void draw_image(const sheet *page, const sht_split *split, uint64_t example, uint32_t x, uint32_t y) {
  for (uint32_t row = 0; row < split->height; row++) {
    for (uint32_t column = 0; column < split->width; column++) {
      uint64_t place = ((example * split->height + row) * split->width + column) * split->channels;
      colour with;
      for (uint32_t c = 0; c < BYTES_A_PIXEL; c++) {
        with[c] = level_of(split, place + (split->channels == BYTES_A_PIXEL ? c : 0));
      }
      fill(page, x + column * ZOOM, y + row * ZOOM, ZOOM, ZOOM, with);
    }
  }
}

// Width of a cell without its margin: the image, or the longest name.
static uint32_t cell_width(const sht_dataset *data) {
  uint32_t width = data->train.width * ZOOM + 2 * FRAME;
  for (uint32_t k = 0; k < data->classes; k++) {
    uint32_t needed = (uint32_t)strlen(data->class_names[k]) * LETTER;
    width = needed > width ? needed : width;
  }
  return width;
}

static void draw_cell(const sheet *page, const sht_dataset *data, uint64_t example, uint32_t x, uint32_t y) {
  const sht_split *split = &data->train;
  uint32_t width = cell_width(data);
  uint32_t image_width = split->width * ZOOM;
  uint32_t image_height = split->height * ZOOM;
  bool wrong = split->labels[example] != split->true_labels[example];
  uint32_t left = x + (width - image_width) / 2;
  fill(page, left - FRAME, y, image_width + 2 * FRAME, image_height + 2 * FRAME, wrong ? changed : paper);
  draw_image(page, split, example, left, y + FRAME);
  write_text(page, x, y + image_height + 2 * FRAME + 2, width, data->class_names[split->labels[example]],
             wrong ? changed : ink);
}

static sht_status write_png(const sheet *page, const char *path, sht_error *error) {
  png_image image = {.version = PNG_IMAGE_VERSION, .width = page->width, .height = page->height};
  image.format = PNG_FORMAT_RGB;
  png_alloc_size_t size = PNG_IMAGE_PNG_SIZE_MAX(image);
  uint8_t *bytes = NULL;
  SHT_TRY(SHT_ALLOC(&bytes, size, path, error));
  sht_status status = SHT_OK;
  if (png_image_write_to_memory(&image, bytes, &size, 0, page->rgb, 0, NULL) == 0) {
    status = SHT_FAIL(error, SHT_INTERNAL, "%s: the picture cannot be packed as PNG: %s", path, image.message);
  } else {
    status = sht_file_write(path, bytes, size, error);
  }
  sht_free(bytes);
  return status;
}

sht_status sht_dataset_write_grid(const sht_dataset *data, uint32_t count, uint32_t columns, const char *path,
                                  sht_error *error) {
  if (count < 1 || count > EXAMPLES_MAX || columns < 1) {
    return SHT_FAIL(error, SHT_CONFIG,
                    "a grid of %u examples in %u columns: expected 1 to %d examples and at least 1 column", count,
                    columns, EXAMPLES_MAX);
  }
  count = count > data->train.count ? (uint32_t)data->train.count : count;
  columns = columns > count ? count : columns;
  uint32_t rows = (count + columns - 1) / columns;
  uint64_t step_x = cell_width(data) + MARGIN;
  uint64_t step_y = (uint64_t)data->train.height * ZOOM + (uint64_t)2 * FRAME + TEXT_BAND + MARGIN / 2;
  uint64_t width = MARGIN + columns * step_x;
  uint64_t height = MARGIN + rows * step_y;
  if (width > 65535 || height > 65535 || width * height > (uint64_t)1 << 28) {
    return SHT_FAIL(error, SHT_CONFIG,
                    "a grid of %u examples in %u columns would be %" PRIu64 " x %" PRIu64
                    " pixels; show fewer examples",
                    count, columns, width, height);
  }
  sheet page = {.width = (uint32_t)width, .height = (uint32_t)height};
  SHT_TRY(SHT_ALLOC(&page.rgb, width * height * BYTES_A_PIXEL, "picture", error));
  memset(page.rgb, 255, width * height * BYTES_A_PIXEL);
  for (uint32_t i = 0; i < count; i++) {
    draw_cell(&page, data, i, MARGIN + i % columns * (uint32_t)step_x, MARGIN + i / columns * (uint32_t)step_y);
  }
  sht_status status = write_png(&page, path, error);
  sht_free(page.rgb);
  return status;
}
