// NPY files: what NumPy itself wrote (bytes taken from numpy.save's documented layout), what we write, and every way in
// which a file can be cut or bent.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
// after the four headers that it needs
#include <cmocka.h>

#include "base/file.h"
#include "base/memory.h"
#include "data/npy.h"

// A version 1.0 file: magic, header padded to a multiple of 64, data. Returns its size.
static uint64_t make_npy(unsigned char *out, const char *dictionary, const void *data, uint64_t data_size) {
  uint64_t length = (10 + strlen(dictionary) + 1 + 63) / 64 * 64;
  memset(out, ' ', length);
  memcpy(out, "\x93NUMPY\x01\x00", 8);
  out[8] = (unsigned char)(length - 10);
  out[9] = (unsigned char)((length - 10) >> 8);
  memcpy(out + 10, dictionary, strlen(dictionary));
  out[length - 1] = '\n';
  memcpy(out + length, data, data_size);
  return length + data_size;
}

// An array of two elements, made and parsed; file: [512], which the array points into.
static sht_npy parse_pair(unsigned char *file, const char *type, const void *data, uint64_t data_size) {
  char dictionary[128];
  sht_npy array;
  (void)snprintf(dictionary, sizeof dictionary, "{'descr': '%s', 'fortran_order': False, 'shape': (2,), }", type);
  const uint64_t size = make_npy(file, dictionary, data, data_size);
  assert_int_equal(sht__npy_parse("x.npy", file, size, &array, NULL), SHT_OK);
  assert_int_equal(array.count, 2);
  return array;
}

static void integers_of_every_type(void **state) {
  (void)state;
  static const struct {
    const char *type;
    unsigned char bytes[16];
    uint64_t size;
    int64_t values[2];
  } rows[] = {
      {"|u1", {0, 255}, 2, {0, 255}},
      {"|i1", {0xff, 0x80}, 2, {-1, -128}},
      {"<i2", {0x34, 0x12, 0xfe, 0xff}, 4, {0x1234, -2}},
      {">i2", {0x12, 0x34, 0xff, 0xfe}, 4, {0x1234, -2}},
      {"<u4", {0xff, 0xff, 0xff, 0xff, 1, 0, 0, 0}, 8, {0xffffffff, 1}},
      {"<i8", {7, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, 16, {7, -1}},
      {"<u8", {7, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, 16, {7, INT64_MAX}},
  };
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    unsigned char file[512];
    const sht_npy array = parse_pair(file, rows[i].type, rows[i].bytes, rows[i].size);
    assert_true(sht__npy_integer(&array, 0) == rows[i].values[0]);
    assert_true(sht__npy_integer(&array, 1) == rows[i].values[1]);
  }
}

// Half, single and double precision: bit patterns of IEEE 754.
static void numbers_of_every_type(void **state) {
  (void)state;
  static const struct {
    const char *type;
    unsigned char bytes[16];
    uint64_t size;
    double values[2];
  } rows[] = {
      {"<f2", {0x00, 0x3c, 0x01, 0x80}, 4, {1, -0x1p-24}},
      {">f2", {0x7b, 0xff, 0xc0, 0x01}, 4, {65504, -2 - 0x1p-9}},
      {"<f4", {0, 0, 0x80, 0x3f, 1, 0, 0, 0}, 8, {1, 0x1p-149}},
      {">f4", {0xc0, 0x49, 0x0f, 0xdb, 0, 0, 0, 0}, 8, {-0x1.921fb6p1, 0}},
      {"<f8", {0, 0, 0, 0, 0, 0, 0xf0, 0x3f, 1, 0, 0, 0, 0, 0, 0, 0}, 16, {1, 0x1p-1074}},
      {"|i1", {0xff, 0x80}, 2, {-1, -128}},
  };
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    unsigned char file[512];
    const sht_npy array = parse_pair(file, rows[i].type, rows[i].bytes, rows[i].size);
    assert_true(sht__npy_number(&array, 0) == rows[i].values[0]);
    assert_true(sht__npy_number(&array, 1) == rows[i].values[1]);
  }
}

