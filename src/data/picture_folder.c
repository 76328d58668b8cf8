// A folder of pictures as a data set: sizes and colours from all headers first, then the pixels, on all cores.
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "base/pool.h"
#include "data/dataset.h"
#include "data/picture_list.h"
#include "data/resample.h"

// What is done to every picture, and which failure is told: of several the first one's in the order of the pictures,
// whatever the order in which threads come to them.
typedef struct walk {
  sht__picture_list *list;
  sht_dataset *data;  // its splits are filled
  uint32_t side;      // 0: pictures as they are
  sht_status (*visit)(const struct walk *walk, int split, uint64_t index, const char *path, sht_error *error);
  atomic_uint_fast64_t failed;  // first picture that failed; UINT64_MAX: none
  pthread_mutex_t mutex;        // of the three
  sht_status status;
  sht_error error;
} walk;

static void note_failure(walk *w, uint64_t task, sht_status status, const sht_error *error) {
  (void)pthread_mutex_lock(&w->mutex);
  if (task < atomic_load(&w->failed)) {
    w->status = status;
    w->error = *error;
    atomic_store(&w->failed, task);
  }
  (void)pthread_mutex_unlock(&w->mutex);
}

// Training pictures, then test pictures. Behind a failure there is nothing to do any more, before it there is.
static void visit_one(void *context, size_t task, int worker) {
  (void)worker;
  walk *w = context;
  if (task > atomic_load(&w->failed)) {
    return;
  }
  const uint64_t train = w->list->split[0].count;
  const int split = task < train ? 0 : 1;
  const uint64_t index = split == 0 ? task : task - train;
  char path[SHT_PATH_MAX];
  sht_error error = {.status = SHT_OK};
  sht_status status = sht__picture_path(w->list, split, index, path, &error);
  if (status == SHT_OK) {
    status = w->visit(w, split, index, path, &error);
  }
  if (status != SHT_OK) {
    note_failure(w, task, status, &error);
  }
}

static sht_status visit_all(walk *w, sht_pool *pool, sht_error *error) {
  atomic_store(&w->failed, UINT64_MAX);
  w->status = SHT_OK;
  (void)pthread_mutex_init(&w->mutex, NULL);
  sht_pool_run(pool, w->list->split[0].count + w->list->split[1].count, visit_one, w);
  (void)pthread_mutex_destroy(&w->mutex);
  if (w->status != SHT_OK && error != NULL) {
    *error = w->error;
  }
  return w->status;
}

static sht_status measure(const walk *w, int split, uint64_t index, const char *path, sht_error *error) {
  sht__picture *shape = &w->list->split[split].files[index].shape;
  SHT_TRY(sht__picture_measure(path, shape, error));
  if (w->side == 0 && (shape->height > SHT_SIDE_MAX || shape->width > SHT_SIDE_MAX)) {
    return SHT_FAIL(error, SHT_DATA,
                    "%s: %ux%u pixels (height x width), expected sides up to %d; have all pictures scaled: --data "
                    "FOLDER:SIDE, such as %s:224",
                    path, shape->height, shape->width, SHT_SIDE_MAX, w->data->name);
  }
  return SHT_OK;
}

static sht_status fail_sizes(const walk *w, int split, uint64_t index, sht_error *error) {
  const sht__picture *first = &w->list->split[0].files[0].shape;
  const sht__picture *other = &w->list->split[split].files[index].shape;
  char first_path[SHT_PATH_MAX];
  char path[SHT_PATH_MAX];
  SHT_TRY(sht__picture_path(w->list, 0, 0, first_path, error));
  SHT_TRY(sht__picture_path(w->list, split, index, path, error));
  return SHT_FAIL(error, SHT_DATA,
                  "%.1500s is %ux%u, but %.1500s is %ux%u (height x width), and all pictures must have one size; have "
                  "them scaled and cut: --data FOLDER:SIDE, such as %s:32",
                  first_path, first->height, first->width, path, other->height, other->width, w->data->name);
}

