// Fuzz target: any bytes as a YAML document and as a configuration.
#include <string.h>

#include "config/yaml.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

// Touches every text of the tree, so that the sanitizers see a wrong one.
static size_t walk(const sht__yaml_node *node) {
  size_t length = node->kind == SHT__YAML_SCALAR ? strlen(node->text) : 0;
  for (const sht__yaml_node *child = node->first; child != NULL; child = child->next) {
    length += walk(child) + (node->kind == SHT__YAML_MAP ? strlen(child->key) : 0);
  }
  return length;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
  char text[65536 + 1];
  if (size >= sizeof text) {
    return 0;
  }
  if (size > 0) {
    memcpy(text, bytes, size);
  }
  text[size] = '\0';
  static const char *const known[] = {"batch", "layers", NULL};
  sht__faults faults;
  sht__yaml *yaml = NULL;
  const sht__yaml_node *root = NULL;
  sht_error error;
  sht__faults_start(&faults, "fuzz.yaml", text);
  sht_status status = sht__yaml_open(text, size, &faults, &yaml, &root, &error);
  if (status == SHT_OK && root != NULL &&
      (root->kind != SHT__YAML_MAP || walk(root) == 0 || !sht__yaml_check_keys(root, NULL, known, &faults))) {
    sht__fault(&faults, root->at, "root", NULL, "not what was expected");
  }
  sht__yaml_close(yaml);
  (void)sht__faults_end(&faults, SHT_CONFIG, &error);
  return 0;
}
