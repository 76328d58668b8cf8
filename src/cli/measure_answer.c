// Tables and JSON of `shatter measure`: see measure_answer.h.
#include "cli/measure_answer.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "cli/answer.h"
#include "cli/table.h"
#include "cli/training.h"

enum { NAME_BYTES = 256 };

// ---- which measures there are

typedef enum figure_kind { KIND_PERCENT, KIND_NUMBER } figure_kind;

// A line of the table, a key of the JSON.
typedef struct figure_line {
  const char *key;
  const char *label;
  figure_kind kind;
  bool is_ratio;  // whether one run's over another's says something
  size_t offset;  // of a double in sht_measures
} figure_line;

#define FIGURE(member, text, how, ratio) \
  { #member, text, how, ratio, offsetof(sht_measures, member) }

static const figure_line figures[] = {
    FIGURE(train_accuracy, "training accuracy", KIND_PERCENT, false),
    FIGURE(test_accuracy, "test accuracy", KIND_PERCENT, false),
    FIGURE(norm, "norm of the parameters", KIND_NUMBER, true),
    FIGURE(distance, "distance from the initial ones", KIND_NUMBER, true),
    {"margin_5", "margin, 5th percentile", KIND_NUMBER, false, offsetof(sht_measures, margins)},
    {"margin_10", "margin, 10th percentile", KIND_NUMBER, false, offsetof(sht_measures, margins) + sizeof(double)},
    {"margin_50", "margin, median", KIND_NUMBER, false, offsetof(sht_measures, margins) + 2 * sizeof(double)},
    FIGURE(lipschitz, "Lipschitz bound", KIND_NUMBER, true),
    FIGURE(path_norm, "path norm", KIND_NUMBER, true),
    FIGURE(spectral_complexity, "spectral complexity", KIND_NUMBER, true),
    FIGURE(sharpness, "noise it bears (deviation)", KIND_NUMBER, true),
    FIGURE(relative_sharpness, "noise it bears (relative)", KIND_NUMBER, true),
    FIGURE(spectral_bound, "bound: spectral", KIND_NUMBER, true),
    FIGURE(pac_bayes_bound, "bound: PAC-Bayes", KIND_NUMBER, true),
};
enum { FIGURES = sizeof figures / sizeof figures[0] };

static double value_of(const sht_measures *measures, const figure_line *figure) {
  double value = 0;
  memcpy(&value, (const char *)measures + figure->offset, sizeof value);
  return value;
}

// ---- JSON

static sht_status add_layers(sht_json *json, const sht_measures *m, sht_error *error) {
  sht_json_list list;
  SHT_TRY(sht__list_open(&list, error));
  sht_status status = SHT_OK;
  for (uint32_t i = 0; i < m->layer_count && status == SHT_OK; i++) {
    const sht_measure_layer *layer = &m->layers[i];
    sht_json item = {0};
    sht_json_add_text(&item, "name", layer->name);
    sht_json_add_text(&item, "operation", sht_op_name(layer->op));
    sht_json_add_number(&item, "spectral", layer->spectral);
    sht_json_add_number(&item, "initial_spectral", layer->initial_spectral);
    sht_json_add_number(&item, "norm", layer->norm);
    sht_json_add_number(&item, "distance", layer->distance);
    sht_json_add_number(&item, "two_one", layer->two_one);
    status = sht__list_add(&list, &item, error);
  }
  sht_status closed = sht__list_close(&list, json, "layers", error);
  return status != SHT_OK ? status : closed;
}

static sht_status add_run(sht_json_list *list, const sht_run *run, const sht_measures *m, sht_error *error) {
  sht_json item = {0};
  sht_json_add_text(&item, "run", run->folder);
  sht_json_add_text(&item, "identity", run->id);
  sht_json_add_text(&item, "model_name", sht_run_model(run));
  sht_json_add_text(&item, "data", run->config.data);
  sht_json_add_text(&item, "labels", run->config.labels);
  sht_json_add_text(&item, "pixels", run->config.pixels);
  sht_json_add_count(&item, "seed", run->config.seed);
  sht_json_add_count(&item, "parameters", m->parameters);
  sht_json_add_count(&item, "examples", m->examples);
  sht_json_add_count(&item, "test_examples", m->test_examples);
  for (int i = 0; i < FIGURES; i++) {
    sht_json_add_number(&item, figures[i].key, value_of(m, &figures[i]));
  }
  sht_json_add_number(&item, "data_norm", m->data_norm);
  sht_json_add_bool(&item, "chain", m->is_chain);
  sht_json_add_number(&item, "divergence", m->divergence);
  sht_json_add_count(&item, "sharpness_examples", m->sharpness_examples);
  sht_status status = add_layers(&item, m, error);
  sht_status added = sht__list_add(list, &item, error);
  return status != SHT_OK ? status : added;
}

static sht_status add_difference(sht_json *json, const sht_measure_answer *answer, sht_error *error) {
  const sht_measure_difference *d = &answer->difference;
  sht_json item = {0};
  char *text = NULL;
  sht_json_add_text(&item, "against", answer->against.folder);
  sht_json_add_count(&item, "test_examples", d->test_examples);
  sht_json_add_number(&item, "distance", d->distance);
  sht_json_add_number(&item, "loss_mean", d->loss_mean);
  sht_json_add_number(&item, "loss_max", d->loss_max);
  sht_json_add_number(&item, "disagreement", d->disagreement);
  sht_json_add_number(&item, "test_accuracy", d->accuracy);
  sht_json_add_number(&item, "other_test_accuracy", d->other_accuracy);
  SHT_TRY(sht_json_finish(&item, &text, error));
  sht_json_add_raw(json, "difference", text);
  sht_text_free(text);
  return SHT_OK;
}

static sht_status answer_json(sht_cli *cli, const sht_measure_answer *answer, sht_error *error) {
  sht_json json = {0};
  sht_json_list list;
  SHT_TRY(sht__list_open(&list, error));
  sht_status status = SHT_OK;
  for (int i = 0; i < answer->count && status == SHT_OK; i++) {
    status = add_run(&list, &answer->runs[i], &answer->measures[i], error);
  }
  sht_status closed = sht__list_close(&list, status == SHT_OK ? &json : NULL, "runs", error);
  SHT_TRY(status != SHT_OK ? status : closed);
  if (answer->compared) {
    SHT_TRY(add_difference(&json, answer, error));
  }
  return sht__answer_print(cli, &json, error);
}

// ---- text

// What tells the run from the others: its randomisation where they have one model, with the model where not, and the
// name of its folder where that is not enough.
static void head_of(const sht_measure_answer *answer, int i, char out[NAME_BYTES]) {
  char copy[NAME_BYTES], other[NAME_BYTES];
  bool one_model = true, distinct = true;
  (void)sht__describe_copy(&answer->runs[i].config, copy, sizeof copy);
  for (int k = 0; k < answer->count; k++) {
    const bool same = strcmp(sht_run_model(&answer->runs[k]), sht_run_model(&answer->runs[i])) == 0;
    one_model = one_model && same;
    distinct = distinct &&
               (k == i || !same || strcmp(sht__describe_copy(&answer->runs[k].config, other, sizeof other), copy) != 0);
  }
  if (!distinct) {
    (void)snprintf(out, NAME_BYTES, "%s", sht__cli_run_name(&answer->runs[i]));
  } else {
    (void)snprintf(out, NAME_BYTES, "%s%s%.120s", one_model ? "" : sht_run_model(&answer->runs[i]),
                   one_model ? "" : ", ", copy);
  }
}

static void add_row(sht_table *table, const sht_measure_answer *answer, const figure_line *figure) {
  sht__table_add(table, "%s", figure->label);
  for (int i = 0; i < answer->count; i++) {
    const double value = value_of(&answer->measures[i], figure);
    if (figure->kind == KIND_PERCENT) {
      sht__table_add_percent(table, value);
    } else {
      sht__table_add_number(table, value);
    }
  }
  if (answer->count == 2) {
    const double ratio = value_of(&answer->measures[1], figure) / value_of(&answer->measures[0], figure);
    sht__table_add_number(table, figure->is_ratio ? ratio : (double)NAN);
  }
}

static sht_status print_measures(const sht_measure_answer *answer, sht_error *error) {
  sht_terminal terminal = sht__terminal_of(stdout);
  sht_table table;
  const char *alignment = "lrrrrrrrr";
  char columns[SHT_MEASURE_RUNS_MAX + 3];
  (void)snprintf(columns, sizeof columns, "%.*s", 1 + answer->count + (answer->count == 2), alignment);
  SHT_TRY(sht__table_open(&table, columns, error));
  sht__table_add(&table, "%s", "");
  for (int i = 0; i < answer->count; i++) {
    char head[NAME_BYTES];
    head_of(answer, i, head);
    sht__table_add(&table, "%s", head);
  }
  if (answer->count == 2) {
    sht__table_add(&table, "second / first");
  }
  for (int i = 0; i < FIGURES; i++) {
    add_row(&table, answer, &figures[i]);
  }
  return sht__table_print(&table, stdout, &terminal, error);
}

static sht_status print_layers(const sht_measure_answer *answer, int i, sht_error *error) {
  static const char *const heads[] = {"layer", "||A||", "before", "||W||", "||W - W0||", "||(A - A0)'||_2,1"};
  const sht_measures *m = &answer->measures[i];
  sht_terminal terminal = sht__terminal_of(stdout);
  sht_table table;
  (void)printf("\n%s\n", sht__cli_run_name(&answer->runs[i]));
  SHT_TRY(sht__table_open(&table, "lrrrrr", error));
  for (size_t k = 0; k < sizeof heads / sizeof heads[0]; k++) {
    sht__table_add(&table, "%s", heads[k]);
  }
  for (uint32_t k = 0; k < m->layer_count; k++) {
    const sht_measure_layer *layer = &m->layers[k];
    sht__table_add(&table, "%s", layer->name);
    sht__table_add_number(&table, layer->spectral);
    sht__table_add_number(&table, layer->initial_spectral);
    sht__table_add_number(&table, layer->norm);
    sht__table_add_number(&table, layer->distance);
    sht__table_add_number(&table, layer->two_one);
  }
  return sht__table_print(&table, stdout, &terminal, error);
}

// Whether any of the bounds on the test error says something.
static void print_verdict(const sht_measure_answer *answer) {
  int said = 0, given = 0;
  for (int i = 0; i < answer->count; i++) {
    const double bounds[] = {answer->measures[i].spectral_bound, answer->measures[i].pac_bayes_bound};
    for (int k = 0; k < 2; k++) {
      said += bounds[k] < 1;
      given += !isnan(bounds[k]);
    }
  }
  if (given == 0) {
    (void)printf(
        "\nNo bound was formed: the 10th percentile of the margins is not above 0, and noise was not tried, or none "
        "takes 10 points off the training accuracy.\n");
  } else if (said == 0) {
    (void)printf("\nEvery bound on the test error is above 1: none of them says anything of %s.\n",
                 answer->count == 1 ? "this network" : "these networks");
  } else {
    (void)printf("\n%d of %d bounds on the test error %s below 1.\n", said, given, said == 1 ? "is" : "are");
  }
}

static void print_notes(const sht_measure_answer *answer) {
  uint64_t noisy = 0;  // most examples that noise was tried on
  int chains = 0;
  for (int i = 0; i < answer->count; i++) {
    const sht_measures *m = &answer->measures[i];
    noisy = m->sharpness_examples > noisy ? m->sharpness_examples : noisy;
    chains += m->is_chain;
  }
  (void)printf("Margins are those of all training examples");
  if (noisy > 0) {
    (void)printf("; noise was tried on %" PRIu64 " of them", noisy);
  }
  (void)printf(". The spectral bound leaves out constants, logarithms and biases%s%s.\n",
               chains == answer->count ? "" : "; its theorem is about chains of layers, which ",
               chains == answer->count ? ""
               : answer->count == 1    ? "this network is not"
               : chains == 0           ? "these networks are not"
                                       : "not all of these networks are");
}

static void print_difference(const sht_measure_answer *answer) {
  const sht_measure_difference *d = &answer->difference;
  (void)printf("\nAgainst %s, on %" PRIu64
               " test examples: other answers to %.2f %%, |loss - loss'| %.4g on average "
               "and at most %.4g; weights %.4g apart. Test accuracy %.2f %%, there %.2f %%.\n",
               sht__cli_run_name(&answer->against), d->test_examples, 100 * d->disagreement, d->loss_mean, d->loss_max,
               d->distance, 100 * d->accuracy, 100 * d->other_accuracy);
}

static sht_status answer_text(const sht_cli *cli, const sht_measure_answer *answer, sht_error *error) {
  SHT_TRY(print_measures(answer, error));
  print_verdict(answer);
  print_notes(answer);
  for (int i = 0; i < answer->count && sht__cli_is_set(cli, "layers"); i++) {
    SHT_TRY(print_layers(answer, i, error));
  }
  if (answer->compared) {
    print_difference(answer);
  }
  return SHT_OK;
}

sht_status sht__measure_answer(sht_cli *cli, const sht_measure_answer *answer, sht_error *error) {
  return cli->json ? answer_json(cli, answer, error) : answer_text(cli, answer, error);
}
