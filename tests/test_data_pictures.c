// Folders of pictures: layout and order, what each kind of file becomes, damaged and hostile files, scaling against
// closed forms.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
// after the four headers that it needs
#include <cmocka.h>

#include "data/picture.h"
#include "data/resample.h"
#include "data/spec.h"
#include "lab/files.h"
#include "picture_case.h"

static const char *folder;  // of the test at hand

static sht_status try_open(const char *spec, sht_error *error) {
  sht_dataset *data = NULL;
  sht_status status = sht_dataset_open(spec, NULL, &data, error);
  sht_dataset_close(data);
  return status;
}

static sht_dataset *opened(const char *spec) {
  sht_dataset *data = NULL;
  sht_error error;
  if (sht_dataset_open(spec, NULL, &data, &error) != SHT_OK) {
    print_error("%s\n", error.message);
    fail();
  }
  return data;
}

// The folder cannot be opened, with that status and a sentence that has `words`.
static void refused(const char *spec, sht_status expected, const char *words) {
  sht_error error = {.message = ""};
  sht_status status = try_open(spec, &error);
  if (status != expected || !says(&error, words)) {
    print_error("%s, expected \"%s\"\n", error.message, words);
    fail();
  }
}

// Two classes of two training pictures and a test picture each, grey, 4x4.
static void put_small(void) {
  put_level(folder, "train/cat/1.png", 4, 4, 10);
  put_level(folder, "train/cat/2.png", 4, 4, 20);
  put_level(folder, "train/dog/1.png", 4, 4, 30);
  put_level(folder, "train/dog/2.png", 4, 4, 40);
  put_level(folder, "test/cat/1.png", 4, 4, 50);
  put_level(folder, "test/dog/1.png", 4, 4, 60);
}

static void classes_and_pictures_are_in_order_of_their_bytes(void **state) {
  (void)state;
  static const char *const names[] = {"train/B/x.png", "train/a/10.PNG",
                                      "train/a/2.png", "train/a/B.png",
                                      "train/a/a.png", "train/\xc3\xa4 is a long name of a class..\xc3\xa4/1.png"};
  for (int i = 5; i >= 0; i--) {
    put_level(folder, names[i], 2, 3, (uint8_t)(7 * i));
  }
  put_level(folder, "valid/a/1.png", 2, 3, 100);
  put_level(folder, "valid/B/2.png", 2, 3, 99);
  (void)mkdir(at(folder, "valid/\xc3\xa4 is a long name of a class..\xc3\xa4"),
              0777);  // empty: allowed in the test set
  put_level(folder, "train/a/.hidden.png", 9, 9, 1);
  put_level(folder, "train/.cache/1.png", 9, 9, 1);
  put_level(folder, "train/a/deeper.png/1.png", 9, 9, 1);  // a folder
  put_file(folder, "train/a/notes.txt", "x", 1);
  put_file(folder, "train/classes.txt", "x", 1);
  sht_dataset *data = opened(folder);
  assert_true(data->train.count == 6 && data->train.height == 2 && data->train.width == 3 && data->train.channels == 1);
  static const uint16_t labels[6] = {0, 1, 1, 1, 1, 2};
  for (int i = 0; i < 6; i++) {
    assert_int_equal(((uint8_t *)data->train.pixels)[i * 6], 7 * i);
    assert_int_equal(data->train.labels[i], labels[i]);
  }
  assert_int_equal(data->classes, 3);
  assert_string_equal(data->class_names[0], "B");
  assert_string_equal(data->class_names[2], "\xc3\xa4 is a long name of a class..");  // 30 bytes, and no half letter
  assert_true(data->test.count == 2 && data->test.labels[0] == 0 && data->test.labels[1] == 1);
  assert_int_equal(((uint8_t *)data->test.pixels)[0], 99);
  sht_dataset_close(data);
}

