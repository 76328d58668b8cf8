// IDX files on tiny arrays: plain, packed, cut at every length, damaged at every byte, hostile sizes and gzip bombs.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
// after the four headers that it needs
#include <cmocka.h>
#include <zlib.h>

#include "base/memory.h"
#include "data/idx.h"
#include "data_case.h"

enum { IMAGES = 3, SIDE = 4, IMAGE_BYTES = 16 + IMAGES * SIDE * SIDE, LABEL_BYTES = 8 + IMAGES };

static const unsigned char labels_file[LABEL_BYTES] = {0, 0, 8, 1, 0, 0, 0, IMAGES, 2, 0, 1};

static void make_images(unsigned char *out) {
  static const unsigned char header[16] = {0, 0, 8, 3, 0, 0, 0, IMAGES, 0, 0, 0, SIDE, 0, 0, 0, SIDE};
  memcpy(out, header, sizeof header);
  for (int i = 0; i < IMAGES * SIDE * SIDE; i++) {
    out[16 + i] = (unsigned char)(37 * i);
  }
}

// Packs as gzip does. out: [room]; returns the size.
static uint64_t pack(const void *bytes, uint64_t size, unsigned char *out, uint64_t room) {
  z_stream stream = {0};
  assert_int_equal(deflateInit2(&stream, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
  stream.next_in = (unsigned char *)bytes;
  stream.avail_in = (uInt)size;
  stream.next_out = out;
  stream.avail_out = (uInt)room;
  assert_int_equal(deflate(&stream, Z_FINISH), Z_STREAM_END);
  uint64_t packed = stream.total_out;
  assert_int_equal(deflateEnd(&stream), Z_OK);
  return packed;
}

static void put_set(const char *folder) {
  unsigned char images[IMAGE_BYTES];
  unsigned char packed[512];
  make_images(images);
  put_file(folder, "train-images-idx3-ubyte", images, sizeof images);
  put_file(folder, "train-labels-idx1-ubyte", labels_file, sizeof labels_file);
  put_file(folder, "t10k-images-idx3-ubyte.gz", packed, pack(images, sizeof images, packed, sizeof packed));
  put_file(folder, "t10k-labels-idx1-ubyte.gz", packed, pack(labels_file, sizeof labels_file, packed, sizeof packed));
}

static sht_status open_and_close(const char *folder, sht_error *error) {
  sht_dataset *data = NULL;
  sht_status status = sht_dataset_open(folder, NULL, &data, error);
  sht_dataset_close(data);
  return status;
}

static void plain_and_packed_agree(void **state) {
  const char *folder = *state;
  unsigned char images[IMAGE_BYTES];
  make_images(images);
  sht_dataset *data = NULL;
  assert_int_equal(sht_dataset_open(folder, NULL, &data, NULL), SHT_OK);
  for (int test = 0; test < 2; test++) {
    const sht_split *split = test ? &data->test : &data->train;
    assert_true(split->count == IMAGES && split->height == SIDE && split->width == SIDE && split->channels == 1);
    assert_memory_equal(split->pixels, images + 16, IMAGES * SIDE * SIDE);
    assert_true(split->labels[0] == 2 && split->labels[1] == 0 && split->labels[2] == 1);
  }
  assert_int_equal(data->classes, 3);
  assert_string_equal(data->class_names[2], "2");
  sht_dataset_close(data);
}

static void every_truncation_is_refused(void **state) {
  const char *folder = *state;
  static const char *const names[] = {"train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte.gz",
                                      "t10k-labels-idx1-ubyte.gz"};
  for (int i = 0; i < 4; i++) {
    char path[128];
    struct stat info;
    (void)snprintf(path, sizeof path, "%s/%s", folder, names[i]);
    assert_int_equal(stat(path, &info), 0);
    for (off_t length = info.st_size - 1; length >= 0; length--) {
      sht_error error;
      assert_int_equal(truncate(path, length), 0);
      assert_int_equal(open_and_close(folder, &error), SHT_DATA);
      assert_true(says(&error, names[i]));
    }
    put_set(folder);
  }
}

// Bytes 4 to 9 of a gzip header (time, level, system) mean nothing here; a change of any other is noticed.
static void every_damaged_byte_of_gzip_is_noticed(void **state) {
  (void)state;
  unsigned char images[IMAGE_BYTES];
  unsigned char packed[512];
  make_images(images);
  uint64_t size = pack(images, sizeof images, packed, sizeof packed);
  for (uint64_t i = 0; i < size; i++) {
    unsigned char *plain = NULL;
    uint64_t plain_size = 0;
    sht_error error;
    packed[i] ^= 0x55;
    sht_status status = sht__idx_unpack("x.gz", packed, size, &plain, &plain_size, &error);
    packed[i] ^= 0x55;
    bool meaningless = i >= 4 && i <= 9;
    assert_int_equal(status, meaningless ? SHT_OK : SHT_DATA);
    assert_true(meaningless || says(&error, "x.gz: "));
    sht_free(plain);
  }
}

static void something_after_the_end_is_refused(void **state) {
  (void)state;
  unsigned char bytes[IMAGE_BYTES + 1] = {0};
  unsigned char packed[512] = {0};
  unsigned char *plain = NULL;
  uint64_t plain_size = 0;
  sht_idx array;
  sht_error error;
  make_images(bytes);
  assert_int_equal(sht__idx_parse("x", bytes, sizeof bytes, &array, &error), SHT_DATA);
  assert_true(says(&error, "followed by something else"));
  uint64_t size = pack(bytes, sizeof bytes, packed, sizeof packed);  // one byte too many, packed
  assert_int_equal(sht__idx_unpack("x.gz", packed, size, &plain, &plain_size, &error), SHT_DATA);
  size = pack(bytes, IMAGE_BYTES, packed, sizeof packed);
  assert_int_equal(sht__idx_unpack("x.gz", packed, size, &plain, &plain_size, NULL), SHT_OK);
  sht_free(plain);
  memmove(packed + size, packed + size - 4, 4);  // the noted length stands at the end once more
  assert_int_equal(sht__idx_unpack("x.gz", packed, size + 4, &plain, &plain_size, &error), SHT_DATA);
  assert_true(says(&error, "something follows"));
}

// A bomb: 256 MiB of zeros behind a header for little, behind one for much, and a promise of much with little behind.
// None may make us ask for more than 1032 times the file; memory is watched through the address-space limit of CI's
// sanitizer, here it is enough that all are refused.
static void bombs_are_refused(void **state) {
  (void)state;
  static const unsigned char headers[3][16] = {
      {0, 0, 8, 3, 0, 0, 0, 3, 0, 0, 0, 4, 0, 0, 0, 4},
      {0, 0, 8, 3, 0xff, 0xff, 0xff, 0xff, 0, 0, 16, 0, 0, 0, 16, 0},
      {0, 0, 8, 3, 0, 1, 0, 0, 0, 0, 4, 0, 0, 0, 4, 0},
  };
  const uint64_t zeros = (uint64_t)256 << 20;
  unsigned char *bytes = calloc(zeros, 1);
  unsigned char *packed = malloc(1 << 20);
  assert_true(bytes != NULL && packed != NULL);
  for (int i = 0; i < 3; i++) {
    memcpy(bytes, headers[i], 16);
    uint64_t size = pack(bytes, i == 2 ? 4096 : zeros, packed, 1 << 20);
    unsigned char *plain = NULL;
    uint64_t plain_size = 0;
    sht_error error;
    assert_int_equal(sht__idx_unpack("x.gz", packed, size, &plain, &plain_size, &error), SHT_DATA);
    assert_null(plain);
    assert_true(says(&error, i == 0 ? "but gzip noted" : "at most 16 GiB"));  // before anything is asked for
  }
  free(packed);
  free(bytes);
}

// The length that gzip notes agrees with the header, but so few bytes can never hold as much.
static void a_promise_beyond_the_ratio_is_refused(void **state) {
  (void)state;
  static const unsigned char header[16] = {0, 0, 8, 3, 0, 1, 0, 0, 0, 0, 4, 0, 0, 0, 4, 0};  // 2^36 bytes: above 16 GiB
  static const unsigned char smaller[16] = {0, 0, 8, 3, 0, 0, 0x10, 0, 0, 0, 4, 0, 0, 0, 4, 0};  // 2^32 + 16 bytes
  unsigned char packed[256];
  unsigned char *plain = NULL;
  uint64_t plain_size = 0;
  uint64_t size = pack(header, sizeof header, packed, sizeof packed);
  assert_int_equal(sht__idx_unpack("x.gz", packed, size, &plain, &plain_size, NULL), SHT_DATA);
  size = pack(smaller, sizeof smaller, packed, sizeof packed);  // gzip notes 16, which 2^32 + 16 is modulo 2^32
  sht_error error;
  assert_int_equal(sht__idx_unpack("x.gz", packed, size, &plain, &plain_size, &error), SHT_DATA);
  assert_true(says(&error, "asks for 4294967312 bytes"));
}

static void bad_headers_are_refused(void **state) {
  (void)state;
  static const unsigned char headers[][16] = {
      {1, 0, 8, 3, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0},
      {0, 0, 9, 3, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0},                                      // signed bytes
      {0, 0, 13, 3, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0},                                     // floats
      {0, 0, 8, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0},                                      // rank 0
      {0, 0, 8, 5, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0},                                      // rank 5
      {0, 0, 8, 3, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1},                                      // no images
      {0, 0, 8, 3, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff},  // 2^96 bytes
  };
  for (size_t i = 0; i < sizeof headers / sizeof headers[0]; i++) {
    sht_idx array;
    sht_error error;
    assert_int_equal(sht__idx_parse("x", headers[i], 16, &array, &error), SHT_DATA);
    assert_true(says(&error, "x: byte "));
  }
}

static void files_that_do_not_belong_together(void **state) {
  const char *folder = *state;
  sht_error error;
  unsigned char bytes[LABEL_BYTES];
  memcpy(bytes, labels_file, sizeof bytes);
  bytes[7] = 2;
  put_file(folder, "train-labels-idx1-ubyte", bytes, sizeof bytes - 1);
  assert_int_equal(open_and_close(folder, &error), SHT_DATA);
  assert_true(says(&error, "expected rank 1 and 3 labels"));
  memcpy(bytes, labels_file, sizeof bytes);
  bytes[8] = 1;  // training labels 1, 0, 1: two classes, but a test label of 2
  put_file(folder, "train-labels-idx1-ubyte", bytes, sizeof bytes);
  assert_int_equal(open_and_close(folder, &error), SHT_DATA);
  assert_true(says(&error, "t10k-labels-idx1-ubyte.gz: byte 8: label 2"));
  put_file(folder, "train-labels-idx1-ubyte", labels_file, sizeof labels_file);
  unsigned char images[IMAGE_BYTES];
  unsigned char packed[512];
  make_images(images);
  images[11] = 8;
  images[15] = 2;
  put_file(folder, "t10k-images-idx3-ubyte.gz", packed, pack(images, sizeof images, packed, sizeof packed));
  assert_int_equal(open_and_close(folder, &error), SHT_DATA);
  assert_true(says(&error, "training images are 4x4x1, test images 8x2x1"));
}

static void names_are_recognised(void **state) {
  const char *folder = *state;
  sht_error error;
  char path[128];
  char other[128];
  (void)snprintf(path, sizeof path, "%s/train-images-idx3-ubyte", folder);
  (void)snprintf(other, sizeof other, "%s/letters-train-images.idx3-ubyte", folder);
  assert_int_equal(rename(path, other), 0);
  assert_int_equal(open_and_close(folder, NULL), SHT_OK);
  put_file(folder, "letters-train-images.idx3-ubyte.gz", "junk", 4);  // the plain one is taken
  assert_int_equal(open_and_close(folder, NULL), SHT_OK);
  put_file(folder, "train-images-idx3-ubyte", "junk", 4);
  assert_int_equal(open_and_close(folder, &error), SHT_DATA);
  assert_true(says(&error, "keep one of them"));
  assert_int_equal(unlink(path), 0);
  assert_int_equal(unlink(other), 0);
  (void)snprintf(path, sizeof path, "%s/letters-train-images.idx3-ubyte.gz", folder);
  assert_int_equal(unlink(path), 0);
  assert_int_equal(open_and_close(folder, &error), SHT_MISSING);
  assert_true(says(&error, "there is no train-images-idx3-ubyte"));
}

static int set_up(void **state) {
  static char folder[64];
  make_folder(folder);
  put_set(folder);
  *state = folder;
  return 0;
}

static int tear_down(void **state) {
  remove_folder(*state);
  return 0;
}

#define FOLDER_TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void) {
  const struct CMUnitTest tests[] = {
      FOLDER_TEST(plain_and_packed_agree),
      FOLDER_TEST(every_truncation_is_refused),
      cmocka_unit_test(every_damaged_byte_of_gzip_is_noticed),
      cmocka_unit_test(something_after_the_end_is_refused),
      cmocka_unit_test(bombs_are_refused),
      cmocka_unit_test(a_promise_beyond_the_ratio_is_refused),
      cmocka_unit_test(bad_headers_are_refused),
      FOLDER_TEST(files_that_do_not_belong_together),
      FOLDER_TEST(names_are_recognised),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
