// The five networks of the paper and two residual ones, as shipped, and with dropout put before linear layers, on
// another engine against the reference: forward, every gradient tensor, and weights, momentum, running statistics and
// evaluation after three steps, the second of them with a smaller batch; and the same bits at any number of threads.
//
// Limits. fp32: each of the up to 21 convolutions and 20 normalisations in a row adds a relative error of about 1e-6
// (sums of 27 to 3136 products in float), so logits agree to 1e-5 or so. Gradients do worse: where a pre-activation
// lies nearer to zero than its error, or two elements of a window nearer to one another, that element's whole gradient
// comes or goes. Such a share s of the elements, about as large as the relative error, 1e-6, adds sqrt(s) = 1e-3 to the
// error in the norm. The same holds in bf16 with 2^-9 for each rounding: some 1 % in the logits for each ten layers,
// and a share of 1 % of all choices of each layer that come out differently, 10 % in the norm, over all layers a third.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
// after the headers that it needs
#include <cmocka.h>

#include "network_exam.h"

// Runs on 1, 2, 3, 4 and 8 threads: the first is judged, the others must have its bits.
static void check_precision(const exam *e, sht_precision precision, limits limit) {
  static const int threads[] = {2, 3, 4, 8};
  outcome one;
  sht_error error = {.message = ""};
  if (trial_run(&e->trial, "cpu", precision, 1, &one, &error) != SHT_OK) {
    fail_msg("%s: %s", e->network->name, error.message);
  }
  verdict v = outcome_compare(&e->trial, &one, &e->expected, limit);
  verdict_print(&v);
  assert_int_equal(v.failures, 0);
  for (size_t i = 0; i < sizeof threads / sizeof threads[0]; i++) {
    outcome other;
    assert_int_equal(trial_run(&e->trial, "cpu", precision, threads[i], &other, NULL), SHT_OK);
    if (!outcome_same_bits(&e->trial, &other, &one)) {
      fail_msg("%s: %d threads give other bits than one", e->network->name, threads[i]);
    }
    outcome_close(&other);
  }
  outcome_close(&one);
}

static void network_agrees(void **state) {
  exam e;
  char reason[SHT_ERROR_MESSAGE_MAX];
  exam_open(&e, *state);
  check_sense(&e);
  bool fp32 = backend_present("cpu", SHT_FP32, reason, sizeof reason);
  if (fp32) {
    check_precision(&e, SHT_FP32, e.network->fp32);
  }
  bool bf16 = fp32 && backend_present("cpu", SHT_BF16, reason, sizeof reason);
  if (bf16) {
    check_precision(&e, SHT_BF16, e.network->bf16);
  }
  exam_close(&e);
  if (!bf16) {
    print_message("SKIP %s: %s\n", fp32 ? "bf16" : "cpu", reason);
    skip();
  }
}

int main(void) {
  struct CMUnitTest tests[sizeof networks / sizeof networks[0]];
  for (size_t i = 0; i < sizeof networks / sizeof networks[0]; i++) {
    tests[i] = (struct CMUnitTest){networks[i].name, network_agrees, NULL, NULL, (void *)&networks[i]};
  }
  return cmocka_run_group_tests_name("networks against the reference", tests, NULL, NULL);
}
