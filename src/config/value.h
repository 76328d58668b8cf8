// One option's value: from text, with what is wrong in words.
#ifndef SHT_CONFIG_VALUE_H
#define SHT_CONFIG_VALUE_H

#include "config/faults.h"
#include "shatter/config.h"

// What is wrong with a value, and what to do.
typedef struct sht__complaint {
  char sentence[SHT__FAULT_TEXT];
  char advice[SHT__FAULT_TEXT];  // "" when there is none
} sht__complaint;

// Sets the option in `config`; false, leaving it alone, with a complaint.
bool sht__value_set(sht_config *config, const sht_option *option, const char *text, sht__complaint *complaint);

// Complains about a name that is no option.
void sht__value_unknown(const char *name, sht__complaint *complaint);

#endif
