// Sets of runs: products of lists, named alternatives, exclusions, scales, expanded into runs. See experiment_page.h.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/memory.h"
#include "base/text.h"
#include "config/check.h"
#include "lab/experiment_page.h"

// A set while it is expanded.
typedef struct set_reader {
  sht__page *page;
  sht__grid *grid;
  const sht__yaml_node *series;  // the alternative in work; NULL: none
  sht__draft draft;
} set_reader;

static sht__grid_axis *find_axis(set_reader *set, const sht_option *option) {
  for (int i = 0; i < set->grid->axis_count; i++) {
    if (set->grid->axes[i].option == option) {
      return &set->grid->axes[i];
    }
  }
  return NULL;
}

// An axis of the page; what a scale says of an axis takes its place.
static void read_axis(set_reader *set, const sht__yaml_node *entry, bool only_known) {
  const sht_option *option = sht__page_option(set->page, entry);
  sht__grid_axis *there = option == NULL ? NULL : find_axis(set, option);
  if (option == NULL || (there == NULL && only_known)) {
    return;
  }
  if (there == NULL && set->grid->axis_count == SHT__AXES_MAX) {
    sht__fault(set->page->faults, entry->key_at, NULL, "use more than one set", "more than %d lists in a grid",
               SHT__AXES_MAX);
    return;
  }
  there = there == NULL ? &set->grid->axes[set->grid->axis_count++] : there;
  sht__values_close(&there->values);
  there->option = option;
  (void)sht__values_add(set->page, entry, option, &there->values);
}

static void read_axes(set_reader *set, const sht__yaml_node *owner, bool only_known) {
  const sht__yaml_node *grid = sht__page_map(set->page, owner, "grid");
  for (const sht__yaml_node *entry = grid == NULL ? NULL : grid->first; entry != NULL; entry = entry->next) {
    read_axis(set, entry, only_known);
  }
}

// Whether a run has one of the values that an exclusion names for an option.
static bool entry_matches(set_reader *set, const sht__yaml_node *entry) {
  const sht_option *option = sht__page_option(set->page, entry);
  sht__values values = {0};
  char have[SHT_TEXT_MAX];
  bool matches = false;
  if (option == NULL || !sht__values_add(set->page, entry, option, &values)) {
    sht__values_close(&values);
    return false;
  }
  sht_config_get(&set->draft.config, option, have, sizeof have);
  for (uint64_t i = 0; i < values.count; i++) {
    sht__draft other = set->draft;
    char wanted[SHT_TEXT_MAX];
    if (sht__draft_set(set->page, &other, option, values.texts[i], values.at[i])) {
      sht_config_get(&other.config, option, wanted, sizeof wanted);
      matches = matches || strcmp(have, wanted) == 0;
    }
  }
  sht__values_close(&values);
  return matches;
}

static bool is_excluded(set_reader *set) {
  const sht__yaml_node *list = sht__page_list(set->page, set->grid->map, "exclude");
  bool excluded = false;
  for (const sht__yaml_node *item = list == NULL ? NULL : list->first; item != NULL; item = item->next) {
    if (item->kind != SHT__YAML_MAP || item->count == 0) {
      sht__fault(set->page->faults, item->at, "exclude", NULL, "each item must be OPTION: VALUE lines");
      continue;
    }
    bool all = true;
    for (const sht__yaml_node *entry = item->first; entry != NULL; entry = entry->next) {
      all = entry_matches(set, entry) && all;
    }
    excluded = excluded || all;  // those below are read all the same, for their faults
  }
  return excluded;
}

// What the scale says for runs of this model: another model's name, or options.
static void apply_model_scale(set_reader *set) {
  const sht__yaml_node *models = sht__page_map(set->page, set->page->scale, "models");
  const sht__yaml_node *entry = models == NULL ? NULL : sht__yaml_get(models, set->draft.config.model);
  if (entry == NULL) {
    return;
  }
  if (entry->kind == SHT__YAML_MAP) {
    sht__draft_apply(set->page, &set->draft, entry, NULL);
  } else if (entry->kind == SHT__YAML_SCALAR) {
    (void)sht__draft_set(set->page, &set->draft, sht_option_find("model"), entry->text, entry->at);
  } else {
    sht__fault(set->page->faults, entry->at, entry->key, NULL, "must be a model's name or lines of OPTION: VALUE");
  }
}

