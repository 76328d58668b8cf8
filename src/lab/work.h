// A run being trained in its folder, and the observer that writes the folder's logs.
#ifndef SHT_LAB_WORK_H
#define SHT_LAB_WORK_H

#include "lab/files.h"
#include "train/session.h"

typedef struct sht_work {
  sht_session session;
  char folder[SHT_TEXT_MAX];
  int lock;                           // descriptor, -1: none
  char continued_from[SHT_TEXT_MAX];  // name of a run, "" when begun at the start
  double created;                     // seconds since 1970 in which the run was begun
  const sht_observer *other;          // the caller's
  double timed;                       // seconds already in timing.jsonl from this session
} sht_work;

// sht_lab_train (not again) with the run's engine as a member of a group; NULL: alone.
sht_status sht__lab_train_in(sht_engine_group *group, sht_store *store, const sht_config *config,
                             const sht_observer *observer, sht_run *out, sht_error *error);

// An observer that keeps metrics.jsonl and timing.jsonl, saves examples, and passes every call on to `other` (NULL:
// nobody).
sht_observer sht__work_observer(sht_work *work, const sht_observer *other);

// At the end of a session's training: makes the log durable and files the rest of its time.
sht_status sht__work_close_log(sht_work *work, const sht_train_result *result, sht_error *error);

#endif
