// The one JSON object that a verb prints with --json, and lists inside it.
#ifndef SHT_CLI_ANSWER_H
#define SHT_CLI_ANSWER_H

#include <stdio.h>

#include "base/json.h"
#include "cli/cli.h"

// Closes `json`, prints it on standard output and remembers that it is out.
sht_status sht__answer_print(sht_cli *cli, sht_json *json, sht_error *error);

// A JSON list being written from values that are JSON already.
typedef struct sht_json_list {
  char *text;
  size_t size;
  FILE *writer;
  size_t count;
} sht_json_list;

sht_status sht__list_open(sht_json_list *list, sht_error *error);
// Closes `item` and adds it.
sht_status sht__list_add(sht_json_list *list, sht_json *item, sht_error *error);
void sht__list_add_raw(sht_json_list *list, const char *value);
// Adds the list to `json` under `key` and frees it. Also to be called after a failure, with json NULL.
sht_status sht__list_close(sht_json_list *list, sht_json *json, const char *key, sht_error *error);

#endif