static void layouts_that_are_none(void **state) {
  (void)state;
  put_level(folder, "cat/1.png", 4, 4, 1);
  refused(folder, SHT_DATA, "there is no folder train in it; for pictures expected train/CLASS/*.png");
  put_level(folder, "train/cat/1.png", 4, 4, 1);
  refused(folder, SHT_DATA, "there is no test/");
  put_level(folder, "val/cow/1.png", 4, 4, 1);
  refused(folder, SHT_DATA, "val/cow: ");
  put_level(folder, "test/cat/1.png", 4, 4, 1);
  refused(folder, SHT_DATA, "both test/ and val/");
  remove_tree(at(folder, "val"));
  assert_int_equal(try_open(folder, NULL), SHT_OK);
  (void)mkdir(at(folder, "train/empty"), 0777);
  refused(folder, SHT_DATA, "train/empty: holds no pictures");
  put_level(folder, "train/empty/below/1.png", 4, 4, 1);
  refused(folder, SHT_DATA, "train/empty: holds folders but no pictures");
  remove_tree(at(folder, "train/empty"));
  remove_tree(at(folder, "test/cat"));
  refused(folder, SHT_DATA, "0 folders of classes");
  (void)mkdir(at(folder, "test/cat"), 0777);
  refused(folder, SHT_DATA, "test: no class has a picture");
}

static void links_and_permissions(void **state) {
  (void)state;
  put_small();
  assert_int_equal(symlink("../cat/1.png", at(folder, "train/dog/3.png")), 0);
  assert_int_equal(try_open(folder, NULL), SHT_OK);  // a link to a picture is one
  assert_int_equal(symlink("nowhere", at(folder, "train/dog/4.jpeg")), 0);
  refused(folder, SHT_MISSING, "train/dog/4.jpeg: a link that leads nowhere");
  assert_int_equal(unlink(at(folder, "train/dog/4.jpeg")), 0);
  assert_int_equal(symlink("nowhere", at(folder, "train/emu")), 0);
  refused(folder, SHT_MISSING, "train/emu: a link that leads nowhere");
  assert_int_equal(unlink(at(folder, "train/emu")), 0);
  assert_int_equal(mkfifo(at(folder, "train/dog/5.png"), 0666), 0);
  sht_error error;
  assert_int_equal(try_open(folder, &error), SHT_DATA);
  assert_true(says(&error, "train/dog/5.png"));
  assert_int_equal(unlink(at(folder, "train/dog/5.png")), 0);
  const uid_t user = geteuid();
  assert_int_equal(chmod(folder, 0755), 0);
  assert_int_equal(chmod(at(folder, "train/cat/2.png"), 0), 0);
  assert_int_equal(chmod(at(folder, "test/dog"), 0), 0);
  assert_true(user != 0 || seteuid(65534) == 0);  // root may read all
  refused(folder, SHT_DISK, "test/dog: the folder cannot be read: Permission denied");
  assert_true(user != 0 || seteuid(0) == 0);
  assert_int_equal(chmod(at(folder, "test/dog"), 0755), 0);
  assert_true(user != 0 || seteuid(65534) == 0);
  refused(folder, SHT_DISK, "train/cat/2.png: cannot be opened: Permission denied");
  assert_true(user != 0 || seteuid(0) == 0);
}

static void sizes_must_agree_unless_scaled(void **state) {
  (void)state;
  char spec[128];
  put_small();
  put_level(folder, "test/dog/2.png", 6, 5, 70);
  refused(folder, SHT_DATA, "test/dog/2.png is 6x5");
  refused(folder, SHT_DATA, "train/cat/1.png is 4x4");
  refused(folder, SHT_DATA, "--data FOLDER:SIDE");
  (void)snprintf(spec, sizeof spec, "%s/:03", folder);
  sht_dataset *data = opened(spec);
  assert_true(data->test.height == 3 && data->test.width == 3 && data->test.count == 3);
  assert_int_equal(((uint8_t *)data->test.pixels)[2 * 9 + 4], 70);
  (void)snprintf(spec, sizeof spec, "%s:3", strrchr(folder, '/') + 1);
  assert_string_equal(data->name, spec);
  sht_dataset_close(data);
  static const char *const wrong[] = {":0", ":", ":4097", ":-3", ":3.5", ":99999999999999999999", ":3 "};
  for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
    (void)snprintf(spec, sizeof spec, "%s%s", folder, wrong[i]);
    refused(spec, SHT_CONFIG, "from 1 to 4096");
  }
  refused("/nowhere:3", SHT_MISSING, "no such folder");
}

