/* bus.c - the adapter of libzmq.
 *
 * Messages are libzmq's own (zmq_msg), so a received payload is read where libzmq put it and a taken one is sent from
 * where it lies. Every option that bounds memory or time is set here, once for all sockets. libzmq asserts on a few
 * things of its own making only; what comes from a peer reaches us as frames whose number and size are checked here.
 */
#include "common/edge/bus.h"

#include <assert.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>
#include <zmq.h>

#include "common/base/err.h"
#include "common/edge/bus_endpoint.h"
#include "common/edge/bus_monitor.h"
#include "common/edge/bus_zap.h"
#include "common/edge/log.h"

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
    BAD_IN_ONE_CALL_MAX = 1000,
};

static_assert(sizeof(zmq_msg_t) == sizeof(((struct bus_message *)0)->frame_), "bus_message holds a zmq_msg_t");
static_assert(_Alignof(zmq_msg_t) <= _Alignof(void *), "and aligns it");

struct bus {
    void *context;
    struct bus_zap *zap;
    atomic_int socket_count; /* open ones */
};

struct bus_socket {
    struct bus *bus;
    void *handle;
    int type;  /* ZMQ_ROUTER, ... */
    bool used; /* see bus_socket_is_used() */
    uint32_t frame_bytes_max;
    struct bus_counters counters;
    struct log_limit bad_log;
    struct log_limit state_log;
    struct bus_monitor monitor; /* of a connecting socket */
    char name[BUS_NAME_BYTES_MAX];
    char endpoint[BUS_ENDPOINT_BYTES_MAX];
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
        self->used = true;
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
    self->used = true;
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
    self->used = true;
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
    self->used = false;
    return (events & ZMQ_POLLIN ? BUS_READABLE : 0) | (events & ZMQ_POLLOUT ? BUS_WRITABLE : 0);
}

bool bus_socket_is_used(const struct bus_socket *self)
{
    return self->used;
}

/* --- receiving ---------------------------------------------------------------------------------------------------- */

static zmq_msg_t *frame_of(struct bus_message *message)
{
    return (zmq_msg_t *)(void *)message->frame_;
}

/* Read one frame into a fresh message. Returns 0 or -errno (then the message holds nothing). */
static int frame_receive(struct bus_socket *self, zmq_msg_t *frame)
{
    zmq_msg_init(frame);
    if (zmq_msg_recv(frame, self->handle, ZMQ_DONTWAIT) >= 0)
        return 0;
    int rc = -errno;
    zmq_msg_close(frame);
    return rc;
}

/* Drop what is left of a message after one of its frames. The frames of a message arrive together. */
static void frames_drop(struct bus_socket *self, bool more)
{
    while (more) {
        zmq_msg_t frame;
        if (frame_receive(self, &frame) < 0)
            return;
        more = zmq_msg_more(&frame);
        zmq_msg_close(&frame);
    }
}

/* The frame before the payload: a ROUTER's route, a SUB's topic. Returns 0, -errno or ERR_MALFORMED (message dropped).
 */
static int head_receive(struct bus_socket *self, struct bus_message *out)
{
    zmq_msg_t frame;
    int rc = frame_receive(self, &frame);
    if (rc < 0)
        return rc;
    bool more = zmq_msg_more(&frame);
    size_t size = zmq_msg_size(&frame);
    bool router = self->type == ZMQ_ROUTER;
    if (!more || size == 0 || size > (router ? BUS_ROUTE_BYTES_MAX : BUS_TOPIC_BYTES_MAX)) {
        frames_drop(self, more);
        rc = ERR_MALFORMED;
    } else if (router) {
        out->route.size = (uint8_t)size;
        memcpy(out->route.bytes, zmq_msg_data(&frame), size);
    } else {
        memcpy(out->topic, zmq_msg_data(&frame), size);
        out->topic[size] = '\0';
    }
    zmq_msg_close(&frame);
    return rc;
}

/* The last frame. Returns 0, -errno or ERR_MALFORMED (message dropped). */
static int payload_receive(struct bus_socket *self, struct bus_message *out)
{
    zmq_msg_t *frame = frame_of(out);
    int rc = frame_receive(self, frame);
    if (rc < 0)
        return rc;
    bool more = zmq_msg_more(frame);
    size_t size = zmq_msg_size(frame);
    if (more || size > self->frame_bytes_max) {
        zmq_msg_close(frame);
        frames_drop(self, more);
        return ERR_MALFORMED;
    }
    const char *user_id = zmq_msg_gets(frame, "User-Id");
    size_t user_id_size = user_id ? strlen(user_id) : 0;
    if (user_id_size >= sizeof out->user_id)
        user_id_size = 0; /* bus_zap never gives such a name */
    memcpy(out->user_id, user_id ? user_id : "", user_id_size);
    out->user_id[user_id_size] = '\0';
    out->payload = span_of(zmq_msg_data(frame), size);
    return 0;
}

static int message_receive(struct bus_socket *self, struct bus_message *out)
{
    out->route.size = 0;
    out->topic[0] = '\0';
    out->full_ = false;
    if (self->type != ZMQ_DEALER) {
        int rc = head_receive(self, out);
        if (rc < 0)
            return rc;
    }
    return payload_receive(self, out);
}

