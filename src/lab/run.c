// Training in a run folder: the lock, the files, and what is already there. See sht_lab_train.
#include <dirent.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"
#include "config/yaml.h"
#include "lab/env.h"
#include "lab/files.h"
#include "lab/lock.h"
#include "lab/work.h"
#include "train/checkpoint.h"

enum { NAME_DIGITS = 8, IDENTITY_DIGITS = 64 };

// Chooses the run's folder, makes and locks it. Two runs whose hashes begin alike get longer names.
static sht_status open_folder(sht_work *work, sht_store *store, sht_error *error) {
  const sht_session *session = &work->session;
  for (int digits = NAME_DIGITS; digits <= IDENTITY_DIGITS; digits *= 2) {
    char name[SHT_TEXT_MAX / 2];
    sht_run there = {0};
    sht__run_name(&session->config, session->graph->name, session->data->name, session->identity, digits, name,
                  sizeof name);
    SHT_TRY(sht_path_join(work->folder, sizeof work->folder, sht_store_path(store), name, error));
    sht__env_take(work->folder, &there);
    if (there.id[0] == '\0' || strcmp(there.id, session->identity) == 0) {
      break;
    }
  }
  SHT_TRY(sht_folder_make(work->folder, error));
  return sht__lock_take(work->folder, &work->lock, error);
}

static bool has_file(const sht_work *work, const char *name) {
  char path[SHT_LAB_PATH];
  return sht_path_join(path, sizeof path, work->folder, name, NULL) == SHT_OK && sht_file_exists(path);
}

static void remove_file(const sht_work *work, const char *name) {
  char path[SHT_LAB_PATH];
  if (sht_path_join(path, sizeof path, work->folder, name, NULL) == SHT_OK) {
    (void)unlink(path);
  }
}

// Whether all that was asked for is there already.
static bool is_done(const sht_work *work) {
  const char *save = work->session.config.save;
  bool all = strcmp(save, "all") == 0;
  bool logits = all || strcmp(save, "logits") == 0;
  bool losses = all || strcmp(save, "losses") == 0;
  sht_run run;
  sht__run_read(work->folder, &run);
  if (!run.complete || run.damaged) {
    return false;
  }
  if (run.result.outcome == SHT_OUTCOME_DIVERGED) {
    return true;
  }
  return has_file(work, SHT_FILE_WEIGHTS) && has_file(work, SHT_FILE_METRICS) &&
         (!logits || (has_file(work, "logits-train.npy") && has_file(work, "logits-test.npy"))) &&
         (!losses || (has_file(work, "losses-train.npy") && has_file(work, "losses-test.npy")));
}

// What is watched decides no result, so a complete run is not trained again for it; who asked for more is told.
static void note_unwatched(const sht_work *work, const sht_observer *observer) {
  const sht_session *session = &work->session;
  char sentence[SHT_LAB_PATH + 256];
  sht_run run;
  bool asked = strcmp(session->config.dynamics, "auto") != 0 && session->watched.split != NULL;
  if (!asked || observer == NULL || observer->noted == NULL) {
    return;
  }
  sht__run_read(work->folder, &run);
  uint64_t watched = run.result.last.dynamics_corrupted + run.result.last.dynamics_clean;
  if (watched < session->watched.split->count) {
    (void)snprintf(sentence, sizeof sentence,
                   "the run was complete already, with %" PRIu64 " examples watched, not %" PRIu64
                   "; to train it anew: shatter rerun %s --dynamics %s",
                   watched, session->watched.split->count, work->folder, session->config.dynamics);
    observer->noted(observer->context, sentence);
  }
}

// The result goes first, so that at no instant a complete run lacks its files.
static void clear_folder(const sht_work *work) {
  static const char *const files[] = {SHT_FILE_RESULT,    SHT_FILE_WEIGHTS,  SHT_FILE_METRICS,   SHT_FILE_TIMING,
                                      "logits-train.npy", "logits-test.npy", "losses-train.npy", "losses-test.npy"};
  for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
    remove_file(work, files[i]);
  }
  sht__checkpoint_remove(work->folder);
}

// What a killed process left half-written; the lock says that nobody writes here now.
static void remove_temporaries(const sht_work *work) {
  DIR *folder = opendir(work->folder);
  if (folder == NULL) {
    return;
  }
  for (const struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder)) {
    if (strstr(entry->d_name, ".tmp.") != NULL) {
      (void)unlinkat(dirfd(folder), entry->d_name, 0);
    }
  }
  (void)closedir(folder);
}

