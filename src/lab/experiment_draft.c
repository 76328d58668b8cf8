// Small readers of an experiment's page: options, mappings, texts. See experiment_page.h.
#include <stdio.h>
#include <string.h>

#include "config/value.h"
#include "lab/experiment_page.h"

const sht_option *sht__page_option(sht__page *page, const sht__yaml_node *entry) {
  const sht_option *option = sht_option_find(entry->key);
  if (option == NULL) {
    sht__complaint complaint;
    sht__value_unknown(entry->key, &complaint);
    sht__fault(page->faults, entry->key_at, NULL, complaint.advice, "%s", complaint.sentence);
  }
  return option;
}

bool sht__draft_set(sht__page *page, sht__draft *draft, const sht_option *option, const char *text, sht__place at) {
  sht__complaint complaint;
  if (!sht__value_set(&draft->config, option, text, &complaint)) {
    sht__fault(page->faults, at, NULL, complaint.advice, "%s", complaint.sentence);
    return false;
  }
  draft->at[option - sht_options] = at;
  return true;
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
