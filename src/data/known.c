// The sets that are known by name, and where downloaded ones live.
//
// Checksums: the MD5 sums stand beside the downloads on the sets' own pages or were published by their mirrors; the
// SHA-256 sums are those that several public loaders of the same files pin independently of one another.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "data/shapes.h"
#include "shatter/data.h"

#define MNIST_FILE(file, bytes, md5_sum, sha256_sum)                                     \
  {                                                                                      \
    .name = (file), .size = (bytes), .md5 = (md5_sum), .sha256 = (sha256_sum), .urls = { \
      "http://yann.lecun.com/exdb/mnist/" file,                                          \
      "https://ossci-datasets.s3.amazonaws.com/mnist/" file,                             \
      "https://storage.googleapis.com/cvdf-datasets/mnist/" file                         \
    }                                                                                    \
  }

const sht_known_data sht_known_sets[] = {
    {.name = "cifar10",
     .description = "CIFAR-10: photographs of ten kinds of things (Krizhevsky 2009)",
     .folder = "cifar-10-batches-bin",
     .classes = 10,
     .height = 32,
     .width = 32,
     .channels = 3,
     .train = 50000,
     .test = 10000,
     .archive = true,
     .file_count = 1,
     .files = {{.name = "cifar-10-binary.tar.gz",
                .size = 170052171,
                .md5 = "c32a1d4ab5d03f1284b67883e8d87530",
                .sha256 = "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
                .urls = {"https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
                         "https://cave.cs.toronto.edu/kriz/cifar-10-binary.tar.gz",
                         "https://mindspore-website.obs.cn-north-4.myhuaweicloud.com/notebook/datasets/"
                         "cifar-10-binary.tar.gz"}}}},
    {.name = "cifar100",
     .description = "CIFAR-100: photographs of a hundred kinds of things (Krizhevsky 2009); the fine labels",
     .folder = "cifar-100-binary",
     .classes = 100,
     .height = 32,
     .width = 32,
     .channels = 3,
     .train = 50000,
     .test = 10000,
     .archive = true,
     .file_count = 1,
     .files = {{.name = "cifar-100-binary.tar.gz",
                .size = 168513733,
                .md5 = "03b5dce01913d631647c71ecec9e9cb8",
                .sha256 = "58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec",
                .urls = {"https://www.cs.toronto.edu/~kriz/cifar-100-binary.tar.gz",
                         "https://cave.cs.toronto.edu/kriz/cifar-100-binary.tar.gz"}}}},
    {.name = "mnist",
     .description = "MNIST: handwritten digits (LeCun, Cortes and Burges)",
     .folder = "mnist",
     .classes = 10,
     .height = 28,
     .width = 28,
     .channels = 1,
     .train = 60000,
     .test = 10000,
     .file_count = 4,
     .files = {MNIST_FILE("train-images-idx3-ubyte.gz", 9912422, "f68b3c2dcbeaaa9fbdd348bbdeb94873",
                          "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609"),
               MNIST_FILE("train-labels-idx1-ubyte.gz", 28881, "d53e105ee54ea40749a09fcbcd1e9432",
                          "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"),
               MNIST_FILE("t10k-images-idx3-ubyte.gz", 1648877, "9fb629c4189551a2d022fa330f9573f3",
                          "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"),
               MNIST_FILE("t10k-labels-idx1-ubyte.gz", 4542, "ec29112dd5afa0611ce80d1b7f02629c",
                          "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6")}},
    {.name = "shapes",
     .description = "shapes: ten forms, drawn by shatter itself; endless, nothing to download",
     .classes = 10,
     .height = SHT_SHAPES_SIDE,
     .width = SHT_SHAPES_SIDE,
     .channels = SHT_SHAPES_CHANNELS,
     .train = SHT_SHAPES_TRAIN,
     .test = SHT_SHAPES_TEST},
};

const size_t sht_known_set_count = sizeof sht_known_sets / sizeof sht_known_sets[0];

const sht_known_data *sht_known_data_find(const char *name) {
  for (size_t i = 0; i < sht_known_set_count; i++) {
    if (strcmp(name, sht_known_sets[i].name) == 0) {
      return &sht_known_sets[i];
    }
  }
  return NULL;
}

static const char *set_variable(const char *name) {
  const char *value = getenv(name);  // NOLINT(concurrency-mt-unsafe): nothing here writes the environment
  return value != NULL && value[0] != '\0' ? value : NULL;
}

sht_status sht_data_folder(const char *data_dir, char *out, size_t size, sht_error *error) {
  const char *base = data_dir != NULL && data_dir[0] != '\0' ? data_dir : set_variable("SHATTER_DATA");
  const char *below = "";
  if (base == NULL) {
    base = set_variable("XDG_DATA_HOME");
    below = "/shatter";
  }
  if (base == NULL) {
    base = set_variable("HOME");
    below = "/.local/share/shatter";
  }
  if (base == NULL) {
    return SHT_FAIL(error, SHT_CONFIG, "no folder for data: HOME is not set; set SHATTER_DATA to a folder");
  }
  int length = snprintf(out, size, "%s%s", base, below);
  if (length < 0 || (size_t)length >= size) {
    return SHT_FAIL(error, SHT_CONFIG,
                    "%s%s: the path of the data folder is too long; set SHATTER_DATA to a shorter one", base, below);
  }
  return SHT_OK;
}
