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
    {'-', {0x00, 0x00, 0x00, 0x0e, 0x00, 0x00, 0x00}}, {'+', {0x00, 0x04, 0x04, 0x1f, 0x04, 0x04, 0x00}},
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

// What is shown: the examples one after the other, or with a pipeline its variants, a row for each example.
typedef struct gallery {
  const sht_dataset *data;
  const sht_pipeline *variants;  // or NULL
  uint32_t columns;
  uint32_t height, width;  // of a picture
  uint8_t *levels;         // [height][width][channels] the picture at hand
} gallery;

static uint64_t example_of(const gallery *g, uint32_t cell) { return g->variants == NULL ? cell : cell / g->columns; }

// An image of the split in grey levels that a screen can show.
static void copy_image(const sht_split *split, uint64_t example, uint8_t *levels) {
  const uint64_t values = (uint64_t)split->height * split->width * split->channels;
  if (split->type == SHT_PIXEL_U8) {
    memcpy(levels, (const uint8_t *)split->pixels + example * values, values);
    return;
  }
  const int16_t *parts = (const int16_t *)split->pixels + example * values;
  for (uint64_t i = 0; i < values; i++) {
    int level = (parts[i] + 32) / 64;
    levels[i] = (uint8_t)(level < 0 ? 0 : (level > 255 ? 255 : level));
  }
}

// First in its row: the image as it is evaluated; then as it is trained on in the first epochs.
static void take_picture(const gallery *g, uint32_t cell) {
  uint32_t place = cell % g->columns;
  if (g->variants == NULL) {
    copy_image(&g->data->train, cell, g->levels);
    return;
  }
  sht_pipeline pipeline = *g->variants;
  if (place == 0) {
    pipeline.augment = (sht_augmentation){0};
  }
  sht_pipeline_levels(&pipeline, place == 0 ? 0 : place - 1, (uint32_t)example_of(g, cell), g->levels);
}

static void draw_picture(const sheet *page, const gallery *g, uint32_t x, uint32_t y) {
  const uint32_t channels = g->data->train.channels;
  const uint8_t *level = g->levels;
  for (uint32_t row = 0; row < g->height; row++) {
    for (uint32_t column = 0; column < g->width; column++, level += channels) {
      colour with;
      for (uint32_t c = 0; c < BYTES_A_PIXEL; c++) {
        with[c] = level[channels == BYTES_A_PIXEL ? c : 0];
      }
      fill(page, x + column * ZOOM, y + row * ZOOM, ZOOM, ZOOM, with);
    }
  }
}

// Width of a cell without its margin: the picture, or the longest name.
static uint32_t cell_width(const gallery *g) {
  uint32_t width = g->width * ZOOM + 2 * FRAME;
  for (uint32_t k = 0; k < g->data->classes; k++) {
    uint32_t needed = (uint32_t)strlen(g->data->class_names[k]) * LETTER;
    width = needed > width ? needed : width;
  }
  return width;
}

static uint64_t cell_height(const gallery *g) {
  return (uint64_t)g->height * ZOOM + (uint64_t)2 * FRAME + TEXT_BAND + MARGIN / 2;
}

static void draw_cell(const sheet *page, const gallery *g, uint32_t cell, uint32_t x, uint32_t y) {
  const sht_split *split = &g->data->train;
  uint64_t example = example_of(g, cell);
  uint32_t width = cell_width(g);
  uint32_t picture_width = g->width * ZOOM;
  uint32_t picture_height = g->height * ZOOM;
  bool wrong = split->labels[example] != split->true_labels[example];
  uint32_t left = x + (width - picture_width) / 2;
  fill(page, left - FRAME, y, picture_width + 2 * FRAME, picture_height + 2 * FRAME, wrong ? changed : paper);
  take_picture(g, cell);
  draw_picture(page, g, left, y + FRAME);
  write_text(page, x, y + picture_height + 2 * FRAME + 2, width, g->data->class_names[split->labels[example]],
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

// Sets the size of the page.
static sht_status plan_page(const gallery *g, uint32_t cells, sheet *page, sht_error *error) {
  uint32_t rows = (cells + g->columns - 1) / g->columns;
  uint64_t width = MARGIN + (uint64_t)g->columns * (cell_width(g) + MARGIN);
  uint64_t height = MARGIN + rows * cell_height(g);
  if (width > 65535 || height > 65535 || width * height > (uint64_t)1 << 28) {
    return SHT_FAIL(error, SHT_CONFIG,
                    "a grid of %u pictures in %u columns would be %" PRIu64 " x %" PRIu64
                    " pixels; show fewer examples",
                    cells, g->columns, width, height);
  }
  *page = (sheet){.width = (uint32_t)width, .height = (uint32_t)height};
  return SHT_OK;
}

static sht_status draw_page(gallery *g, uint32_t cells, const char *path, sht_error *error) {
  sheet page = {0};
  SHT_TRY(plan_page(g, cells, &page, error));
  uint64_t bytes = (uint64_t)page.width * page.height * BYTES_A_PIXEL;
  SHT_TRY(SHT_ALLOC(&page.rgb, bytes, "picture", error));
  sht_status status = SHT_ALLOC(&g->levels, (uint64_t)g->height * g->width * g->data->train.channels, "picture", error);
  if (status == SHT_OK) {
    memset(page.rgb, 255, bytes);
    for (uint32_t i = 0; i < cells; i++) {
      draw_cell(&page, g, i, MARGIN + i % g->columns * (cell_width(g) + MARGIN),
                MARGIN + i / g->columns * (uint32_t)cell_height(g));
    }
    status = write_png(&page, path, error);
  }
  sht_free(g->levels);
  sht_free(page.rgb);
  return status;
}

sht_status sht_dataset_write_grid(const sht_dataset *data, const sht_pipeline *variants, uint32_t count,
                                  uint32_t columns, const char *path, sht_error *error) {
  if (count < 1 || count > EXAMPLES_MAX || columns < 1) {
    return SHT_FAIL(error, SHT_CONFIG,
                    "a grid of %u pictures in %u columns: expected 1 to %d pictures and at least 1 column", count,
                    columns, EXAMPLES_MAX);
  }
  uint64_t most = data->train.count * (variants == NULL ? 1 : columns);
  count = count > most ? (uint32_t)most : count;
  gallery g = {.data = data,
               .variants = variants,
               .columns = columns > count ? count : columns,
               .height = variants == NULL ? data->train.height : variants->height,
               .width = variants == NULL ? data->train.width : variants->width};
  return draw_page(&g, count, path, error);
}
