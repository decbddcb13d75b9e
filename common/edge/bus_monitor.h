/* bus_monitor.h - is a connecting socket connected, and does libzmq still try? For bus.c.
 *
 * Not pure: a ZeroMQ monitor. Ownership: embedded in its socket, closed before it. Threads: the socket's.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/base/attr.h"

struct bus_monitor {
    void *events;           /* the PAIR that libzmq reports to; NULL: not open */
    bool connected;         /* the handshake is done */
    uint32_t retry_ms;      /* after how long libzmq tries to connect again; 0: it has not had to */
    uint64_t lost_since_ms; /* when a connection ended and no new try has begun; 0: no such time */
};

/* What bus_monitor_read() has found. */
enum bus_monitor_verdict {
    BUS_MONITOR_FINE = 1,  /* nothing new */
    BUS_MONITOR_CONNECTED, /* since the last call */
    BUS_MONITOR_LOST,      /* since the last call; libzmq tries again */
    BUS_MONITOR_GIVEN_UP,  /* libzmq will not try again: connect anew */
};

/* Watch a socket before it connects. Returns 0 or -errno. */
MUST_USE int bus_monitor_open(struct bus_monitor *self, void *context, void *socket);

/* Accepts one that is not open. */
void bus_monitor_close(struct bus_monitor *self, void *socket);

/* Read all events that have come. now_ms is monotonic. */
MUST_USE enum bus_monitor_verdict bus_monitor_read(struct bus_monitor *self, uint64_t now_ms);
