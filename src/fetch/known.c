// Fetches the data sets that the library knows. What their archives hold is listed here, because an installed set is
// checked file by file and nothing else is taken out of an archive.
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "fetch/fetch.h"
#include "shatter/data.h"

enum { NAMES_MAX = 64, DOWNLOADS_MAX = 4 };

// The archive's own checksum covers batches.meta.txt; the SHA-256 sums of the others are those that public readers pin.
static const sht_fetch_file cifar10_files[] = {
    {"data_batch_1.bin", 30730000, "cee916563c9f80d84e3cc88e17fdc0941787f1244f00a67874d45b261883ada5", NULL},
    {"data_batch_2.bin", 30730000, "a591ca11fa1708a91ee40f54b3da4784ccd871ecf2137de63f51ada8b3fa57ed", NULL},
    {"data_batch_3.bin", 30730000, "bbe8596564c0f86427f876058170b84dac6670ddf06d79402899d93ceea26f67", NULL},
    {"data_batch_4.bin", 30730000, "014e562d6e23c72197cc727519169a60359f5eccd8945ad5a09d710285ff4e48", NULL},
    {"data_batch_5.bin", 30730000, "755304fc0b379caeae8c14f0dac912fbc7d6cd469eb67a1029a08a39453a9add", NULL},
    {"test_batch.bin", 30730000, "8e2eb146ae340b09e24670f29cabc6326dba54da8789dab6768acf480273f65b", NULL},
    {"batches.meta.txt", 0, NULL, NULL},
};

// The SHA-256 sums are pinned by one public reader (torchvision for Ruby), whose sum of the archive is everyone's.
static const sht_fetch_file cifar100_files[] = {
    {"train.bin", 153700000, "f31298fc616915fa142368359df1c4ca2ae984d6915ca468b998a5ec6aeebf29", NULL},
    {"test.bin", 30740000, "d8b1e6b7b3bee4020055f0699b111f60b1af1e262aeb93a0b659061746f8224a", NULL},
    {"fine_label_names.txt", 0, NULL, NULL},
};

static const struct {
  const char *set;
  const sht_fetch_file *files;  // [count]
  size_t count;
} archives[] = {
    {"cifar10", cifar10_files, sizeof cifar10_files / sizeof cifar10_files[0]},
    {"cifar100", cifar100_files, sizeof cifar100_files / sizeof cifar100_files[0]},
};

static sht_status fail_unknown(const char *name, sht_error *error) {
  const char *names[NAMES_MAX] = {NULL};
  for (size_t i = 0; i < sht_known_set_count && i + 1 < NAMES_MAX; i++) {
    names[i] = sht_known_sets[i].name;
  }
  const char *nearest = sht_text_nearest(name, names);
  return SHT_FAIL(error, SHT_MISSING, "%s: no known data set%s%s; 'shatter data list' shows them", name,
                  nearest != NULL ? ", did you mean " : "", nearest != NULL ? nearest : "");
}

static sht_status find_members(const sht_known_data *known, sht_fetch_set *set, sht_error *error) {
  for (size_t i = 0; i < sizeof archives / sizeof archives[0]; i++) {
    if (strcmp(archives[i].set, known->name) == 0) {
      set->archive_folder = known->folder;
      set->files = archives[i].files;
      set->file_count = archives[i].count;
      return SHT_OK;
    }
  }
  return SHT_FAIL(error, SHT_INTERNAL, "%s: what its archive holds is not listed", known->name);
}

sht_status sht_fetch(const char *name, const sht_fetch_options *options, sht_fetch_result *result, sht_error *error) {
  const sht_known_data *known = sht_known_data_find(name);
  if (known == NULL) {
    return fail_unknown(name, error);
  }
  if (known->folder == NULL) {
    return SHT_FAIL(error, SHT_USAGE, "%s: built in, there is nothing to fetch; use it as --data %s", name, name);
  }
  sht_fetch_file downloads[DOWNLOADS_MAX] = {0};
  sht_fetch_set set = {.name = known->name, .folder = known->folder, .downloads = downloads};
  for (; set.download_count < (size_t)known->file_count && set.download_count < DOWNLOADS_MAX; set.download_count++) {
    const sht_known_file *file = &known->files[set.download_count];
    downloads[set.download_count] = (sht_fetch_file){file->name, file->size, file->sha256, file->urls};
  }
  set.files = downloads;
  set.file_count = set.download_count;
  if (known->archive) {
    SHT_TRY(find_members(known, &set, error));
  }
  return sht_fetch_install(&set, options, result, error);
}
