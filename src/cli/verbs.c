// The table of verbs, in the order of the help.
#include "cli/verbs.h"

const sht_verb *const sht__verbs[] = {
    &sht__verb_demo,       &sht__verb_train,
    &sht__verb_run,        &sht__verb_resume,
    &sht__verb_rerun,      &sht__verb_runs_list,
    &sht__verb_runs_show,  &sht__verb_runs_export,
    &sht__verb_report,     &sht__verb_data_list,
    &sht__verb_data_fetch, &sht__verb_data_check,
    &sht__verb_data_show,  &sht__verb_model_list,
    &sht__verb_model_show, &sht__verb_kernel,
    &sht__verb_express,    &sht__verb_linear,
    &sht__verb_capacity,   &sht__verb_measure,
    &sht__verb_bench,      &sht__verb_doctor,
    &sht__verb_completion, &sht__verb_version,
    &sht__verb_help,       NULL,
};

const sht_cli_option sht__common_options[] = {
    {.name = "json", .type = SHT_OPTION_BOOL, .help = "print the result as one JSON object, and nothing else"},
    {.name = "quiet", .letter = 'q', .type = SHT_OPTION_BOOL, .help = "no progress and no remarks on standard error"},
    {.name = "help", .letter = 'h', .type = SHT_OPTION_BOOL, .help = "explain the verb with examples"},
    {.name = NULL},
};
