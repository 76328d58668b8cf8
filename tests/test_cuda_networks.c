// The networks as shipped on the engine 'cuda' against the reference: forward, every gradient tensor, and weights,
// momentum, running statistics and evaluation after three steps; and the same bits from run to run. Skips without a
// card.
//
// Limits: those of the engine 'cpu' (network_exam.h), which has the same roundings. tf32 rounds factors to 11
// bits where bf16 has 8: a share of an eighth of bf16's choices come out differently, whose square root is a third.
#include "network_exam.h"

static void check_precision(const exam *e, sht_precision precision, limits limit) {
  outcome one;
  outcome two;
  sht_error error = {.message = ""};
  if (trial_run(&e->trial, "cuda", precision, 1, &one, &error) != SHT_OK) {
    fail_msg("%s: %s", e->network->name, error.message);
  }
  verdict v = outcome_compare(&e->trial, &one, &e->expected, limit);
  verdict_print(&v);
  assert_int_equal(v.failures, 0);
  assert_int_equal(trial_run(&e->trial, "cuda", precision, 1, &two, NULL), SHT_OK);
  if (!outcome_same_bits(&e->trial, &one, &two)) {
    fail_msg("%s: other bits in another run", e->network->name);
  }
  outcome_close(&one);
  outcome_close(&two);
}

static void network_agrees(void **state) {
  exam e;
  char reason[SHT_ERROR_MESSAGE_MAX];
  if (!backend_present("cuda", SHT_FP32, reason, sizeof reason)) {
    print_message("SKIP: %s\n", reason);
    skip();
  }
  exam_open(&e, *state);
  check_sense(&e);
  const limits bf16 = e.network->bf16;
  const limits tf32 = {bf16.forward / 3, bf16.gradient / 2, bf16.state};
  check_precision(&e, SHT_FP32, e.network->fp32);
  check_precision(&e, SHT_TF32, tf32);
  check_precision(&e, SHT_BF16, bf16);
  exam_close(&e);
}

// Arguments: names of networks to look at alone.
int main(int count, char **names) {
  struct CMUnitTest tests[sizeof networks / sizeof networks[0]];
  size_t chosen = 0;
  for (size_t i = 0; i < sizeof networks / sizeof networks[0]; i++) {
    bool wanted = count < 2;
    for (int n = 1; n < count; n++) {
      wanted = wanted || strcmp(names[n], networks[i].name) == 0;
    }
    if (wanted) {
      tests[chosen++] = (struct CMUnitTest){networks[i].name, network_agrees, NULL, NULL, (void *)&networks[i]};
    }
  }
  return _cmocka_run_group_tests("networks on cuda against the reference", tests, chosen, NULL, NULL);
}
