// Experiments: pages expand into exactly the runs that a person would write out, and every mistake is told with its
// place.
#include <math.h>

#include "shatter/schedule.h"
#include "train_fixture.h"

static char folder[FIXTURE_PATH];

static int set_up(void **state) {
  (void)state;
  fixture_folder(folder);
  return 0;
}

static int tear_down(void **state) {
  (void)state;
  fixture_remove(folder);
  return 0;
}

static sht_status try_page(const char *text, const char *scale, const sht_setting *above, sht_experiment **out,
                           sht_error *error) {
  char path[FIXTURE_PATH * 2];
  (void)snprintf(path, sizeof path, "%s/page.yaml", folder);
  fixture_write(path, text, strlen(text));
  return sht_experiment_open(path, scale, above, out, error);
}

static sht_experiment *open_page(const char *text, const char *scale, const sht_setting *above) {
  sht_experiment *experiment = NULL;
  sht_error error;
  fixture_ok(try_page(text, scale, above, &experiment, &error), &error);
  return experiment;
}

// Opens a page that is wrong, and looks for each of the texts (ended by NULL) in the message.
static void assert_told(const char *text, const char *const *wanted) {
  sht_experiment *experiment = NULL;
  sht_error error;
  assert_int_equal(try_page(text, NULL, NULL, &experiment, &error), SHT_CONFIG);
  assert_null(experiment);
  for (; *wanted != NULL; wanted++) {
    if (strstr(error.message, *wanted) == NULL) {
      fail_msg("\"%s\" is not in: %s", *wanted, error.message);
    }
  }
}

// The number of runs with these values.
static int count_runs(const sht_experiment *experiment, const char *model, const char *labels, uint64_t seed) {
  int count = 0;
  for (uint64_t i = 0; i < experiment->run_count; i++) {
    const sht_config *config = &experiment->runs[i].config;
    count += strcmp(config->model, model) == 0 && strcmp(config->labels, labels) == 0 && config->seed == seed;
  }
  return count;
}

static void a_grid_is_the_product_of_its_lists(void **state) {
  (void)state;
  sht_experiment *experiment = open_page(
      "title: t\n"
      "options: {data: shapes, epochs: 7}\n"
      "grid:\n"
      "  model: [alexnet, mlp-1x512]\n"
      "  labels: [true, corrupt:(0.1..0.9 step 0.1), random]\n"
      "  seed: 1..3\n"
      "exclude:\n"
      "  - {model: alexnet, labels: [random, corrupt:(0.1..0.2 step 0.1)]}\n"
      "  - {seed: 2, model: mlp-1x512}\n",
      NULL, NULL);
  // 2 x 11 x 3, less alexnet's 3 kinds of labels x 3 seeds, less mlp's 11 kinds with seed 2.
  assert_int_equal(experiment->run_count, 66 - 9 - 11);
  for (int level = 1; level <= 9; level++) {
    char labels[32];
    (void)snprintf(labels, sizeof labels, "corrupt:0.%d", level);
    assert_int_equal(count_runs(experiment, "mlp-1x512", labels, 3), 1);
    assert_int_equal(count_runs(experiment, "mlp-1x512", labels, 2), 0);
    assert_int_equal(count_runs(experiment, "alexnet", labels, 2), level > 2);
  }
  assert_int_equal(count_runs(experiment, "alexnet", "random", 1), 0);
  assert_int_equal(experiment->runs[0].config.epochs, 7);
  assert_string_equal(experiment->runs[0].series, "alexnet, true labels");  // seeds share a series
  sht_experiment_close(experiment);
}

