// NPY files: see npy.h. The header is a Python dictionary, which the small scanner here reads without allocating.
#include "data/npy.h"

#include <ctype.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"

enum { MAGIC_SIZE = 6, HEADER_START_1 = 10, HEADER_START_2 = 12, ALIGNMENT = 64, HEADER_MAX = 512 };

static const char magic[MAGIC_SIZE] = "\x93NUMPY";

// Where the scanner is in the header's text.
typedef struct scanner {
  const char *name;  // of the file
  const unsigned char *start;
  const unsigned char *at;
  const unsigned char *end;
  uint64_t offset;  // of `start` in the file
  sht_error *error;
} scanner;

static sht_status fail_header(const scanner *scan, const char *expected) {
  return SHT_FAIL(scan->error, SHT_DATA,
                  "%s: NPY header, byte %" PRIu64 ": expected %s; write the file again with numpy.save", scan->name,
                  scan->offset + (uint64_t)(scan->at - scan->start), expected);
}

static void skip_blanks(scanner *scan) {
  while (scan->at < scan->end && isspace(*scan->at)) {
    scan->at++;
  }
}

// Takes `token` (after blanks) when it is next.
static bool take(scanner *scan, const char *token) {
  skip_blanks(scan);
  size_t length = strlen(token);
  if ((size_t)(scan->end - scan->at) < length || memcmp(scan->at, token, length) != 0) {
    return false;
  }
  scan->at += length;
  return true;
}

static sht_status take_text(scanner *scan, char *out, size_t size) {
  skip_blanks(scan);
  unsigned char quote = scan->at < scan->end ? *scan->at : 0;
  if (quote != '\'' && quote != '"') {
    return fail_header(scan, "a quoted text");
  }
  const unsigned char *close = memchr(scan->at + 1, quote, (size_t)(scan->end - scan->at - 1));
  if (close == NULL || (size_t)(close - scan->at - 1) >= size) {
    return fail_header(scan, "a short text that ends with its quote");
  }
  size_t length = (size_t)(close - scan->at - 1);
  memcpy(out, scan->at + 1, length);
  out[length] = '\0';
  scan->at = close + 1;
  return SHT_OK;
}

static sht_status take_number(scanner *scan, uint64_t *out) {
  skip_blanks(scan);
  if (scan->at == scan->end || !isdigit(*scan->at)) {
    return fail_header(scan, "a size");
  }
  *out = 0;
  for (; scan->at < scan->end && isdigit(*scan->at); scan->at++) {
    if (!sht_size_mul(*out, 10, out) || !sht_size_add(*out, (uint64_t)(*scan->at - '0'), out)) {
      return fail_header(scan, "a size below 2^64");
    }
  }
  return SHT_OK;
}

static sht_status take_shape(scanner *scan, sht_npy *out) {
  if (!take(scan, "(")) {
    return fail_header(scan, "a shape such as (50000,)");
  }
  out->rank = 0;
  while (!take(scan, ")")) {
    if (out->rank == SHT_NPY_RANK_MAX) {
      return fail_header(scan, "at most 8 dimensions");
    }
    SHT_TRY(take_number(scan, &out->dims[out->rank]));
    out->rank++;
    if (!take(scan, ",") && !(scan->at < scan->end && *scan->at == ')')) {
      return fail_header(scan, "a comma or ) in the shape");
    }
  }
  return SHT_OK;
}

// "<i8": byte order, kind, bytes an element.
static sht_status take_type(scanner *scan, sht_npy *out) {
  char type[8] = "";
  SHT_TRY(take_text(scan, type, sizeof type));
  bool sized = strlen(type) == 3 && strchr("<>|=", type[0]) != NULL && strchr("iufb", type[1]) != NULL &&
               strchr("1248", type[2]) != NULL;
  out->item = sized ? (uint32_t)(type[2] - '0') : 0;
  if (!sized || (type[1] == 'f' && out->item == 1) || (type[1] == 'b' && out->item != 1)) {
    return fail_header(scan, "a plain numeric type such as <i8, |u1 or <f4 before this place");
  }
  out->kind = type[1];
  out->big_endian = type[0] == '>';
  return SHT_OK;
}

static sht_status take_entry(scanner *scan, sht_npy *out, unsigned *seen) {
  char key[16];
  SHT_TRY(take_text(scan, key, sizeof key));
  if (!take(scan, ":")) {
    return fail_header(scan, "a colon");
  }
  if (strcmp(key, "descr") == 0) {
    *seen |= 1;
    return take_type(scan, out);
  }
  if (strcmp(key, "shape") == 0) {
    *seen |= 2;
    return take_shape(scan, out);
  }
  if (strcmp(key, "fortran_order") != 0) {
    return fail_header(scan, "one of the keys descr, fortran_order, shape before this place");
  }
  *seen |= 4;
  out->fortran = take(scan, "True");
  return out->fortran || take(scan, "False") ? SHT_OK : fail_header(scan, "True or False");
}