// The whole text comes first, and config.yaml has the absolute path of either.
static void a_name_that_ends_in_digits_is_a_folder(void **state) {
  (void)state;
  char here[512], expected[512], text[SHT_TEXT_MAX] = "x:3";
  put_small();
  assert_non_null(getcwd(here, sizeof here));
  assert_int_equal(chdir(folder), 0);
  assert_int_equal(mkdir("x:3", 0777) | rename("train", "x:3/train") | rename("test", "x:3/test"), 0);
  sht_dataset *data = opened("x:3");
  assert_int_equal(data->train.height, 4);
  assert_string_equal(data->name, "x:3");
  sht_dataset_close(data);
  data = opened("x:3:2");
  assert_int_equal(data->train.height, 2);
  assert_string_equal(data->name, "x:3:2");
  sht_dataset_close(data);
  (void)snprintf(expected, sizeof expected, "%s/x:3", folder);
  sht__data_absolute(text);
  assert_string_equal(text, expected);
  (void)snprintf(expected, sizeof expected, "%s/x:3:2", folder);
  (void)snprintf(text, sizeof text, "../%s/x:3/:02", strrchr(folder, '/') + 1);
  sht__data_absolute(text);
  assert_string_equal(text, expected);
  (void)snprintf(text, sizeof text, "shapes:100,20");
  assert_int_equal(mkdir("cifar10", 0777), 0);
  sht__data_absolute(text);
  assert_string_equal(text, "shapes:100,20");
  (void)snprintf(text, sizeof text, "cifar10");  // a name comes before a folder
  sht__data_absolute(text);
  assert_string_equal(text, "cifar10");
  assert_int_equal(chdir(here), 0);
}

enum { SIDE = 9, POSITIONS = SIDE * SIDE };  // not a multiple of 8: the last byte of a row of bits is not full

static sht__picture decoded(const char *path) {
  sht__picture measured, picture;
  sht_error error;
  if (sht__picture_read(path, &picture, &error) != SHT_OK) {
    print_error("%s\n", error.message);
    fail();
  }
  assert_int_equal(sht__picture_measure(path, &measured, &error), SHT_OK);
  assert_null(measured.pixels);
  assert_true(measured.height == picture.height && measured.width == picture.width &&
              measured.channels == picture.channels && picture.height == SIDE && picture.width == SIDE);
  return picture;
}

// Each kind, interlaced and not. Of a position i: level(i) of each channel, in as many bits as the kind has.
static void every_kind_of_png(void **state) {
  (void)state;
  static const png_kind kinds[] = {{PNG_COLOR_TYPE_GRAY, 8, false},  {PNG_COLOR_TYPE_GRAY_ALPHA, 8, false},
                                   {PNG_COLOR_TYPE_RGB, 8, false},   {PNG_COLOR_TYPE_RGB_ALPHA, 8, false},
                                   {PNG_COLOR_TYPE_GRAY, 16, false}, {PNG_COLOR_TYPE_GRAY_ALPHA, 16, false},
                                   {PNG_COLOR_TYPE_RGB, 16, false},  {PNG_COLOR_TYPE_RGB_ALPHA, 16, false}};
  static const int stored[] = {1, 2, 3, 4, 1, 2, 3, 4};
  for (int k = 0; k < 16; k++) {
    png_kind kind = kinds[k / 2];
    kind.interlaced = k % 2 == 1;
    const int channels = stored[k / 2];
    uint8_t rows[POSITIONS * 8];
    uint8_t expected[POSITIONS * 3];
    const int shown = channels < 3 ? 1 : 3;
    for (int i = 0; i < POSITIONS; i++) {
      for (int c = 0; c < channels; c++) {
        const unsigned wide = (unsigned)(i * 7919 + c * 104729) % 65536;
        const unsigned level = kind.depth == 16 ? (wide + 128) / 257 : wide % 256;  // the nearest; 65535 is 255
        uint8_t *to = rows + (i * channels + c) * kind.depth / 8;
        to[0] = (uint8_t)(kind.depth == 16 ? wide >> 8 : level);
        to[kind.depth / 16] = (uint8_t)(kind.depth == 16 ? wide & 255 : level);
        if (c < shown) {
          expected[i * shown + c] = (uint8_t)level;
        }
      }
    }
    put_png_kind(at(folder, "x.png"), kind, SIDE, SIDE, rows, NULL, 0);
    sht__picture picture = decoded(at(folder, "x.png"));
    assert_int_equal(picture.channels, shown);
    assert_memory_equal(picture.pixels, expected, POSITIONS * shown);
    sht__picture_close(&picture);
  }
}

