// What "default" stands for: values that a model's text gives to options.
#ifndef SHT_MODEL_OWN_H
#define SHT_MODEL_OWN_H

#include <stddef.h>

#include "shatter/config.h"

// The value of an option for people: as the configuration has it, and where that is "default" the model's own beside
// it, "0.5 (default)"; a model without dropout has "none (default)". text: of the model; NULL: the model that the
// configuration names is read. Where it cannot be, "default". Returns out.
char *sht__own_value(const sht_config *config, const char *text, const sht_option *option, char *out, size_t size);

#endif
