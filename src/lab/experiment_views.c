// Figures and tables of an experiment's page. See experiment_page.h.
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "config/scalar.h"
#include "lab/experiment_page.h"
#include "lab/report_quantity.h"

enum { Y_MAX = 8, NAMES_MAX = 96 };

static bool is_among(const char *word, const char *const *names) {
  for (; *names != NULL; names++) {
    if (strcmp(*names, word) == 0) {
      return true;
    }
  }
  return false;
}

static void fault_quantity(sht__page *page, const sht__yaml_node *node, bool of_epochs) {
  const char *names[NAMES_MAX] = {0};
  size_t count = 0;
  for (const char *const *name = sht__quantity_names(); *name != NULL && count + 1 < NAMES_MAX; name++) {
    if (!of_epochs || sht__quantity_is_of_epoch(*name)) {
      names[count++] = *name;
    }
  }
  for (size_t i = 0; i < sht_option_count && !of_epochs && count + 1 < NAMES_MAX; i++) {
    names[count++] = sht_options[i].name;
  }
  char advice[SHT__FAULT_TEXT];
  char found[SHT__FAULT_TEXT / 2];
  const char *word = node->kind == SHT__YAML_SCALAR ? node->text : "";
  sht__fault(page->faults, node->at, NULL, sht__advise(advice, sizeof advice, "quantities", word, names),
             of_epochs ? "%s is no quantity of an epoch" : "%s is no quantity",
             sht__yaml_describe(node, found, sizeof found));
}

// Whether `node` names a quantity, which goes to out; reported when it does not. of_epochs: only those that a curve
// has.
static bool read_quantity(sht__page *page, const sht__yaml_node *node, bool of_epochs, char out[SHT_LABEL_MAX]) {
  sht__quantity quantity;
  bool known = node->kind == SHT__YAML_SCALAR &&
               (of_epochs ? sht__quantity_is_of_epoch(node->text) : sht__quantity_find(node->text, &quantity));
  if (!known) {
    fault_quantity(page, node, of_epochs);
    return false;
  }
  if (sht__quantity_is_text(node->text)) {
    sht__fault(page->faults, node->at, NULL,
               "to compare its values, put them into a grid or series; for shares of labels there is corruption",
               "the values of %s are no numbers", node->text);
    return false;
  }
  (void)snprintf(out, SHT_LABEL_MAX, "%s", node->text);
  return true;
}

// The option that decides where along x a run stands; NULL: its training does.
static const sht_option *placing_option(const sht_plan_view *view) {
  return sht_option_find(strcmp(view->x, "corruption") == 0 ? "labels" : view->x);
}

bool sht__plan_place(const sht_plan_view *view, const sht_plan_run *run, double *out) {
  const sht_option *option = placing_option(view);
  char text[SHT_TEXT_MAX];
  if (strcmp(view->x, "corruption") == 0) {
    const sht_run planned = {.config = run->config};
    *out = sht__run_corruption(&planned);
    return isfinite(*out);
  }
  if (option == NULL) {
    return false;
  }
  sht_config_get(&run->config, option, text, sizeof text);
  return sht__scalar_number(text, out);
}

// Along x every run has its place: the model's own learning rate, say, has none.
static void check_places(sht__page *page, const sht__yaml_node *x, const sht_plan_view *view) {
  const sht_experiment *experiment = page->experiment;
  const sht_plan_set *set = &experiment->sets[view->set];
  const sht_option *option = placing_option(view);
  for (uint64_t i = set->first; option != NULL && i < set->first + set->count; i++) {
    double number;
    if (!sht__plan_place(view, &experiment->runs[i], &number)) {
      char text[SHT_TEXT_MAX];
      sht_config_get(&experiment->runs[i].config, option, text, sizeof text);
      sht__fault(page->faults, x->at, view->name, "write the number itself", "a run has %s \"%.48s\": no place along x",
                 option->name, text);
      return;
    }
  }
}

static void read_columns(sht__page *page, const sht__yaml_node *map, const char *key, sht_plan_view *view) {
  const sht__yaml_node *node = sht__yaml_get(map, key);
  if (node == NULL) {
    sht__fault(page->faults, map->key_at, view->name, NULL, "needs %s: one quantity or a list", key);
    return;
  }
  bool of_epochs = view->kind == SHT_VIEW_CURVES;
  if (node->kind != SHT__YAML_LIST) {
    view->y_count = read_quantity(page, node, of_epochs, view->y[0]);
    return;
  }
  if (node->count > Y_MAX || node->count == 0) {
    sht__fault(page->faults, node->at, view->name, NULL, "%d quantities, expected 1 to %d", node->count, Y_MAX);
  }
  for (const sht__yaml_node *item = node->first; item != NULL && view->y_count < Y_MAX; item = item->next) {
    view->y_count += read_quantity(page, item, of_epochs, view->y[view->y_count]);
  }
}

