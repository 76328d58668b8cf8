// One file from one address, through libcurl, going on from what an earlier attempt left.
#ifndef SHT_FETCH_DOWNLOAD_H
#define SHT_FETCH_DOWNLOAD_H

#include "fetch/fetch.h"

// Loads `file` from `url` into `path`. Bytes that `path` already holds are not asked for again (Range); a lost
// connection is taken up again as long as it brings something. The content is not checked beyond its size. Adds the
// bytes received to *received. Needs curl_global_init. Errors: SHT_UNAVAILABLE (this address does not give it; what
// arrived is kept), SHT_DATA (another size than expected), SHT_DISK, SHT_STOPPED.
sht_status sht__fetch_download(const char *url, const char *path, const sht_fetch_file *file,
                               const sht_fetch_options *options, uint64_t *received, sht_error *error);

#endif
