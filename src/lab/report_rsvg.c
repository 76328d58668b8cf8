// Figures as PDF and PNG by the program rsvg-convert: see report_files.h.
#include <errno.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lab/files.h"
#include "lab/report_files.h"

// Starts the program without a shell and waits for it.
static sht_status run_program(char *const *arguments, sht_error *error) {
  pid_t child = 0;
  int state = 0;
  int fault = posix_spawnp(&child, arguments[0], NULL, NULL, arguments, environ);
  if (fault == ENOENT) {
    return SHT_FAIL(error, SHT_UNAVAILABLE,
                    "PDF and PNG need rsvg-convert, which is not installed (Debian: apt-get install librsvg2-bin)");
  }
  if (fault != 0) {
    return SHT_FAIL(error, SHT_INTERNAL, "rsvg-convert does not start: %s", strerror(fault));
  }
  while (waitpid(child, &state, 0) < 0) {
    if (errno != EINTR) {
      return SHT_FAIL(error, SHT_INTERNAL, "lost rsvg-convert: %s", strerror(errno));
    }
  }
  if (!WIFEXITED(state) || WEXITSTATUS(state) != 0) {
    return SHT_FAIL(error, SHT_INTERNAL, "rsvg-convert failed on %s; its own message stands above", arguments[1]);
  }
  return SHT_OK;
}

sht_status sht__rsvg_convert(const char *svg, const char *format, const char *path, sht_error *error) {
  char input[SHT_LAB_PATH + 8];
  char how[32];
  char unfinished[SHT_LAB_PATH + 32];
  char output[SHT_LAB_PATH + 48];
  // A name that begins with a hyphen is no option.
  (void)snprintf(input, sizeof input, "%s%s", svg[0] == '-' ? "./" : "", svg);
  (void)snprintf(how, sizeof how, "--format=%s", format);
  (void)snprintf(unfinished, sizeof unfinished, "%s.tmp.%ld", path, (long)getpid());
  (void)snprintf(output, sizeof output, "--output=%s", unfinished);
  char *const arguments[] = {"rsvg-convert", input, how, "--zoom=2", "--background-color=white", output, NULL};
  char *const page[] = {"rsvg-convert", input, how, output, NULL};
  sht_status status = run_program(strcmp(format, "png") == 0 ? arguments : page, error);
  if (status == SHT_OK && rename(unfinished, path) != 0) {
    status = SHT_FAIL(error, SHT_DISK, "%s: cannot be written: %s", path, strerror(errno));
  }
  if (status != SHT_OK) {
    (void)unlink(unfinished);
  }
  return status;
}
