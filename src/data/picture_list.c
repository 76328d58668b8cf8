// Finding the classes and pictures of a folder: see picture_list.h.
#include "data/picture_list.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/file.h"
#include "base/memory.h"

enum { CLASSES_MAX = 65535 };

static const char layout[] =
    "expected train/CLASS/*.png (or .jpg, .jpeg) and test/CLASS/*.png, a folder for each class";
static const char *const test_names[] = {"test", "val", "valid", "validation"};
enum { TEST_NAMES = sizeof test_names / sizeof test_names[0] };

static bool is_picture(const sht__entry *entry) {
  static const char *const endings[] = {".png", ".jpg", ".jpeg"};
  const char *point = strrchr(entry->name, '.');
  bool known = false;
  for (size_t i = 0; point != NULL && i < sizeof endings / sizeof endings[0]; i++) {
    known = known || strcasecmp(point, endings[i]) == 0;
  }
  return known && entry->kind != SHT__ENTRY_FOLDER;
}

static bool has_picture(const sht__entries *entries) {
  bool found = false;
  for (uint64_t i = 0; i < entries->count; i++) {
    found = found || is_picture(&entries->items[i]);
  }
  return found;
}

static bool folder_has_picture(const char *folder, const char *name) {
  char path[SHT_PATH_MAX];
  sht__entries entries = {0};
  bool found = sht_path_join(path, sizeof path, folder, name, NULL) == SHT_OK &&
               sht__entries_read(path, &entries, NULL) == SHT_OK && has_picture(&entries);
  sht__entries_close(&entries);
  return found;
}

static bool is_split_name(const char *name) {
  bool found = strcmp(name, "train") == 0;
  for (int i = 0; i < TEST_NAMES; i++) {
    found = found || strcmp(name, test_names[i]) == 0;
  }
  return found;
}

bool sht__pictures_recognize(const char *folder) {
  sht__entries entries = {0};
  sht_status status = sht__entries_read(folder, &entries, NULL);
  bool found = status == SHT_DISK || (status == SHT_OK && has_picture(&entries));  // unreadable: opening says why
  for (uint64_t i = 0; i < entries.count && !found; i++) {
    const sht__entry *entry = &entries.items[i];
    found = (entry->kind != SHT__ENTRY_FILE && is_split_name(entry->name)) ||
            (entry->kind == SHT__ENTRY_FOLDER && folder_has_picture(folder, entry->name));
  }
  sht__entries_close(&entries);
  return found;
}

static sht_status fail_broken(const char *folder, const char *name, sht_error *error) {
  return SHT_FAIL(error, SHT_MISSING, "%s/%s: a link that leads nowhere; mend it or take it away", folder, name);
}

// Folder of the test set, by one of its names.
static sht_status find_test(const char *folder, const sht__entries *top, const char **out, sht_error *error) {
  *out = NULL;
  for (int i = 0; i < TEST_NAMES; i++) {
    const sht__entry *entry = sht__entries_find(top, test_names[i]);
    if (entry != NULL && entry->kind == SHT__ENTRY_BROKEN) {
      return fail_broken(folder, entry->name, error);
    }
    if (entry == NULL || entry->kind != SHT__ENTRY_FOLDER) {
      continue;
    }
    if (*out != NULL) {
      return SHT_FAIL(error, SHT_DATA,
                      "%s: both %s/ and %s/ could be the test set; keep one of them there (or make a folder of links)",
                      folder, *out, test_names[i]);
    }
    *out = test_names[i];
  }
  if (*out == NULL) {
    return SHT_FAIL(error, SHT_DATA, "%s: there is no test/ (nor val/, valid/, validation/) in it; %s", folder, layout);
  }
  return SHT_OK;
}

static sht_status find_splits(const char *folder, sht__picture_list *list, sht_error *error) {
  sht__entries top = {0};
  const char *test = NULL;
  sht_status status = sht__entries_read(folder, &top, error);
  const sht__entry *train = sht__entries_find(&top, "train");
  if (status == SHT_OK && train != NULL && train->kind == SHT__ENTRY_BROKEN) {
    status = fail_broken(folder, train->name, error);
  }
  if (status == SHT_OK && (train == NULL || train->kind != SHT__ENTRY_FOLDER)) {
    status = SHT_FAIL(error, SHT_DATA, "%s: there is no folder train in it; for pictures %s", folder, layout);
  }
  if (status == SHT_OK) {
    status = find_test(folder, &top, &test, error);
  }
  if (status == SHT_OK) {
    status = sht_path_join(list->split[0].folder, SHT_PATH_MAX, folder, "train", error);
  }
  if (status == SHT_OK) {
    status = sht_path_join(list->split[1].folder, SHT_PATH_MAX, folder, test, error);
  }
  sht__entries_close(&top);
  return status;
}

// The folders of a split, by name.
static sht_status read_classes(const char *folder, sht__entries *out, sht_error *error) {
  SHT_TRY(sht__entries_read(folder, out, error));
  uint64_t kept = 0;
  for (uint64_t i = 0; i < out->count; i++) {
    const sht__entry entry = out->items[i];
    if (entry.kind == SHT__ENTRY_BROKEN) {
      return fail_broken(folder, entry.name, error);
    }
    if (entry.kind == SHT__ENTRY_FOLDER) {
      out->items[i] = out->items[kept];  // swapped, so that each name is freed once
      out->items[kept++] = entry;
    }
  }
  for (uint64_t i = kept; i < out->count; i++) {
    free(out->items[i].name);
  }
  out->count = kept;
  if (kept < 1 || kept > CLASSES_MAX) {
    return SHT_FAIL(error, SHT_DATA, "%s: %llu folders of classes, expected 1 to %d; %s", folder,
                    (unsigned long long)kept, CLASSES_MAX, layout);
  }
  return SHT_OK;
}

