// metrics.jsonl and result.json, written and read: see files.h.
#include <inttypes.h>
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "lab/files.h"

static const uint64_t metrics_size_max = (uint64_t)1 << 30;

const sht_figure_key sht__figures[] = {
    {"learning_rate", "learning_rate", offsetof(sht_epoch, learning_rate)},
    {"train_loss", "loss/train_epoch", offsetof(sht_epoch, train_loss)},
    {"train_accuracy", "accuracy/train_epoch", offsetof(sht_epoch, train_accuracy)},
    {"train_loss_eval", "loss/train_eval", offsetof(sht_epoch, train_loss_eval)},
    {"train_accuracy_eval", "accuracy/train_eval", offsetof(sht_epoch, train_accuracy_eval)},
    {"test_loss", "loss/test", offsetof(sht_epoch, test_loss)},
    {"test_accuracy", "accuracy/test", offsetof(sht_epoch, test_accuracy)},
    {"corrupted_test_accuracy", "accuracy/test_corrupted_labels", offsetof(sht_epoch, corrupted_test_accuracy)},
    {"memorised", "dynamics/memorised", offsetof(sht_epoch, memorised)},
    {"resisted", "dynamics/resisted", offsetof(sht_epoch, resisted)},
    {"other", "dynamics/other", offsetof(sht_epoch, other)},
    {"clean_fitted", "dynamics/clean_fitted", offsetof(sht_epoch, clean_fitted)},
};

// From the first one on, records of an older program lack them: they are NaN then.
enum { FIRST_LATER = 7, FIRST_DYNAMICS = 8 };
_Static_assert(sizeof sht__figures / sizeof sht__figures[0] == SHT_FIGURES, "SHT_FIGURES is the length of the table");

double sht__figure_of(const sht_epoch *epoch, int figure) {
  return *(const double *)((const char *)epoch + sht__figures[figure].offset);
}

static void add_figures(sht_json *json, const sht_epoch *epoch, int first) {
  for (int i = first; i < SHT_FIGURES; i++) {
    sht_json_add_number(json, sht__figures[i].key, sht__figure_of(epoch, i));
  }
}

static bool take_figures(const json_t *object, sht_epoch *epoch) {
  for (int i = 0; i < SHT_FIGURES; i++) {
    double *value = (double *)((char *)epoch + sht__figures[i].offset);
    if (!sht_json_get_number(object, sht__figures[i].key, value) && i < FIRST_LATER) {
      return false;
    }
  }
  return true;
}

// [parts] numbers; the rest of the array is not part of an epoch of so few steps.
static void add_parts(sht_json *json, const char *key, const double *values, uint32_t parts) {
  char text[SHT_CURVE_PARTS * 32 + 3] = "[";
  for (uint32_t i = 0; i < parts; i++) {
    char number[32] = "null";
    if (!isnan(values[i])) {
      (void)sht_json_number_text(values[i], number, sizeof number);
    }
    size_t length = strlen(text);
    (void)snprintf(text + length, sizeof text - length, i == 0 ? "%s" : ", %s", number);
  }
  size_t length = strlen(text);
  (void)snprintf(text + length, sizeof text - length, "]");
  sht_json_add_raw(json, key, text);
}

static bool take_parts(const json_t *object, const char *key, double *values) {
  const json_t *list = json_object_get(object, key);
  size_t count = json_array_size(list);
  for (size_t i = 0; i < count && i < SHT_CURVE_PARTS; i++) {
    const json_t *item = json_array_get(list, i);
    if (!json_is_number(item) && !json_is_null(item)) {
      return false;
    }
    values[i] = json_is_null(item) ? (double)NAN : json_number_value(item);
  }
  return list == NULL || (json_is_array(list) && count <= SHT_CURVE_PARTS);
}

static void add_epoch(sht_json *json, const sht_epoch *epoch) {
  sht_curve_point points[SHT_CURVE_PARTS];
  uint32_t parts = sht_epoch_curve(epoch, points);
  sht_json_add_count(json, "epoch", epoch->epoch);
  sht_json_add_count(json, "steps", epoch->steps);
  add_figures(json, epoch, 0);
  sht_json_add_count(json, "dynamics_corrupted", epoch->dynamics_corrupted);
  sht_json_add_count(json, "dynamics_clean", epoch->dynamics_clean);
  add_parts(json, "curve_loss", epoch->curve_loss, parts);
  add_parts(json, "curve_accuracy", epoch->curve_accuracy, parts);
}

static bool take_epoch(const json_t *object, sht_epoch *epoch) {
  uint64_t number = 0;
  *epoch = sht_epoch_blank();
  bool good = sht_json_get_count(object, "epoch", &number) && sht_json_get_count(object, "steps", &epoch->steps) &&
              take_figures(object, epoch) && take_parts(object, "curve_loss", epoch->curve_loss) &&
              take_parts(object, "curve_accuracy", epoch->curve_accuracy);
  (void)sht_json_get_count(object, "dynamics_corrupted", &epoch->dynamics_corrupted);
  (void)sht_json_get_count(object, "dynamics_clean", &epoch->dynamics_clean);
  epoch->epoch = (uint32_t)number;
  return good;
}

