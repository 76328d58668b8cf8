// shatter model list, show: the shipped networks; the layers, shapes, parameters and multiply-adds of one.
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "cli/answer.h"
#include "cli/given.h"
#include "cli/table.h"
#include "cli/verbs.h"
#include "shatter/model.h"

enum { WORD_BYTES = 64, SIDE = 28, CHANNELS = 3, CLASSES = 10 };

static sht_status print_heads(sht_table *table, const char *alignment, const char *const *heads, sht_error *error) {
  SHT_TRY(sht__table_open(table, alignment, error));
  for (size_t i = 0; i < strlen(alignment); i++) {
    sht__table_add(table, "%s", heads[i]);
  }
  return SHT_OK;
}

static void add_counts(sht_json *json, const sht_graph *graph) {
  sht_json_add_text(json, "model", graph->name);
  sht_json_add_count(json, "parameters", graph->parameter_count);
  sht_json_add_count(json, "macs", graph->macs);
  sht_json_add_count(json, "training_macs", graph->training_macs);
}

static sht_status list_model(const char *name, bool as_json, sht_table *table, sht_json_list *list, sht_error *error) {
  sht_graph_options options = {.input = {CHANNELS, SIDE, SIDE}, .classes = CLASSES};
  sht_graph *graph = NULL;
  SHT_TRY(sht_graph_open(name, &options, &graph, error));
  sht_status status = SHT_OK;
  if (as_json) {
    sht_json item = {0};
    add_counts(&item, graph);
    status = sht__list_add(list, &item, error);
  } else {
    sht__table_add(table, "%s", name);
    sht__table_add_count(table, graph->parameter_count);
    sht__table_add_count(table, graph->macs);
    sht__table_add(table, "%g", graph->recipe.learning_rate);
  }
  sht_graph_close(graph);
  return status;
}

static sht_status run_list(sht_cli *cli, sht_error *error) {
  static const char *const heads[] = {"model", "parameters", "multiply-adds", "learning rate"};
  sht_terminal terminal = sht__terminal_of(stdout);
  sht_table table;
  sht_json_list list;
  SHT_TRY(print_heads(&table, "lrrr", heads, error));
  SHT_TRY(sht__list_open(&list, error));
  sht_status status = SHT_OK;
  for (const char *const *name = sht_model_names(); *name != NULL && status == SHT_OK; name++) {
    status = list_model(*name, cli->json, &table, &list, error);
  }
  SHT_TRY(status);
  if (cli->json) {
    sht_json json = {0};
    SHT_TRY(sht__list_close(&list, &json, "models", error));
    return sht__answer_print(cli, &json, error);
  }
  SHT_TRY(sht__table_print(&table, stdout, &terminal, error));
  (void)printf("\nFor images of %dx%dx%d in %d classes. Your own: --model FILE.yaml.\n", SIDE, SIDE, CHANNELS, CLASSES);
  return SHT_OK;
}

static uint64_t node_parameters(const sht_graph *graph, const sht_node *node) {
  uint64_t count = 0;
  count += node->weight >= 0 ? graph->parameters[node->weight].count : 0;
  count += node->bias >= 0 ? graph->parameters[node->bias].count : 0;
  return count;
}

// Multiply-adds of one example: every weight is used once (linear) or at every position (convolution).
static uint64_t node_macs(const sht_graph *graph, const sht_node *node) {
  uint64_t weights = node->weight >= 0 ? graph->parameters[node->weight].count : 0;
  switch (node->op) {
    case SHT_OP_CONV:
      return weights * node->out.height * node->out.width;
    case SHT_OP_LINEAR:
      return weights;
    default:
      return 0;
  }
}

// "3x3", "3x3 / 2", or "".
static void describe_window(const sht_node *node, char *out, size_t size) {
  out[0] = '\0';
  if (node->kernel > 0) {
    int used = snprintf(out, size, "%" PRIu32 "x%" PRIu32, node->kernel, node->kernel);
    if (node->stride > 1) {
      (void)snprintf(out + used, size - (size_t)used, " / %" PRIu32, node->stride);
    }
  }
}

static void add_layer_row(sht_table *table, const sht_graph *graph, const sht_node *node) {
  char window[WORD_BYTES];
  describe_window(node, window, sizeof window);
  sht__table_add(table, "%s", node->name);
  sht__table_add(table, "%s", sht_op_name(node->op));
  sht__table_add(table, "%s", window);
  sht__table_add(table, "%" PRIu32 "x%" PRIu32 "x%" PRIu32, node->out.height, node->out.width, node->out.channels);
  uint64_t parameters = node_parameters(graph, node), macs = node_macs(graph, node);
  if (parameters > 0) {
    sht__table_add_count(table, parameters);
  } else {
    sht__table_add(table, "-");
  }
  if (macs > 0) {
    sht__table_add_count(table, macs);
  } else {
    sht__table_add(table, "-");
  }
}

static void print_totals(const sht_graph *graph) {
  char parameters[WORD_BYTES], macs[WORD_BYTES], training[WORD_BYTES], weights[WORD_BYTES];
  const sht_recipe *recipe = &graph->recipe;
  const sht_shape in = graph->input;
  (void)printf("\nFor images of %" PRIu32 "x%" PRIu32 "x%" PRIu32 " and %" PRIu32 " %s.\n", in.height, in.width,
               in.channels, graph->classes, graph->classes == 1 ? "output" : "classes");
  (void)printf("%s parameters (%s in fp32), %s multiply-adds an image forward, %s in training.\n",
               sht_text_count(graph->parameter_count, parameters, sizeof parameters),
               sht_text_bytes(graph->parameter_count * sizeof(float), weights, sizeof weights),
               sht_text_count(graph->macs, macs, sizeof macs),
               sht_text_count(graph->training_macs, training, sizeof training));
  (void)printf("Recipe: learning rate %g, times %g after each epoch, momentum %g, weight decay %g where it is on.\n",
               recipe->learning_rate, recipe->learning_rate_decay, recipe->momentum, recipe->weight_decay);
}

