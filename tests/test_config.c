// Configurations: the option table, values from text, YAML files with all their faults, contradictions, round trips.
#include "shatter/config.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
// after the four headers that it needs
#include <cmocka.h>

#include "config/scalar.h"

// Writes `text` to a temporary file and reads it into config.
static sht_status read_text(sht_config *config, const char *text, size_t size, sht_error *error) {
  char path[] = "/tmp/shatter-config-XXXXXX";
  int file = mkstemp(path);
  assert_true(file >= 0);
  assert_true(write(file, text, size) == (ssize_t)size);
  (void)close(file);
  sht_status status = sht_config_read(config, path, error);
  (void)unlink(path);
  return status;
}

static void assert_holds(const char *message, const char *fragment) {
  if (strstr(message, fragment) == NULL) {
    print_error("expected \"%s\" in:\n%s\n", fragment, message);
    fail();
  }
}

static void table_is_sound(void **state) {
  (void)state;
  sht_config config;
  sht_config_default(&config);
  for (size_t i = 0; i < sht_option_count; i++) {
    const sht_option *option = &sht_options[i];
    assert_ptr_equal(sht_option_find(option->name), option);
    assert_true(option->help[strlen(option->help) - 1] == '.');
    char text[SHT_TEXT_MAX];
    sht_config_get(&config, option, text, sizeof text);
    assert_string_equal(text, option->default_text);
    assert_int_equal(sht_config_set(&config, option->name, option->example, "example", NULL), SHT_OK);
    sht_config_default(&config);
  }
  assert_null(sht_option_find("lr"));
  assert_int_equal(sht_config_check(&config, NULL), SHT_OK);
}

static void defaults_are_the_papers(void **state) {
  (void)state;
  sht_config config;
  sht_config_default(&config);
  assert_int_equal(config.batch, 128);
  assert_int_equal(config.epochs, 100);
  assert_true(isnan(config.learning_rate) && isnan(config.momentum) && isnan(config.learning_rate_decay));
  assert_true(config.weight_decay == 0);
  assert_true(config.fitted_at == 0.99);
}

static void scalars_are_strict(void **state) {
  (void)state;
  static const char *const numbers[] = {"1e-3", "0.001", ".001", "1.E-3", "+1e-3", "1000e-6"};
  static const char *const others[] = {"",   "1e", "e3",  ".",     "1e-", "0x10",  "inf",  "nan",
                                       "1 ", " 1", "1,5", "1e999", "--1", "1.2.3", "1_000"};
  double number = 0;
  for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
    assert_true(sht__scalar_number(numbers[i], &number) && number == 1e-3);
  }
  for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
    assert_false(sht__scalar_number(others[i], &number));
  }
  uint64_t count = 0;
  assert_true(sht__scalar_count("18446744073709551615", &count) && count == UINT64_MAX);
  assert_false(sht__scalar_count("18446744073709551616", &count));
  assert_false(sht__scalar_count("-1", &count) || sht__scalar_count("1.0", &count) || sht__scalar_count("", &count));
  bool flag = false;
  assert_true(sht__scalar_bool("true", &flag) && flag);
  assert_false(sht__scalar_bool("yes", &flag) || sht__scalar_bool("True", &flag) || sht__scalar_bool("1", &flag));
}

static void printable_is_utf8_without_controls(void **state) {
  (void)state;
  assert_true(sht__scalar_printable("a \xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80"));
  static const char *const bad[] = {
      "a\nb",         "\x7f",     "\xc3",         "\xc0\x80", "\xc1\x81", "\xed\xa0\x80", "\xf5\x80\x80\x80",
      "\xe2\x80\xa8", "\xc2\x85", "\xef\xbb\xbf", "\x80"};
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    assert_false(sht__scalar_printable(bad[i]));
  }
}

// The shortest decimal, and always the same double again.
static void numbers_print_and_read_back(void **state) {
  (void)state;
  static const struct {
    double value;
    const char *text;
  } rows[] = {{0.1, "0.1"}, {5e-4, "0.0005"}, {4e-5, "4e-05"}, {0, "0"}, {1.0 / 3, "0.3333333333333333"}};
  char text[32];
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    sht__scalar_print(rows[i].value, text, sizeof text);
    assert_string_equal(text, rows[i].text);
  }
  for (int i = 1; i < 2000; i++) {
    double value = exp(sin(i) * 300);
    double back = 0;
    sht__scalar_print(value, text, sizeof text);
    assert_true(sht__scalar_number(text, &back) && back == value);
  }
}

