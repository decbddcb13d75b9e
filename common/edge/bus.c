/* bus.c - the adapter of libzmq.
 *
 * Every option that bounds memory or time is set here, once for all sockets. libzmq asserts on a few things of its own
 * making only.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>
#include <zmq.h>

#include "common/base/err.h"
#include "common/edge/bus_socket.h"

enum {
    IO_THREAD_COUNT = 1,
    PUB_LINGER_MS = 200,
    HANDSHAKE_MS = 5000,
    HEARTBEAT_MS = 2000,
    HEARTBEAT_TIMEOUT_MS = 6000,
    CONNECT_MS = 5000,
    RECONNECT_MS = 100,
    RECONNECT_MS_MAX = 2000,
    KEEPALIVE_IDLE_S = 10,
    KEEPALIVE_INTERVAL_S = 5,
    KEEPALIVE_PROBE_COUNT = 3,
    UNACKNOWLEDGED_MS_MAX = 10000, /* of a tcp connection */
    BACKLOG_COUNT = 128,
    WIRE_OVERHEAD_BYTES = 1024, /* what CURVE and its handshake add to a frame, generously */
};

/* --- the bus ------------------------------------------------------------------------------------------------------ */

int bus_new(struct bus **out)
{
    CLEANUP(bus_destroy) struct bus *self = calloc(1, sizeof *self);
    if (!self)
        return -ENOMEM;
    self->context = zmq_ctx_new();
    if (!self->context)
        return -errno;
    zmq_ctx_set(self->context, ZMQ_IO_THREADS, IO_THREAD_COUNT);
    int rc = bus_zap_new(&self->zap, self->context);
    if (rc < 0)
        return rc;
    *out = TAKE(self);
    return 0;
}

void bus_destroy(struct bus **self)
{
    if (!self || !*self)
        return;
    assert(atomic_load(&(*self)->socket_count) == 0); /* else zmq_ctx_term would wait for ever */
    if ((*self)->context)
        zmq_ctx_shutdown((*self)->context);
    bus_zap_destroy(&(*self)->zap);
    while ((*self)->context && zmq_ctx_term((*self)->context) < 0 && errno == EINTR)
        ;
    free(*self);
    *self = NULL;
}

int bus_allow(struct bus *self, const char *socket_name, const uint8_t key[static BUS_KEY_BYTES], const char *user_id)
{
    return bus_zap_allow(self->zap, socket_name, key, user_id);
}

void bus_forbid(struct bus *self, const char *socket_name, const uint8_t key[static BUS_KEY_BYTES])
{
    bus_zap_forbid(self->zap, socket_name, key);
}

uint64_t bus_refused_count(const struct bus *self)
{
    return bus_zap_refused_count(self->zap);
}

void bus_curve_public(uint8_t out[static BUS_KEY_BYTES], const uint8_t secret[static BUS_KEY_BYTES])
{
    int rc = crypto_scalarmult_base(out, secret);
    assert(rc == 0); /* cannot fail for a base point */
    (void)rc;
}

/* --- opening a socket --------------------------------------------------------------------------------------------- */

static int options_check(const struct bus_options *options)
{
    if (!bus_zap_name_is_valid(options->name) || !options->endpoint)
        return -EINVAL;
    if (options->frame_bytes_max == 0 || options->frame_bytes_max > BUS_FRAME_BYTES_MAX)
        return -EINVAL;
    if (options->queue_count_max == 0 || options->queue_count_max > BUS_QUEUE_COUNT_MAX)
        return -EINVAL;
    return 0;
}

static void set_int(int *rc, void *handle, int option, int value)
{
    if (*rc == 0 && zmq_setsockopt(handle, option, &value, sizeof value) < 0)
        *rc = -errno;
}

static void set_bytes(int *rc, void *handle, int option, const void *data, size_t size)
{
    if (*rc == 0 && zmq_setsockopt(handle, option, data, size) < 0)
        *rc = -errno;
}