// The longest complete run of the same family with fewer epochs, as an index into runs; count when there is none.
static uint64_t find_shorter(const sht_session *session, const sht_run *runs, uint64_t count) {
  uint64_t best = count;
  for (uint64_t i = 0; i < count; i++) {
    bool fits = runs[i].complete && !runs[i].damaged && strcmp(runs[i].family, session->family) == 0 &&
                runs[i].config.epochs < session->config.epochs;
    if (fits && (best == count || runs[i].config.epochs > runs[best].config.epochs)) {
      best = i;
    }
  }
  return best;
}

// Begins with the end of a shorter run of the family, where there is one; its bits are those of training on.
static sht_status continue_shorter(sht_work *work, sht_store *store, sht_error *error) {
  sht_run *runs = NULL;
  uint64_t count = 0;
  SHT_TRY(sht_store_list(store, &runs, &count, error));
  uint64_t best = find_shorter(&work->session, runs, count);
  sht_status status = SHT_OK;
  if (best < count) {
    status = sht__checkpoint_copy(runs[best].folder, work->folder, error);
    if (status == SHT_OK) {
      const char *slash = strrchr(runs[best].folder, '/');
      (void)snprintf(work->continued_from, sizeof work->continued_from, "%s", slash == NULL ? "" : slash + 1);
    } else if (status == SHT_MISSING || status == SHT_DATA) {
      status = SHT_OK;  // its checkpoint is gone or damaged: train from the start
    }
  }
  sht_free(runs);
  return status;
}

static sht_status write_text(const sht_work *work, const char *name, const char *text, sht_error *error) {
  char path[SHT_LAB_PATH];
  SHT_TRY(sht_path_join(path, sizeof path, work->folder, name, error));
  return sht_file_write(path, text, strlen(text), error);
}

static sht_status write_description(sht_work *work, sht_error *error) {
  const sht_session *session = &work->session;
  sht_config config = session->config;
  char *text = NULL;
  sht__path_absolute(config.model);
  sht__data_absolute(config.data);
  SHT_TRY(write_text(work, SHT_FILE_MODEL, session->graph->text, error));
  sht_env env = {
      .identity = session->identity,
      .family = session->family,
      .config = &config,
      .engine = &session->info,
      .continued_from = work->continued_from[0] != '\0' ? work->continued_from : NULL,
      .created = work->created,
  };
  SHT_TRY(sht__env_write(work->folder, &env, error));
  SHT_TRY(sht_config_write(&config, true, &text, error));
  sht_status status = write_text(work, SHT_FILE_CONFIG, text, error);
  sht_text_free(text);
  return status;
}

static sht_status write_result(sht_work *work, const sht_train_result *result, sht_error *error) {
  sht_json json = {0};
  char *text = NULL;
  sht_run run = {.config = work->session.config, .result = *result};
  (void)snprintf(run.id, sizeof run.id, "%s", work->session.identity);
  sht__result_add(&json, &run);
  SHT_TRY(sht_json_finish(&json, &text, error));
  sht_status status = write_text(work, SHT_FILE_RESULT, text, error);
  sht_free(text);
  return status;
}

static sht_status write_weights(sht_work *work, sht_error *error) {
  char path[SHT_LAB_PATH];
  SHT_TRY(sht_path_join(path, sizeof path, work->folder, SHT_FILE_WEIGHTS, error));
  return sht__session_write_weights(&work->session, path, error);
}

static sht_status train(sht_work *work, const sht_observer *observer, sht_error *error) {
  sht_observer own = sht__work_observer(work, observer);
  sht_train_result result;
  SHT_TRY(sht__session_run(&work->session, work->folder, &own, &result, error));
  SHT_TRY(sht__work_close_log(work, &result, error));
  if (result.outcome != SHT_OUTCOME_DIVERGED) {
    SHT_TRY(write_weights(work, error));
  }
  return write_result(work, &result, error);
}

