// The construction as a model: its text, its numbers, its files. See express.h.
//
// Depth 2 (Theorem 1): project (d -> 1), shift and ReLU (1 -> n), sum (n -> 1): d + n + n weights.
//
// Deeper (Corollary 1): the points are cut into b intervals by their projection x > 0. Level t of ReLUs carries x on
// and holds the units of interval t, and three levels later their sum has been chosen or dropped:
//
//   level t      x_t = relu(x), units_t, past_(t+1) = relu(x - last point of interval t)
//   level t+1    low_t, high_t: the units' sum, cut to [0, H] as low - high;  before_(t+1) = relu(1 - p past_(t+1))
//                held_t = relu(before_t)
//   level t+2    gate_t = relu(low - high + M before_(t+1) - M held_t - M)
//   level t+3    total_t = relu(total_(t-1) + gate_t)
//
// before_t is 1 on points left of interval t and 0 on the others: with p * gap >= 1 exactly so, in rounded arithmetic
// too. M before_(t+1) - M held_t is M inside interval t and 0 outside, so that gate_t is the sum's value inside and,
// M being at least what low - high can be, 0 outside. The multiplexer is exact on the sample. Depth b + 3, width
// n/b + 8, weights 2n + d + O(b).
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "model/build.h"
#include "theory/express.h"
#include "theory/sample.h"
#include "train/safetensors.h"

enum { PATH_BYTES = 4096 };

// The model's text and its numbers grow side by side: parameters stand in the order of the layers.
typedef struct writer {
  FILE *yaml, *numbers;
  char *text, *bytes;
  size_t text_size, bytes_size;
  bool single;
} writer;

static void add_numbers(writer *out, const double *values, uint64_t count) {
  for (uint64_t i = 0; i < count; i++) {
    double value = sht__stored(values[i], out->single);
    (void)fwrite(&value, sizeof value, 1, out->numbers);
  }
}

static void add_number(writer *out, double value) { add_numbers(out, &value, 1); }

static void add_head(writer *out, const sht_sample *sample, const sht__fit *fit) {
  (void)fprintf(out->yaml,
                "# Made by shatter express: represents %" PRIu64
                " points. Runs on the engine ref.\nname: %s\n"
                "input: {channels: %" PRIu32 ", height: %" PRIu32 ", width: %" PRIu32 "}\nlayers:\n",
                fit->count, fit->deep ? "corollary-1" : "theorem-1", sample->shape.channels, sample->shape.height,
                sample->shape.width);
}

static void add_units(writer *out, const sht__units *units, uint64_t t, const char *from) {
  (void)fprintf(out->yaml,
                "  - shift: {name: knots%" PRIu64 ", from: %s, units: %" PRIu64 "}\n  - relu: {name: units%" PRIu64
                "}\n  - linear: {name: sum%" PRIu64 ", units: 1, bias: false}\n",
                t, from, units->count, t, t);
  add_numbers(out, units->b, units->count);
  add_numbers(out, units->w, units->count);
}

static void write_shallow(writer *out, const sht_sample *sample, const sht__projection *projection,
                          const sht__fit *fit) {
  const sht__units units = sht__fit_block(fit, 0);
  (void)fprintf(out->yaml, "  - linear: {name: project, units: 1, bias: false}\n");
  add_numbers(out, projection->direction, sht__sample_dims(sample));
  add_units(out, &units, 1, "project");
}

// ---- deep

// What all intervals share.
typedef struct plan {
  const sht__fit *fit;
  double height;  // H: largest target less the smallest
  double gate;    // M, a power of two
} plan;

// The sum of an interval's units grows without bound behind it, and low - high = H is then rounded by as much as a unit
// in its last place.
static double largest_sum(const sht__fit *fit, const sht__units *units) {
  double slope = 0;
  for (uint64_t i = 0; i < units->count; i++) {
    slope += units->w[i];
  }
  const uint64_t last = units->count - 1;
  return units->y[last] + fabs(slope) * (fit->x[fit->count - 1] - units->x[last]);
}

