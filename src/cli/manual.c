// The help as one Markdown page and as a manual page: see help.h.
#include <string.h>

#include "cli/help.h"

enum { TEXT_BYTES = 1024 };

// A bar would end a table's cell.
static void print_cell(FILE *out, const char *text) {
  for (; *text != '\0'; text++) {
    (void)fprintf(out, *text == '|' ? "\\|" : "%c", *text);
  }
}

static void markdown_row(FILE *out, const char *left, const char *right) {
  (void)fputs("| `", out);
  print_cell(out, left);
  (void)fputs("` | ", out);
  print_cell(out, right);
  (void)fputs(" |\n", out);
}

// "epochs (5000), seed": the options of the run that a verb takes, with defaults where they are not the table's.
static const char *list_config_options(const sht_verb *verb, char *out, size_t size) {
  char fallback[SHT_TEXT_MAX], usual[SHT_TEXT_MAX];
  size_t used = 0;
  out[0] = '\0';
  for (size_t i = 0; i < sht_option_count && used < size; i++) {
    const sht_option *option = &sht_options[i];
    if (!sht__verb_takes(verb, option)) {
      continue;
    }
    sht__help_config_default(verb, option, fallback, sizeof fallback);
    sht__help_config_default(NULL, option, usual, sizeof usual);
    const bool same = strcmp(fallback, usual) == 0;
    used += (size_t)snprintf(out + used, size - used, "%s%s%s%s%s", used > 0 ? ", " : "", option->name,
                             same ? "" : " (", same ? "" : fallback, same ? "" : ")");
  }
  return out;
}

static void markdown_options(FILE *out, const sht_verb *verb) {
  char left[TEXT_BYTES], right[TEXT_BYTES];
  bool any = false;
  for (const sht_cli_option *o = verb->options; o != NULL && o->name != NULL; o++) {
    (void)fputs(any ? "" : "\n| option | meaning |\n| --- | --- |\n", out);
    any = true;
    markdown_row(out, sht__help_spelling(o, left, sizeof left), sht__help_meaning(o, right, sizeof right));
  }
  if (verb->config_options[0] != '\0') {
    (void)fprintf(out, "\nOptions of the run: %s.\n", list_config_options(verb, right, sizeof right));
  }
}

static void markdown_verb(FILE *out, const sht_verb *verb) {
  char usage[TEXT_BYTES];
  (void)fprintf(out, "\n## shatter %s\n\n%c%s.\n\n```\n%s\n```\n", verb->name, verb->summary[0] - 'a' + 'A',
                verb->summary + 1, sht__help_usage(verb, usage, sizeof usage));
  if (verb->description[0] != '\0') {
    (void)fprintf(out, "\n%s\n", verb->description);
  }
  for (int i = 0; verb->examples[i] != NULL; i += 2) {
    (void)fprintf(out, "%s- `%s`: %s\n", i == 0 ? "\n" : "", verb->examples[i], verb->examples[i + 1]);
  }
  markdown_options(out, verb);
}

void sht__help_markdown(FILE *out) {
  char left[TEXT_BYTES], right[TEXT_BYTES];
  (void)fputs("# The program\n\nWritten by `shatter help --markdown`: do not edit.\n\n", out);
  (void)fputs("Every verb takes `--json` (one JSON object on standard output, nothing else), `--quiet` and `--help`.\n",
              out);
  (void)fputs("Options may stand anywhere, as `--name value` or `--name=value`; switches as `--name` or `--no-name`.\n",
              out);
  for (int i = 0; sht__verbs[i] != NULL; i++) {
    markdown_verb(out, sht__verbs[i]);
  }
  (void)fputs("\n## Options of the run\n\nFlags and keys of a YAML file alike.\n\n", out);
  (void)fputs("| option | meaning |\n| --- | --- |\n", out);
  for (size_t i = 0; i < sht_option_count; i++) {
    markdown_row(out, sht__help_config_spelling(&sht_options[i], left, sizeof left),
                 sht__help_config_meaning(NULL, &sht_options[i], right, sizeof right));
  }
  (void)fputs("\n## Exit codes\n\n| code | meaning |\n| --- | --- |\n", out);
#define MARKDOWN_STATUS(name, code, meaning) (void)fprintf(out, "| %d | %s |\n", code, meaning);
  SHT_STATUS_MAP(MARKDOWN_STATUS)
#undef MARKDOWN_STATUS
  (void)fputs("| 130, 143 | stopped by Ctrl-C or SIGTERM; can be resumed |\n", out);
}

// Escapes what troff would read as its own: backslashes, dashes, a point or quote at the start of a line.
static void print_troff(FILE *out, const char *text) {
  for (const char *at = text; *at != '\0'; at++) {
    bool starts_line = at == text || at[-1] == '\n';
    if (starts_line && (*at == '.' || *at == '\'')) {
      (void)fputs("\\&", out);
    }
    if (*at == '\\' || *at == '-') {
      (void)fputc('\\', out);
    }
    (void)fputc(*at, out);
  }
}

static void manual_item(FILE *out, const char *head, const char *text) {
  (void)fputs(".TP\n.B ", out);
  print_troff(out, head);
  (void)fputc('\n', out);
  print_troff(out, text);
  (void)fputc('\n', out);
}

static void manual_verb(FILE *out, const sht_verb *verb) {
  char left[TEXT_BYTES], right[TEXT_BYTES];
  (void)fputs(".SS ", out);
  print_troff(out, sht__help_usage(verb, left, sizeof left));
  (void)fputc('\n', out);
  print_troff(out, verb->summary);
  (void)fputs(".\n", out);
  if (verb->description[0] != '\0') {
    (void)fputs(".PP\n", out);
    print_troff(out, verb->description);
    (void)fputc('\n', out);
  }
  for (const sht_cli_option *o = verb->options; o != NULL && o->name != NULL; o++) {
    manual_item(out, sht__help_spelling(o, left, sizeof left), sht__help_meaning(o, right, sizeof right));
  }
  if (verb->config_options[0] != '\0') {
    manual_item(out, "Options of the run", list_config_options(verb, right, sizeof right));
  }
  for (int i = 0; verb->examples[i] != NULL; i += 2) {
    manual_item(out, verb->examples[i], verb->examples[i + 1]);
  }
}

void sht__help_manual(FILE *out) {
  char left[TEXT_BYTES], right[TEXT_BYTES];
  (void)fprintf(
      out,
      ".TH SHATTER 1 \"\" \"shatter %s\"\n.SH NAME\nshatter \\- measures how much a learning machine can memorise\n",
      SHATTER_VERSION);
  (void)fputs(".SH SYNOPSIS\n.B shatter\n.I verb\n.RI [ options ]\n.SH VERBS\n", out);
  for (int i = 0; sht__verbs[i] != NULL; i++) {
    manual_verb(out, sht__verbs[i]);
  }
  (void)fputs(".SH OPTIONS OF THE RUN\n", out);
  for (size_t i = 0; i < sht_option_count; i++) {
    manual_item(out, sht__help_config_spelling(&sht_options[i], left, sizeof left),
                sht__help_config_meaning(NULL, &sht_options[i], right, sizeof right));
  }
  (void)fputs(".SH EXIT STATUS\n", out);
#define MANUAL_STATUS(name, code, meaning)       \
  (void)snprintf(left, sizeof left, "%d", code); \
  manual_item(out, left, meaning);
  SHT_STATUS_MAP(MANUAL_STATUS)
#undef MANUAL_STATUS
  manual_item(out, "130, 143", "stopped by Ctrl-C or SIGTERM; can be resumed");
}
