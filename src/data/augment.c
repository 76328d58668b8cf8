// What may happen to an image: reading and writing the list of kinds. See shatter/augment.h.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "shatter/data.h"

// A kind with one number.
typedef struct kind {
  const char *name;
  size_t offset;        // of its number in sht_augmentation
  double value;         // when none is given
  double largest;       // from 0
  const char *meaning;  // of the number
} kind;

enum { CROP, FIRST_COLOUR = 3, KINDS = 7, PADDING_MAX = 64, ROTATED_SIDE_MAX = 8192 };

static const kind kinds[KINDS] = {
    {"crop", 0, 0, PADDING_MAX, "pixels of padding, a whole number"},
    {"flip", offsetof(sht_augmentation, flip), 0.5, 1, "a probability"},
    {"rotate", offsetof(sht_augmentation, rotate), 25, 180, "degrees"},
    {"brightness", offsetof(sht_augmentation, brightness), 32.0 / 255, 1, "a fraction of the range"},
    {"contrast", offsetof(sht_augmentation, contrast), 0.5, 1, "a change of the factor 1"},
    {"saturation", offsetof(sht_augmentation, saturation), 0.5, 1, "a change of the factor 1"},
    {"hue", offsetof(sht_augmentation, hue), 0.2, 0.5, "turns of the colour circle"},
};
static const char colour_name[] = "color";

static double *number_of(sht_augmentation *how, const kind *which) { return (double *)((char *)how + which->offset); }

static sht_status fail_value(const char *text, const kind *which, sht_error *error) {
  return SHT_FAIL(error, SHT_CONFIG, "augment \"%s\": %s takes %s from 0 to %g, such as %s:%.3g", text, which->name,
                  which->meaning, which->largest, which->name, which->value > 0 ? which->value : 4);
}

// Sets one kind to `value` (NULL: what it is when not given).
static sht_status set_kind(const char *text, const kind *which, const char *value, sht_augmentation *out,
                           sht_error *error) {
  double number = which->value;
  if (value != NULL) {
    char *stop = NULL;
    number = strtod(value, &stop);
    if (stop == value || *stop != '\0' || !(number >= 0 && number <= which->largest)) {
      return fail_value(text, which, error);
    }
  }
  if (which != &kinds[CROP]) {
    *number_of(out, which) = number;
    return SHT_OK;
  }
  out->crop = true;
  out->padding = (uint32_t)number;
  return out->padding == number ? SHT_OK : fail_value(text, which, error);
}

static sht_status set_colour(const char *text, const char *value, sht_augmentation *out, sht_error *error) {
  if (value != NULL) {
    return SHT_FAIL(error, SHT_CONFIG,
                    "augment \"%s\": color takes no value; give brightness, contrast, saturation and hue theirs", text);
  }
  for (int i = FIRST_COLOUR; i < KINDS; i++) {
    SHT_TRY(set_kind(text, &kinds[i], NULL, out, error));
  }
  return SHT_OK;
}

static sht_status fail_name(const char *text, const char *word, sht_error *error) {
  const char *names[KINDS + 3] = {"none", colour_name};
  for (int i = 0; i < KINDS; i++) {
    names[i + 2] = kinds[i].name;
  }
  const char *nearest = sht_text_nearest(word, names);
  return SHT_FAIL(error, SHT_CONFIG,
                  "augment \"%s\": expected none, or a list of crop, flip, rotate, brightness, contrast, saturation, "
                  "hue, color%s%s%s",
                  text, nearest == NULL ? "" : "; did you mean ", nearest == NULL ? "" : nearest,
                  nearest == NULL ? "" : "?");
}

// One entry of the list: NAME or NAME:VALUE.
static sht_status read_entry(const char *text, char *entry, sht_augmentation *out, sht_error *error) {
  char *value = strchr(entry, ':');
  if (value != NULL) {
    *value++ = '\0';
  }
  if (strcmp(entry, colour_name) == 0) {
    return set_colour(text, value, out, error);
  }
  for (int i = 0; i < KINDS; i++) {
    if (strcmp(entry, kinds[i].name) == 0) {
      return set_kind(text, &kinds[i], value, out, error);
    }
  }
  return fail_name(text, entry, error);
}