static void every_truncation_is_refused(void **state) {
  (void)state;
  static const int32_t values[6] = {1, 2, 3, 4, 5, 6};
  unsigned char file[512];
  uint64_t size = make_npy(file, "{'descr': '<i4', 'fortran_order': True, 'shape': (2, 3)}", values, sizeof values);
  sht_npy array;
  assert_int_equal(sht__npy_parse("x.npy", file, size, &array, NULL), SHT_OK);
  assert_true(array.fortran && array.rank == 2 && array.dims[0] == 2 && array.dims[1] == 3);
  for (uint64_t length = 0; length < size; length++) {
    unsigned char *copy = malloc(length + 1);
    memcpy(copy, file, length);
    sht_error error;
    assert_int_equal(sht__npy_parse("x.npy", copy, length, &array, &error), SHT_DATA);
    assert_true(strncmp(error.message, "x.npy: ", 7) == 0);
    free(copy);
  }
  file[size] = 0;
  assert_int_equal(sht__npy_parse("x.npy", file, size + 1, &array, NULL), SHT_DATA);
}

static void bent_headers_are_refused(void **state) {
  (void)state;
  static const char *const dictionaries[] = {
      "",
      "[]",
      "{}",
      "{'descr': '<i4', 'fortran_order': False}",
      "{'descr': '<i4', 'fortran_order': Maybe, 'shape': (1,)}",
      "{'descr': '<i4', 'fortran_order': False, 'shape': (1,), 'extra': 1}",
      "{'descr': '|O8', 'fortran_order': False, 'shape': (1,)}",
      "{'descr': '<f1', 'fortran_order': False, 'shape': (1,)}",
      "{'descr': [('a', '<i4')], 'fortran_order': False, 'shape': (1,)}",
      "{'descr': '<i4', 'fortran_order': False, 'shape': (-1,)}",
      "{'descr': '<i4', 'fortran_order': False, 'shape': (1 1)}",
      "{'descr': '<i4', 'fortran_order': False, 'shape': (1,)} trailing",
      "{'descr': '<i4', 'fortran_order': False, 'shape': (4294967296, 4294967296, 1)}",
      "{'descr': '<i4', 'fortran_order': False, 'shape': (4611686018427387905,)}",
      "{'descr': '<i4', 'fortran_order': False, 'shape': (99999999999999999999,)}",
      "{'descr': '<i4', 'fortran_order': False, 'shape': (1,1,1,1,1,1,1,1,1)}",
  };
  for (size_t i = 0; i < sizeof dictionaries / sizeof dictionaries[0]; i++) {
    unsigned char file[512];
    uint64_t size = make_npy(file, dictionaries[i], "\1\0\0\0", 4);
    sht_npy array;
    sht_error error = {0};
    assert_int_equal(sht__npy_parse("x.npy", file, size, &array, &error), SHT_DATA);
    assert_non_null(strchr(error.message, ';'));  // the sentence says what to do
  }
}

static void what_is_written_is_read(void **state) {
  (void)state;
  static const float values[6] = {0.5F, -1, 2, 3e30F, 4, 5};
  static const uint64_t dims[2] = {3, 2};
  char path[64];
  (void)snprintf(path, sizeof path, "/tmp/shatter-npy-%d.npy", (int)getpid());
  assert_int_equal(sht_npy_write_f32(path, values, dims, 2, NULL), SHT_OK);
  char *bytes = NULL;
  uint64_t size = 0;
  assert_int_equal(sht_file_read(path, 4096, &bytes, &size, NULL), SHT_OK);
  assert_int_equal((size - sizeof values) % 64, 0);
  assert_int_equal(bytes[size - sizeof values - 1], '\n');
  sht_npy array;
  assert_int_equal(sht__npy_parse(path, bytes, size, &array, NULL), SHT_OK);
  assert_true(array.kind == 'f' && array.item == 4 && array.rank == 2 && array.dims[0] == 3 && array.dims[1] == 2);
  assert_memory_equal(array.data, values, sizeof values);
  sht_free(bytes);
  (void)unlink(path);
  assert_int_equal(sht_npy_write_f32("/nowhere/at/all.npy", values, dims, 2, NULL), SHT_DISK);
  assert_int_equal(sht_npy_write_f32(path, values, dims, 9, NULL), SHT_INTERNAL);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(integers_of_every_type),      cmocka_unit_test(numbers_of_every_type),
      cmocka_unit_test(every_truncation_is_refused), cmocka_unit_test(bent_headers_are_refused),
      cmocka_unit_test(what_is_written_is_read),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