static sht_status make_room(sht__picture_split *split, uint64_t more, sht_error *error) {
  const uint64_t needed = split->count + more;
  if (needed <= split->room) {
    return SHT_OK;
  }
  sht__picture_file *files = NULL;
  split->room = needed > 2 * split->room ? needed : 2 * split->room;
  SHT_TRY(SHT_ALLOC(&files, split->room, "names of pictures", error));
  if (split->count > 0) {
    memcpy(files, split->files, split->count * sizeof *files);
  }
  sht_free(split->files);
  split->files = files;
  return SHT_OK;
}

// Moves the pictures among the entries into the split.
static sht_status take_pictures(const char *folder, sht__entries *entries, uint16_t label, sht__picture_split *split,
                                sht_error *error) {
  SHT_TRY(make_room(split, entries->count, error));
  for (uint64_t i = 0; i < entries->count; i++) {
    sht__entry *entry = &entries->items[i];
    if (!is_picture(entry)) {
      continue;
    }
    if (entry->kind == SHT__ENTRY_BROKEN) {
      return fail_broken(folder, entry->name, error);
    }
    split->files[split->count++] = (sht__picture_file){.name = entry->name, .label = label};
    entry->name = NULL;
  }
  return SHT_OK;
}

static bool has_folder(const sht__entries *entries) {
  bool found = false;
  for (uint64_t i = 0; i < entries->count; i++) {
    found = found || entries->items[i].kind == SHT__ENTRY_FOLDER;
  }
  return found;
}

static sht_status read_class(const char *name, uint16_t label, bool may_be_empty, sht__picture_split *split,
                             sht_error *error) {
  char path[SHT_PATH_MAX];
  const uint64_t before = split->count;
  sht__entries entries = {0};
  SHT_TRY(sht_path_join(path, sizeof path, split->folder, name, error));
  sht_status status = sht__entries_read(path, &entries, error);
  if (status == SHT_OK) {
    status = take_pictures(path, &entries, label, split, error);
  }
  if (status == SHT_OK && split->count == before && has_folder(&entries)) {
    status = SHT_FAIL(error, SHT_DATA,
                      "%s: holds folders but no pictures, and folders below a class are not looked into; move the "
                      "pictures into the class's own folder",
                      path);
  } else if (status == SHT_OK && split->count == before && !may_be_empty) {
    status = SHT_FAIL(error, SHT_DATA,
                      "%s: holds no pictures (.png, .jpg, .jpeg); put some into it, or take the folder away", path);
  }
  sht__entries_close(&entries);
  return status;
}

static sht_status read_train(sht__picture_list *list, sht_error *error) {
  SHT_TRY(read_classes(list->split[0].folder, &list->classes, error));
  for (uint64_t k = 0; k < list->classes.count; k++) {
    SHT_TRY(read_class(list->classes.items[k].name, (uint16_t)k, false, &list->split[0], error));
  }
  return SHT_OK;
}

static sht_status read_test_classes(sht__picture_list *list, const sht__entries *classes, sht_error *error) {
  sht__picture_split *test = &list->split[1];
  for (uint64_t k = 0; k < classes->count; k++) {
    const char *name = classes->items[k].name;
    const sht__entry *known = sht__entries_find(&list->classes, name);
    if (known == NULL) {
      return SHT_FAIL(error, SHT_DATA, "%s/%s: %s has no class of this name; add it there, or take this one away",
                      test->folder, name, list->split[0].folder);
    }
    SHT_TRY(read_class(name, (uint16_t)(known - list->classes.items), true, test, error));
  }
  if (test->count == 0) {
    return SHT_FAIL(error, SHT_DATA, "%s: no class has a picture there; %s", test->folder, layout);
  }
  return SHT_OK;
}

static sht_status read_test(sht__picture_list *list, sht_error *error) {
  sht__entries classes = {0};
  sht_status status = read_classes(list->split[1].folder, &classes, error);
  if (status == SHT_OK) {
    status = read_test_classes(list, &classes, error);
  }
  sht__entries_close(&classes);
  return status;
}

sht_status sht__picture_list_read(const char *folder, sht__picture_list *out, sht_error *error) {
  *out = (sht__picture_list){0};
  SHT_TRY(find_splits(folder, out, error));
  SHT_TRY(read_train(out, error));
  return read_test(out, error);
}

void sht__picture_list_close(sht__picture_list *list) {
  for (int s = 0; s < 2; s++) {
    for (uint64_t i = 0; i < list->split[s].count; i++) {
      free(list->split[s].files[i].name);
    }
    sht_free(list->split[s].files);
  }
  sht__entries_close(&list->classes);
}

sht_status sht__picture_path(const sht__picture_list *list, int split, uint64_t index, char path[SHT_PATH_MAX],
                             sht_error *error) {
  const sht__picture_split *from = &list->split[split];
  const sht__picture_file *file = &from->files[index];
  char folder[SHT_PATH_MAX];
  SHT_TRY(sht_path_join(folder, sizeof folder, from->folder, list->classes.items[file->label].name, error));
  return sht_path_join(path, SHT_PATH_MAX, folder, file->name, error);
}
