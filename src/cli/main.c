// The program: parses the command line, calls the verb, turns its status into an exit code.
#include <locale.h>
#include <stdio.h>
#include <string.h>

#include "cli/answer.h"
#include "cli/arguments.h"
#include "cli/help.h"
#include "cli/print_config.h"
#include "cli/signals.h"
#include "cli/terminal.h"

static int exit_code_of(sht_status status) {
  int by_signal = sht__signals_exit_code();
  return status == SHT_STOPPED && by_signal != 0 ? by_signal : sht_status_exit_code(status);
}

// The sentence for people; an error that spans lines begins on a line of its own.
static void tell_failure(const sht_cli *cli, const char *message) {
  sht_terminal terminal = sht__terminal_of(stderr);
  const bool named = cli->verb != NULL && cli->verb_named;
  (void)fprintf(stderr, "%sshatter%s%s:%s %s\n", sht__ink(&terminal, SHT_INK_BAD), named ? " " : "",
                named ? cli->verb->name : "", sht__ink_end(&terminal), message);
}

static void answer_failure(sht_cli *cli, sht_status status, const char *message) {
  sht_json json = {0};
  sht_json_add_text(&json, "failure", message);
  sht_json_add_text(&json, "status", sht_status_name(status));
  sht_json_add_count(&json, "exit_code", (uint64_t)exit_code_of(status));
  (void)sht__answer_print(cli, &json, NULL);
}

static sht_status run(int count, char **words, sht_cli *cli, sht_error *error) {
  SHT_TRY(sht__arguments_parse(count, words, cli, error));
  if (cli->help) {
    return sht__help_print(cli, error);
  }
  if (sht__cli_is_set(cli, "print-config")) {
    return sht__print_config(cli, error);
  }
  return cli->verb->run(cli, error);
}

// What was printed may still fail to arrive: a full disk, say.
static sht_status flush_output(sht_status status, sht_error *error) {
  bool lost = ferror(stdout) != 0;
  lost = fflush(stdout) != 0 || lost;
  if (lost && status == SHT_OK) {
    return SHT_FAIL(error, SHT_DISK, "standard output could not be written; is the disk full?");
  }
  return status;
}

int main(int argc, char **argv) {
  (void)setlocale(LC_CTYPE, "");
  sht_cli cli;
  sht_error error = {.status = SHT_OK};
  sht_status status = flush_output(run(argc - 1, argv + 1, &cli, &error), &error);
  if (status != SHT_OK && error.message[0] != '\0') {
    tell_failure(&cli, error.message);
    if (cli.json && !cli.answered) {
      answer_failure(&cli, status, error.message);
      status = flush_output(status, &error);
    }
  }
  int code = exit_code_of(status);
  sht_cluster_close(cli.cluster, code);
  sht__arguments_close(&cli);
  return code;
}
