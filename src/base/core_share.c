// How much of the processor this process gets beside others: see core_share.h.
#include "base/core_share.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>

// Of one thread: nanoseconds at work, nanoseconds ready to work while no core was free.
static void read_thread(const char *name, sht__core_account *account) {
  char path[512];
  uint64_t working = 0;
  uint64_t waiting = 0;
  (void)snprintf(path, sizeof path, "/proc/self/task/%.300s/schedstat", name);
  FILE *file = fopen(path, "re");
  if (file == NULL) {
    return;  // it has ended
  }
  // NOLINTNEXTLINE(cert-err34-c): the kernel writes these
  if (fscanf(file, "%" SCNu64 " %" SCNu64, &working, &waiting) == 2) {
    account->working += 1e-9 * (double)working;
    account->waiting += 1e-9 * (double)waiting;
  }
  (void)fclose(file);
}

sht__core_account sht__core_account_read(void) {
  sht__core_account account = {0};
  DIR *threads = opendir("/proc/self/task");
  if (threads == NULL) {
    return account;
  }
  for (const struct dirent *entry = readdir(threads); entry != NULL; entry = readdir(threads)) {
    if (entry->d_name[0] != '.') {
      read_thread(entry->d_name, &account);
    }
  }
  (void)closedir(threads);
  return account;
}

double sht__core_share(const sht__core_account *before, const sht__core_account *after) {
  double working = after->working - before->working;
  double waiting = after->waiting - before->waiting;
  return working > 0 && waiting > 0 ? working / (working + waiting) : 1;
}
