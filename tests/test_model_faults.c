// Every way in which a model file can be wrong, and the sentence that it gets, with its place.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
// after the four headers that it needs
#include <cmocka.h>

#include "model/build.h"

enum { FRAGMENTS_MAX = 8 };

static const sht_graph_options cifar = {.input = {3, 28, 28}, .classes = 10};

static sht_status read_graph(const char *text, const sht_graph_options *options, sht_error *error) {
  sht_graph *graph = NULL;
  sht_status status = sht__graph_read("m.yaml", "m", text, strlen(text), options, &graph, error);
  assert_int_equal(status == SHT_OK, graph != NULL);
  sht_graph_close(graph);
  return status;
}

static void assert_holds(const char *message, const char *fragment) {
  if (strstr(message, fragment) == NULL) {
    print_error("expected:\n%s\nin:\n%s\n", fragment, message);
    fail();
  }
}

static int count_faults(const char *message) {
  int count = 0;
  for (const char *at = message; (at = strstr(at, "m.yaml:")) != NULL; at++) {
    count++;
  }
  return count;
}

typedef struct row {
  const char *text;
  int faults;  // that the message tells
  const char *fragments[FRAGMENTS_MAX];
} row;

// A list of layers that ends well.
#define TAIL "  - linear: {units: classes}\n"

static void check_rows(const row *rows, size_t count) {
  for (size_t i = 0; i < count; i++) {
    sht_error error = {0};
    sht_status status = read_graph(rows[i].text, &cifar, &error);
    if (status != SHT_CONFIG) {
      print_error("accepted:\n%s\n", rows[i].text);
    }
    assert_int_equal(status, SHT_CONFIG);
    for (int j = 0; j < FRAGMENTS_MAX && rows[i].fragments[j] != NULL; j++) {
      assert_holds(error.message, rows[i].fragments[j]);
    }
    if (count_faults(error.message) != rows[i].faults) {
      print_error("expected %d faults in:\n%s\n", rows[i].faults, error.message);
      fail();
    }
  }
}

#define CHECK(rows) check_rows(rows, sizeof(rows) / sizeof(rows)[0])

static void top_level(void **state) {
  (void)state;
  static const row rows[] = {
      {"", 1, {"m.yaml: the file is empty"}},
      {"- relu\n", 1, {"m.yaml:1:1: a model file is a mapping with a list of layers"}},
      {"name: x\n", 1, {"m.yaml:1:1: a model needs a list of layers"}},
      {"layers: []\n", 1, {"m.yaml:1:9: a model needs a list of layers"}},
      {"layers: {relu: {}}\n", 1, {"m.yaml:1:9: a model needs a list of layers"}},
      {"layer:\n" TAIL, 2, {"m.yaml:1:1: unknown key \"layer\"", "did you mean \"layers\"?", "a model needs a list"}},
      {"name: [a]\nlayers:\n" TAIL, 1, {"m.yaml:1:7: name: must be a word of at most 63 letters, not a list"}},
      {"init: he\nlayers:\n" TAIL,
       1,
       {"m.yaml:1:7: init: \"he\" is not an initialisation", "known initialisations: he-normal"}},
      {"init: normal\nlayers:\n" TAIL, 1, {"m.yaml:1:7: init: \"normal\" is not an initialisation"}},
      {"init: {normal: -1}\nlayers:\n" TAIL,
       1,
       {"m.yaml:1:16: init: normal must be a number from 0 to 1000, not \"-1\""}},
      {"init: {he-normal: 1, normal: 2}\nlayers:\n" TAIL, 1, {"m.yaml:1:7: init: a mapping is not an initialisation"}},
      {"recipe: 0.1\nlayers:\n" TAIL, 1, {"m.yaml:1:9: recipe: must be a mapping"}},
      {"recipe: {learning-rate: \"0.1\", momentum: 1}\nlayers:\n" TAIL,
       2,
       {"m.yaml:1:25: recipe: learning-rate must be a number from 1e-12 to 1000, not \"0.1\" in quotes",
        "m.yaml:1:42: recipe: momentum must be a number from 0 to 0.9999, not \"1\""}},
      {"recipe: {lr: 0.1}\nlayers:\n" TAIL,
       1,
       {"m.yaml:1:10: recipe: unknown key \"lr\"", "known keys: learning-rate"}},
      {"input: {height: 32, width: 32}\nlayers:\n" TAIL,
       1,
       {"m.yaml:1:8: input: the model wants images of 3x32x32 (channels x height x width), the data's are 3x28x28"}},
      {"input: {height: tall}\nlayers:\n" TAIL, 1, {"m.yaml:1:17: input: height must be a whole number"}},
  };
  CHECK(rows);
}

