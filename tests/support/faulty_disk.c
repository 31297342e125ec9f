// A disk that fails when a test says so: loaded into the real program with LD_PRELOAD, so that
// SQLite, the standard library and everything else in it meet the fault where a bad disk would
// show it, and nothing in the program knows of the test.
//
// Only files below one folder are on the faulty disk. Of the calls that write to them, sync them or
// make room for them, one is chosen by its number; that one fails, or it and all after it.
// Reads, locks and what is mapped into memory stay as they are, and so do renames, which the
// program does without the C library.
//
//   FAULTY_DISK_FOLDER  the folder, as an absolute path without links
//   FAULTY_DISK_KIND    full, broken, short, torn, sync
//   FAULTY_DISK_CALL    number of the call that fails, from 1; 0 for none
//   FAULTY_DISK_LASTS   set: all calls after it fail as well
//   FAULTY_DISK_COUNT   a file that takes how many calls there were, for the choice of a number

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

enum kind {
    NONE,
    FULL,   // no space: nothing is written
    BROKEN, // an I/O error: nothing is written
    SHORT,  // half of it is written, and the count says so
    TORN,   // half of it is written, and then an I/O error
    SYNC    // writes succeed; a sync fails
};

// Set once, before the program's first thread.
static struct {
    char folder[PATH_MAX];
    size_t length;
    enum kind kind;
    long call;
    int lasts;
} disk;

// Threads share the disk.
static atomic_long calls;

__attribute__((constructor)) static void attach(void) {
    static const char *const names[] = {"", "full", "broken", "short", "torn", "sync"};
    const char *folder = getenv("FAULTY_DISK_FOLDER");
    const char *kind = getenv("FAULTY_DISK_KIND");
    const char *call = getenv("FAULTY_DISK_CALL");
    if (!folder || !kind || !call || strlen(folder) >= sizeof disk.folder) return;
    for (int each = FULL; each <= SYNC; each++)
        if (!strcmp(kind, names[each])) disk.kind = each;
    disk.call = atol(call);
    disk.lasts = getenv("FAULTY_DISK_LASTS") != NULL;
    disk.length = strlen(strcpy(disk.folder, folder));
}

__attribute__((destructor)) static void detach(void) {
    const char *path = getenv("FAULTY_DISK_COUNT");
    FILE *file = path ? fopen(path, "w") : NULL;
    if (!file) return;
    disk.length = 0; // this file is on a good disk
    fprintf(file, "%ld", atomic_load(&calls));
    fclose(file);
}

// Where a descriptor points is asked of the kernel: no open has to be watched.
static int is_ours(int fd) {
    char link[32], path[PATH_MAX];
    if (!disk.length) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length <= (ssize_t)disk.length) return 0;
    path[length] = 0;
    return !strncmp(path, disk.folder, disk.length) && path[disk.length] == '/';
}

// What is to go wrong with this call. With `sync` only syncs are counted, and with the others all
// but syncs, so that each number is one that the fault can meet.
static enum kind fault(int fd, int is_sync) {
    if (is_sync != (disk.kind == SYNC) || !is_ours(fd)) return NONE;
    long number = atomic_fetch_add(&calls, 1) + 1;
    if (!disk.call || number < disk.call) return NONE;
    return number == disk.call || disk.lasts ? disk.kind : NONE;
}

static int fail(enum kind kind) {
    errno = kind == FULL ? ENOSPC : EIO;
    return -1;
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

// Does `half`, which writes the first half only, as the fault asks; `whole` without one.
#define WRITE(fd, size, whole, half)                        \
    enum kind kind = fault(fd, 0);                          \
    if (kind == NONE || (kind == SHORT && (size) < 2)) return whole; \
    if (kind != SHORT && kind != TORN) return fail(kind);   \
    ssize_t written = half;                                 \
    return kind == TORN ? fail(kind) : written

ssize_t write(int fd, const void *data, size_t size) {
    WRITE(fd, size, REAL(write)(fd, data, size), REAL(write)(fd, data, size / 2));
}

ssize_t pwrite64(int fd, const void *data, size_t size, off64_t at) {
    WRITE(fd, size, REAL(pwrite64)(fd, data, size, at), REAL(pwrite64)(fd, data, size / 2, at));
}

// Half of many pieces is the first half of the first one.
ssize_t writev(int fd, const struct iovec *parts, int count) {
    size_t size = count > 0 ? parts[0].iov_len : 0;
    WRITE(fd, size, REAL(writev)(fd, parts, count), REAL(write)(fd, parts[0].iov_base, size / 2));
}

int ftruncate64(int fd, off64_t size) {
    enum kind kind = fault(fd, 0);
    return kind == NONE || kind == SHORT ? REAL(ftruncate64)(fd, size) : fail(kind);
}

int fsync(int fd) { return fault(fd, 1) == NONE ? REAL(fsync)(fd) : fail(BROKEN); }

int fdatasync(int fd) { return fault(fd, 1) == NONE ? REAL(fdatasync)(fd) : fail(BROKEN); }
