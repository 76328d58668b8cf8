// Safetensors: what is written is read back, what is damaged or hostile is refused with a sentence.
// `test_safetensors write FILE` and `test_safetensors read FILE` serve the comparison with NumPy.
#include "train/safetensors.h"

#include <inttypes.h>

#include "train_fixture.h"

static const float weights[6] = {0, -1.5F, 3.25F, 1e-30F, 7, -0.0F};
static const int64_t numbers[2] = {INT64_MIN, 42};
static const uint8_t letters[3] = {1, 2, 255};
static const double precise[1] = {0.1};

static sht_status write_sample(const char *path, sht_error *error) {
  const sht_tensor tensors[] = {
      {.name = "precise", .dtype = SHT_DTYPE_F64, .rank = 0, .bytes = precise, .size = sizeof precise},
      {.name = "numbers", .dtype = SHT_DTYPE_I64, .rank = 1, .dims = {2}, .bytes = numbers, .size = sizeof numbers},
      {.name = "a \"quoted\"\nname", .dtype = SHT_DTYPE_F32, .rank = 2, .dims = {2, 3}, .bytes = weights, .size = 24},
      {.name = "empty", .dtype = SHT_DTYPE_F32, .rank = 2, .dims = {0, 5}, .bytes = weights, .size = 0},
      {.name = "letters", .dtype = SHT_DTYPE_U8, .rank = 1, .dims = {3}, .bytes = letters, .size = 3},
  };
  const sht_metadata metadata[] = {{"format", "pt"}, {"note", "50 \xc2\xb0"}};
  return sht_safetensors_write(path, tensors, 5, metadata, 2, error);
}

static void assert_sample(const sht_safetensors *file) {
  const sht_tensor *tensor = NULL;
  sht_error error;
  fixture_ok(sht_safetensors_find(file, "a \"quoted\"\nname", SHT_DTYPE_F32, 6, &tensor, &error), &error);
  assert_memory_equal(tensor->bytes, weights, sizeof weights);
  assert_int_equal(tensor->rank, 2);
  assert_int_equal(tensor->dims[0], 2);
  assert_int_equal(tensor->dims[1], 3);
  fixture_ok(sht_safetensors_find(file, "numbers", SHT_DTYPE_I64, 2, &tensor, &error), &error);
  assert_memory_equal(tensor->bytes, numbers, sizeof numbers);
  fixture_ok(sht_safetensors_find(file, "precise", SHT_DTYPE_F64, 1, &tensor, &error), &error);
  assert_memory_equal(tensor->bytes, precise, sizeof precise);
  fixture_ok(sht_safetensors_find(file, "empty", SHT_DTYPE_F32, 0, &tensor, &error), &error);
  fixture_ok(sht_safetensors_find(file, "letters", SHT_DTYPE_U8, 3, &tensor, &error), &error);
  assert_memory_equal(tensor->bytes, letters, sizeof letters);
}

static char *sample_image(size_t *size) {
  char folder[FIXTURE_PATH];
  char path[FIXTURE_PATH * 2];
  sht_error error;
  fixture_folder(folder);
  (void)snprintf(path, sizeof path, "%s/sample.safetensors", folder);
  fixture_ok(write_sample(path, &error), &error);
  char *image = fixture_read(path, size);
  fixture_remove(folder);
  return image;
}

static void what_is_written_is_read_back(void **state) {
  (void)state;
  size_t size = 0;
  char *image = sample_image(&size);
  sht_safetensors *file = NULL;
  sht_error error;
  int count = 0;
  fixture_ok(sht_safetensors_parse(image, size, "sample", &file, &error), &error);
  assert_sample(file);
  (void)sht_safetensors_tensors(file, &count);
  assert_int_equal(count, 5);
  assert_string_equal(sht_safetensors_metadata(file, "format"), "pt");
  assert_string_equal(sht_safetensors_metadata(file, "note"), "50 \xc2\xb0");
  assert_null(sht_safetensors_metadata(file, "absent"));
  const sht_tensor *tensor = NULL;
  assert_int_equal(sht_safetensors_find(file, "numbers", SHT_DTYPE_F64, 2, &tensor, &error), SHT_DATA);
  assert_int_equal(sht_safetensors_find(file, "numbers", SHT_DTYPE_I64, 3, &tensor, &error), SHT_DATA);
  assert_int_equal(sht_safetensors_find(file, "nobody", SHT_DTYPE_I64, 3, &tensor, &error), SHT_DATA);
  sht_safetensors_close(file);
  free(image);
}

