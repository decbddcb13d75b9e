/* journal_file.c - opens, reads and writes the file. */
#include "common/edge/journal_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/err.h"
#include "common/edge/dirsync.h"

static int check_file(int fd)
{
    struct stat status;
    if (fstat(fd, &status) < 0)
        return -errno;
    return S_ISREG(status.st_mode) && !(status.st_mode & (S_IWGRP | S_IWOTH)) ? 0 : ERR_PERMISSIONS;
}

/* Up to the end of the file. */
static int read_up_to(int fd, uint8_t *bytes, size_t size)
{
    size_t at = 0;
    while (at < size) {
        ssize_t got = pread(fd, bytes + at, size - at, (off_t)at);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return got < 0 ? -errno : 0;
        at += (size_t)got;
    }
    return 0;
}

int journal_load(struct journal_content *out, const char *path)
{
    struct journal_content content = {.bytes = calloc(1, JOURNAL_BYTES)};
    if (!content.bytes)
        return -ENOMEM;
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    int rc = fd < 0 && errno != ENOENT ? -errno : 0;
    if (fd >= 0) {
        rc = check_file(fd);
        rc = rc == 0 ? read_up_to(fd, content.bytes, JOURNAL_BYTES) : rc;
        close(fd);
    }
    if (rc < 0)
        journal_content_deinit(&content);
    else
        *out = content;
    return rc;
}

/* --- writing ------------------------------------------------------------------------------------------------------ */

static int write_at(int fd, const uint8_t *bytes, size_t size, off_t at)
{
    ssize_t put;
    do {
        put = pwrite(fd, bytes, size, at);
    } while (put < 0 && errno == EINTR);
    if (put < 0)
        return -errno;
    return put == (ssize_t)size ? 0 : -ENOSPC;
}

int journal_file_write(const struct journal *self, size_t size, uint32_t slot)
{
    return write_at(self->fd, self->slot_, size, (off_t)slot * JOURNAL_SLOT_BYTES);
}

/* Zeros everywhere, so that no entry needs more room of the disk. */
static int make_void(int fd)
{
    uint8_t *zeros = aligned_alloc(JOURNAL_PAGE_BYTES, JOURNAL_BYTES);
    if (!zeros)
        return -ENOMEM;
    memset(zeros, 0, JOURNAL_BYTES);
    int rc = write_at(fd, zeros, JOURNAL_BYTES, 0);
    free(zeros);
    return rc;
}

static int open_void(struct journal *self, const char *path, int flags)
{
    /* O_DSYNC: a write returns when the disk has it. */
    self->fd = open(path, flags | O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | O_DSYNC, S_IRUSR | S_IWUSR);
    int rc = self->fd < 0 ? -errno : check_file(self->fd);
    rc = rc == 0 ? make_void(self->fd) : rc;
    return rc == 0 ? dirsync_of(path) : rc;
}

int journal_open(struct journal *out, const char *path)
{
    /* O_DIRECT, where the file system takes it: the kernel's own copy of the pages would cost a third more. */
    const int ways[] = {O_DIRECT, 0};
    int rc = -EINVAL;
    for (size_t i = 0; i < ARRAY_COUNT(ways) && rc == -EINVAL; i++) {
        struct journal self = {.fd = -1, .slot_ = aligned_alloc(JOURNAL_PAGE_BYTES, JOURNAL_SLOT_BYTES)};
        rc = self.slot_ ? open_void(&self, path, ways[i]) : -ENOMEM;
        if (rc < 0)
            journal_close(&self);
        else
            *out = self;
    }
    return rc;
}

void journal_close(struct journal *self)
{
    if (self->fd >= 0)
        close(self->fd);
    free(self->slot_);
    *self = (struct journal){.fd = -1};
}
