// Curves of runs as CSV: see sht_runs_csv.
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "lab/files.h"
#include "lab/report_csv.h"

static void write_run(FILE *out, const sht_run *run) {
  const char *slash = strrchr(run->folder, '/');
  const char *const texts[] = {slash == NULL ? run->folder : slash + 1, sht_run_model(run), run->config.data,
                               run->config.labels, run->config.pixels};
  for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
    sht__csv_text(out, i == 0, texts[i]);
  }
  sht__csv_count(out, false, run->config.seed);
}

static void write_head(FILE *out, sht_csv_kind kind) {
  (void)fputs("run,model,data,labels,pixels,seed", out);
  if (kind == SHT_CSV_STEPS) {
    (void)fputs(",first_step,last_step,loss,accuracy\n", out);
    return;
  }
  (void)fputs(",epoch,steps", out);
  for (int i = 0; i < SHT_FIGURES; i++) {
    (void)fprintf(out, ",%s", sht__figures[i].key);
  }
  (void)fputs(",dynamics_corrupted,dynamics_clean\n", out);
}

static void write_epoch(FILE *out, const sht_run *run, const sht_epoch *epoch) {
  write_run(out, run);
  (void)fprintf(out, ",%" PRIu32 ",%" PRIu64, epoch->epoch, epoch->steps);
  for (int i = 0; i < SHT_FIGURES; i++) {
    sht__csv_number(out, false, sht__figure_of(epoch, i));
  }
  (void)fprintf(out, ",%" PRIu64 ",%" PRIu64 "\n", epoch->dynamics_corrupted, epoch->dynamics_clean);
}

static void write_steps(FILE *out, const sht_run *run, const sht_epoch *epoch) {
  sht_curve_point points[SHT_CURVE_PARTS];
  uint32_t count = sht_epoch_curve(epoch, points);
  for (uint32_t i = 0; i < count; i++) {
    write_run(out, run);
    (void)fprintf(out, ",%" PRIu64 ",%" PRIu64, points[i].first + 1, points[i].last);
    sht__csv_number(out, false, points[i].loss);
    sht__csv_number(out, false, points[i].accuracy);
    (void)fputc('\n', out);
  }
}

static sht_status write_rows(FILE *out, const sht_run *run, sht_csv_kind kind, sht_error *error) {
  sht_epoch *epochs = NULL;
  uint64_t count = 0;
  SHT_TRY(sht_run_epochs(run, &epochs, &count, error));
  for (uint64_t i = 0; i < count; i++) {
    (kind == SHT_CSV_STEPS ? write_steps : write_epoch)(out, run, &epochs[i]);
  }
  sht_free(epochs);
  return SHT_OK;
}

// The stream's text moves to a block that sht_text_free frees.
static sht_status hand_over(const char *text, size_t size, char **out, sht_error *error) {
  SHT_TRY(SHT_ALLOC(out, size + 1, "CSV", error));
  memcpy(*out, text, size);
  return SHT_OK;
}

sht_status sht_runs_csv(const sht_run *runs, uint64_t count, sht_csv_kind kind, char **out, sht_error *error) {
  char *text = NULL;
  size_t size = 0;
  FILE *stream = open_memstream(&text, &size);
  if (stream == NULL) {
    return SHT_FAIL(error, SHT_MEMORY, "no memory for the rows of %" PRIu64 " runs", count);
  }
  sht_status status = SHT_OK;
  write_head(stream, kind);
  for (uint64_t i = 0; i < count && status == SHT_OK; i++) {
    status = write_rows(stream, &runs[i], kind, error);
  }
  bool written = fclose(stream) == 0;
  if (status == SHT_OK) {
    status = written ? hand_over(text, size, out, error)
                     : SHT_FAIL(error, SHT_MEMORY, "no memory for the rows of %" PRIu64 " runs", count);
  }
  free(text);
  return status;
}
