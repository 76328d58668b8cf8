// Names of lines and rows: what tells the runs of a set apart. See experiment_page.h.
#include <stdio.h>
#include <string.h>

#include "lab/experiment_page.h"
#include "model/own.h"

// Of an axis that tells series apart: "random labels", "weight-decay 0.001".
static void name_value(const sht__grid_axis *from, const char *value, const sht_config *config, char *out,
                       size_t size) {
  const char *name = from->option->name;
  char own[SHT_TEXT_MAX];
  if (strcmp(name, "model") == 0 || strcmp(name, "data") == 0) {
    (void)snprintf(out, size, "%s", value);
  } else if (strcmp(name, "labels") == 0 || strcmp(name, "pixels") == 0) {
    (void)snprintf(out, size, "%s %s", value, name);
  } else if (strcmp(value, "default") == 0) {
    (void)snprintf(out, size, "%s %s", name, sht__own_value(config, NULL, from->option, own, sizeof own));
  } else {
    (void)snprintf(out, size, "%s %s", name, value);
  }
}

static bool says(const sht__yaml_node *map, const char *option) {
  return map != NULL && map->kind == SHT__YAML_MAP && sht__yaml_get(map, option) != NULL;
}

static bool scale_says(const sht__yaml_node *scale, const char *option) {
  return says(scale, "options") && says(sht__yaml_get(scale, "options"), option);
}

// What is said above the axis makes all of its values one.
static bool is_overruled(const sht__page *page, const sht__grid *grid, const sht__origin *origin, const char *option) {
  bool above = false;
  for (const sht_setting *setting = page->above; setting != NULL && setting->name != NULL; setting++) {
    above = above || strcmp(setting->name, option) == 0;
  }
  return above || says(origin->series, option) || scale_says(page->scale, option) || scale_says(grid->scale, option);
}

// Whether the axis is what a figure has along x.
static bool is_along(const char *option, const char *x) {
  return strcmp(option, x) == 0 || (strcmp(option, "labels") == 0 && strcmp(x, "corruption") == 0);
}

size_t sht__grid_name(const sht__page *page, const sht__grid *grid, const sht__origin *origin, const sht_config *config,
                      const char *x, char out[SHT_LABEL_MAX]) {
  const sht__yaml_node *name = origin->series == NULL ? NULL : sht__yaml_get(origin->series, "name");
  size_t length = (size_t)snprintf(out, SHT_LABEL_MAX, "%s", name == NULL ? "" : name->text);
  for (int i = 0; i < grid->axis_count && length < SHT_LABEL_MAX; i++) {
    const sht__grid_axis *axis = &grid->axes[i];
    const char *option = axis->option->name;
    char part[SHT_TEXT_MAX + 64];
    if (axis->values.count < 2 || strcmp(option, "seed") == 0 || is_along(option, x) ||
        is_overruled(page, grid, origin, option)) {
      continue;
    }
    name_value(axis, axis->values.texts[origin->places[i]], config, part, sizeof part);
    length += (size_t)snprintf(out + length, SHT_LABEL_MAX - length, "%s%s", length > 0 ? ", " : "", part);
  }
  return length > 0 ? length : (size_t)snprintf(out, SHT_LABEL_MAX, "%s", grid->name);
}
