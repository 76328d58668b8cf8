// A plugin of another version of the engine interface, which must be refused.
#include "engine/backend.h"

extern const sht_backend sht_backend_old;
const sht_backend sht_backend_old = {.version = SHT_BACKEND_VERSION + 1, .name = "old"};
