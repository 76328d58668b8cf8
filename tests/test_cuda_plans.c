// What cuDNN has for cards that are not here: since 9.8 it plans for a card that is only described. For each shipped
// network, precision and direction there must be an engine that promises the same bits from run to run, so that none of
// our own straight loops (`direct`) is needed, with a workspace that is small beside the card.
//
// Kernels that cuDNN compiles when they are asked for need the driver's library, even to be proposed. Where that is not
// there, a toolkit's stub of it does, which can compile but not load: so of fused convolutions it is only looked at
// whether one is proposed.
#include <dlfcn.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
// after the headers that it needs
#include <cmocka.h>

#include "engine/cuda/descriptor.h"
#include "engine/cuda/plan.h"
#include "shatter/model.h"

#if CUDNN_VERSION >= 90800

typedef struct card {
  const char *name;
  int capability;  // 10 times
  int processors;
  int shared_kb;  // of a block, at most
  int threads;    // of a processor
  int blocks;
  int l2_mb, memory_gb;
} card;

// As their makers' documents have them.
static const card cards[] = {
    {"A100", 80, 108, 163, 2048, 32, 40, 80},    {"RTX 4090", 89, 128, 99, 1536, 24, 72, 24},
    {"H100", 90, 132, 227, 2048, 32, 50, 80},    {"H200", 90, 132, 227, 2048, 32, 50, 141},
    {"B200", 100, 148, 227, 2048, 32, 126, 180},
};

static const char *const models[] = {"inception", "inception-nobn", "alexnet", "resnet18", "wrn-28-1"};
static const sht_precision precisions[] = {SHT_BF16, SHT_TF32, SHT_FP32};
static const char *const precision_names[] = {"bf16", "tf32", "fp32"};

enum { BATCH = 128, WORKSPACE_MB = 512, COUNT_OF_CARDS = sizeof cards / sizeof cards[0] };

// NULL: cuDNN does not know the card.
static cudnnBackendDescriptor_t describe_card(const card *c) {
  char text[1024];
  cudnnBackendDescriptor_t out = NULL;
  const int length = snprintf(
      text, sizeof text,
      "{\"deviceVer\": %d, \"driverVer\": 13000, \"cudaDeviceId\": 0, \"deviceName\": \"%s\", \"maxGridSize\": "
      "[2147483647, 65535, 65535], \"maxBlockSize\": [1024, 1024, 64], \"regsPerBlock\": 65536, "
      "\"multiProcessorCount\": "
      "%d, \"warpSize\": 32, \"maxSharedMemoryPerBlock\": 49152, \"maxSharedMemoryPerBlockOptin\": %d, "
      "\"reservedSharedMemoryPerBlock\": 1024, \"maxRegistersPerSM\": 65536, \"maxCtasPerSM\": %d, "
      "\"maxThreadsPerBlock\": 1024, \"maxThreadsPerSM\": %d, \"pciDeviceId\": 0, \"isTccDriver\": 0, "
      "\"supportCoopLaunch\": 1, \"smClockRateKHz\": 1900000, \"memClockRateKHz\": 2600000, \"l2CacheSize\": %d, "
      "\"totalGlobalMem\": %llu}",
      10 * c->capability, c->name, c->processors, c->shared_kb << 10, c->blocks, c->threads, c->l2_mb << 20,
      (unsigned long long)c->memory_gb << 30);
  cuda_draft draft = cuda_draft_of(CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR);
  cuda_draft_set(&draft, CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION, CUDNN_TYPE_CHAR, length, text);
  (void)cuda_draft_finish(&draft, &out);
  return out;
}

static sht_graph *open_graph(const char *model) {
  const sht_graph_options options = {.input = {.height = 28, .width = 28, .channels = 3}, .classes = 10};
  sht_graph *graph = NULL;
  sht_error error = {.message = ""};
  if (sht_graph_open(model, &options, &graph, &error) != SHT_OK) {
    fail_msg("%s: %s", model, error.message);
  }
  return graph;
}

typedef struct tally {
  int planned, missing;
  uint64_t workspace;  // the largest
} tally;

static void plan_layer(const cuda_place *place, const sht_graph *graph, const sht_node *node, sht_precision precision,
                       tally *all) {
  const cuda_convolution_shape shape = cuda_shape_of(graph, node, BATCH, precision);
  sht_error error = {.message = ""};
  for (cuda_direction d = CUDA_FORWARD; d < CUDA_DIRECTIONS; d++) {
    cuda_convolution found;
    if (cuda_convolution_open(place, &shape, d, node->name, &found, &error) != SHT_OK) {
      fail_msg("%s: %s", node->name, error.message);
    }
    if (found.plan == NULL) {
      print_message("%s of %s, direction %d: nothing\n", node->name, graph->name, (int)d);
    }
    all->planned += found.plan != NULL;
    all->missing += found.plan == NULL;
    all->workspace = found.workspace_bytes > all->workspace ? found.workspace_bytes : all->workspace;
    cuda_convolution_close(&found);
  }
}

