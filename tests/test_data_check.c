// What `check` measures, on a folder whose content is known; the picture of a set, read back; the data folder.
#include <math.h>
#include <png.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
// after the four headers that it needs
#include <cmocka.h>

#include "data_case.h"
#include "data_random.h"

// put_tiny_cifar gives 12 images that all differ; one is copied within training and twice into test.
static void duplicates_and_counts(void **state) {
  (void)state;
  char folder[64];
  make_folder(folder);
  put_tiny_cifar(folder);
  sht_data_report *report = NULL;
  assert_int_equal(sht_dataset_check(folder, NULL, &report, NULL), SHT_OK);
  assert_true(report->train.duplicates == 0 && report->test.duplicates == 0 && report->shared == 0);
  for (int k = 0; k < 10; k++) {
    assert_true(report->train.class_counts[k] == (k < 5 ? 2 : 0) && report->test.class_counts[k] == (k == 5 ? 2 : 0));
  }
  // Each channel of each image is every level four times: mean 127.5, variance (256^2 - 1) / 12.
  for (int c = 0; c < 3; c++) {
    assert_true(fabs(report->train.mean[c] - 0.5) < 1e-12);
    assert_true(fabs(report->train.deviation[c] - sqrt(65535.0 / 12) / 255) < 1e-12);
  }
  sht_data_report_close(report);
  unsigned char two[2 * SHT_CIFAR_RECORD];
  char path[128];
  (void)snprintf(path, sizeof path, "%s/data_batch_1.bin", folder);
  FILE *file = fopen(path, "rb");
  assert_non_null(file);
  assert_int_equal(fread(two, 1, SHT_CIFAR_RECORD, file), SHT_CIFAR_RECORD);
  assert_int_equal(fclose(file), 0);
  memcpy(two + SHT_CIFAR_RECORD, two, SHT_CIFAR_RECORD);
  two[SHT_CIFAR_RECORD] = 9;  // another label does not make another image
  put_file(folder, "test_batch.bin", two, sizeof two);
  put_file(folder, "data_batch_2.bin", two, SHT_CIFAR_RECORD);
  assert_int_equal(sht_dataset_check(folder, NULL, &report, NULL), SHT_OK);
  assert_true(report->train.duplicates == 1 && report->test.duplicates == 1 && report->shared == 2);
  sht_data_report_close(report);
  assert_int_equal(sht_dataset_check("/nowhere", NULL, &report, NULL), SHT_MISSING);
  remove_folder(folder);
}

// The picture holds every pixel twice in each direction, a frame where the label is not the true one, and text.
static void grid_shows_the_pixels(void **state) {
  (void)state;
  static const uint32_t shape[3] = {6, 20, 3};
  sht_dataset *data = random_dataset(5, 1, shape, 2);
  (void)snprintf(data->class_names[1], 32, "ONE");
  data->train.labels[0] = 1;  // truly 0
  char folder[64];
  char path[128];
  make_folder(folder);
  (void)snprintf(path, sizeof path, "%s/grid.png", folder);
  assert_int_equal(sht_dataset_write_grid(data, NULL, 100, 3, path, NULL), SHT_OK);
  png_image image = {.version = PNG_IMAGE_VERSION};
  assert_int_equal(png_image_begin_read_from_file(&image, path), 1);
  image.format = PNG_FORMAT_RGB;
  unsigned char *rgb = malloc(PNG_IMAGE_SIZE(image));
  assert_int_equal(png_image_finish_read(&image, NULL, rgb, 0, NULL), 1);
  assert_int_equal(image.width, 6 + 3 * (40 + 4 + 6));
  // Cell 1 begins at (6 + 50, 6); its image lies within a frame of 2, which is white as its label is true.
  for (int y = 0; y < 12; y++) {
    for (int x = 0; x < 40; x++) {
      const unsigned char *shown = rgb + ((size_t)(8 + y) * image.width + 58 + (size_t)x) * 3;
      assert_memory_equal(shown, (uint8_t *)data->train.pixels + ((6 + y / 2) * 20 + x / 2) * 3, 3);
    }
  }
  static const unsigned char frame[3] = {213, 94, 0};
  assert_memory_equal(rgb + (6 * (size_t)image.width + 6) * 3, frame, 3);
  assert_int_equal(rgb[(6 * (size_t)image.width + 56) * 3], 255);
  int dark = 0;
  for (uint32_t x = 56; x < 100; x++) {
    dark += rgb[(26 * (size_t)image.width + x) * 3] == 60 ? 1 : 0;  // a row of the name under cell 1
  }
  assert_true(dark > 3);
  free(rgb);
  assert_int_equal(sht_dataset_write_grid(data, NULL, 0, 3, path, NULL), SHT_CONFIG);
  assert_int_equal(sht_dataset_write_grid(data, NULL, 1, 0, path, NULL), SHT_CONFIG);
  assert_int_equal(sht_dataset_write_grid(data, NULL, 1, 1, "/nowhere/grid.png", NULL), SHT_DISK);
  sht_dataset_close(data);
  remove_folder(folder);
}