sht_status sht_augmentation_parse(const char *text, sht_augmentation *out, sht_error *error) {
  enum { LENGTH_MAX = 1023 };
  char copy[LENGTH_MAX + 1];
  *out = (sht_augmentation){0};
  if (strcmp(text, "none") == 0) {
    return SHT_OK;
  }
  if (strlen(text) > LENGTH_MAX) {
    return SHT_FAIL(error, SHT_CONFIG, "augment: a list of at most %d characters is expected", LENGTH_MAX);
  }
  (void)snprintf(copy, sizeof copy, "%s", text);
  for (char *entry = copy, *next = NULL; entry != NULL; entry = next) {
    next = strchr(entry, ',');
    if (next != NULL) {
      *next++ = '\0';
    }
    entry += strspn(entry, " ");
    SHT_TRY(read_entry(text, entry, out, error));
  }
  return SHT_OK;
}

// The shortest decimal that reads back as the same number.
static void print_number(double value, char *out, size_t size) {
  for (int digits = 3; digits <= 17; digits++) {
    (void)snprintf(out, size, "%.*g", digits, value);
    if (strtod(out, NULL) == value) {
      return;
    }
  }
}

char *sht_augmentation_print(const sht_augmentation *how, char *out, size_t size) {
  sht_augmentation copy = *how;
  char padding[32] = "";
  size_t length = 0;
  if (how->padding > 0) {
    (void)snprintf(padding, sizeof padding, ":%u", how->padding);
  }
  (void)snprintf(out, size, "%s%s", how->crop ? "crop" : "", padding);
  for (int i = CROP + 1; i < KINDS; i++) {
    double value = *number_of(&copy, &kinds[i]);
    char number[32];
    print_number(value, number, sizeof number);
    length = strlen(out);
    if (value > 0) {
      (void)snprintf(out + length, size - length, "%s%s:%s", length > 0 ? "," : "", kinds[i].name, number);
    }
  }
  if (out[0] == '\0') {
    (void)snprintf(out, size, "none");
  }
  return out;
}

bool sht_augmentation_reads_around(const sht_augmentation *how) { return how->crop || how->rotate > 0; }

bool sht_augmentation_is_on(const sht_augmentation *how) {
  return sht_augmentation_reads_around(how) || how->flip > 0 || how->brightness > 0 || how->contrast > 0 ||
         how->saturation > 0 || how->hue > 0;
}

static sht_status check_pixels(const sht_augmentation *how, const sht_randomization *randomization,
                               const sht_split *split, sht_error *error) {
  if (randomization->pixels == SHT_PIXELS_GAUSSIAN || split->type != SHT_PIXEL_U8) {
    return SHT_FAIL(error, SHT_CONFIG,
                    "augmentation of Gaussian images: noise has no variants that show the same thing; leave out "
                    "--augment, or take other --pixels");
  }
  if (randomization->pixels != SHT_PIXELS_TRUE && (sht_augmentation_reads_around(how) || how->flip > 0)) {
    return SHT_FAIL(error, SHT_CONFIG,
                    "crop, flip and rotate need images whose pixels lie in their places: a permutation that stays the "
                    "same from epoch to epoch leaves no place to move them to; keep brightness, contrast, saturation "
                    "and hue, or take --pixels true");
  }
  if (how->rotate > 0 && (split->height > ROTATED_SIDE_MAX || split->width > ROTATED_SIDE_MAX)) {
    return SHT_FAIL(error, SHT_CONFIG,
                    "rotate turns images of up to %d pixels a side, these have %u x %u; leave it out", ROTATED_SIDE_MAX,
                    split->height, split->width);
  }
  if ((how->saturation > 0 || how->hue > 0) && split->channels != 3) {
    return SHT_FAIL(error, SHT_CONFIG,
                    "saturation and hue need images with three channels, these have %u; keep brightness and contrast",
                    split->channels);
  }
  return SHT_OK;
}

sht_status sht_augmentation_check(const sht_augmentation *how, const sht_randomization *randomization,
                                  const sht_split *split, uint32_t height, uint32_t width, sht_error *error) {
  if (!sht_augmentation_is_on(how)) {
    return SHT_OK;
  }
  SHT_TRY(check_pixels(how, randomization, split, error));
  if (how->crop && how->padding == 0 && split->height == height && split->width == width) {
    return SHT_FAIL(error, SHT_CONFIG,
                    "crop: the images are %ux%u and the model takes all of that, which leaves nothing to choose; pad "
                    "them: crop:4",
                    height, width);
  }
  if (how->padding >= height || how->padding >= width) {
    return SHT_FAIL(error, SHT_CONFIG, "crop:%u: as much padding as the window of %ux%u; use less", how->padding,
                    height, width);
  }
  return SHT_OK;
}
