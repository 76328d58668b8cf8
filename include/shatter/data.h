// Data sets: opening, randomising, and turning examples into batches.
//
// Letters: N examples, H height, W width, C channels, K classes.
// Pixels are stored [N][H][W][C] (channels last), labels [N].
// Order of use: sht_dataset_open -> sht_dataset_crop -> sht_dataset_randomize -> sht_pipeline -> engine.
#ifndef SHATTER_DATA_H
#define SHATTER_DATA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shatter/augment.h"
#include "shatter/error.h"
#include "shatter/random.h"

typedef struct sht_pool sht_pool;  // src/base/pool.h

typedef enum sht_pixel_type {
  SHT_PIXEL_U8,   // grey levels 0..255
  SHT_PIXEL_I16,  // 1/64 of a grey level: Gaussian images, which leave 0..255
} sht_pixel_type;

// One split (training or test) of a data set. Owned by its dataset.
typedef struct sht_split {
  uint64_t count;         // N
  uint32_t height;        // H
  uint32_t width;         // W
  uint32_t channels;      // C
  sht_pixel_type type;    // of `pixels`
  void *pixels;           // [N][H][W][C]
  uint16_t *labels;       // [N] the label that the machine is given
  uint16_t *true_labels;  // [N] the label of the source
} sht_split;

typedef struct sht_dataset {
  char name[64];            // "cifar10"
  uint32_t classes;         // K, at most 65535
  char (*class_names)[32];  // [K]
  sht_split train;
  sht_split test;
  char fingerprint[65];  // SHA-256 (hex) of shapes, pixels and true labels as opened, before randomisation
} sht_dataset;

typedef struct sht_dataset_options {
  const char *data_dir;  // where downloaded sets live; NULL: $SHATTER_DATA, else the user's data folder
  uint64_t train_limit;  // 0: all; otherwise the first train_limit examples of a seeded order (SHT_PURPOSE_SUBSET)
  uint64_t test_limit;   // 0: all; otherwise the first test_limit
  uint64_t seed;         // for subsets and for `shapes`
} sht_dataset_options;

// Opens a data set: "cifar10", "cifar100" (its fine labels), "mnist", "shapes", "shapes:TRAIN,TEST" (10,000 and 2,000
// pictures unless said), or a folder that holds files in the format of one of the known sets: CIFAR-10's binary batches
// or CIFAR-100's two files (any number of records each, class names from batches.meta.txt or fine_label_names.txt),
// four IDX files, plain or .gz (any image size; classes: largest label + 1), arrays or pictures. The file sizes are
// checked before anything is allocated.
//
// Arrays, as numpy.save writes them: x_train.npy, x_test.npy (uint8, [N][H][W] or [N][H][W][C]), y_train.npy,
// y_test.npy (whole numbers, [N] or [N][1]), or train_images.npy, train_labels.npy and so on; classes: largest label
// + 1.
//
// Pictures: FOLDER/train/CLASS/*.png, .jpg, .jpeg (in any case), and the same below FOLDER/test, val, valid or
// validation. Classes are the folders of train, sorted by the bytes of their names; images come by class, then by file
// name, bytewise. Other and hidden files are passed over, folders below a class are not looked into; a class may be
// empty in the test set. PNG of every kind and JPEG in grey or colour, told by their contents; alpha is dropped, 16
// bits become 8, neither EXIF's orientation nor colour profiles are applied; one channel when all images of both splits
// are grey, else three. All must have one size, sides up to 4096, unless the spec is "FOLDER:SIDE" (1 to 4096): then
// each image, sides up to 16384, is scaled until its shorter side is SIDE (a triangle filter with antialiasing; not at
// all when it is that already) and the centre SIDE x SIDE is cut. A folder that exists by the whole text, such as
// "photos:32", is taken as it is. Read on all cores; the result does not depend on how many.
//
// Errors: SHT_CONFIG (a wrong spec or limit), SHT_MISSING, SHT_DATA, SHT_MEMORY, SHT_DISK.
sht_status sht_dataset_open(const char *spec, const sht_dataset_options *options, sht_dataset **out, sht_error *error);
void sht_dataset_close(sht_dataset *data);  // NULL is allowed

// The folder that downloaded sets live in: `data_dir` when not NULL or empty, else $SHATTER_DATA, else
// $XDG_DATA_HOME/shatter, else ~/.local/share/shatter. It need not exist. Errors: SHT_CONFIG (too long, no home).
sht_status sht_data_folder(const char *data_dir, char *out, size_t size, sht_error *error);