static void ranges(void **state) {
  (void)state;
  sht_experiment *experiment = open_page(
      "title: t\n"
      "grid:\n"
      "  weight-decay: [0.001..0.003 step 0.001, default]\n"
      "  train-size: 1000..2000 step 500\n"
      "  labels: wrong:(0, .5, 1)\n",
      NULL, NULL);
  assert_int_equal(experiment->run_count, 4 * 3 * 3);
  assert_true(experiment->runs[0].config.weight_decay == 0.001 && isnan(experiment->runs[35].config.weight_decay));
  assert_true(experiment->runs[9].config.weight_decay == 0.002 && experiment->runs[18].config.weight_decay == 0.003);
  assert_int_equal(experiment->runs[35].config.train_size, 2000);
  assert_string_equal(experiment->runs[1].config.labels, "wrong:.5");
  sht_experiment_close(experiment);
}

// Series are alternatives; what a sweep has along x does not tell them apart, other lists do.
static void series_are_named(void **state) {
  (void)state;
  sht_experiment *experiment = open_page(
      "title: t\n"
      "grid: {labels: [true, random], seed: 1..2, batch: [32, 64]}\n"
      "series:\n"
      "  - {name: A, model: alexnet}\n"
      "  - {name: M, model: mlp-1x512}\n"
      "figures:\n"
      "  f: {x: corruption, y: [test_error, relative_time]}\n",
      NULL, NULL);
  assert_int_equal(experiment->run_count, 16);
  assert_string_equal(experiment->runs[0].series, "A, true labels, batch 32");
  assert_string_equal(experiment->runs[15].series, "M, random labels, batch 64");
  assert_int_equal(experiment->view_count, 1);
  assert_string_equal(experiment->views[0].series[0], "A, batch 32");
  assert_string_equal(experiment->views[0].series[15], "M, batch 64");
  assert_int_equal(experiment->views[0].kind, SHT_VIEW_SWEEP);
  assert_int_equal(experiment->views[0].y_count, 2);
  sht_experiment_close(experiment);
}

// How many lines or rows a view has.
static uint64_t count_series(const sht_experiment *experiment, const sht_plan_view *view) {
  uint64_t count = 0;
  for (uint64_t i = 0; i < experiment->sets[view->set].count; i++) {
    bool known = false;
    for (uint64_t k = 0; k < i; k++) {
      known = known || strcmp(view->series[k], view->series[i]) == 0;
    }
    count += !known;
  }
  return count;
}

// A list is left out of names in the figure that has it along x, and nowhere else: 5 kinds of labels x 3 alternatives.
static void names_are_a_figures_own(void **state) {
  (void)state;
  sht_experiment *experiment = open_page(
      "title: t\n"
      "grid: {labels: [true, corrupt:(0.2..0.6 step 0.2), random], batch: [32, 64], seed: 1..2}\n"
      "series: [{name: A, model: alexnet}, {name: M, model: mlp-1x512}]\n"
      "figures:\n"
      "  noise: {x: corruption, y: test_error}\n"
      "  batch: {x: batch, y: test_error}\n"
      "  curves: {x: epochs, y: train_loss}\n"
      "  both: {x: train_error, y: test_error}\n"
      "tables:\n"
      "  ends: {columns: test_error, paper: [{series: \"M, corrupt:0.4 labels, batch 64\", test_error: 1}]}\n",
      NULL, NULL);
  static const uint64_t wanted[] = {2 * 2, 5 * 2, 5 * 2 * 2, 5 * 2 * 2, 5 * 2 * 2};
  static const char *const last[] = {"M, batch 64", "M, random labels", "M, random labels, batch 64",
                                     "M, random labels, batch 64", "M, random labels, batch 64"};
  assert_int_equal(experiment->run_count, 5 * 2 * 2 * 2);
  for (uint64_t i = 0; i < experiment->view_count; i++) {
    assert_int_equal(count_series(experiment, &experiment->views[i]), wanted[i]);
    assert_string_equal(experiment->views[i].series[experiment->run_count - 1], last[i]);
  }
  sht_experiment_close(experiment);
}

