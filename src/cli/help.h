// Help out of the tables: of the program, of a group of verbs, of one verb; as text, Markdown and manual page.
#ifndef SHT_CLI_HELP_H
#define SHT_CLI_HELP_H

#include <stdio.h>

#include "cli/cli.h"
#include "cli/terminal.h"

// What --help asked for: the help of cli->verb, or of cli->group; with --json as an object.
sht_status sht__help_print(sht_cli *cli, sht_error *error);
void sht__help_overview(FILE *out, const sht_terminal *terminal);
void sht__help_markdown(FILE *out);
void sht__help_manual(FILE *out);

// "--labels KIND", "-o, --output FILE" into out; returns out.
char *sht__help_spelling(const sht_cli_option *option, char *out, size_t size);
char *sht__help_config_spelling(const sht_option *option, char *out, size_t size);
// What an option does, with its values and its default, into out; returns out.
char *sht__help_meaning(const sht_cli_option *option, char *out, size_t size);
// The same of an option of the run, in the verb's own words and with its own default. verb NULL: as the table says.
char *sht__help_config_meaning(const sht_verb *verb, const sht_option *option, char *out, size_t size);
// The default that an option of the run has for the verb, "" for none; returns out.
char *sht__help_config_default(const sht_verb *verb, const sht_option *option, char *out, size_t size);
// "shatter train [options]" into out; returns out.
char *sht__help_usage(const sht_verb *verb, char *out, size_t size);

#endif