static void items_and_options(void **state) {
  (void)state;
  static const row rows[] = {
      {"layers:\n  - shift: {units: 4}\n" TAIL,
       1,
       {"m.yaml:2:5: layer \"shift\": shift takes one value, not 3x28x28", "put \"linear: {units: 1}\" before it"}},
      {"layers:\n  - linear: {units: 1}\n  - shift\n" TAIL, 1, {"m.yaml:3:5: layer \"shift\": needs \"units\""}},
      {"layers:\n  - conv:\n    filters: 3\n" TAIL,
       1,
       {"m.yaml:2:5: layer 1: a layer is one kind with its options, not a mapping with several keys"}},
      {"layers:\n  - [relu]\n" TAIL, 1, {"m.yaml:2:5: layer 1: a layer is one kind with its options, not a list"}},
      {"layers:\n  -\n" TAIL, 1, {"m.yaml:2:4: layer 1: a layer is one kind with its options, not nothing"}},
      {"layers:\n  - relu: 3\n" TAIL, 1, {"m.yaml:2:11: layer 1: the options of a layer are a mapping"}},
      {"layers:\n  - rleu\n" TAIL,
       1,
       {"m.yaml:2:5: layer \"rleu\": there is no kind of layer or block \"rleu\"\n      - rleu\n        ^\n",
        "did you mean \"relu\"?"}},
      {"layers:\n  - softmaximum\n" TAIL, 1, {"known kinds of layer: conv, linear, batchnorm"}},
      {"layers:\n  - conv: {filters: 3, kernal: 3}\n" TAIL,
       1,
       {"m.yaml:2:24: layer \"conv\": unknown key \"kernal\"", "did you mean \"kernel\"?"}},
      {"layers:\n  - conv: {stride: 2}\n" TAIL, 2, {"layer \"conv\": needs \"filters\"", "needs \"kernel\""}},
      {"layers:\n  - conv\n" TAIL, 2, {"m.yaml:2:5: layer \"conv\": needs \"filters\"", "for example filters: 64"}},
      {"layers:\n  - conv: {filters: 0, kernel: 2.5, stride: -1, bias: no}\n" TAIL,
       4,
       {"filters must be a whole number from 1 to 1048576, not \"0\"",
        "kernel must be a whole number from 1 to 1024, not \"2.5\"", "stride must be",
        "bias must be true or false, not \"no\""}},
      {"layers:\n  - conv: {filters: 4, kernel: 3, padding: 3}\n" TAIL,
       1,
       {"m.yaml:2:44: layer \"conv\": padding must be same, valid or a number of pixels below the kernel's 3, not "
        "\"3\""}},
      {"layers:\n  - conv: {filters: 4, kernel: 3, padding: SAME}\n" TAIL, 1, {"padding must be same, valid"}},
      {"layers:\n  - conv: {filters: 4, kernel: 3, weight-decay: some}\n" TAIL,
       1,
       {"weight-decay cannot be \"some\"", "known values: none, weights, all"}},
      {"layers:\n  - conv: {filters: 4, kernel: 3, init: {trunc: 1}, bias-init: x}\n" TAIL,
       2,
       {"m.yaml:2:42: layer \"conv\": \"trunc\" is not an initialisation", "\"x\" is not an initialisation"}},
      {"layers:\n  - linear: {units: classes, bias-init: 1e300}\n",
       1,
       {"bias-init must be a number from -1000 to 1000, not \"1e300\""}},
      {"layers:\n  - linear: {units: many}\n", 1, {"units must be a whole number from 1 to 1048576, not \"many\""}},
      {"layers:\n  - batchnorm: {epsilon: 0, decay: 1, scale: 1}\n" TAIL,
       3,
       {"epsilon must be a number from 1e-12 to 1, not \"0\"", "decay must be", "scale must be true or false"}},
      {"layers:\n  - dropout\n" TAIL, 1, {"layer \"dropout\": needs \"probability\""}},
      {"layers:\n  - dropout: {probability: 1}\n" TAIL,
       1,
       {"probability must be a number from 0 to 0.999999, not \"1\""}},
      {"layers:\n  - lrn: {radius: -1, beta: x}\n" TAIL, 2, {"radius must be", "beta must be"}},
      {"layers:\n  - avgpool: {global: true, kernel: 2}\n" TAIL,
       1,
       {"m.yaml:2:37: layer \"avgpool\": kernel means nothing"}},
      {"layers:\n  - maxpool\n" TAIL, 1, {"needs \"kernel\""}},
      {"layers:\n  - relu: {inplace: true}\n" TAIL, 1, {"unknown key \"inplace\"", "known keys: name, from"}},
      {"layers:\n  - relu: {name: input}\n" TAIL, 1, {"m.yaml:2:18: layer 1: \"input\" cannot be a layer's name"}},
      {"layers:\n  - relu: {name: a/b}\n" TAIL, 1, {"\"a/b\" cannot be a layer's name", "letters, digits"}},
      {"layers:\n  - relu: {name: a}\n  - relu: {name: a}\n" TAIL,
       1,
       {"m.yaml:3:18: layer 2: a layer above is called \"a\" already"}},
  };
  CHECK(rows);
}

