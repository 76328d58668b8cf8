// Checkpoints: the whole state of a run at a step, in one of two files that take turns, so that whenever the process is
// killed a whole one is there.
//
// checkpoint-a.safetensors, checkpoint-b.safetensors: weights, momentum, running statistics, the position (epoch, step,
// sums of the running epoch as exact doubles) and the records of all epochs done, so that a log can be restored from
// it. Each carries a checksum of all its bytes. No wall-clock time: the same run makes the same bytes. Those of an
// older program, without "details", "curve_loss" and "curve_counts", are read: what they do not hold is NaN.
#ifndef SHT_TRAIN_CHECKPOINT_H
#define SHT_TRAIN_CHECKPOINT_H

#include "train/curve.h"
#include "train/session.h"

// Where training stands.
typedef struct sht_position {
  uint32_t epoch;        // whole epochs done
  uint64_t step;         // steps done in the running epoch
  double loss_sum;       // of the running epoch's examples
  uint64_t correct;      // of the running epoch's examples
  uint64_t seen;         // examples of the running epoch
  sht_curve_sums curve;  // of the running epoch
  sht_epoch *records;    // [room] the first `epoch` are filled
  uint32_t room;
  int slot;  // the file that the next checkpoint goes to: 0 is a, 1 is b
} sht_position;

// Saves over the older of the two files and moves position->slot on. Errors: SHT_DISK (the other file stands),
// SHT_MEMORY.
sht_status sht__checkpoint_save(sht_session *session, const char *folder, sht_position *position, sht_error *error);

// Puts the newest valid state into engine and position; *found false (and nothing touched) when there is none. A
// damaged file is passed over, with a sentence to observer->noted, when the other one is whole. Errors: SHT_DATA when
// there are only damaged ones, SHT_CONFIG when it belongs to another run or has more epochs than there is room for.
sht_status sht__checkpoint_load(sht_session *session, const char *folder, const sht_observer *observer,
                                sht_position *position, bool *found, sht_error *error);

// At the end of a run: the checkpoint saved last stays, as checkpoint-a; the other goes.
sht_status sht__checkpoint_keep_last(const char *folder, sht_position *position, sht_error *error);

// Copies the newest valid checkpoint of one folder into another as checkpoint-a; SHT_MISSING when there is none.
sht_status sht__checkpoint_copy(const char *from, const char *to, sht_error *error);

// Whether the folder has a checkpoint file at all.
bool sht__checkpoint_exists(const char *folder);

// Removes both.
void sht__checkpoint_remove(const char *folder);

#endif
