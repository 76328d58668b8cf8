// How members of a group meet: see group.h.
#include "engine/group.h"

#include <pthread.h>
#include <stdbool.h>

#include "base/memory.h"

struct sht_engine_group {
  pthread_mutex_t lock;
  pthread_cond_t changed;
  uint32_t members;  // that have not left
  uint32_t waiting;  // of these
  uint64_t served;   // how often
  void *shared;
};

sht_status sht_engine_group_open(uint32_t members, sht_engine_group **out, sht_error *error) {
  *out = NULL;
  if (members < 1) {
    return SHT_FAIL(error, SHT_USAGE, "sht_engine_group_open: a group of no members");
  }
  sht_engine_group *group = NULL;
  SHT_TRY(SHT_ALLOC(&group, 1, "group of engines", error));
  group->members = members;
  if (pthread_mutex_init(&group->lock, NULL) != 0 || pthread_cond_init(&group->changed, NULL) != 0) {
    sht_free(group);
    return SHT_FAIL(error, SHT_MEMORY, "no lock for a group of engines");
  }
  *out = group;
  return SHT_OK;
}

void sht_engine_group_leave(sht_engine_group *group) {
  sht__group_lock(group);
  group->members--;
  (void)pthread_cond_broadcast(&group->changed);  // those who wait may have waited for this one alone
  sht__group_unlock(group);
}

void sht_engine_group_close(sht_engine_group *group) {
  if (group != NULL) {
    (void)pthread_cond_destroy(&group->changed);
    (void)pthread_mutex_destroy(&group->lock);
    sht_free(group);
  }
}

void **sht__group_shared(sht_engine_group *group) { return &group->shared; }

uint32_t sht__group_members(const sht_engine_group *group) { return group->members; }

void sht__group_lock(sht_engine_group *group) { (void)pthread_mutex_lock(&group->lock); }

void sht__group_unlock(sht_engine_group *group) { (void)pthread_mutex_unlock(&group->lock); }

void sht__group_meet(sht_engine_group *group, void (*serve)(void *shared)) {
  sht__group_lock(group);
  const uint64_t before = group->served;
  group->waiting++;
  while (group->served == before) {
    if (group->waiting < group->members) {
      (void)pthread_cond_wait(&group->changed, &group->lock);
      continue;
    }
    serve(group->shared);
    group->waiting = 0;
    group->served++;
    (void)pthread_cond_broadcast(&group->changed);
  }
  sht__group_unlock(group);
}
