// Section 5 of the paper on one data set, from the closed form to interpolants that do not generalise. See linear.h.
#include "theory/linear.h"

#include <math.h>

#include "base/memory.h"

static sht_status check_options(const sht_linear_options *options, sht_error *error) {
  if (!isnan(options->learning_rate) && !(options->learning_rate > 0)) {
    return SHT_FAIL(error, SHT_CONFIG, "the learning rate %g must be above 0", options->learning_rate);
  }
  if (!isnan(options->sigma) && !(options->sigma > 0)) {
    return SHT_FAIL(error, SHT_CONFIG, "the kernel's width sigma %g must be above 0", options->sigma);
  }
  return SHT_OK;
}

static void describe(const sht_dataset *data, const sht__linear *problem, sht_linear_result *result) {
  result->examples = problem->n;
  result->dims = problem->d;
  result->test_examples = problem->m;
  result->test_given = data->test.count;
  result->classes = problem->classes;
  result->largest_eigenvalue = problem->largest;
  result->smallest_eigenvalue = problem->smallest;
}

sht_status sht_linear(const sht_dataset *data, const sht_linear_options *options, const sht_theory_observer *observer,
                      sht_linear_result *result, sht_error *error) {
  *result = (sht_linear_result){0};
  SHT_TRY(check_options(options, error));
  sht__linear problem;
  sht__descents descents = {0};
  sht_status status = sht__linear_open(data, options->threads, observer, &problem, error);
  if (status == SHT_OK) {
    describe(data, &problem, result);
    status = sht__linear_descend(&problem, options, observer, &descents, result, error);
  }
  if (status == SHT_OK) {
    status = sht__linear_hessian(&problem, &descents, options->seed, &result->hessian, error);
  }
  if (status == SHT_OK) {
    status = sht__linear_interpolants(&problem, &descents, options, observer, result, error);
  }
  if (status == SHT_OK) {
    result->minimum = problem.minimum;
    result->descent = descents.zero;
    problem.minimum = NULL;
    descents.zero = NULL;
  }
  sht_free(descents.zero);
  sht_free(descents.random);
  sht__linear_close(&problem);
  return status;
}

void sht_linear_result_close(sht_linear_result *result) {
  sht_free(result->minimum);
  sht_free(result->descent);
  result->minimum = NULL;
  result->descent = NULL;
}
