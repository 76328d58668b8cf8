// The laboratory: a store of runs. Files are the truth, SQLite is an index of them that can be rebuilt.
//
// A run owns a folder STORE/NAME-HASH/ with
//   config.yaml    the resolved identity options         result.json    written last: the run is complete
//   model.yaml     the model's text                      env.json       versions, processor, command line, commit, and
//   metrics.jsonl  one line an epoch                                    the options that do not decide the result
//   timing.jsonl   wall-clock times, kept apart          checkpoint-*.safetensors, weights.safetensors
//   lock           held while a process trains it        logits-{train,test}.npy, losses-{train,test}.npy: on request
// Its identity is a SHA-256 over the resolved configuration (identity options), the data's fingerprint, the model's
// text, and the backend's numerics. Everything but timing.jsonl, env.json and the index is the same bytes when a run
// is repeated.
#ifndef SHATTER_LAB_H
#define SHATTER_LAB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shatter/config.h"
#include "shatter/error.h"
#include "shatter/train.h"

typedef struct sht_store sht_store;

// A run as the index knows it. Plain data.
typedef struct sht_run {
  char id[65];        // identity, hex; "" when the files that say it are lost
  char family[65];    // identity without the number of epochs: a longer run goes on from a shorter one of its family
  char folder[1024];  // its path
  // What the model is called: a shipped one, or what its file calls itself, else the file's stem. In lists with another
  // model of that name the beginning of model_id stands behind it: "own-net (3f9a2c1b)". "" where that is not known
  char model[96];
  char model_id[65];  // SHA-256 of the text of a model that is not shipped; "" of one that is
  sht_config config;
  bool complete;            // result.json is there
  sht_train_result result;  // of the last epoch so far when not complete
  bool interrupted;         // not complete, and no process trains it: filled where a store's runs are listed or found
  double created;           // seconds since 1970, with their fraction (runs of old versions: without)
  bool damaged;             // one of its files cannot be read: the rest of this struct may be empty
  char problem[512];        // then: which, and what to do
} sht_run;

// Opens (and makes) the store; rebuilds the index when it is missing or damaged. path NULL or "": $SHATTER_STORE, else
// ./shatter-runs. Errors: SHT_DISK when it cannot be written, with what to do.
sht_status sht_store_open(const char *path, sht_store **out, sht_error *error);
// Opens a store to read it alone: nothing is made in the folder, which may be one that cannot be written; without an
// index the runs' files are read each time. Errors: SHT_MISSING.
sht_status sht_store_open_readable(const char *path, sht_store **out, sht_error *error);
void sht_store_close(sht_store *store);
const char *sht_store_path(const sht_store *store);

// Reads all run folders again into the index.
sht_status sht_store_rebuild(sht_store *store, sht_error *error);

// All runs, newest first, those of one moment by the names of their folders; *runs is freed with sht_free. 10,000 runs
// in under a second.
sht_status sht_store_list(sht_store *store, sht_run **runs, uint64_t *count, sht_error *error);

// The run whose folder name, path or identity starts with `name` ("last": the newest). Errors: SHT_MISSING with the
// nearest names, SHT_USAGE when several match.
sht_status sht_store_find(sht_store *store, const char *name, sht_run *out, sht_error *error);

// What to call the run's model: `model`, or where that is not known what the configuration says.
const char *sht_run_model(const sht_run *run);

// "fitted", "not fitted", "diverged"; of a run without a result "running" or "interrupted"; "damaged".
const char *sht_run_outcome(const sht_run *run);

// Trains as configured in a run folder of the store, writing its files; a complete run is not repeated (*reused true),
// an interrupted one goes on, and a run that has a shorter one of its family in the store goes on from there. `again`
// starts from nothing in spite of all that. One process owns a run at a time: SHT_UNAVAILABLE when another one trains
// it. Passes the observer's calls on. `out` is filled as far as known even on SHT_STOPPED.
sht_status sht_lab_train(sht_store *store, const sht_config *config, bool again, const sht_observer *observer,
                         sht_run *out, bool *reused, sht_error *error);

// Trains the run `of` of the store anew (`again`: from nothing) or further, as sht_lab_train does, with the model that
// its folder keeps: a file of the user's may have been edited since, of which the observer is told. config: that of the
// run, but for threads, epochs and the like. Errors besides: SHT_DATA when it cannot be gone on with because its data,
// the files that it names or the processor's arithmetic are others now.
sht_status sht_lab_retrain(sht_store *store, const sht_run *of, const sht_config *config, bool again,
                           const sht_observer *observer, sht_run *out, bool *reused, sht_error *error);

// The records of a run's epochs from metrics.jsonl; free with sht_free.
sht_status sht_run_epochs(const sht_run *run, sht_epoch **epochs, uint64_t *count, sht_error *error);

// The run that tells how long true data take: the one among `runs` [count] with true labels and true pixels that agrees
// with `run` in every other option of its identity (seed, model, regularisers ...), except how long it trains; of
// several, the one trained longest. It may be `run` itself. NULL: there is none, as of a run with signs for labels,
// which has two classes: how long another task takes is no measure of it.
const sht_run *sht_run_baseline(const sht_run *run, const sht_run *runs, uint64_t count);

