// shatter train: one network on one data set.
#include "cli/signals.h"
#include "cli/training.h"
#include "cli/verbs.h"

static sht_status train(sht_cli *cli, sht_store *store, sht_error *error) {
  sht_run run;
  bool reused = false;
  sht_training how = {.title = "", .again = sht__cli_is_set(cli, "again")};
  SHT_TRY(sht__train_in_store(cli, store, &cli->config, &how, &run, &reused, error));
  return sht__tell_run(cli, &run, reused, error);
}

static sht_status run(sht_cli *cli, sht_error *error) {
  SHT_TRY(sht_config_check(&cli->config, error));
  sht__signals_install();
  sht_store *store = NULL;
  SHT_TRY(sht__open_store(cli, NULL, &store, error));
  sht_status status = train(cli, store, error);
  sht_store_close(store);
  return status;
}

static const char *const examples[] = {
    "shatter train --model mlp-1x512 --data shapes --labels random",
    "one hidden layer of 512 units, on labels drawn at random",
    "shatter train --model inception --data cifar10 --precision bf16",
    "the paper's small Inception on CIFAR-10, in bfloat16",
    "shatter train --data cifar10 --labels corrupt:0.3 --stop-when-fitted",
    "30 % of the labels replaced at random; stop when they are fitted",
    "shatter train --config mine.yaml --epochs 20 --print-config",
    "what a file and a flag come to, without training",
    NULL,
};

static const sht_cli_option options[] = {
    SHT_CLI_TRAINING_OPTIONS,
    {.name = "again", .type = SHT_OPTION_BOOL, .help = "train anew, although the store has this run already"},
    {.name = NULL},
};

const sht_verb sht__verb_train = {
    .name = "train",
    .arguments = "",
    .summary = "train a network on a data set or on a randomised copy of it",
    .description =
        "The run gets a folder in the store: options, metrics, checkpoints, weights, result. A run that is "
        "there already is shown, not repeated. Ctrl-C saves, and says how to go on. Exit code 3: diverged.",
    .examples = examples,
    .config_options = "*",
    .options = options,
    .run = run,
};
