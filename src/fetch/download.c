// One file from one address: see download.h.
#include "fetch/download.h"

#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/text.h"
#include "fetch/checksum.h"

enum {
  STALL_SECONDS = 60,
  CONNECT_SECONDS = 20,
  REDIRECTS_MAX = 10,
  PROGRESS_MS = 200,  // between two reports
};

typedef struct transfer {
  const char *url;
  const char *path;
  const sht_fetch_file *file;
  const sht_fetch_options *options;
  CURL *curl;
  int output;
  uint64_t size;           // bytes in the file so far
  uint64_t limit;          // that it may have
  uint64_t received;       // over the network
  int64_t last_report_ms;  // monotonic clock
  int write_error;         // errno of a failed write; 0: none
  bool too_long;
  bool stopped;
  char message[CURL_ERROR_SIZE];
} transfer;

static int64_t now_ms(void) {
  struct timespec now;
  (void)clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

// libcurl's write function: anything but `count` ends the transfer.
static size_t keep(char *bytes, size_t one, size_t count, void *context) {
  (void)one;
  transfer *t = context;
  if (count > t->limit - t->size) {
    t->too_long = true;
    return 0;
  }
  for (size_t done = 0; done < count;) {
    ssize_t put = write(t->output, bytes + done, count - done);
    if (put < 0 && errno == EINTR) {
      continue;
    }
    if (put <= 0) {
      t->write_error = put < 0 ? errno : ENOSPC;
      return 0;
    }
    done += (size_t)put;
    t->size += (uint64_t)put;
    t->received += (uint64_t)put;
  }
  return count;
}

// libcurl's progress function: non-zero ends the transfer.
static int report(void *context, curl_off_t total, curl_off_t now, curl_off_t up_total, curl_off_t up) {
  (void)total, (void)now, (void)up_total, (void)up;
  transfer *t = context;
  const sht_fetch_options *options = t->options;
  if (options->stop_requested != NULL && options->stop_requested(options->context)) {
    t->stopped = true;
    return 1;
  }
  int64_t time = now_ms();
  if (options->progressed != NULL && t->received > 0 && time - t->last_report_ms >= PROGRESS_MS) {
    t->last_report_ms = time;
    options->progressed(options->context, t->file->name, t->size, t->file->size);
  }
  return 0;
}

static void configure(transfer *t) {
  CURL *curl = t->curl;
  long stall = t->options->stall_seconds > 0 ? t->options->stall_seconds : STALL_SECONDS;
  (void)curl_easy_setopt(curl, CURLOPT_URL, t->url);
  // A redirection may not lead into the local file system.
  (void)curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https,file");
  (void)curl_easy_setopt(curl, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
  (void)curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 1L);
  (void)curl_easy_setopt(curl, CURLOPT_MAXREDIRS, (long)REDIRECTS_MAX);
  (void)curl_easy_setopt(curl, CURLOPT_FAILONERROR, 1L);
  (void)curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  (void)curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, stall < CONNECT_SECONDS ? stall : (long)CONNECT_SECONDS);
  (void)curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
  (void)curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, stall);
  (void)curl_easy_setopt(curl, CURLOPT_USERAGENT, "shatter/" SHATTER_VERSION);
  (void)curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, t->message);
  (void)curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, keep);
  (void)curl_easy_setopt(curl, CURLOPT_WRITEDATA, t);
  (void)curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, report);
  (void)curl_easy_setopt(curl, CURLOPT_XFERINFODATA, t);
  (void)curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
}

static sht_status fail_output(const transfer *t, int cause, sht_error *error) {
  char bytes[32];
  return SHT_FAIL(error, SHT_DISK, "%s: cannot write %s: %s; free some space or choose another folder with --data-dir",
                  t->path, sht_text_bytes(t->limit, bytes, sizeof bytes), strerror(cause));
}

// Empties the file, for a download from the start.
static sht_status restart(transfer *t, sht_error *error) {
  if (ftruncate(t->output, 0) != 0) {
    return fail_output(t, errno, error);
  }
  t->size = 0;
  return SHT_OK;
}

