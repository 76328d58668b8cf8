// What `shatter kernel` was asked to do: its examples, from a data set or from NPY files, and its options.
#ifndef SHT_CLI_KERNEL_TASK_H
#define SHT_CLI_KERNEL_TASK_H

#include <string.h>

#include "cli/cli.h"
#include "shatter/kernel.h"

typedef struct sht_kernel_task {
  sht_kernel_options options;
  sht_kernel_examples train, test;
  bool has_test;
  bool has_other_labels;
  sht_dataset *data;  // NULL: arrays
  uint16_t *other_labels;
  float *inputs[2];  // of arrays: training, test
  double *targets[2];
  sht_pool *pool;
  double peak_gflops;  // fp32 multiply-add peak of the threads of all ranks, measured after the solution;
                       // NaN on a card
  double core_share;   // of a core, what each thread of this process had during the solution
} sht_kernel_task;

// Reads data and options. Close in every case. Errors: SHT_USAGE, SHT_CONFIG, those of the data.
sht_status sht__kernel_task_open(const sht_cli *cli, sht_kernel_task *task, sht_error *error);
void sht__kernel_task_close(sht_kernel_task *task);

// Whether the problem is solved on a card.
static inline bool sht__kernel_on_card(const sht_kernel_task *task) {
  return task->options.device != NULL && strcmp(task->options.device, "cuda") == 0;
}

// Prints what came out, as text or (--json) as the object, and writes the files of --output.
sht_status sht__kernel_answer(sht_cli *cli, const sht_kernel_task *task, const sht_kernel_result *result,
                              sht_error *error);

// What came out, for people, on standard output. Errors: SHT_MEMORY.
sht_status sht__kernel_print(const sht_cli *cli, const sht_kernel_task *task, const sht_kernel_result *result,
                             sht_error *error);
// Whether every ridge was solved.
bool sht__kernel_is_solved(const sht_kernel_result *result);

#endif
