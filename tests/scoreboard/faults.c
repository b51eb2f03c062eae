/* Loaded before the C library (LD_PRELOAD): lets syncs and writes fail as a test says, and looks who uses a
   descriptor again whose sync has failed.

   The test writes `struct plan` through a mapped file. After a failed sync the kernel gives up the pages it could not
   write and calls them clean: `drop` does the same, all that was written since the last good sync becomes zeros. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct plan {
    volatile int32_t fail_syncs, fail_writes, short_writes, error, drop; /* told by the test */
    volatile int32_t failed_syncs, failed_writes, shortened, dropped, used_again; /* told to the test */
    char part[64]; /* of the path */
};

enum { DESCRIPTORS = 4096, RANGES = 65536 };

struct range { int fd; off_t start; size_t size; };

static struct plan nothing, *plan = &nothing;
static struct range ranges[RANGES];
static int range_count;
static char given_up[DESCRIPTORS];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static int (*real_fsync)(int), (*real_fdatasync)(int), (*real_close)(int);
static ssize_t (*real_pwrite)(int, const void *, size_t, off_t), (*real_write)(int, const void *, size_t);

__attribute__((constructor)) static void begin(void) {
    if (real_write) return;
    real_fsync = dlsym(RTLD_NEXT, "fsync");
    real_fdatasync = dlsym(RTLD_NEXT, "fdatasync");
    real_close = dlsym(RTLD_NEXT, "close");
    real_pwrite = dlsym(RTLD_NEXT, "pwrite64");
    real_write = dlsym(RTLD_NEXT, "write");
    const char *name = getenv("SITE2CRM_FAULTS");
    int fd = name ? open(name, O_RDWR | O_CLOEXEC) : -1;
    if (fd < 0) return;
    void *found = mmap(NULL, sizeof(struct plan), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (found != MAP_FAILED) plan = found;
    real_close(fd);
}

/* Another library may call us before it is our turn to begin. */
static void ready(void) {
    if (!real_write) begin();
}

static int path_has(int fd, const char *part) {
    char link[64], path[512];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length <= 0) return 0;
    path[length] = 0;
    return strstr(path, part) != NULL;
}

static int is_meant(int fd) {
    return plan->part[0] && path_has(fd, (const char *)plan->part);
}

/* Takes one of those to come. */
static int take(volatile int32_t *left) {
    int32_t now = *left;
    while (now > 0)
        if (__atomic_compare_exchange_n(left, &now, now - 1, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) return 1;
    return 0;
}

static void note_use(int fd) {
    if (fd >= 0 && fd < DESCRIPTORS && given_up[fd]) __atomic_add_fetch(&plan->used_again, 1, __ATOMIC_SEQ_CST);
}

static void remember(int fd, off_t start, ssize_t size) {
    if (size <= 0 || !plan->drop) return;
    pthread_mutex_lock(&lock);
    if (range_count < RANGES) ranges[range_count++] = (struct range){fd, start, (size_t)size};
    pthread_mutex_unlock(&lock);
}

static void forget(int fd, int drop) {
    static const char zeros[65536];
    pthread_mutex_lock(&lock);
    int kept = 0;
    for (int i = 0; i < range_count; i++) {
        struct range one = ranges[i];
        if (one.fd != fd) { ranges[kept++] = one; continue; }
        for (size_t done = 0; drop && done < one.size;) {
            size_t part = one.size - done < sizeof zeros ? one.size - done : sizeof zeros;
            ssize_t written = real_pwrite(fd, zeros, part, one.start + (off_t)done);
            if (written <= 0) break;
            done += (size_t)written;
        }
        if (drop) __atomic_add_fetch(&plan->dropped, 1, __ATOMIC_SEQ_CST);
    }
    range_count = kept;
    pthread_mutex_unlock(&lock);
}

static int sync_or_fail(int fd, int (*real)(int)) {
    note_use(fd);
    if (plan->fail_syncs > 0 && is_meant(fd) && take(&plan->fail_syncs)) {
        forget(fd, plan->drop);
        if (fd < DESCRIPTORS && path_has(fd, ".seg")) given_up[fd] = 1; /* a segment of the journal */
        __atomic_add_fetch(&plan->failed_syncs, 1, __ATOMIC_SEQ_CST);
        errno = plan->error;
        return -1;
    }
    int result = real(fd);
    if (!result && range_count) forget(fd, 0);
    return result;
}

/* 0: go on; else the write fails. `size` may become less. */
static int write_fails(int fd, size_t *size) {
    note_use(fd);
    if (!plan->part[0] || (plan->fail_writes <= 0 && plan->short_writes <= 0) || !is_meant(fd)) return 0;
    if (take(&plan->fail_writes)) {
        __atomic_add_fetch(&plan->failed_writes, 1, __ATOMIC_SEQ_CST);
        errno = plan->error;
        return 1;
    }
    if (*size > 1 && take(&plan->short_writes)) {
        __atomic_add_fetch(&plan->shortened, 1, __ATOMIC_SEQ_CST);
        *size /= 2;
    }
    return 0;
}

int fsync(int fd) {
    ready();
    return sync_or_fail(fd, real_fsync);
}

int fdatasync(int fd) {
    ready();
    return sync_or_fail(fd, real_fdatasync);
}

ssize_t pwrite64(int fd, const void *data, size_t size, off_t start) {
    ready();
    if (write_fails(fd, &size)) return -1;
    ssize_t written = real_pwrite(fd, data, size, start);
    if (plan->drop && is_meant(fd)) remember(fd, start, written);
    return written;
}

ssize_t pwrite(int fd, const void *data, size_t size, off_t start) { return pwrite64(fd, data, size, start); }

ssize_t write(int fd, const void *data, size_t size) {
    ready();
    if (write_fails(fd, &size)) return -1;
    if (!plan->drop || !is_meant(fd)) return real_write(fd, data, size);
    off_t start = lseek(fd, 0, SEEK_CUR);
    ssize_t written = real_write(fd, data, size);
    remember(fd, start, written);
    return written;
}

int close(int fd) {
    ready();
    if (fd >= 0 && fd < DESCRIPTORS) given_up[fd] = 0;
    if (range_count) forget(fd, 0);
    return real_close(fd);
}
