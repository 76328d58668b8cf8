// Every verb, each in a file of its own.
#ifndef SHT_CLI_VERBS_H
#define SHT_CLI_VERBS_H

#include "cli/cli.h"

extern const sht_verb sht__verb_demo;
extern const sht_verb sht__verb_train;
extern const sht_verb sht__verb_run;
extern const sht_verb sht__verb_resume;
extern const sht_verb sht__verb_rerun;
extern const sht_verb sht__verb_runs_list;
extern const sht_verb sht__verb_runs_show;
extern const sht_verb sht__verb_runs_export;
extern const sht_verb sht__verb_report;
extern const sht_verb sht__verb_data_list;
extern const sht_verb sht__verb_data_fetch;
extern const sht_verb sht__verb_data_check;
extern const sht_verb sht__verb_data_show;
extern const sht_verb sht__verb_model_list;
extern const sht_verb sht__verb_model_show;
extern const sht_verb sht__verb_express;
extern const sht_verb sht__verb_linear;
extern const sht_verb sht__verb_capacity;
extern const sht_verb sht__verb_kernel;
extern const sht_verb sht__verb_measure;
extern const sht_verb sht__verb_bench;
extern const sht_verb sht__verb_doctor;
extern const sht_verb sht__verb_completion;
extern const sht_verb sht__verb_version;
extern const sht_verb sht__verb_help;

#endif
