// Parsing the command line: see arguments.h.
#include "cli/arguments.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "config/scalar.h"

enum { WORD_MAX = 64, CANDIDATES_MAX = 96 };

// A word of the command line that is an option, taken apart.
typedef struct option_word {
  char name[WORD_MAX];   // without dashes and "no-"
  const char *value;     // after '=', or NULL
  bool negated;          // began with --no-
  const char *spelling;  // as it was written
} option_word;

bool sht__arguments_want_json(int count, char **words) {
  for (int i = 0; i < count && strcmp(words[i], "--") != 0; i++) {
    if (strcmp(words[i], "--json") == 0) {
      return true;
    }
  }
  return false;
}

const sht_verb *sht__verb_find(const char *name) {
  char listing[3 * WORD_MAX];
  (void)snprintf(listing, sizeof listing, "%s list", name);
  for (int i = 0; sht__verbs[i] != NULL; i++) {
    if (strcmp(sht__verbs[i]->name, name) == 0 || strcmp(sht__verbs[i]->name, listing) == 0) {
      return sht__verbs[i];
    }
  }
  return NULL;
}

bool sht__verb_is_group(const char *name) {
  size_t length = strlen(name);
  for (int i = 0; sht__verbs[i] != NULL; i++) {
    if (strncmp(sht__verbs[i]->name, name, length) == 0 && sht__verbs[i]->name[length] == ' ') {
      return true;
    }
  }
  return false;
}

bool sht__verb_takes(const sht_verb *verb, const sht_option *option) {
  if (strcmp(verb->config_options, "*") == 0) {
    return true;
  }
  size_t length = strlen(option->name);
  for (const char *at = verb->config_options; (at = strstr(at, option->name)) != NULL; at += length) {
    bool starts = at == verb->config_options || at[-1] == ' ';
    if (starts && (at[length] == ' ' || at[length] == '\0')) {
      return true;
    }
  }
  return false;
}

static int own_option_index(const sht_cli *cli, const char *name) {
  for (int i = 0; i < cli->option_count; i++) {
    bool by_letter = name[1] == '\0' && cli->options[i]->letter == name[0];
    if (by_letter || strcmp(cli->options[i]->name, name) == 0) {
      return i;
    }
  }
  return -1;
}

const char *sht__cli_text(const sht_cli *cli, const char *name) {
  int index = own_option_index(cli, name);
  return index < 0 ? NULL : cli->values[index];
}

bool sht__cli_is_set(const sht_cli *cli, const char *name) {
  const char *value = sht__cli_text(cli, name);
  return value != NULL && strcmp(value, "true") == 0;
}

uint64_t sht__cli_count(const sht_cli *cli, const char *name, uint64_t fallback) {
  uint64_t count = fallback;
  const char *value = sht__cli_text(cli, name);
  if (value != NULL) {
    (void)sht__scalar_count(value, &count);
  }
  return count;
}

uint32_t sht__cli_count_u32(const sht_cli *cli, const char *name, uint32_t fallback) {
  const uint64_t count = sht__cli_count(cli, name, fallback);
  return count > UINT32_MAX ? UINT32_MAX : (uint32_t)count;
}

static bool is_option(const char *word) { return word[0] == '-' && word[1] != '\0' && strcmp(word, "--") != 0; }

static option_word take_apart(const char *word) {
  option_word option = {.spelling = word};
  const char *name = word + (word[1] == '-' ? 2 : 1);
  const char *equals = strchr(name, '=');
  size_t length = equals != NULL ? (size_t)(equals - name) : strlen(name);
  option.value = equals != NULL ? equals + 1 : NULL;
  (void)snprintf(option.name, sizeof option.name, "%.*s", (int)(length < WORD_MAX ? length : WORD_MAX - 1), name);
  return option;
}

// Whether the option takes the next word as its value, whatever the verb.
static bool takes_value_anywhere(const char *name) {
  const sht_option *config_option = sht_option_find(name);
  if (config_option != NULL) {
    return config_option->type != SHT_OPTION_BOOL;
  }
  for (int v = 0; sht__verbs[v] != NULL; v++) {
    for (const sht_cli_option *o = sht__verbs[v]->options; o != NULL && o->name != NULL; o++) {
      if (strcmp(o->name, name) == 0 || (name[1] == '\0' && o->letter == name[0])) {
        return o->type != SHT_OPTION_BOOL;
      }
    }
  }
  return false;
}

