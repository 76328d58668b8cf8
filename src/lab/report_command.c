// The command that trains a run again: see report.h.
#include <string.h>

#include "base/text.h"
#include "lab/report.h"

void sht__command_write(FILE *out, const sht_config *config) {
  static const char always[] = " model data labels pixels seed epochs ";
  (void)fputs("shatter train", out);
  for (size_t i = 0; i < sht_option_count; i++) {
    const sht_option *option = &sht_options[i];
    char value[SHT_TEXT_MAX];
    char padded[SHT_TEXT_MAX];
    sht_config_get(config, option, value, sizeof value);
    (void)snprintf(padded, sizeof padded, " %s ", option->name);
    if (!option->identity || (strstr(always, padded) == NULL && strcmp(value, option->default_text) == 0)) {
      continue;
    }
    if (option->type == SHT_OPTION_BOOL) {
      (void)fprintf(out, " --%s%s", strcmp(value, "true") == 0 ? "" : "no-", option->name);
    } else {
      (void)fprintf(out, " --%s ", option->name);
      sht_text_shell(out, value);
    }
  }
}

sht_status sht__command_text(const sht_config *config, char *out, size_t size, sht_error *error) {
  FILE *writer = fmemopen(out, size, "w");
  if (writer == NULL) {
    return SHT_FAIL(error, SHT_MEMORY, "no memory for a command");
  }
  (void)setvbuf(writer, NULL, _IONBF, 0);
  sht__command_write(writer, config);
  (void)fclose(writer);
  out[size - 1] = '\0';
  return SHT_OK;
}
