// Contradictions between the options of a configuration, collected with their places.
#ifndef SHT_CONFIG_CHECK_H
#define SHT_CONFIG_CHECK_H

#include "config/faults.h"
#include "shatter/config.h"

// Where the options of a configuration were said.
typedef struct sht__option_places {
  const char *who;       // opens the sentences, or NULL
  const sht__place *at;  // [sht_option_count] by the option's row in the table, line 0: nowhere; NULL: none was
  sht__place otherwise;  // of a contradiction whose options were said nowhere
} sht__option_places;

// Every value out of range and every contradiction, each where the last of its options stands.
void sht__config_check(const sht_config *config, const sht__option_places *places, sht__faults *faults);

#endif