// A file that makes up a known set, as it is published.
typedef struct sht_known_file {
  const char *name;     // as downloaded: "cifar-10-binary.tar.gz"
  uint64_t size;        // bytes
  const char *md5;      // published beside the file; 32 hex digits
  const char *sha256;   // as several public projects pin it; 64 hex digits
  const char *urls[4];  // official address first, then mirrors; NULL-terminated
} sht_known_file;

// A set that `open` knows by name.
typedef struct sht_known_data {
  const char *name;         // "cifar10"
  const char *description;  // one line
  const char *folder;       // below the data folder: "cifar-10-batches-bin"; NULL: built in, nothing to fetch
  uint32_t classes, height, width, channels;
  uint64_t train, test;  // examples
  bool archive;          // the one file is a tar.gz that holds `folder`; otherwise the files lie in it as they are
  int file_count;
  sht_known_file files[4];
} sht_known_data;

// The table, and its length: cifar10, cifar100, mnist, shapes.
extern const sht_known_data sht_known_sets[];
extern const size_t sht_known_set_count;
// NULL when there is none.
const sht_known_data *sht_known_data_find(const char *name);

// What a split holds. Pixel figures are of levels in [0,1], over all its examples, for each channel.
typedef struct sht_split_report {
  uint64_t count;
  uint64_t *class_counts;  // [K]
  double *mean;            // [C]
  double *deviation;       // [C] population deviation
  uint64_t duplicates;     // images that equal an earlier image of the split, byte for byte
} sht_split_report;

typedef struct sht_data_report {
  sht_dataset *data;  // the set itself, owned
  sht_split_report train;
  sht_split_report test;
  uint64_t shared;  // test images that equal a training image
} sht_data_report;

// Opens a set (as sht_dataset_open does) and measures everything in it. Free with sht_data_report_close.
sht_status sht_dataset_check(const char *spec, const sht_dataset_options *options, sht_data_report **out,
                             sht_error *error);
void sht_data_report_close(sht_data_report *report);  // NULL is allowed

// Cuts the centre height x width window out of every image of both splits, in place. The offset is floor((H-h)/2).
sht_status sht_dataset_crop(sht_dataset *data, uint32_t height, uint32_t width, sht_error *error);

typedef enum sht_label_kind {
  SHT_LABELS_TRUE,
  SHT_LABELS_RANDOM,   // corrupt:1
  SHT_LABELS_CORRUPT,  // with probability p a uniformly random class, which may be the true one (facts.md section 1)
  SHT_LABELS_WRONG,    // with probability p a uniformly random class other than the true one
  SHT_LABELS_MATRIX,   // class-conditional: row = true class, column = given class, from a text file
  SHT_LABELS_FILE,     // the training labels themselves from a file: NPY, or one integer a line
  SHT_LABELS_SIGNS,    // two classes, "-1" and "+1", by a fair coin, whatever the set's classes are: another task
} sht_label_kind;

typedef enum sht_pixel_kind {
  SHT_PIXELS_TRUE,
  SHT_PIXELS_SHUFFLED,  // one permutation of the H*W positions for all images of both splits; channels stay together
  SHT_PIXELS_RANDOM,    // another permutation for each image
  SHT_PIXELS_GAUSSIAN,  // normal with the one mean and deviation of the whole training set
} sht_pixel_kind;

typedef struct sht_randomization {
  sht_label_kind labels;
  double label_probability;  // p of CORRUPT and WRONG
  char label_path[1024];     // of MATRIX and FILE
  sht_pixel_kind pixels;
  uint64_t seed;
  uint64_t replace;  // training example, from 1 on, that is replaced by another; 0: none. Not set by parse
} sht_randomization;

// Reads "true", "random", "corrupt:0.3", "wrong:0.3", "matrix:PATH", "file:PATH", "signs" and
// "true", "shuffled", "random", "gaussian". Errors: SHT_CONFIG with a suggestion.
sht_status sht_randomization_parse(const char *labels, const char *pixels, uint64_t seed, sht_randomization *out,
                                   sht_error *error);

// Whether a text of --labels asks for signs: then the classes are two, nothing is corrupted, and no run with other
// labels is a measure of this one.
bool sht_labels_are_signs(const char *labels);

// K of a set of `classes` classes once it is randomised.
uint32_t sht_randomization_classes(const sht_randomization *how, uint32_t classes);

