// JSON answers: see answer.h.
#include "cli/answer.h"

#include <stdlib.h>

#include "base/memory.h"

sht_status sht__answer_print(sht_cli *cli, sht_json *json, sht_error *error) {
  char *text = NULL;
  SHT_TRY(sht_json_finish(json, &text, error));
  (void)printf("%s\n", text);
  sht_free(text);
  cli->answered = true;
  return SHT_OK;
}

sht_status sht__list_open(sht_json_list *list, sht_error *error) {
  *list = (sht_json_list){0};
  list->writer = open_memstream(&list->text, &list->size);
  if (list->writer == NULL) {
    return SHT_FAIL(error, SHT_MEMORY, "no memory for the answer");
  }
  (void)fputc('[', list->writer);
  return SHT_OK;
}

void sht__list_add_raw(sht_json_list *list, const char *value) {
  (void)fprintf(list->writer, "%s%s", list->count > 0 ? ", " : "", value);
  list->count++;
}

sht_status sht__list_add(sht_json_list *list, sht_json *item, sht_error *error) {
  char *text = NULL;
  SHT_TRY(sht_json_finish(item, &text, error));
  sht__list_add_raw(list, text);
  sht_free(text);
  return SHT_OK;
}

sht_status sht__list_close(sht_json_list *list, sht_json *json, const char *key, sht_error *error) {
  if (list->writer == NULL) {
    return SHT_OK;
  }
  (void)fputc(']', list->writer);
  bool lost = ferror(list->writer) != 0;
  lost = fclose(list->writer) != 0 || lost;
  if (!lost && json != NULL) {
    sht_json_add_raw(json, key, list->text);
  }
  free(list->text);
  *list = (sht_json_list){0};
  return lost ? SHT_FAIL(error, SHT_MEMORY, "no memory for the answer") : SHT_OK;
}
