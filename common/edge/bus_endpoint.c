/* bus_endpoint.c - an ipc socket has no keys: its directory is what keeps others out. So the directory is opened once,
 * without following a link, and judged by what was opened.
 */
#include "common/edge/bus_endpoint.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/base/err.h"
#include "common/edge/bus.h"

enum {
    MODE_OF_OTHERS = S_IRWXO | S_IWGRP, /* what a directory must not allow: 0700 and 0750 pass */
    GROUPS_MAX = 256,
};

static_assert(sizeof(((struct sockaddr_un *)0)->sun_path) == BUS_IPC_PATH_BYTES_MAX + 1, "the limit is the kernel's");

static bool text_is_printable(const char *text)
{
    for (; *text; text++) {
        if (*text <= ' ' || *text > '~')
            return false;
    }
    return true;
}

static int ipc_parse(const char *path)
{
    size_t size = strlen(path);
    if (size == 0 || path[size - 1] == '/' || path[0] == '@' || strcmp(path, "*") == 0)
        return -EINVAL;
    return size > BUS_IPC_PATH_BYTES_MAX ? -ENAMETOOLONG : 0;
}

static int tcp_parse(const char *address)
{
    const char *colon = strrchr(address, ':');
    if (!colon || colon == address || colon[1] == '\0' || strchr(address, ';') || !text_is_printable(address))
        return -EINVAL;
    return 0;
}

int bus_endpoint_parse(struct bus_endpoint *out, const char *text)
{
    enum bus_transport transport = 0;
    if (strncmp(text, "ipc://", 6) == 0)
        transport = BUS_TRANSPORT_IPC;
    else if (strncmp(text, "tcp://", 6) == 0)
        transport = BUS_TRANSPORT_TCP;
    else
        return -EINVAL;
    int rc = transport == BUS_TRANSPORT_IPC ? ipc_parse(text + 6) : tcp_parse(text + 6);
    if (rc < 0)
        return rc;
    if (strlen(text) >= sizeof out->text)
        return -ENAMETOOLONG;
    *out = (struct bus_endpoint){.transport = transport, .address = text + 6};
    memcpy(out->text, text, strlen(text) + 1);
    return 0;
}

/* The directory part of a path: "." when it has none. */
static void directory_of(char out[static BUS_IPC_PATH_BYTES_MAX + 2], const char *path)
{
    const char *slash = strrchr(path, '/');
    if (!slash)
        snprintf(out, BUS_IPC_PATH_BYTES_MAX + 2, ".");
    else if (slash == path)
        snprintf(out, BUS_IPC_PATH_BYTES_MAX + 2, "/");
    else
        snprintf(out, BUS_IPC_PATH_BYTES_MAX + 2, "%.*s", (int)(slash - path), path);
}

static int directory_stat(const char *path, struct stat *out)
{
    char directory[BUS_IPC_PATH_BYTES_MAX + 2];
    directory_of(directory, path);
    int fd = open(directory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return errno == ELOOP ? -ENOTDIR : -errno;
    int rc = fstat(fd, out) < 0 ? -errno : 0;
    close(fd);
    return rc;
}

static bool group_is_ours(gid_t group)
{
    if (group == getegid())
        return true;
    gid_t groups[GROUPS_MAX];
    int count = getgroups(GROUPS_MAX, groups);
    for (int i = 0; i < count; i++) {
        if (groups[i] == group)
            return true;
    }
    return false;
}

/* Is somebody accepting connections at this path? 0: no, and what is there may be replaced. */
static int path_is_free(const char *path)
{
    struct stat status;
    if (lstat(path, &status) < 0)
        return errno == ENOENT ? 0 : -errno;
    if (!S_ISSOCK(status.st_mode))
        return -EEXIST;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path, path, strlen(path) + 1); /* ipc_parse checked the length */
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    int rc = connect(fd, (const struct sockaddr *)&address, sizeof address) < 0 ? -errno : 0;
    close(fd);
    return rc == -ECONNREFUSED || rc == -ENOENT ? 0 : -EADDRINUSE;
}

int bus_endpoint_ipc_before_bind(const char *path)
{
    char directory[BUS_IPC_PATH_BYTES_MAX + 2];
    directory_of(directory, path);
    if (mkdir(directory, S_IRWXU) < 0 && errno != EEXIST)
        return -errno;
    struct stat status;
    int rc = directory_stat(path, &status);
    if (rc < 0)
        return rc;
    if (status.st_uid != geteuid() || status.st_mode & MODE_OF_OTHERS)
        return ERR_PERMISSIONS;
    return path_is_free(path);
}

int bus_endpoint_ipc_after_bind(const char *path)
{
    struct stat status;
    int rc = directory_stat(path, &status);
    if (rc < 0)
        return rc;
    mode_t mode = S_IRUSR | S_IWUSR | (status.st_mode & S_IXGRP ? S_IRGRP | S_IWGRP : 0);
    return chmod(path, mode) < 0 ? -errno : 0;
}

int bus_endpoint_ipc_before_connect(const char *path)
{
    struct stat status;
    int rc = directory_stat(path, &status);
    if (rc < 0)
        return rc;
    if (status.st_mode & MODE_OF_OTHERS)
        return ERR_PERMISSIONS;
    if (status.st_uid == geteuid() || (status.st_mode & S_IXGRP && group_is_ours(status.st_gid)))
        return 0;
    return ERR_PERMISSIONS;
}