static plan make_plan(const sht__fit *fit) {
  plan all = {.fit = fit};
  double largest = 0;
  for (uint64_t i = 0; i < fit->count; i++) {
    all.height = fmax(all.height, fit->y[i]);
  }
  for (uint64_t t = 0; t < fit->blocks; t++) {
    const sht__units units = sht__fit_block(fit, t);
    largest = fmax(largest, largest_sum(fit, &units));
  }
  all.gate = exp2(ceil(log2(fmax(2 * all.height + largest * 0x1p-20, 0x1p-20))));
  return all;
}

// past and before of the boundary behind interval t.
static void add_boundary(writer *out, const plan *all, uint64_t t, const char *from) {
  const sht__units left = sht__fit_block(all->fit, t - 1);
  const sht__units right = sht__fit_block(all->fit, t);
  const double edge = left.x[left.count - 1];
  const double gap = right.x[0] - edge;
  (void)fprintf(out->yaml,
                "  - shift: {name: edge%" PRIu64 ", from: %s, units: 1}\n  - relu: {name: past%" PRIu64
                "}\n  - linear: {name: ramp%" PRIu64 ", units: 1}\n  - relu: {name: before%" PRIu64 "}\n",
                t + 1, from, t + 1, t + 1, t + 1);
  add_number(out, edge);
  add_number(out, -(1 + 0x1p-20) / gap);
  add_number(out, 1);
}

static void add_gate(writer *out, const plan *all, uint64_t t) {
  const bool first = t == 1, last = t == all->fit->blocks;
  (void)fprintf(out->yaml,
                "  - relu: {name: low%" PRIu64 ", from: sum%" PRIu64 "}\n  - shift: {name: cap%" PRIu64
                ", from: sum%" PRIu64 ", units: 1}\n  - relu: {name: high%" PRIu64 "}\n",
                t, t, t, t, t);
  add_number(out, all->height);
  if (!first) {
    (void)fprintf(out->yaml, "  - relu: {name: held%" PRIu64 ", from: before%" PRIu64 "}\n", t, t);
  }
  (void)fprintf(out->yaml, "  - concat: {name: choice%" PRIu64 ", from: [low%" PRIu64 ", high%" PRIu64, t, t, t);
  const double cut[2] = {1, -1};
  add_numbers(out, cut, 2);
  if (!last) {
    (void)fprintf(out->yaml, ", before%" PRIu64, t + 1);
    add_number(out, all->gate);
  }
  if (!first) {
    (void)fprintf(out->yaml, ", held%" PRIu64, t);
    add_number(out, -all->gate);
  }
  (void)fprintf(out->yaml, "]}\n  - linear: {name: select%" PRIu64 ", units: 1}\n  - relu: {name: gate%" PRIu64 "}\n",
                t, t);
  add_number(out, last ? 0 : -all->gate);
}

// The running total after interval t; behind the last one, the output.
static void add_total(writer *out, uint64_t t, uint64_t blocks) {
  if (t > 1) {
    (void)fprintf(out->yaml, "  - add: {name: both%" PRIu64 ", from: [total%" PRIu64 ", gate%" PRIu64 "]}\n", t, t - 1,
                  t);
  }
  if (t < blocks) {
    (void)fprintf(out->yaml, "  - relu: {name: total%" PRIu64 "}\n", t);
  }
}

static void write_deep(writer *out, const sht_sample *sample, const sht__projection *projection, const sht__fit *fit) {
  const plan all = make_plan(fit);
  char from[SHT_NAME_MAX] = "project";
  (void)fprintf(out->yaml, "  - linear: {name: project, units: 1}\n");
  add_numbers(out, projection->direction, sht__sample_dims(sample));
  add_number(out, projection->offset);
  for (uint64_t t = 1; t <= fit->blocks; t++) {
    const sht__units units = sht__fit_block(fit, t - 1);
    add_units(out, &units, t, from);
    if (t < fit->blocks) {
      add_boundary(out, &all, t, from);
      (void)fprintf(out->yaml, "  - relu: {name: x%" PRIu64 ", from: %s}\n", t, from);
      (void)snprintf(from, sizeof from, "x%" PRIu64, t);
    }
    add_gate(out, &all, t);
    add_total(out, t, fit->blocks);
  }
  (void)fprintf(out->yaml, "  - linear: {name: output, units: 1}\n");
  add_number(out, 1);
  add_number(out, fit->base);
}

