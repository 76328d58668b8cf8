// Which options were given: see given.h.
#include "cli/given.h"

#include <stdio.h>
#include <string.h>

enum { NAME_BYTES = 64 };

bool sht__is_given(const sht_cli *cli, const char *name) {
  for (int i = 0; i < cli->flag_count; i++) {
    if (strcmp(cli->flags[i].option->name, name) == 0) {
      return true;
    }
  }
  return sht__cli_text(cli, name) != NULL;
}

sht_status sht__refuse_given(const sht_cli *cli, const char *names, const char *reason, sht_error *error) {
  for (const char *at = names; *at != '\0'; at += strspn(at, " ")) {
    char name[NAME_BYTES];
    const size_t length = strcspn(at, " ");
    (void)snprintf(name, sizeof name, "%.*s", (int)length, at);
    if (sht__is_given(cli, name)) {
      return SHT_FAIL(error, SHT_USAGE, "--%s %s", name, reason);
    }
    at += length;
  }
  return SHT_OK;
}
