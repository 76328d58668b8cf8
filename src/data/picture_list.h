// The pictures of a folder that is laid out as FOLDER/train/CLASS/*.png and FOLDER/test/CLASS/*.jpg.
#ifndef SHT_DATA_PICTURE_LIST_H
#define SHT_DATA_PICTURE_LIST_H

#include "data/dataset.h"
#include "data/entries.h"
#include "data/picture.h"

typedef struct sht__picture_file {
  char *name;          // in the folder of its class; owned, free()
  uint16_t label;      // its class
  sht__picture shape;  // the reader's; without pixels
} sht__picture_file;

// Training or test set.
typedef struct sht__picture_split {
  char folder[SHT_PATH_MAX];  // "FOLDER/train"
  sht__picture_file *files;   // [count] by class, then by name, bytewise
  uint64_t count;
  uint64_t room;
} sht__picture_split;

typedef struct sht__picture_list {
  sht__entries classes;         // folders of train, sorted bytewise: class k is classes.items[k]
  sht__picture_split split[2];  // training, test
} sht__picture_list;

// Lists them, opening none. Close also after a failure. Errors: SHT_DATA (a layout that is not the one above, with what
// it should be), SHT_MISSING, SHT_DISK, SHT_MEMORY.
sht_status sht__picture_list_read(const char *folder, sht__picture_list *out, sht_error *error);
void sht__picture_list_close(sht__picture_list *list);

// Path of picture `index`. Errors: SHT_CONFIG (too long).
sht_status sht__picture_path(const sht__picture_list *list, int split, uint64_t index, char path[SHT_PATH_MAX],
                             sht_error *error);

#endif
