// An experiment's plan on the screen: see plan.h.
#include "cli/plan.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "cli/answer.h"
#include "cli/table.h"
#include "shatter/model.h"

enum { WORD_BYTES = 64, LINE_BYTES = 512, WIDTH_MAX = 100 };

uint64_t sht__plan_done(const sht_schedule *schedule) {
  uint64_t done = 0;
  for (uint64_t i = 0; i < schedule->experiment->run_count; i++) {
    done += schedule->slots[i].same_as == i && schedule->slots[i].asked && schedule->slots[i].state == SHT_SLOT_DONE;
  }
  return done;
}

sht_status sht__plan_command(const sht_cli *cli, const sht_schedule *schedule, char **out, sht_error *error) {
  static const char *const own[] = {"jobs", "together", "only", "report"};
  size_t size = 0;
  FILE *writer = open_memstream(out, &size);
  if (writer == NULL) {
    return SHT_FAIL(error, SHT_MEMORY, "no memory for a command");
  }
  (void)fputs(schedule->experiment->command, writer);
  for (size_t i = 0; i < sizeof own / sizeof own[0]; i++) {
    if (sht__cli_text(cli, own[i]) != NULL) {
      (void)fprintf(writer, " --%s=", own[i]);
      sht_text_shell(writer, sht__cli_text(cli, own[i]));
    }
  }
  return fclose(writer) == 0 ? SHT_OK : SHT_FAIL(error, SHT_MEMORY, "no memory for a command");
}

// Whether the series has runs that differ in this option.
static bool series_varies(const sht_schedule *schedule, uint64_t index, const sht_option *option) {
  const sht_experiment *experiment = schedule->experiment;
  const sht_plan_run *run = &experiment->runs[index];
  const sht_plan_set *set = &experiment->sets[run->set];
  char own[SHT_TEXT_MAX], other[SHT_TEXT_MAX];
  sht_config_get(&run->config, option, own, sizeof own);
  for (uint64_t i = set->first; i < set->first + set->count; i++) {
    sht_config_get(&experiment->runs[i].config, option, other, sizeof other);
    if (strcmp(experiment->runs[i].series, run->series) == 0 && strcmp(own, other) != 0) {
      return true;
    }
  }
  return false;
}

char *sht__plan_run_name(const sht_schedule *schedule, uint64_t index, char *out, size_t size) {
  const sht_plan_run *run = &schedule->experiment->runs[index];
  bool plain = strcmp(run->series, schedule->experiment->sets[run->set].name) == 0;  // the set's name tells nothing
  size_t length = (size_t)snprintf(out, size, "%s", plain ? "" : run->series);
  for (size_t i = 0; i < sht_option_count && length < size; i++) {
    char value[SHT_TEXT_MAX];
    if (sht_options[i].identity && series_varies(schedule, index, &sht_options[i])) {
      sht_config_get(&run->config, &sht_options[i], value, sizeof value);
      length +=
          (size_t)snprintf(out + length, size - length, "%s%s %s", length > 0 ? ", " : "", sht_options[i].name, value);
    }
  }
  if (length == 0) {
    (void)snprintf(out, size, "%s", run->series);
  }
  return out;
}

char *sht__plan_state(const sht_slot *slot, char *out, size_t size) {
  const sht_train_result *result = &slot->run.result;
  char steps[WORD_BYTES];
  if (slot->state == SHT_SLOT_DONE && result->fitted_step > 0) {
    (void)snprintf(out, size, "fitted at step %s", sht_text_count(result->fitted_step, steps, sizeof steps));
  } else if (slot->state == SHT_SLOT_DONE) {
    (void)snprintf(out, size, "%s", sht_outcome_name(result->outcome));
  } else if (slot->state == SHT_SLOT_FAILED) {
    (void)snprintf(out, size, "failed");
  } else if (slot->state == SHT_SLOT_ELSEWHERE) {
    (void)snprintf(out, size, "trained by another process");
  } else if (slot->state == SHT_SLOT_UNASKED) {
    (void)snprintf(out, size, "not asked for");
  } else if (slot->steps_done > 0) {
    (void)snprintf(out, size, "%.0f %% done", 100 * (double)slot->steps_done / (double)slot->steps);
  } else {
    (void)snprintf(out, size, "to do");
  }
  return out;
}

static int width_of(FILE *out) {
  sht_terminal terminal = sht__terminal_of(out);
  return terminal.columns < WIDTH_MAX ? terminal.columns : WIDTH_MAX;
}

