/* Makes the n-th call on files fail, in a process that it is preloaded into.

   FAULT_UNDER   calls are counted on paths that begin so, and on what was opened there
   FAULT_AT      the number of the call that fails, from 1; 0 for none
   FAULT_ERRNO   the error that it fails with
   FAULT_COUNT   a file of 8 bytes, in which the processes of a run count together
*/
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

#define FILES 65536
#define NEXT(name) ((__typeof__(name) *)dlsym(RTLD_NEXT, #name))

static char ours[FILES];
static long *count;
static const char *under;
static long at;
static int error;

__attribute__((constructor)) static void begin(void) {
  const char *path = getenv("FAULT_COUNT");
  under = getenv("FAULT_UNDER");
  at = atol(getenv("FAULT_AT") ? getenv("FAULT_AT") : "0");
  error = atoi(getenv("FAULT_ERRNO") ? getenv("FAULT_ERRNO") : "5");
  int file = path ? NEXT(open)(path, O_RDWR) : -1;
  if (file < 0) return;
  void *found = mmap(0, 8, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  count = found == MAP_FAILED ? 0 : found;
  NEXT(close)(file);
}

static int counted(void) {
  if (!count || __atomic_add_fetch(count, 1, __ATOMIC_SEQ_CST) != at) return 0;
  errno = error;
  return 1;
}

static int is_under(const char *path) {
  return count && under && path && !strncmp(path, under, strlen(under));
}

static int is_ours(int file) { return file >= 0 && file < FILES && ours[file]; }

static int opened(int file) {
  if (file >= 0 && file < FILES) ours[file] = 1;
  return file;
}

#define OPEN(name)                                            \
  int name(const char *path, int flags, ...) {                \
    va_list more;                                             \
    va_start(more, flags);                                    \
    mode_t mode = va_arg(more, mode_t);                       \
    va_end(more);                                             \
    if (!is_under(path)) return NEXT(name)(path, flags, mode); \
    return counted() ? -1 : opened(NEXT(name)(path, flags, mode)); \
  }
OPEN(open)
OPEN(open64)

#define OPENAT(name)                                                    \
  int name(int place, const char *path, int flags, ...) {               \
    va_list more;                                                       \
    va_start(more, flags);                                              \
    mode_t mode = va_arg(more, mode_t);                                 \
    va_end(more);                                                       \
    if (!is_under(path) && !is_ours(place))                             \
      return NEXT(name)(place, path, flags, mode);                      \
    return counted() ? -1 : opened(NEXT(name)(place, path, flags, mode)); \
  }
OPENAT(openat)
OPENAT(openat64)

int close(int file) {
  int fails = is_ours(file) && counted();
  if (file >= 0 && file < FILES) ours[file] = 0;
  int code = NEXT(close)(file); /* which a failing one does too */
  if (fails) errno = error;
  return fails ? -1 : code;
}

#define OF_FILE(type, name, parameters, arguments)     \
  type name parameters {                               \
    if (is_ours(file) && counted()) return -1;         \
    return NEXT(name) arguments;                       \
  }
OF_FILE(ssize_t, write, (int file, const void *data, size_t size), (file, data, size))
OF_FILE(ssize_t, writev, (int file, const struct iovec *parts, int n), (file, parts, n))
OF_FILE(ssize_t, read, (int file, void *data, size_t size), (file, data, size))
OF_FILE(int, fsync, (int file), (file))
OF_FILE(int, fdatasync, (int file), (file))

#define OF_PATH(type, none, name, parameters, arguments) \
  type name parameters {                                 \
    if (is_under(path) && counted()) return none;        \
    return NEXT(name) arguments;                         \
  }
OF_PATH(int, -1, rename, (const char *path, const char *to), (path, to))
OF_PATH(int, -1, unlink, (const char *path), (path))
OF_PATH(int, -1, rmdir, (const char *path), (path))
OF_PATH(int, -1, mkdir, (const char *path, mode_t mode), (path, mode))
OF_PATH(DIR *, 0, opendir, (const char *path), (path))

int unlinkat(int place, const char *path, int flags) {
  if ((is_under(path) || is_ours(place)) && counted()) return -1;
  return NEXT(unlinkat)(place, path, flags);
}
