// Which runs train together, in one process: see schedule.h.
#include "lab/schedule.h"

bool sht__schedule_together(const sht_schedule *schedule, uint64_t one, uint64_t other) {
  const sht_slot *a = &schedule->slots[one];
  const sht_slot *b = &schedule->slots[other];
  return a->network == b->network && a->run.result.train_examples == b->run.result.train_examples;
}

uint32_t sht__network_group_size(const sht_schedule_network *network, uint64_t waiting) {
  const uint64_t most = network->together;
  const uint64_t groups = (waiting + most - 1) / most;
  return groups > 0 ? (uint32_t)((waiting + groups - 1) / groups) : 0;
}
