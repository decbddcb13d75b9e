/* bus_frames.c - messages in and out of a socket.
 *
 * Messages are libzmq's own (zmq_msg), so a received payload is read where libzmq put it and a taken one is sent from
 * where it lies. What comes from a peer is frames, whose number and size are checked here.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <zmq.h>

#include "common/base/err.h"
#include "common/edge/bus_socket.h"

enum { BAD_IN_ONE_CALL_MAX = 1000 };

static_assert(sizeof(zmq_msg_t) == sizeof(((struct bus_message *)0)->frame_), "bus_message holds a zmq_msg_t");
static_assert(_Alignof(zmq_msg_t) <= _Alignof(void *), "and aligns it");

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
    const char *user_id = self->has_user_ids ? zmq_msg_gets(frame, "User-Id") : NULL; /* a dear look-up */
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
        *self->used = rc != -EAGAIN; /* else libzmq has looked at all that its descriptor had told */
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
    *self->used = true;
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