// The payload begins at a multiple of 8, as readers that map the file expect.
static void payload_is_aligned(void **state) {
  (void)state;
  size_t size = 0;
  char *image = sample_image(&size);
  assert_int_equal((unsigned char)image[0] % 8, 0);
  assert_int_equal((unsigned char)image[3], 0);
  free(image);
}

static void truncation_at_every_byte_is_refused(void **state) {
  (void)state;
  size_t size = 0;
  char *image = sample_image(&size);
  for (size_t length = 0; length < size; length++) {
    sht_safetensors *file = NULL;
    sht_error error;
    assert_int_equal(sht_safetensors_parse(image, length, "short", &file, &error), SHT_DATA);
    assert_non_null(strstr(error.message, "short"));
    assert_null(file);
  }
  free(image);
}

// The checksum covers every byte. Its own key can be bent into another one; such a file is read as one that carries
// none, which is what a reader of checkpoints refuses.
static void every_flipped_bit_is_noticed(void **state) {
  (void)state;
  size_t size = 0;
  char *image = sample_image(&size);
  for (size_t bit = 0; bit < 8 * size; bit++) {
    sht_safetensors *file = NULL;
    image[bit / 8] ^= (char)(1 << bit % 8);
    if (sht_safetensors_parse(image, size, "bent", &file, NULL) == SHT_OK) {
      assert_null(sht_safetensors_metadata(file, SHT_CHECKSUM_KEY));
      sht_safetensors_close(file);
    }
    image[bit / 8] ^= (char)(1 << bit % 8);
  }
  free(image);
}

// header as given, its length before it, `payload` bytes of zeros after it.
static sht_status parse_made(const char *header, uint64_t payload, sht_error *error) {
  size_t length = strlen(header);
  unsigned char *image = calloc(8 + length + payload, 1);
  sht_safetensors *file = NULL;
  for (int i = 0; i < 8; i++) {
    image[i] = (unsigned char)((uint64_t)length >> (8 * i));
  }
  memcpy(image + 8, header, length);
  sht_status status = sht_safetensors_parse(image, 8 + length + payload, "made", &file, error);
  sht_safetensors_close(file);
  free(image);
  return status;
}

// The example of the format's description, and what other writers do: spaces after the header, any order of tensors.
static void files_of_others_are_read(void **state) {
  (void)state;
  sht_error error;
  fixture_ok(parse_made("{\"TEST\":{\"dtype\":\"F16\",\"shape\":[1,16],\"data_offsets\":[0,32]}}   ", 32, &error),
             &error);
  fixture_ok(parse_made("{\"b\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[2,6]},"
                        "\"a\":{\"dtype\":\"I16\",\"shape\":[],\"data_offsets\":[0,2]},\"__metadata__\":{\"k\":\"v\"}}",
                        6, &error),
             &error);
  fixture_ok(parse_made("{}", 0, &error), &error);
}

