/* A library for LD_PRELOAD that stands between a program and the disk: it records every call that changes a file below
 * a folder, and makes the n-th call there fail. See disk.py, which builds and uses it.
 *
 * TORTURE_ROOT  the folder, an absolute path; calls on other files pass through
 * TORTURE_LOG   the file to which calls are recorded; unset: none are
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

#define FDS 65536
static char watched[FDS], appends[FDS];
static const char *root;
static int log_file = -1;
static pthread_mutex_t lock = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;
static long calls, fail_at;
static int fail_with, fail_on;

#define REAL(name) ((__typeof__(&name))real(#name))
static void *real(const char *name) { return dlsym(RTLD_NEXT, name); }

__attribute__((constructor)) static void start(void) {
    root = getenv("TORTURE_ROOT");
    const char *log = getenv("TORTURE_LOG");
    if (root && log) log_file = syscall(SYS_openat, AT_FDCWD, log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

/* The n-th call from now on fails with an error; `on`: so do all later ones that need room on the disk. n = 0: none. */
void torture_arm(long n, int error, int on) { calls = 0, fail_at = n, fail_with = error, fail_on = on; }
long torture_calls(void) { return calls; }
void torture_watch(const char *folder) { root = strdup(folder); }

static int absolute(int dir, const char *path, char *out) {
    if (path[0] == '/') return snprintf(out, PATH_MAX, "%s", path) < PATH_MAX;
    char base[PATH_MAX], link[64];
    if (dir == AT_FDCWD) {
        if (!getcwd(base, sizeof base)) return 0;
    } else {
        snprintf(link, sizeof link, "/proc/self/fd/%d", dir);
        ssize_t n = readlink(link, base, sizeof base - 1);
        if (n < 0) return 0;
        base[n] = 0;
    }
    return snprintf(out, PATH_MAX, "%s/%s", base, path) < PATH_MAX;
}

static int below(int dir, const char *path, char *out) {
    size_t n = root ? strlen(root) : 0;
    return n && path && absolute(dir, path, out) && !strncmp(out, root, n) && (out[n] == '/' || !out[n]);
}

static int is_watched(int fd) { return root && fd >= 0 && fd < FDS && watched[fd]; }

/* Count a call; 1 if it is to fail. */
static int fails(int needs_room) {
    if (!fail_at) return 0;
    long n = ++calls;
    if (n != fail_at && !(fail_on && n > fail_at && needs_room)) return 0;
    errno = fail_with;
    return 1;
}

static void record(char op, int fd, long long a, long long b, const void *first, size_t n1, const void *second, size_t n2) {
    if (log_file < 0) return;
    int kept = errno;
    char head[160];
    int n = snprintf(head, sizeof head, "%c %d %d %lld %lld %zu %zu\n", op, (int)getpid(), fd, a, b, n1, n2);
    char *all = malloc(n + n1 + n2);
    memcpy(all, head, n);
    if (n1) memcpy(all + n, first, n1);
    if (n2) memcpy(all + n + n1, second, n2);
    for (size_t done = 0; done < n + n1 + n2;) {
        long more = syscall(SYS_write, log_file, all + done, n + n1 + n2 - done);
        if (more <= 0) abort();
        done += more;
    }
    free(all);
    errno = kept;
}

static int opening(int dir, const char *path, int flags, mode_t mode) {
    char full[PATH_MAX];
    if (!below(dir, path, full)) {
        int other = syscall(SYS_openat, dir, path, flags, mode);
        if (other >= 0 && other < FDS) watched[other] = 0;
        return other;
    }
    pthread_mutex_lock(&lock);
    int fd = -1;
    if (!fails((flags & O_CREAT) != 0)) {
        int was = syscall(SYS_faccessat, AT_FDCWD, full, F_OK) == 0;
        fd = syscall(SYS_openat, dir, path, flags, mode);
        if (fd >= 0 && fd < FDS && !(flags & __O_TMPFILE & ~O_DIRECTORY)) {
            watched[fd] = 1, appends[fd] = (flags & O_APPEND) != 0;
            record('O', fd, flags & O_TRUNC ? 1 : 0, !was, full, strlen(full), NULL, 0);
        }
    }
    pthread_mutex_unlock(&lock);
    return fd;
}

#define MODE(flags) \
    mode_t mode = 0; \
    if (flags & (O_CREAT | __O_TMPFILE)) { va_list rest; va_start(rest, flags); mode = va_arg(rest, mode_t); va_end(rest); }
int open(const char *path, int flags, ...) { MODE(flags) return opening(AT_FDCWD, path, flags, mode); }
int open64(const char *path, int flags, ...) { MODE(flags) return opening(AT_FDCWD, path, flags, mode); }
int openat(int dir, const char *path, int flags, ...) { MODE(flags) return opening(dir, path, flags, mode); }
int openat64(int dir, const char *path, int flags, ...) { MODE(flags) return opening(dir, path, flags, mode); }