/* What bounds every socket. */
static int limits_set(void *handle, int type, const struct bus_options *options)
{
    int rc = 0;
    /* A PUB hears subscriptions only. */
    int64_t frame_max = (int64_t)(type == ZMQ_PUB ? 0 : options->frame_bytes_max) + WIRE_OVERHEAD_BYTES;
    set_bytes(&rc, handle, ZMQ_MAXMSGSIZE, &frame_max, sizeof frame_max);
    set_int(&rc, handle, ZMQ_SNDHWM, (int)options->queue_count_max);
    set_int(&rc, handle, ZMQ_RCVHWM, (int)options->queue_count_max);
    set_int(&rc, handle, ZMQ_LINGER, type == ZMQ_PUB ? PUB_LINGER_MS : 0);
    set_int(&rc, handle, ZMQ_HANDSHAKE_IVL, HANDSHAKE_MS);
    set_int(&rc, handle, ZMQ_BACKLOG, BACKLOG_COUNT);
    set_int(&rc, handle, ZMQ_RECONNECT_IVL, RECONNECT_MS);
    set_int(&rc, handle, ZMQ_RECONNECT_IVL_MAX, RECONNECT_MS_MAX);
    if (type == ZMQ_ROUTER)
        set_int(&rc, handle, ZMQ_ROUTER_MANDATORY, 1); /* a send to a peer that left is told */
    if (type == ZMQ_DEALER)
        set_int(&rc, handle, ZMQ_IMMEDIATE, 1); /* nothing is queued for a peer that is away */
    return rc;
}

/* Dead peers: the kernel tells on ipc, tcp has to ask. */
static int tcp_set(void *handle, const struct bus_endpoint *endpoint)
{
    int rc = 0;
    set_int(&rc, handle, ZMQ_HEARTBEAT_IVL, HEARTBEAT_MS);
    set_int(&rc, handle, ZMQ_HEARTBEAT_TIMEOUT, HEARTBEAT_TIMEOUT_MS);
    set_int(&rc, handle, ZMQ_HEARTBEAT_TTL, HEARTBEAT_TIMEOUT_MS);
    set_int(&rc, handle, ZMQ_CONNECT_TIMEOUT, CONNECT_MS);
    set_int(&rc, handle, ZMQ_TCP_KEEPALIVE, 1);
    set_int(&rc, handle, ZMQ_TCP_KEEPALIVE_IDLE, KEEPALIVE_IDLE_S);
    set_int(&rc, handle, ZMQ_TCP_KEEPALIVE_INTVL, KEEPALIVE_INTERVAL_S);
    set_int(&rc, handle, ZMQ_TCP_KEEPALIVE_CNT, KEEPALIVE_PROBE_COUNT);
    set_int(&rc, handle, ZMQ_TCP_MAXRT, UNACKNOWLEDGED_MS_MAX);
    set_int(&rc, handle, ZMQ_IPV6, strchr(endpoint->text, '[') != NULL);
    return rc;
}

/* CURVE, RFC 26. The bound side asks the ZAP handler in the socket's own domain. */
static int curve_set(void *handle, const struct bus_options *options, bool binds)
{
    if (!options->curve_secret || (!binds && !options->server_public))
        return -EINVAL;
    int rc = 0;
    if (binds) {
        set_int(&rc, handle, ZMQ_CURVE_SERVER, 1);
        set_bytes(&rc, handle, ZMQ_ZAP_DOMAIN, options->name, strlen(options->name));
    } else {
        uint8_t public[BUS_KEY_BYTES];
        bus_curve_public(public, options->curve_secret);
        set_bytes(&rc, handle, ZMQ_CURVE_SERVERKEY, options->server_public, BUS_KEY_BYTES);
        set_bytes(&rc, handle, ZMQ_CURVE_PUBLICKEY, public, sizeof public);
    }
    set_bytes(&rc, handle, ZMQ_CURVE_SECRETKEY, options->curve_secret, BUS_KEY_BYTES);
    return rc;
}

static int endpoint_bind(void *handle, const struct bus_endpoint *endpoint)
{
    bool ipc = endpoint->transport == BUS_TRANSPORT_IPC;
    int rc = ipc ? bus_endpoint_ipc_before_bind(endpoint->address) : 0;
    if (rc < 0)
        return rc;
    if (zmq_bind(handle, endpoint->text) < 0)
        return -errno;
    return ipc ? bus_endpoint_ipc_after_bind(endpoint->address) : 0;
}