// Marks the places of the (at most two) words that name the verb: the first words that are neither option nor value.
static void find_verb_words(int count, char **words, int places[2]) {
  int found = 0;
  places[0] = places[1] = -1;
  for (int i = 0; i < count && found < 2; i++) {
    if (strcmp(words[i], "--") == 0) {
      return;
    }
    if (is_option(words[i])) {
      option_word option = take_apart(words[i]);
      i += option.value == NULL && takes_value_anywhere(option.name);
    } else {
      places[found++] = i;
      if (found == 1 && !sht__verb_is_group(words[i])) {
        return;
      }
    }
  }
}

static sht_status no_such_verb(const char *word, const char *group, sht_error *error) {
  char firsts[CANDIDATES_MAX][WORD_MAX];
  const char *candidates[CANDIDATES_MAX + 1];
  int count = 0;
  size_t skip = group != NULL ? strlen(group) + 1 : 0;
  for (int i = 0; sht__verbs[i] != NULL && count < CANDIDATES_MAX; i++) {
    const char *name = sht__verbs[i]->name;
    if (group != NULL && (strncmp(name, group, skip - 1) != 0 || name[skip - 1] != ' ')) {
      continue;
    }
    (void)snprintf(firsts[count], WORD_MAX, "%.*s", (int)strcspn(name + skip, " "), name + skip);
    candidates[count] = firsts[count];
    count++;
  }
  candidates[count] = NULL;
  const char *nearest = sht_text_nearest(word, candidates);
  char suggestion[WORD_MAX + 24] = "";
  if (nearest != NULL) {
    (void)snprintf(suggestion, sizeof suggestion, "; did you mean \"%s\"?", nearest);
  }
  if (group != NULL) {
    return SHT_FAIL(error, SHT_USAGE, "\"%s\" is not a verb of `shatter %s`%s\n`shatter %s --help` lists them.", word,
                    group, suggestion, group);
  }
  return SHT_FAIL(error, SHT_USAGE, "\"%s\" is not a verb%s\n`shatter help` lists them.", word, suggestion);
}

// `shatter --version`, as other programs have it: takes the word off the list.
static bool take_version(int count, char **words) {
  static const char *const spellings[] = {"--version", "-v", "-V"};
  for (int i = 0; i < count; i++) {
    for (size_t s = 0; s < sizeof spellings / sizeof spellings[0]; s++) {
      if (strcmp(words[i], spellings[s]) == 0) {
        words[i] = NULL;
        return true;
      }
    }
  }
  return false;
}

// Chooses the verb and takes its words off the list (sets them to NULL).
static sht_status choose_verb(int count, char **words, sht_cli *cli, sht_error *error) {
  int places[2];
  find_verb_words(count, words, places);
  if (places[0] < 0) {
    cli->verb = sht__verb_find(take_version(count, words) ? "version" : "help");
    return SHT_OK;
  }
  cli->verb_named = true;
  const char *first = words[places[0]];
  if (places[1] >= 0) {
    char both[2 * WORD_MAX];
    (void)snprintf(both, sizeof both, "%s %s", first, words[places[1]]);
    cli->verb = sht__verb_find(both);
    if (cli->verb == NULL) {
      return no_such_verb(words[places[1]], first, error);
    }
    words[places[1]] = NULL;
  } else {
    cli->verb = sht__verb_find(first);
    cli->group = sht__verb_is_group(first) ? first : NULL;
  }
  if (cli->verb == NULL) {
    return no_such_verb(first, NULL, error);
  }
  words[places[0]] = NULL;
  return SHT_OK;
}

static void gather_options(sht_cli *cli) {
  const sht_cli_option *const tables[] = {cli->verb->options, sht__common_options};
  for (int t = 0; t < 2; t++) {
    for (const sht_cli_option *o = tables[t]; o != NULL && o->name != NULL; o++) {
      cli->options[cli->option_count++] = o;
    }
  }
}