// Index of the set that a figure draws; the only one when it names none.
static bool find_set(sht__page *page, const sht__yaml_node *map, sht_plan_view *view) {
  const sht_experiment *experiment = page->experiment;
  const sht__yaml_node *node = sht__yaml_get(map, "set");
  const char *names[NAMES_MAX] = {0};
  if (node == NULL && experiment->set_count == 1) {
    return true;
  }
  for (uint32_t i = 0; i < experiment->set_count && i + 1 < NAMES_MAX; i++) {
    names[i] = experiment->sets[i].name;
    if (node != NULL && node->kind == SHT__YAML_SCALAR && strcmp(node->text, names[i]) == 0) {
      view->set = i;
      return true;
    }
  }
  char advice[SHT__FAULT_TEXT];
  const char *word = node != NULL && node->kind == SHT__YAML_SCALAR ? node->text : "";
  sht__fault(page->faults, node == NULL ? map->key_at : node->at, view->name,
             sht__advise(advice, sizeof advice, "sets", word, names),
             node == NULL ? "needs set: one of the page's sets" : "there is no set \"%.48s\"", word);
  return false;
}

// The lines or rows of the view.
static void name_series(sht__page *page, sht_plan_view *view) {
  const sht_plan_set *set = &page->experiment->sets[view->set];
  page->status = SHT_ALLOC(&view->series, set->count, "names of a figure", page->error);
  for (uint64_t i = 0; i < set->count && page->status == SHT_OK; i++) {
    const uint64_t run = set->first + i;
    (void)sht__grid_name(page, &page->grids[view->set], &page->origins[run], &page->experiment->runs[run].config,
                         view->kind == SHT_VIEW_SWEEP ? view->x : "", view->series[i]);
  }
}

static bool has_series(const sht_experiment *experiment, const sht_plan_view *view, const char *series) {
  for (uint64_t i = 0; i < experiment->sets[view->set].count; i++) {
    if (strcmp(view->series[i], series) == 0) {
      return true;
    }
  }
  return false;
}

static void fault_series(sht__page *page, const sht_plan_view *view, const sht__yaml_node *node) {
  const sht_plan_set *set = &page->experiment->sets[view->set];
  const char *names[NAMES_MAX] = {0};
  size_t count = 0;
  for (uint64_t i = 0; i < set->count && count + 1 < NAMES_MAX; i++) {
    if (!is_among(view->series[i], names)) {
      names[count++] = view->series[i];
    }
  }
  char advice[SHT__FAULT_TEXT];
  sht__fault(page->faults, node->at, "paper", sht__advise(advice, sizeof advice, "series", node->text, names),
             "%s has no series \"%.100s\"", view->name, node->text);
}

static bool read_number(sht__page *page, const sht__yaml_node *node, double *out) {
  char found[SHT__FAULT_TEXT / 2];
  if (node->kind == SHT__YAML_SCALAR && !node->quoted && sht__scalar_number(node->text, out)) {
    return true;
  }
  sht__fault(page->faults, node->at, "paper", "fractions, not percent: 0.8905", "%s must be a number, not %s",
             node->key, sht__yaml_describe(node, found, sizeof found));
  return false;
}

// One value of the paper: quantity: number.
static void read_value(sht__page *page, const sht__yaml_node *entry, const sht_paper_value *row, sht_plan_view *view) {
  const char *names[Y_MAX + 3] = {"series", "x"};
  size_t count = 2;
  for (uint32_t i = 0; i < view->y_count; i++) {
    names[count++] = view->y[i];
  }
  double value = NAN;
  if (!is_among(entry->key, names)) {
    char advice[SHT__FAULT_TEXT];
    sht__fault(page->faults, entry->key_at, "paper", sht__advise(advice, sizeof advice, "keys", entry->key, names),
               "%s does not show \"%.48s\"", view->name, entry->key);
  } else if (read_number(page, entry, &value)) {
    sht_paper_value *out = &view->paper[view->paper_count++];
    *out = *row;
    (void)snprintf(out->quantity, sizeof out->quantity, "%s", entry->key);
    out->value = value;
  }
}

static void read_paper_row(sht__page *page, const sht__yaml_node *item, sht_plan_view *view) {
  sht_paper_value row = {.x = NAN};
  const sht__yaml_node *series = item->kind == SHT__YAML_MAP ? sht__yaml_get(item, "series") : NULL;
  const sht__yaml_node *x = item->kind == SHT__YAML_MAP ? sht__yaml_get(item, "x") : NULL;
  if (series == NULL || (x == NULL && view->kind == SHT_VIEW_SWEEP)) {
    sht__fault(page->faults, item->at, "paper", NULL,
               view->kind == SHT_VIEW_SWEEP ? "each item needs series, x and a quantity"
                                            : "each item needs series and a quantity");
    return;
  }
  if (!sht__page_text(page, item, "series", row.series, sizeof row.series)) {
    return;
  }
  if (!has_series(page->experiment, view, row.series)) {
    fault_series(page, view, series);
  }
  if (x != NULL && !read_number(page, x, &row.x)) {
    return;
  }
  for (const sht__yaml_node *entry = item->first; entry != NULL; entry = entry->next) {
    if (entry != series && entry != x) {
      read_value(page, entry, &row, view);
    }
  }
}

