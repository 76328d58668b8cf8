// The results of an experiment: summary, JSON, report. See plan.h.
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "cli/answer.h"
#include "cli/plan.h"
#include "cli/table.h"

enum { WORD_BYTES = 64, LINE_BYTES = 512 };

static double train_accuracy(const sht_run *run) {
  double measured = run->result.last.train_accuracy_eval;
  return isnan(measured) ? run->result.last.train_accuracy : measured;
}

static void add_row(sht_table *table, const sht_schedule *schedule, uint64_t index) {
  const sht_slot *slot = &schedule->slots[index];
  bool done = slot->state == SHT_SLOT_DONE;
  char text[LINE_BYTES];
  sht__table_add(table, "%s", sht__plan_run_name(schedule, index, text, sizeof text));
  sht__table_add(table, "%s", sht__plan_state(slot, text, sizeof text));
  sht__table_add_percent(table, done ? train_accuracy(&slot->run) : NAN);
  sht__table_add_percent(table, done ? slot->run.result.last.test_accuracy : NAN);
  sht__table_add_percent(table, done ? slot->run.result.best_test_accuracy : NAN);
  sht__table_add(table, "%s", done ? sht_text_duration(slot->run.result.seconds, text, sizeof text) : "-");
}

static void tell_failures(const sht_schedule *schedule) {
  for (uint64_t i = 0; i < schedule->experiment->run_count; i++) {
    const sht_slot *slot = &schedule->slots[i];
    char name[LINE_BYTES];
    if (slot->state == SHT_SLOT_FAILED && slot->same_as == i) {
      (void)printf("Failed: %s: %s\n", sht__plan_run_name(schedule, i, name, sizeof name), slot->problem);
    }
  }
}

sht_status sht__plan_summary(const sht_cli *cli, const sht_schedule *schedule, const char *folder, sht_error *error) {
  static const char *const heads[] = {"run", "outcome", "train", "test", "best test", "time"};
  const sht_experiment *experiment = schedule->experiment;
  sht_terminal terminal = sht__terminal_of(stdout);
  sht_table table;
  (void)cli;
  SHT_TRY(sht__table_open(&table, "llrrrr", error));
  for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++) {
    sht__table_add(&table, "%s", heads[i]);
  }
  for (uint64_t i = 0; i < experiment->run_count; i++) {
    add_row(&table, schedule, i);
  }
  SHT_TRY(sht__table_print(&table, stdout, &terminal, error));
  if (experiment->scale_note[0] != '\0') {
    (void)printf("Scaled (%s): %s\n", experiment->scale, experiment->scale_note);
  }
  if (experiment->changed[0] != '\0') {
    (void)printf("Changed: %s\n", experiment->changed);
  }
  tell_failures(schedule);
  (void)printf("Report  %s\n", folder);
  return SHT_OK;
}

static sht_status add_run(sht_json_list *list, const sht_schedule *schedule, uint64_t index, sht_error *error) {
  const sht_slot *slot = &schedule->slots[index];
  const sht_plan_run *planned = &schedule->experiment->runs[index];
  char *text = NULL;
  char state[WORD_BYTES];
  sht_json item = {0};
  sht_json_add_text(&item, "set", schedule->experiment->sets[planned->set].name);
  sht_json_add_text(&item, "series", planned->series);
  sht_json_add_text(&item, "identity", slot->run.id);
  sht_json_add_text(&item, "state", sht__plan_state(slot, state, sizeof state));
  sht_json_add_bool(&item, "found", slot->found);
  sht_json_add_text(&item, "failure", slot->problem[0] != '\0' ? slot->problem : NULL);
  if (slot->state == SHT_SLOT_DONE) {
    SHT_TRY(sht_run_json(&slot->run, &text, error));
    sht_json_add_raw(&item, "result", text);
    sht_text_free(text);
  } else {
    sht_json_add_null(&item, "result");
  }
  return sht__list_add(list, &item, error);
}

static void add_plan(sht_json *json, const sht_schedule *schedule) {
  const sht_experiment *experiment = schedule->experiment;
  sht_json_add_text(json, "experiment", experiment->name);
  sht_json_add_text(json, "title", experiment->title);
  sht_json_add_text(json, "scale", experiment->scale);
  sht_json_add_text(json, "scale_note", experiment->scale_note);
  sht_json_add_text(json, "changed", experiment->changed[0] != '\0' ? experiment->changed : NULL);
  sht_json_add_text(json, "command", experiment->command);
  sht_json_add_text(json, "store", schedule->store);
  sht_json_add_count(json, "distinct", schedule->distinct);
  sht_json_add_count(json, "asked", schedule->asked);
  sht_json_add_count(json, "found", schedule->asked_found);
  sht_json_add_count(json, "done", sht__plan_done(schedule));
  sht_json_add_count(json, "jobs", schedule->jobs);
  sht_json_add_count(json, "threads", schedule->threads);
  sht_json_add_count(json, "together", sht__plan_together(schedule));
  sht_json_add_number(json, "seconds_estimated", schedule->seconds);
  sht_json_add_number(json, "core_share", sht__plan_core_share(schedule));
  sht_json_add_count(json, "disk_bytes", schedule->disk_bytes);
}

sht_status sht__plan_answer(sht_cli *cli, const sht_schedule *schedule, const char *folder, sht_error *error) {
  sht_json_list list;
  sht_json json = {0};
  sht_status status = SHT_OK;
  SHT_TRY(sht__list_open(&list, error));
  for (uint64_t i = 0; i < schedule->experiment->run_count && status == SHT_OK; i++) {
    status = add_run(&list, schedule, i, error);
  }
  add_plan(&json, schedule);
  sht_json_add_text(&json, "report", folder);
  sht_status closed = sht__list_close(&list, &json, "runs", error);
  SHT_TRY(status);
  SHT_TRY(closed);
  return sht__answer_print(cli, &json, error);
}

sht_status sht__plan_report(sht_cli *cli, const sht_schedule *schedule, const char *folder,
                            void (*noted)(void *context, const char *sentence), sht_error *error) {
  uint64_t count = schedule->experiment->run_count;
  sht_run *runs = NULL;
  SHT_TRY(SHT_ALLOC(&runs, count, "the runs of the report", error));
  for (uint64_t i = 0; i < count; i++) {
    if (schedule->slots[i].state == SHT_SLOT_DONE) {
      runs[i] = schedule->slots[i].run;
    }
  }
  sht_status status = sht_experiment_report(schedule->experiment, runs, folder, noted, cli, error);
  sht_free(runs);
  return status;
}
