// A YAML document as a tree, built from libyaml's events: see yaml.h.
#include "config/yaml.h"

#include <stdio.h>
#include <string.h>
#include <yaml.h>

#include "base/memory.h"

enum { CHUNK_SIZE = 16 << 10, TEXT_SHOWN = 48, KEYS_MAX = 1024 };

typedef struct chunk {
  struct chunk *next;
  uint64_t used;
  uint64_t size;
  _Alignas(16) char bytes[];
} chunk;

struct sht__yaml {
  chunk *chunks;
  int nodes;
};

typedef struct reader {
  yaml_parser_t parser;
  sht__yaml *yaml;
  sht__faults *faults;
  sht_error *error;
  sht_status status;  // SHT_MEMORY when that was the end
} reader;

static sht__place place_of(yaml_mark_t mark) { return (sht__place){(int)mark.line + 1, (int)mark.column + 1}; }

static void *take(reader *r, uint64_t size) {
  chunk *top = r->yaml->chunks;
  size = (size + 15) / 16 * 16;
  if (top == NULL || top->size - top->used < size) {
    uint64_t bytes = size > CHUNK_SIZE ? size : CHUNK_SIZE;
    char *block = NULL;
    r->status = SHT_ALLOC(&block, sizeof *top + bytes, "configuration", r->error);
    if (r->status != SHT_OK) {
      return NULL;
    }
    chunk *fresh = (chunk *)(void *)block;
    *fresh = (chunk){.next = top, .size = bytes};
    r->yaml->chunks = top = fresh;
  }
  void *out = top->bytes + top->used;
  top->used += size;
  return out;
}

static void fail_syntax(reader *r) {
  const yaml_parser_t *p = &r->parser;
  if (p->error == YAML_READER_ERROR) {
    sht__fault(r->faults, (sht__place){0}, NULL, "save the file as plain UTF-8 text", "byte %zu: %s", p->problem_offset,
               p->problem);
    return;
  }
  const char *problem = p->problem == NULL ? "not YAML" : p->problem;
  sht__fault(r->faults, place_of(p->problem_mark), NULL, "check indentation, brackets, quotes and colons", "%s%s%s",
             p->context == NULL ? "" : p->context, p->context == NULL ? "" : ": ", problem);
}

// The next event; false at a fault, which is then reported.
static bool next_event(reader *r, yaml_event_t *event) {
  if (yaml_parser_parse(&r->parser, event) == 1) {
    return true;
  }
  if (r->parser.error == YAML_MEMORY_ERROR) {
    r->status = SHT_FAIL(r->error, SHT_MEMORY, "%s: no memory to read it", r->faults->path);
  } else {
    fail_syntax(r);
  }
  return false;
}

// Anchors and tags would give a file meanings that its text does not show.
static bool is_plain(reader *r, const yaml_event_t *event) {
  const yaml_char_t *anchor = NULL;
  const yaml_char_t *tag = NULL;
  switch (event->type) {
    case YAML_SCALAR_EVENT:
      anchor = event->data.scalar.anchor;
      tag = event->data.scalar.tag;
      break;
    case YAML_SEQUENCE_START_EVENT:
      anchor = event->data.sequence_start.anchor;
      tag = event->data.sequence_start.tag;
      break;
    case YAML_MAPPING_START_EVENT:
      anchor = event->data.mapping_start.anchor;
      tag = event->data.mapping_start.tag;
      break;
    case YAML_ALIAS_EVENT:
      anchor = event->data.alias.anchor;
      break;
    default:
      break;
  }
  if (anchor != NULL || tag != NULL) {
    sht__fault(r->faults, place_of(event->start_mark), NULL, "write the value out", "%s \"%s\" is not allowed here",
               anchor != NULL ? "the anchor or alias" : "the tag", (const char *)(anchor != NULL ? anchor : tag));
    return false;
  }
  return true;
}

static sht__yaml_node *make_node(reader *r, const yaml_event_t *event) {
  if (++r->yaml->nodes > SHT__YAML_NODES_MAX) {
    sht__fault(r->faults, place_of(event->start_mark), NULL, "split the file", "more than %d values",
               SHT__YAML_NODES_MAX);
    return NULL;
  }
  sht__yaml_node *node = take(r, sizeof *node);
  if (node != NULL) {
    *node = (sht__yaml_node){.at = place_of(event->start_mark)};
  }
  return node;
}

