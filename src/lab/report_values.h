// Single numbers inside a page of Markdown that are taken from JSON results (shatter kernel -o, or what --json
// printed), so that no number is typed by hand.
//
// A place for one is written <!-- value: FILE KEY FORMAT -->...<!-- end -->, within one line, also in a cell of a
// table. FILE: below the folder of results. KEY: a member; members of members, and places of a list from 0, follow
// after dots (solutions.1.error). FORMAT: percent (100 times, two decimals), percent1 (one), or significant digits, 1
// to 9; large whole numbers are written with commas.
#ifndef SHT_LAB_REPORT_VALUES_H
#define SHT_LAB_REPORT_VALUES_H

#include <stdint.h>

#include "shatter/error.h"

// Fills every place of the page from the results below `folder`; the rest of the page stays. *values: how many there
// are. On an error the page is as it was: SHT_DATA with the line of a place that cannot be read, or whose member is not
// there or not a number; SHT_MISSING (no such file); SHT_DISK.
sht_status sht__report_values(const char *path, const char *folder, uint64_t *values, sht_error *error);

#endif