// What a series or the command line says of a list's option makes its values one: they name nothing.
// "default" says what it is, and stays another value than that number written out.
static void defaults_are_named_by_their_values(void **state) {
  (void)state;
  static const char model[] =
      "recipe: {learning-rate: 0.05}\n"
      "layers:\n  - dropout: {probability: 0.25}\n  - linear: {units: classes}\n";
  char path[FIXTURE_PATH * 2];
  (void)snprintf(path, sizeof path, "%s/drops.yaml", folder);
  fixture_write(path, model, sizeof model - 1);
  sht_experiment *experiment = open_page(
      "title: t\n"
      "options: {model: drops.yaml}\n"
      "grid: {dropout: [default, 0.25], learning-rate: [default, 0.1]}\n"
      "tables: {t: {columns: test_error}}\n",
      NULL, NULL);
  assert_string_equal(experiment->runs[0].series, "dropout 0.25 (default), learning-rate 0.05 (default)");
  assert_string_equal(experiment->runs[3].series, "dropout 0.25, learning-rate 0.1");
  assert_string_equal(experiment->views[0].series[1], "dropout 0.25 (default), learning-rate 0.1");
  sht_experiment_close(experiment);
  experiment = open_page("title: t\ngrid: {dropout: [default, 0.5], model: [alexnet]}\n", NULL, NULL);
  assert_string_equal(experiment->runs[0].series, "dropout none (default)");
  sht_experiment_close(experiment);
}

static void overruled_lists_name_nothing(void **state) {
  (void)state;
  static const char page[] =
      "title: t\n"
      "grid: {labels: [true, random], batch: [32, 64]}\n"
      "series: [{name: a}, {name: b, labels: corrupt:0.5}]\n"
      "figures: {f: {x: corruption, y: test_error}}\n"
      "scales: {small: {note: n, options: {batch: 16}}}\n";
  sht_experiment *plain = open_page(page, NULL, NULL);
  assert_int_equal(plain->run_count, 4 + 2);
  assert_string_equal(plain->runs[5].series, "b, batch 64");
  sht_experiment_close(plain);
  const sht_setting above[] = {{"labels", "true"}, {NULL, NULL}};
  sht_experiment *told = open_page(page, "small", above);
  assert_int_equal(told->run_count, 2);
  assert_string_equal(told->runs[0].series, "a");
  sht_experiment_close(told);
}

static void what_stands_above_wins(void **state) {
  (void)state;
  static const char page[] =
      "title: t\n"
      "options: {epochs: 100, model: inception}\n"
      "sets:\n"
      "  one:\n"
      "    options: {epochs: 50}\n"
      "    grid: {seed: 1..3, labels: [true, random]}\n"
      "  two:\n"
      "    series: [{name: a, epochs: 60}, {name: b}]\n"
      "scales:\n"
      "  small:\n"
      "    note: Fewer.\n"
      "    options: {train-size: 1000}\n"
      "    grid: {seed: [9]}\n"
      "    models: {inception: inception-small}\n"
      "    sets: {two: {options: {epochs: 5}, grid: {batch: [16, 32]}}}\n"
      "  other:\n"
      "    note: Longer.\n"
      "    models: {inception: {epochs: 200, batch: 64}}\n";
  sht_experiment *full = open_page(page, "full", NULL);
  assert_int_equal(full->run_count, 8);
  assert_int_equal(full->runs[0].config.epochs, 50);
  assert_int_equal(full->runs[6].config.epochs, 60);
  assert_int_equal(full->runs[7].config.epochs, 100);
  assert_string_equal(full->scales, "small, other");
  assert_string_equal(full->scale_note, "");
  sht_experiment_close(full);
  sht_experiment *small = open_page(page, "small", NULL);
  assert_int_equal(small->sets[0].count, 2);
  assert_int_equal(small->sets[1].count, 4);
  assert_int_equal(small->runs[0].config.seed, 9);
  assert_int_equal(small->runs[0].config.train_size, 1000);
  assert_string_equal(small->runs[0].config.model, "inception-small");
  assert_int_equal(small->runs[2].config.epochs, 5);
  assert_string_equal(small->scale_note, "Fewer.");
  sht_experiment_close(small);
  sht_experiment *other = open_page(page, "other", NULL);
  assert_int_equal(other->runs[0].config.epochs, 200);
  assert_int_equal(other->runs[0].config.batch, 64);
  sht_experiment_close(other);
  // The command line makes the three seeds of each kind one run.
  const sht_setting above[] = {{"seed", "5"}, {"epochs", "3"}, {NULL, NULL}};
  sht_experiment *told = open_page(page, NULL, above);
  assert_int_equal(told->sets[0].count, 2);
  assert_int_equal(told->sets[1].first, 2);
  assert_int_equal(told->sets[1].count, 2);
  assert_int_equal(told->runs[3].config.epochs, 3);
  sht_experiment_close(told);
}

