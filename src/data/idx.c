// IDX files: see idx.h.
#include "data/idx.h"

#include <inttypes.h>
#include <limits.h>
#include <string.h>
#include <zlib.h>

#include "base/memory.h"
#include "data/dataset.h"

enum {
  HEADER_LEAST = 4,
  HEADER_MOST = 4 + 4 * SHT_IDX_RANK_MAX,
  UNSIGNED_BYTE = 8,
  GZIP_LEAST = 18,
  GZIP_WINDOW = 15 + 16,  // zlib: largest window, gzip only
  DEFLATE_RATIO_MAX = 1032,
  CHUNK = 1 << 30,
};

static uint64_t big_endian_32(const unsigned char *bytes) {
  return (uint64_t)bytes[0] << 24 | (uint64_t)bytes[1] << 16 | (uint64_t)bytes[2] << 8 | bytes[3];
}

// Reads the header in the first bytes of a file; `total` is the size that the whole file must have.
static sht_status parse_header(const char *path, const unsigned char *bytes, uint64_t size, sht_idx *out,
                               uint64_t *total, sht_error *error) {
  *out = (sht_idx){0};
  if (size < HEADER_LEAST) {
    return SHT_FAIL(error, SHT_DATA, "%s: the file ends at byte %" PRIu64 ", expected an IDX header; fetch it again",
                    path, size);
  }
  if (bytes[0] != 0 || bytes[1] != 0 || bytes[2] != UNSIGNED_BYTE || bytes[3] < 1 || bytes[3] > SHT_IDX_RANK_MAX) {
    return SHT_FAIL(
        error, SHT_DATA,
        "%s: byte 0: %02x %02x %02x %02x, expected 00 00 08 and 01 to 04 (IDX of unsigned bytes); is it the "
        "right file?",
        path, bytes[0], bytes[1], bytes[2], bytes[3]);
  }
  out->rank = bytes[3];
  *total = HEADER_LEAST + 4 * (uint64_t)out->rank;
  if (size < *total) {
    return SHT_FAIL(error, SHT_DATA, "%s: the file ends at byte %" PRIu64 ", inside the IDX header; fetch it again",
                    path, size);
  }
  out->count = 1;
  bool fits = true;
  for (int i = 0; i < out->rank; i++) {
    out->dims[i] = big_endian_32(bytes + HEADER_LEAST + (ptrdiff_t)4 * i);
    fits = fits && out->dims[i] > 0 && sht_size_mul(out->count, out->dims[i], &out->count);
  }
  if (!fits || !sht_size_add(*total, out->count, total) || *total > SHT_DATA_FILE_MAX) {
    return SHT_FAIL(error, SHT_DATA,
                    "%s: byte 4: sizes %" PRIu64 ", %" PRIu64 ", %" PRIu64 ", %" PRIu64
                    " (rank %d), expected none of them 0 and at most 16 GiB in all; fetch it again",
                    path, out->dims[0], out->dims[1], out->dims[2], out->dims[3], out->rank);
  }
  return SHT_OK;
}

sht_status sht__idx_parse(const char *path, const unsigned char *bytes, uint64_t size, sht_idx *out, sht_error *error) {
  uint64_t total = 0;
  SHT_TRY(parse_header(path, bytes, size, out, &total, error));
  if (size != total) {
    return SHT_FAIL(error, SHT_DATA,
                    "%s: %" PRIu64 " bytes, expected %" PRIu64
                    " from its header; the file is %s, fetch or copy it again",
                    path, size, total, size < total ? "cut short" : "followed by something else");
  }
  out->data = bytes + (total - out->count);
  return SHT_OK;
}

// Unpacks until `wanted` bytes are there, the stream ends or the input does. zlib counts in 32 bits, so in chunks.
static int inflate_some(z_stream *stream, uint64_t *input_left, unsigned char *out, uint64_t wanted, uint64_t *got) {
  int result = Z_OK;
  *got = 0;
  while (result == Z_OK && *got < wanted) {
    if (stream->avail_in == 0) {
      stream->avail_in = (uInt)(*input_left < CHUNK ? *input_left : CHUNK);
      *input_left -= stream->avail_in;
    }
    uint64_t room = wanted - *got;
    stream->next_out = out + *got;
    stream->avail_out = (uInt)(room < CHUNK ? room : CHUNK);
    uInt before = stream->avail_out;
    result = inflate(stream, Z_NO_FLUSH);
    *got += before - stream->avail_out;
  }
  return result;
}

