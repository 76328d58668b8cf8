// Help for people at a terminal: see help.h.
#include "cli/help.h"

#include <inttypes.h>
#include <string.h>

#include "cli/answer.h"

enum { OPTION_COLUMN = 30, COLUMNS_MAX = 100, LINE_MAX_BYTES = 1024, SUMMARY_COLUMN = 16 };

static const char *metavariable(const sht_option *option) {
  switch (option->type) {
    case SHT_OPTION_COUNT:
      return "N";
    case SHT_OPTION_NUMBER:
      return "X";
    case SHT_OPTION_CHOICE:
      return "KIND";
    default:
      return "TEXT";
  }
}

char *sht__help_spelling(const sht_cli_option *option, char *out, size_t size) {
  char letter[8] = "";
  if (option->letter != 0) {
    (void)snprintf(letter, sizeof letter, "-%c, ", option->letter);
  }
  bool is_switch = option->type == SHT_OPTION_BOOL;
  (void)snprintf(out, size, "%s--%s%s%s", letter, option->name, is_switch ? "" : " ",
                 is_switch ? "" : option->value_name);
  return out;
}

char *sht__help_config_spelling(const sht_option *option, char *out, size_t size) {
  bool is_switch = option->type == SHT_OPTION_BOOL;
  (void)snprintf(out, size, "--%s%s%s", option->name, is_switch ? "" : " ", is_switch ? "" : metavariable(option));
  return out;
}

// Appends "; one of: a, b, c" and "(default: x)".
static void append_values(const char *choices, const char *default_text, const char *unit, char *out, size_t size) {
  size_t used = strlen(out);
  if (choices != NULL && choices[0] != '\0') {
    used += (size_t)snprintf(out + used, size - used, "; one of: ");
    for (const char *at = choices; *at != '\0' && used + 2 < size; at++) {
      used += (size_t)snprintf(out + used, size - used, *at == ' ' ? ", " : "%c", *at);
    }
  }
  if (default_text != NULL && default_text[0] != '\0' && used < size) {
    bool has_unit = unit != NULL && unit[0] != '\0';
    (void)snprintf(out + used, size - used, " (default: %s%s%s)", default_text, has_unit ? " " : "",
                   has_unit ? unit : "");
  }
}

static void copy_sentence(const char *text, char *out, size_t size) {
  (void)snprintf(out, size, "%s", text);
  size_t length = strlen(out);
  if (length > 0 && out[length - 1] == '.') {
    out[length - 1] = '\0';
  }
}

char *sht__help_meaning(const sht_cli_option *option, char *out, size_t size) {
  copy_sentence(option->help, out, size);
  append_values(option->choices, option->default_text, NULL, out, size);
  return out;
}

// What the verb says of an option of the run; NULL: nothing.
static const sht_config_note *find_note(const sht_verb *verb, const sht_option *option) {
  const sht_config_note *any = NULL;
  for (const sht_config_note *note = verb->config_notes; note != NULL && note->name != NULL; note++) {
    if (strcmp(note->name, option->name) == 0) {
      return note;
    }
    any = strcmp(note->name, "*") == 0 ? note : any;
  }
  return any;
}

char *sht__help_config_default(const sht_verb *verb, const sht_option *option, char *out, size_t size) {
  const sht_config_note *note = verb != NULL ? find_note(verb, option) : NULL;
  sht_config config;
  sht_config_default(&config);
  if (verb != NULL && verb->prepare != NULL) {
    verb->prepare(&config);
  }
  if (note != NULL && note->default_text != NULL) {
    (void)snprintf(out, size, "%s", note->default_text);
  } else {
    sht_config_get(&config, option, out, size);
  }
  return out;
}

