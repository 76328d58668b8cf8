// JSON: a writer of flat objects in a fixed order with the shortest numbers that read back as the same bits, and strict
// readers over jansson. What is not a number (NaN, infinity) is written as null and read as NaN.
#ifndef SHT_BASE_JSON_H
#define SHT_BASE_JSON_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shatter/error.h"

// An object being written. Start from {0}. Running out of memory is remembered and told by sht_json_finish.
typedef struct sht_json {
  char *text;
  size_t size;
  size_t capacity;
  bool failed;
} sht_json;

// Each adds one member; the keys are written as given, in the order of the calls.
void sht_json_add_text(sht_json *json, const char *key, const char *value);  // NULL: null
void sht_json_add_number(sht_json *json, const char *key, double value);     // NaN, infinity: null
void sht_json_add_count(sht_json *json, const char *key, uint64_t value);
void sht_json_add_place(sht_json *json, const char *key, uint64_t place);  // a step or an epoch; 0, never: null
void sht_json_add_bool(sht_json *json, const char *key, bool value);
void sht_json_add_null(sht_json *json, const char *key);
void sht_json_add_raw(sht_json *json, const char *key, const char *value);  // a value that is JSON already

// Closes the object and hands its text over (NUL-terminated, one line, no newline; free with sht_free). Frees the rest.
sht_status sht_json_finish(sht_json *json, char **out, sht_error *error);

// The shortest decimal text (15 to 17 digits) that reads back as `value`, with a point in any locale. Returns out.
char *sht_json_number_text(double value, char *out, size_t size);

// Reads an object: duplicate keys, trailing text and anything but an object are SHT_DATA, told with `where`, line and
// column. Free with json_decref.
sht_status sht_json_read(const char *bytes, uint64_t size, const char *where, json_t **out, sht_error *error);

// Members of an object; false when absent or of another type (out untouched). Number: null gives NaN.
bool sht_json_get_number(const json_t *object, const char *key, double *out);
bool sht_json_get_count(const json_t *object, const char *key, uint64_t *out);  // null gives 0
bool sht_json_get_text(const json_t *object, const char *key, char *out, size_t size);

#endif
