// The SQLite index: see index.h.
#include "lab/index.h"

#include <math.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"
#include "lab/files.h"

// INDEX_VERSION is the schema's user_version, raised when the table changes; an index of another is thrown away.
enum { INDEX_VERSION = 2, BUSY_MILLISECONDS = 5000, CONFIG_TEXT = 32768 };

struct sht_index {
  sqlite3 *db;
};

static const char schema[] =
    "BEGIN IMMEDIATE;"
    "CREATE TABLE IF NOT EXISTS runs (name TEXT PRIMARY KEY, stamp TEXT, id TEXT, family TEXT, created REAL,"
    " complete INTEGER, problem TEXT, config TEXT, result TEXT, seconds REAL, rate REAL, model TEXT, model_id TEXT)"
    " WITHOUT ROWID;"
    "PRAGMA user_version = 2;"
    "COMMIT;";

static int read_version(sqlite3 *db) {
  sqlite3_stmt *query = NULL;
  int version = -1;
  if (sqlite3_prepare_v2(db, "PRAGMA user_version", -1, &query, NULL) == SQLITE_OK &&
      sqlite3_step(query) == SQLITE_ROW) {
    version = sqlite3_column_int(query, 0);
  }
  (void)sqlite3_finalize(query);
  return version;
}

// Whether the file is sound; a check of 10,000 rows takes some milliseconds.
static bool is_sound(sqlite3 *db) {
  sqlite3_stmt *query = NULL;
  bool sound = sqlite3_prepare_v2(db, "PRAGMA quick_check(1)", -1, &query, NULL) == SQLITE_OK &&
               sqlite3_step(query) == SQLITE_ROW && strcmp((const char *)sqlite3_column_text(query, 0), "ok") == 0;
  (void)sqlite3_finalize(query);
  return sound;
}

typedef enum open_outcome { OPENED, BUSY, BROKEN } open_outcome;

static open_outcome open_file(const char *path, sht_index *index) {
  open_outcome outcome = BROKEN;
  if (sqlite3_open(path, &index->db) == SQLITE_OK) {
    (void)sqlite3_busy_timeout(index->db, BUSY_MILLISECONDS);
    // All pages of 10,000 runs stay in memory, since the check and the rows each go over them.
    (void)sqlite3_exec(index->db, "PRAGMA synchronous = NORMAL; PRAGMA cache_size = -131072", NULL, NULL, NULL);
    int version = read_version(index->db);
    bool good =
        version == INDEX_VERSION || (version == 0 && sqlite3_exec(index->db, schema, NULL, NULL, NULL) == SQLITE_OK);
    good = good && is_sound(index->db);
    outcome = good ? OPENED : sqlite3_errcode(index->db) == SQLITE_BUSY ? BUSY : BROKEN;
  }
  if (outcome != OPENED) {
    (void)sqlite3_close(index->db);
    index->db = NULL;
  }
  return outcome;
}

static sht_status name_file(const char *store, char *path, size_t size) {
  return sht_path_join(path, size, store, "index.sqlite", NULL);
}

bool sht__index_exists(const char *store) {
  char path[SHT_LAB_PATH];
  return name_file(store, path, sizeof path) == SHT_OK && sht_file_exists(path);
}

// An index that is broken is made anew; one that others keep busy is theirs, and we go without.
sht_index *sht__index_open(const char *store) {
  char path[SHT_LAB_PATH];
  char journal[SHT_LAB_PATH + 16];
  sht_index *index = NULL;
  if (name_file(store, path, sizeof path) != SHT_OK || SHT_ALLOC(&index, 1, "index", NULL)) {
    return NULL;
  }
  open_outcome outcome = open_file(path, index);
  if (outcome == BROKEN) {
    (void)snprintf(journal, sizeof journal, "%s-journal", path);
    (void)unlink(path);
    (void)unlink(journal);
    outcome = open_file(path, index);
  }
  if (outcome != OPENED) {
    sht_free(index);
    return NULL;
  }
  return index;
}

void sht__index_close(sht_index *index) {
  if (index != NULL) {
    (void)sqlite3_close(index->db);
    sht_free(index);
  }
}

// "name=value" lines of the options.
static void write_config(const sht_config *config, char *out, size_t size) {
  size_t at = 0;
  out[0] = '\0';
  for (size_t i = 0; i < sht_option_count && at < size; i++) {
    char value[SHT_TEXT_MAX];
    sht_config_get(config, &sht_options[i], value, sizeof value);
    int written = snprintf(out + at, size - at, "%s=%s\n", sht_options[i].name, value);
    at += written > 0 ? (size_t)written : 0;
  }
}

static void read_config(char *text, sht_config *config) {
  char *rest = NULL;
  sht_config_default(config);
  for (char *line = strtok_r(text, "\n", &rest); line != NULL; line = strtok_r(NULL, "\n", &rest)) {
    char *equals = strchr(line, '=');
    if (equals != NULL) {
      *equals = '\0';
      (void)sht_config_set(config, line, equals + 1, "index", NULL);
    }
  }
}

static void copy_column(sqlite3_stmt *query, int column, char *out, size_t size) {
  const char *text = (const char *)sqlite3_column_text(query, column);
  (void)snprintf(out, size, "%s", text == NULL ? "" : text);
}

static double number_column(sqlite3_stmt *query, int column) {
  return sqlite3_column_type(query, column) == SQLITE_NULL ? (double)NAN : sqlite3_column_double(query, column);
}

// Columns of load's query, in its order.
enum { NAME, STAMP, ID, FAMILY, CREATED, COMPLETE, PROBLEM, CONFIG, RESULT, SECONDS, RATE, MODEL, MODEL_ID };