// What stands above the page and differs from it makes another experiment; its differences to the paper mean nothing.
static void mistakes_above_the_page_are_told(void **state) {
  (void)state;
  const sht_setting above[] = {{"labels", "rndom"}, {"model", "alexnte"}, {NULL, NULL}};
  sht_experiment *experiment = NULL;
  sht_error error;
  assert_int_equal(try_page("title: t\n", NULL, above, &experiment, &error), SHT_CONFIG);
  assert_non_null(strstr(error.message, "page.yaml: --labels: labels \"rndom\""));
  assert_non_null(strstr(error.message, "page.yaml: --model: there is no model \"alexnte\""));
}

static void changes_are_told(void **state) {
  (void)state;
  static const char page[] =
      "title: t\noptions: {epochs: 50}\ngrid: {seed: 1..2}\nscales: {small: {note: n, options: {batch: 16}}}\n";
  static const struct {
    const sht_setting above[4];
    const char *scale, *changed, *flags;
    bool comparable;
  } cases[] = {
      {{{NULL, NULL}}, NULL, "", "", true},
      {{{"epochs", "3"}, {NULL, NULL}}, NULL, "epochs 3", " --epochs=3", false},
      {{{"epochs", "50"}, {NULL, NULL}}, NULL, "", " --epochs=50", true},
      {{{"threads", "2"}, {"store", "a b"}, {NULL, NULL}}, NULL, "", " --threads=2 --store='a b'", true},
      {{{"seed", "1"}, {"device", "ref"}, {NULL, NULL}}, NULL, "seed 1, device ref", " --seed=1 --device=ref", true},
      // In the order of the table, the last one wins.
      {{{"epochs", "9"}, {"batch", "8"}, {"epochs", "4"}, {NULL, NULL}},
       NULL,
       "batch 8, epochs 4",
       " --epochs=9 --batch=8 --epochs=4",
       false},
      {{{NULL, NULL}}, "small", "", " --scale small", false},
      {{{"batch", "16"}, {NULL, NULL}}, "small", "", " --scale small --batch=16", false},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    char command[FIXTURE_PATH * 2];
    sht_experiment *experiment = open_page(page, cases[i].scale, cases[i].above);
    assert_string_equal(experiment->changed, cases[i].changed);
    assert_int_equal(experiment->comparable, cases[i].comparable);
    (void)snprintf(command, sizeof command, "shatter run %s/page.yaml%s", folder, cases[i].flags);
    assert_string_equal(experiment->command, command);
    sht_experiment_close(experiment);
  }
}