typedef struct set_row {
  const char *name, *text;
  const char *fragments[3];  // NULL first: accepted
} set_row;

static void values_are_checked(void **state) {
  (void)state;
  static const set_row rows[] = {
      {"batch", "0", {"--batch: ", "whole number of examples from 1 to 65536", "\"0\""}},
      {"batch", "12.5", {"whole number", "\"12.5\""}},
      {"batch", "65537", {"\"65537\""}},
      {"batch", "64", {NULL}},
      {"seed", "18446744073709551615", {NULL}},
      {"seed", "18446744073709551616", {"below 2^64"}},
      {"learning-rate", "default", {NULL}},
      {"learning-rate", "1e-3", {NULL}},
      {"learning-rate", "nan", {"a number from 0 to 1000, or the word default"}},
      {"learning-rate", "-1", {"\"-1\""}},
      {"fitted-at", "default", {"a number from 0 to 1, not"}},
      {"fitted-at", "1.01", {"from 0 to 1"}},
      {"precision", "fp16", {"precision cannot be \"fp16\"", "did you mean \"fp32\"? known values: fp32, bf16, fp64"}},
      {"precision", "quadruple", {"known values: fp32, bf16, fp64"}},
      {"pixels", "shufled", {"did you mean \"shuffled\"?"}},
      {"fast", "yes", {"fast must be true or false, not \"yes\""}},
      {"bach", "1", {"there is no option \"bach\"", "did you mean \"batch\"?"}},
      {"xyzzyxyzzy", "1", {"known options: model, data"}},
      {"store", "a\nb", {"control characters"}},
      {"data", "plain/path with spaces", {NULL}},
  };
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    sht_config config;
    sht_config before;
    sht_error error = {0};
    char where[64];
    (void)snprintf(where, sizeof where, "--%s", rows[i].name);
    sht_config_default(&config);
    before = config;
    sht_status status = sht_config_set(&config, rows[i].name, rows[i].text, where, &error);
    assert_int_equal(status, rows[i].fragments[0] == NULL ? SHT_OK : SHT_CONFIG);
    for (int j = 0; j < 3 && rows[i].fragments[j] != NULL; j++) {
      assert_holds(error.message, rows[i].fragments[j]);
    }
    assert_true(status == SHT_OK || memcmp(&config, &before, sizeof config) == 0);
  }
}

static void text_length_is_checked(void **state) {
  (void)state;
  sht_config config;
  sht_config_default(&config);
  char text[SHT_TEXT_MAX + 1];
  memset(text, 'a', sizeof text);
  text[SHT_TEXT_MAX] = '\0';
  assert_int_equal(sht_config_set(&config, "model", text, "--model", NULL), SHT_CONFIG);
  text[SHT_TEXT_MAX - 1] = '\0';
  assert_int_equal(sht_config_set(&config, "model", text, "--model", NULL), SHT_OK);
  assert_string_equal(config.model, text);
}

typedef struct file_row {
  const char *text;
  const char *fragments[4];
} file_row;

static void files_tell_all_their_faults(void **state) {
  (void)state;
  static const file_row rows[] = {
      {"", {"the file is empty"}},
      {"# nothing\n", {"the file is empty"}},
      {"batch: 12\nlerning-rate: 0.1\nprecision: fp23\n",
       {":2:1: there is no option \"lerning-rate\"\n    lerning-rate: 0.1\n    ^\n  did you mean \"learning-rate\"?",
        ":3:12: precision cannot be \"fp23\"\n    precision: fp23\n               ^\n  did you mean \"fp32\"?"}},
      {"batch: 1\nbatch: 2\n", {":2:1: the key \"batch\" was given already on line 1"}},
      {"batch: \"128\"\n", {":1:8: batch must be one value, not \"128\" in quotes", "remove the quotes"}},
      {"batch: [1, 2]\n", {":1:8: batch must be one value, not a list"}},
      {"batch:\n", {"batch must be one value, not nothing"}},
      {"fast: yes\n", {":1:7: fast must be true or false, not \"yes\""}},
      {"- batch\n", {":1:1: expected lines of OPTION: VALUE"}},
      {"batch\n", {"expected lines of OPTION: VALUE"}},
      {"batch: &a 3\n", {":1:8: the anchor or alias \"a\" is not allowed"}},
      {"batch: *a\n", {"the anchor or alias \"a\" is not allowed"}},
      {"batch: !!int 3\n", {"the tag \"tag:yaml.org,2002:int\" is not allowed"}},
      {"batch: 3\n---\nbatch: 4\n", {":2:1: a second document"}},
      {"batch: [3\n", {":2:1: ", "check indentation"}},
      {"\tbatch: 3\n", {":1:1: ", "check indentation"}},
      {"batch: 3\n  seed: 4\n", {":2:7: "}},
      {"batch: '3\n", {"check indentation, brackets, quotes and colons"}},
      {"[a]: 3\n", {":1:1: a key must be a word"}},
      {"\xff\xfe\xfd", {"byte 0: ", "UTF-8"}},
      {"model: \"a\\0b\"\n", {":1:8: a text holds the character NUL"}},
      {"\xc3\xa9\xc3\xa9: 3 \n", {":1:1: there is no option"}},
  };
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    sht_config config;
    sht_config before;
    sht_error error = {0};
    sht_config_default(&config);
    before = config;
    assert_int_equal(read_text(&config, rows[i].text, strlen(rows[i].text), &error), SHT_CONFIG);
    for (int j = 0; j < 4 && rows[i].fragments[j] != NULL; j++) {
      assert_holds(error.message, rows[i].fragments[j]);
    }
    assert_memory_equal(&config, &before, sizeof config);
  }
}

