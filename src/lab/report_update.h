// Tables inside a page of Markdown that are made from a store, so that no number is typed by hand.
//
// A block begins with a line <!-- measured: EXPERIMENT VIEW --> (or EXPERIMENT VIEW SCALE) and ends with a line
// <!-- end -->; what stands between is replaced.
#ifndef SHT_LAB_REPORT_UPDATE_H
#define SHT_LAB_REPORT_UPDATE_H

#include <stdint.h>

#include "shatter/error.h"

// Makes all blocks of the page anew. store: as sht_store_open. *blocks: how many there are. The caller has no other
// threads and no open store (shatter/schedule.h). Errors: SHT_DATA with the line of a block that cannot be read,
// SHT_MISSING (no such experiment or view, or its data), SHT_DISK.
sht_status sht__report_update(const char *path, const char *store, uint64_t *blocks, sht_error *error);

#endif
