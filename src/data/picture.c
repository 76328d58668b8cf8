// What both formats of pictures share: see picture.h.
#include "data/picture.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"

sht_status sht__picture_fail(const sht__picture_source *source, const char *format, const char *reason,
                             sht_error *error) {
  return SHT_FAIL(error, SHT_DATA, "%s: the %s data is damaged or cut off (%s); save or copy the picture again",
                  source->path, format, reason);
}

sht_status sht__picture_set_shape(const sht__picture_source *source, const uint32_t shape[3], uint64_t ratio,
                                  sht__picture *out, sht_error *error) {
  const uint32_t height = shape[0];
  const uint32_t width = shape[1];
  if (height < 1 || width < 1 || height > SHT_PICTURE_SIDE_MAX || width > SHT_PICTURE_SIDE_MAX) {
    return SHT_FAIL(error, SHT_DATA, "%s: %ux%u pixels (height x width), expected sides from 1 to %d; scale it down",
                    source->path, height, width, SHT_PICTURE_SIDE_MAX);
  }
  if (ratio != 0 && (uint64_t)height * width / ratio > source->size) {
    return SHT_FAIL(error, SHT_DATA,
                    "%s: %ux%u pixels cannot be held in %" PRIu64
                    " bytes; the file is damaged or cut off, save or copy it again",
                    source->path, height, width, source->size);
  }
  *out = (sht__picture){.height = height, .width = width, .channels = shape[2]};
  return SHT_OK;
}

sht_status sht__picture_allocate(const sht__picture_source *source, sht__picture *out, sht_error *error) {
  return SHT_ALLOC(&out->pixels, (uint64_t)out->height * out->width * out->channels, source->path, error);
}

sht_status sht__picture_decode(const sht__picture_source *source, sht__picture *out, sht_error *error) {
  static const unsigned char png[8] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};
  static const unsigned char jpeg[3] = {0xff, 0xd8, 0xff};
  unsigned char head[8] = {0};
  *out = (sht__picture){0};
  if (source->size == 0) {
    return SHT_FAIL(error, SHT_DATA, "%s: the file is empty; save or copy the picture again, or take it away",
                    source->path);
  }
  size_t got = fread(head, 1, sizeof head, source->file);
  if (ferror(source->file) != 0) {
    return SHT_FAIL(error, SHT_DISK, "%s: cannot be read: %s", source->path, strerror(errno));
  }
  rewind(source->file);
  if (got == sizeof png && memcmp(head, png, sizeof png) == 0) {
    return sht__picture_png(source, out, error);
  }
  if (got >= sizeof jpeg && memcmp(head, jpeg, sizeof jpeg) == 0) {
    return sht__picture_jpeg(source, out, error);
  }
  return SHT_FAIL(
      error, SHT_DATA,
      "%s: neither a PNG nor a JPEG picture, whatever its name says; save it as one of them, or take it away",
      source->path);
}

static sht_status open_and_decode(const char *path, bool whole, sht__picture *out, sht_error *error) {
  sht__picture_source source = {.path = path, .whole = whole};
  *out = (sht__picture){0};
  SHT_TRY(sht_file_size(path, &source.size, error));
  source.file = fopen(path, "rbe");
  if (source.file == NULL) {
    return SHT_FAIL(error, SHT_DISK, "%s: cannot be opened: %s; check its permissions", path, strerror(errno));
  }
  sht_status status = sht__picture_decode(&source, out, error);
  (void)fclose(source.file);
  return status;
}

sht_status sht__picture_measure(const char *path, sht__picture *out, sht_error *error) {
  return open_and_decode(path, false, out, error);
}

sht_status sht__picture_read(const char *path, sht__picture *out, sht_error *error) {
  return open_and_decode(path, true, out, error);
}

void sht__picture_close(sht__picture *picture) {
  sht_free(picture->pixels);
  picture->pixels = NULL;
}
