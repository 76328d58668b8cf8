// What is said when there is no card to compute on, or it fails: the sentences, and what no driver gives.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
// after the headers that it needs
#include <cmocka.h>

#include "engine/cuda/device.h"
#include "engine/cuda/libraries.h"
#include "engine/cuda/operation.h"
#include "engine_graphs.h"
#include "shatter/engine.h"

static void says(sht_status status, sht_status expected, const sht_error *error, const char *const *words) {
  assert_int_equal(status, expected);
  for (; *words != NULL; words++) {
    if (strstr(error->message, *words) == NULL) {
      fail_msg("'%s' does not say '%s'", error->message, *words);
    }
  }
}

#define WORDS(...) ((const char *const[]){__VA_ARGS__, NULL})

static void drivers_are_told(void **state) {
  (void)state;
  sht_error error;
  says(cuda_fail_driver(0, 13000, &error), SHT_UNAVAILABLE, &error,
       WORDS("no NVIDIA driver", "CUDA 13", "--device cpu"));
  says(cuda_fail_driver(12040, 13000, &error), SHT_UNAVAILABLE, &error,
       WORDS("12.4", "13.0", "newer driver", "--device cpu"));
}

static void errors_of_the_card_say_what_to_do(void **state) {
  (void)state;
  sht_error error;
  assert_int_equal(cuda_check(cudaSuccess, "x", &error), SHT_OK);
  says(cuda_check(cudaErrorMemoryAllocation, "layer conv3, 4 GB", &error), SHT_MEMORY, &error,
       WORDS("layer conv3", "not enough memory", "--batch"));
  says(cuda_check(cudaErrorNoDevice, "x", &error), SHT_UNAVAILABLE, &error, WORDS("no card", "CUDA_VISIBLE_DEVICES"));
  says(cuda_check(cudaErrorECCUncorrectable, "a training step", &error), SHT_UNAVAILABLE, &error,
       WORDS("a training step", "stopped working", "shatter resume"));
  says(cuda_check(cudaErrorUnknown, "a training step", &error), SHT_UNAVAILABLE, &error, WORDS("shatter resume"));
  says(cuda_check((cudaError_t)226, "a training step", &error), SHT_UNAVAILABLE, &error, WORDS("shatter resume"));
  says(cuda_check(cudaErrorNoKernelImageForDevice, "x", &error), SHT_UNAVAILABLE, &error,
       WORDS("no code for this card", "SHATTER_CUDA_ARCHITECTURES"));
  says(cuda_check(cudaErrorStubLibrary, "x", &error), SHT_UNAVAILABLE, &error, WORDS("stand-in", "LD_LIBRARY_PATH"));
  says(cuda_check(cudaErrorIllegalAddress, "layer conv3", &error), SHT_INTERNAL, &error,
       WORDS("layer conv3", "cudaErrorIllegalAddress", "report"));
  says(cuda_check_cudnn(CUDNN_STATUS_SUBLIBRARY_LOADING_FAILED, "starting cuDNN", &error), SHT_UNAVAILABLE, &error,
       WORDS("starting cuDNN", "one folder"));
  says(cuda_check_cudnn(CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED, "layer conv3", &error), SHT_MEMORY,
       &error, WORDS("layer conv3", "the card has not enough memory"));
  says(cuda_check_cudnn(CUDNN_STATUS_INTERNAL_ERROR_HOST_ALLOCATION_FAILED, "layer conv3", &error), SHT_MEMORY, &error,
       WORDS("layer conv3", "this machine"));
  says(cuda_check_cublas(CUBLAS_STATUS_NOT_INITIALIZED, "starting cuBLASLt", &error), SHT_UNAVAILABLE, &error,
       WORDS("starting cuBLASLt", "must be installed"));
  says(cuda_check_cublas(CUBLAS_STATUS_INVALID_VALUE, "layer fc1", &error), SHT_INTERNAL, &error,
       WORDS("layer fc1", "report this"));
}

static void launch_nothing(void) {}

// Without a driver nothing of the engine works but this: it says so and leaves nothing behind.
static void no_card_is_an_answer(void **state) {
  (void)state;
  sht_error error = {.message = ""};
  cuda_device device;
  if (cuda_device_open(launch_nothing, &device, &error) == SHT_OK) {
    print_message("SKIP: this machine has a card\n");
    skip();
  }
  graph_builder b;
  graph_start(&b, "probe", (sht_shape){2, 1, 1}, 2);
  (void)graph_linear(&b, 0, 2, true);
  sht_engine_options options = {.backend = "cuda", .batch = 2, .train_examples = 2};
  sht_engine *engine = NULL;
  says(sht_engine_open(graph_finish(&b), &options, &engine, &error), SHT_UNAVAILABLE, &error, WORDS("--device cpu"));
  assert_null(engine);
  options.precision = SHT_FP64;
  says(sht_engine_open(graph_finish(&b), &options, &engine, &error), SHT_UNAVAILABLE, &error, WORDS("not fp64", "ref"));
}

// cuDNN checks what it is told before there is a card: every direction of sound shapes, and one that is not.
static void cudnn_takes_our_descriptions(void **state) {
  (void)state;
  static const int64_t kernels[][4] = {{1, 1, 0, 28}, {3, 1, 1, 28}, {3, 2, 0, 13}, {5, 1, 2, 28}, {4, 3, 1, 9}};
  sht_error error = {.message = ""};
  cuda_operation operation;
  for (size_t i = 0; i < sizeof kernels / sizeof kernels[0]; i++) {
    const int64_t *k = kernels[i];
    for (int bfloat16 = 0; bfloat16 < 2; bfloat16++) {
      cuda_convolution_shape shape = {.n = 128,
                                      .channels = 8,
                                      .height = 28,
                                      .width = 28,
                                      .filters = 96,
                                      .out_height = k[3],
                                      .out_width = k[3],
                                      .kernel = k[0],
                                      .stride = k[1],
                                      .padding = k[2],
                                      .bfloat16 = bfloat16 == 1};
      for (cuda_direction d = CUDA_FORWARD; d < CUDA_DIRECTIONS; d++) {
        if (cuda_operation_open(&shape, d, &operation, &error) != SHT_OK) {
          fail_msg("kernel %d, direction %d: %s", (int)k[0], (int)d, error.message);
        }
        cuda_operation_close(&operation);
        shape.out_width++;
        assert_int_equal(cuda_operation_open(&shape, d, &operation, &error), SHT_UNAVAILABLE);
        shape.out_width--;
      }
    }
  }
  cuda_convolution convolution = {.plan = NULL};
  static char memory[64] __attribute__((aligned(64)));
  const cuda_convolution_operands at = {.x = memory, .w = memory + 16, .y = memory + 32};
  assert_int_equal(cuda_convolution_bind(&convolution, 0, &at, NULL, &error), SHT_OK);
  cuda_convolution_close(&convolution);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(drivers_are_told),
      cmocka_unit_test(errors_of_the_card_say_what_to_do),
      cmocka_unit_test(no_card_is_an_answer),
      cmocka_unit_test(cudnn_takes_our_descriptions),
  };
  return cmocka_run_group_tests_name("cuda without a card", tests, NULL, NULL);
}