static int endpoint_connect(void *handle, const struct bus_endpoint *endpoint)
{
    int rc = endpoint->transport == BUS_TRANSPORT_IPC ? bus_endpoint_ipc_before_connect(endpoint->address) : 0;
    if (rc < 0)
        return rc;
    return zmq_connect(handle, endpoint->text) < 0 ? -errno : 0;
}

/* Set all options, then bind or connect; afterwards self->endpoint names the real port. */
static int socket_attach(struct bus_socket *self, const struct bus_options *options, bool binds)
{
    struct bus_endpoint endpoint;
    int rc = bus_endpoint_parse(&endpoint, options->endpoint);
    if (rc < 0)
        return rc;
    rc = limits_set(self->handle, self->type, options);
    if (rc == 0 && endpoint.transport == BUS_TRANSPORT_TCP)
        rc = tcp_set(self->handle, &endpoint);
    if (rc == 0 && endpoint.transport == BUS_TRANSPORT_TCP)
        rc = curve_set(self->handle, options, binds);
    if (rc < 0)
        return rc;
    self->has_user_ids = binds && endpoint.transport == BUS_TRANSPORT_TCP;
    if (!binds)
        rc = bus_monitor_open(&self->monitor, self->bus->context, self->handle);
    if (rc < 0)
        return rc;
    rc = binds ? endpoint_bind(self->handle, &endpoint) : endpoint_connect(self->handle, &endpoint);
    if (rc < 0)
        return rc;
    size_t size = sizeof self->endpoint;
    return zmq_getsockopt(self->handle, ZMQ_LAST_ENDPOINT, self->endpoint, &size) < 0 ? -errno : 0;
}

/* Why a socket could not be opened, in words for who wrote the configuration. */
static const char *failure_hint(int rc, const struct bus_options *options)
{
    switch (rc) {
    case -EINVAL:
        if (options->endpoint && strncmp(options->endpoint, "tcp://", 6) == 0 && !options->curve_secret)
            return "a tcp endpoint needs CURVE keys";
        return "wanted: ipc://path, or tcp://host:port with CURVE keys, and limits in range";
    case -ENAMETOOLONG:
        return "an ipc path has at most 107 bytes";
    case ERR_PERMISSIONS:
        return "the directory of an ipc socket must be ours with mode 0700 (or 0750 for a group)";
    case -EADDRINUSE:
        return "another process listens there";
    default:
        return err_text(rc);
    }
}

static int socket_open(struct bus_socket **out, struct bus *bus, const struct bus_options *options, int type)
{
    CLEANUP(bus_socket_close) struct bus_socket *self = NULL;
    bool binds = type == ZMQ_ROUTER || type == ZMQ_PUB;
    int rc = options_check(options);
    if (rc == 0) {
        self = calloc(1, sizeof *self);
        if (!self)
            return -ENOMEM;
        self->type = type;
        self->used = &self->unwatched;
        self->frame_bytes_max = options->frame_bytes_max;
        memcpy(self->name, options->name, strlen(options->name) + 1);
        self->handle = zmq_socket(bus->context, type);
        if (!self->handle)
            return -errno;
        self->bus = bus;
        atomic_fetch_add(&bus->socket_count, 1);
        rc = socket_attach(self, options, binds);
    }
    if (rc < 0) {
        log_error("bus.socket_refused", "socket=%s endpoint=%s action=%s error=%s",
                  LOG_QUOTE_TEXT(options->name ? options->name : ""),
                  LOG_QUOTE_TEXT(options->endpoint ? options->endpoint : ""), binds ? "bind" : "connect",
                  LOG_QUOTE_TEXT(failure_hint(rc, options)));
        return rc;
    }
    *out = TAKE(self);
    return 0;
}

int bus_router_bind(struct bus_socket **out, struct bus *bus, const struct bus_options *options)
{
    return socket_open(out, bus, options, ZMQ_ROUTER);
}