int bus_receive(struct bus_socket *self, struct bus_message *out)
{
    for (unsigned bad = 0; bad < BAD_IN_ONE_CALL_MAX; bad++) {
        int rc = message_receive(self, out);
        self->used = rc != -EAGAIN; /* else libzmq has looked at all that its descriptor had told */
        if (rc == 0) {
            out->full_ = true;
            self->counters.received_count++;
        }
        if (rc != ERR_MALFORMED)
            return rc;
        self->counters.bad_count++;
        log_limited(&self->bad_log, LOG_LEVEL_WARN, "bus.bad_message", "socket=%s", self->name);
    }
    return -EAGAIN;
}

void bus_message_move(struct bus_message *to, struct bus_message *from)
{
    *to = *from;
    if (!from->full_)
        return;
    zmq_msg_init(frame_of(to));
    zmq_msg_move(frame_of(to), frame_of(from));
    to->payload = span_of(zmq_msg_data(frame_of(to)), zmq_msg_size(frame_of(to)));
    zmq_msg_close(frame_of(from));
    from->full_ = false;
    from->payload = (struct span){0};
}

void bus_message_deinit(struct bus_message *self)
{
    if (!self->full_)
        return;
    zmq_msg_close(frame_of(self));
    self->full_ = false;
    self->payload = (struct span){0};
}

/* --- sending ------------------------------------------------------------------------------------------------------ */

/* Set while a taken payload goes back to its owner instead of being freed: on this thread, inside one zmq_msg_close().
 */
static _Thread_local bool payload_is_returned;

static void payload_free(void *data, void *hint)
{
    (void)hint;
    if (!payload_is_returned)
        free(data);
}

/* End an unsent message whose bytes the caller keeps. */
static void frame_return(zmq_msg_t *frame)
{
    payload_is_returned = true;
    zmq_msg_close(frame);
    payload_is_returned = false;
}

/* Send one frame. Returns 0 or -errno, ERR_PEER_GONE. */
static int frame_send(struct bus_socket *self, zmq_msg_t *frame, int flags)
{
    while (zmq_msg_send(frame, self->handle, flags | ZMQ_DONTWAIT) < 0) {
        if (errno != EINTR)
            return errno == EHOSTUNREACH ? ERR_PEER_GONE : -errno;
    }
    return 0;
}

static int head_send(struct bus_socket *self, struct span head)
{
    zmq_msg_t frame;
    if (zmq_msg_init_size(&frame, head.size) < 0)
        return -ENOMEM;
    memcpy(zmq_msg_data(&frame), head.data, head.size);
    int rc = frame_send(self, &frame, ZMQ_SNDMORE);
    if (rc < 0)
        zmq_msg_close(&frame);
    return rc;
}

/* Send [head] payload. Once a head is accepted, so is its payload. On failure the payload frame is still whole. */
static int message_send(struct bus_socket *self, struct span head, zmq_msg_t *payload)
{
    self->used = true;
    int rc = head.size > 0 ? head_send(self, head) : 0;
    if (rc == 0)
        rc = frame_send(self, payload, 0);
    if (rc == 0)
        self->counters.sent_count++;
    else if (rc == -EAGAIN)
        self->counters.full_count++;
    else if (rc == ERR_PEER_GONE)
        self->counters.gone_count++;
    return rc;
}

static int copy_send(struct bus_socket *self, struct span head, struct span payload)
{
    zmq_msg_t frame;
    if (payload.size > self->frame_bytes_max)
        return ERR_TOO_LARGE;
    if (zmq_msg_init_size(&frame, payload.size) < 0)
        return -ENOMEM;
    if (payload.size > 0)
        memcpy(zmq_msg_data(&frame), payload.data, payload.size);
    int rc = message_send(self, head, &frame);
    if (rc < 0)
        zmq_msg_close(&frame);
    return rc;
}

static int take_send(struct bus_socket *self, struct span head, uint8_t **payload, size_t size)
{
    zmq_msg_t frame;
    if (size > self->frame_bytes_max)
        return ERR_TOO_LARGE;
    if (zmq_msg_init_data(&frame, *payload, size, payload_free, NULL) < 0)
        return -ENOMEM;
    int rc = message_send(self, head, &frame);
    if (rc < 0)
        frame_return(&frame);
    else
        *payload = NULL;
    return rc;
}

static struct span route_head(const struct bus_socket *self, const struct bus_route *route)
{
    assert(self->type == ZMQ_ROUTER ? route && route->size > 0 : self->type == ZMQ_DEALER && !route);
    return route ? span_of(route->bytes, route->size) : (struct span){0};
}

int bus_send(struct bus_socket *self, const struct bus_route *route, const void *payload, size_t size)
{
    return copy_send(self, route_head(self, route), span_of(payload, size));
}

int bus_send_take(struct bus_socket *self, const struct bus_route *route, uint8_t **payload, size_t size)
{
    return take_send(self, route_head(self, route), payload, size);
}

static int topic_head(const struct bus_socket *self, const char *topic, struct span *out)
{
    assert(self->type == ZMQ_PUB);
    size_t size = strlen(topic);
    if (size == 0 || size > BUS_TOPIC_BYTES_MAX)
        return -EINVAL;
    *out = span_of(topic, size);
    return 0;
}

int bus_publish(struct bus_socket *self, const char *topic, const void *payload, size_t size)
{
    struct span head;
    int rc = topic_head(self, topic, &head);
    return rc < 0 ? rc : copy_send(self, head, span_of(payload, size));
}

int bus_publish_take(struct bus_socket *self, const char *topic, uint8_t **payload, size_t size)
{
    struct span head;
    int rc = topic_head(self, topic, &head);
    return rc < 0 ? rc : take_send(self, head, payload, size);
}
