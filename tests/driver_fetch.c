// Drives src/fetch from a script: fetches the set that a JSON manifest describes and prints what happened as JSON.
// usage: driver_fetch MANIFEST DATA_DIR [--from URL]... [--stall SECONDS] [--file-limit BYTES] [--stop-after BYTES]
// MANIFEST: {"name", "folder", "archive_folder" or null, "mirrors": [folders of the downloads],
// "downloads": [{"name", "size", "checksum"}], "files": [...]}. The exit code is that of the program for the status.
#include <inttypes.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "fetch/fetch.h"

enum { LIST_MAX = 16 };

typedef struct record {
  json_t *notes;
  uint64_t last_bytes;
  uint64_t last_total;
  uint64_t reports;
  uint64_t stop_after;  // 0: never
} record;

static void keep_progress(void *context, const char *file, uint64_t bytes, uint64_t total) {
  record *r = context;
  (void)file;
  r->last_bytes = bytes;
  r->last_total = total;
  r->reports++;
}

static void keep_note(void *context, const char *sentence) {
  record *r = context;
  (void)json_array_append_new(r->notes, json_string(sentence));
}

static bool stop(void *context) {
  record *r = context;
  return r->stop_after > 0 && r->last_bytes >= r->stop_after;
}

static const char *text_or_null(const json_t *object, const char *key) {
  return json_string_value(json_object_get(object, key));
}

static size_t read_files(const json_t *list, const char *const *urls, sht_fetch_file files[LIST_MAX]) {
  size_t count = json_array_size(list);
  for (size_t i = 0; i < count && i < LIST_MAX; i++) {
    const json_t *row = json_array_get(list, i);
    files[i].name = text_or_null(row, "name");
    files[i].size = (uint64_t)json_integer_value(json_object_get(row, "size"));
    files[i].checksum = text_or_null(row, "checksum");
    files[i].urls = urls;
  }
  return count;
}

static void limit_file_size(uint64_t bytes) {
  struct rlimit limit = {bytes, bytes};
  (void)signal(SIGXFSZ, SIG_IGN);
  (void)setrlimit(RLIMIT_FSIZE, &limit);
}

static int print_result(sht_status status, const sht_error *error, const sht_fetch_result *result, record *r) {
  json_t *out =
      json_pack("{s:s, s:s, s:b, s:s, s:s, s:I, s:I, s:I, s:I, s:O}", "status", sht_status_name(status), "message",
                error->message, "present", result->present, "folder", result->folder, "replaced", result->replaced,
                "bytes", (json_int_t)result->bytes, "last_bytes", (json_int_t)r->last_bytes, "last_total",
                (json_int_t)r->last_total, "reports", (json_int_t)r->reports, "notes", r->notes);
  (void)json_dumpf(out, stdout, JSON_SORT_KEYS);
  (void)fputc('\n', stdout);
  json_decref(out);
  return sht_status_exit_code(status);
}

int main(int count, char **arguments) {
  json_t *manifest = count > 2 ? json_load_file(arguments[1], 0, NULL) : NULL;
  if (manifest == NULL) {
    (void)fprintf(stderr, "usage: driver_fetch MANIFEST DATA_DIR [OPTIONS]\n");
    return 2;
  }
  const char *mirrors[LIST_MAX] = {NULL};
  const char *from[LIST_MAX] = {NULL};
  sht_fetch_file downloads[LIST_MAX] = {0};
  sht_fetch_file files[LIST_MAX] = {0};
  record r = {.notes = json_array()};
  sht_fetch_options options = {
      .data_dir = arguments[2], .context = &r, .progressed = keep_progress, .noted = keep_note, .stop_requested = stop};
  size_t from_count = 0;
  for (int i = 3; i + 1 < count; i += 2) {
    if (strcmp(arguments[i], "--from") == 0 && from_count + 1 < LIST_MAX) {
      from[from_count++] = arguments[i + 1];
      options.from = from;
    } else if (strcmp(arguments[i], "--stall") == 0) {
      options.stall_seconds = strtol(arguments[i + 1], NULL, 10);
    } else if (strcmp(arguments[i], "--file-limit") == 0) {
      limit_file_size(strtoull(arguments[i + 1], NULL, 10));
    } else if (strcmp(arguments[i], "--stop-after") == 0) {
      r.stop_after = strtoull(arguments[i + 1], NULL, 10);
    }
  }
  const json_t *mirror_list = json_object_get(manifest, "mirrors");
  for (size_t i = 0; i < json_array_size(mirror_list) && i + 1 < LIST_MAX; i++) {
    mirrors[i] = json_string_value(json_array_get(mirror_list, i));
  }
  sht_fetch_set set = {.name = text_or_null(manifest, "name"),
                       .folder = text_or_null(manifest, "folder"),
                       .archive_folder = text_or_null(manifest, "archive_folder"),
                       .downloads = downloads,
                       .download_count = read_files(json_object_get(manifest, "downloads"), mirrors, downloads),
                       .files = files,
                       .file_count = read_files(json_object_get(manifest, "files"), NULL, files)};
  sht_fetch_result result;
  sht_error error = {0};
  sht_status status = sht_fetch_install(&set, &options, &result, &error);
  int code = print_result(status, &error, &result, &r);
  json_decref(r.notes);
  json_decref(manifest);
  return code;
}