// The seconds that are left at the pace so far: runs begun earlier, failed, fitted early, or left to others.
static void work_is_measured(void **state) {
  (void)state;
  sht_experiment experiment = {.run_count = 6};
  sht_slot slots[6] = {
      // Begun before: of 60 steps that were left 30 are done.
      {.state = SHT_SLOT_RUNNING, .steps = 100, .steps_found = 40, .steps_done = 70, .seconds = 10},
      {.state = SHT_SLOT_FAILED, .steps = 100, .steps_done = 5, .seconds = 1000, .same_as = 1},
      // Fitted after a tenth: one second of work, and no more was needed.
      {.state = SHT_SLOT_DONE, .steps = 100, .steps_done = 10, .seconds = 10, .same_as = 2},
      {.state = SHT_SLOT_ELSEWHERE, .steps = 100, .seconds = 7, .same_as = 3},
      {.state = SHT_SLOT_DONE, .found = true, .steps = 100, .steps_found = 100, .steps_done = 100, .same_as = 4},
      {.state = SHT_SLOT_WAITING, .steps = 100, .seconds = 20, .same_as = 0},  // the same run as the first
  };
  sht_schedule schedule = {.experiment = &experiment, .slots = slots};
  double done = NAN;
  double total = NAN;
  sht_schedule_work(&schedule, &done, &total);
  assert_true(fabs(done - (5 + 1)) < 1e-12 && fabs(total - (10 + 1 + 7)) < 1e-12);
  schedule.leave = true;
  sht_schedule_work(&schedule, &done, &total);
  assert_true(fabs(done - 6) < 1e-12 && fabs(total - 11) < 1e-12);
}

static void model_files_lie_beside_the_page(void **state) {
  (void)state;
  char path[FIXTURE_PATH * 2];
  (void)snprintf(path, sizeof path, "%s/tiny.yaml", folder);
  fixture_write(path, fixture_model, sizeof fixture_model - 1);
  sht_experiment *experiment = open_page("title: t\noptions: {model: tiny.yaml}\n", NULL, NULL);
  assert_string_equal(experiment->runs[0].config.model, path);
  sht_experiment_close(experiment);
}

static void all_mistakes_are_told_at_once(void **state) {
  (void)state;
  assert_told(
      "title: t\n"
      "tables2: {}\n"
      "options:\n"
      "  {data: shapes,  epochs: 0}\n"
      "sets:\n"
      "  one: {grid: {\n"
      "      sede: 1..3,\n"
      "      labels: [true, rndom],\n"
      "      model: [alexnte, mlp-1x512]}}\n"
      "figures:\n"
      "  f:\n"
      "    x: corruption\n"
      "    y: tset_error\n"
      "    set: other\n"
      "scales:\n"
      "  small: {options: {epochs: 3}}\n",
      (const char *const[]){
          "page.yaml:2:1: unknown key \"tables2\"", "did you mean \"tables\"?", "page.yaml:4:27: epochs must be",
          "page.yaml:7:7: there is no option \"sede\"", "did you mean \"seed\"?", "page.yaml:8:22: labels \"rndom\"",
          "page.yaml:9:15: there is no model \"alexnte\"",
          "          model: [alexnte, mlp-1x512]}}\n                  ^\n",
          "page.yaml:13:8: \"tset_error\" is no quantity", "page.yaml:14:10: f: there is no set \"other\"",
          "page.yaml:16:3: small: needs a note", NULL});
}

// A mistake in one series, one exclusion or one combination hides none of the others.
static void every_part_is_read(void **state) {
  (void)state;
  assert_told(
      "title: t\n"
      "options: {data: cifar10, train-size: 1000}\n"
      "series:\n"
      "  - {name: a, labels: rndom, precision: fp64, batch: 5000}\n"
      "  - {name: b, model: mlp-1x51, augment: flop}\n"
      "  - {name: c, labels: wrong:x, epochs: -3}\n"
      "  - {model: alexnet}\n"
      "exclude:\n"
      "  - {labels: true}\n"
      "  - {augment: crap}\n"
      "tables:\n"
      "  t: {columns: [test_acuracy]}\n",
      (const char *const[]){"page.yaml:4:23: labels \"rndom\"",
                            "page.yaml:4:41: runs: the device cpu does not compute in fp64\n",
                            "page.yaml:4:54: runs: a batch of 5000 does not fit in a training set of 1000\n",
                            "page.yaml:5:22: there is no model \"mlp-1x51\"", "page.yaml:5:41: augment \"flop\"",
                            "page.yaml:6:23: labels \"wrong:x\"", "page.yaml:6:40: epochs must be",
                            "page.yaml:7:5: series: each series needs a name", "page.yaml:10:15: augment \"crap\"",
                            "page.yaml:12:17: \"test_acuracy\"", NULL});
  assert_told(
      "title: t\n"
      "tables:\n"
      "  a: {columns: tset_error}\n"
      "  b: {columns: test_error, paper: [{series: runz, test_error: 1}]}\n",
      (const char *const[]){"3:16: \"tset_error\"", "b has no series \"runz\"", NULL});
}