static void graph_structure(void **state) {
  (void)state;
  static const row rows[] = {
      {"layers:\n  - relu: {name: a, from: b}\n  - relu: {name: b}\n" TAIL,
       1,
       {"m.yaml:2:27: layer \"a\": \"b\" is not above this layer", "so that there are no cycles"}},
      {"layers:\n  - relu: {name: a, from: a}\n" TAIL, 1, {"layer \"a\": \"a\" is not above this layer"}},
      {"layers:\n  - relu: {name: first}\n  - relu: {from: frist}\n" TAIL,
       1,
       {"m.yaml:3:18: layer \"relu2\": there is no layer \"frist\" in this list", "did you mean \"first\"?"}},
      {"layers:\n  - relu: {from: [input, input]}\n" TAIL,
       1,
       {"m.yaml:2:18: layer \"relu\": a relu reads one layer, not 2"}},
      {"layers:\n  - add\n" TAIL, 1, {"layer \"add\": add reads 2 to 8 layers, not 1"}},
      {"layers:\n  - add: {from: [input]}\n" TAIL, 1, {"add reads 2 to 8 layers, not 1"}},
      {"layers:\n  - add: {from: [{a: b}, input]}\n" TAIL, 1, {"from must name layers, not a mapping"}},
      {"layers:\n  - relu: {name: a}\n  - relu: {from: input}\n" TAIL,
       1,
       {"m.yaml:2:5: layer \"a\": no layer reads its output"}},
      {"layers:\n  - conv: {filters: 4, kernel: 3}\n",
       1,
       {"m.yaml:2:5: layer \"conv\": the last layer gives 4x28x28 (channels x height x width), not one value for each "
        "of "
        "the 10 classes",
        "end with \"- linear: {units: classes}\""}},
      {"layers:\n  - linear: {units: 9}\n", 1, {"the last layer gives 9x1x1"}},
      {"layers:\n  - conv: {name: a, filters: 4, kernel: 3}\n  - add: {from: [a, input]}\n" TAIL,
       1,
       {"layer \"add\": the inputs must have one shape (channels x height x width): \"a\" gives 4x28x28 and \"input\" "
        "gives "
        "3x28x28",
        "project the shortcut"}},
      {"layers:\n  - maxpool: {name: a, kernel: 2}\n  - concat: {from: [a, input]}\n" TAIL,
       1,
       {"one height and width", "\"a\" gives 3x14x14 and \"input\" gives 3x28x28"}},
      {"layers:\n  - conv: {filters: 4, kernel: 29, padding: valid}\n" TAIL,
       1,
       {"m.yaml:2:5: layer \"conv\": a 29x29 window does not fit in its input of 28x28", "smaller kernel"}},
      {"layers:\n  - linear: {units: 1000000}\n  - linear: {units: 1000000}\n" TAIL,
       1,
       {"m.yaml:3:5: layer \"linear2\": more than 4,294,967,295 weights"}},
      {"layers:\n  - conv: {filters: 1000000, kernel: 100, padding: 99}\n" TAIL,
       1,
       {"more than 4,294,967,295 weights"}},
      {"layers:\n  - conv: {filters: 1048576, kernel: 20, padding: 19}\n" TAIL,
       1,
       {"its output has 2316304384 values for one example, more than 2147483647"}},
  };
  CHECK(rows);
}

