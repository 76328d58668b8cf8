// Takes the expected files out of a .tar.gz, through libarchive.
#ifndef SHT_FETCH_UNPACK_H
#define SHT_FETCH_UNPACK_H

#include "fetch/fetch.h"

// Writes the set's files from `archive` into `folder` (which exists and is empty). Nothing is ever written under a name
// that comes from the archive: only regular files that the set names are taken, under the set's own names, up to their
// known sizes. Folders and unknown plain files (a readme) are passed over. SHT_DATA for anything else: a name that is
// absolute or has "..", a link or a device, a file twice, too large or missing, too many entries, more unpacked bytes
// than make sense. Also SHT_DISK, SHT_STOPPED. On an error `folder` may hold a part.
sht_status sht__fetch_unpack(const char *archive, const char *folder, const sht_fetch_set *set,
                             const sht_fetch_options *options, sht_error *error);

#endif