static void bits_and_palettes(void **state) {
  (void)state;
  static const png_color palette[4] = {{1, 2, 3}, {250, 0, 9}, {7, 7, 7}, {100, 200, 50}};
  for (int k = 0; k < 4; k++) {
    const bool paletted = k >= 2;
    const png_kind kind = {paletted ? PNG_COLOR_TYPE_PALETTE : PNG_COLOR_TYPE_GRAY, 2, k % 2 == 1};
    uint8_t rows[SIDE * 3] = {0};
    for (int i = 0; i < POSITIONS; i++) {
      rows[i / SIDE * 3 + i % SIDE / 4] |= (uint8_t)(i * i % 4 << (6 - 2 * (i % SIDE % 4)));
    }
    put_png_kind(at(folder, "x.png"), kind, SIDE, SIDE, rows, paletted ? palette : NULL, 4);
    sht__picture picture = decoded(at(folder, "x.png"));
    assert_int_equal(picture.channels, paletted ? 3 : 1);
    for (int i = 0; i < POSITIONS; i++) {
      const png_color colour = palette[i * i % 4];
      assert_int_equal(picture.pixels[i * (int)picture.channels], paletted ? colour.red : i * i % 4 * 85);
      assert_true(!paletted || (picture.pixels[3 * i + 1] == colour.green && picture.pixels[3 * i + 2] == colour.blue));
    }
    sht__picture_close(&picture);
  }
}

static void fill_smooth(uint8_t *pixels, int count) {
  for (int i = 0; i < count; i++) {
    pixels[i] = (uint8_t)(64 + i * 100 / count);
  }
}

static void jpeg_comes_back_nearly(void **state) {
  (void)state;
  uint8_t pixels[POSITIONS * 3];
  fill_smooth(pixels, POSITIONS);
  for (int progressive = 0; progressive < 2; progressive++) {
    put_jpeg(at(folder, "x.jpg"), SIDE, SIDE, 1, progressive == 1, pixels);
    sht__picture picture = decoded(at(folder, "x.jpg"));
    assert_int_equal(picture.channels, 1);
    for (int i = 0; i < POSITIONS; i++) {
      assert_true(abs(picture.pixels[i] - pixels[i]) < 8);  // at quality 75, of a smooth picture
    }
    sht__picture_close(&picture);
  }
  for (int i = 0; i < POSITIONS * 3; i++) {
    pixels[i] = (uint8_t[]){200, 90, 30}[i % 3];
  }
  put_jpeg(at(folder, "x.png"), SIDE, SIDE, 3, false, pixels);  // the name does not matter
  sht__picture picture = decoded(at(folder, "x.png"));
  assert_int_equal(picture.channels, 3);
  for (int i = 0; i < POSITIONS * 3; i++) {
    assert_true(abs(picture.pixels[i] - pixels[i]) < 4);
  }
  sht__picture_close(&picture);
}