static void read_paper(sht__page *page, const sht__yaml_node *map, sht_plan_view *view) {
  const sht__yaml_node *list = sht__page_list(page, map, "paper");
  uint64_t room = 0;
  for (const sht__yaml_node *item = list == NULL ? NULL : list->first; item != NULL; item = item->next) {
    room += (uint64_t)item->count;
  }
  if (list == NULL) {
    return;
  }
  page->status = SHT_ALLOC(&view->paper, room, "the paper's values", page->error);
  for (const sht__yaml_node *item = list->first; item != NULL && page->status == SHT_OK; item = item->next) {
    read_paper_row(page, item, view);
  }
}

// The name is part of file names.
static void check_name(sht__page *page, const sht__yaml_node *map, const sht_plan_view *view) {
  static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";
  if (map->key[0] == '\0' || map->key[strspn(map->key, allowed)] != '\0' || strlen(map->key) >= SHT_LABEL_MAX) {
    sht__fault(page->faults, map->key_at, NULL, "use letters, digits and hyphens: files are named after it",
               "\"%.48s\" cannot name a figure or table", map->key);
  }
  for (const sht_plan_view *other = page->experiment->views; other < view; other++) {
    if (strcmp(other->name, view->name) == 0) {
      sht__fault(page->faults, map->key_at, NULL, "choose another name",
                 "\"%s\" names two of the page's figures and tables", view->name);
    }
  }
}

// Curves have the time of training along x; everything else is a point a run.
static sht_plan_view_kind kind_of(const char *x) {
  return strcmp(x, "steps") == 0 || strcmp(x, "epochs") == 0 ? SHT_VIEW_CURVES : SHT_VIEW_SWEEP;
}

static void read_view(sht__page *page, const sht__yaml_node *map, bool is_table) {
  static const char *const figure_keys[] = {"title", "set", "x", "y", "paper", NULL};
  static const char *const table_keys[] = {"title", "set", "columns", "paper", NULL};
  sht_plan_view *view = &page->experiment->views[page->experiment->view_count++];
  const int before = page->faults->count;
  (void)snprintf(view->name, sizeof view->name, "%s", map->key);
  check_name(page, map, view);
  if (map->kind != SHT__YAML_MAP) {
    sht__fault(page->faults, map->at, view->name, NULL, "must be lines of KEY: VALUE");
    return;
  }
  (void)sht__yaml_check_keys(map, view->name, is_table ? table_keys : figure_keys, page->faults);
  if (!sht__page_text(page, map, "title", view->title, sizeof view->title)) {
    (void)snprintf(view->title, sizeof view->title, "%s %s", is_table ? "Table" : "Figure", view->name);
  }
  view->kind = SHT_VIEW_TABLE;
  const sht__yaml_node *x = sht__yaml_get(map, "x");
  if (!is_table && x == NULL) {
    sht__fault(page->faults, map->key_at, view->name, NULL, "needs x: steps, epochs, corruption, or an option");
    return;
  }
  if (!is_table && read_quantity(page, x, false, view->x)) {
    view->kind = kind_of(view->x);
  }
  read_columns(page, map, is_table ? "columns" : "y", view);
  if (find_set(page, map, view) && !page->doubtful && page->faults->count == before) {
    name_series(page, view);
    if (view->kind == SHT_VIEW_SWEEP) {
      check_places(page, x, view);
    }
    if (page->status == SHT_OK) {
      sht__page_check_pools(page, map, view);
    }
    if (page->status == SHT_OK) {
      read_paper(page, map, view);
    }
  }
}

static int count_of(const sht__yaml_node *map) { return map == NULL ? 0 : map->count; }

void sht__page_read_views(sht__page *page) {
  const sht__yaml_node *figures = sht__page_map(page, page->root, "figures");
  const sht__yaml_node *tables = sht__page_map(page, page->root, "tables");
  uint64_t count = (uint64_t)count_of(figures) + (uint64_t)count_of(tables);
  page->status = SHT_ALLOC(&page->experiment->views, count, "the figures and tables", page->error);
  for (const sht__yaml_node *map = count_of(figures) > 0 ? figures->first : NULL; map != NULL && page->status == SHT_OK;
       map = map->next) {
    read_view(page, map, false);
  }
  for (const sht__yaml_node *map = count_of(tables) > 0 ? tables->first : NULL; map != NULL && page->status == SHT_OK;
       map = map->next) {
    read_view(page, map, true);
  }
}