sht_status sht__epoch_line(const sht_epoch *epoch, char **out, sht_error *error) {
  sht_json json = {0};
  char *text = NULL;
  add_epoch(&json, epoch);
  SHT_TRY(sht_json_finish(&json, &text, error));
  size_t length = strlen(text);
  sht_status status = SHT_ALLOC(out, length + 2, "line of the log", error);
  if (status == SHT_OK) {
    memcpy(*out, text, length);
    (*out)[length] = '\n';
  }
  sht_free(text);
  return status;
}

static sht_status read_line(const char *path, uint64_t number, const char *line, size_t size, sht_epoch *out,
                            sht_error *error) {
  char where[SHT_LAB_PATH + 32];
  json_t *object = NULL;
  (void)snprintf(where, sizeof where, "%s: line %" PRIu64, path, number);
  SHT_TRY(sht_json_read(line, size, where, &object, error));
  bool good = take_epoch(object, out) && out->epoch == number;
  json_decref(object);
  return good ? SHT_OK
              : SHT_FAIL(error, SHT_DATA, "%s: not the record of epoch %" PRIu64 "; resume the run to restore it",
                         where, number);
}

static uint64_t count_lines(const char *text, uint64_t size) {
  uint64_t lines = 0;
  for (uint64_t i = 0; i < size; i++) {
    lines += text[i] == '\n';
  }
  return lines;
}

sht_status sht__epochs_read(const char *path, sht_epoch **out, uint64_t *count, sht_error *error) {
  char *text = NULL;
  uint64_t size = 0;
  *out = NULL;
  *count = 0;
  SHT_TRY(sht_file_read(path, metrics_size_max, &text, &size, error));
  uint64_t lines = count_lines(text, size);
  const char *line = text;
  sht_status status = SHT_ALLOC(out, lines, "records of the epochs", error);
  for (uint64_t i = 0; i < lines && status == SHT_OK; i++) {
    const char *end = memchr(line, '\n', size - (uint64_t)(line - text));
    status = read_line(path, i + 1, line, (size_t)(end - line), &(*out)[i], error);
    line = end + 1;
  }
  sht_free(text);
  if (status != SHT_OK) {
    sht_free(*out);
    *out = NULL;
    return status;
  }
  *count = lines;
  return SHT_OK;
}

void sht__result_add(sht_json *json, const sht_run *run) {
  const sht_train_result *result = &run->result;
  const sht_epoch *last = &result->last;
  bool evaluated = !isnan(last->train_accuracy_eval);
  sht_json_add_text(json, "identity", run->id);
  sht_json_add_text(json, "outcome", run->damaged ? sht_outcome_name(result->outcome) : sht_run_outcome(run));
  sht_json_add_count(json, "parameters", result->parameters);
  sht_json_add_count(json, "weights", result->parameters);
  sht_json_add_count(json, "macs", result->macs);
  sht_json_add_count(json, "train_examples", result->train_examples);
  sht_json_add_count(json, "test_examples", result->test_examples);
  sht_json_add_count(json, "steps_per_epoch", result->steps_per_epoch);
  sht_json_add_count(json, "epochs", result->epochs);
  sht_json_add_count(json, "steps", result->steps);
  sht_json_add_number(json, "train_accuracy", evaluated ? last->train_accuracy_eval : last->train_accuracy);
  sht_json_add_number(json, "train_loss", evaluated ? last->train_loss_eval : last->train_loss);
  sht_json_add_number(json, "test_accuracy", last->test_accuracy);
  sht_json_add_number(json, "test_loss", last->test_loss);
  sht_json_add_number(json, "error", 1 - last->test_accuracy);
  sht_json_add_number(json, "generalisation_error",
                      (evaluated ? last->train_accuracy_eval : NAN) - last->test_accuracy);
  sht_json_add_number(json, "corrupted_test_accuracy", result->corrupted_test_accuracy);
  sht_json_add_number(json, "best_test_accuracy", result->best_test_accuracy);
  sht_json_add_place(json, "best_test_epoch", result->best_test_epoch);
  sht_json_add_place(json, "fitted_epoch", result->fitted_epoch);
  sht_json_add_place(json, "fitted_step", result->fitted_step);
  sht_json_add_place(json, "online_fitted_step", result->online_fitted_step);
  sht_json_add_place(json, "converged_step", result->converged_step);
  sht_json_add_place(json, "diverged_step", result->diverged_step);
  sht_json_add_number(json, "learning_rate", last->learning_rate);
  sht_json_add_number(json, "online_train_accuracy", last->train_accuracy);
  sht_json_add_number(json, "online_train_loss", last->train_loss);
  sht_json_add_bool(json, "train_evaluated", evaluated);
  add_figures(json, last, FIRST_DYNAMICS);
  sht_json_add_count(json, "dynamics_corrupted", last->dynamics_corrupted);
  sht_json_add_count(json, "dynamics_clean", last->dynamics_clean);
  if (!isnan(result->plain_train_accuracy)) {  // under augmentation alone: other runs keep the bytes that they had
    sht_json_add_number(json, "plain_train_accuracy", result->plain_train_accuracy);
  }
  if (sht_labels_are_signs(run->config.labels)) {  // of these alone, for the same reason
    sht_json_add_number(json, "rademacher", sht_run_rademacher(run));
  }
  sht_json_add_text(json, "weights_sha256", result->weights_sha256[0] != '\0' ? result->weights_sha256 : NULL);
}