// With its fraction: runs that are begun in one second have an order, too.
static double seconds_now(void) {
  struct timespec now = {0};
  (void)clock_gettime(CLOCK_REALTIME, &now);
  return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static sht_status work_on(sht_work *work, sht_store *store, bool again, const sht_observer *observer, bool *reused,
                          sht_error *error) {
  SHT_TRY(open_folder(work, store, error));
  *reused = !again && is_done(work);
  if (*reused) {
    note_unwatched(work, observer);
    return SHT_OK;
  }
  remove_temporaries(work);
  work->created = seconds_now();
  if (again) {
    clear_folder(work);
  } else if (sht__checkpoint_exists(work->folder)) {
    sht__env_origin(work->folder, &work->created, work->continued_from);
  } else {
    SHT_TRY(continue_shorter(work, store, error));
  }
  SHT_TRY(write_description(work, error));
  return train(work, observer, error);
}

// Says so when the model's file is no longer what the run keeps of it.
static void note_edited(const sht_run *of, const char *kept, const sht_observer *observer) {
  char sentence[SHT_LAB_PATH + 256];
  sht_recipe recipe;
  char *text = NULL;
  bool read = sht_model_read(of->config.model, &recipe, &text, NULL) == SHT_OK;
  if ((!read || strcmp(text, kept) != 0) && observer != NULL && observer->noted != NULL) {
    (void)snprintf(sentence, sizeof sentence,
                   "%.500s is not what it was when the run began: it has the model of its %s/%s", of->config.model,
                   of->folder, SHT_FILE_MODEL);
    observer->noted(observer->context, sentence);
  }
  sht_free(text);
}

static sht_status read_model(const sht_run *of, char **text, sht_error *error) {
  char path[SHT_LAB_PATH];
  uint64_t size = 0;
  SHT_TRY(sht_path_join(path, sizeof path, of->folder, SHT_FILE_MODEL, error));
  return sht_file_read(path, SHT__YAML_SIZE_MAX, text, &size, error);
}

// A run that is gone on with keeps what its state comes from.
static sht_status check_family(const sht_run *of, const sht_session *session, sht_error *error) {
  if (of->family[0] == '\0' || strcmp(of->family, session->family) == 0) {
    return SHT_OK;
  }
  return SHT_FAIL(
      error, SHT_DATA,
      "%s cannot be gone on with: its data, a file of labels, or the arithmetic of this processor or version "
      "are not those that it began with; shatter rerun %s trains it from nothing",
      of->folder, of->folder);
}

// Where a run's engine and model come from; all NULL: an engine of its own, the model that the configuration names.
typedef struct run_source {
  sht_engine_group *group;  // the engine is a member of
  const sht_run *of;        // the run that is trained anew or further
  const char *model;        // text of the model
} run_source;

static sht_status train_run(sht_store *store, const run_source *source, const sht_config *config, bool again,
                            const sht_observer *observer, sht_run *out, bool *reused, sht_error *error) {
  sht_work *work = NULL;
  bool unused = false;
  *out = (sht_run){0};
  reused = reused == NULL ? &unused : reused;
  *reused = false;
  SHT_TRY(SHT_ALLOC(&work, 1, "run", error));
  work->lock = -1;
  sht_status status = sht__session_open_in(source->group, config, source->model, &work->session, error);
  if (status == SHT_OK && source->of != NULL && !again) {
    status = check_family(source->of, &work->session, error);
  }
  if (status == SHT_OK) {
    status = work_on(work, store, again, observer, reused, error);
  }
  if (work->folder[0] != '\0') {
    sht__run_read(work->folder, out);
  }
  sht__session_close(&work->session);
  if (work->lock >= 0) {
    (void)close(work->lock);
  }
  sht_free(work);
  return status;
}

sht_status sht_lab_train(sht_store *store, const sht_config *config, bool again, const sht_observer *observer,
                         sht_run *out, bool *reused, sht_error *error) {
  return train_run(store, &(run_source){0}, config, again, observer, out, reused, error);
}

sht_status sht_lab_retrain(sht_store *store, const sht_run *of, const sht_config *config, bool again,
                           const sht_observer *observer, sht_run *out, bool *reused, sht_error *error) {
  char *model = NULL;
  *out = (sht_run){0};
  SHT_TRY(read_model(of, &model, error));
  note_edited(of, model, observer);
  sht_status status =
      train_run(store, &(run_source){.of = of, .model = model}, config, again, observer, out, reused, error);
  sht_free(model);
  return status;
}

sht_status sht__lab_train_in(sht_engine_group *group, sht_store *store, const sht_config *config,
                             const sht_observer *observer, sht_run *out, sht_error *error) {
  return train_run(store, &(run_source){.group = group}, config, false, observer, out, NULL, error);
}