static void hostile_files_end_in_a_sentence(void **state) {
  (void)state;
  enum { SIZE = 300000 };
  char *text = malloc(SIZE);
  sht_config config;
  sht_error error = {0};
  sht_config_default(&config);
  memset(text, '[', SIZE);
  assert_int_equal(read_text(&config, text, 1000, &error), SHT_CONFIG);
  assert_holds(error.message, "nested more than 32 deep");
  assert_int_equal(read_text(&config, text, SIZE, &error), SHT_DATA);
  assert_holds(error.message, "expected at most 262144");
  size_t length = 0;
  for (int i = 0; i < 3000; i++) {
    length += (size_t)snprintf(text + length, SIZE - length, "key%d: 1\n", i);
  }
  assert_int_equal(read_text(&config, text, length, &error), SHT_CONFIG);
  assert_holds(error.message, "too many keys");
  length = 0;
  for (int i = 0; i < 100; i++) {
    length += (size_t)snprintf(text + length, SIZE - length, "key%d: 1\n", i);
  }
  assert_int_equal(read_text(&config, text, length, &error), SHT_CONFIG);
  assert_holds(error.message, "more faults");
  assert_true(strlen(error.message) < SHT_ERROR_MESSAGE_MAX - 1);
  assert_int_equal(sht_config_read(&config, "/nonexistent/run.yaml", &error), SHT_MISSING);
  free(text);
}

static void files_are_laid_over(void **state) {
  (void)state;
  sht_config config;
  sht_config_default(&config);
  const char *text = "model: 'alexnet'   # quotes may stand\nlearning-rate: 1e-3\nstop-when-fitted: true\nseed: 7\n";
  assert_int_equal(read_text(&config, text, strlen(text), NULL), SHT_OK);
  assert_string_equal(config.model, "alexnet");
  assert_true(config.learning_rate == 1e-3 && config.stop_when_fitted && config.seed == 7);
  assert_int_equal(config.batch, 128);
}

static void contradictions_are_told_together(void **state) {
  (void)state;
  sht_config config;
  sht_error error = {0};
  sht_config_default(&config);
  (void)snprintf(config.device, sizeof config.device, "ref");
  (void)snprintf(config.precision, sizeof config.precision, "bf16");
  config.train_size = 10;
  config.model[0] = '\0';
  config.fitted_at = NAN;
  assert_int_equal(sht_config_check(&config, &error), SHT_CONFIG);
  assert_holds(error.message, "the device ref does not compute in bf16\n  use precision fp32 or fp64");
  assert_holds(error.message, "a batch of 128 does not fit in a training set of 10");
  assert_holds(error.message, "there is no model");
  assert_holds(error.message, "fitted-at must be a number");
  sht_config_default(&config);
  (void)snprintf(config.precision, sizeof config.precision, "fp64");
  assert_int_equal(sht_config_check(&config, &error), SHT_CONFIG);
  assert_holds(error.message, "the device cpu does not compute in fp64");
  (void)snprintf(config.device, sizeof config.device, "ref");
  assert_int_equal(sht_config_check(&config, &error), SHT_OK);
  (void)snprintf(config.precision, sizeof config.precision, "tf32");
  assert_int_equal(sht_config_check(&config, &error), SHT_CONFIG);
  assert_holds(error.message, "the device ref does not compute in tf32");
  (void)snprintf(config.device, sizeof config.device, "cuda");
  assert_int_equal(sht_config_check(&config, &error), SHT_OK);
}

