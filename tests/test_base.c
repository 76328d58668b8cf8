// The base: checked sizes, memory, files, text, SHA-256, the thread pool.
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
// after the four headers that it needs
#include <cmocka.h>

#include "base/file.h"
#include "base/hash.h"
#include "base/memory.h"
#include "base/pool.h"
#include "base/text.h"

static void sizes_are_checked(void **state) {
  (void)state;
  uint64_t out = 7;
  assert_true(sht_size_mul(60000, 60000, &out));
  assert_int_equal(out, 3600000000U);
  assert_false(sht_size_mul(1ULL << 40, 1ULL << 24, &out));
  assert_false(sht_size_add(UINT64_MAX, 1, &out));
  assert_int_equal(out, 3600000000U);
}

static void memory_is_zeroed_and_aligned(void **state) {
  (void)state;
  static const uint64_t counts[] = {0, 1, 100, (2 << 20) + 3};
  for (size_t i = 0; i < 4; i++) {
    unsigned char *block = NULL;
    assert_int_equal(SHT_ALLOC(&block, counts[i], "test", NULL), SHT_OK);
    assert_int_equal((uintptr_t)block % 64, 0);
    for (uint64_t j = 0; j < counts[i]; j++) {
      assert_int_equal(block[j], 0);
    }
    sht_free(block);
  }
}

static void too_much_memory_is_an_error(void **state) {
  (void)state;
  sht_error error;
  double *block = NULL;
  assert_int_equal(SHT_ALLOC(&block, 1ULL << 61, "Gram matrix", &error), SHT_MEMORY);
  assert_null(block);
  assert_non_null(strstr(error.message, "Gram matrix"));
  assert_int_equal(SHT_ALLOC(&block, 1ULL << 57, "Gram matrix", &error), SHT_MEMORY);
  assert_null(block);
}