// Applies the randomisation to both splits in place: training labels, and pixels of both splits. Test labels stay true.
// SIGNS: the data set has two classes from then on, both splits are given signs (those of the test set are of
// SHT_PURPOSE_TEST_LABELS), and as there is no other truth true_labels are the same signs. Crop first: pixels are
// permuted within the image as it is. Labels are drawn from the true ones, so that of CORRUPT and WRONG at two
// probabilities with one seed, the labels changed at the smaller are changed the same way at the larger. Errors:
// SHT_CONFIG (a class that cannot be wrong), SHT_DATA (a matrix or label file that does not fit; file and line),
// SHT_MISSING, SHT_MEMORY. On failure `data` may be partly randomised: close it. Addressed by (seed, purpose, index of
// the example in its split; test examples count from 2^32): the result does not depend on threads. `pool` may be NULL.
//
// With `replace` I, one training example is another: I becomes a copy of a test example as the test set has it, its
// pixels and its true label, and its given label is drawn by the rule of `labels` for an index of its own (2^33 + I -
// 1), so that nothing of it depends on what it was. All else is the same bits as without. Errors: SHT_CONFIG when there
// is no such training example or no test example, and with labels of a FILE, which has none for another image.
sht_status sht_dataset_randomize(sht_dataset *data, const sht_randomization *how, sht_pool *pool, sht_error *error);

// Which test example (from 0 on) takes the place of training example `example` (from 1 on): whoever compares two such
// networks on the test set leaves it out. test_count: at least 1, below 2^32.
uint64_t sht_replacement_index(uint64_t seed, uint64_t example, uint64_t test_count);

// Test labels corrupted the same way as the training labels (SHT_PURPOSE_TEST_LABELS). out: [test.count], the caller's.
// FILE: drawn from the frequencies of given labels in each true class of the (randomised) training set. SIGNS: the test
// labels as they are; nothing is corrupted.
sht_status sht_dataset_corrupt_test_labels(const sht_dataset *data, const sht_randomization *how, uint16_t *out,
                                           sht_error *error);

// How an example becomes the engine's input: window, augmentation, whitening.
typedef struct sht_pipeline {
  const sht_split *split;  // borrowed
  uint32_t height;         // of the input, at most split->height; the centre window when smaller
  uint32_t width;
  bool whiten;    // per image: (x - mean) / max(sd, 1/sqrt(n)) with x in [0,1], n = H*W*C (facts.md section 2)
  uint64_t seed;  // for what is drawn anew in every epoch
  sht_augmentation augment;  // training mode only: the engine evaluates without. Not for SHT_PIXEL_I16
} sht_pipeline;

// Whether this augmentation means something for these images: SHT_CONFIG with a sentence when not. Crop, flip and
// rotation need true pixels; Gaussian images take none; saturation and hue need three channels; crop needs images
// larger than the window (height, width), or padding; padding is below the window's size.
sht_status sht_augmentation_check(const sht_augmentation *how, const sht_randomization *randomization,
                                  const sht_split *split, uint32_t height, uint32_t width, sht_error *error);

// Fills inputs x: [n][H][W][C] (float, channels last) and labels: [n] for the given examples. Pure: may be called from
// any thread for any part of a batch. Mean and deviation come from exact integer sums, rounded once.
void sht_pipeline_fill(const sht_pipeline *pipeline, uint32_t epoch, const uint32_t *examples, size_t n, float *x,
                       uint16_t *labels);

// The same before whitening, for looking at: the levels of one example. out: [H][W][C]. Not for SHT_PIXEL_I16.
void sht_pipeline_levels(const sht_pipeline *pipeline, uint32_t epoch, uint32_t example, uint8_t *out);

// The window that a model sees unless its file requires the whole image: 28x28 of CIFAR's 32x32 (facts.md section 2),
// the whole of other sizes.
void sht_split_window(const sht_split *split, uint32_t *height, uint32_t *width);

// The order of the training examples in `epoch` (0-based): a permutation of 0 .. count-1. order: [count],
// scratch: [2 * count].
void sht_order_fill(uint64_t seed, uint32_t epoch, uint32_t count, uint32_t *order, uint64_t *scratch);

// Writes a picture of training examples in a grid of `columns`, each with its given label, as PNG, twice as large as
// they are; where the given label is not the true one, the name and a frame are orange. variants NULL: the first
// `count` examples (fewer when there are fewer). Otherwise each row shows one example: as it is evaluated, then as
// `variants` augments it in its first epochs; `count` pictures in all. Gaussian pixels are clamped to what a screen can
// show. Errors: SHT_CONFIG (count or columns 0, more than 10,000 pictures), SHT_MEMORY, SHT_DISK.
sht_status sht_dataset_write_grid(const sht_dataset *data, const sht_pipeline *variants, uint32_t count,
                                  uint32_t columns, const char *path, sht_error *error);

#endif
