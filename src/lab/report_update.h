// Tables inside a page of Markdown that are made from a store, so that no number is typed by hand.
//
// A block begins with a line <!-- measured: EXPERIMENT VIEW --> (or EXPERIMENT VIEW SCALE) and ends with a line
// <!-- end -->; what stands between is replaced, all blocks or none.
#ifndef SHT_LAB_REPORT_UPDATE_H
#define SHT_LAB_REPORT_UPDATE_H

#include <stdbool.h>
#include <stdint.h>

#include "shatter/error.h"

// Makes all blocks of the page anew from the runs' folders; neither data nor an engine is opened (answers.h). store: as
// sht_store_open_readable. lossy: also where that leaves fewer numbers in a row than it has. *blocks: how many there
// are. After an error the page is as it was. Errors: SHT_DATA with the line of a block that cannot be read, or of a row
// that the store has fewer numbers for; SHT_MISSING (no such store, experiment, view or model), SHT_DISK.
sht_status sht__report_update(const char *path, const char *store, bool lossy, uint64_t *blocks, sht_error *error);

#endif