static void written_configurations_read_back(void **state) {
  (void)state;
  static const char *const texts[] = {"plain",       "a: b",   "# c",    "\"quoted\" \\ back",
                                      "'x'",         "-",      "- a",    "true",
                                      "1e3",         " edge ", "{a: 1}", "[x",
                                      "&a",          "*a",     "!t",     "%d",
                                      "@",           "`",      "a #b",   "\xc3\xa9",
                                      "corrupt:0.3", "null",   "~",      "?",
                                      "|",           ">"};
  for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
    sht_config config;
    sht_config_default(&config);
    (void)snprintf(config.data, sizeof config.data, "%s", texts[i]);
    (void)snprintf(config.store, sizeof config.store, "%s", texts[i]);
    config.learning_rate = 0.1 + (double)i / 3;
    config.seed = UINT64_MAX - i;
    config.fast = i % 2 == 0;
    char *text = NULL;
    assert_int_equal(sht_config_write(&config, false, &text, NULL), SHT_OK);
    sht_config back;
    sht_error error = {0};
    sht_config_default(&back);
    sht_status status = read_text(&back, text, strlen(text), &error);
    if (status != SHT_OK) {
      print_error("%s\n", error.message);
    }
    assert_int_equal(status, SHT_OK);
    char *again = NULL;
    assert_int_equal(sht_config_write(&back, false, &again, NULL), SHT_OK);
    assert_string_equal(text, again);
    assert_string_equal(back.data, texts[i]);
    assert_true(back.learning_rate == config.learning_rate && back.seed == config.seed);
    sht_text_free(text);
    sht_text_free(again);
  }
}

static void identity_leaves_out_what_does_not_matter(void **state) {
  (void)state;
  sht_config config;
  sht_config_default(&config);
  char *text = NULL;
  assert_int_equal(sht_config_write(&config, true, &text, NULL), SHT_OK);
  static const char *const out[] = {"threads", "store", "data-dir", "save", "checkpoint-seconds"};
  for (size_t i = 0; i < sizeof out / sizeof out[0]; i++) {
    char line[64];
    (void)snprintf(line, sizeof line, "\n%s:", out[i]);
    assert_null(strstr(text, line));
  }
  assert_non_null(strstr(text, "\nlearning-rate: default\n"));
  assert_true(strncmp(text, "model: mlp-1x512\n", 17) == 0);
  sht_text_free(text);
}

// An option that came later stands in the identity only when it is used: the runs before it keep theirs.
static void later_options_leave_old_identities(void **state) {
  (void)state;
  sht_config config;
  sht_config_default(&config);
  char *plain = NULL;
  char *used = NULL;
  assert_int_equal(sht_config_write(&config, true, &plain, NULL), SHT_OK);
  for (size_t i = 0; i < sht_option_count; i++) {
    if (sht_options[i].later) {
      assert_null(strstr(plain, sht_options[i].name));
      assert_int_equal(sht_config_set(&config, sht_options[i].name, sht_options[i].example, "test", NULL), SHT_OK);
    }
  }
  assert_int_equal(sht_config_write(&config, true, &used, NULL), SHT_OK);
  assert_non_null(strstr(used, "\naugment: \"flip,rotate:25\"\n"));
  assert_non_null(strstr(used, "\ndropout: 0.5\n"));
  sht_text_free(plain);
  sht_text_free(used);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(table_is_sound),
      cmocka_unit_test(defaults_are_the_papers),
      cmocka_unit_test(scalars_are_strict),
      cmocka_unit_test(printable_is_utf8_without_controls),
      cmocka_unit_test(numbers_print_and_read_back),
      cmocka_unit_test(values_are_checked),
      cmocka_unit_test(text_length_is_checked),
      cmocka_unit_test(files_tell_all_their_faults),
      cmocka_unit_test(hostile_files_end_in_a_sentence),
      cmocka_unit_test(files_are_laid_over),
      cmocka_unit_test(contradictions_are_told_together),
      cmocka_unit_test(written_configurations_read_back),
      cmocka_unit_test(identity_leaves_out_what_does_not_matter),
      cmocka_unit_test(later_options_leave_old_identities),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
