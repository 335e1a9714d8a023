/*
 * A disk that fails or is slow, for one process: loaded before everything else (LD_PRELOAD), it
 * stands before the calls that write and sync. Files whose path contains $CHAOS_DISK_PATH are
 * concerned. What happens is told by three 32-bit numbers at the beginning of the file
 * $CHAOS_DISK_CONTROL, which both sides have mapped or write in place:
 *
 *   0  mode    0 = nothing, 1 = EIO, 2 = slow
 *   4  ms      how long a slow call takes
 *   8  hits    calls that were concerned; counted here
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { MODE_NONE = 0, MODE_FAIL = 1, MODE_SLOW = 2 };

struct control {
  volatile uint32_t mode;
  volatile uint32_t ms;
  volatile uint32_t hits;
};

static struct control *control;

__attribute__((constructor)) static void map_control(void) {
  const char *path = getenv("CHAOS_DISK_CONTROL");
  if (path == NULL) return;
  int fd = open(path, O_RDWR | O_CLOEXEC);
  if (fd < 0) return;
  void *at = mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  close(fd);
  if (at != MAP_FAILED) control = at;
}

static int is_concerned(int fd) {
  const char *part = getenv("CHAOS_DISK_PATH");
  char link[64], path[PATH_MAX];
  if (part == NULL) return 0;
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, path, sizeof path - 1);
  if (length < 0) return 0;
  path[length] = '\0';
  return strstr(path, part) != NULL;
}

/* 0 = go on. */
static int fault(int fd) {
  if (control == NULL || control->mode == MODE_NONE || !is_concerned(fd)) return 0;
  __atomic_add_fetch(&control->hits, 1, __ATOMIC_RELAXED);
  if (control->mode == MODE_SLOW) {
    uint32_t ms = control->ms;
    struct timespec pause = {ms / 1000, (long)(ms % 1000) * 1000000L};
    nanosleep(&pause, NULL);
    return 0;
  }
  errno = EIO;
  return -1;
}

#define BEFORE(result, name, parameters, arguments)                     \
  result name parameters {                                              \
    static result(*next) parameters;                                    \
    if (next == NULL) next = (result(*) parameters)dlsym(RTLD_NEXT, #name); \
    if (fault(fd) != 0) return -1;                                      \
    return next arguments;                                              \
  }

BEFORE(int, fsync, (int fd), (fd))
BEFORE(int, fdatasync, (int fd), (fd))
BEFORE(ssize_t, write, (int fd, const void *bytes, size_t count), (fd, bytes, count))
BEFORE(ssize_t, pwrite, (int fd, const void *bytes, size_t count, off_t at), (fd, bytes, count, at))
BEFORE(ssize_t, pwrite64, (int fd, const void *bytes, size_t count, off64_t at), (fd, bytes, count, at))
BEFORE(ssize_t, writev, (int fd, const struct iovec *parts, int count), (fd, parts, count))
BEFORE(ssize_t, pwritev, (int fd, const struct iovec *parts, int count, off_t at), (fd, parts, count, at))
BEFORE(ssize_t, pwritev64, (int fd, const struct iovec *parts, int count, off64_t at), (fd, parts, count, at))
