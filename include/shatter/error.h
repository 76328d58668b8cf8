// Errors of the library: a status, a sentence, and where it was raised.
//
// Every function that can fail returns sht_status and takes, last, an `sht_error *` (NULL when the caller does not
// want the sentence). The library never prints and never exits. A message says what is wrong, where (file, line,
// name), what was expected and what to do next. Outcomes such as "diverged" or "did not fit" are results, not errors.
#ifndef SHATTER_ERROR_H
#define SHATTER_ERROR_H

// X(name, exit code of the program, meaning)
#define SHT_STATUS_MAP(X)                                             \
  X(OK, 0, "done")                                                    \
  X(NO, 1, "the question was answered no")                            \
  X(USAGE, 2, "wrong usage")                                          \
  X(CONFIG, 2, "wrong configuration")                                 \
  X(DIVERGED, 3, "training diverged")                                 \
  X(DATA, 65, "a file does not hold what it should")                  \
  X(MISSING, 66, "a file or name does not exist")                     \
  X(UNAVAILABLE, 69, "a service, device or backend is not available") \
  X(INTERNAL, 70, "a bug in shatter")                                 \
  X(MEMORY, 71, "not enough memory")                                  \
  X(DISK, 74, "a file could not be written or read")                  \
  X(STOPPED, 75, "stopped on request; can be resumed")

typedef enum sht_status {
#define SHT_STATUS_ENUM(name, code, meaning) SHT_##name,
  SHT_STATUS_MAP(SHT_STATUS_ENUM)
#undef SHT_STATUS_ENUM
} sht_status;

enum { SHT_ERROR_MESSAGE_MAX = 4096 };

typedef struct sht_error {
  sht_status status;
  const char *source_file;  // of the library, static storage
  int source_line;
  char message[SHT_ERROR_MESSAGE_MAX];  // whole sentences, no trailing newline
} sht_error;

const char *sht_status_name(sht_status status);     // "CONFIG"
const char *sht_status_meaning(sht_status status);  // "wrong configuration"
int sht_status_exit_code(sht_status status);        // 2

// Fills `error` (may be NULL) and returns `status`. Use through SHT_FAIL, which adds file and line.
sht_status sht_error_set(sht_error *error, sht_status status, const char *source_file, int source_line,
                         const char *format, ...) __attribute__((format(printf, 5, 6)));

// return SHT_FAIL(error, SHT_DATA, "%s: %zu bytes, expected %zu; fetch it again", path, have, want);
#define SHT_FAIL(error, status, ...) sht_error_set((error), (status), __FILE__, __LINE__, __VA_ARGS__)

// Passes a failure on to the caller.
#define SHT_TRY(call)                    \
  do {                                   \
    sht_status sht_try_status_ = (call); \
    if (sht_try_status_ != SHT_OK) {     \
      return sht_try_status_;            \
    }                                    \
  } while (0)

#endif