static sht__yaml_node *read_value(reader *r, const yaml_event_t *event, int depth);

static const char *copy_text(reader *r, const yaml_event_t *event) {
  size_t length = event->data.scalar.length;
  if (memchr(event->data.scalar.value, '\0', length) != NULL) {
    sht__fault(r->faults, place_of(event->start_mark), NULL, "remove it", "a text holds the character NUL");
    return NULL;
  }
  char *text = take(r, length + 1);
  if (text != NULL) {
    memcpy(text, event->data.scalar.value, length);
    text[length] = '\0';
  }
  return text;
}

static sht__yaml_node *read_scalar(reader *r, const yaml_event_t *event) {
  sht__yaml_node *node = make_node(r, event);
  if (node == NULL) {
    return NULL;
  }
  node->kind = SHT__YAML_SCALAR;
  node->quoted = event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
  node->text = copy_text(r, event);
  return node->text == NULL ? NULL : node;
}

// Reads one value with its event, for a list item or a mapping's value.
static sht__yaml_node *read_next(reader *r, int depth) {
  yaml_event_t event;
  if (!next_event(r, &event)) {
    return NULL;
  }
  sht__yaml_node *node = read_value(r, &event, depth);
  yaml_event_delete(&event);
  return node;
}

static void check_duplicate(reader *r, const sht__yaml_node *map, const char *key, sht__place at) {
  const sht__yaml_node *earlier = sht__yaml_get(map, key);
  if (earlier != NULL) {
    sht__fault(r->faults, at, NULL, "remove one of them", "the key \"%.*s\" was given already on line %d", TEXT_SHOWN,
               key, earlier->key_at.line);
  }
}

// The key that `event` begins and the value that follows it.
static sht__yaml_node *read_pair(reader *r, const sht__yaml_node *map, const yaml_event_t *event, int depth) {
  sht__place at = place_of(event->start_mark);
  if (event->type != YAML_SCALAR_EVENT || map->count >= KEYS_MAX) {
    sht__fault(r->faults, at, NULL, "write KEY: VALUE lines, at most 1024 of them",
               map->count >= KEYS_MAX ? "too many keys in one mapping" : "a key must be a word");
    return NULL;
  }
  const char *key = is_plain(r, event) ? copy_text(r, event) : NULL;
  if (key == NULL) {
    return NULL;
  }
  check_duplicate(r, map, key, at);
  sht__yaml_node *value = read_next(r, depth);
  if (value != NULL) {
    value->key = key;
    value->key_at = at;
  }
  return value;
}

// Children up to the event `end`.
static sht__yaml_node *read_children(reader *r, sht__yaml_node *node, yaml_event_type_t end, int depth) {
  sht__yaml_node **tail = &node->first;
  for (;;) {
    yaml_event_t event;
    if (!next_event(r, &event)) {
      return NULL;
    }
    bool is_end = event.type == end;
    sht__yaml_node *child = NULL;
    if (!is_end) {
      child = node->kind == SHT__YAML_MAP ? read_pair(r, node, &event, depth) : read_value(r, &event, depth);
    }
    yaml_event_delete(&event);
    if (is_end || child == NULL) {
      return is_end ? node : NULL;
    }
    *tail = child;
    tail = &child->next;
    node->count++;
  }
}

static sht__yaml_node *read_value(reader *r, const yaml_event_t *event, int depth) {
  if (!is_plain(r, event)) {
    return NULL;
  }
  if (depth >= SHT__YAML_DEPTH_MAX) {
    sht__fault(r->faults, place_of(event->start_mark), NULL, "make it flatter", "nested more than %d deep",
               SHT__YAML_DEPTH_MAX);
    return NULL;
  }
  if (event->type == YAML_SCALAR_EVENT) {
    return read_scalar(r, event);
  }
  sht__yaml_node *node = make_node(r, event);
  if (node == NULL) {
    return NULL;
  }
  bool is_map = event->type == YAML_MAPPING_START_EVENT;
  node->kind = is_map ? SHT__YAML_MAP : SHT__YAML_LIST;
  return read_children(r, node, is_map ? YAML_MAPPING_END_EVENT : YAML_SEQUENCE_END_EVENT, depth + 1);
}

