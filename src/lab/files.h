// The files of a run folder: their names, and how records and results are written in them.
#ifndef SHT_LAB_FILES_H
#define SHT_LAB_FILES_H

#include <jansson.h>

#include "base/json.h"
#include "shatter/lab.h"

#define SHT_FILE_CONFIG "config.yaml"
#define SHT_FILE_MODEL "model.yaml"
#define SHT_FILE_METRICS "metrics.jsonl"
#define SHT_FILE_TIMING "timing.jsonl"
#define SHT_FILE_ENV "env.json"
#define SHT_FILE_RESULT "result.json"
#define SHT_FILE_WEIGHTS "weights.safetensors"
#define SHT_FILE_LOCK "lock"

enum { SHT_LAB_PATH = 2048 };

// A figure of a record: its key in metrics.jsonl and column in CSV, its tag in TensorBoard, its place in sht_epoch.
typedef struct sht_figure_key {
  const char *key;
  const char *tag;
  size_t offset;  // of a double
} sht_figure_key;

enum { SHT_FIGURES = 12 };
extern const sht_figure_key sht__figures[];  // [SHT_FIGURES], in the order of the file
double sht__figure_of(const sht_epoch *epoch, int figure);

// One line of metrics.jsonl, with its newline; free with sht_free.
sht_status sht__epoch_line(const sht_epoch *epoch, char **out, sht_error *error);

// The records of a metrics.jsonl; free with sht_free. A last line without its newline is left out: it is still being
// written. Errors: SHT_DATA with file and line.
sht_status sht__epochs_read(const char *path, sht_epoch **out, uint64_t *count, sht_error *error);

// Adds the deterministic members of a result; the configuration says which it has.
void sht__result_add(sht_json *json, const sht_run *run);
// Fills run->result and run->id from such an object. Errors: SHT_DATA, naming the member.
sht_status sht__result_take(const json_t *object, const char *where, sht_run *run, sht_error *error);

// Makes the path of a file or folder absolute, as config.yaml has it, so that the run can be resumed from anywhere.
// What is no path, or not there, stays.
void sht__path_absolute(char path[SHT_TEXT_MAX]);
// The same of what --data names, FOLDER or FOLDER:SIDE. The name of a known set stays.
void sht__data_absolute(char data[SHT_TEXT_MAX]);

// The folder that sht_store_open opens for `path`, which is returned or has static storage.
const char *sht__store_choose(const char *path);

// Fills `out` from the folder's files. A file that cannot be read makes the run `damaged` and is no error.
void sht__run_read(const char *folder, sht_run *out);

// "mlp-1x512-cifar10-random-3f9a2c1b" with `digits` digits of the identity. Letters, digits, points and hyphens alone.
void sht__run_name(const sht_config *config, const char *model, const char *data, const char *identity, int digits,
                   char *out, size_t size);

#endif