static void blocks(void **state) {
  (void)state;
  static const row rows[] = {
      {"blocks: [a]\nlayers:\n" TAIL, 1, {"m.yaml:1:9: blocks must be a mapping"}},
      {"blocks:\n  a: 3\nlayers:\n  - a\n" TAIL, 1, {"m.yaml:2:6: block \"a\": a block is a mapping"}},
      {"blocks:\n  a: {layers: []}\nlayers:\n  - a\n" TAIL, 1, {"m.yaml:2:15: block \"a\": needs a list of layers"}},
      {"blocks:\n  a: {layer: [relu]}\nlayers:\n  - a\n" TAIL,
       2,
       {"block \"a\": unknown key \"layer\"", "needs a list"}},
      {"blocks:\n  conv: {layers: [relu]}\nlayers:\n" TAIL, 1, {"block \"conv\": a kind of layer is called so"}},
      {"blocks:\n  a b: {layers: [relu]}\nlayers:\n  - a b\n" TAIL, 1, {"a block's name has letters, digits"}},
      {"blocks:\n  a: {layers: [relu]}\nlayers:\n" TAIL, 1, {"m.yaml:2:3: the block \"a\" is never used"}},
      {"blocks:\n  a: {layers: [a]}\nlayers:\n  - a\n" TAIL,
       1,
       {"m.yaml:2:16: layer \"a/a\": the block \"a\" is not defined above this one"}},
      {"blocks:\n  a: {layers: [b]}\n  b: {layers: [a]}\nlayers:\n  - a\n" TAIL,
       1,
       {"the block \"b\" is not defined above"}},
      {"blocks:\n  a: {parameters: [x], layers: [relu]}\nlayers:\n  - a\n" TAIL,
       1,
       {"parameters must be a mapping of at most 16"}},
      {"blocks:\n  a: {parameters: {name: 1, x: [1]}, layers: [relu]}\nlayers:\n  - a\n" TAIL,
       2,
       {"every layer has \"name\" already", "the default of \"x\" must be a plain value"}},
      {"blocks:\n  a: {parameters: {n: required}, layers: [linear: {units: $n}]}\nlayers:\n  - a\n" TAIL,
       1,
       {"m.yaml:4:5: layer \"a\": needs \"n\""}},
      {"blocks:\n  a: {parameters: {n: 3}, layers: [linear: {units: $m}]}\nlayers:\n  - a: {n: 4}\n" TAIL,
       1,
       {"m.yaml:2:52: layer \"a/linear\": \"$m\" is not known here", "did you mean \"n\"?"}},
      {"layers:\n  - linear: {units: $n}\n" TAIL, 1, {"\"$n\" is not known here", "$NAME stands for a parameter"}},
      {"blocks:\n  a: {parameters: {n: 3}, layers: [relu]}\nlayers:\n  - a\n" TAIL,
       1,
       {"m.yaml:2:20: the parameter \"n\" of the block \"a\" is never used"}},
      {"blocks:\n  a: {parameters: {n: 3}, layers: [linear: {units: $n}]}\nlayers:\n  - a: {m: 4}\n" TAIL,
       1,
       {"m.yaml:4:9: layer \"a\": unknown key \"m\"", "known keys: name, from, n"}},
      {"blocks:\n  a: {parameters: {n: 3}, layers: [linear: {units: $n}]}\nlayers:\n  - a: {n: x}\n  - a: {n: "
       "y}\n" TAIL,
       2,
       {"m.yaml:4:12: layer \"a1/linear\": units must be", "m.yaml:5:12: layer \"a2/linear\": units must be"}},
      // said once, at its first use
      {"blocks:\n  a: {layers: [linear: {units: x}]}\nlayers:\n  - a\n  - a\n  - a\n" TAIL, 1, {"layer \"a1/linear\""}},
      {"blocks:\n  a: {layers: [relu]}\nlayers:\n  - a: {from: [input, input]}\n" TAIL,
       1,
       {"a a reads one layer, not 2"}},
      {"blocks:\n  a: {layers: [relu: {from: out}]}\nlayers:\n  - relu: {name: out}\n  - a\n" TAIL,
       1,
       {"layer \"a/relu\": there is no layer \"out\" in this list"}},
  };
  CHECK(rows);
}

