/* keyfile.c - the file is opened first and judged by what was opened, so that nothing changes between the check and the
 * read.
 */
#include "common/edge/keyfile.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sodium.h>

#include "common/base/err.h"
#include "common/base/hex.h"
#include "common/edge/dirsync.h"

enum {
    DIGIT_COUNT = 2 * KEYFILE_KEY_BYTES,
    FILE_BYTES_MAX = DIGIT_COUNT + 1, /* the newline */
};

static int file_check(int fd)
{
    struct stat status;
    if (fstat(fd, &status) < 0)
        return -errno;
    if (!S_ISREG(status.st_mode))
        return ERR_MALFORMED;
    if (status.st_mode & (S_IRWXG | S_IRWXO))
        return ERR_PERMISSIONS;
    return status.st_uid == geteuid() || status.st_uid == 0 ? 0 : ERR_PERMISSIONS;
}

/* Read until the end or until the buffer is full. Returns the number of bytes or -errno. */
static ssize_t file_read(int fd, char *buffer, size_t size)
{
    size_t have = 0;
    while (have < size) {
        ssize_t got = read(fd, buffer + have, size - have);
        if (got == 0)
            break;
        if (got > 0)
            have += (size_t)got;
        else if (errno != EINTR)
            return -errno;
    }
    return (ssize_t)have;
}

/* The digits may be upper or lower case. */
static int text_decode(uint8_t out[static KEYFILE_KEY_BYTES], char *text, size_t size)
{
    if (size == FILE_BYTES_MAX && text[DIGIT_COUNT] == '\n')
        size--;
    if (size != DIGIT_COUNT)
        return ERR_MALFORMED;
    for (size_t i = 0; i < DIGIT_COUNT; i++) {
        if (text[i] >= 'A' && text[i] <= 'F')
            text[i] = (char)(text[i] - 'A' + 'a');
    }
    text[DIGIT_COUNT] = '\0';
    return hex_decode(out, KEYFILE_KEY_BYTES, text);
}

int keyfile_read(const char *path, uint8_t out[static KEYFILE_KEY_BYTES])
{
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    char text[FILE_BYTES_MAX + 1]; /* one more, to see that a file is too long */
    int rc = file_check(fd);
    if (rc == 0) {
        ssize_t size = file_read(fd, text, sizeof text);
        rc = size < 0 ? (int)size : text_decode(out, text, (size_t)size);
    }
    sodium_memzero(text, sizeof text);
    close(fd);
    return rc;
}

static int file_write(int fd, const char *text, size_t size)
{
    while (size > 0) {
        ssize_t put = write(fd, text, size);
        if (put < 0 && errno != EINTR)
            return -errno;
        if (put > 0) {
            text += put;
            size -= (size_t)put;
        }
    }
    return fsync(fd) < 0 ? -errno : 0;
}

int keyfile_write(const char *path, const uint8_t key[static KEYFILE_KEY_BYTES])
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, S_IRUSR | S_IWUSR);
    if (fd < 0)
        return -errno;
    char text[FILE_BYTES_MAX + 1];
    hex_encode(text, key, KEYFILE_KEY_BYTES);
    text[DIGIT_COUNT] = '\n';
    int rc = file_write(fd, text, FILE_BYTES_MAX);
    sodium_memzero(text, sizeof text);
    close(fd);
    if (rc == 0)
        rc = dirsync_of(path);
    if (rc < 0)
        unlink(path);
    return rc;
}