// A row whose texts cannot be read gets no stamp, and is read from its folder again.
static void read_row(sqlite3_stmt *query, const char *store, char *scratch, sht_row *row) {
  sht_run *run = &row->run;
  json_t *result = NULL;
  *run = (sht_run){0};
  copy_column(query, NAME, row->name, sizeof row->name);
  copy_column(query, STAMP, row->stamp, sizeof row->stamp);
  copy_column(query, CONFIG, scratch, CONFIG_TEXT);
  read_config(scratch, &run->config);
  copy_column(query, RESULT, scratch, CONFIG_TEXT);
  if (sht_json_read(scratch, strlen(scratch), "index", &result, NULL) != SHT_OK ||
      sht__result_take(result, "index", run, NULL) != SHT_OK) {
    row->stamp[0] = '\0';
  }
  json_decref(result);
  copy_column(query, ID, run->id, sizeof run->id);
  copy_column(query, FAMILY, run->family, sizeof run->family);
  copy_column(query, PROBLEM, run->problem, sizeof run->problem);
  copy_column(query, MODEL, run->model, sizeof run->model);
  copy_column(query, MODEL_ID, run->model_id, sizeof run->model_id);
  run->damaged = run->problem[0] != '\0';
  run->created = sqlite3_column_double(query, CREATED);
  run->complete = sqlite3_column_int(query, COMPLETE) != 0;
  run->result.seconds = number_column(query, SECONDS);
  run->result.images_per_second = number_column(query, RATE);
  (void)sht_path_join(run->folder, sizeof run->folder, store, row->name, NULL);
}

sht_status sht__index_visit(sht_index *index, const char *store, sht__row_visitor visit, void *context,
                            sht_error *error) {
  static const char select[] =
      "SELECT name, stamp, id, family, created, complete, problem, config, result, seconds, rate, model, model_id"
      " FROM runs ORDER BY name";
  struct {
    sht_row row;
    char scratch[CONFIG_TEXT];
  } *space = NULL;
  sqlite3_stmt *query = NULL;
  if (index == NULL) {
    return SHT_OK;
  }
  SHT_TRY(SHT_ALLOC(&space, 1, "row of the index", error));
  if (sqlite3_prepare_v2(index->db, select, -1, &query, NULL) == SQLITE_OK) {
    while (sqlite3_step(query) == SQLITE_ROW) {
      read_row(query, store, space->scratch, &space->row);
      visit(context, &space->row);
    }
  }
  (void)sqlite3_finalize(query);
  sht_free(space);
  return SHT_OK;
}

static void execute(sht_index *index, const char *text) {
  if (index != NULL) {
    (void)sqlite3_exec(index->db, text, NULL, NULL, NULL);
  }
}

void sht__index_begin(sht_index *index) { execute(index, "BEGIN IMMEDIATE"); }

void sht__index_end(sht_index *index) { execute(index, "COMMIT"); }

void sht__index_clear(sht_index *index) { execute(index, "DELETE FROM runs"); }

// What is bound as static text lives until the statement has run. NaN is stored as NULL by SQLite itself.
static void bind_row(sqlite3_stmt *insert, const sht_row *row, const char *config, const char *result) {
  const sht_run *run = &row->run;
  const char *const texts[] = {row->name, row->stamp, run->id, run->family};
  for (int i = 0; i < 4; i++) {
    (void)sqlite3_bind_text(insert, i + 1, texts[i], -1, SQLITE_STATIC);
  }
  (void)sqlite3_bind_double(insert, CREATED + 1, run->created);
  (void)sqlite3_bind_int(insert, COMPLETE + 1, run->complete);
  (void)sqlite3_bind_text(insert, PROBLEM + 1, run->problem, -1, SQLITE_STATIC);
  (void)sqlite3_bind_text(insert, CONFIG + 1, config, -1, SQLITE_STATIC);
  (void)sqlite3_bind_text(insert, RESULT + 1, result, -1, SQLITE_STATIC);
  (void)sqlite3_bind_double(insert, SECONDS + 1, run->result.seconds);
  (void)sqlite3_bind_double(insert, RATE + 1, run->result.images_per_second);
  (void)sqlite3_bind_text(insert, MODEL + 1, run->model, -1, SQLITE_STATIC);
  (void)sqlite3_bind_text(insert, MODEL_ID + 1, run->model_id, -1, SQLITE_STATIC);
}

void sht__index_put(sht_index *index, const sht_row *row) {
  static const char insert_text[] = "INSERT OR REPLACE INTO runs VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
  sqlite3_stmt *insert = NULL;
  char *config = NULL;
  char *result = NULL;
  sht_json json = {0};
  if (index == NULL || SHT_ALLOC(&config, CONFIG_TEXT, "row of the index", NULL) != SHT_OK) {
    return;
  }
  write_config(&row->run.config, config, CONFIG_TEXT);
  sht__result_add(&json, &row->run);
  if (sht_json_finish(&json, &result, NULL) == SHT_OK &&
      sqlite3_prepare_v2(index->db, insert_text, -1, &insert, NULL) == SQLITE_OK) {
    bind_row(insert, row, config, result);
    (void)sqlite3_step(insert);
  }
  (void)sqlite3_finalize(insert);
  sht_free(result);
  sht_free(config);
}

void sht__index_drop(sht_index *index, const char *name) {
  sqlite3_stmt *query = NULL;
  if (index != NULL &&
      sqlite3_prepare_v2(index->db, "DELETE FROM runs WHERE name = ?", -1, &query, NULL) == SQLITE_OK) {
    (void)sqlite3_bind_text(query, 1, name, -1, SQLITE_STATIC);
    (void)sqlite3_step(query);
  }
  (void)sqlite3_finalize(query);
}
