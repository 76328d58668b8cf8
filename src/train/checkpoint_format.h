// What the saving and the loading of checkpoints share.
#ifndef SHT_TRAIN_CHECKPOINT_FORMAT_H
#define SHT_TRAIN_CHECKPOINT_FORMAT_H

#include <stddef.h>

#include "train/checkpoint.h"
#include "train/safetensors.h"

enum {
  SHT_CHECKPOINT_SLOTS = 2,
  SHT_CHECKPOINT_PATH = 4096,
  SHT_RECORD_FIELDS = 9,                        // of a row of "records"
  SHT_DETAIL_FIELDS = 7 + 2 * SHT_CURVE_PARTS,  // of a row of "details": what records grew by later
  SHT_CURVE_COUNTS = 2 * SHT_CURVE_PARTS,       // of "curve_counts": correct, then seen
};

// Members of the tensor "place".
enum { SHT_PLACE_EPOCH, SHT_PLACE_STEP, SHT_PLACE_CORRECT, SHT_PLACE_SEEN, SHT_PLACE_FIELDS };

#define SHT_FAMILY_KEY "shatter.family"

sht_status sht__checkpoint_path(const char *folder, int slot, char *out, size_t size, sht_error *error);

// A record as numbers; counts are exact in a double up to 2^53. out: [SHT_RECORD_FIELDS]. Unpacking blanks the rest.
void sht__record_pack(const sht_epoch *record, double *out);
void sht__record_unpack(const double *fields, sht_epoch *out);

// The rest of it. out: [SHT_DETAIL_FIELDS].
void sht__details_pack(const sht_epoch *record, double *out);
void sht__details_unpack(const double *fields, sht_epoch *out);

#endif