char *sht__help_config_meaning(const sht_verb *verb, const sht_option *option, char *out, size_t size) {
  const sht_config_note *note = verb != NULL ? find_note(verb, option) : NULL;
  const char *choices = note != NULL && note->choices != NULL ? note->choices : option->choices;
  char fallback[SHT_TEXT_MAX];
  copy_sentence(note != NULL && note->help != NULL ? note->help : option->help, out, size);
  sht__help_config_default(verb, option, fallback, sizeof fallback);
  const bool is_number = strspn(fallback, "0123456789") == strlen(fallback);
  append_values(option->type == SHT_OPTION_CHOICE ? choices : NULL, option->type == SHT_OPTION_BOOL ? NULL : fallback,
                is_number ? option->unit : NULL, out, size);
  return out;
}

char *sht__help_usage(const sht_verb *verb, char *out, size_t size) {
  (void)snprintf(out, size, "shatter %s%s%s [options]", verb->name, verb->arguments[0] != '\0' ? " " : "",
                 verb->arguments);
  return out;
}

static void print_heading(FILE *out, const sht_terminal *terminal, const char *text) {
  (void)fprintf(out, "\n%s%s%s\n", sht__ink(terminal, SHT_INK_BOLD), text, sht__ink_end(terminal));
}

static int help_columns(const sht_terminal *terminal) {
  return terminal->columns < COLUMNS_MAX ? terminal->columns : COLUMNS_MAX;
}

static void print_row(FILE *out, const sht_terminal *terminal, const char *left, const char *right, int column) {
  int used = fprintf(out, "  %s", left);
  if (used + 2 > column) {
    (void)fputc('\n', out);
    used = 0;
  }
  (void)fprintf(out, "%*s", column - used, "");
  sht__print_wrapped(out, right, column, column, help_columns(terminal));
}

static void print_options(FILE *out, const sht_terminal *terminal, const sht_verb *verb) {
  char left[LINE_MAX_BYTES], right[LINE_MAX_BYTES];
  bool any = false;
  for (size_t i = 0; i < sht_option_count; i++) {
    if (sht__verb_takes(verb, &sht_options[i])) {
      if (!any) {
        print_heading(out, terminal, "The run");
        any = true;
      }
      print_row(out, terminal, sht__help_config_spelling(&sht_options[i], left, sizeof left),
                sht__help_config_meaning(verb, &sht_options[i], right, sizeof right), OPTION_COLUMN);
    }
  }
  print_heading(out, terminal, any ? "The program" : "Options");
  const sht_cli_option *const tables[] = {verb->options, sht__common_options};
  for (int t = 0; t < 2; t++) {
    for (const sht_cli_option *o = tables[t]; o != NULL && o->name != NULL; o++) {
      print_row(out, terminal, sht__help_spelling(o, left, sizeof left), sht__help_meaning(o, right, sizeof right),
                OPTION_COLUMN);
    }
  }
}

static void print_verb(FILE *out, const sht_terminal *terminal, const sht_verb *verb) {
  char usage[LINE_MAX_BYTES];
  (void)fprintf(out, "%sshatter %s%s: %s\n", sht__ink(terminal, SHT_INK_BOLD), verb->name, sht__ink_end(terminal),
                verb->summary);
  (void)fprintf(out, "\nUsage: %s\n", sht__help_usage(verb, usage, sizeof usage));
  if (verb->description[0] != '\0') {
    (void)fputc('\n', out);
    sht__print_wrapped(out, verb->description, 0, 0, help_columns(terminal));
  }
  if (verb->examples[0] != NULL) {
    print_heading(out, terminal, "Examples");
    for (int i = 0; verb->examples[i] != NULL; i += 2) {
      (void)fprintf(out, "  %s\n      %s%s%s\n", verb->examples[i], sht__ink(terminal, SHT_INK_DIM),
                    verb->examples[i + 1], sht__ink_end(terminal));
    }
  }
  print_options(out, terminal, verb);
}

static void print_verb_rows(FILE *out, const sht_terminal *terminal, const char *group) {
  size_t length = group != NULL ? strlen(group) : 0;
  for (int i = 0; sht__verbs[i] != NULL; i++) {
    const sht_verb *verb = sht__verbs[i];
    if (group == NULL || (strncmp(verb->name, group, length) == 0 && verb->name[length] == ' ')) {
      print_row(out, terminal, verb->name, verb->summary, SUMMARY_COLUMN);
    }
  }
}

