/* dirsync.c - directories on disk. */
#include "common/edge/dirsync.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

int dirsync(const char *directory)
{
    int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    int rc = fsync(fd) < 0 ? -errno : 0;
    close(fd);
    return rc;
}

int dirsync_of(const char *path)
{
    char directory[PATH_MAX];
    const char *slash = strrchr(path, '/');
    size_t size = !slash ? 0 : slash == path ? 1 : (size_t)(slash - path);
    if (size >= sizeof directory)
        return -ENAMETOOLONG;
    memcpy(directory, size ? path : ".", size ? size : 1);
    directory[size ? size : 1] = '\0';
    return dirsync(directory);
}
