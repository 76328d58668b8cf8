// Sums of files: see checksum.h.
#include "fetch/checksum.h"

#include <errno.h>
#include <inttypes.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/file.h"

enum { BLOCK = 1 << 16, MD5_DIGITS = 32 };

// Adds the whole file to the sum; false with errno set when it cannot be read.
static bool add_file(EVP_MD_CTX *sum, FILE *file) {
  unsigned char block[BLOCK];
  size_t got = 0;
  while ((got = fread(block, 1, sizeof block, file)) > 0) {
    (void)EVP_DigestUpdate(sum, block, got);
  }
  return ferror(file) == 0;
}

static sht_status sum_file(const char *path, const EVP_MD *kind, char hex[2 * EVP_MAX_MD_SIZE + 1], sht_error *error) {
  FILE *file = fopen(path, "rbe");
  if (file == NULL) {
    return SHT_FAIL(error, SHT_DISK, "%s: cannot be opened: %s", path, strerror(errno));
  }
  EVP_MD_CTX *sum = EVP_MD_CTX_new();
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int length = 0;
  sht_status status = SHT_OK;
  if (sum == NULL || EVP_DigestInit_ex(sum, kind, NULL) != 1) {
    status =
        SHT_FAIL(error, SHT_UNAVAILABLE, "%s: this system's OpenSSL cannot compute %s", path, EVP_MD_get0_name(kind));
  } else if (!add_file(sum, file)) {
    status = SHT_FAIL(error, SHT_DISK, "%s: cannot be read: %s", path, strerror(errno));
  } else {
    (void)EVP_DigestFinal_ex(sum, digest, &length);
  }
  for (unsigned int i = 0; i < length; i++) {
    (void)snprintf(hex + (size_t)2 * i, 3, "%02x", digest[i]);
  }
  EVP_MD_CTX_free(sum);
  (void)fclose(file);
  return status;
}

sht_status sht__fetch_check(const char *path, const sht_fetch_file *expected, sht_error *error) {
  uint64_t size = 0;
  SHT_TRY(sht_file_size(path, &size, error));
  bool fits = expected->size == 0 ? size <= SHT__FETCH_UNKNOWN_MAX : size == expected->size;
  if (!fits) {
    return SHT_FAIL(error, SHT_DATA, "%s: %" PRIu64 " bytes, expected %" PRIu64, expected->name, size, expected->size);
  }
  if (expected->checksum == NULL) {
    return SHT_OK;
  }
  bool md5 = strlen(expected->checksum) == MD5_DIGITS;
  char hex[2 * EVP_MAX_MD_SIZE + 1] = "";
  SHT_TRY(sum_file(path, md5 ? EVP_md5() : EVP_sha256(), hex, error));
  if (strcasecmp(hex, expected->checksum) != 0) {
    return SHT_FAIL(error, SHT_DATA, "%s: wrong checksum: %s %s, expected %s", expected->name, md5 ? "MD5" : "SHA-256",
                    hex, expected->checksum);
  }
  return SHT_OK;
}