static sht_status no_such_option(const sht_cli *cli, const option_word *option, sht_error *error) {
  const char *candidates[CANDIDATES_MAX + 1];
  int count = 0;
  for (int i = 0; i < cli->option_count; i++) {
    candidates[count++] = cli->options[i]->name;
  }
  for (size_t i = 0; i < sht_option_count && count < CANDIDATES_MAX; i++) {
    if (sht__verb_takes(cli->verb, &sht_options[i])) {
      candidates[count++] = sht_options[i].name;
    }
  }
  if (!cli->verb_named && count < CANDIDATES_MAX) {
    candidates[count++] = "version";
  }
  candidates[count] = NULL;
  const char *nearest = sht_text_nearest(option->name, candidates);
  char suggestion[WORD_MAX + 24] = "", verb[WORD_MAX] = "";
  if (nearest != NULL) {
    (void)snprintf(suggestion, sizeof suggestion, "; did you mean --%s?", nearest);
  }
  if (cli->verb_named) {
    (void)snprintf(verb, sizeof verb, " %s", cli->verb->name);
  }
  return SHT_FAIL(error, SHT_USAGE, "%.*s is not an option of `shatter%s`%s\n`shatter%s --help` lists them.",
                  (int)strcspn(option->spelling, "="), option->spelling, verb, suggestion, verb);
}

static bool is_choice(const char *choices, const char *text) {
  size_t length = strlen(text);
  for (const char *at = choices; *at != '\0'; at += strspn(at, " ")) {
    size_t word = strcspn(at, " ");
    if (word == length && strncmp(at, text, length) == 0) {
      return true;
    }
    at += word;
  }
  return false;
}

static sht_status check_own_value(const sht_cli_option *option, const char *text, sht_error *error) {
  uint64_t count;
  double number;
  bool truth;
  if (option->type == SHT_OPTION_COUNT && !sht__scalar_count(text, &count)) {
    return SHT_FAIL(error, SHT_USAGE, "--%s takes a whole number, not \"%s\"", option->name, text);
  }
  if (option->type == SHT_OPTION_NUMBER && !sht__scalar_number(text, &number)) {
    return SHT_FAIL(error, SHT_USAGE, "--%s takes a number, not \"%s\"", option->name, text);
  }
  if (option->type == SHT_OPTION_BOOL && !sht__scalar_bool(text, &truth)) {
    return SHT_FAIL(error, SHT_USAGE, "--%s takes true or false, not \"%s\"", option->name, text);
  }
  if (option->type == SHT_OPTION_CHOICE && !is_choice(option->choices, text)) {
    return SHT_FAIL(error, SHT_USAGE, "--%s takes one of: %s; not \"%s\"", option->name, option->choices, text);
  }
  return SHT_OK;
}

// The value of an option: after '=', or the next word. *place moves on when that was used.
static sht_status take_value(const option_word *option, bool is_switch, const char *example, int count, char **words,
                             int *place, const char **out, sht_error *error) {
  *out = option->value;
  if (is_switch && option->value == NULL) {
    *out = option->negated ? "false" : "true";
  } else if (option->negated) {
    return SHT_FAIL(error, SHT_USAGE, "%s cannot be negated and given a value at once", option->spelling);
  } else if (option->value == NULL) {
    bool there = *place + 1 < count && words[*place + 1] != NULL && strncmp(words[*place + 1], "--", 2) != 0;
    if (!there) {
      return SHT_FAIL(error, SHT_USAGE, "%s needs a value, for example %s %s", option->spelling, option->spelling,
                      example);
    }
    *out = words[++*place];
  }
  return SHT_OK;
}

static const char *example_of(const sht_cli_option *option) {
  return option->default_text != NULL ? option->default_text : option->value_name;
}

