// What the readers of data sets share: making splits, and the formats of folders.
#ifndef SHT_DATA_DATASET_H
#define SHT_DATA_DATASET_H

#include "shatter/data.h"

enum {
  SHT_SIDE_MAX = 4096,  // of an image; 4096 x 4096 positions are also what a permutation can hold
  SHT_CHANNELS_MAX = 16,
  SHT_EXAMPLES_MAX = 1 << 24,  // in a split: what an epoch's order can hold
  SHT_PATH_MAX = 4096,
};
#define SHT_DATA_FILE_MAX ((uint64_t)16 << 30)  // bytes of one file, packed or not

// Allocates pixels [count][height][width][channels] (U8) and labels. On failure the split is empty.
// Errors: SHT_DATA (too many examples, too large images; `where` opens the message), SHT_MEMORY.
sht_status sht__split_make(const char *where, uint64_t count, const uint32_t shape[3], sht_split *out,
                           sht_error *error);
void sht__split_free(sht_split *split);
// A split of its own with the `count` examples of `from` that are chosen, in order. chosen: [from->count]. On failure
// `out` is empty. Errors: SHT_MEMORY.
sht_status sht__split_choose(const sht_split *from, const bool *chosen, uint64_t count, sht_split *out,
                             sht_error *error);

// Allocates class_names [classes] and sets `classes`.
sht_status sht__dataset_set_classes(sht_dataset *data, uint32_t classes, sht_error *error);

// The same, with the names "0", "1", ...
sht_status sht__dataset_number_classes(sht_dataset *data, uint32_t classes, sht_error *error);

// 0 for an empty split.
uint32_t sht__split_largest_label(const sht_split *split);
// SHT_DATA when training and test images are not of one shape; `folder` opens the message.
sht_status sht__split_check_alike(const char *folder, const sht_dataset *data, sht_error *error);

// Readers of folders. `known` (may be NULL): the published set, whose counts must then be met exactly, and which the
// message offers to fetch. They fill train, test (labels only, not true_labels) and classes of an empty dataset.
bool sht__cifar_recognize(const char *folder);
sht_status sht__cifar_open(const char *folder, const sht_known_data *known, sht_dataset *data, sht_error *error);
bool sht__idx_recognize(const char *folder);
sht_status sht__idx_open(const char *folder, const sht_known_data *known, sht_dataset *data, sht_error *error);
bool sht__npy_recognize(const char *folder);
sht_status sht__npy_open(const char *folder, sht_dataset *data, sht_error *error);
// Pictures; side 0: as they are, of one size. They may be any set's, so that they are looked for last.
bool sht__pictures_recognize(const char *folder);
sht_status sht__pictures_open(const char *folder, uint32_t side, sht_dataset *data, sht_error *error);

// "; fetch it with: shatter data fetch cifar10" for a set that can be fetched, else what else to do.
const char *sht__data_advice(const sht_known_data *known, char *out, size_t size);

#endif