// Keeps in mind which options that count are no longer what the page says.
static void note_changes(set_reader *set, const sht_config *of_page) {
  for (const sht_setting *setting = set->page->above; setting->name != NULL; setting++) {
    const sht_option *option = sht_option_find(setting->name);
    char before[SHT_TEXT_MAX];
    char after[SHT_TEXT_MAX];
    sht_config_get(of_page, option, before, sizeof before);
    sht_config_get(&set->draft.config, option, after, sizeof after);
    set->page->changed[option - sht_options] |= option->identity && strcmp(before, after) != 0;
  }
}

static void apply_above(set_reader *set) {
  sht__page *page = set->page;
  const sht_config of_page = set->draft.config;
  if (page->above == NULL) {
    return;
  }
  for (const sht_setting *setting = page->above; setting->name != NULL && page->status == SHT_OK; setting++) {
    page->status = sht_config_set(&set->draft.config, setting->name, setting->text, setting->name, page->error);
  }
  if (page->status == SHT_OK) {
    note_changes(set, &of_page);
  }
}

// What the options of a run say together.
static void check_run(set_reader *set) {
  sht_config *config = &set->draft.config;
  char model[SHT_TEXT_MAX];
  const sht__option_places places = {.who = set->grid->name,
                                     .at = set->draft.at,
                                     .otherwise = set->series != NULL ? set->series->at : set->grid->map->at};
  if (sht__page_model(set->page, config->model, model)) {
    memcpy(config->model, model, sizeof config->model);
  }
  sht__config_check(config, &places, set->page->faults);
}

// Room for one run more, and for where it comes from.
static sht_status grow(sht__page *page) {
  sht_experiment *experiment = page->experiment;
  uint64_t room = 2 * page->run_room + 32;
  sht_plan_run *runs = NULL;
  sht__origin *origins = NULL;
  SHT_TRY(SHT_ALLOC(&runs, room, "the plan's runs", page->error));
  sht_status status = SHT_ALLOC(&origins, room, "the plan's runs", page->error);
  if (status != SHT_OK) {
    sht_free(runs);
    return status;
  }
  if (experiment->run_count > 0) {
    memcpy(runs, experiment->runs, experiment->run_count * sizeof *runs);
    memcpy(origins, page->origins, experiment->run_count * sizeof *origins);
  }
  sht_free(experiment->runs);
  sht_free(page->origins);
  experiment->runs = runs;
  page->origins = origins;
  page->run_room = room;
  return SHT_OK;
}

// Longer names could not be told apart: their runs would pass for seeds of one series.
static void name_run(set_reader *set, sht_plan_run *run, const sht__origin *origin) {
  if (sht__grid_name(set->page, set->grid, origin, &run->config, "", run->series) >= SHT_LABEL_MAX) {
    sht__fault(set->page->faults, set->series != NULL ? set->series->at : set->grid->map->at, set->grid->name,
               "shorten it, or give alternatives names under series",
               "\"%.48s...\" names a series in more than %d bytes", run->series, SHT_LABEL_MAX - 1);
  }
}

static void add_run(set_reader *set, const uint64_t *places) {
  sht__page *page = set->page;
  sht_experiment *experiment = page->experiment;
  if (experiment->run_count == page->run_room) {
    page->status = grow(page);
    if (page->status != SHT_OK) {
      return;
    }
  }
  sht__origin *origin = &page->origins[experiment->run_count];
  sht_plan_run *run = &experiment->runs[experiment->run_count++];
  origin->series = set->series;
  memcpy(origin->places, places, sizeof origin->places);
  run->config = set->draft.config;
  run->set = experiment->set_count;
  name_run(set, run, origin);
}

// One point of the grid: from the general to the particular, then the scale, then the command line.
static void expand_point(set_reader *set, const uint64_t *places) {
  sht__page *page = set->page;
  const sht__yaml_node *own = sht__page_map(page, set->grid->map, "options");
  sht_config_default(&set->draft.config);
  memset(set->draft.at, 0, sizeof set->draft.at);
  if (set->grid->map != page->root) {
    sht__draft_apply(page, &set->draft, sht__page_map(page, page->root, "options"), NULL);
  }
  sht__draft_apply(page, &set->draft, own, NULL);
  for (int i = 0; i < set->grid->axis_count; i++) {
    const sht__values *values = &set->grid->axes[i].values;
    (void)sht__draft_set(page, &set->draft, set->grid->axes[i].option, values->texts[places[i]], values->at[places[i]]);
  }
  sht__draft_apply(page, &set->draft, set->series, "name");
  if (is_excluded(set)) {
    return;
  }
  sht__draft_apply(page, &set->draft, sht__page_map(page, page->scale, "options"), NULL);
  sht__draft_apply(page, &set->draft, sht__page_map(page, set->grid->scale, "options"), NULL);
  apply_model_scale(set);
  apply_above(set);
  if (page->status == SHT_OK) {
    check_run(set);
    add_run(set, places);
  }
}