static sht_status take_option(int count, char **words, int *place, sht_cli *cli, sht_error *error) {
  option_word option = take_apart(words[*place]);
  int own = own_option_index(cli, option.name);
  const sht_option *config_option = sht_option_find(option.name);
  if (own < 0 && config_option == NULL && strncmp(option.name, "no-", 3) == 0) {
    memmove(option.name, option.name + 3, strlen(option.name) - 2);
    option.negated = true;
    own = own_option_index(cli, option.name);
    config_option = sht_option_find(option.name);
    bool is_switch = (own >= 0 && cli->options[own]->type == SHT_OPTION_BOOL) ||
                     (own < 0 && config_option != NULL && config_option->type == SHT_OPTION_BOOL);
    if (!is_switch) {
      return no_such_option(cli, &option, error);
    }
  }
  const char *value = NULL;
  if (own >= 0) {
    const sht_cli_option *found = cli->options[own];
    SHT_TRY(take_value(&option, found->type == SHT_OPTION_BOOL, example_of(found), count, words, place, &value, error));
    cli->values[own] = value;
    return check_own_value(found, value, error);
  }
  if (config_option == NULL || !sht__verb_takes(cli->verb, config_option)) {
    return no_such_option(cli, &option, error);
  }
  if (cli->flag_count == SHT_CLI_FLAGS_MAX) {
    return SHT_FAIL(error, SHT_USAGE, "more than %d options; put some into a file for --config", SHT_CLI_FLAGS_MAX);
  }
  SHT_TRY(take_value(&option, config_option->type == SHT_OPTION_BOOL, config_option->example, count, words, place,
                     &value, error));
  cli->flags[cli->flag_count++] = (sht_cli_flag){.option = config_option, .text = value};
  return SHT_OK;
}

static sht_status take_words(int count, char **words, sht_cli *cli, sht_error *error) {
  bool options_over = false;
  for (int i = 0; i < count; i++) {
    if (words[i] == NULL) {
      continue;
    }
    if (!options_over && strcmp(words[i], "--") == 0) {
      options_over = true;
    } else if (!options_over && is_option(words[i])) {
      SHT_TRY(take_option(count, words, &i, cli, error));
    } else {
      cli->arguments[cli->argument_count++] = words[i];
    }
  }
  return SHT_OK;
}

static sht_status check_argument_count(const sht_cli *cli, sht_error *error) {
  const sht_verb *verb = cli->verb;
  if (cli->argument_count < verb->arguments_min) {
    return SHT_FAIL(error, SHT_USAGE, "`shatter %s` needs %s; `shatter %s --help` has examples", verb->name,
                    verb->arguments, verb->name);
  }
  if (cli->argument_count > verb->arguments_max) {
    return SHT_FAIL(error, SHT_USAGE, "`shatter %s` does not know what to do with \"%s\"; options are --name value",
                    verb->name, cli->arguments[verb->arguments_max]);
  }
  return SHT_OK;
}

sht_status sht__cli_apply_flags(const sht_cli *cli, sht_config *config, sht_error *error) {
  for (int i = 0; i < cli->flag_count; i++) {
    const sht_cli_flag *flag = &cli->flags[i];
    char where[WORD_MAX];
    (void)snprintf(where, sizeof where, "--%s", flag->option->name);
    SHT_TRY(sht_config_set(config, flag->option->name, flag->text, where, error));
  }
  return SHT_OK;
}

static sht_status resolve_config(sht_cli *cli, sht_error *error) {
  if (cli->verb->prepare != NULL) {
    cli->verb->prepare(&cli->config);
  }
  const char *file = sht__cli_text(cli, "config");
  if (file != NULL) {
    SHT_TRY(sht_config_read(&cli->config, file, error));
  }
  return sht__cli_apply_flags(cli, &cli->config, error);
}

sht_status sht__arguments_parse(int count, char **words, sht_cli *cli, sht_error *error) {
  *cli = (sht_cli){.json = sht__arguments_want_json(count, words)};
  sht_config_default(&cli->config);
  SHT_TRY(SHT_ALLOC(&cli->arguments, count + 1, "the command line", error));
  SHT_TRY(choose_verb(count, words, cli, error));
  gather_options(cli);
  SHT_TRY(take_words(count, words, cli, error));
  cli->json = sht__cli_is_set(cli, "json");
  cli->quiet = sht__cli_is_set(cli, "quiet");
  cli->help = sht__cli_is_set(cli, "help");
  if (cli->help) {
    return SHT_OK;
  }
  SHT_TRY(check_argument_count(cli, error));
  return resolve_config(cli, error);
}

void sht__arguments_close(sht_cli *cli) {
  sht_free(cli->arguments);
  cli->arguments = NULL;
}
