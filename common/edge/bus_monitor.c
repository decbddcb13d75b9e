/* bus_monitor.c - libzmq reconnects after a lost connection, but not after a refused handshake or a frame it takes for
 * a protocol error: then the connecting socket stays silent for ever. A refusal may be mended (a key added, the right
 * peer started at last), so a connection that ended without a new try after a while is reported, and bus.c connects
 * anew.
 */
#include "common/edge/bus_monitor.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <zmq.h>

enum {
    GIVEN_UP_MS = 1500, /* without a new try */
    EVENTS_ENDED = ZMQ_EVENT_DISCONNECTED | ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL | ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL |
                   ZMQ_EVENT_HANDSHAKE_FAILED_AUTH,
    EVENTS_TRYING = ZMQ_EVENT_CONNECT_RETRIED | ZMQ_EVENT_CONNECT_DELAYED | ZMQ_EVENT_CONNECTED,
};

int bus_monitor_open(struct bus_monitor *self, void *context, void *socket)
{
    char address[64];
    snprintf(address, sizeof address, "inproc://monitor-%" PRIxPTR, (uintptr_t)socket);
    if (zmq_socket_monitor(socket, address, EVENTS_ENDED | EVENTS_TRYING | ZMQ_EVENT_HANDSHAKE_SUCCEEDED) < 0)
        return -errno;
    self->events = zmq_socket(context, ZMQ_PAIR);
    if (!self->events)
        return -errno;
    /* libzmq's I/O thread would wait for room: there is always room. Events are few, and read twice a second. */
    int unlimited = 0;
    zmq_setsockopt(self->events, ZMQ_RCVHWM, &unlimited, sizeof unlimited);
    zmq_setsockopt(self->events, ZMQ_LINGER, &unlimited, sizeof unlimited);
    return zmq_connect(self->events, address) < 0 ? -errno : 0;
}

void bus_monitor_close(struct bus_monitor *self, void *socket)
{
    if (socket)
        zmq_socket_monitor(socket, NULL, 0);
    if (self->events)
        zmq_close(self->events);
    self->events = NULL;
}

/* An event is two frames: u16 event and u32 value in our byte order, then the endpoint. Returns 0, -EAGAIN or another
 * -errno. */
static int event_read(struct bus_monitor *self, uint16_t *out, uint32_t *value)
{
    uint8_t frame[16];
    char endpoint[8];
    int size = zmq_recv(self->events, frame, sizeof frame, ZMQ_DONTWAIT);
    if (size < 0)
        return -errno;
    if (zmq_recv(self->events, endpoint, sizeof endpoint, ZMQ_DONTWAIT) < 0)
        return -errno;
    *out = 0;
    *value = 0;
    if (size < (int)(sizeof *out + sizeof *value))
        return 0;
    memcpy(out, frame, sizeof *out);
    memcpy(value, frame + sizeof *out, sizeof *value);
    return 0;
}

static void event_apply(struct bus_monitor *self, uint16_t event, uint32_t value, uint64_t now_ms)
{
    if (event & ZMQ_EVENT_CONNECT_RETRIED)
        self->retry_ms = value;
    if (event & ZMQ_EVENT_HANDSHAKE_SUCCEEDED) {
        self->connected = true;
        self->retry_ms = 0;
        self->lost_since_ms = 0;
    } else if (event & EVENTS_TRYING) {
        self->lost_since_ms = 0;
    } else if (event & EVENTS_ENDED) {
        self->connected = false;
        if (self->lost_since_ms == 0)
            self->lost_since_ms = now_ms;
    }
}

enum bus_monitor_verdict bus_monitor_read(struct bus_monitor *self, uint64_t now_ms)
{
    bool before = self->connected;
    uint16_t event = 0;
    uint32_t value = 0;
    while (event_read(self, &event, &value) == 0)
        event_apply(self, event, value, now_ms);
    if (self->lost_since_ms != 0 && now_ms - self->lost_since_ms >= GIVEN_UP_MS) {
        self->lost_since_ms = 0;
        return BUS_MONITOR_GIVEN_UP;
    }
    if (self->connected == before)
        return BUS_MONITOR_FINE;
    return self->connected ? BUS_MONITOR_CONNECTED : BUS_MONITOR_LOST;
}