int close(int fd) {
    if (is_watched(fd)) {
        pthread_mutex_lock(&lock);
        record('C', fd, 0, 0, NULL, 0, NULL, 0);
        watched[fd] = 0;
        int found = syscall(SYS_close, fd);
        pthread_mutex_unlock(&lock);
        return found;
    }
    return syscall(SYS_close, fd);
}

#define CALL(fd, room, type, call, then) \
    if (!is_watched(fd)) return call; \
    pthread_mutex_lock(&lock); \
    type found = -1; \
    if (!fails(room)) { found = call; if (found >= 0) { then; } } \
    pthread_mutex_unlock(&lock); \
    return found;

ssize_t read(int fd, void *data, size_t n) { CALL(fd, 0, ssize_t, syscall(SYS_read, fd, data, n), ) }
ssize_t pread(int fd, void *data, size_t n, off_t at) { CALL(fd, 0, ssize_t, syscall(SYS_pread64, fd, data, n, at), ) }
ssize_t pread64(int fd, void *data, size_t n, off_t at) { return pread(fd, data, n, at); }
ssize_t write(int fd, const void *data, size_t n) {
    CALL(fd, 1, ssize_t, syscall(SYS_write, fd, data, n),
         record('W', fd, syscall(SYS_lseek, fd, 0, SEEK_CUR) - found, 0, data, found, NULL, 0))
}
ssize_t pwrite(int fd, const void *data, size_t n, off_t at) {
    CALL(fd, 1, ssize_t, syscall(SYS_pwrite64, fd, data, n, at), record('W', fd, at, 0, data, found, NULL, 0))
}
ssize_t pwrite64(int fd, const void *data, size_t n, off_t at) { return pwrite(fd, data, n, at); }
int fsync(int fd) { CALL(fd, 0, int, syscall(SYS_fsync, fd), record('S', fd, 0, 0, NULL, 0, NULL, 0)) }
int fdatasync(int fd) { CALL(fd, 0, int, syscall(SYS_fdatasync, fd), record('S', fd, 0, 0, NULL, 0, NULL, 0)) }
int ftruncate(int fd, off_t n) { CALL(fd, 1, int, syscall(SYS_ftruncate, fd, n), record('T', fd, n, 0, NULL, 0, NULL, 0)) }
int ftruncate64(int fd, off_t n) { return ftruncate(fd, n); }
int posix_fallocate(int fd, off_t at, off_t n) {
    if (!is_watched(fd)) return REAL(posix_fallocate)(fd, at, n);
    return fails(1) ? errno : REAL(posix_fallocate)(fd, at, n);
}
int posix_fallocate64(int fd, off_t at, off_t n) { return posix_fallocate(fd, at, n); }

#define NAMED(dir, path, room, call, op, a) \
    char full[PATH_MAX]; \
    if (!below(dir, path, full)) return call; \
    pthread_mutex_lock(&lock); \
    int found = -1; \
    if (!fails(room)) { found = call; if (found >= 0) record(op, -1, a, 0, full, strlen(full), NULL, 0); } \
    pthread_mutex_unlock(&lock); \
    return found;

int truncate(const char *path, off_t n) { NAMED(AT_FDCWD, path, 1, syscall(SYS_truncate, path, n), 't', n) }
int truncate64(const char *path, off_t n) { return truncate(path, n); }
int unlink(const char *path) { NAMED(AT_FDCWD, path, 0, syscall(SYS_unlink, path), 'U', 0) }
int rmdir(const char *path) { NAMED(AT_FDCWD, path, 0, syscall(SYS_rmdir, path), 'U', 0) }
int unlinkat(int dir, const char *path, int flags) { NAMED(dir, path, 0, syscall(SYS_unlinkat, dir, path, flags), 'U', 0) }
int mkdir(const char *path, mode_t mode) { NAMED(AT_FDCWD, path, 1, syscall(SYS_mkdir, path, mode), 'M', 0) }
int rename(const char *old, const char *new) {
    char from[PATH_MAX], to[PATH_MAX];
    if (!below(AT_FDCWD, old, from) || !below(AT_FDCWD, new, to)) return syscall(SYS_rename, old, new);
    pthread_mutex_lock(&lock);
    int found = -1;
    if (!fails(1)) {
        found = syscall(SYS_rename, old, new);
        if (found >= 0) record('R', -1, 0, 0, from, strlen(from), to, strlen(to));
    }
    pthread_mutex_unlock(&lock);
    return found;
}
int symlink(const char *target, const char *path) {
    char full[PATH_MAX];
    if (!below(AT_FDCWD, path, full)) return syscall(SYS_symlink, target, path);
    pthread_mutex_lock(&lock);
    int found = -1;
    if (!fails(1)) {
        found = syscall(SYS_symlink, target, path);
        if (found >= 0) record('L', -1, 0, 0, target, strlen(target), full, strlen(full));
    }
    pthread_mutex_unlock(&lock);
    return found;
}
