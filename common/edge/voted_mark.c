/* voted_mark.c - two slots of 512 bytes: "cybermesh/voted-mark/v1\0" || chain_id || key || u64 starts || u64 sequence
 * || u64 last_voted_view || H(all before), zeros. The whole slot with the greater sequence counts; the
 * other one is written next.
 */
#include "common/edge/voted_mark.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/bytes.h"
#include "common/base/err.h"
#include "common/edge/dirsync.h"

enum { SLOT_BYTES = 512, SLOTS = 2 };

static const char domain[] = "cybermesh/voted-mark/v1"; /* its zero byte counts */

enum { MARK_BYTES = sizeof domain + HASH_BYTES + SIGN_PUBLIC_BYTES + 3 * 8 };

static_assert(MARK_BYTES + HASH_BYTES <= SLOT_BYTES, "a mark fits its slot");

static void encode(uint8_t out[static SLOT_BYTES], const struct voted_mark *mark)
{
    memset(out, 0, SLOT_BYTES);
    struct bytes_writer writer = bytes_writer_of(out, SLOT_BYTES);
    bytes_put(&writer, domain, sizeof domain);
    bytes_put(&writer, mark->chain_id.bytes, HASH_BYTES);
    bytes_put(&writer, mark->key.bytes, SIGN_PUBLIC_BYTES);
    bytes_put_u64(&writer, mark->starts);
    bytes_put_u64(&writer, mark->sequence);
    bytes_put_u64(&writer, mark->last_voted_view);
    struct hash check = hash_of(bytes_written(&writer));
    bytes_put(&writer, check.bytes, HASH_BYTES);
    assert(!writer.failed);
}

static bool decode(struct voted_mark *out, const uint8_t slot[static SLOT_BYTES])
{
    struct hash check = hash_of(span_of(slot, MARK_BYTES));
    if (memcmp(slot, domain, sizeof domain) != 0 || memcmp(check.bytes, slot + MARK_BYTES, HASH_BYTES) != 0)
        return false;
    struct bytes_reader reader = bytes_reader_of(span_of(slot + sizeof domain, MARK_BYTES - sizeof domain));
    bytes_get_copy(&reader, out->chain_id.bytes, HASH_BYTES);
    bytes_get_copy(&reader, out->key.bytes, SIGN_PUBLIC_BYTES);
    out->starts = bytes_get_u64(&reader);
    out->sequence = bytes_get_u64(&reader);
    out->last_voted_view = bytes_get_u64(&reader);
    return bytes_reader_end(&reader) == 0;
}

/* Both slots; *out is the one that counts. Returns its number, or ERR_CORRUPT. */
static int newest(struct voted_mark *out, uint8_t slots[static SLOTS][SLOT_BYTES])
{
    struct voted_mark marks[SLOTS];
    bool whole[SLOTS] = {decode(&marks[0], slots[0]), decode(&marks[1], slots[1])};
    if (!whole[0] && !whole[1])
        return ERR_CORRUPT;
    int slot = whole[1] && (!whole[0] || marks[1].sequence > marks[0].sequence) ? 1 : 0;
    *out = marks[slot];
    return slot;
}

int voted_mark_read(struct voted_mark *out, const char *path)
{
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? ERR_NOT_FOUND : -errno;
    struct stat status;
    uint8_t slots[SLOTS][SLOT_BYTES] = {{0}};
    int rc = fstat(fd, &status) < 0 ? -errno : 0;
    if (rc == 0 && (status.st_mode & (S_IWGRP | S_IWOTH)))
        rc = ERR_PERMISSIONS;
    if (rc == 0 && status.st_size == 0) /* the end came between making and filling it */
        rc = ERR_NOT_FOUND;
    if (rc == 0 && pread(fd, slots, sizeof slots, 0) < 0)
        rc = -errno;
    close(fd);
    rc = rc == 0 ? newest(out, slots) : rc;
    return rc < 0 ? rc : 0;
}

int voted_mark_write(struct voted_mark_file *file, const struct voted_mark *mark, bool sync)
{
    uint8_t slot[SLOT_BYTES];
    encode(slot, mark);
    ssize_t put = pwrite(file->fd, slot, sizeof slot, (off_t)file->slot * SLOT_BYTES);
    if (put < 0)
        return -errno;
    if (put != (ssize_t)sizeof slot)
        return -ENOSPC;
    file->slot = (uint8_t)(1 - file->slot);
    return sync && fdatasync(file->fd) < 0 ? -errno : 0;
}

int voted_mark_open(struct voted_mark_file *out, const char *path, const struct voted_mark *first)
{
    struct voted_mark_file file = {.fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, S_IRUSR | S_IWUSR)};
    struct stat status;
    int rc = file.fd < 0 || fstat(file.fd, &status) < 0 ? -errno : 0;
    struct voted_mark mark;
    uint8_t slots[SLOTS][SLOT_BYTES] = {{0}};
    if (rc == 0 && pread(file.fd, slots, sizeof slots, 0) < 0)
        rc = -errno;
    file.slot = newest(&mark, slots) == 0 ? 1 : 0;
    if (rc == 0 && status.st_size == 0) {
        rc = voted_mark_write(&file, first, /* sync= */ true);
        rc = rc == 0 ? dirsync_of(path) : rc;
    }
    if (rc < 0)
        voted_mark_close(&file);
    else
        *out = file;
    return rc;
}

void voted_mark_close(struct voted_mark_file *file)
{
    if (file->fd >= 0)
        close(file->fd);
    file->fd = -1;
}