// The number of points for each of the alternatives, capped at the largest number there is; 0 when an axis has no
// values (which was reported).
static uint64_t count_points(const set_reader *set, uint64_t alternatives) {
  uint64_t points = alternatives;
  for (int i = 0; i < set->grid->axis_count; i++) {
    points = sht_size_mul(points, set->grid->axes[i].values.count, &points) ? points : UINT64_MAX;
  }
  return points;
}

static void fault_size(set_reader *set, uint64_t points) {
  char count[32];
  sht__fault(set->page->faults, set->grid->map->at, set->grid->name, "make the lists shorter",
             "its lists and series stand for %s runs; a page has at most %d",
             sht_text_count(points, count, sizeof count), SHT__RUNS_MAX);
}

// Every point of the grid; the first list turns slowest. Another fault at each of thousands of points helps nobody.
static void expand_grid(set_reader *set) {
  uint64_t points = count_points(set, 1);
  for (uint64_t point = 0; point < points && set->page->status == SHT_OK; point++) {
    uint64_t places[SHT__AXES_MAX] = {0};
    uint64_t rest = point;
    for (int i = set->grid->axis_count - 1; i >= 0; i--) {
      places[i] = rest % set->grid->axes[i].values.count;
      rest /= set->grid->axes[i].values.count;
    }
    expand_point(set, places);
    if (set->page->faults->count > SHT__FAULTS_KEPT) {
      break;
    }
  }
}

static bool check_series(set_reader *set, const sht__yaml_node *item) {
  const sht__yaml_node *name = item->kind == SHT__YAML_MAP ? sht__yaml_get(item, "name") : NULL;
  char label[SHT_LABEL_MAX];
  if (name == NULL) {
    sht__fault(set->page->faults, item->at, "series", "write - {name: random labels, labels: random}",
               "each series needs a name and OPTION: VALUE lines");
    return false;
  }
  return sht__page_text(set->page, item, "name", label, sizeof label);
}

static void expand_series(set_reader *set) {
  const sht__yaml_node *list = sht__page_list(set->page, set->grid->map, "series");
  uint64_t points = count_points(set, list == NULL ? 1 : (uint64_t)list->count);
  if (points > SHT__RUNS_MAX - set->page->experiment->run_count) {
    fault_size(set, points);
    return;
  }
  if (list == NULL) {
    expand_grid(set);
    return;
  }
  for (const sht__yaml_node *item = list->first; item != NULL; item = item->next) {
    if (check_series(set, item)) {
      set->series = item;
      expand_grid(set);
    }
  }
}

// What makes two runs of a set one: their series and every option that counts.
typedef struct run_key {
  char hex[65];
  uint64_t index;
} run_key;

static int by_key(const void *a, const void *b) {
  const run_key *left = a;
  const run_key *right = b;
  int order = strcmp(left->hex, right->hex);
  return order != 0 ? order : (left->index > right->index) - (left->index < right->index);
}

static sht_status key_of(const sht_plan_run *run, uint64_t index, run_key *out, sht_error *error) {
  char *text = NULL;
  sht_hash *hash = NULL;
  SHT_TRY(sht_config_write(&run->config, true, &text, error));
  sht_status status = sht_hash_open(&hash, error);
  if (status == SHT_OK) {
    sht_hash_add(hash, run->series, strlen(run->series) + 1);
    sht_hash_add(hash, text, strlen(text));
    sht_hash_close(hash, out->hex);
    out->index = index;
  }
  sht_text_free(text);
  return status;
}

