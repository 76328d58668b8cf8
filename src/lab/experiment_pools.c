// What a figure or table shows as seeds of one series has to differ in nothing else. See experiment_page.h.
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "lab/experiment_page.h"

// A run of a view with what decides which point or row it goes into.
typedef struct pooled {
  const sht_plan_run *run;
  const char *series;
  double x;  // 0 where the view has no places before the runs are trained
} pooled;

static int by_point(const void *a, const void *b) {
  const pooled *left = a;
  const pooled *right = b;
  int order = strcmp(left->series, right->series);
  if (order == 0) {
    order = (left->x > right->x) - (left->x < right->x);
  }
  uint64_t first = left->run->config.seed;
  uint64_t second = right->run->config.seed;
  return order != 0 ? order : (first > second) - (first < second);
}

// The first option besides the seed that tells two runs apart; NULL: none does.
static const sht_option *find_difference(const sht_config *a, const sht_config *b, char of_a[SHT_TEXT_MAX],
                                         char of_b[SHT_TEXT_MAX]) {
  for (size_t i = 0; i < sht_option_count; i++) {
    sht_config_get(a, &sht_options[i], of_a, SHT_TEXT_MAX);
    sht_config_get(b, &sht_options[i], of_b, SHT_TEXT_MAX);
    if (sht_options[i].identity && strcmp(sht_options[i].name, "seed") != 0 && strcmp(of_a, of_b) != 0) {
      return &sht_options[i];
    }
  }
  return NULL;
}

static bool is_told(sht__page *page, const sht__yaml_node *map, const pooled *a, const pooled *b) {
  char of_a[SHT_TEXT_MAX];
  char of_b[SHT_TEXT_MAX];
  const sht_option *option = find_difference(&a->run->config, &b->run->config, of_a, of_b);
  if (option != NULL) {
    sht__fault(page->faults, map->key_at, map->key, "give them different names under series, or a set each",
               "\"%.100s\" would show runs that differ in %s (%.40s, %.40s) as seeds of one series", a->series,
               option->name, of_a, of_b);
  } else if (a->run->config.seed == b->run->config.seed) {
    sht__fault(page->faults, map->key_at, map->key, "drop one of the values that make them",
               "\"%.100s\" has a run twice", a->series);
    return true;
  }
  return option != NULL;
}

void sht__page_check_pools(sht__page *page, const sht__yaml_node *map, const sht_plan_view *view) {
  const sht_plan_set *set = &page->experiment->sets[view->set];
  bool places = view->kind == SHT_VIEW_SWEEP;
  pooled *all = NULL;
  page->status = SHT_ALLOC(&all, set->count, "the runs of a figure", page->error);
  if (page->status != SHT_OK) {
    return;
  }
  for (uint64_t i = 0; i < set->count; i++) {
    const sht_plan_run *run = &page->experiment->runs[set->first + i];
    all[i] = (pooled){.run = run, .series = view->series[i]};
    places = places && sht__plan_place(view, run, &all[i].x);
  }
  if (set->count > 0) {
    qsort(all, set->count, sizeof *all, by_point);
  }
  for (uint64_t i = 1; i < set->count; i++) {
    bool same = strcmp(all[i].series, all[i - 1].series) == 0 && all[i].x == all[i - 1].x;
    if (same && is_told(page, map, &all[i - 1], &all[i])) {
      break;  // one tells enough
    }
  }
  sht_free(all);
}
