// What makes two runs the same: see session.h.
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/hash.h"
#include "train/session.h"

// Names and sizes in the place of paths and "all": the contents are hashed, so where they lay does not matter.
static void name_contents(const sht_session *session, sht_config *config) {
  (void)snprintf(config->model, sizeof config->model, "%s", session->graph->name);
  (void)snprintf(config->data, sizeof config->data, "%s", session->data->name);
  if (session->randomization.labels == SHT_LABELS_FILE || session->randomization.labels == SHT_LABELS_MATRIX) {
    config->labels[strcspn(config->labels, ":")] = '\0';
  }
  (void)sht_augmentation_print(&session->augment, config->augment, sizeof config->augment);
  config->train_size = session->data->train.count;
  config->test_size = session->data->test.count;
}

static sht_status hash_run(const sht_session *session, const char *text, char hex[65], sht_error *error) {
  char line[512];
  sht_hash *hash = NULL;
  SHT_TRY(sht_hash_open(&hash, error));
  int length = snprintf(line, sizeof line, "shatter run %d\n%s\n%s\n", SHT_NUMERICS_VERSION, session->info.numerics,
                        session->data->fingerprint);
  sht_hash_add(hash, line, (uint64_t)length);
  sht_hash_add(hash, text, strlen(text) + 1);
  sht_hash_add(hash, session->graph->text, strlen(session->graph->text) + 1);
  sht_hash_add(hash, session->data->train.labels, session->data->train.count * sizeof *session->data->train.labels);
  sht_hash_close(hash, hex);
  return SHT_OK;
}

static sht_status identify(const sht_session *session, const sht_config *config, char hex[65], sht_error *error) {
  char *text = NULL;
  SHT_TRY(sht_config_write(config, true, &text, error));
  sht_status status = hash_run(session, text, hex, error);
  sht_text_free(text);
  return status;
}

sht_status sht__session_identify(sht_session *session, sht_error *error) {
  sht_config config = session->config;
  name_contents(session, &config);
  SHT_TRY(identify(session, &config, session->identity, error));
  config.epochs = 1;
  return identify(session, &config, session->family, error);
}