static void print_group(FILE *out, const sht_terminal *terminal, const char *group) {
  (void)fprintf(out, "Usage: shatter %s VERB [options]\n", group);
  print_heading(out, terminal, "Verbs");
  print_verb_rows(out, terminal, group);
  (void)fprintf(out, "\n`shatter %s` alone is `shatter %s list`. `shatter %s VERB --help` says more.\n", group, group,
                group);
}

void sht__help_overview(FILE *out, const sht_terminal *terminal) {
  (void)fprintf(out, "%sshatter%s measures how much a learning machine can memorise.\n\n",
                sht__ink(terminal, SHT_INK_BOLD), sht__ink_end(terminal));
  sht__print_wrapped(out,
                     "It trains one network, unchanged, on real data and on randomised copies of it, side by side, and "
                     "says what the outcome means for capacity and generalisation.",
                     0, 0, help_columns(terminal));
  (void)fprintf(out, "\nUsage: shatter VERB [options]\n");
  print_heading(out, terminal, "Start here");
  (void)fprintf(out, "  shatter demo      true labels against random labels and random pixels, in under a minute\n");
  print_heading(out, terminal, "Verbs");
  print_verb_rows(out, terminal, NULL);
  (void)fprintf(out,
                "\n`shatter VERB --help` explains a verb, with examples. --json makes any verb print one JSON object.\n"
                "`shatter --version` says which shatter this is.\n");
}

static void print_what_was_asked(FILE *out, const sht_terminal *terminal, const sht_cli *cli) {
  if (cli->group != NULL) {
    print_group(out, terminal, cli->group);
  } else if (!cli->verb_named) {
    sht__help_overview(out, terminal);
  } else {
    print_verb(out, terminal, cli->verb);
  }
}

static sht_status add_option(sht_json_list *list, const char *name, const char *fallback, const char *meaning,
                             sht_error *error) {
  sht_json item = {0};
  sht_json_add_text(&item, "option", name);
  sht_json_add_text(&item, "default", fallback != NULL && fallback[0] != '\0' ? fallback : NULL);
  sht_json_add_text(&item, "meaning", meaning);
  return sht__list_add(list, &item, error);
}

// All options of the verb, those of the run first.
static sht_status add_options(sht_json *json, const sht_verb *verb, sht_error *error) {
  char fallback[LINE_MAX_BYTES], meaning[LINE_MAX_BYTES];
  const sht_cli_option *const tables[] = {verb->options, sht__common_options};
  sht_json_list list;
  sht_status status = sht__list_open(&list, error);
  for (size_t i = 0; i < sht_option_count && status == SHT_OK; i++) {
    if (sht__verb_takes(verb, &sht_options[i])) {
      status = add_option(&list, sht_options[i].name,
                          sht__help_config_default(verb, &sht_options[i], fallback, sizeof fallback),
                          sht__help_config_meaning(verb, &sht_options[i], meaning, sizeof meaning), error);
    }
  }
  for (int t = 0; t < 2; t++) {
    for (const sht_cli_option *o = tables[t]; o != NULL && o->name != NULL && status == SHT_OK; o++) {
      status = add_option(&list, o->name, o->default_text, sht__help_meaning(o, meaning, sizeof meaning), error);
    }
  }
  sht_status closed = sht__list_close(&list, json, "options", error);
  return status != SHT_OK ? status : closed;
}

sht_status sht__help_print(sht_cli *cli, sht_error *error) {
  if (!sht__cli_is_set(cli, "json")) {
    sht_terminal terminal = sht__terminal_of(stdout);
    print_what_was_asked(stdout, &terminal, cli);
    return SHT_OK;
  }
  char usage[LINE_MAX_BYTES];
  sht_json json = {0};
  sht_json_add_text(&json, "verb", cli->verb->name);
  sht_json_add_text(&json, "summary", cli->verb->summary);
  sht_json_add_text(&json, "usage", sht__help_usage(cli->verb, usage, sizeof usage));
  SHT_TRY(add_options(&json, cli->verb, error));
  return sht__answer_print(cli, &json, error);
}
