// Values that stand for several: lists, ranges, texts with a range in parentheses. See experiment_page.h.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/scalar.h"
#include "lab/experiment_page.h"

enum { WORD_MAX = 64, SHOWN = 48 };

static const char *const range_advice = "write FROM..TO or FROM..TO step STEP, as in 1..3 or 0..1 step 0.25";

void sht__values_close(sht__values *values) {
  for (uint64_t i = 0; i < values->count; i++) {
    free(values->texts[i]);
  }
  free((void *)values->texts);
  free(values->at);
  *values = (sht__values){0};
}

static bool grow(sht__values *values) {
  uint64_t room = 2 * values->room + 16;
  char **texts = realloc((void *)values->texts, room * sizeof *texts);
  if (texts != NULL) {
    values->texts = texts;
  }
  sht__place *at = realloc(values->at, room * sizeof *at);
  if (at != NULL) {
    values->at = at;
  }
  values->room = texts != NULL && at != NULL ? room : values->room;
  return texts != NULL && at != NULL;
}

static bool add(sht__page *page, sht__values *values, const char *text, sht__place at) {
  if (values->count >= SHT__VALUES_MAX) {
    sht__fault(page->faults, at, NULL, "use a larger step", "stands for more than %d values", SHT__VALUES_MAX);
    return false;
  }
  char *copy = strdup(text);
  if (copy == NULL || (values->count == values->room && !grow(values))) {
    free(copy);
    page->status = SHT_FAIL(page->error, SHT_MEMORY, "no memory for the experiment's values");
    return false;
  }
  values->texts[values->count] = copy;
  values->at[values->count++] = at;
  return true;
}

typedef struct range {
  double from, to, step;
} range;

// Takes the blanks off both ends of text [length] into out; false when it does not fit.
static bool trim(const char *text, size_t length, char out[WORD_MAX]) {
  while (length > 0 && text[0] == ' ') {
    text++;
    length--;
  }
  while (length > 0 && text[length - 1] == ' ') {
    length--;
  }
  if (length >= WORD_MAX) {
    return false;
  }
  memcpy(out, text, length);
  out[length] = '\0';
  return true;
}

static bool number_of(const char *text, size_t length, double *out) {
  char word[WORD_MAX];
  return trim(text, length, word) && sht__scalar_number(word, out);
}

static bool parse_range(const char *text, range *out) {
  const char *dots = strstr(text, "..");
  const char *step = strstr(text, " step ");
  const char *to = dots + 2;
  out->step = 1;
  return number_of(text, (size_t)(dots - text), &out->from) &&
         number_of(to, step != NULL && step > to ? (size_t)(step - to) : strlen(to), &out->to) &&
         (step == NULL || number_of(step + 6, strlen(step + 6), &out->step)) && out->step > 0 && out->to >= out->from;
}

// Text before and after the parentheses.
typedef struct frame {
  const char *before;
  size_t before_length;
  const char *after;
} frame;

static bool add_framed(sht__page *page, sht__values *values, const frame *around, const char *word, sht__place at) {
  char text[SHT_TEXT_MAX];
  int length = snprintf(text, sizeof text, "%.*s%s%s", (int)around->before_length, around->before, word, around->after);
  if (length >= (int)sizeof text) {
    sht__fault(page->faults, at, NULL, NULL, "longer than %d bytes", SHT_TEXT_MAX - 1);
    return false;
  }
  return add(page, values, text, at);
}

// One word inside parentheses, or a bare value: a range or itself.
static bool add_word(sht__page *page, sht__values *values, const frame *around, const char *word, sht__place at) {
  if (strstr(word, "..") == NULL) {
    return add_framed(page, values, around, word, at);
  }
  range steps;
  if (!parse_range(word, &steps)) {
    sht__fault(page->faults, at, NULL, range_advice, "\"%.*s\" is not a range", SHOWN, word);
    return false;
  }
  // A hair more, so that 0..1 step 0.1 has its end; more values than may be are told by the first too many.
  double last = fmin(floor((steps.to - steps.from) / steps.step + 1e-9), SHT__VALUES_MAX);
  bool good = true;
  for (int i = 0; i <= (int)last && good; i++) {
    char number[WORD_MAX];
    // Twelve digits: 0.1 x 3 is to read 0.3.
    (void)snprintf(number, sizeof number, "%.12g", steps.from + i * steps.step);
    good = add_framed(page, values, around, number, at);
  }
  return good;
}

// Whether what stands between parentheses is meant as values: a range, or numbers with commas. Parentheses in the name
// of a file are left alone.
static bool holds_values(const char *open, const char *close) {
  double number;
  const char *comma = memchr(open, ',', (size_t)(close - open));
  const char *dots = strstr(open, "..");
  return (dots != NULL && dots < close) || (comma != NULL && number_of(open + 1, (size_t)(comma - open - 1), &number));
}

static bool add_enclosed(sht__page *page, sht__values *values, const char *text, const char *open, const char *close,
                         sht__place at) {
  frame around = {text, (size_t)(open - text), close + 1};
  bool good = true;
  for (const char *from = open + 1; from <= close && good;) {
    size_t length = strcspn(from, ",)");
    char word[WORD_MAX];
    if (!trim(from, length, word) || word[0] == '\0') {
      sht__fault(page->faults, at, NULL, "write (0, 0.5, 1) or (0..1 step 0.25)",
                 "an empty or overlong value in \"%.*s\"", SHOWN, text);
      return false;
    }
    good = add_word(page, values, &around, word, at);
    from += length + 1;
  }
  return good;
}

// A text: "corrupt:(0..1 step 0.25)" stands for several.
static bool add_text(sht__page *page, sht__values *values, const char *text, sht__place at) {
  const char *open = strchr(text, '(');
  const char *close = open == NULL ? NULL : strchr(open, ')');
  return close != NULL && holds_values(open, close) ? add_enclosed(page, values, text, open, close, at)
                                                    : add(page, values, text, at);
}

static bool add_scalar(sht__page *page, const sht__yaml_node *node, const sht_option *option, sht__values *values) {
  static const frame nothing = {"", 0, ""};
  bool is_number = option->type == SHT_OPTION_COUNT || option->type == SHT_OPTION_NUMBER;
  char found[SHT__FAULT_TEXT / 2];
  bool is_nothing = node->text[0] == '\0' && !node->quoted;
  if (node->kind != SHT__YAML_SCALAR || is_nothing || (node->quoted && is_number)) {
    sht__fault(page->faults, node->at, NULL, node->quoted ? "remove the quotes" : NULL, "%s must be a value, not %s",
               option->name, sht__yaml_describe(node, found, sizeof found));
    return false;
  }
  if (is_number) {
    return add_word(page, values, &nothing, node->text, node->at);
  }
  return add_text(page, values, node->text, node->at);
}

bool sht__values_add(sht__page *page, const sht__yaml_node *node, const sht_option *option, sht__values *values) {
  if (node->kind != SHT__YAML_LIST) {
    return add_scalar(page, node, option, values);
  }
  if (node->count == 0) {
    sht__fault(page->faults, node->at, option->name, "name at least one value", "the list is empty");
  }
  bool good = node->count > 0;
  for (const sht__yaml_node *item = node->first; item != NULL; item = item->next) {
    good = add_scalar(page, item, option, values) && good;
  }
  return good;
}