static sht_status fail_network(const transfer *t, CURLcode code, sht_error *error) {
  long http = 0;
  (void)curl_easy_getinfo(t->curl, CURLINFO_RESPONSE_CODE, &http);
  if (code == CURLE_HTTP_RETURNED_ERROR) {
    return SHT_FAIL(error, SHT_UNAVAILABLE, "%s: the server answers %ld%s", t->url, http,
                    http == 404 ? " (not found)" : "");
  }
  if (code == CURLE_COULDNT_RESOLVE_HOST) {
    return SHT_FAIL(error, SHT_UNAVAILABLE, "%s: the host's name cannot be resolved; is there a network?", t->url);
  }
  const char *why = t->message[0] != '\0' ? t->message : curl_easy_strerror(code);
  return SHT_FAIL(error, SHT_UNAVAILABLE, "%s: %s", t->url, why);
}

// What the end of a transfer means.
static sht_status judge(const transfer *t, CURLcode code, sht_error *error) {
  if (t->stopped) {
    return SHT_FAIL(error, SHT_STOPPED, "%s: stopped on request; fetch again to go on from byte %" PRIu64,
                    t->file->name, t->size);
  }
  if (t->write_error != 0) {
    return fail_output(t, t->write_error, error);
  }
  if (t->too_long) {
    return SHT_FAIL(error, SHT_DATA, "%s: more than the expected %" PRIu64 " bytes", t->url, t->limit);
  }
  if (code != CURLE_OK) {
    return fail_network(t, code, error);
  }
  if (t->file->size != 0 && t->size != t->file->size) {
    return SHT_FAIL(error, SHT_DATA, "%s: %" PRIu64 " bytes, expected %" PRIu64, t->url, t->size, t->file->size);
  }
  return SHT_OK;
}

static bool connection_lost(CURLcode code) {
  return code == CURLE_PARTIAL_FILE || code == CURLE_RECV_ERROR || code == CURLE_GOT_NOTHING;
}

// Asks for the rest of the file until it is there, or an attempt brings nothing.
static sht_status load(transfer *t, sht_error *error) {
  for (;;) {
    uint64_t before = t->received;
    t->message[0] = '\0';
    (void)curl_easy_setopt(t->curl, CURLOPT_RESUME_FROM_LARGE, (curl_off_t)t->size);
    CURLcode code = curl_easy_perform(t->curl);
    if (code == CURLE_RANGE_ERROR && t->size > 0) {  // the server only sends whole files
      SHT_TRY(restart(t, error));
    } else if (!connection_lost(code) || t->received == before) {
      return judge(t, code, error);
    }
  }
}

static sht_status load_into(transfer *t, sht_error *error) {
  struct stat info;
  if (fstat(t->output, &info) != 0) {
    return fail_output(t, errno, error);
  }
  t->size = (uint64_t)info.st_size;
  if (t->size > t->limit) {
    SHT_TRY(restart(t, error));
  }
  if (t->file->size != 0 && t->size == t->file->size) {
    return SHT_OK;
  }
  t->curl = curl_easy_init();
  if (t->curl == NULL) {
    return SHT_FAIL(error, SHT_MEMORY, "no memory for a download");
  }
  configure(t);
  sht_status status = load(t, error);
  curl_easy_cleanup(t->curl);
  return status;
}

sht_status sht__fetch_download(const char *url, const char *path, const sht_fetch_file *file,
                               const sht_fetch_options *options, uint64_t *received, sht_error *error) {
  transfer t = {.url = url,
                .path = path,
                .file = file,
                .options = options,
                .limit = file->size > 0 ? file->size : SHT__FETCH_UNKNOWN_MAX};
  t.output = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  if (t.output < 0) {
    return fail_output(&t, errno, error);
  }
  sht_status status = load_into(&t, error);
  int cause = fsync(t.output) == 0 ? 0 : errno;
  cause = close(t.output) == 0 ? cause : errno;
  *received += t.received;
  return status == SHT_OK && cause != 0 ? fail_output(&t, cause, error) : status;
}
