// SHA-256: see hash.h.
#include "base/hash.h"

#include <openssl/evp.h>
#include <stdio.h>

#include "base/memory.h"

struct sht_hash {
  EVP_MD_CTX *context;
};

sht_status sht_hash_open(sht_hash **out, sht_error *error) {
  SHT_TRY(SHT_ALLOC(out, 1, "hash", error));
  (*out)->context = EVP_MD_CTX_new();
  if ((*out)->context == NULL || EVP_DigestInit_ex((*out)->context, EVP_sha256(), NULL) != 1) {
    EVP_MD_CTX_free((*out)->context);
    sht_free(*out);
    *out = NULL;
    return SHT_FAIL(error, SHT_MEMORY, "no memory for a SHA-256 sum");
  }
  return SHT_OK;
}

void sht_hash_add(sht_hash *hash, const void *bytes, uint64_t size) {
  (void)EVP_DigestUpdate(hash->context, bytes, size);
}

void sht_hash_close(sht_hash *hash, char hex[65]) {
  unsigned char digest[EVP_MAX_MD_SIZE] = {0};
  (void)EVP_DigestFinal_ex(hash->context, digest, NULL);
  for (int i = 0; i < 32; i++) {
    (void)snprintf(hex + (size_t)2 * i, 3, "%02x", digest[i]);
  }
  EVP_MD_CTX_free(hash->context);
  sht_free(hash);
}

sht_status sht_hash_bytes(const void *bytes, uint64_t size, char hex[65], sht_error *error) {
  sht_hash *hash = NULL;
  sht_status status = sht_hash_open(&hash, error);
  if (hash == NULL) {
    return status;
  }
  sht_hash_add(hash, bytes, size);
  sht_hash_close(hash, hex);
  return SHT_OK;
}