// Blocks that double at every level would open 2^20 layers.
static void explosions_are_stopped(void **state) {
  (void)state;
  char text[4096];
  size_t length = (size_t)snprintf(text, sizeof text, "blocks:\n  b0: {layers: [relu, relu]}\n");
  for (int i = 1; i < 15; i++) {
    length += (size_t)snprintf(text + length, sizeof text - length,
                               "  b%d: {layers: [b%d: {name: x}, b%d: {name: y}]}\n", i, i - 1, i - 1);
  }
  (void)snprintf(text + length, sizeof text - length, "layers:\n  - b14\n" TAIL);
  sht_error error = {0};
  assert_int_equal(read_graph(text, &cifar, &error), SHT_CONFIG);
  assert_holds(error.message, "more than 4096 layers");
}

static void names_that_grow_too_long(void **state) {
  (void)state;
  static const char text[] =
      "blocks:\n"
      "  a-name-of-20-letters: {layers: [relu: {name: and-another-one-of-32-letters-xx}]}\n"
      "  b-name-of-20-letters: {layers: [a-name-of-20-letters]}\n"
      "  c-name-of-20-letters: {layers: [b-name-of-20-letters]}\n"
      "layers:\n  - c-name-of-20-letters\n" TAIL;
  sht_error error = {0};
  assert_int_equal(read_graph(text, &cifar, &error), SHT_CONFIG);
  assert_holds(error.message, "m.yaml:2:35: layer \"c-name-of-20-letters/b-name-of-20-letters/a-name-of-20-letters");
  assert_holds(error.message, "the name is longer than 63 characters");
}

static void square_only(void **state) {
  (void)state;
  const sht_graph_options tall = {.input = {3, 28, 29}, .classes = 10};
  sht_error error = {0};
  assert_int_equal(read_graph("layers:\n  - maxpool: {kernel: 3, stride: 2}\n" TAIL, &tall, &error), SHT_CONFIG);
  assert_holds(error.message, "\"same\" padding differs between the height 28 and the width 29");
  assert_int_equal(read_graph("layers:\n  - avgpool: {global: true}\n" TAIL, &tall, &error), SHT_CONFIG);
  assert_holds(error.message, "global pooling needs a square input, not 28x29");
  assert_int_equal(read_graph("layers:\n  - conv: {filters: 4, kernel: 3}\n" TAIL, &tall, &error), SHT_OK);
}

static void faults_come_in_the_order_of_the_file(void **state) {
  (void)state;
  sht_error error = {0};
  assert_int_equal(
      read_graph("layers:\n  - conv: {filters: x, kernel: 3}\n" TAIL "recipe: {momentum: 2}\n", &cifar, &error),
      SHT_CONFIG);
  const char *first = strstr(error.message, "m.yaml:2:21");
  const char *second = strstr(error.message, "m.yaml:4:20");
  assert_true(first == error.message && second > first);
}

// A faulty layer, section or definition hides no mistake of those below it.
static void every_layer_is_read(void **state) {
  (void)state;
  static const row rows[] = {
      {"recipe: {speed: 3, momentum: 5}\n"
       "layers:\n"
       "  - conv: {filters: 16, kernal: 5, stride: 0}\n"
       "  - rellu\n"
       "  - {relu: {}, linear: {units: 3}}\n"
       "  - linear: {units: -5}\n"
       "  - conv: {colour: red, kernel: 3}\n" TAIL,
       9,
       {"m.yaml:1:10: recipe: unknown key \"speed\"", "m.yaml:1:30: recipe: momentum must be",
        "m.yaml:3:25: layer \"conv1\": unknown key \"kernal\"", "m.yaml:3:44: layer \"conv1\": stride must be",
        "m.yaml:4:5: layer \"rellu\": there is no kind", "m.yaml:5:5: layer 3: a layer is one kind",
        "m.yaml:6:21: layer \"linear1\": units must be", "m.yaml:7:12: layer \"conv2\": unknown key \"colour\""}},
  };
  CHECK(rows);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(top_level),
      cmocka_unit_test(items_and_options),
      cmocka_unit_test(graph_structure),
      cmocka_unit_test(blocks),
      cmocka_unit_test(explosions_are_stopped),
      cmocka_unit_test(names_that_grow_too_long),
      cmocka_unit_test(square_only),
      cmocka_unit_test(faults_come_in_the_order_of_the_file),
      cmocka_unit_test(every_layer_is_read),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
