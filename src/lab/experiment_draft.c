// Small readers of an experiment's page: options, mappings, texts. See experiment_page.h.
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "config/value.h"
#include "lab/experiment_page.h"
#include "shatter/data.h"
#include "shatter/model.h"

const sht_option *sht__page_option(sht__page *page, const sht__yaml_node *entry) {
  const sht_option *option = sht_option_find(entry->key);
  if (option == NULL) {
    sht__complaint complaint;
    sht__value_unknown(entry->key, &complaint);
    sht__fault(page->faults, entry->key_at, NULL, complaint.advice, "%s", complaint.sentence);
  }
  return option;
}

static bool is_shipped(const char *model) {
  const char *const *name = sht_model_names();
  while (*name != NULL && strcmp(*name, model) != 0) {
    name++;
  }
  return *name != NULL;
}

bool sht__page_model(const sht__page *page, const char *model, char path[SHT_TEXT_MAX]) {
  char beside[2 * SHT_TEXT_MAX];
  int length = snprintf(beside, sizeof beside, "%s/%s", page->folder, model);
  bool may_be_beside = page->folder[0] != '\0' && model[0] != '/' && length < SHT_TEXT_MAX;
  bool is_beside = !is_shipped(model) && may_be_beside && sht_file_exists(beside);
  (void)snprintf(path, SHT_TEXT_MAX, "%.*s", SHT_TEXT_MAX - 1, is_beside ? beside : model);
  return is_shipped(model) || is_beside || sht_file_exists(model);
}

// Texts with a grammar of their own.
bool sht__page_check_text(sht__page *page, const sht_option *option, const char *text, const char *who, sht__place at) {
  sht_error error = {.message = ""};
  sht_randomization how;
  sht_augmentation augmentation;
  char path[SHT_TEXT_MAX];
  bool good = true;
  if (strcmp(option->name, "labels") == 0) {
    good = sht_randomization_parse(text, "true", 0, &how, &error) == SHT_OK;
  } else if (strcmp(option->name, "augment") == 0) {
    good = sht_augmentation_parse(text, &augmentation, &error) == SHT_OK;
  } else if (strcmp(option->name, "model") == 0 && !sht__page_model(page, text, path)) {
    char advice[SHT__FAULT_TEXT];
    sht__fault(page->faults, at, who, sht__advise(advice, sizeof advice, "models", text, sht_model_names()),
               "there is no model \"%.100s\"", text);
    return false;
  }
  if (!good) {
    sht__fault(page->faults, at, who, NULL, "%s", error.message);
  }
  return good;
}

bool sht__draft_set(sht__page *page, sht__draft *draft, const sht_option *option, const char *text, sht__place at) {
  sht__complaint complaint;
  if (!sht__value_set(&draft->config, option, text, &complaint)) {
    sht__fault(page->faults, at, NULL, complaint.advice, "%s", complaint.sentence);
    return false;
  }
  draft->at[option - sht_options] = at;
  return sht__page_check_text(page, option, text, NULL, at);
}

static void apply_entry(sht__page *page, sht__draft *draft, const sht__yaml_node *entry) {
  const sht_option *option = sht__page_option(page, entry);
  sht__values values = {0};
  if (option == NULL || !sht__values_add(page, entry, option, &values)) {
    sht__values_close(&values);
    return;
  }
  if (values.count == 1) {
    (void)sht__draft_set(page, draft, option, values.texts[0], values.at[0]);
  } else {
    sht__fault(page->faults, entry->at, NULL, "lists and ranges stand in a grid", "%s is one value here, not %llu",
               option->name, (unsigned long long)values.count);
  }
  sht__values_close(&values);
}

void sht__draft_apply(sht__page *page, sht__draft *draft, const sht__yaml_node *map, const char *but) {
  for (const sht__yaml_node *entry = map == NULL ? NULL : map->first; entry != NULL; entry = entry->next) {
    if (but == NULL || strcmp(entry->key, but) != 0) {
      apply_entry(page, draft, entry);
    }
  }
}

static const sht__yaml_node *find_kind(sht__page *page, const sht__yaml_node *map, const char *key, sht__yaml_kind kind,
                                       const char *expected) {
  const sht__yaml_node *node = map == NULL ? NULL : sht__yaml_get(map, key);
  if (node != NULL && node->kind != kind) {
    char found[SHT__FAULT_TEXT / 2];
    sht__fault(page->faults, node->at, key, NULL, "must be %s, not %s", expected,
               sht__yaml_describe(node, found, sizeof found));
    return NULL;
  }
  return node;
}

const sht__yaml_node *sht__page_map(sht__page *page, const sht__yaml_node *map, const char *key) {
  return find_kind(page, map, key, SHT__YAML_MAP, "lines of KEY: VALUE");
}

const sht__yaml_node *sht__page_list(sht__page *page, const sht__yaml_node *map, const char *key) {
  return find_kind(page, map, key, SHT__YAML_LIST, "a list, each item after a hyphen");
}

bool sht__page_text(sht__page *page, const sht__yaml_node *map, const char *key, char *out, size_t size) {
  const sht__yaml_node *node = sht__yaml_get(map, key);
  char found[SHT__FAULT_TEXT / 2];
  out[0] = '\0';
  if (node == NULL) {
    return false;
  }
  if (node->kind != SHT__YAML_SCALAR || node->text[0] == '\0' || strlen(node->text) >= size) {
    sht__fault(page->faults, node->at, key, NULL, "must be a text of at most %zu bytes, not %s", size - 1,
               sht__yaml_describe(node, found, sizeof found));
    return false;
  }
  (void)snprintf(out, size, "%s", node->text);
  return true;
}