// With variants: a row for each example, the centre window first, then the first epochs.
static void grid_shows_variants_in_rows(void **state) {
  (void)state;
  enum { SIDE = 12, WINDOW = 10, VALUES = WINDOW * WINDOW * 3, CELL = 2 * WINDOW + 4 + 6 };
  static const uint32_t shape[3] = {SIDE, SIDE, 3};
  sht_dataset *data = random_dataset(5, 1, shape, 2);
  sht_pipeline variants = {.split = &data->train, .height = WINDOW, .width = WINDOW, .seed = 3};
  char folder[64];
  char path[128];
  make_folder(folder);
  (void)snprintf(path, sizeof path, "%s/grid.png", folder);
  assert_int_equal(sht_augmentation_parse("crop,rotate:25,color", &variants.augment, NULL), SHT_OK);
  assert_int_equal(sht_dataset_write_grid(data, &variants, 6, 3, path, NULL), SHT_OK);
  png_image image = {.version = PNG_IMAGE_VERSION};
  assert_int_equal(png_image_begin_read_from_file(&image, path), 1);
  image.format = PNG_FORMAT_RGB;
  unsigned char *rgb = malloc(PNG_IMAGE_SIZE(image));
  assert_int_equal(png_image_finish_read(&image, NULL, rgb, 0, NULL), 1);
  assert_int_equal(image.width, 6 + 3 * CELL);
  const size_t row_height = (image.height - 6) / 2;
  for (uint32_t cell = 0; cell < 6; cell++) {
    uint8_t levels[VALUES];
    sht_pipeline one = variants;
    one.augment = cell % 3 == 0 ? (sht_augmentation){0} : variants.augment;
    sht_pipeline_levels(&one, cell % 3 == 0 ? 0 : cell % 3 - 1, cell / 3, levels);
    for (size_t i = 0; i < (size_t)WINDOW * WINDOW; i++) {
      size_t y = 8 + cell / 3 * row_height + 2 * (i / WINDOW);
      size_t x = 8 + (size_t)(cell % 3) * CELL + 2 * (i % WINDOW);
      assert_memory_equal(rgb + (y * image.width + x) * 3, levels + i * 3, 3);
    }
  }
  free(rgb);
  sht_dataset_close(data);
  remove_folder(folder);
}

static void data_folder_follows_the_environment(void **state) {
  (void)state;
  char out[64];
  assert_int_equal(setenv("HOME", "/home/h", 1), 0);
  assert_int_equal(unsetenv("SHATTER_DATA"), 0);
  assert_int_equal(unsetenv("XDG_DATA_HOME"), 0);
  assert_int_equal(sht_data_folder(NULL, out, sizeof out, NULL), SHT_OK);
  assert_string_equal(out, "/home/h/.local/share/shatter");
  assert_int_equal(setenv("XDG_DATA_HOME", "/xdg", 1), 0);
  assert_int_equal(sht_data_folder("", out, sizeof out, NULL), SHT_OK);
  assert_string_equal(out, "/xdg/shatter");
  assert_int_equal(setenv("SHATTER_DATA", "/data", 1), 0);
  assert_int_equal(sht_data_folder(NULL, out, sizeof out, NULL), SHT_OK);
  assert_string_equal(out, "/data");
  assert_int_equal(sht_data_folder("/mine", out, sizeof out, NULL), SHT_OK);
  assert_string_equal(out, "/mine");
  assert_int_equal(sht_data_folder("/mine", out, 5, NULL), SHT_CONFIG);
}

static void known_sets_are_well_formed(void **state) {
  (void)state;
  assert_int_equal(sht_known_set_count, 4);
  for (size_t i = 0; i < sht_known_set_count; i++) {
    const sht_known_data *set = &sht_known_sets[i];
    assert_ptr_equal(sht_known_data_find(set->name), set);
    assert_true((set->folder == NULL) == (set->file_count == 0));
    for (int f = 0; f < set->file_count; f++) {
      assert_true(strlen(set->files[f].md5) == 32 && strlen(set->files[f].sha256) == 64 && set->files[f].size > 0);
      assert_true(set->files[f].urls[0] != NULL && set->files[f].urls[3] == NULL);
    }
  }
  assert_null(sht_known_data_find("cifar"));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(duplicates_and_counts),       cmocka_unit_test(grid_shows_the_pixels),
      cmocka_unit_test(grid_shows_variants_in_rows), cmocka_unit_test(data_folder_follows_the_environment),
      cmocka_unit_test(known_sets_are_well_formed),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
