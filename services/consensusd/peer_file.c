/* peer_file.c - u32 length || record, one after the other; written beside the old file and renamed. */
#include "services/consensusd/peer_file.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/bytes.h"

static int read_all(int fd, uint8_t *out, size_t capacity, size_t *size)
{
    *size = 0;
    while (*size < capacity) {
        ssize_t got = read(fd, out + *size, capacity - *size);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return got < 0 ? -errno : 0;
        *size += (size_t)got;
    }
    return 0;
}

int peer_file_read(struct peer_file *out, const char *path)
{
    out->record_count = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? 0 : -errno;
    size_t size = 0;
    int rc = read_all(fd, out->bytes, sizeof out->bytes, &size);
    close(fd);
    if (rc < 0)
        return rc;
    struct bytes_reader reader = bytes_reader_of(span_of(out->bytes, size));
    while (bytes_left(&reader) > 0 && out->record_count < GENESIS_VALIDATORS_MAX) {
        uint32_t record_size = bytes_get_u32(&reader);
        struct span record = bytes_get_span(&reader, record_size);
        if (reader.failed || record_size > PEER_RECORD_BYTES_MAX)
            break;
        out->records[out->record_count++] = record;
    }
    return 0;
}

static int write_all(int fd, struct span bytes)
{
    while (bytes.size > 0) {
        ssize_t wrote = write(fd, bytes.data, bytes.size);
        if (wrote < 0 && errno != EINTR)
            return -errno;
        if (wrote > 0)
            bytes = span_of(bytes.data + wrote, bytes.size - (size_t)wrote);
    }
    return 0;
}

int peer_file_write(const char *path, const struct span *records, size_t record_count)
{
    static uint8_t bytes[PEER_FILE_BYTES_MAX];
    char beside[PATH_MAX];
    struct bytes_writer writer = bytes_writer_of(bytes, sizeof bytes);
    for (size_t i = 0; i < record_count; i++)
        bytes_put_sized(&writer, records[i]);
    assert(!writer.failed);
    if (snprintf(beside, sizeof beside, "%s.new", path) >= (int)sizeof beside)
        return -ENAMETOOLONG;
    int fd = open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return -errno;
    int rc = write_all(fd, bytes_written(&writer));
    if (close(fd) < 0 && rc == 0)
        rc = -errno;
    if (rc == 0 && rename(beside, path) < 0)
        rc = -errno;
    return rc;
}
