// A YAML document as a tree that remembers where each thing stood. A plain subset: scalars, lists and mappings with
// text keys; one document; no anchors, aliases or tags; no key twice; bounded in size and depth.
// Everything belongs to the document and lives until it is closed.
#ifndef SHT_CONFIG_YAML_H
#define SHT_CONFIG_YAML_H

#include <stdbool.h>
#include <stdint.h>

#include "config/faults.h"
#include "shatter/error.h"

enum { SHT__YAML_SIZE_MAX = 256 << 10, SHT__YAML_DEPTH_MAX = 32, SHT__YAML_NODES_MAX = 65536 };

typedef enum sht__yaml_kind { SHT__YAML_SCALAR, SHT__YAML_LIST, SHT__YAML_MAP } sht__yaml_kind;

typedef struct sht__yaml_node {
  sht__yaml_kind kind;
  sht__place at;
  const char *text;  // of a SCALAR, NUL-terminated, UTF-8; "" when there is no value
  bool quoted;       // a SCALAR in quotes is text, never a number
  const char *key;   // inside a MAP
  sht__place key_at;
  int count;                     // children
  struct sht__yaml_node *first;  // child, in the order of the file
  struct sht__yaml_node *next;   // sibling
} sht__yaml_node;

typedef struct sht__yaml sht__yaml;

// Parses text [size]. What is wrong in it goes to `faults`, started by the caller with the same text; then *root is
// NULL when there is nothing to go on with. Errors: SHT_MEMORY only. Close *out in every case.
sht_status sht__yaml_open(const char *text, uint64_t size, sht__faults *faults, sht__yaml **out,
                          const sht__yaml_node **root, sht_error *error);
void sht__yaml_close(sht__yaml *yaml);  // NULL is allowed

// The value of `key` in a map, or NULL.
const sht__yaml_node *sht__yaml_get(const sht__yaml_node *map, const char *key);
// What stands there, for messages: `"abc"`, "a list", "a mapping", "nothing". Returns out.
const char *sht__yaml_describe(const sht__yaml_node *node, char *out, size_t size);
// Reports the keys of `map` that are not in `known` (NULL-terminated); true when there are none.
bool sht__yaml_check_keys(const sht__yaml_node *map, const char *who, const char *const *known, sht__faults *faults);

#endif
