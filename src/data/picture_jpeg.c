// JPEG pictures, through libjpeg.
#include <setjmp.h>
#include <stdio.h>
// after stdio.h, which it needs
#include <jerror.h>
#include <jpeglib.h>

#include "data/picture.h"

enum {
  // A block of 64 pixels has one bit at the least, but in arithmetic coding
  PIXELS_A_BYTE = 64 * 8,
  // Of a progressive picture; encoders make about ten. Each costs a pass over all coefficients.
  SCANS_MAX = 500,
};

// All that libjpeg's jumps must not lose.
typedef struct reader {
  struct jpeg_decompress_struct jpeg;
  struct jpeg_error_mgr errors;
  struct jpeg_progress_mgr progress;
  const sht__picture_source *source;
  sht__picture *out;
  sht_error *error;
  jmp_buf back;
  char reason[JMSG_LENGTH_MAX];
} reader;

static void on_error(j_common_ptr jpeg) {
  reader *r = jpeg->client_data;
  jpeg->err->format_message(jpeg, r->reason);
  longjmp(r->back, 1);  // NOLINT(cert-err52-cpp): the only way out of libjpeg
}

// Warnings (a level below 0) are of damaged data, which libjpeg would go on from with grey; a few are not of the
// pixels.
static void on_message(j_common_ptr jpeg, int level) {
  const int code = jpeg->err->msg_code;
  if (level < 0 && code != JWRN_ADOBE_XFORM && code != JWRN_JFIF_MAJOR && code != JWRN_NOT_SEQUENTIAL &&
      code != JWRN_BOGUS_ICC) {
    on_error(jpeg);
  }
}

static void on_progress(j_common_ptr jpeg) {
  reader *r = jpeg->client_data;
  if (r->jpeg.input_scan_number > SCANS_MAX) {
    (void)snprintf(r->reason, sizeof r->reason, "more than %d scans", SCANS_MAX);
    longjmp(r->back, 1);  // NOLINT(cert-err52-cpp): the only way out of libjpeg
  }
}

static sht_status read_header(reader *r) {
  (void)jpeg_read_header(&r->jpeg, TRUE);
  const J_COLOR_SPACE space = r->jpeg.jpeg_color_space;
  if (space != JCS_GRAYSCALE && space != JCS_YCbCr && space != JCS_RGB) {
    return SHT_FAIL(r->error, SHT_DATA, "%s: a JPEG picture %s, expected grey or RGB; save it as one of them",
                    r->source->path,
                    space == JCS_CMYK || space == JCS_YCCK ? "in CMYK, for printing" : "in unknown colours");
  }
  const uint32_t shape[3] = {r->jpeg.image_height, r->jpeg.image_width, space == JCS_GRAYSCALE ? 1 : 3};
  return sht__picture_set_shape(r->source, shape, r->jpeg.arith_code ? 0 : PIXELS_A_BYTE, r->out, r->error);
}

static sht_status read_rows(reader *r) {
  r->jpeg.out_color_space = r->out->channels == 1 ? JCS_GRAYSCALE : JCS_RGB;
  r->jpeg.dct_method = JDCT_ISLOW;
  SHT_TRY(sht__picture_allocate(r->source, r->out, r->error));
  (void)jpeg_start_decompress(&r->jpeg);
  const uint64_t row_bytes = (uint64_t)r->out->width * r->out->channels;
  while (r->jpeg.output_scanline < r->jpeg.output_height) {
    JSAMPROW row = r->out->pixels + r->jpeg.output_scanline * row_bytes;
    (void)jpeg_read_scanlines(&r->jpeg, &row, 1);
  }
  (void)jpeg_finish_decompress(&r->jpeg);  // reads on to the end, so that nothing is missing there
  return SHT_OK;
}

// libjpeg jumps back here from anything that it cannot read. What was made until then is in *r.
static sht_status guarded(reader *r) {
  if (setjmp(r->back) != 0) {  // NOLINT(cert-err52-cpp): how libjpeg reports
    return sht__picture_fail(r->source, "JPEG", r->reason, r->error);
  }
  jpeg_create_decompress(&r->jpeg);
  r->jpeg.progress = &r->progress;
  jpeg_stdio_src(&r->jpeg, r->source->file);
  SHT_TRY(read_header(r));
  return r->source->whole ? read_rows(r) : SHT_OK;
}

sht_status sht__picture_jpeg(const sht__picture_source *source, sht__picture *out, sht_error *error) {
  reader r = {.source = source, .out = out, .error = error};
  r.jpeg.err = jpeg_std_error(&r.errors);
  r.jpeg.client_data = &r;
  r.errors.error_exit = on_error;
  r.errors.emit_message = on_message;
  r.progress.progress_monitor = on_progress;
  sht_status status = guarded(&r);
  jpeg_destroy_decompress(&r.jpeg);
  return status;
}