static void tell_title(const sht_schedule *schedule, FILE *out) {
  const sht_experiment *experiment = schedule->experiment;
  sht_terminal terminal = sht__terminal_of(out);
  char text[3 * SHT_TEXT_MAX];
  (void)snprintf(text, sizeof text, "%s: %s%s%s%s", experiment->name, experiment->title,
                 experiment->source[0] != '\0' ? " (" : "", experiment->source,
                 experiment->source[0] != '\0' ? ")" : "");
  (void)fputs(sht__ink(&terminal, SHT_INK_BOLD), out);
  sht__print_wrapped(out, text, 0, 0, width_of(out));
  (void)fprintf(out, "%s\n", sht__ink_end(&terminal));
  if (experiment->scale_note[0] != '\0') {
    (void)fprintf(out, "%sScaled%s ", sht__ink(&terminal, SHT_INK_WARN), sht__ink_end(&terminal));
    (void)snprintf(text, sizeof text, "(%s): %s", experiment->scale, experiment->scale_note);
    sht__print_wrapped(out, text, 7, 8, width_of(out));
    (void)fputc('\n', out);
  }
  if (experiment->changed[0] != '\0') {
    (void)fprintf(out, "%sChanged:%s ", sht__ink(&terminal, SHT_INK_WARN), sht__ink_end(&terminal));
    sht__print_wrapped(out, experiment->changed, 9, 8, width_of(out));
    (void)fputc('\n', out);
  }
}

// What else tells the network from others: ", mnist, flip, dropout 0.5".
static void tell_network(const sht_schedule *schedule, const sht_schedule_network *network, FILE *out) {
  bool one_data = true;
  for (uint32_t i = 0; i < schedule->network_count; i++) {
    one_data = one_data && strcmp(schedule->networks[i].data, network->data) == 0;
  }
  if (!one_data) {
    (void)fprintf(out, ", %s", network->data);
  }
  if (strcmp(network->augment, "none") != 0) {
    (void)fprintf(out, ", %s", network->augment);
  }
  if (!isnan(network->dropout)) {
    (void)fprintf(out, ", dropout %g", network->dropout);
  }
}

double sht__plan_core_share(const sht_schedule *schedule) {
  double least = NAN;
  for (uint32_t i = 0; i < schedule->network_count; i++) {
    double share = schedule->networks[i].core_share;
    least = share > 0 ? fmin(share, least) : least;
  }
  return least;
}

static uint64_t together_of(const sht_schedule_network *network) {
  return network->runs < network->together ? network->runs : network->together;
}

uint64_t sht__plan_together(const sht_schedule *schedule) {
  uint64_t most = 1;
  for (uint32_t i = 0; i < schedule->network_count; i++) {
    const uint64_t size = together_of(&schedule->networks[i]);
    most = size > most ? size : most;
  }
  return most;
}

static void tell_busy(const sht_schedule *schedule, FILE *out) {
  double share = sht__plan_core_share(schedule);
  sht_terminal terminal = sht__terminal_of(out);
  if (share < SHT_CORE_SHARE_BUSY) {
    (void)fprintf(out,
                  "        %sthis machine is busy%s: %.0f %% of a core was free; the times are those of an idle one\n",
                  sht__ink(&terminal, SHT_INK_WARN), sht__ink_end(&terminal), 100 * share);
  }
}

// Runs that share a card's launches.
static void tell_together(const sht_schedule_network *network, FILE *out) {
  (void)fprintf(out, ": up to %" PRIu64 " runs together", together_of(network));
  const double share = isnan(network->step_alone) ? network->step_side_by_side : network->step_alone;
  if (!isnan(share)) {
    (void)fprintf(out, ", %.3g ms for a step of one", 1000 * share);
  }
  (void)fprintf(out, "\n");
}

// Not the path of a file, but what the model in it is called.
static const char *model_name(const char *spec, char out[SHT_NAME_MAX]) {
  sht_recipe recipe;
  char *text = NULL;
  (void)sht_model_read(spec, &recipe, &text, NULL);
  (void)sht_model_name(spec, text, out);
  sht_free(text);
  return out;
}

static void tell_time(const sht_schedule *schedule, FILE *out) {
  char duration[WORD_BYTES];
  if (isnan(schedule->seconds)) {
    return;
  }
  (void)fprintf(out, "Time    at most about %s: %" PRIu64 " %s%s at once, %" PRIu64 " thread%s each%s\n",
                sht_text_duration(schedule->seconds, duration, sizeof duration), schedule->jobs,
                sht__plan_together(schedule) > 1 ? "group" : "run", schedule->jobs == 1 ? "" : "s", schedule->threads,
                schedule->threads == 1 ? "" : "s", schedule->jobs_measured ? ", the quicker way here" : "");
  for (uint32_t i = 0; i < schedule->network_count; i++) {
    const sht_schedule_network *network = &schedule->networks[i];
    if (network->runs > 0) {
      char model[SHT_NAME_MAX];
      (void)fprintf(out, "        %s %s, batch %" PRIu64, model_name(network->model, model), network->precision,
                    network->batch);
      tell_network(schedule, network, out);
      if (together_of(network) > 1) {
        tell_together(network, out);
        continue;
      }
      (void)fprintf(out, ": a step takes");
      if (!isnan(network->step_side_by_side)) {
        (void)fprintf(out, " %.3g ms side by side%s", 1000 * network->step_side_by_side,
                      isnan(network->step_alone) ? "" : ",");
      }
      if (!isnan(network->step_alone)) {
        (void)fprintf(out, " %.3g ms alone", 1000 * network->step_alone);
      }
      (void)fprintf(out, "\n");
    }
  }
  tell_busy(schedule, out);
}

