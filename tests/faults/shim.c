/* Makes the n-th call fail, in a process that it is preloaded into: on files, or of
   NumPy for memory.

   FAULT_UNDER   calls are counted on paths that begin so, and on what was opened there
   FAULT_BYTES   NumPy's calls are counted for so many bytes and more
   FAULT_STATE   a file of three i64, which all processes of a run share: how many calls
                 there were; the number of the one that fails, from 1, or 0; its errno

   What the C library calls in itself is not seen, so streams (fopen) are counted by
   their own functions.
*/
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

#define FILES 65536
#define NEXT(name) ((__typeof__(name) *)dlsym(RTLD_NEXT, #name))

static char ours[FILES];
static long *state; /* count, number, errno */
static const char *under;
static size_t large;

__attribute__((constructor)) static void begin(void) {
  const char *path = getenv("FAULT_STATE");
  under = getenv("FAULT_UNDER");
  large = getenv("FAULT_BYTES") ? atol(getenv("FAULT_BYTES")) : 0;
  int file = path ? NEXT(open)(path, O_RDWR) : -1;
  if (file < 0) return;
  void *found = mmap(0, 24, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  state = found == MAP_FAILED ? 0 : found;
  NEXT(close)(file);
}

static int fails(void) {
  if (!state || __atomic_add_fetch(state, 1, __ATOMIC_SEQ_CST) != state[1]) return 0;
  errno = state[2];
  return 1;
}

static int is_under(const char *path) {
  return state && under && path && !strncmp(path, under, strlen(under));
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
    return fails() ? -1 : opened(NEXT(name)(path, flags, mode)); \
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
    return fails() ? -1 : opened(NEXT(name)(place, path, flags, mode)); \
  }
OPENAT(openat)
OPENAT(openat64)

int close(int file) {
  int failing = is_ours(file) && fails();
  if (file >= 0 && file < FILES) ours[file] = 0;
  int code = NEXT(close)(file); /* which a failing one does too */
  if (failing) errno = state[2];
  return failing ? -1 : code;
}

#define OPEN_STREAM(name)                                    \
  FILE *name(const char *path, const char *mode) {           \
    if (!is_under(path)) return NEXT(name)(path, mode);      \
    if (fails()) return 0;                                   \
    FILE *stream = NEXT(name)(path, mode);                   \
    if (stream) opened(fileno(stream));                      \
    return stream;                                           \
  }
OPEN_STREAM(fopen)
OPEN_STREAM(fopen64)

int fclose(FILE *stream) {
  int file = stream ? fileno(stream) : -1;
  int failing = is_ours(file) && fails();
  if (file >= 0 && file < FILES) ours[file] = 0;
  int code = NEXT(fclose)(stream);
  if (failing) errno = state[2];
  return failing ? EOF : code;
}

size_t fwrite(const void *data, size_t size, size_t n, FILE *stream) {
  if (is_ours(fileno(stream)) && fails()) return 0;
  return NEXT(fwrite)(data, size, n, stream);
}

int fflush(FILE *stream) {
  if (stream && is_ours(fileno(stream)) && fails()) return EOF;
  return NEXT(fflush)(stream);
}

#define OF_FILE(type, name, parameters, arguments)     \
  type name parameters {                               \
    if (is_ours(file) && fails()) return -1;           \
    return NEXT(name) arguments;                       \
  }
OF_FILE(ssize_t, write, (int file, const void *data, size_t n), (file, data, n))
OF_FILE(ssize_t, writev, (int file, const struct iovec *parts, int n), (file, parts, n))
OF_FILE(ssize_t, read, (int file, void *data, size_t n), (file, data, n))
OF_FILE(ssize_t, pread, (int file, void *data, size_t n, off_t at), (file, data, n, at))
OF_FILE(ssize_t, pread64, (int file, void *data, size_t n, off64_t at), (file, data, n, at))
OF_FILE(ssize_t, sendfile, (int to, int file, off_t *at, size_t n), (to, file, at, n))
OF_FILE(ssize_t, sendfile64, (int to, int file, off64_t *at, size_t n), (to, file, at, n))
OF_FILE(ssize_t, copy_file_range,
        (int file, off64_t *at, int to, off64_t *there, size_t n, unsigned flags),
        (file, at, to, there, n, flags))
OF_FILE(int, fsync, (int file), (file))
OF_FILE(int, fdatasync, (int file), (file))
OF_FILE(int, ftruncate, (int file, off_t size), (file, size))

#define OF_PATH(type, none, name, parameters, arguments) \
  type name parameters {                                 \
    if (is_under(path) && fails()) return none;          \
    return NEXT(name) arguments;                         \
  }
OF_PATH(int, -1, rename, (const char *path, const char *to), (path, to))
OF_PATH(int, -1, unlink, (const char *path), (path))
OF_PATH(int, -1, rmdir, (const char *path), (path))
OF_PATH(int, -1, mkdir, (const char *path, mode_t mode), (path, mode))
OF_PATH(DIR *, 0, opendir, (const char *path), (path))

int unlinkat(int place, const char *path, int flags) {
  if ((is_under(path) || is_ours(place)) && fails()) return -1;
  return NEXT(unlinkat)(place, path, flags);
}

int renameat(int place, const char *path, int there, const char *to) {
  if ((is_under(path) || is_ours(place)) && fails()) return -1;
  return NEXT(renameat)(place, path, there, to);
}

extern void *__libc_malloc(size_t), *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);

static int fails_for(const void *caller, size_t size) {
  Dl_info from;
  return state && large && size >= large && dladdr(caller, &from) &&
         strstr(from.dli_fname, "_multiarray_umath") && fails();
}

void *malloc(size_t size) {
  return fails_for(__builtin_return_address(0), size) ? 0 : __libc_malloc(size);
}

void *calloc(size_t n, size_t size) {
  if (fails_for(__builtin_return_address(0), n * size)) return 0;
  return __libc_calloc(n, size);
}

void *realloc(void *old, size_t size) {
  if (fails_for(__builtin_return_address(0), size)) return 0;
  return __libc_realloc(old, size);
}
