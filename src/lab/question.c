// What a run asks: see question.h.
#include "lab/question.h"

#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/hash.h"
#include "base/memory.h"
#include "lab/files.h"
#include "shatter/augment.h"
#include "shatter/model.h"
#include "train/session.h"

enum { MODEL_SIZE_MAX = 1 << 24 };

static void spell_augment(char augment[SHT_TEXT_MAX]) {
  sht_augmentation parsed;
  if (sht_augmentation_parse(augment, &parsed, NULL) == SHT_OK) {
    (void)sht_augmentation_print(&parsed, augment, SHT_TEXT_MAX);
  }
}

static sht_status hash_question(const sht_config *config, const char *model_text, char hex[65], sht_error *error) {
  sht_config plain = *config;
  sht_hash *hash = NULL;
  char *text = NULL;
  (void)snprintf(plain.precision, sizeof plain.precision, "fp32");
  (void)snprintf(plain.device, sizeof plain.device, "cpu");
  plain.model[0] = '\0';  // a file may lie elsewhere; its text counts
  sht__data_absolute(plain.data);
  spell_augment(plain.augment);
  SHT_TRY(sht_config_write(&plain, true, &text, error));
  sht_status status = sht_hash_open(&hash, error);
  if (status == SHT_OK) {
    sht_hash_add(hash, text, strlen(text) + 1);
    sht_hash_add(hash, model_text, strlen(model_text) + 1);
    sht_hash_close(hash, hex);
  }
  sht_text_free(text);
  return status;
}

sht_status sht__question_of_run(const sht_run *run, char hex[65], sht_error *error) {
  char path[SHT_LAB_PATH];
  char *text = NULL;
  uint64_t size = 0;
  SHT_TRY(sht_path_join(path, sizeof path, run->folder, SHT_FILE_MODEL, error));
  SHT_TRY(sht_file_read(path, MODEL_SIZE_MAX, &text, &size, error));
  sht_status status = hash_question(&run->config, text, hex, error);
  sht_free(text);
  return status;
}

sht_status sht__question_of_plan(const sht_config *config, char hex[65], sht_error *error) {
  sht_config resolved = *config;
  sht_recipe recipe;
  char *text = NULL;
  SHT_TRY(sht_model_read(config->model, &recipe, &text, error));
  sht__config_resolve(&resolved, &recipe);
  sht_status status = hash_question(&resolved, text, hex, error);
  sht_free(text);
  return status;
}

char *sht__question_means(const sht_config *planned, const sht_config *run, char *out, size_t size) {
  bool precision = strcmp(planned->precision, run->precision) != 0;
  bool device = strcmp(planned->device, run->device) != 0;
  (void)snprintf(out, size, "%s%.16s%s%s%.16s", precision ? "in " : "", precision ? run->precision : "",
                 precision && device ? ", " : "", device ? "on " : "", device ? run->device : "");
  return out;
}
