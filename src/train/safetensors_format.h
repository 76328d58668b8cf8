// What the reader and the writer of safetensors files share.
#ifndef SHT_TRAIN_SAFETENSORS_FORMAT_H
#define SHT_TRAIN_SAFETENSORS_FORMAT_H

#include "train/safetensors.h"

enum { SHT_SAFETENSORS_PREFIX = 8, SHT_SAFETENSORS_HEADER_MAX = 100000000, SHT_CHECKSUM_DIGITS = 64 };

// The text before the digits of the checksum, as our writer lays it out.
#define SHT_CHECKSUM_MARK "\"" SHT_CHECKSUM_KEY "\": \""

#endif
