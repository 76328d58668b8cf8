// A page of an experiment while it is read: what its parts share. The page is read once, top to bottom; every fault is
// kept with its place and reading goes on.
#ifndef SHT_LAB_EXPERIMENT_PAGE_H
#define SHT_LAB_EXPERIMENT_PAGE_H

#include "config/yaml.h"
#include "shatter/experiment.h"

enum { SHT__RUNS_MAX = 10000, SHT__VALUES_MAX = 10000, SHT__AXES_MAX = 16 };

// A list of texts: what a value stands for.
typedef struct sht__values {
  char **texts;  // [count], owned
  sht__place *at;
  uint64_t count, room;
} sht__values;

// A list of values that the runs of a set take one by one.
typedef struct sht__grid_axis {
  const sht_option *option;
  sht__values values;
} sht__grid_axis;

// A set as the page writes it.
typedef struct sht__grid {
  const char *name;
  const sht__yaml_node *map;    // of the page
  const sht__yaml_node *scale;  // of the chosen scale for this set; NULL: none
  sht__grid_axis axes[SHT__AXES_MAX];
  int axis_count;
} sht__grid;

// Where a run of the plan stands in its set.
typedef struct sht__origin {
  const sht__yaml_node *series;    // its alternative; NULL: the set has none
  uint64_t places[SHT__AXES_MAX];  // its value on each axis
} sht__origin;

typedef struct sht__page {
  sht_experiment *experiment;  // being filled
  sht__faults *faults;
  const sht__yaml_node *root;
  const sht__yaml_node *scale;    // the chosen scale's mapping; NULL: full size
  const sht_setting *above;       // ended by a NULL name; NULL: none
  bool changed[SHT_OPTIONS_MAX];  // by the option's row in the table: `above` changes it in a run
  const char *folder;             // of the page's file; "": a shipped page
  sht__grid *grids;               // beside experiment->sets, owned
  sht__origin *origins;           // beside experiment->runs, owned
  uint64_t run_room;
  bool doubtful;  // the sets have faults: what depends on their runs is not looked at
  sht_error *error;
  sht_status status;  // SHT_MEMORY when that was the end
} sht__page;

// Adds what a value stands for: itself, a list, "1..3", "0..1 step 0.25", "corrupt:(0.1..0.9 step 0.1)",
// "rotate:(5, 15, 25)". `option` decides what may stand there. False at a fault, which is then reported.
bool sht__values_add(sht__page *page, const sht__yaml_node *node, const sht_option *option, sht__values *values);
void sht__values_close(sht__values *values);

// A configuration being put together, and where each of its options was said last.
typedef struct sht__draft {
  sht_config config;
  sht__place at[SHT_OPTIONS_MAX];  // by the option's row in the table; line 0: not on the page
} sht__draft;

// The option of a key; NULL for an unknown one, which is then reported.
const sht_option *sht__page_option(sht__page *page, const sht__yaml_node *entry);
// The path of a model that the page names, beside the page first; of a shipped one its name. False: there is none.
bool sht__page_model(const sht__page *page, const char *model, char path[SHT_TEXT_MAX]);
// Whether labels, an augmentation or a model can be what the text says; else that is reported, `who` (NULL: none)
// opening the sentence. True for other options.
bool sht__page_check_text(sht__page *page, const sht_option *option, const char *text, const char *who, sht__place at);
// Sets an option; false at a fault, which is then reported.
bool sht__draft_set(sht__page *page, sht__draft *draft, const sht_option *option, const char *text, sht__place at);
// Sets all options of a mapping, but for the key `but` (NULL: none).
void sht__draft_apply(sht__page *page, sht__draft *draft, const sht__yaml_node *map, const char *but);

// The value of `key` in `map` when it is a mapping (or a list); NULL when it is absent or something else, which is then
// reported. map may be NULL.
const sht__yaml_node *sht__page_map(sht__page *page, const sht__yaml_node *map, const char *key);
const sht__yaml_node *sht__page_list(sht__page *page, const sht__yaml_node *map, const char *key);
// The text of `key` in out [size]; false when it is absent. What is no text, or too long, is reported.
bool sht__page_text(sht__page *page, const sht__yaml_node *map, const char *key, char *out, size_t size);

// Reads the sets and expands them into runs.
void sht__page_read_sets(sht__page *page);
void sht__page_close_sets(sht__page *page);

// Names a run by its alternative and by its values on all axes with several, but for seeds and for the axis that a
// figure has along x ("": none; config: the run's, for what "default" is of its model), whose places are not other
// lines. Returns the name's length, which may be more than out holds.
size_t sht__grid_name(const sht__page *page, const sht__grid *grid, const sht__origin *origin, const sht_config *config,
                      const char *x, char out[SHT_LABEL_MAX]);

// Reads figures and tables; after the sets.
void sht__page_read_views(sht__page *page);
// Where the run stands along the x of a sweep; false: that is not known before it is trained, or it has no place.
bool sht__plan_place(const sht_plan_view *view, const sht_plan_run *run, double *out);
// Reports runs of a view, `map` on the page, that would pass for seeds of one series and are not.
void sht__page_check_pools(sht__page *page, const sht__yaml_node *map, const sht_plan_view *view);

#endif