// Steps until fitted (fitted_step), relative to the baseline's: Figure 1b. NaN where either did not fit or baseline is
// NULL.
double sht_run_relative_time(const sht_run *run, const sht_run *baseline);

// Of a run with signs for labels (--labels signs), the correlation (1/n) sum sigma_i h(x_i) of what the network answers
// at the end, h(x) in {-1, +1}, with the n signs that it was given: 2 * training accuracy - 1, in evaluation mode and
// without augmentation. No member of the class of functions has a smaller one than its best, so that, by this draw of
// the signs, the empirical Rademacher complexity is at least this (it is at most 1; the mean over draws, seeds, is
// nearer to its definition, from which one draw is off by more than sqrt(2 ln(2/p) / n) with a chance below p). NaN of
// runs with other labels, that diverged, or whose training set has not been evaluated.
double sht_run_rademacher(const sht_run *run);
// A lower bound cut down to three digits, so that what people are shown is one still: 0.99996 gives 0.999.
double sht_lower_bound_shown(double bound);

// What `--json` prints: result.json and the times and the folder, which the file leaves out so that a repeated run
// gives the same bytes. Keys as in docs/design.md; free with sht_free (base/memory.h) or sht_text_free.
sht_status sht_run_json(const sht_run *run, char **out, sht_error *error);

// The same with "metrics" at its end: the list of the records of its epochs, as in metrics.jsonl.
sht_status sht_run_json_curves(const sht_run *run, char **out, sht_error *error);

// Curves for other programs. What a run has so far is written; the same files give the same bytes.
// CSV, RFC 4180 with \n: a header, then a row an epoch (SHT_CSV_EPOCHS; the figures of metrics.jsonl under its keys) or
// a row a tenth of an epoch (SHT_CSV_STEPS; see sht_epoch_curve). Its first columns say which run. Not measured: empty.
// Free with sht_text_free. Errors: SHT_DATA for a log that cannot be read, SHT_MEMORY.
typedef enum sht_csv_kind { SHT_CSV_EPOCHS, SHT_CSV_STEPS } sht_csv_kind;
sht_status sht_runs_csv(const sht_run *runs, uint64_t count, sht_csv_kind kind, char **out, sht_error *error);

// A TensorBoard event file, folder/NAME/events.out.tfevents.CREATED.shatter with the run's own NAME, so that several
// runs in one folder are shown together. Scalars against steps: loss/train and accuracy/train ten times an epoch (at
// the end of each part), all figures of metrics.jsonl at the end of each epoch, those of the dynamics under dynamics/.
// Each event's wall time is the run's start plus its seconds so far, taken as spread evenly over its steps. Written
// anew at each call; path: [size], the file's. Errors: SHT_DATA, SHT_DISK, SHT_MEMORY, SHT_CONFIG (too long a path).
sht_status sht_run_tensorboard(const sht_run *run, const char *folder, char *path, size_t size, sht_error *error);

// A copy of a finished run's records, folder/NAME/ with the run's own NAME: all but weights, checkpoints and arrays,
// and without paths of the machine. A folder of such copies is a store for runs, reports and pages, small enough to
// publish. path: [size], the copy's. A run that is there already is left alone (*copied false); one whose copying was
// cut short is copied again. Errors: SHT_UNAVAILABLE (not finished), SHT_DATA, SHT_DISK, SHT_MEMORY, SHT_CONFIG (too
// long a path).
sht_status sht_run_copy_records(const sht_run *run, const char *folder, char *path, size_t size, bool *copied,
                                sht_error *error);

// One self-contained HTML page with the curves of the runs, their table, the verdict and the exact commands.
sht_status sht_report_write(const sht_run *runs, uint64_t count, const char *path, sht_error *error);

// What a report can be written as; bits of a set.
typedef enum sht_report_format {
  SHT_REPORT_HTML = 1,
  SHT_REPORT_CSV = 2,
  SHT_REPORT_SVG = 4,
  SHT_REPORT_TEX = 8,
  SHT_REPORT_PDF = 16,
  SHT_REPORT_PNG = 32,
  SHT_REPORT_MD = 64,
} sht_report_format;

// Writes the report into `folder` (made if need be) in each of `formats`: index.html; of each figure train_loss-1,
// train_accuracy-1, ... (the number is that of the network and its data) .csv, .svg, .pdf, .png; of the table of runs
// runs.csv, .tex, .md. PDF and PNG are made by rsvg-convert, and their SVG with them; `noted` (may be NULL) is told
// when it is not there. Errors: SHT_DISK, SHT_MEMORY, SHT_MISSING (no run); SHT_INTERNAL when rsvg-convert failed on
// some, after everything else was written.
sht_status sht_report_export(const sht_run *runs, uint64_t count, const char *folder, unsigned formats,
                             void (*noted)(void *context, const char *sentence), void *context, sht_error *error);

// One sentence on what true and randomised runs say together ("fitted random labels in 12 epochs, 3.1 times as ...").
sht_status sht_report_verdict(const sht_run *runs, uint64_t count, char *out, uint64_t size, sht_error *error);

#endif