void sht__plan_tell(const sht_cli *cli, const sht_schedule *schedule, FILE *out) {
  char needed[WORD_BYTES], there[WORD_BYTES];
  if (cli->quiet && out == stderr) {
    return;
  }
  uint64_t left = schedule->asked - schedule->asked_found;
  tell_title(schedule, out);
  (void)fprintf(out, "Runs    %" PRIu64, schedule->asked);
  if (schedule->asked < schedule->distinct) {
    (void)fprintf(out, " asked for, of %" PRIu64, schedule->distinct);
  }
  if (schedule->asked_found > 0) {
    (void)fprintf(out, ", %" PRIu64 " of them done", schedule->asked_found);
  }
  if (schedule->begun > 0) {
    (void)fprintf(out, ", %" PRIu64 " begun", schedule->begun);
  }
  (void)fprintf(out, ", in %s\n", schedule->store);
  if (left > 0) {
    tell_time(schedule, out);
    (void)fprintf(out, "Disk    about %s, %s free\n", sht_text_bytes(schedule->disk_bytes, needed, sizeof needed),
                  sht_text_bytes(schedule->disk_free, there, sizeof there));
  }
}

sht_status sht__plan_print(const sht_cli *cli, const sht_schedule *schedule, sht_error *error) {
  static const char *const heads[] = {"run", "model", "data", "labels", "pixels", "at most", "state"};
  sht_terminal terminal = sht__terminal_of(stdout);
  sht_table table;
  sht__plan_tell(cli, schedule, stdout);
  (void)printf("\n");
  SHT_TRY(sht__table_open(&table, "lllllrl", error));
  for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++) {
    sht__table_add(&table, "%s", heads[i]);
  }
  for (uint64_t i = 0; i < schedule->experiment->run_count; i++) {
    const sht_slot *slot = &schedule->slots[i];
    const sht_config *config = &schedule->experiment->runs[i].config;
    char text[LINE_BYTES];
    char model[SHT_NAME_MAX];
    sht__table_add(&table, "%s", sht__plan_run_name(schedule, i, text, sizeof text));
    sht__table_add(&table, "%s", model_name(config->model, model));
    sht__table_add(&table, "%s", config->data);
    sht__table_add(&table, "%s", config->labels);
    sht__table_add(&table, "%s", config->pixels);
    sht__table_add(&table, "%s", slot->seconds > 0 ? sht_text_duration(slot->seconds, text, sizeof text) : "-");
    sht__table_add(&table, "%s", slot->same_as != i ? "as a run above" : sht__plan_state(slot, text, sizeof text));
  }
  return sht__table_print(&table, stdout, &terminal, error);
}

static sht_status list_one(sht_cli *cli, const char *name, sht_table *table, sht_json_list *list, sht_error *error) {
  sht_experiment *experiment = NULL;
  SHT_TRY(sht_experiment_open(name, NULL, NULL, &experiment, error));
  sht_status status = SHT_OK;
  if (cli->json) {
    sht_json item = {0};
    sht_json_add_text(&item, "name", name);
    sht_json_add_text(&item, "title", experiment->title);
    sht_json_add_text(&item, "source", experiment->source);
    sht_json_add_text(&item, "scales", experiment->scales);
    sht_json_add_count(&item, "runs", experiment->run_count);
    status = sht__list_add(list, &item, error);
  } else {
    sht__table_add(table, "%s", name);
    sht__table_add_count(table, experiment->run_count);
    sht__table_add(table, "full%s%s", experiment->scales[0] != '\0' ? ", " : "", experiment->scales);
    sht__table_add(table, "%s", experiment->title);
  }
  sht_experiment_close(experiment);
  return status;
}

static sht_status list_all(sht_cli *cli, sht_table *table, sht_json_list *list, sht_error *error) {
  for (const char *const *name = sht_experiment_names(); *name != NULL; name++) {
    SHT_TRY(list_one(cli, *name, table, list, error));
  }
  return SHT_OK;
}

static sht_status list_as_json(sht_cli *cli, sht_error *error) {
  sht_json_list list;
  sht_json json = {0};
  SHT_TRY(sht__list_open(&list, error));
  sht_status status = list_all(cli, NULL, &list, error);
  sht_status closed = sht__list_close(&list, &json, "experiments", error);
  SHT_TRY(status);
  SHT_TRY(closed);
  return sht__answer_print(cli, &json, error);
}

sht_status sht__plan_list(sht_cli *cli, sht_error *error) {
  static const char *const heads[] = {"experiment", "runs", "scales", "what it shows"};
  sht_table table;
  if (cli->json) {
    return list_as_json(cli, error);
  }
  SHT_TRY(sht__table_open(&table, "lrll", error));
  for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++) {
    sht__table_add(&table, "%s", heads[i]);
  }
  sht_status status = list_all(cli, &table, NULL, error);
  sht_terminal terminal = sht__terminal_of(stdout);
  sht_status printed = sht__table_print(&table, stdout, &terminal, error);
  return status != SHT_OK ? status : printed;
}