static sht_status print_model(const sht_graph *graph, sht_error *error) {
  static const char *const heads[] = {"layer", "operation", "window", "output", "parameters", "multiply-adds"};
  sht_terminal terminal = sht__terminal_of(stdout);
  sht_table table;
  SHT_TRY(print_heads(&table, "lllrrr", heads, error));
  for (int i = 0; i < graph->node_count; i++) {
    add_layer_row(&table, graph, &graph->nodes[i]);
  }
  SHT_TRY(sht__table_print(&table, stdout, &terminal, error));
  print_totals(graph);
  return SHT_OK;
}

static sht_status answer_model(sht_cli *cli, const sht_graph *graph, sht_error *error) {
  sht_json_list list;
  SHT_TRY(sht__list_open(&list, error));
  sht_status status = SHT_OK;
  for (int i = 0; i < graph->node_count && status == SHT_OK; i++) {
    const sht_node *node = &graph->nodes[i];
    sht_json item = {0};
    sht_json_add_text(&item, "layer", node->name);
    sht_json_add_text(&item, "operation", sht_op_name(node->op));
    sht_json_add_count(&item, "height", node->out.height);
    sht_json_add_count(&item, "width", node->out.width);
    sht_json_add_count(&item, "channels", node->out.channels);
    sht_json_add_count(&item, "parameters", node_parameters(graph, node));
    sht_json_add_count(&item, "macs", node_macs(graph, node));
    status = sht__list_add(&list, &item, error);
  }
  sht_json json = {0};
  add_counts(&json, graph);
  sht_json_add_count(&json, "classes", graph->classes);
  sht_json_add_number(&json, "learning_rate", graph->recipe.learning_rate);
  sht_json_add_number(&json, "learning_rate_decay", graph->recipe.learning_rate_decay);
  sht_json_add_number(&json, "momentum", graph->recipe.momentum);
  sht_json_add_number(&json, "weight_decay", graph->recipe.weight_decay);
  sht_status closed = sht__list_close(&list, &json, "layers", error);
  SHT_TRY(status);
  SHT_TRY(closed);
  return sht__answer_print(cli, &json, error);
}

// "28x28x3": height, width, channels.
static sht_status read_shape(const char *text, sht_shape *shape, sht_error *error) {
  int end = 0;
  // NOLINTNEXTLINE(cert-err34-c): five digits cannot overflow
  bool whole = sscanf(text, "%5" SCNu32 "x%5" SCNu32 "x%5" SCNu32 "%n", &shape->height, &shape->width, &shape->channels,
                      &end) == 3 &&
               text[end] == '\0';
  if (!whole || shape->height == 0 || shape->width == 0 || shape->channels == 0) {
    return SHT_FAIL(error, SHT_USAGE, "--input takes height, width and channels such as 28x28x3, not \"%s\"", text);
  }
  return SHT_OK;
}

static sht_status run_show(sht_cli *cli, sht_error *error) {
  uint64_t classes = sht__cli_count(cli, "classes", CLASSES);
  if (classes == 0 || classes > UINT16_MAX) {
    return SHT_FAIL(error, SHT_USAGE, "--classes takes 1 to 65535, not %" PRIu64, classes);
  }
  sht_graph_options options = {.input = {CHANNELS, SIDE, SIDE},
                               .classes = (uint32_t)classes,
                               .own_input = !sht__is_given(cli, "input"),
                               .own_classes = !sht__is_given(cli, "classes")};
  const char *input = sht__cli_text(cli, "input");
  if (input != NULL) {
    SHT_TRY(read_shape(input, &options.input, error));
  }
  sht_graph *graph = NULL;
  SHT_TRY(sht_graph_open(cli->arguments[0], &options, &graph, error));
  sht_status status = cli->json ? answer_model(cli, graph, error) : print_model(graph, error);
  sht_graph_close(graph);
  return status;
}

static const char *const list_examples[] = {"shatter model", "the shipped networks with their sizes", NULL};

const sht_verb sht__verb_model_list = {
    .name = "model list",
    .arguments = "",
    .summary = "the shipped networks",
    .description = "",
    .examples = list_examples,
    .config_options = "",
    .run = run_list,
};

static const char *const show_examples[] = {
    "shatter model show inception",
    "every layer of the paper's small Inception",
    "shatter model show ./mine.yaml --input 32x32x3",
    "a model file of one's own",
    "shatter model show net",
    "the model.yaml in a folder: of a run, or what `shatter express -o net` wrote",
    NULL,
};

static const sht_cli_option show_options[] = {
    {.name = "input",
     .type = SHT_OPTION_TEXT,
     .value_name = "HxWxC",
     .default_text = "as the file says, else 28x28x3",
     .help = "shape of an image: height, width, channels"},
    {.name = "classes",
     .type = SHT_OPTION_COUNT,
     .value_name = "N",
     .default_text = "as the file says, else 10",
     .help = "number of classes"},
    {.name = NULL},
};

const sht_verb sht__verb_model_show = {
    .name = "model show",
    .arguments = "NAME|FILE|FOLDER",
    .arguments_min = 1,
    .arguments_max = 1,
    .summary = "layers, shapes, parameters and multiply-adds of a network",
    .description = "",
    .examples = show_examples,
    .config_options = "",
    .options = show_options,
    .run = run_show,
};