static void all_convolutions_are_had(void **state) {
  const card *c = *state;
  const cuda_place place = {.described = describe_card(c)};
  assert_non_null(place.described);
  int missing = 0;
  for (size_t p = 0; p < sizeof precisions / sizeof precisions[0]; p++) {
    tally all = {.planned = 0};
    for (size_t m = 0; m < sizeof models / sizeof models[0]; m++) {
      sht_graph *graph = open_graph(models[m]);
      for (int i = 0; i < graph->node_count; i++) {
        if (graph->nodes[i].op == SHT_OP_CONV) {
          plan_layer(&place, graph, &graph->nodes[i], precisions[p], &all);
        }
      }
      sht_graph_close(graph);
    }
    print_message("%s, %s: %d of %d convolutions are cuDNN's, the largest workspace %.1f MB\n", c->name,
                  precision_names[p], all.planned, all.planned + all.missing, (double)all.workspace / (1 << 20));
    assert_true(all.workspace < (uint64_t)WORKSPACE_MB << 20);
    missing += all.missing;
  }
  cuda_descriptor_destroy(place.described);
  assert_int_equal(missing, 0);
}

// ---- in one launch with bias and ReLU

// The ReLU that alone reads the node: -1: none.
static int relu_behind(const sht_graph *graph, int node) {
  int relu = -1;
  int readers = 0;
  for (int i = 0; i < graph->node_count; i++) {
    for (int k = 0; k < graph->nodes[i].input_count; k++) {
      if (graph->nodes[i].inputs[k] == node) {
        readers++;
        relu = graph->nodes[i].op == SHT_OP_RELU ? i : -1;
      }
    }
  }
  return readers == 1 ? relu : -1;
}

// Into a slice of a tensor of so many times the channels.
static void check_fused(const cuda_place *place, const sht_graph *graph, int node, int64_t slices) {
  const sht_node *n = &graph->nodes[node];
  cuda_convolution_shape shape = cuda_shape_of(graph, n, BATCH, SHT_BF16);
  cuda_convolution found;
  sht_error error = {.message = ""};
  shape.bias = n->bias >= 0;
  shape.relu = relu_behind(graph, node) >= 0;
  shape.y_spacing = slices * shape.filters;
  assert_true(cuda_convolution_is_fused(&shape));
  assert_int_equal(cuda_convolution_open(place, &shape, CUDA_FORWARD, n->name, &found, &error), SHT_OK);
  if (found.proposed == 0) {
    fail_msg("%s of %s, %d slices: nothing", n->name, graph->name, (int)slices);
  }
  cuda_convolution_close(&found);
}

static void bias_and_relu_are_proposed(void **state) {
  (void)state;
  void *driver = dlopen("libcuda.so.1", RTLD_LAZY);
  if (driver == NULL) {
    print_message("SKIP: neither NVIDIA's driver nor a stub of it is found, without which cuDNN compiles nothing\n");
    skip();
  }
  static const struct {
    const char *model;
    int64_t slices;
    int every;  // one of so many: each takes a second
  } looks[] = {{"alexnet", 1, 1}, {"inception-nobn", 2, 5}};
  const cuda_place place = {.described = describe_card(&cards[2])};
  for (size_t m = 0; m < sizeof looks / sizeof looks[0]; m++) {
    sht_graph *graph = open_graph(looks[m].model);
    int seen = 0;
    for (int i = 0; i < graph->node_count; i++) {
      if (graph->nodes[i].op == SHT_OP_CONV && seen++ % looks[m].every == 0) {
        check_fused(&place, graph, i, looks[m].slices);
      }
    }
    sht_graph_close(graph);
  }
  cuda_descriptor_destroy(place.described);
  (void)dlclose(driver);
}

int main(void) {
  struct CMUnitTest tests[COUNT_OF_CARDS + 1];
  for (size_t i = 0; i < COUNT_OF_CARDS; i++) {
    tests[i] = (struct CMUnitTest){cards[i].name, all_convolutions_are_had, NULL, NULL, (void *)&cards[i]};
  }
  tests[COUNT_OF_CARDS] = (struct CMUnitTest)cmocka_unit_test(bias_and_relu_are_proposed);
  return _cmocka_run_group_tests("plans for cards that are not here", tests, COUNT_OF_CARDS + 1, NULL, NULL);
}

#else

int main(void) {
  puts("SKIP: this cuDNN is older than 9.8 and plans for no card that is not there");
  return 77;
}

#endif