static void hostile_headers_are_refused(void **state) {
  (void)state;
  static const struct {
    const char *header;
    uint64_t payload;
    const char *says;
  } rows[] = {
      {"", 0, "JSON"},
      {"[]", 0, "object"},
      {"{\"a\":1}", 0, "described"},
      {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}", 4, "JSON"},
      {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 5, "after the last"},
      {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 3, "lies at bytes"},
      {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,4]}}", 4, "need 8"},
      {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,0]}}", 4, "lies at bytes"},
      {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[-4,0]}}", 4, "lies at bytes"},
      {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4.0]}}", 4, "pair"},
      {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0]}}", 4, "pair"},
      {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4,8]}}", 4, "pair"},
      {"{\"a\":{\"dtype\":\"F33\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "F33"},
      {"{\"a\":{\"dtype\":4,\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "type"},
      {"{\"a\":{\"dtype\":\"F32\",\"shape\":1,\"data_offsets\":[0,4]}}", 4, "shape"},
      {"{\"a\":{\"dtype\":\"F32\",\"shape\":[-1],\"data_offsets\":[0,4]}}", 4, "whole number"},
      {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1,1,1,1,1,1,1,1,1],\"data_offsets\":[0,4]}}", 4, "at most 8"},
      {"{\"a\":{\"dtype\":\"F32\",\"shape\":[4611686018427387905],\"data_offsets\":[0,4]}}", 4, "overflows"},
      {"{\"a\":{\"dtype\":\"F32\",\"shape\":[4294967296,4294967296],\"data_offsets\":[0,0]}}", 0, "overflows"},
      {"{\"a\":{\"dtype\":\"F32\",\"shape\":[99999999999999999999],\"data_offsets\":[0,4]}}", 4, "JSON"},
      {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4],\"extra\":1}}", 4, "described"},
      {"{\"a\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]},\"a\":{\"dtype\":\"U8\",\"shape\":[2],"
       "\"data_offsets\":[2,4]}}",
       4, "JSON"},
      {"{\"a\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]},\"b\":{\"dtype\":\"U8\",\"shape\":[2],"
       "\"data_offsets\":[1,3]}}",
       3, "overlaps"},
      {"{\"a\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]},\"b\":{\"dtype\":\"U8\",\"shape\":[2],"
       "\"data_offsets\":[3,5]}}",
       5, "gap"},
      {"{\"__metadata__\":{\"a\":1}}", 0, "not a text"},
      {"{\"__metadata__\":[]}", 0, "not an object"},
      {"{\"__metadata__\":{\"shatter.sha256\":\"12\"}}", 0, "checksum"},
      {"{\"__metadata__\":{\"shatter.sha256\": \"12\"}}", 0, "checksum"},
  };
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    sht_error error = {0};
    sht_status status = parse_made(rows[i].header, rows[i].payload, &error);
    if (status != SHT_DATA || strstr(error.message, rows[i].says) == NULL) {
      fail_msg("row %zu: %s: %s", i, sht_status_name(status), error.message);
    }
  }
}

// A header of 2^63 bytes in a file of 8 asks for no memory.
static void a_hostile_length_allocates_nothing(void **state) {
  (void)state;
  unsigned char image[16] = {0, 0, 0, 0, 0, 0, 0, 0x80, '{', '}'};
  sht_safetensors *file = NULL;
  sht_error error;
  assert_int_equal(sht_safetensors_parse(image, sizeof image, "made", &file, &error), SHT_DATA);
}

static void missing_and_unwritable_files(void **state) {
  (void)state;
  sht_safetensors *file = NULL;
  sht_error error;
  assert_int_equal(sht_safetensors_open("/nonexistent/x.safetensors", &file, &error), SHT_MISSING);
  assert_int_equal(sht_safetensors_open("/", &file, &error), SHT_DATA);
  assert_int_equal(write_sample("/nonexistent/x.safetensors", &error), SHT_DISK);
}

static int read_for_numpy(const char *path) {
  sht_safetensors *file = NULL;
  sht_error error;
  if (sht_safetensors_open(path, &file, &error) != SHT_OK) {
    (void)fprintf(stderr, "%s\n", error.message);
    return 1;
  }
  int count = 0;
  const sht_tensor *tensors = sht_safetensors_tensors(file, &count);
  for (int i = 0; i < count; i++) {
    (void)printf("%s %s", tensors[i].name, sht_dtype_name(tensors[i].dtype));
    for (int j = 0; j < tensors[i].rank; j++) {
      (void)printf(" %" PRIu64, tensors[i].dims[j]);
    }
    for (uint64_t j = 0; j < tensors[i].size; j++) {
      (void)printf("%s%02x", j == 0 ? " : " : "", ((const unsigned char *)tensors[i].bytes)[j]);
    }
    (void)printf("\n");
  }
  sht_safetensors_close(file);
  return 0;
}

int main(int count, char **arguments) {
  if (count == 3 && strcmp(arguments[1], "write") == 0) {
    return write_sample(arguments[2], NULL) == SHT_OK ? 0 : 1;
  }
  if (count == 3 && strcmp(arguments[1], "read") == 0) {
    return read_for_numpy(arguments[2]);
  }
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(what_is_written_is_read_back),
      cmocka_unit_test(payload_is_aligned),
      cmocka_unit_test(truncation_at_every_byte_is_refused),
      cmocka_unit_test(every_flipped_bit_is_noticed),
      cmocka_unit_test(files_of_others_are_read),
      cmocka_unit_test(hostile_headers_are_refused),
      cmocka_unit_test(a_hostile_length_allocates_nothing),
      cmocka_unit_test(missing_and_unwritable_files),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
