// flock as it is on NFS, to be put before the C library's with LD_PRELOAD: an exclusive lock needs a file that is open
// for writing.
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>

int flock(int file, int operation) {
  int (*own)(int, int) = (int (*)(int, int))dlsym(RTLD_NEXT, "flock");
  if ((operation & LOCK_EX) != 0 && (fcntl(file, F_GETFL) & O_ACCMODE) == O_RDONLY) {
    errno = EBADF;
    return -1;
  }
  return own(file, operation);
}
