// One option's value: see value.h.
#include "config/value.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "config/scalar.h"

enum { SHOWN = 60, CHOICES_MAX = 16 };

__attribute__((format(printf, 2, 3))) static bool complain(sht__complaint *complaint, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  (void)vsnprintf(complaint->sentence, sizeof complaint->sentence, format, arguments);
  va_end(arguments);
  return false;
}

static void *field_of(sht_config *config, const sht_option *option) { return (char *)config + option->offset; }

static bool set_bool(sht_config *config, const sht_option *option, const char *text, sht__complaint *complaint) {
  return sht__scalar_bool(text, field_of(config, option)) ||
         complain(complaint, "%s must be true or false, not \"%.*s\"", option->name, SHOWN, text);
}

static bool complain_range(const sht_option *option, const char *what, const char *text, sht__complaint *complaint) {
  char range[64];
  if (option->maximum < 0x1p63) {
    (void)snprintf(range, sizeof range, "from %.10g to %.10g", option->minimum, option->maximum);
  } else {
    (void)snprintf(range, sizeof range, "of at least %.10g and below 2^64", option->minimum);
  }
  bool has_unit = option->unit[0] != '\0';
  return complain(complaint, "%s must be %s%s%s %s%s, not \"%.*s\"", option->name, what, has_unit ? " of " : "",
                  option->unit, range, option->nullable ? ", or the word default" : "", SHOWN, text);
}

static bool set_count(sht_config *config, const sht_option *option, const char *text, sht__complaint *complaint) {
  uint64_t value = 0;
  if (!sht__scalar_count(text, &value) || !((double)value >= option->minimum && (double)value <= option->maximum)) {
    return complain_range(option, "a whole number", text, complaint);
  }
  memcpy(field_of(config, option), &value, sizeof value);
  return true;
}

static bool set_number(sht_config *config, const sht_option *option, const char *text, sht__complaint *complaint) {
  double value = NAN;
  bool is_default = option->nullable && strcmp(text, "default") == 0;
  if (!is_default && (!sht__scalar_number(text, &value) || !(value >= option->minimum && value <= option->maximum))) {
    return complain_range(option, "a number", text, complaint);
  }
  memcpy(field_of(config, option), &value, sizeof value);
  return true;
}

static bool set_text(sht_config *config, const sht_option *option, const char *text, sht__complaint *complaint) {
  size_t length = strlen(text);
  if (length >= SHT_TEXT_MAX) {
    return complain(complaint, "%s has %zu bytes, at most %d are allowed", option->name, length, SHT_TEXT_MAX - 1);
  }
  if (!sht__scalar_printable(text)) {
    return complain(complaint, "%s holds control characters or is not UTF-8; rename the file", option->name);
  }
  memcpy(field_of(config, option), text, length + 1);
  return true;
}

// Splits "fp32 bf16" into words [CHOICES_MAX] that end with NULL, kept in `copy`.
static void split_choices(const char *choices, char copy[SHT__FAULT_TEXT], const char *words[CHOICES_MAX]) {
  (void)snprintf(copy, SHT__FAULT_TEXT, "%s", choices);
  int count = 0;
  char *rest = NULL;
  for (char *word = strtok_r(copy, " ", &rest); word != NULL && count < CHOICES_MAX - 1;
       word = strtok_r(NULL, " ", &rest)) {
    words[count++] = word;
  }
  words[count] = NULL;
}

static bool set_choice(sht_config *config, const sht_option *option, const char *text, sht__complaint *complaint) {
  char copy[SHT__FAULT_TEXT];
  const char *words[CHOICES_MAX];
  split_choices(option->choices, copy, words);
  for (int i = 0; words[i] != NULL; i++) {
    if (strcmp(words[i], text) == 0) {
      return set_text(config, option, text, complaint);
    }
  }
  (void)sht__advise(complaint->advice, sizeof complaint->advice, "values", text, words);
  return complain(complaint, "%s cannot be \"%.*s\"", option->name, SHOWN, text);
}

bool sht__value_set(sht_config *config, const sht_option *option, const char *text, sht__complaint *complaint) {
  static bool (*const setters[])(sht_config *, const sht_option *, const char *, sht__complaint *) = {
      [SHT_OPTION_BOOL] = set_bool, [SHT_OPTION_COUNT] = set_count,   [SHT_OPTION_NUMBER] = set_number,
      [SHT_OPTION_TEXT] = set_text, [SHT_OPTION_CHOICE] = set_choice,
  };
  complaint->advice[0] = '\0';
  return setters[option->type](config, option, text, complaint);
}

void sht__value_unknown(const char *name, sht__complaint *complaint) {
  const char *names[SHT_OPTIONS_MAX + 1] = {0};  // NULL behind the last
  for (size_t i = 0; i < sht_option_count; i++) {
    names[i] = sht_options[i].name;
  }
  (void)complain(complaint, "there is no option \"%.*s\"", SHOWN, name);
  (void)sht__advise(complaint->advice, sizeof complaint->advice, "options", name, names);
}