// Reads events until one of `type` or the end; false when the file ends or breaks first.
static bool skip_to(reader *r, yaml_event_type_t type) {
  for (;;) {
    yaml_event_t event;
    if (!next_event(r, &event)) {
      return false;
    }
    yaml_event_type_t found = event.type;
    yaml_event_delete(&event);
    if (found == type || found == YAML_STREAM_END_EVENT) {
      return found == type;
    }
  }
}

static const sht__yaml_node *read_document(reader *r) {
  if (!skip_to(r, YAML_DOCUMENT_START_EVENT)) {
    if (r->faults->count == 0 && r->status == SHT_OK) {
      sht__fault(r->faults, (sht__place){0}, NULL, NULL, "the file is empty; it should hold KEY: VALUE lines");
    }
    return NULL;
  }
  const sht__yaml_node *root = read_next(r, 0);
  if (root == NULL || !skip_to(r, YAML_DOCUMENT_END_EVENT)) {
    return NULL;
  }
  yaml_event_t event;
  if (!next_event(r, &event)) {
    return NULL;
  }
  if (event.type != YAML_STREAM_END_EVENT) {
    sht__fault(r->faults, place_of(event.start_mark), NULL, "keep one document in a file", "a second document");
  }
  yaml_event_delete(&event);
  return root;
}

sht_status sht__yaml_open(const char *text, uint64_t size, sht__faults *faults, sht__yaml **out,
                          const sht__yaml_node **root, sht_error *error) {
  *root = NULL;
  SHT_TRY(SHT_ALLOC(out, 1, "configuration", error));
  if (size > SHT__YAML_SIZE_MAX) {
    sht__fault(faults, (sht__place){0}, NULL, "is it the right file?", "%llu bytes, expected at most %d",
               (unsigned long long)size, SHT__YAML_SIZE_MAX);
    return SHT_OK;
  }
  reader r = {.yaml = *out, .faults = faults, .error = error};
  if (yaml_parser_initialize(&r.parser) != 1) {
    return SHT_FAIL(error, SHT_MEMORY, "%s: no memory to read it", faults->path);
  }
  yaml_parser_set_input_string(&r.parser, (const unsigned char *)text, size);
  yaml_parser_set_encoding(&r.parser, YAML_UTF8_ENCODING);
  *root = read_document(&r);
  yaml_parser_delete(&r.parser);
  return r.status;
}

void sht__yaml_close(sht__yaml *yaml) {
  if (yaml == NULL) {
    return;
  }
  while (yaml->chunks != NULL) {
    chunk *next = yaml->chunks->next;
    sht_free(yaml->chunks);
    yaml->chunks = next;
  }
  sht_free(yaml);
}

const sht__yaml_node *sht__yaml_get(const sht__yaml_node *map, const char *key) {
  const sht__yaml_node *child = map->kind == SHT__YAML_MAP ? map->first : NULL;
  while (child != NULL && strcmp(child->key, key) != 0) {
    child = child->next;
  }
  return child;
}

const char *sht__yaml_describe(const sht__yaml_node *node, char *out, size_t size) {
  if (node->kind != SHT__YAML_SCALAR) {
    (void)snprintf(out, size, "%s", node->kind == SHT__YAML_LIST ? "a list" : "a mapping");
  } else if (node->text[0] == '\0' && !node->quoted) {
    (void)snprintf(out, size, "nothing");
  } else {
    (void)snprintf(out, size, "\"%.*s\"%s", TEXT_SHOWN, node->text, node->quoted ? " in quotes" : "");
  }
  return out;
}

bool sht__yaml_check_keys(const sht__yaml_node *map, const char *who, const char *const *known, sht__faults *faults) {
  bool good = true;
  for (const sht__yaml_node *child = map->first; child != NULL; child = child->next) {
    const char *const *name = known;
    while (*name != NULL && strcmp(*name, child->key) != 0) {
      name++;
    }
    if (*name == NULL) {
      char advice[SHT__FAULT_TEXT];
      sht__fault(faults, child->key_at, who, sht__advise(advice, sizeof advice, "keys", child->key, known),
                 "unknown key \"%.*s\"", TEXT_SHOWN, child->key);
      good = false;
    }
  }
  return good;
}
