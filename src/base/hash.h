// SHA-256 through OpenSSL's EVP interface.
#ifndef SHT_BASE_HASH_H
#define SHT_BASE_HASH_H

#include <stdint.h>

#include "shatter/error.h"

typedef struct sht_hash sht_hash;

sht_status sht_hash_open(sht_hash **out, sht_error *error);
void sht_hash_add(sht_hash *hash, const void *bytes, uint64_t size);
// Writes 64 hex digits and a NUL, and frees the hash.
void sht_hash_close(sht_hash *hash, char hex[65]);

// All at once.
sht_status sht_hash_bytes(const void *bytes, uint64_t size, char hex[65], sht_error *error);

#endif