static void grey_and_colour_together(void **state) {
  (void)state;
  uint8_t rgb[4 * 4 * 3];
  for (int i = 0; i < 48; i++) {
    rgb[i] = (uint8_t)(5 * i);
  }
  put_small();
  put_png(at(folder, "test/cat/0.png"), 4, 4, 3, rgb);  // one in the test set: three channels for all
  sht_dataset *data = opened(folder);
  assert_true(data->train.channels == 3 && data->test.channels == 3);
  for (int i = 0; i < 4 * 48; i++) {
    assert_int_equal(((uint8_t *)data->train.pixels)[i], 10 * (1 + i / 48));
  }
  assert_memory_equal(data->test.pixels, rgb, 48);
  assert_int_equal(((uint8_t *)data->test.pixels)[48 + 47], 50);
  sht_dataset_close(data);
}

// As sht__picture_read of a file "broken.png".
static sht_status decode(unsigned char *bytes, size_t size, sht_error *error) {
  sht__picture picture;
  const sht__picture_source source = {"broken.png", fmemopen(bytes, size, "rb"), size, true};
  sht_status status = sht__picture_decode(&source, &picture, error);
  sht__picture_close(&picture);
  (void)fclose(source.file);
  return status;
}

// Cut at every length, and with every byte changed that has a checksum.
static void damage_is_noticed(void **state) {
  (void)state;
  uint8_t pixels[POSITIONS * 3];
  fill_smooth(pixels, POSITIONS * 3);
  for (int kind = 0; kind < 4; kind++) {
    unsigned char bytes[4096];
    const char *path = at(folder, "broken.png");
    if (kind == 0) {
      put_png(path, SIDE, SIDE, 3, pixels);
    } else {
      put_jpeg(path, SIDE, SIDE, kind == 3 ? 1 : 3, kind == 2, pixels);
    }
    FILE *file = fopen(path, "rb");
    const size_t size = fread(bytes, 1, sizeof bytes, file);
    (void)fclose(file);
    assert_in_range(size, 60, sizeof bytes - 1);
    for (size_t i = 0; i < size; i++) {
      sht_error error;
      assert_int_equal(decode(bytes, i, &error), SHT_DATA);
      assert_true(says(&error, "broken.png: "));
      bytes[i] ^= 0x55;
      sht_status status = decode(bytes, size, &error);  // of JPEG any picture may come out
      assert_true(status == SHT_DATA ? says(&error, "broken.png: ") : kind != 0 && status == SHT_OK);
      bytes[i] ^= 0x55;
    }
  }
}

static void put_big_endian(unsigned char *at_byte, uint32_t value, int bytes) {
  for (int i = 0; i < bytes; i++) {
    at_byte[i] = (unsigned char)(value >> 8 * (bytes - 1 - i));
  }
}

// A small PNG whose header says other sides, with the right checksum.
static void put_png_of_sides(uint32_t height, uint32_t width) {
  unsigned char bytes[4096];
  put_level(folder, "x.png", 4, 4, 1);
  FILE *file = fopen(at(folder, "x.png"), "rb");
  const size_t size = fread(bytes, 1, sizeof bytes, file);
  (void)fclose(file);
  put_big_endian(bytes + 16, width, 4);
  put_big_endian(bytes + 20, height, 4);
  put_big_endian(bytes + 29, (uint32_t)crc32(0, bytes + 12, 17), 4);
  put_file(folder, "x.png", bytes, size);
}

static void picture_refused(const char *name, const char *words) {
  for (int whole = 0; whole < 2; whole++) {
    sht__picture picture;
    sht_error error = {.message = ""};
    const char *path = at(folder, name);
    sht_status status =
        whole == 1 ? sht__picture_read(path, &picture, &error) : sht__picture_measure(path, &picture, &error);
    if (status != SHT_DATA || !says(&error, name) || !says(&error, words)) {
      print_error("%s, expected \"%s\"\n", error.message, words);
      fail();
    }
    assert_null(picture.pixels);
  }
}