int bus_dealer_connect(struct bus_socket **out, struct bus *bus, const struct bus_options *options)
{
    return socket_open(out, bus, options, ZMQ_DEALER);
}

int bus_pub_bind(struct bus_socket **out, struct bus *bus, const struct bus_options *options)
{
    return socket_open(out, bus, options, ZMQ_PUB);
}

int bus_sub_connect(struct bus_socket **out, struct bus *bus, const struct bus_options *options)
{
    return socket_open(out, bus, options, ZMQ_SUB);
}

void bus_socket_close(struct bus_socket **self)
{
    if (!self || !*self)
        return;
    bus_monitor_close(&(*self)->monitor, (*self)->handle);
    if ((*self)->handle)
        zmq_close((*self)->handle);
    if ((*self)->bus)
        atomic_fetch_sub(&(*self)->bus->socket_count, 1);
    free(*self);
    *self = NULL;
}

bool bus_socket_is_connected(const struct bus_socket *self)
{
    return self->monitor.connected;
}

uint32_t bus_socket_retry_ms(const struct bus_socket *self)
{
    return self->monitor.retry_ms;
}

static void socket_connect_anew(struct bus_socket *self)
{
    *self->used = true;
    zmq_disconnect(self->handle, self->endpoint); /* what is left of the old connection, if anything */
    int rc = zmq_connect(self->handle, self->endpoint) < 0 ? -errno : 0;
    log_limited(&self->state_log, LOG_LEVEL_WARN, "bus.connect_again", "socket=%s endpoint=%s rc=%d", self->name,
                LOG_QUOTE_TEXT(self->endpoint), rc);
}

void bus_socket_tend(struct bus_socket *self, uint64_t now_ms)
{
    if (!self->monitor.events)
        return;
    switch (bus_monitor_read(&self->monitor, now_ms)) {
    case BUS_MONITOR_FINE:
        break;
    case BUS_MONITOR_CONNECTED:
        log_limited(&self->state_log, LOG_LEVEL_INFO, "bus.connected", "socket=%s endpoint=%s", self->name,
                    LOG_QUOTE_TEXT(self->endpoint));
        break;
    case BUS_MONITOR_LOST:
        log_limited(&self->state_log, LOG_LEVEL_INFO, "bus.disconnected", "socket=%s endpoint=%s", self->name,
                    LOG_QUOTE_TEXT(self->endpoint));
        break;
    case BUS_MONITOR_GIVEN_UP:
        socket_connect_anew(self);
        break;
    }
}

int bus_subscribe(struct bus_socket *self, const char *topic_prefix)
{
    assert(self->type == ZMQ_SUB);
    *self->used = true;
    size_t size = strlen(topic_prefix);
    if (size > BUS_TOPIC_BYTES_MAX)
        return -EINVAL;
    return zmq_setsockopt(self->handle, ZMQ_SUBSCRIBE, topic_prefix, size) < 0 ? -errno : 0;
}

const char *bus_socket_name(const struct bus_socket *self)
{
    return self->name;
}

const char *bus_socket_endpoint(const struct bus_socket *self)
{
    return self->endpoint;
}

struct bus_counters bus_socket_counters(const struct bus_socket *self)
{
    return self->counters;
}

int bus_socket_fd(const struct bus_socket *self)
{
    int fd = -1;
    size_t size = sizeof fd;
    int rc = zmq_getsockopt(self->handle, ZMQ_FD, &fd, &size);
    assert(rc == 0); /* every socket has one */
    (void)rc;
    return fd;
}

int bus_socket_events(struct bus_socket *self)
{
    int events = 0;
    size_t size = sizeof events;
    while (zmq_getsockopt(self->handle, ZMQ_EVENTS, &events, &size) < 0) {
        if (errno != EINTR)
            return -errno;
    }
    *self->used = false;
    return (events & ZMQ_POLLIN ? BUS_READABLE : 0) | (events & ZMQ_POLLOUT ? BUS_WRITABLE : 0);
}

void bus_socket_watch(struct bus_socket *self, bool *used)
{
    self->used = used ? used : &self->unwatched;
    *self->used = true;
}
