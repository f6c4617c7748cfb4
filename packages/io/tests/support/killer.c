/* Preloaded into a process: counts the calls that change a folder, and ends the process at one of them.

   killer_arm(folder, n, tear): from now on the n-th call (0 is the first) that writes, syncs, renames, removes, makes
   or cuts a file under `folder` sends SIGKILL instead; with `tear`, a write first writes half of its bytes.
   killer_count() gives how many there were. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

static char watched[PATH_MAX];
static size_t watched_size;
static long calls, last = -1;
static int tears;

void killer_arm(const char *folder, long n, int tear)
{
    watched_size = strlen(folder);
    memcpy(watched, folder, watched_size + 1);
    calls = 0, last = n, tears = tear;
}

long killer_count(void) { return calls; }

static int is_watched(const char *path)
{
    char real[PATH_MAX];
    if (!watched_size || !path)
        return 0;
    if (path[0] == '/')
        return !strncmp(path, watched, watched_size);
    if (!getcwd(real, sizeof real))
        return 0;
    return !strncmp(real, watched, watched_size);
}

static int is_watched_fd(int fd)
{
    char link[64], path[PATH_MAX];
    ssize_t size;
    if (!watched_size)
        return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    size = readlink(link, path, sizeof path - 1);
    if (size < 0)
        return 0;
    path[size] = 0;
    return is_watched(path);
}

static int is_last(int watched_here)
{
    return watched_here && __atomic_fetch_add(&calls, 1, __ATOMIC_SEQ_CST) == last;
}

static void stop(void)
{
    kill(getpid(), SIGKILL);
    for (;;)
        pause();
}

#define ORIGINAL(name) static __typeof__(name) *original; if (!original) original = dlsym(RTLD_NEXT, #name)
#define ON_PATH(name, parameters, arguments, path) \
    int name parameters { ORIGINAL(name); if (is_last(is_watched(path))) stop(); return original arguments; }
#define ON_FD(name, parameters, arguments) \
    int name parameters { ORIGINAL(name); if (is_last(is_watched_fd(fd))) stop(); return original arguments; }

ON_PATH(rename, (const char *from, const char *to), (from, to), to)
ON_PATH(renameat, (int a, const char *from, int b, const char *to), (a, from, b, to), to)
ON_PATH(renameat2, (int a, const char *from, int b, const char *to, unsigned f), (a, from, b, to, f), to)
ON_PATH(link, (const char *from, const char *to), (from, to), to)
ON_PATH(unlink, (const char *path), (path), path)
ON_PATH(unlinkat, (int at, const char *path, int flags), (at, path, flags), path)
ON_PATH(rmdir, (const char *path), (path), path)
ON_PATH(mkdir, (const char *path, mode_t mode), (path, mode), path)
ON_PATH(truncate, (const char *path, off_t size), (path, size), path)
ON_FD(fsync, (int fd), (fd))
ON_FD(fdatasync, (int fd), (fd))
ON_FD(ftruncate, (int fd, off_t size), (fd, size))
ON_FD(ftruncate64, (int fd, off64_t size), (fd, size))
ON_FD(fallocate, (int fd, int mode, off_t at, off_t size), (fd, mode, at, size))
ON_FD(posix_fallocate, (int fd, off_t at, off_t size), (fd, at, size))

ssize_t write(int fd, const void *data, size_t size)
{
    ORIGINAL(write);
    if (is_last(is_watched_fd(fd))) {
        if (tears && original(fd, data, size / 2) < 0)
            stop();
        stop();
    }
    return original(fd, data, size);
}

ssize_t pwrite64(int fd, const void *data, size_t size, off64_t at)
{
    ORIGINAL(pwrite64);
    if (is_last(is_watched_fd(fd))) {
        if (tears && original(fd, data, size / 2, at) < 0)
            stop();
        stop();
    }
    return original(fd, data, size, at);
}

ssize_t writev(int fd, const struct iovec *parts, int count)
{
    ORIGINAL(writev);
    if (is_last(is_watched_fd(fd)))
        stop();
    return original(fd, parts, count);
}

ssize_t copy_file_range(int from, off64_t *a, int fd, off64_t *b, size_t size, unsigned flags)
{
    ORIGINAL(copy_file_range);
    if (is_last(is_watched_fd(fd)))
        stop();
    return original(from, a, fd, b, size, flags);
}

ssize_t sendfile64(int fd, int from, off64_t *at, size_t size)
{
    ORIGINAL(sendfile64);
    if (is_last(is_watched_fd(fd)))
        stop();
    return original(fd, from, at, size);
}

#define ON_OPEN(name, at_parameter, at_argument) \
    int name(at_parameter const char *path, int flags, ...) \
    { \
        mode_t mode = 0; \
        ORIGINAL(name); \
        if (flags & (O_CREAT | O_TMPFILE)) { \
            va_list more; \
            va_start(more, flags); \
            mode = va_arg(more, mode_t); \
            va_end(more); \
            if ((flags & (O_CREAT | O_TRUNC)) && is_last(is_watched(path))) \
                stop(); \
        } \
        return original(at_argument path, flags, mode); \
    }
#define NONE
ON_OPEN(open, NONE, NONE)
ON_OPEN(open64, NONE, NONE)
#define AT_PARAMETER int at,
#define AT_ARGUMENT at,
ON_OPEN(openat, AT_PARAMETER, AT_ARGUMENT)
ON_OPEN(openat64, AT_PARAMETER, AT_ARGUMENT)
