// Writes what a data set holds, for a script to compare:
//
//   driver_pixels SPEC FILE
//
// FILE: nine little-endian uint32: classes, then count, height, width, channels of the training and of the test set;
// then pixels [count][height][width][channels] and labels [count] (uint16) of the training set, and of the test set.
// Exit code: that of the library's status, whose sentence goes to standard error.
#include <stdio.h>

#include "shatter/data.h"

static bool write_split(FILE *file, const sht_split *split) {
  const size_t values = (size_t)split->count * split->height * split->width * split->channels;
  return fwrite(split->pixels, 1, values, file) == values &&
         fwrite(split->labels, sizeof *split->labels, split->count, file) == split->count;
}

static bool write_set(FILE *file, const sht_dataset *data) {
  const sht_split *a = &data->train;
  const sht_split *b = &data->test;
  const uint32_t head[9] = {data->classes,      (uint32_t)a->count, a->height, a->width,   a->channels,
                            (uint32_t)b->count, b->height,          b->width,  b->channels};
  return fwrite(head, sizeof head, 1, file) == 1 && write_split(file, a) && write_split(file, b);
}

int main(int count, char **words) {
  sht_dataset *data = NULL;
  sht_error error;
  if (count != 3) {
    return sht_status_exit_code(SHT_USAGE);
  }
  sht_status status = sht_dataset_open(words[1], NULL, &data, &error);
  if (status != SHT_OK) {
    (void)fprintf(stderr, "%s\n", error.message);
    return sht_status_exit_code(status);
  }
  FILE *file = fopen(words[2], "wb");
  bool written = file != NULL && write_set(file, data);
  written = file != NULL && fclose(file) == 0 && written;
  sht_dataset_close(data);
  return written ? 0 : sht_status_exit_code(SHT_DISK);
}