// ---- text and numbers to a graph

static sht_status write_model(writer *out, const sht_sample *sample, const sht__projection *projection,
                              const sht__fit *fit, sht_error *error) {
  out->yaml = open_memstream(&out->text, &out->text_size);
  out->numbers = open_memstream(&out->bytes, &out->bytes_size);
  bool lost = out->yaml == NULL || out->numbers == NULL;
  if (!lost) {
    add_head(out, sample, fit);
    (fit->deep ? write_deep : write_shallow)(out, sample, projection, fit);
    lost = ferror(out->yaml) != 0 || ferror(out->numbers) != 0;
  }
  lost = (out->yaml != NULL && fclose(out->yaml) != 0) || lost;
  lost = (out->numbers != NULL && fclose(out->numbers) != 0) || lost;
  return lost ? SHT_FAIL(error, SHT_MEMORY, "no memory for the model") : SHT_OK;
}

static sht_graph_options graph_options(const sht_sample *sample) {
  return (sht_graph_options){.input = sample->shape, .classes = 1};
}

static sht_status open_in_memory(const writer *out, const sht_sample *sample, sht__network *network, sht_error *error) {
  const sht_graph_options options = graph_options(sample);
  SHT_TRY(
      sht__graph_read("the constructed model", "express", out->text, out->text_size, &options, &network->graph, error));
  const uint64_t count = network->graph->parameter_count;
  if (count * sizeof(double) != out->bytes_size) {
    return SHT_FAIL(error, SHT_INTERNAL, "the constructed model has %" PRIu64 " weights, %zu were written", count,
                    out->bytes_size / sizeof(double));
  }
  SHT_TRY(SHT_ALLOC(&network->parameters, count, "weights", error));
  memcpy(network->parameters, out->bytes, out->bytes_size);
  return SHT_OK;
}

// ---- files

// values: floats or doubles, [P]
static void name_tensor(const sht_parameter *parameter, const void *values, sht_dtype dtype, sht_tensor *tensor) {
  (void)snprintf(tensor->name, sizeof tensor->name, "%s", parameter->name);
  tensor->dtype = dtype;
  tensor->rank = parameter->rank;
  for (int i = 0; i < parameter->rank; i++) {
    tensor->dims[i] = parameter->dims[i];
  }
  const uint64_t element = sht_dtype_size(dtype);
  tensor->bytes = (const char *)values + parameter->offset * element;
  tensor->size = parameter->count * element;
}

static sht_status write_tensors(const sht__network *network, const void *values, sht_dtype dtype, const char *path,
                                sht_error *error) {
  const sht_graph *graph = network->graph;
  sht_tensor *tensors = NULL;
  SHT_TRY(SHT_ALLOC(&tensors, graph->parameter_tensors, "list of tensors", error));
  for (int i = 0; i < graph->parameter_tensors; i++) {
    name_tensor(&graph->parameters[i], values, dtype, &tensors[i]);
  }
  const sht_metadata metadata[] = {{"format", "pt"}, {"producer", "shatter"}, {"model", graph->name}};
  sht_status status = sht_safetensors_write(path, tensors, graph->parameter_tensors, metadata, 3, error);
  sht_free(tensors);
  return status;
}

static sht_status write_weights(const sht__network *network, bool single, const char *path, sht_error *error) {
  if (!single) {
    return write_tensors(network, network->parameters, SHT_DTYPE_F64, path, error);
  }
  const uint64_t count = network->graph->parameter_count;
  float *floats = NULL;
  SHT_TRY(SHT_ALLOC(&floats, count, "weights", error));
  for (uint64_t i = 0; i < count; i++) {
    floats[i] = (float)network->parameters[i];
  }
  sht_status status = write_tensors(network, floats, SHT_DTYPE_F32, path, error);
  sht_free(floats);
  return status;
}

