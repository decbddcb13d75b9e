/* bus_socket.h - a socket, as bus.c opens it and bus_frames.c reads and writes it. Included by those only. */
#pragma once

#include <stdatomic.h>

#include "common/edge/bus.h"
#include "common/edge/bus_endpoint.h"
#include "common/edge/bus_monitor.h"
#include "common/edge/bus_zap.h"
#include "common/edge/log.h"

struct bus {
    void *context;
    struct bus_zap *zap;
    atomic_int socket_count; /* open ones */
};

struct bus_socket {
    struct bus *bus;
    void *handle;
    int type;          /* ZMQ_ROUTER, ... */
    bool *used;        /* see bus_socket_watch() */
    bool unwatched;    /* where it points while nobody watches */
    bool has_user_ids; /* bound to tcp: bus_zap named who sends */
    uint32_t frame_bytes_max;
    struct bus_counters counters;
    struct log_limit bad_log;
    struct log_limit state_log;
    struct bus_monitor monitor; /* of a connecting socket */
    char name[BUS_NAME_BYTES_MAX];
    char endpoint[BUS_ENDPOINT_BYTES_MAX];
};