static void mistakes(void **state) {
  (void)state;
  static const struct {
    const char *page, *told;
  } cases[] = {
      {"title: t\ngrid: {seed: 3..1}\n", "2:14: \"3..1\" is not a range"},
      {"title: t\ngrid: {seed: 1..3 step 0}\n", "is not a range"},
      {"title: t\ngrid: {seed: 1..30000}\n", "more than 10000 values"},
      {"title: t\ngrid: {seed: 1..200, epochs: 1..200}\n",
       "page.yaml:1:1: runs: its lists and series stand for 40,000 runs; a page has at most 10000"},
      {"title: t\ngrid: {seed: 1..4000}\nseries: [{name: a}, {name: b, batch: 8}, {name: c, batch: 9}]\n",
       "stand for 12,000 runs"},
      {"title: t\nsets:\n  a: {grid: {seed: 1..6000}}\n  b: {grid: {seed: 1..6000}}\n",
       "page.yaml:4:6: b: its lists and series stand for 6,000 runs"},
      {"title: t\nfigures: {a: {x: model, y: test_error}}\n", "page.yaml:2:18: the values of model are no numbers"},
      {"title: t\nfigures: {a: {x: stop-when-fitted, y: test_error}}\n", "the values of stop-when-fitted are no"},
      {"title: t\ntables: {a: {columns: [test_error, labels]}}\n", "page.yaml:2:36: the values of labels are no"},
      {"title: t\ngrid: {weight-decay: [0, default]}\nfigures: {a: {x: weight-decay, y: test_error}}\n",
       "page.yaml:3:18: a: a run has weight-decay \"default\""},
      {"title: t\nseries: [{name: a}, {name: a, batch: 8}]\ntables:\n  e: {columns: test_error}\n",
       "page.yaml:4:3: e: \"a\" would show runs that differ in batch (128, 8) as seeds of one series"},
      {"title: t\ngrid: {labels: [corrupt:0.5, wrong:0.5]}\nfigures:\n  f: {x: corruption, y: test_error}\n",
       "page.yaml:4:3: f: \"runs\" would show runs that differ in labels (corrupt:0.5, wrong:0.5)"},
      {"title: t\noptions: {labels: file:a.npy}\nfigures: {f: {x: corruption, y: test_error}}\n",
       "page.yaml:3:18: f: a run has labels \"file:a.npy\""},
      {"title: t\ngrid: {seed: []}\n", "the list is empty"},
      {"title: t\ngrid: {labels: corrupt:(0..x)}\n", "\"0..x\" is not a range"},
      {"title: t\noptions: {seed: 1..3}\n", "seed is one value here, not 3"},
      {"title: t\ngrid: {seed: \"1\"}\n", "remove the quotes"},
      {"title: t\nseries:\n  - {model: alexnet}\n", "3:5: series: each series needs a name"},
      {"title: t\ngrid: {seed: 1..3}\nexclude: [{seed: 1..3}]\n", "no run is left"},
      {"title: t\ngrid: {seed: 1}\nsets: {a: {}}\n", "a page has either sets, or one grid"},
      {"options: {epochs: 3}\n", "the page has no title"},
      {"title: t\ntables: {a b: {columns: train_loss}}\n", "\"a b\" cannot name a figure or table"},
      {"title: t\ntables: {a: {columns: train_loss}}\nfigures: {a: {x: steps, y: train_loss}}\n", "names two"},
      {"title: t\nfigures: {a: {x: steps, y: relative_time}}\n", "\"relative_time\" is no quantity of an epoch"},
      {"title: t\ntables: {a: {columns: test_error, paper: [{series: runz, test_error: 1}]}}\n",
       "a has no series \"runz\""},
      {"title: t\ntables: {a: {columns: test_error, paper: [{series: runs, test_eror: 1}]}}\n",
       "a does not show \"test_eror\""},
      {"title: t\ntables: {a: {columns: test_error, paper: [{series: runs, test_error: 10%}]}}\n",
       "test_error must be a number"},
      {"title: t\noptions: {precision: fp64}\n", "the device cpu does not compute in fp64"},
      {"title: t\noptions: {augment: corp}\n", "page.yaml:2:20"},
      {"title: t\nscales: {full: {note: x}}\n", "the page itself is the scale \"full\""},
      {"- a\n- b\n", "an experiment is a page of KEY: VALUE lines"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    assert_told(cases[i].page, (const char *const[]){cases[i].told, NULL});
  }
}

static void unknown_names_are_suggested(void **state) {
  (void)state;
  sht_experiment *experiment = NULL;
  sht_error error;
  assert_int_equal(sht_experiment_open("tabel1", NULL, NULL, &experiment, &error), SHT_MISSING);
  assert_non_null(strstr(error.message, "did you mean \"table1\"?"));
  assert_int_equal(sht_experiment_open("table1", "smal", NULL, &experiment, &error), SHT_MISSING);
  assert_non_null(strstr(error.message, "full, small"));
  assert_int_equal(sht_experiment_open("nowhere.yaml", NULL, NULL, &experiment, &error), SHT_MISSING);
}

static const sht_plan_view *find_view(const sht_experiment *experiment, const char *name) {
  for (uint64_t i = 0; i < experiment->view_count; i++) {
    if (strcmp(experiment->views[i].name, name) == 0) {
      return &experiment->views[i];
    }
  }
  fail_msg("%s has no view %s", experiment->name, name);
  return NULL;
}

// The sum of a table's column, to be compared with the published one.
static double sum_of(const sht_plan_view *view, const char *quantity) {
  double sum = 0;
  for (uint64_t i = 0; i < view->paper_count; i++) {
    sum += strcmp(view->paper[i].quantity, quantity) == 0 ? view->paper[i].value : 0;
  }
  return sum;
}

static sht_experiment *open_shipped(const char *name, const char *scale) {
  sht_experiment *experiment = NULL;
  sht_error error;
  fixture_ok(sht_experiment_open(name, scale, NULL, &experiment, &error), &error);
  bool full = strcmp(scale, "full") == 0;
  assert_int_equal(strlen(experiment->scale_note) == 0, full);
  for (uint64_t i = 0; i < experiment->run_count; i++) {
    assert_int_equal(experiment->runs[i].config.train_size == 0, full);
  }
  return experiment;
}

// Rows, levels and sums of columns as in the paper.
static void the_papers_experiments(void **state) {
  (void)state;
  static const char *const scales[] = {"full", "small"};
  for (int i = 0; i < 2; i++) {
    sht_experiment *table1 = open_shipped("table1", scales[i]);
    assert_int_equal(table1->run_count, 19);
    const sht_plan_view *view = find_view(table1, "table1");
    assert_int_equal(view->paper_count, 38);
    // Table 1's columns, in percent: 8 x 100 (Inception), 99.9 + 99.82 + 100 + 100 + 99.82, 3 x 100, 99.8 + 100
    // + 99.34.
    assert_true(fabs(100 * sum_of(view, "train_accuracy") - (800 + 499.54 + 300 + 299.14)) < 1e-9);
    assert_true(fabs(100 * sum_of(view, "test_accuracy") -
                     (89.05 + 89.31 + 86.03 + 85.75 + 9.78 + 83 + 82 + 10.12 + 81.22 + 79.66 + 77.36 + 76.07 + 9.86 +
                      53.35 + 52.39 + 10.48 + 50.39 + 50.51 + 10.61)) < 1e-9);
    sht_experiment_close(table1);
    sht_experiment *fig1 = open_shipped("fig1", scales[i]);
    assert_int_equal(fig1->sets[0].count, 5);
    assert_int_equal(fig1->sets[1].count, i == 0 ? 33 : 9);
    assert_int_equal(find_view(fig1, "1a")->kind, SHT_VIEW_CURVES);
    assert_int_equal(find_view(fig1, "1b")->kind, SHT_VIEW_SWEEP);
    sht_experiment_close(fig1);
    sht_experiment *fig2b = open_shipped("fig2b", scales[i]);
    assert_int_equal(fig2b->run_count, 2);
    sht_experiment_close(fig2b);
    sht_experiment *table4 = open_shipped("table4", scales[i]);
    assert_int_equal(table4->run_count, 6);
    assert_true(fabs(100 * sum_of(find_view(table4, "table4"), "train_accuracy") - (200 + 99.21 + 99.93 + 99.28)) <
                1e-9);
    sht_experiment_close(table4);
    sht_experiment *rademacher = open_shipped("rademacher", scales[i]);
    assert_int_equal(rademacher->run_count, 5 * 3);
    for (uint64_t run = 0; run < rademacher->run_count; run++) {
      assert_string_equal(rademacher->runs[run].config.labels, "signs");
    }
    const sht_plan_view *complexity = find_view(rademacher, "rademacher");
    assert_int_equal(complexity->y_count, 3);
    assert_string_equal(complexity->y[1], "rademacher");
    sht_experiment_close(rademacher);
  }
  for (const char *const *name = sht_experiment_names(); *name != NULL; name++) {
    sht_experiment_close(open_shipped(*name, "full"));
  }
}

// A page cut off anywhere is a fault or a shorter page, and never worse.
static void truncated_pages(void **state) {
  (void)state;
  static const char page[] =
      "title: t\nsets:\n  a:\n    grid: {seed: 1..2, labels: [true, corrupt:(0..1 step 0.5)]}\n"
      "    series: [{name: x, model: alexnet}]\n    exclude: [{seed: 1}]\ntables:\n  t: {columns: [test_error], paper: "
      "[{series: x, test_error: 0.5}]}\nscales:\n  s: {note: n, models: {alexnet: {epochs: 2}}}\n";
  for (size_t length = 0; length < sizeof page; length++) {
    char cut[sizeof page];
    sht_experiment *experiment = NULL;
    sht_error error = {.message = ""};
    (void)snprintf(cut, sizeof cut, "%.*s", (int)length, page);
    sht_status status = try_page(cut, NULL, NULL, &experiment, &error);
    assert_true(status == SHT_OK || (status == SHT_CONFIG && strlen(error.message) > 20));
    sht_experiment_close(experiment);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_grid_is_the_product_of_its_lists),
      cmocka_unit_test(ranges),
      cmocka_unit_test(series_are_named),
      cmocka_unit_test(names_are_a_figures_own),
      cmocka_unit_test(defaults_are_named_by_their_values),
      cmocka_unit_test(overruled_lists_name_nothing),
      cmocka_unit_test(what_stands_above_wins),
      cmocka_unit_test(mistakes_above_the_page_are_told),
      cmocka_unit_test(changes_are_told),
      cmocka_unit_test(work_is_measured),
      cmocka_unit_test(model_files_lie_beside_the_page),
      cmocka_unit_test(all_mistakes_are_told_at_once),
      cmocka_unit_test(every_part_is_read),
      cmocka_unit_test(mistakes),
      cmocka_unit_test(unknown_names_are_suggested),
      cmocka_unit_test(the_papers_experiments),
      cmocka_unit_test(truncated_pages),
  };
  return cmocka_run_group_tests(tests, set_up, tear_down);
}