static sht_status read_parameter(const sht_safetensors *file, const sht_parameter *parameter, bool single, double *out,
                                 sht_error *error) {
  const sht_tensor *tensor = NULL;
  SHT_TRY(sht_safetensors_find(file, parameter->name, single ? SHT_DTYPE_F32 : SHT_DTYPE_F64, parameter->count, &tensor,
                               error));
  if (!single) {
    memcpy(out, tensor->bytes, tensor->size);
    return SHT_OK;
  }
  for (uint64_t i = 0; i < parameter->count; i++) {
    float value = 0;
    memcpy(&value, (const char *)tensor->bytes + i * sizeof value, sizeof value);
    out[i] = (double)value;
  }
  return SHT_OK;
}

static sht_status read_files(const char *model, const char *weights, const sht_sample *sample, bool single,
                             sht__network *network, sht_error *error) {
  const sht_graph_options options = graph_options(sample);
  SHT_TRY(sht_graph_open(model, &options, &network->graph, error));
  SHT_TRY(SHT_ALLOC(&network->parameters, network->graph->parameter_count, "weights", error));
  sht_safetensors *file = NULL;
  SHT_TRY(sht_safetensors_open(weights, &file, error));
  sht_status status = SHT_OK;
  for (int i = 0; i < network->graph->parameter_tensors && status == SHT_OK; i++) {
    const sht_parameter *parameter = &network->graph->parameters[i];
    status = read_parameter(file, parameter, single, network->parameters + parameter->offset, error);
  }
  sht_safetensors_close(file);
  return status;
}

// Writes the network and puts what is read back in its place: the checks then speak of the files.
static sht_status store(const writer *out, const sht_sample *sample, const sht_express_options *options,
                        sht__network *network, sht_error *error) {
  char model[PATH_BYTES], weights[PATH_BYTES];
  SHT_TRY(sht_folder_make(options->folder, error));
  SHT_TRY(sht_path_join(model, sizeof model, options->folder, "model.yaml", error));
  SHT_TRY(sht_path_join(weights, sizeof weights, options->folder, "weights.safetensors", error));
  SHT_TRY(sht_file_write(model, out->text, out->text_size, error));
  SHT_TRY(write_weights(network, options->single, weights, error));
  sht__network_close(network);
  return read_files(model, weights, sample, options->single, network, error);
}

sht_status sht__network_open(const sht_sample *sample, const sht__projection *projection, const sht__fit *fit,
                             const sht_express_options *options, sht__network *out, sht_error *error) {
  *out = (sht__network){0};
  writer text = {.single = options->single};
  sht_status status = write_model(&text, sample, projection, fit, error);
  if (status == SHT_OK) {
    status = open_in_memory(&text, sample, out, error);
  }
  if (status == SHT_OK && options->folder != NULL) {
    status = store(&text, sample, options, out, error);
  }
  free(text.text);
  free(text.bytes);
  return status;
}

void sht__network_close(sht__network *network) {
  sht_graph_close(network->graph);
  sht_free(network->parameters);
  *network = (sht__network){0};
}

// ---- counting

sht_status sht__network_measure(const sht_graph *graph, uint32_t *depth, uint32_t *width, sht_error *error) {
  uint32_t *level = NULL;  // [node_count] ReLU layers up to and with the node
  uint32_t *units = NULL;  // [node_count + 1] ReLUs of a level
  SHT_TRY(SHT_ALLOC(&level, graph->node_count, "levels", error));
  sht_status status = SHT_ALLOC(&units, graph->node_count + 1, "levels", error);
  *depth = 0;
  *width = 0;
  for (int i = 0; status == SHT_OK && i < graph->node_count; i++) {
    const sht_node *node = &graph->nodes[i];
    for (int j = 0; j < node->input_count; j++) {
      level[i] = level[node->inputs[j]] > level[i] ? level[node->inputs[j]] : level[i];
    }
    if (node->op == SHT_OP_RELU) {
      level[i]++;
      units[level[i]] += node->out.channels;
      *width = units[level[i]] > *width ? units[level[i]] : *width;
    }
    *depth = level[i] + 1;  // the last node's stands: the output layer
  }
  sht_free(level);
  sht_free(units);
  return status;
}
