// How much of a schedule's work is done: see shatter/schedule.h.
#include "shatter/schedule.h"

// The share of a run's steps, of those that were left in the beginning, that is done; none when none was left.
static double share_done(const sht_slot *slot) {
  if (slot->steps <= slot->steps_found || slot->steps_done <= slot->steps_found) {
    return 0;
  }
  return (double)(slot->steps_done - slot->steps_found) / (double)(slot->steps - slot->steps_found);
}

// Whether somebody has to wait for it: a run that failed, or that is left to another process, is no work of ours.
static bool is_work(const sht_schedule *schedule, uint64_t index) {
  const sht_slot *slot = &schedule->slots[index];
  bool given_up = slot->state == SHT_SLOT_UNASKED || slot->state == SHT_SLOT_FAILED ||
                  (slot->state == SHT_SLOT_ELSEWHERE && schedule->leave);
  return slot->same_as == index && !slot->found && !given_up;
}

void sht_schedule_work(const sht_schedule *schedule, double *done, double *total) {
  *done = *total = 0;
  for (uint64_t i = 0; i < schedule->experiment->run_count; i++) {
    const sht_slot *slot = &schedule->slots[i];
    if (is_work(schedule, i)) {
      double worked = slot->seconds * share_done(slot);
      *done += worked;
      // One that ended early, because it was fitted, would otherwise make the rest look quick.
      *total += slot->state == SHT_SLOT_DONE ? worked : slot->seconds;
    }
  }
}
