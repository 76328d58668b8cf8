// shatter completion bash: a completion script out of the tables.
#include <stdio.h>
#include <string.h>

#include "cli/answer.h"
#include "cli/verbs.h"
#include "shatter/data.h"
#include "shatter/model.h"

static void print_option_words(FILE *out, const sht_verb *verb) {
  const sht_cli_option *const tables[] = {verb->options, sht__common_options};
  for (int t = 0; t < 2; t++) {
    for (const sht_cli_option *o = tables[t]; o != NULL && o->name != NULL; o++) {
      (void)fprintf(out, " --%s", o->name);
    }
  }
  for (size_t i = 0; i < sht_option_count; i++) {
    if (sht__verb_takes(verb, &sht_options[i])) {
      (void)fprintf(out, " --%s", sht_options[i].name);
    }
  }
}

static void print_verb_cases(FILE *out) {
  for (int i = 0; sht__verbs[i] != NULL; i++) {
    (void)fprintf(out, "    '%s') words='", sht__verbs[i]->name);
    print_option_words(out, sht__verbs[i]);
    (void)fprintf(out, "' ;;\n");
  }
}

static void print_first_words(FILE *out) {
  for (int i = 0; sht__verbs[i] != NULL; i++) {
    const char *name = sht__verbs[i]->name;
    size_t length = strcspn(name, " ");
    bool new_word = i == 0 || strncmp(sht__verbs[i - 1]->name, name, length + 1) != 0;
    if (name[length] == '\0' || new_word) {
      (void)fprintf(out, " %.*s", (int)length, name);
    }
  }
}

static void print_group_cases(FILE *out) {
  for (int i = 0; sht__verbs[i] != NULL; i++) {
    const char *name = sht__verbs[i]->name;
    size_t length = strcspn(name, " ");
    if (name[length] == ' ') {
      (void)fprintf(out, "    %.*s) seconds+=' %s' ;;&\n", (int)length, name, name + length + 1);
    }
  }
}

static void print_value_cases(FILE *out) {
  for (size_t i = 0; i < sht_option_count; i++) {
    if (sht_options[i].type == SHT_OPTION_CHOICE) {
      (void)fprintf(out, "    --%s) words='%s' ;;\n", sht_options[i].name, sht_options[i].choices);
    }
  }
  (void)fprintf(out, "    --model) words='");
  for (const char *const *name = sht_model_names(); *name != NULL; name++) {
    (void)fprintf(out, " %s", *name);
  }
  (void)fprintf(out, "' ;;\n    --data) words='");
  for (size_t i = 0; i < sht_known_set_count; i++) {
    (void)fprintf(out, " %s", sht_known_sets[i].name);
  }
  (void)fprintf(out, "' ;;\n    --progress) words='auto plain none' ;;\n");
}

static void print_bash(FILE *out) {
  (void)fputs(
      "# bash completion of shatter: source <(shatter completion bash)\n"
      "_shatter() {\n"
      "  local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]}\n"
      "  local verb=${COMP_WORDS[1]} seconds='' words=''\n"
      "  case $verb in\n",
      out);
  print_group_cases(out);
  (void)fputs(
      "  esac\n"
      "  if [ \"$COMP_CWORD\" -eq 1 ]; then\n"
      "    words='",
      out);
  print_first_words(out);
  (void)fputs(
      "'\n"
      "  elif [ \"$COMP_CWORD\" -eq 2 ] && [ -n \"$seconds\" ] && [[ $current != -* ]]; then\n"
      "    words=$seconds\n"
      "  else\n"
      "    [ -n \"$seconds\" ] && verb=\"$verb ${COMP_WORDS[2]}\"\n"
      "    case $verb in\n",
      out);
  print_verb_cases(out);
  (void)fputs(
      "    esac\n"
      "    [[ $current != -* ]] && words=''\n"
      "    case $previous in\n",
      out);
  print_value_cases(out);
  (void)fputs(
      "    esac\n"
      "  fi\n"
      "  COMPREPLY=($(compgen -W \"$words\" -- \"$current\"))\n"
      "}\n"
      "complete -o default -F _shatter shatter\n",
      out);
}

static sht_status run(sht_cli *cli, sht_error *error) {
  if (strcmp(cli->arguments[0], "bash") != 0) {
    return SHT_FAIL(error, SHT_USAGE, "no completion for \"%s\"; there is one for bash", cli->arguments[0]);
  }
  if (!cli->json) {
    print_bash(stdout);
    return SHT_OK;
  }
  sht_json json = {0};
  sht_json_add_text(&json, "shell", "bash");
  sht_json_add_text(&json, "load", "source <(shatter completion bash)");
  return sht__answer_print(cli, &json, error);
}

static const char *const examples[] = {"source <(shatter completion bash)",
                                       "in this shell; put it into ~/.bashrc for all", NULL};

const sht_verb sht__verb_completion = {
    .name = "completion",
    .arguments = "bash",
    .arguments_min = 1,
    .arguments_max = 1,
    .summary = "a script that completes verbs, options and values",
    .description = "",
    .examples = examples,
    .config_options = "",
    .run = run,
};
