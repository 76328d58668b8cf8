// Downloads of the known data sets: official address first, mirrors after it, resumed, checked, unpacked, moved into
// place whole. Part of the program, not of the library.
//
// While it works, everything lies in DATA_DIR/.fetch-NAME; DATA_DIR/FOLDER appears by one rename when it is complete
// and checked, so that an interruption at any instant leaves nothing in place. What was downloaded stays in .fetch-NAME
// and the next call goes on from there.
#ifndef SHT_FETCH_FETCH_H
#define SHT_FETCH_FETCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shatter/error.h"

// A file whose content is known beforehand.
typedef struct sht_fetch_file {
  const char *name;         // no folder in it: "data_batch_1.bin"
  uint64_t size;            // bytes; 0: not known, at most 1 MiB
  const char *checksum;     // hex digits: 64 of SHA-256 or 32 of MD5; NULL: not known
  const char *const *urls;  // of a download: its addresses, official first, then NULL
} sht_fetch_file;

// A data set that can be fetched. Its downloads are either its files themselves, or archives (.tar.gz) with the files
// in `archive_folder`.
typedef struct sht_fetch_set {
  const char *name;                 // "cifar10"
  const char *folder;               // in the data folder: "cifar-10-batches-bin"
  const char *archive_folder;       // in the archives: "cifar-10-batches-bin"; NULL: not archives
  const sht_fetch_file *downloads;  // [download_count]
  size_t download_count;
  const sht_fetch_file *files;  // [file_count] what `folder` holds at the end
  size_t file_count;
} sht_fetch_set;

typedef struct sht_fetch_options {
  const char *data_dir;  // NULL or "": $SHATTER_DATA, else the user's data folder
  const char *const
      *from;           // addresses to use in place of the set's own, then NULL; NULL: the set's own. One that ends
                       // in '/' is a folder of downloads, any other is the download itself (sets with one download)
  long stall_seconds;  // give an address up after so long without data; 0: 60
  void *context;       // of the functions below, each of which may be NULL
  // `file` so far, of total bytes (0: not known). Often; not more than a few times a second.
  void (*progressed)(void *context, const char *file, uint64_t bytes, uint64_t total);
  // A sentence for the person: which address is tried, what failed.
  void (*noted)(void *context, const char *sentence);
  bool (*stop_requested)(void *context);  // true ends with SHT_STOPPED; the next call goes on from there
} sht_fetch_options;

typedef struct sht_fetch_result {
  char folder[4096];    // where the set lies
  bool present;         // it was there already, complete and checked: nothing was done
  uint64_t bytes;       // that came over the network
  char replaced[4096];  // where an incomplete or different folder of that name was moved to; "": there was none
} sht_fetch_result;

// Fetches a set that the library knows (sht_known_sets in shatter/data.h) by name. result may be NULL.
// Errors: SHT_MISSING (no such set, with the nearest name), SHT_UNAVAILABLE (no address answered), SHT_DATA (wrong
// checksum or archive: nothing of it is kept), SHT_DISK, SHT_STOPPED, SHT_USAGE (`from` does not fit the set, or
// there is nothing to fetch).
sht_status sht_fetch(const char *name, const sht_fetch_options *options, sht_fetch_result *result, sht_error *error);

// The same for a set of one's own.
sht_status sht_fetch_install(const sht_fetch_set *set, const sht_fetch_options *options, sht_fetch_result *result,
                             sht_error *error);

#endif
