// The sentences above the figures: see report_measure.h.
#include "lab/report_measure.h"
#include "lab/svg_text.h"

static const double least_loss_shown = 0.001;

static void write_value(FILE *out, sht__measure what, const sht__report_run *run) {
  char text[SHT__TEXT_SIZE];
  const sht_epoch *last = &run->run->result.last;
  if (what == SHT__MEASURE_LOSS) {
    bool tiny = last->train_loss < least_loss_shown;
    (void)fprintf(out, "%s%s", tiny ? "below " : "",
                  sht__number_text(tiny ? least_loss_shown : last->train_loss, last->train_loss < 0.095 ? 3 : 2, false,
                                   text, sizeof text));
  } else {
    (void)fputs(sht__percent_text(sht__measure_value(what, last) / 100, text, sizeof text), out);
  }
}

static void capitalised(FILE *out, const char *text) {
  (void)fputc(text[0] >= 'a' && text[0] <= 'z' ? text[0] - 'a' + 'A' : text[0], out);
  (void)fputs(text + 1, out);
}

// What became of the randomised run, to begin the sentence with.
static void write_outcome(FILE *out, const sht__report_run *run, const sht__report_run *base) {
  const sht_run *r = run->run;
  capitalised(out, run->name);
  if (r->result.outcome == SHT_OUTCOME_DIVERGED) {
    (void)fputs(" diverged", out);
  } else if (r->result.fitted_epoch > 0) {
    (void)fputs(base->run->result.fitted_epoch > 0 ? " are fitted too" : " are fitted", out);
  } else {
    (void)fputs(r->complete ? " are not fitted" : " are not fitted yet", out);
  }
}

static void write_one_finding(FILE *out, sht__measure what, const sht__report_run *run) {
  static const char *const openings[] = {"Training loss ends at ", "Training accuracy reaches ", "Test accuracy: "};
  (void)fputs(openings[what], out);
  write_value(out, what, run);
  (void)fprintf(out, " with %s", run->name);
}

// The finding in one sentence; out: text that is still to be escaped.
void sht__finding_write(FILE *out, sht__measure what, const sht__report_group *group) {
  const sht__report_run *base = group->base;
  const sht__report_run *random = group->random;
  if (base == NULL || random == NULL) {
    write_one_finding(out, what, base != NULL ? base : random);
    return;
  }
  if (what == SHT__MEASURE_LOSS) {
    write_outcome(out, random, base);
    (void)fputs(": training loss ", out);
  } else {
    (void)fputs(what == SHT__MEASURE_TRAIN ? "Training accuracy: " : "Test accuracy: ", out);
  }
  write_value(out, what, random);
  (void)fprintf(out, " with %s, ", random->name);
  write_value(out, what, base);
  (void)fprintf(out, " with %s", base->name);
}