static void hashes_known_answers(void **state) {
  (void)state;
  char hex[65];
  // FIPS 180-4 examples.
  assert_int_equal(sht_hash_bytes("", 0, hex, NULL), SHT_OK);
  assert_string_equal(hex, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  assert_int_equal(sht_hash_bytes("abc", 3, hex, NULL), SHT_OK);
  assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

static void names_are_suggested(void **state) {
  (void)state;
  static const char *const names[] = {"train", "resume", "report", "data", NULL};
  assert_string_equal(sht_text_nearest("trian", names), "train");
  assert_string_equal(sht_text_nearest("reprot", names), "report");
  assert_string_equal(sht_text_nearest("dta", names), "data");
  assert_null(sht_text_nearest("xylophone", names));
  assert_null(sht_text_nearest("", names + 4));
}

static void numbers_have_units(void **state) {
  (void)state;
  char out[32];
  assert_string_equal(sht_text_count(1649402, out, sizeof out), "1,649,402");
  assert_string_equal(sht_text_count(0, out, sizeof out), "0");
  assert_string_equal(sht_text_count(UINT64_MAX, out, sizeof out), "18,446,744,073,709,551,615");
  assert_string_equal(sht_text_bytes(999, out, sizeof out), "999 bytes");
  assert_string_equal(sht_text_bytes(1500000000, out, sizeof out), "1.5 GB");
  assert_string_equal(sht_text_duration(0.25, out, sizeof out), "250 ms");
  assert_string_equal(sht_text_duration(125, out, sizeof out), "2 min 05 s");
  assert_string_equal(sht_text_duration(7500, out, sizeof out), "2 h 05 min");
  assert_string_equal(sht_text_duration(0.0 / 0.0, out, sizeof out), "unknown");
}

// A shell gives back each word as it was.
static void words_are_quoted(void **state) {
  (void)state;
  static const char *const words[] = {"plain-1.yaml", "", "two words", "it's", "$HOME `id` \"\\", "a\nb", "*;&|<>~#("};
  for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
    char *command = NULL;
    size_t size = 0;
    char out[64] = "";
    FILE *writer = open_memstream(&command, &size);
    (void)fputs("printf %s ", writer);
    sht_text_shell(writer, words[i]);
    assert_int_equal(fclose(writer), 0);
    FILE *shell = popen(command, "r");
    assert_int_equal(fread(out, 1, sizeof out - 1, shell), strlen(words[i]));
    assert_int_equal(pclose(shell), 0);
    assert_string_equal(out, words[i]);
    free(command);
  }
}

static void make_folder(char *folder) {
  strcpy(folder, "/tmp/shatter-test-XXXXXX");
  assert_non_null(mkdtemp(folder));
}

static void files_round_trip(void **state) {
  (void)state;
  char folder[64];
  char path[256];
  make_folder(folder);
  assert_int_equal(sht_path_join(path, sizeof path, folder, "a/b", NULL), SHT_OK);
  assert_int_equal(sht_folder_make(path, NULL), SHT_OK);
  assert_int_equal(sht_folder_make(path, NULL), SHT_OK);
  assert_int_equal(sht_path_join(path, sizeof path, folder, "a/b/file", NULL), SHT_OK);
  assert_int_equal(sht_file_write(path, "one", 3, NULL), SHT_OK);
  assert_int_equal(sht_file_append(path, " two", 4, NULL), SHT_OK);
  char *text = NULL;
  uint64_t size = 0;
  assert_int_equal(sht_file_read(path, 7, &text, &size, NULL), SHT_OK);
  assert_string_equal(text, "one two");
  assert_int_equal(size, 7);
  sht_free(text);
  assert_int_equal(sht_file_read(path, 6, &text, &size, NULL), SHT_DATA);
  assert_int_equal(sht_file_read(folder, 6, &text, &size, NULL), SHT_DATA);
  (void)unlink(path);
  assert_int_equal(sht_file_read(path, 6, &text, &size, NULL), SHT_MISSING);
  assert_null(text);
}

// A write that the file system refuses midway leaves the old file and no temporary one.
static void full_disk_keeps_the_old_file(void **state) {
  (void)state;
  char folder[64];
  char path[256];
  char temporary[300];
  make_folder(folder);
  (void)snprintf(path, sizeof path, "%s/file", folder);
  (void)snprintf(temporary, sizeof temporary, "%s.tmp.%d", path, (int)getpid());
  assert_int_equal(sht_file_write(path, "old", 3, NULL), SHT_OK);
  static char large[1 << 16];
  struct rlimit before;
  assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
  struct rlimit small = {4096, before.rlim_max};
  void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
  assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
  sht_error error;
  sht_status status = sht_file_write(path, large, sizeof large, &error);
  assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
  (void)signal(SIGXFSZ, handler);
  assert_int_equal(status, SHT_DISK);
  assert_non_null(strstr(error.message, "65536 bytes"));
  assert_false(sht_file_exists(temporary));
  char *text = NULL;
  uint64_t size = 0;
  assert_int_equal(sht_file_read(path, 100, &text, &size, NULL), SHT_OK);
  assert_string_equal(text, "old");
  sht_free(text);
}

// What is written to /dev/null or to a pipe does not put a file in its place.
static void pipes_stay_pipes(void **state) {
  (void)state;
  char folder[64], path[256], got[8] = "";
  struct stat info;
  make_folder(folder);
  (void)snprintf(path, sizeof path, "%s/pipe", folder);
  assert_int_equal(mkfifo(path, 0600), 0);
  int reader = open(path, O_RDONLY | O_NONBLOCK);
  assert_true(reader >= 0);
  assert_int_equal(sht_file_write(path, "one", 3, NULL), SHT_OK);
  assert_int_equal(read(reader, got, sizeof got), 3);
  assert_string_equal(got, "one");
  assert_int_equal(lstat(path, &info), 0);
  assert_true(S_ISFIFO(info.st_mode));
  (void)close(reader);
}

static void links_stay_links(void **state) {
  (void)state;
  char folder[64], path[256], link[256];
  char *text = NULL;
  uint64_t size = 0;
  struct stat info;
  make_folder(folder);
  (void)snprintf(path, sizeof path, "%s/file", folder);
  (void)snprintf(link, sizeof link, "%s/link", folder);
  assert_int_equal(sht_file_write(path, "old", 3, NULL), SHT_OK);
  assert_int_equal(symlink("file", link), 0);
  assert_int_equal(sht_file_write(link, "new", 3, NULL), SHT_OK);
  assert_int_equal(lstat(link, &info), 0);
  assert_true(S_ISLNK(info.st_mode));
  assert_int_equal(sht_file_read(path, 100, &text, &size, NULL), SHT_OK);
  assert_string_equal(text, "new");
  sht_free(text);
}

typedef struct tally {
  atomic_int runs[1000];
  atomic_int workers[8];
} tally;

static void count_task(void *context, size_t task, int worker) {
  tally *counts = context;
  atomic_fetch_add(&counts->runs[task], 1);
  atomic_fetch_add(&counts->workers[worker], 1);
}

// Every task runs once, on every pool, for many jobs in a row (lost wake-ups would hang here).
static void pool_runs_every_task_once(void **state) {
  (void)state;
  for (int threads = 1; threads <= 8; threads++) {
    sht_pool *pool = NULL;
    assert_int_equal(sht_pool_open(threads, &pool, NULL), SHT_OK);
    assert_int_equal(sht_pool_threads(pool), threads);
    tally *counts = calloc(1, sizeof *counts);
    for (int job = 0; job < 200; job++) {
      sht_pool_run(pool, (size_t)job * 5, count_task, counts);
    }
    for (int task = 0; task < 1000; task++) {
      assert_int_equal(counts->runs[task], 199 - task / 5);
    }
    memset(counts, 0, sizeof *counts);
    sht_pool_each(pool, count_task, counts);
    for (int worker = 0; worker < threads; worker++) {
      assert_int_equal(counts->workers[worker], 1);
      assert_int_equal(counts->runs[worker], 1);
    }
    free(counts);
    sht_pool_close(pool);
  }
}

static void pool_sizes_are_checked(void **state) {
  (void)state;
  sht_pool *pool = NULL;
  assert_int_equal(sht_pool_open(-1, &pool, NULL), SHT_CONFIG);
  assert_int_equal(sht_pool_open(100000, &pool, NULL), SHT_CONFIG);
  assert_null(pool);
  sht_pool_close(NULL);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(sizes_are_checked),
      cmocka_unit_test(memory_is_zeroed_and_aligned),
      cmocka_unit_test(too_much_memory_is_an_error),
      cmocka_unit_test(hashes_known_answers),
      cmocka_unit_test(names_are_suggested),
      cmocka_unit_test(numbers_have_units),
      cmocka_unit_test(words_are_quoted),
      cmocka_unit_test(files_round_trip),
      cmocka_unit_test(full_disk_keeps_the_old_file),
      cmocka_unit_test(pipes_stay_pipes),
      cmocka_unit_test(links_stay_links),
      cmocka_unit_test(pool_runs_every_task_once),
      cmocka_unit_test(pool_sizes_are_checked),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