// A table of what is read back, so that a missing member can be named.
typedef struct sht_member {
  const char *key;
  double *number;     // one of
  uint64_t *count;    // these
  uint32_t *count32;  // three
  bool later;         // may be missing, which leaves it as it was: an older program did not know it
} sht_member;

static sht_status take_members(const json_t *object, const char *where, const sht_member *members, size_t count,
                               sht_error *error) {
  for (size_t i = 0; i < count; i++) {
    const sht_member *member = &members[i];
    uint64_t value = 0;
    if (member->later && json_object_get(object, member->key) == NULL) {
      continue;
    }
    bool good = member->number != NULL ? sht_json_get_number(object, member->key, member->number)
                                       : sht_json_get_count(object, member->key, &value);
    if (!good || (member->count32 != NULL && value > UINT32_MAX)) {
      return SHT_FAIL(error, SHT_DATA, "%s: \"%s\" is missing or not a number; train the run again", where,
                      member->key);
    }
    if (member->count != NULL) {
      *member->count = value;
    } else if (member->count32 != NULL) {
      *member->count32 = (uint32_t)value;
    }
  }
  return SHT_OK;
}

static bool take_outcome(const json_t *object, sht_outcome *out) {
  char name[32];
  if (!sht_json_get_text(object, "outcome", name, sizeof name)) {
    return false;
  }
  for (int i = SHT_OUTCOME_RUNNING; i <= SHT_OUTCOME_DIVERGED; i++) {
    if (strcmp(name, sht_outcome_name((sht_outcome)i)) == 0) {
      *out = (sht_outcome)i;
      return true;
    }
  }
  return false;
}

sht_status sht__result_take(const json_t *object, const char *where, sht_run *run, sht_error *error) {
  sht_train_result *result = &run->result;
  sht_epoch *last = &result->last;
  const sht_member members[] = {
      {.key = "parameters", .count = &result->parameters},
      {.key = "macs", .count = &result->macs},
      {.key = "train_examples", .count = &result->train_examples},
      {.key = "test_examples", .count = &result->test_examples},
      {.key = "steps_per_epoch", .count = &result->steps_per_epoch},
      {.key = "epochs", .count32 = &result->epochs},
      {.key = "steps", .count = &result->steps},
      {.key = "train_accuracy", .number = &last->train_accuracy_eval},
      {.key = "train_loss", .number = &last->train_loss_eval},
      {.key = "test_accuracy", .number = &last->test_accuracy},
      {.key = "test_loss", .number = &last->test_loss},
      {.key = "corrupted_test_accuracy", .number = &result->corrupted_test_accuracy},
      {.key = "best_test_accuracy", .number = &result->best_test_accuracy},
      {.key = "best_test_epoch", .count32 = &result->best_test_epoch},
      {.key = "fitted_epoch", .count32 = &result->fitted_epoch},
      {.key = "fitted_step", .count = &result->fitted_step},
      {.key = "online_fitted_step", .count = &result->online_fitted_step, .later = true},
      {.key = "converged_step", .count = &result->converged_step, .later = true},
      {.key = "diverged_step", .count = &result->diverged_step},
      {.key = "learning_rate", .number = &last->learning_rate},
      {.key = "online_train_accuracy", .number = &last->train_accuracy},
      {.key = "online_train_loss", .number = &last->train_loss},
      {.key = "memorised", .number = &last->memorised, .later = true},
      {.key = "resisted", .number = &last->resisted, .later = true},
      {.key = "other", .number = &last->other, .later = true},
      {.key = "clean_fitted", .number = &last->clean_fitted, .later = true},
      {.key = "dynamics_corrupted", .count = &last->dynamics_corrupted, .later = true},
      {.key = "dynamics_clean", .count = &last->dynamics_clean, .later = true},
  };
  *last = sht_epoch_blank();
  SHT_TRY(take_members(object, where, members, sizeof members / sizeof members[0], error));
  if (!take_outcome(object, &result->outcome) || !sht_json_get_text(object, "identity", run->id, sizeof run->id)) {
    return SHT_FAIL(error, SHT_DATA, "%s: \"outcome\" or \"identity\" is missing or unknown; train the run again",
                    where);
  }
  if (!json_is_true(json_object_get(object, "train_evaluated"))) {
    last->train_accuracy_eval = last->train_loss_eval = NAN;
  }
  if (!sht_json_get_number(object, "plain_train_accuracy", &result->plain_train_accuracy)) {
    result->plain_train_accuracy = NAN;
  }
  (void)sht_json_get_text(object, "weights_sha256", result->weights_sha256, sizeof result->weights_sha256);
  last->corrupted_test_accuracy = result->corrupted_test_accuracy;
  last->epoch = result->epochs;
  last->steps = result->epochs * result->steps_per_epoch;
  return SHT_OK;
}