static sht_status take_dictionary(scanner *scan, sht_npy *out) {
  unsigned seen = 0;
  if (!take(scan, "{")) {
    return fail_header(scan, "{");
  }
  while (!take(scan, "}")) {
    SHT_TRY(take_entry(scan, out, &seen));
    if (!take(scan, ",") && !(scan->at < scan->end && *scan->at == '}')) {
      return fail_header(scan, "a comma or }");
    }
  }
  skip_blanks(scan);
  if (scan->at != scan->end || seen != 7) {
    return fail_header(scan, "exactly the keys descr, fortran_order and shape");
  }
  return SHT_OK;
}

// Finds the header's text; the version decides how its length is written.
static sht_status find_header(const char *name, const unsigned char *bytes, uint64_t size, scanner *out,
                              sht_error *error) {
  if (size < HEADER_START_2 || memcmp(bytes, magic, MAGIC_SIZE) != 0) {
    return SHT_FAIL(error, SHT_DATA,
                    "%s: byte 0: expected an NPY file (\\x93NUMPY and a header); write it with numpy.save", name);
  }
  if (bytes[6] < 1 || bytes[6] > 3) {
    return SHT_FAIL(error, SHT_DATA, "%s: byte 6: NPY version %d, expected 1, 2 or 3; write it with numpy.save", name,
                    bytes[6]);
  }
  uint64_t start = bytes[6] == 1 ? HEADER_START_1 : HEADER_START_2;
  uint64_t length = (uint64_t)bytes[8] | (uint64_t)bytes[9] << 8;
  if (bytes[6] > 1) {
    length |= (uint64_t)bytes[10] << 16 | (uint64_t)bytes[11] << 24;
  }
  if (size - start < length) {
    return SHT_FAIL(error, SHT_DATA,
                    "%s: the NPY header should be %" PRIu64 " bytes from byte %" PRIu64
                    ", the file ends at byte %" PRIu64 "; it is cut short, copy or write it again",
                    name, length, start, size);
  }
  *out = (scanner){.name = name,
                   .start = bytes + start,
                   .at = bytes + start,
                   .end = bytes + start + length,
                   .offset = start,
                   .error = error};
  return SHT_OK;
}

sht_status sht__npy_parse(const char *name, const void *bytes, uint64_t size, sht_npy *out, sht_error *error) {
  *out = (sht_npy){0};
  scanner scan = {0};
  SHT_TRY(find_header(name, bytes, size, &scan, error));
  SHT_TRY(take_dictionary(&scan, out));
  out->count = 1;
  uint64_t needed = 0;
  bool fits = true;
  for (int i = 0; i < out->rank; i++) {
    fits = fits && sht_size_mul(out->count, out->dims[i], &out->count);
  }
  fits = fits && sht_size_mul(out->count, out->item, &needed);
  uint64_t start = (uint64_t)(scan.end - (const unsigned char *)bytes);
  if (!fits || needed != size - start) {
    return SHT_FAIL(error, SHT_DATA,
                    "%s: %" PRIu64 " bytes after the NPY header (from byte %" PRIu64 "), expected %s%" PRIu64
                    " as its shape says; copy or write it again",
                    name, size - start, start, fits ? "" : "more than ", fits ? needed : UINT64_MAX);
  }
  out->data = scan.end;
  return SHT_OK;
}

int64_t sht__npy_integer(const sht_npy *array, uint64_t index) {
  const unsigned char *bytes = array->data + index * array->item;
  const uint32_t item = array->item;
  bool negative = array->kind == 'i' && bytes[array->big_endian ? 0 : item - 1] > 127;
  uint64_t value = negative ? UINT64_MAX : 0;
  for (uint32_t i = 0; i < item; i++) {
    value = value << 8 | bytes[array->big_endian ? i : item - 1 - i];
  }
  return value > INT64_MAX && !negative ? INT64_MAX : (int64_t)value;
}

// A half-precision number from its bits.
static double half_number(uint64_t bits) {
  int exponent = (int)(bits >> 10 & 31), mantissa = (int)(bits & 1023);
  double size = exponent == 0   ? ldexp(mantissa, -24)
                : exponent < 31 ? ldexp(1024 + mantissa, exponent - 25)
                : mantissa == 0 ? (double)INFINITY
                                : (double)NAN;
  return bits >> 15 ? -size : size;
}