static sht_status fail_gzip(const char *path, int result, const z_stream *stream, sht_error *error) {
  if (result == Z_BUF_ERROR || result == Z_OK) {
    return SHT_FAIL(error, SHT_DATA, "%s: byte %lu: the gzip file is cut short; fetch or copy it again", path,
                    stream->total_in);
  }
  if (result == Z_MEM_ERROR) {
    return SHT_FAIL(error, SHT_MEMORY, "%s: no memory for unpacking it", path);
  }
  return SHT_FAIL(error, SHT_DATA, "%s: byte %lu: the gzip file is damaged (%s); fetch or copy it again", path,
                  stream->total_in, stream->msg == NULL ? "a dictionary is asked for" : stream->msg);
}

// The size of the unpacked file from its first bytes, compared with what the packed file can hold.
static sht_status plan_size(const char *path, const unsigned char *bytes, uint64_t size, const unsigned char *head,
                            uint64_t head_size, uint64_t *total, sht_error *error) {
  sht_idx header;
  SHT_TRY(parse_header(path, head, head_size, &header, total, error));
  uint64_t noted = bytes[size - 4] | (uint64_t)bytes[size - 3] << 8 | (uint64_t)bytes[size - 2] << 16 |
                   (uint64_t)bytes[size - 1] << 24;
  if (*total / DEFLATE_RATIO_MAX > size || (*total & 0xffffffff) != noted) {
    return SHT_FAIL(error, SHT_DATA,
                    "%s: the IDX header asks for %" PRIu64 " bytes, but gzip noted %" PRIu64 " (byte %" PRIu64
                    " of %" PRIu64 "); the file is cut short, damaged or followed by something else, fetch it again",
                    path, *total, noted, size - 4, size);
  }
  return SHT_OK;
}

static sht_status unpack_all(const char *path, const unsigned char *bytes, uint64_t size, z_stream *stream,
                             unsigned char **out, uint64_t *out_size, sht_error *error) {
  unsigned char head[HEADER_MOST];
  uint64_t left = size;
  uint64_t head_size = 0;
  stream->next_in = (unsigned char *)bytes;
  int result = inflate_some(stream, &left, head, sizeof head, &head_size);
  if (result != Z_OK && result != Z_STREAM_END) {
    return fail_gzip(path, result, stream, error);
  }
  SHT_TRY(plan_size(path, bytes, size, head, head_size, out_size, error));
  SHT_TRY(SHT_ALLOC(out, *out_size + 1, path, error));
  uint64_t copied = head_size < *out_size ? head_size : *out_size;
  memcpy(*out, head, copied);
  uint64_t got = 0;
  if (result == Z_OK) {
    result = inflate_some(stream, &left, *out + copied, *out_size + 1 - copied, &got);
  }
  if (head_size + got > *out_size || (result == Z_STREAM_END && head_size + got < *out_size)) {
    return SHT_FAIL(error, SHT_DATA,
                    "%s: unpacked it holds %s than the %" PRIu64 " bytes of its IDX header; fetch it again", path,
                    head_size + got > *out_size ? "more" : "less", *out_size);
  }
  if (result != Z_STREAM_END) {
    return fail_gzip(path, result, stream, error);
  }
  if (left + stream->avail_in > 0) {
    return SHT_FAIL(error, SHT_DATA,
                    "%s: byte %lu: something follows the gzip data; unpack it with gunzip or fetch it again", path,
                    stream->total_in);
  }
  return SHT_OK;
}

sht_status sht__idx_unpack(const char *path, const unsigned char *bytes, uint64_t size, unsigned char **out,
                           uint64_t *out_size, sht_error *error) {
  *out = NULL;
  if (size < GZIP_LEAST) {
    return SHT_FAIL(error, SHT_DATA, "%s: the gzip file ends at byte %" PRIu64 "; fetch or copy it again", path, size);
  }
  z_stream stream = {0};
  if (inflateInit2(&stream, GZIP_WINDOW) != Z_OK) {
    return SHT_FAIL(error, SHT_MEMORY, "%s: no memory for unpacking it", path);
  }
  sht_status status = unpack_all(path, bytes, size, &stream, out, out_size, error);
  (void)inflateEnd(&stream);
  if (status != SHT_OK) {
    sht_free(*out);
    *out = NULL;
  }
  return status;
}
