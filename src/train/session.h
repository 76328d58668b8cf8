// A training session: the data, the model and the engine of one configuration, opened and ready for the first step.
// sht_train opens one, runs it and closes it; the laboratory does the same and asks for the run's identity in between.
#ifndef SHT_TRAIN_SESSION_H
#define SHT_TRAIN_SESSION_H

#include "shatter/train.h"

// Raised by whoever changes what a training run computes outside the backends (order of sums, initialisation,
// randomisation): older runs then no longer pass for repetitions of newer ones.
enum { SHT_NUMERICS_VERSION = 1 };

typedef struct sht_session {
  sht_config config;       // with the model's own rates in the place of "default"
  const char *model_text;  // the caller's, in the place of what config.model names; NULL: none
  sht_randomization randomization;
  sht_augmentation augment;
  sht_dataset *data;  // randomised; cropped, unless augmentation reads around the window
  sht_graph *graph;
  sht_engine_group *group;  // that the engine is a member of; NULL: it is alone
  sht_engine *engine;       // initial weights
  sht_engine_info info;
  sht_pipeline train, test;
  sht_pipeline watched;      // what the dynamics are measured on, without augmentation; split NULL: nothing
  sht_split *watched_split;  // a copy of a part of the training set, or NULL when `watched` looks at all of it
  uint16_t replaced_label;   // the true one of the training example that `replace` of the configuration took away
  uint64_t steps_per_epoch;
  uint16_t *corrupted_test_labels;  // [test.count]; NULL with true labels, labels of a file, and signs
  uint32_t *train_indices;          // [train.count] places in the source when a subset is used; else NULL
  uint32_t *test_indices;           // [test.count] the same
  // SHA-256 of all that decides the result; `family` leaves the number of epochs out: a state at a step is common to
  // the whole family.
  char identity[65];
  char family[65];
} sht_session;

// Puts the model's own rates in the place of "default".
void sht__config_resolve(sht_config *config, const sht_recipe *recipe);

// Opens all of it. model_text: of a run's own model.yaml, in the place of the file that config->model names; NULL: that
// file. On failure nothing is left open.
sht_status sht__session_open(const sht_config *config, const char *model_text, sht_session *session, sht_error *error);
// The same with the engine as a member of a group (NULL: alone).
sht_status sht__session_open_in(sht_engine_group *group, const sht_config *config, const char *model_text,
                                sht_session *session, sht_error *error);
// Opens what the run's identity needs and no more: no engine (`numerics` says what it would compute with), pixels not
// randomised. `before` (NULL: none) is such a session whose data are taken over when they are the same.
sht_status sht__session_open_unstarted(const sht_config *config, const char *numerics, sht_session *before,
                                       sht_session *session, sht_error *error);
void sht__session_close(sht_session *session);  // also of a half-opened or zeroed one

// With data and graph open.
sht_engine_options sht__session_engine_options(const sht_session *session);

// Fills identity and family (called by open).
sht_status sht__session_identify(sht_session *session, sht_error *error);

// Trains: sht_train on what is open already.
sht_status sht__session_run(sht_session *session, const char *folder, const sht_observer *observer,
                            sht_train_result *result, sht_error *error);

// Writes the engine's parameters and running statistics, named as in the graph, as safetensors; with the SHA-256 of
// the parameters in weights_sha256.
sht_status sht__session_write_weights(sht_session *session, const char *path, sht_error *error);
// Puts such a file's weights and statistics into the engine. Errors: SHT_MISSING, SHT_DATA (a tensor is missing or has
// another size or type), SHT_MEMORY.
sht_status sht__session_read_weights(sht_session *session, const char *path, sht_error *error);
sht_status sht__session_hash_weights(sht_session *session, char hex[65], sht_error *error);

#endif