// The one shape of all images.
static sht_status find_shape(const walk *w, uint32_t shape[3], sht_error *error) {
  const sht__picture *first = &w->list->split[0].files[0].shape;
  shape[0] = w->side == 0 ? first->height : w->side;
  shape[1] = w->side == 0 ? first->width : w->side;
  shape[2] = 1;
  for (int split = 0; split < 2; split++) {
    for (uint64_t i = 0; i < w->list->split[split].count; i++) {
      const sht__picture *picture = &w->list->split[split].files[i].shape;
      if (w->side == 0 && (picture->height != shape[0] || picture->width != shape[1])) {
        return fail_sizes(w, split, i, error);
      }
      shape[2] = picture->channels > shape[2] ? picture->channels : shape[2];
    }
  }
  return SHT_OK;
}

// Grey levels to three channels, in place: from the end, so that none is overwritten before it is read.
static void spread_grey(uint8_t *pixels, uint64_t count) {
  for (uint64_t i = count; i-- > 0;) {
    memset(pixels + 3 * i, pixels[i], 3);
  }
}

static sht_status take_pixels(const walk *w, sht_split *split, const sht__picture *picture, uint8_t *out,
                              sht_error *error) {
  const uint64_t positions = (uint64_t)split->height * split->width;
  if (w->side == 0) {
    memcpy(out, picture->pixels, positions * picture->channels);
  } else {
    SHT_TRY(sht__resample(picture, w->side, out, error));
  }
  if (picture->channels < split->channels) {
    spread_grey(out, positions);
  }
  return SHT_OK;
}

static sht_status read_one(const walk *w, int split, uint64_t index, const char *path, sht_error *error) {
  const sht__picture_file *file = &w->list->split[split].files[index];
  sht_split *to = split == 0 ? &w->data->train : &w->data->test;
  uint8_t *out = (uint8_t *)to->pixels + index * to->height * to->width * to->channels;
  sht__picture picture = {0};
  sht_status status = sht__picture_read(path, &picture, error);
  const bool same = picture.height == file->shape.height && picture.width == file->shape.width &&
                    picture.channels == file->shape.channels;
  if (status == SHT_OK && !same) {
    status = SHT_FAIL(error, SHT_DATA, "%s: the file changed while the folder was read; try again", path);
  }
  if (status == SHT_OK) {
    status = take_pixels(w, to, &picture, out, error);
  }
  sht__picture_close(&picture);
  to->labels[index] = file->label;
  return status;
}

static sht_status make_splits(const walk *w, const uint32_t shape[3], sht_error *error) {
  const sht__picture_split *from = w->list->split;
  SHT_TRY(sht__split_make(from[0].folder, from[0].count, shape, &w->data->train, error));
  return sht__split_make(from[1].folder, from[1].count, shape, &w->data->test, error);
}

// A folder's name as the name of a class: cut at a whole character of UTF-8, and without control characters, which
// would change a terminal's colours.
static void name_class(const char *name, char out[32]) {
  size_t length = strlen(name);
  if (length > 31) {
    for (length = 31; length > 0 && ((unsigned char)name[length] & 0xc0) == 0x80;) {
      length--;
    }
  }
  for (size_t i = 0; i < length; i++) {
    const bool control = (unsigned char)name[i] < ' ' || name[i] == 0x7f;
    out[i] = name[i];
    if (control) {
      out[i] = '?';
    }
  }
  out[length] = '\0';
}

static sht_status read_pictures(walk *w, sht_pool *pool, sht_error *error) {
  uint32_t shape[3];
  w->visit = measure;
  SHT_TRY(visit_all(w, pool, error));
  SHT_TRY(find_shape(w, shape, error));
  SHT_TRY(make_splits(w, shape, error));
  w->visit = read_one;
  SHT_TRY(visit_all(w, pool, error));
  SHT_TRY(sht__dataset_set_classes(w->data, (uint32_t)w->list->classes.count, error));
  for (uint32_t k = 0; k < w->data->classes; k++) {
    name_class(w->list->classes.items[k].name, w->data->class_names[k]);
  }
  return SHT_OK;
}

sht_status sht__pictures_open(const char *folder, uint32_t side, sht_dataset *data, sht_error *error) {
  sht__picture_list list;
  sht_pool *pool = NULL;
  walk w = {.list = &list, .data = data, .side = side};
  sht_status status = sht__picture_list_read(folder, &list, error);
  if (status == SHT_OK) {
    status = sht_pool_open(0, &pool, error);
  }
  if (status == SHT_OK) {
    status = read_pictures(&w, pool, error);
  }
  sht_pool_close(pool);
  sht__picture_list_close(&list);
  return status;
}
