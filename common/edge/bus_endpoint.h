/* bus_endpoint.h - endpoint texts, and who may enter the directory of an ipc socket. For bus.c.
 *
 * bus_endpoint_parse() is pure; the ipc checks read the file system. Ownership: values. Threads: no state.
 */
#pragma once

#include <stdbool.h>

#include "common/base/attr.h"

enum {
    BUS_ENDPOINT_BYTES_MAX = 300, /* an endpoint text with its zero byte */
};

enum bus_transport { BUS_TRANSPORT_IPC = 1, BUS_TRANSPORT_TCP };

struct bus_endpoint {
    enum bus_transport transport;
    char text[BUS_ENDPOINT_BYTES_MAX]; /* as given */
    const char *address;               /* behind "ipc://" or "tcp://" of the text given */
};

/* "ipc://path" (a path of the file system, no "*", no abstract "@name", a name at its end) or "tcp://host:port"
 * (printable, no
 * ";": no source address; host and port not empty). The text must outlive *out. Returns 0, -EINVAL or -ENAMETOOLONG. */
MUST_USE int bus_endpoint_parse(struct bus_endpoint *out, const char *text);

/* Before a bind: make the directory when missing (mode 0700), check that it is ours and closed, and that nobody listens
 * at the path. Returns 0; ERR_PERMISSIONS; -EADDRINUSE; -EEXIST (the path is no socket); another -errno. */
MUST_USE int bus_endpoint_ipc_before_bind(const char *path);

/* After a bind: the socket's mode follows its directory's (a group that may enter may connect). Returns 0 or -errno. */
MUST_USE int bus_endpoint_ipc_after_bind(const char *path);

/* Before a connect: the directory is ours and closed, or it is open (0750) to a group of ours only.
 * Returns 0, ERR_PERMISSIONS, -ENOENT or another -errno. */
MUST_USE int bus_endpoint_ipc_before_connect(const char *path);
