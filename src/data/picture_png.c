// PNG pictures, through libpng.
#include <png.h>
#include <setjmp.h>

#include "data/picture.h"

enum {
  REASON_MAX = 128,
  // deflate packs 1032 bytes into one at the most, and a byte holds 8 pixels at the most
  PIXELS_A_BYTE = 1032 * 8,
};

// All that libpng's jumps must not lose.
typedef struct reader {
  const sht__picture_source *source;
  sht__picture *out;
  sht_error *error;
  png_structp png;
  png_infop info;
  char reason[REASON_MAX];
} reader;

static void on_error(png_structp png, png_const_charp reason) {
  reader *r = png_get_error_ptr(png);
  (void)snprintf(r->reason, sizeof r->reason, "%s", reason);
  png_longjmp(png, 1);
}

// Warnings are of what lies beside the pixels, such as a colour profile.
static void on_warning(png_structp png, png_const_charp reason) {
  (void)png;
  (void)reason;
}

static void read_bytes(png_structp png, png_bytep out, size_t size) {
  FILE *file = png_get_io_ptr(png);
  if (fread(out, 1, size, file) != size) {
    png_error(png, ferror(file) != 0 ? "it cannot be read" : "it ends too early");
  }
}

static sht_status read_header(reader *r) {
  png_set_read_fn(r->png, r->source->file, read_bytes);
  png_set_user_limits(r->png, 0x7fffffff, 0x7fffffff);  // ours are checked below, with a sentence
  png_read_info(r->png, r->info);
  const bool grey = (png_get_color_type(r->png, r->info) & PNG_COLOR_MASK_COLOR) == 0;
  const uint32_t shape[3] = {png_get_image_height(r->png, r->info), png_get_image_width(r->png, r->info), grey ? 1 : 3};
  return sht__picture_set_shape(r->source, shape, PIXELS_A_BYTE, r->out, r->error);
}

// Whatever the file holds, rows come as bytes of grey or RGB.
static void ask_for_bytes(reader *r) {
  png_set_expand(r->png);
  png_set_scale_16(r->png);
  png_set_strip_alpha(r->png);
}

static sht_status read_rows(reader *r) {
  ask_for_bytes(r);
  const int passes = png_set_interlace_handling(r->png);
  png_read_update_info(r->png, r->info);
  const uint64_t row_bytes = (uint64_t)r->out->width * r->out->channels;
  if (png_get_rowbytes(r->png, r->info) != row_bytes) {
    return SHT_FAIL(r->error, SHT_INTERNAL, "%s: libpng gives rows of another length than asked for; please report it",
                    r->source->path);
  }
  SHT_TRY(sht__picture_allocate(r->source, r->out, r->error));
  for (int pass = 0; pass < passes; pass++) {
    for (uint64_t y = 0; y < r->out->height; y++) {
      png_read_row(r->png, r->out->pixels + y * row_bytes, NULL);
    }
  }
  png_read_end(r->png, NULL);  // that nothing is missing behind the pixels
  return SHT_OK;
}

// libpng jumps back here from anything that it cannot read. What was made until then is in *r.
static sht_status guarded(reader *r) {
  if (setjmp(png_jmpbuf(r->png)) != 0) {  // NOLINT(cert-err52-cpp): how libpng reports
    return sht__picture_fail(r->source, "PNG", r->reason, r->error);
  }
  SHT_TRY(read_header(r));
  return r->source->whole ? read_rows(r) : SHT_OK;
}

sht_status sht__picture_png(const sht__picture_source *source, sht__picture *out, sht_error *error) {
  reader r = {.source = source, .out = out, .error = error};
  r.png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &r, on_error, on_warning);
  r.info = r.png == NULL ? NULL : png_create_info_struct(r.png);
  sht_status status =
      r.info == NULL ? SHT_FAIL(error, SHT_MEMORY, "%s: no memory for libpng", source->path) : guarded(&r);
  png_destroy_read_struct(&r.png, &r.info, NULL);
  return status;
}