static void hostile_files_are_refused(void **state) {
  (void)state;
  unsigned char bytes[4096];
  uint8_t pixels[4 * 4 * 4] = {0};
  put_png_of_sides(16385, 1);
  picture_refused("x.png", "expected sides from 1 to 16384");
  put_png_of_sides(0x7fffffff, 0x7fffffff);
  picture_refused("x.png", "expected sides from 1 to 16384");
  put_png_of_sides(16384, 16384);
  picture_refused("x.png", "16384x16384 pixels cannot be held in");
  put_png_of_sides(0, 4);
  picture_refused("x.png", "damaged or cut off");
  put_jpeg(at(folder, "x.jpg"), 4, 4, 1, false, pixels);
  FILE *file = fopen(at(folder, "x.jpg"), "rb");
  const size_t size = fread(bytes, 1, sizeof bytes, file);
  (void)fclose(file);
  unsigned char *frame = memmem(bytes, size, "\xff\xc0", 2);
  put_big_endian(frame + 5, 16000, 2);
  put_big_endian(frame + 7, 16000, 2);
  put_file(folder, "x.jpg", bytes, size);
  picture_refused("x.jpg", "cannot be held in");
  put_big_endian(frame + 5, 60000, 2);
  put_file(folder, "x.jpg", bytes, size);
  picture_refused("x.jpg", "60000x16000 pixels");
  put_jpeg(at(folder, "x.jpg"), 4, 4, 4, false, pixels);
  picture_refused("x.jpg", "in CMYK, for printing, expected grey or RGB");
  put_file(folder, "x.jpg", "", 0);
  picture_refused("x.jpg", "the file is empty");
  put_file(folder, "x.png", "<html>not found</html>", 22);
  picture_refused("x.png", "neither a PNG nor a JPEG picture");
  put_file(folder, "x.png", "\x89PNG\r\n\x1a\n", 8);
  picture_refused("x.png", "it ends too early");
  put_file(folder, "x.png", "\xff\xd8\xff", 3);
  picture_refused("x.png", "JPEG data is damaged or cut off");
}

// Of many broken pictures the first one's, whichever thread comes first; headers come before pixels.
static void the_first_failure_is_told(void **state) {
  (void)state;
  unsigned char bytes[4096];
  uint8_t pixels[40 * 40];
  fill_smooth(pixels, 1600);
  for (int i = 0; i < 200; i++) {
    char name[64];
    (void)snprintf(name, sizeof name, "train/cat/%03d.png", i);
    put_png(at(folder, name), 40, 40, 1, pixels);
    if (i >= 30) {
      FILE *file = fopen(at(folder, name), "rb");
      const size_t size = fread(bytes, 1, sizeof bytes, file);
      (void)fclose(file);
      put_file(folder, name, bytes, size - 20);
    }
  }
  put_png(at(folder, "test/cat/1.png"), 40, 40, 1, pixels);
  for (int i = 0; i < 20; i++) {
    refused(folder, SHT_DATA, "train/cat/030.png: the PNG data");
  }
}

static void resampled(uint32_t height, uint32_t width, uint32_t side, uint8_t *pixels, uint8_t *out) {
  const sht__picture picture = {height, width, 1, pixels};
  assert_int_equal(sht__resample(&picture, side, out, NULL), SHT_OK);
}

static void constant_stays_constant(void **state) {
  (void)state;
  static uint8_t pixels[97 * 131];
  static uint8_t out[200 * 200];
  static const uint8_t levels[] = {0, 1, 77, 128, 254, 255};
  static const uint32_t sides[] = {1, 2, 31, 64, 96, 97, 98, 200};
  for (size_t l = 0; l < sizeof levels; l++) {
    for (size_t s = 0; s < 8; s++) {
      memset(pixels, levels[l], sizeof pixels);
      resampled(97, 131, sides[s], pixels, out);
      for (uint32_t i = 0; i < sides[s] * sides[s]; i++) {
        assert_int_equal(out[i], levels[l]);
      }
    }
  }
}

