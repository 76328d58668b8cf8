// JSON: see json.h.
#include "base/json.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

static void add_bytes(sht_json *json, const char *bytes, size_t size) {
  if (json->failed) {
    return;
  }
  if (json->size + size + 1 > json->capacity) {
    size_t capacity = 2 * (json->size + size) + 256;
    char *text = realloc(json->text, capacity);
    if (text == NULL) {
      json->failed = true;
      return;
    }
    json->text = text;
    json->capacity = capacity;
  }
  memcpy(json->text + json->size, bytes, size);
  json->size += size;
  json->text[json->size] = '\0';
}

static bool is_utf8(const char *text) {
  json_t *string = json_string(text);  // NULL when it is not
  json_decref(string);
  return string != NULL;
}

// What is not UTF-8 (a path may hold anything) has its bytes beyond ASCII replaced.
static void add_string(sht_json *json, const char *text) {
  bool valid = is_utf8(text);
  add_bytes(json, "\"", 1);
  for (; *text != '\0'; text++) {
    unsigned char c = (unsigned char)*text;
    if (c == '"' || c == '\\') {
      add_bytes(json, "\\", 1);
    }
    if (c < 0x20) {
      char escape[8];
      (void)snprintf(escape, sizeof escape, "\\u%04x", c);
      add_bytes(json, escape, 6);
    } else {
      add_bytes(json, c < 0x80 || valid ? text : "?", 1);
    }
  }
  add_bytes(json, "\"", 1);
}

static void add_member(sht_json *json, const char *key, const char *value) {
  add_bytes(json, json->size == 0 ? "{" : ", ", json->size == 0 ? 1 : 2);
  add_string(json, key);
  add_bytes(json, ": ", 2);
  add_bytes(json, value, strlen(value));
}

void sht_json_add_text(sht_json *json, const char *key, const char *value) {
  if (value == NULL) {
    add_member(json, key, "null");
    return;
  }
  add_member(json, key, "");
  add_string(json, value);
}

void sht_json_add_number(sht_json *json, const char *key, double value) {
  char text[40];
  add_member(json, key, isfinite(value) ? sht_json_number_text(value, text, sizeof text) : "null");
}

void sht_json_add_count(sht_json *json, const char *key, uint64_t value) {
  char text[24];
  (void)snprintf(text, sizeof text, "%" PRIu64, value);
  add_member(json, key, text);
}

void sht_json_add_place(sht_json *json, const char *key, uint64_t place) {
  if (place == 0) {
    sht_json_add_null(json, key);
  } else {
    sht_json_add_count(json, key, place);
  }
}

void sht_json_add_bool(sht_json *json, const char *key, bool value) { add_member(json, key, value ? "true" : "false"); }

void sht_json_add_null(sht_json *json, const char *key) { add_member(json, key, "null"); }

void sht_json_add_raw(sht_json *json, const char *key, const char *value) { add_member(json, key, value); }

sht_status sht_json_finish(sht_json *json, char **out, sht_error *error) {
  add_bytes(json, json->size == 0 ? "{}" : "}", json->size == 0 ? 2 : 1);
  *out = json->text;
  if (json->failed) {
    free(json->text);
    *out = NULL;
  }
  bool failed = json->failed;
  *json = (sht_json){0};
  return failed ? SHT_FAIL(error, SHT_MEMORY, "no memory for a JSON text; close other programs") : SHT_OK;
}

char *sht_json_number_text(double value, char *out, size_t size) {
  for (int digits = 15; digits <= 17; digits++) {
    (void)snprintf(out, size, "%.*g", digits, value);
    if (strtod(out, NULL) == value) {
      break;
    }
  }
  char *comma = strchr(out, ',');
  if (comma != NULL) {
    *comma = '.';
  }
  return out;
}

sht_status sht_json_read(const char *bytes, uint64_t size, const char *where, json_t **out, sht_error *error) {
  json_error_t fault;
  *out = json_loadb(bytes, size, JSON_REJECT_DUPLICATES, &fault);
  if (*out == NULL) {
    return SHT_FAIL(error, SHT_DATA, "%s:%d:%d: not a JSON object: %s", where, fault.line, fault.column, fault.text);
  }
  if (!json_is_object(*out)) {
    json_decref(*out);
    *out = NULL;
    return SHT_FAIL(error, SHT_DATA, "%s:1:1: a JSON array, expected an object in braces", where);
  }
  return SHT_OK;
}

bool sht_json_get_number(const json_t *object, const char *key, double *out) {
  const json_t *value = json_object_get(object, key);
  if (!json_is_number(value) && !json_is_null(value)) {
    return false;
  }
  *out = json_is_null(value) ? (double)NAN : json_number_value(value);
  return true;
}

bool sht_json_get_count(const json_t *object, const char *key, uint64_t *out) {
  const json_t *value = json_object_get(object, key);
  if (json_is_null(value)) {
    *out = 0;
    return true;
  }
  if (!json_is_integer(value) || json_integer_value(value) < 0) {
    return false;
  }
  *out = (uint64_t)json_integer_value(value);
  return true;
}

bool sht_json_get_text(const json_t *object, const char *key, char *out, size_t size) {
  const char *text = json_string_value(json_object_get(object, key));
  if (text == NULL || strlen(text) >= size) {
    return false;
  }
  memcpy(out, text, strlen(text) + 1);
  return true;
}