double sht__npy_number(const sht_npy *array, uint64_t index) {
  if (array->kind != 'f') {
    return (double)sht__npy_integer(array, index);
  }
  const unsigned char *bytes = array->data + index * array->item;
  uint64_t bits = 0;
  for (uint32_t i = 0; i < array->item; i++) {
    bits = bits << 8 | bytes[array->big_endian ? i : array->item - 1 - i];
  }
  if (array->item == 2) {
    return half_number(bits);
  }
  uint32_t low = (uint32_t)bits;
  float single;
  double wide;
  memcpy(&single, &low, sizeof single);
  memcpy(&wide, &bits, sizeof wide);
  return array->item == 4 ? (double)single : wide;
}

// The header of an array of little-endian floating-point numbers of `item` bytes, padded so that the data start at a
// multiple of 64. Returns its length.
static uint64_t format_header(uint32_t item, const uint64_t *dims, int rank, char out[HEADER_MAX]) {
  memset(out, ' ', HEADER_MAX);
  int at = HEADER_START_1;
  at += snprintf(out + at, HEADER_MAX - (size_t)at, "{'descr': '<f%u', 'fortran_order': False, 'shape': (", item);
  for (int i = 0; i < rank; i++) {
    at += snprintf(out + at, HEADER_MAX - (size_t)at, "%" PRIu64 "%s", dims[i],
                   rank == 1      ? ","
                   : i + 1 < rank ? ", "
                                  : "");
  }
  at += snprintf(out + at, HEADER_MAX - (size_t)at, "), }");
  out[at] = ' ';
  uint64_t length = ((uint64_t)at + 1 + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
  out[length - 1] = '\n';
  memcpy(out, magic, MAGIC_SIZE);
  out[6] = 1;
  out[7] = 0;
  out[8] = (char)((length - HEADER_START_1) & 0xff);
  out[9] = (char)((length - HEADER_START_1) >> 8);
  return length;
}

static sht_status write_array(const char *path, const void *values, uint32_t item, const uint64_t *dims, int rank,
                              sht_error *error) {
  if (rank < 0 || rank > SHT_NPY_RANK_MAX) {
    return SHT_FAIL(error, SHT_INTERNAL, "%s: an array of %d dimensions, expected 0 to %d", path, rank,
                    SHT_NPY_RANK_MAX);
  }
  char header[HEADER_MAX];
  uint64_t header_size = format_header(item, dims, rank, header);
  uint64_t count = 1;
  uint64_t bytes = 0;
  uint64_t size = 0;
  bool fits = true;
  for (int i = 0; i < rank; i++) {
    fits = fits && sht_size_mul(count, dims[i], &count);
  }
  fits = fits && sht_size_mul(count, item, &bytes) && sht_size_add(bytes, header_size, &size);
  if (!fits) {
    return SHT_FAIL(error, SHT_MEMORY, "%s: the array is larger than a machine can address", path);
  }
  char *file = NULL;
  SHT_TRY(SHT_ALLOC(&file, size, path, error));
  memcpy(file, header, header_size);
  if (bytes > 0) {
    memcpy(file + header_size, values, bytes);  // little-endian processors only, as the whole library
  }
  sht_status status = sht_file_write(path, file, size, error);
  sht_free(file);
  return status;
}

sht_status sht_npy_write_f32(const char *path, const float *values, const uint64_t *dims, int rank, sht_error *error) {
  return write_array(path, values, sizeof *values, dims, rank, error);
}

sht_status sht_npy_write_f64(const char *path, const double *values, const uint64_t *dims, int rank, sht_error *error) {
  return write_array(path, values, sizeof *values, dims, rank, error);
}

sht_status sht__npy_read_table(const char *path, uint64_t limit, double **out, uint64_t *rows, uint64_t *columns,
                               sht_error *error) {
  char *bytes = NULL;
  uint64_t size = 0;
  sht_npy array;
  *out = NULL;
  SHT_TRY(sht_file_read(path, limit, &bytes, &size, error));
  sht_status status = sht__npy_parse(path, bytes, size, &array, error);
  if (status == SHT_OK &&
      (array.rank < 1 || array.dims[0] == 0 || array.count == 0 || (array.fortran && array.rank > 2))) {
    status = SHT_FAIL(error, SHT_DATA,
                      "%s: an array without rows, or in Fortran order with more than two dimensions; "
                      "expected [examples] or [examples][values] (numpy.ascontiguousarray)",
                      path);
  }
  if (status == SHT_OK) {
    status = SHT_ALLOC(out, array.count, path, error);
  }
  if (status == SHT_OK) {
    *rows = array.dims[0];
    // NOLINTNEXTLINE(clang-analyzer-core.DivideZero): refused above
    *columns = array.count / array.dims[0];
    for (uint64_t i = 0; i < array.count; i++) {
      uint64_t place = array.fortran ? i % *columns * *rows + i / *columns : i;
      (*out)[i] = sht__npy_number(&array, place);
    }
  }
  sht_free(bytes);
  return status;
}