// Keeps the first of equal runs, in their order.
static sht_status drop_repeated(sht__page *page, uint64_t first, sht_error *error) {
  sht_experiment *experiment = page->experiment;
  uint64_t count = experiment->run_count - first;
  run_key *keys = NULL;
  bool *repeated = NULL;
  SHT_TRY(SHT_ALLOC(&keys, count, "the plan's runs", error));
  sht_status status = SHT_ALLOC(&repeated, count, "the plan's runs", error);
  for (uint64_t i = 0; i < count && status == SHT_OK; i++) {
    status = key_of(&experiment->runs[first + i], i, &keys[i], error);
  }
  if (status == SHT_OK && count > 0) {
    qsort(keys, count, sizeof *keys, by_key);
    for (uint64_t i = 1; i < count; i++) {
      repeated[keys[i].index] = strcmp(keys[i].hex, keys[i - 1].hex) == 0;
    }
    uint64_t kept = first;
    for (uint64_t i = 0; i < count; i++) {
      if (!repeated[i]) {
        experiment->runs[kept] = experiment->runs[first + i];
        page->origins[kept++] = page->origins[first + i];
      }
    }
    experiment->run_count = kept;
  }
  sht_free(repeated);
  sht_free(keys);
  return status;
}

static void read_set(sht__page *page, const sht__yaml_node *map, const char *name) {
  sht_experiment *experiment = page->experiment;
  const sht__yaml_node *scaled = sht__page_map(page, page->scale, "sets");
  set_reader *set = NULL;
  page->status = SHT_ALLOC(&set, 1, "a set of runs", page->error);
  if (page->status != SHT_OK) {
    return;
  }
  *set = (set_reader){.page = page, .grid = &page->grids[experiment->set_count]};
  *set->grid = (sht__grid){.name = name, .map = map, .scale = sht__page_map(page, scaled, name)};
  sht_plan_set *out = &experiment->sets[experiment->set_count];
  (void)snprintf(out->name, sizeof out->name, "%s", name);
  out->first = experiment->run_count;
  read_axes(set, map, false);
  read_axes(set, page->scale, true);
  read_axes(set, set->grid->scale, false);
  if (page->status == SHT_OK) {
    expand_series(set);
  }
  if (page->status == SHT_OK) {
    page->status = drop_repeated(page, out->first, page->error);
  }
  out->count = experiment->run_count - out->first;
  if (out->count == 0 && page->faults->count == 0 && page->status == SHT_OK) {
    sht__fault(page->faults, map->at, name, "exclude less", "no run is left");
  }
  experiment->set_count++;
  sht_free(set);
}

// What stands above the page and has a grammar of its own; the rest was checked where it was given.
static void check_above(sht__page *page) {
  for (const sht_setting *setting = page->above; setting != NULL && setting->name != NULL; setting++) {
    const sht_option *option = sht_option_find(setting->name);
    char who[SHT_LABEL_MAX];
    (void)snprintf(who, sizeof who, "--%s", setting->name);
    if (option != NULL) {
      (void)sht__page_check_text(page, option, setting->text, who, (sht__place){0});
    }
  }
}

void sht__page_read_sets(sht__page *page) {
  static const char *const keys[] = {"options", "grid", "series", "exclude", NULL};
  const sht__yaml_node *sets = sht__page_map(page, page->root, "sets");
  uint64_t count = sets == NULL ? 1 : (uint64_t)sets->count;
  page->status = SHT_ALLOC(&page->experiment->sets, count + 1, "the sets of runs", page->error);
  if (page->status == SHT_OK) {
    page->status = SHT_ALLOC(&page->grids, count + 1, "the sets of runs", page->error);
  }
  if (page->status != SHT_OK) {
    return;
  }
  check_above(page);
  if (sets == NULL) {
    read_set(page, page->root, "runs");
    return;
  }
  for (const sht__yaml_node *map = sets->first; map != NULL && page->status == SHT_OK; map = map->next) {
    if (map->kind != SHT__YAML_MAP || strlen(map->key) >= SHT_LABEL_MAX) {
      sht__fault(page->faults, map->at, "sets", NULL, "each set has a short name and lines of KEY: VALUE");
    } else {
      (void)sht__yaml_check_keys(map, map->key, keys, page->faults);
      read_set(page, map, map->key);
    }
  }
}

void sht__page_close_sets(sht__page *page) {
  for (uint32_t g = 0; page->grids != NULL && g < page->experiment->set_count; g++) {
    for (int i = 0; i < page->grids[g].axis_count; i++) {
      sht__values_close(&page->grids[g].axes[i].values);
    }
  }
  sht_free(page->grids);
  sht_free(page->origins);
}