// The triangle of half width 2 at even ratios: weights 1, 3, 3, 1 of 8 in either direction, 3, 3, 1 of 7 at an edge.
static void halving_is_the_filter(void **state) {
  (void)state;
  uint8_t pixels[64];
  uint8_t out[16];
  for (int i = 0; i < 64; i++) {
    pixels[i] = (uint8_t)(i * i * 37 + i * 11);
  }
  resampled(8, 8, 4, pixels, out);
  for (int y = 0; y < 4; y++) {
    for (int x = 0; x < 4; x++) {
      static const int weights[4] = {1, 3, 3, 1};
      int sum = 0;
      int total = 0;
      for (int k = 0; k < 16; k++) {
        const int row = 2 * y - 1 + k / 4;
        const int column = 2 * x - 1 + k % 4;
        const int weight = row < 0 || row > 7 || column < 0 || column > 7 ? 0 : weights[k / 4] * weights[k % 4];
        sum += weight * (weight == 0 ? 0 : pixels[8 * row + column]);
        total += weight;
      }
      assert_int_equal(out[4 * y + x], (2 * sum + total) / (2 * total));
    }
  }
}

// A symmetric filter leaves a ramp a ramp, where it does not reach beyond the edge.
static void ramps_stay_ramps(void **state) {
  (void)state;
  static uint8_t pixels[64 * 64];
  static uint8_t out[128 * 128];
  for (int i = 0; i < 64 * 64; i++) {
    pixels[i] = (uint8_t)(2 * (i % 64) + i / 64 + 10);
  }
  resampled(64, 64, 16, pixels, out);
  for (int y = 1; y < 15; y++) {
    for (int x = 1; x < 15; x++) {
      assert_int_equal(out[16 * y + x], (2 * (8 * x + 3) + (8 * y + 3) + 20 + 1) / 2);  // at 4 i + 3/2, half up
    }
  }
  for (int i = 0; i < 64 * 64; i++) {
    pixels[i] = (uint8_t)(4 * (i % 32) + 10);
  }
  resampled(32, 32, 64, pixels, out);  // doubled: between the pixels, at i / 2 - 1/4
  for (int x = 1; x < 63; x++) {
    assert_int_equal(out[64 * 5 + x], 2 * x - 1 + 10);
  }
}

// The longer side: floor(side * long / short), and the centre from floor((length - side) / 2) on.
static void the_centre_is_cut(void **state) {
  (void)state;
  static uint8_t pixels[4 * 250];
  static uint8_t out[1000];
  for (int i = 0; i < 4 * 7; i++) {
    pixels[i] = (uint8_t)(10 * i);
  }
  resampled(4, 7, 4, pixels, out);  // as it is, columns 1 to 4
  for (int i = 0; i < 16; i++) {
    assert_int_equal(out[i], pixels[i / 4 * 7 + 1 + i % 4]);
  }
  resampled(7, 4, 4, pixels, out);  // rows 1 to 4
  assert_memory_equal(out, pixels + 4, 16);
  for (int i = 0; i < 4 * 250; i++) {
    pixels[i] = (uint8_t)(i % 250);
  }
  resampled(4, 250, 2, pixels, out);  // 125 long, columns 61 and 62: of the ramp 2 i + 1/2, half up
  assert_true(out[0] == 123 && out[1] == 125 && out[2] == 123);
}

static int set_up(void **state) {
  static char path[64];
  make_folder(path);
  folder = path;
  *state = path;
  return 0;
}

static int tear_down(void **state) {
  remove_tree(*state);
  return 0;
}

#define FOLDER_TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void) {
  const struct CMUnitTest tests[] = {
      FOLDER_TEST(classes_and_pictures_are_in_order_of_their_bytes),
      FOLDER_TEST(layouts_that_are_none),
      FOLDER_TEST(links_and_permissions),
      FOLDER_TEST(sizes_must_agree_unless_scaled),
      FOLDER_TEST(a_name_that_ends_in_digits_is_a_folder),
      FOLDER_TEST(every_kind_of_png),
      FOLDER_TEST(bits_and_palettes),
      FOLDER_TEST(jpeg_comes_back_nearly),
      FOLDER_TEST(grey_and_colour_together),
      FOLDER_TEST(damage_is_noticed),
      FOLDER_TEST(hostile_files_are_refused),
      FOLDER_TEST(the_first_failure_is_told),
      cmocka_unit_test(constant_stays_constant),
      cmocka_unit_test(halving_is_the_filter),
      cmocka_unit_test(ramps_stay_ramps),
      cmocka_unit_test(the_centre_is_cut),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
