// A group of engines whose members are served together: see shatter/engine.h. What is common to backends: who belongs
// to it, and how they meet.
#ifndef SHT_ENGINE_GROUP_H
#define SHT_ENGINE_GROUP_H

#include "shatter/engine.h"

// What the backend keeps for the group; NULL: nothing yet. Under the lock.
void **sht__group_shared(sht_engine_group *group);
uint32_t sht__group_members(const sht_engine_group *group);  // that have not left; under the lock

// One member at a time, and none while members are served.
void sht__group_lock(sht_engine_group *group);
void sht__group_unlock(sht_engine_group *group);

// Waits until every member has called this; then `serve(shared)` runs once for all, with the lock held, and all go on.
void sht__group_meet(sht_engine_group *group, void (*serve)(void *shared));

#endif
