/* bus.h - ZeroMQ sockets between stages and between validators.
 *
 * What a daemon sees of ZeroMQ: one context, sockets with limits, messages with ONE payload frame, and the name of who
 * sent each one. Foreign types and error codes end here.
 *
 * Transports: ipc:// and tcp:// only.
 *
 * tcp is always CURVE: without keys a socket is refused. A bound socket accepts only the keys that bus_allow() named
 * for it; what the key is called there is the user id of each of its messages.
 *
 * ipc has no CURVE; its directory is its lock: owned by us and closed to others (mode 0700, or 0750 for a group). The
 * user id of its messages is the empty text.
 *
 * Sends and receives never block. A full queue is -EAGAIN; a PUB drops instead. What a connection had queued is lost
 * when it ends. A tcp one also ends when its peer is silent for 6 s, or does not read for 6 s while its queue is full.
 * So a question without an answer is asked again.
 *
 * Not pure: sockets; one thread of libzmq and one of our own (the ZAP handler, RFC 27) per bus.
 *
 * Ownership: a socket belongs to who opened it and is closed before its bus. A message owns its bytes until
 * bus_message_deinit().
 *
 * Threads: a socket and its messages belong to one thread. bus_allow(), bus_forbid() and bus_refused_count() may be
 * called from any thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/attr.h"
#include "common/base/span.h"

enum {
    BUS_KEY_BYTES = 32,                     /* a CURVE key, binary */
    BUS_ROUTE_BYTES_MAX = 255,              /* ZeroMQ's limit for a routing id */
    BUS_TOPIC_BYTES_MAX = 64,               /* topics of our PUB/SUB arrows */
    BUS_NAME_BYTES_MAX = 64,                /* socket names and user ids, with the zero byte */
    BUS_IPC_PATH_BYTES_MAX = 107,           /* sun_path without its zero byte */
    BUS_ALLOWED_COUNT_MAX = 1024,           /* allowed keys of one bus, all sockets together */
    BUS_FRAME_BYTES_MAX = 64 * 1024 * 1024, /* the largest frame_bytes_max a socket may ask for */
    BUS_QUEUE_COUNT_MAX = 1000000,          /* the largest queue_count_max a socket may ask for */
};

struct bus;
struct bus_socket;

/* A peer's address inside one ROUTER: a value, kept to answer later. */
struct bus_route {
    uint8_t size; /* bytes; 0: none */
    uint8_t bytes[BUS_ROUTE_BYTES_MAX];
};

/* One received message. Read the first four members; the rest belongs to bus.c. */
struct bus_message {
    struct span payload;                 /* valid until bus_message_deinit() or bus_message_move() from here */
    struct bus_route route;              /* ROUTER: who asked; else empty */
    char topic[BUS_TOPIC_BYTES_MAX + 1]; /* SUB: the topic as text; else "" */
    char user_id[BUS_NAME_BYTES_MAX]; /* tcp: the name the sender's key has in bus_allow(), on the accepting side; else
                                         "" */
    _Alignas(void *) uint8_t frame_[64];
    bool full_;
};

/* What a socket is made of. */
struct bus_options {
    /* For logs and metrics, and the list that bus_allow() fills: "admission", "gossip_pub". Unique per bus. */
    const char *name;
    /* "ipc://path" or "tcp://host:port". A bound tcp port may be "*", any free one: see bus_socket_endpoint(). */
    const char *endpoint;
    const uint8_t *curve_secret;  /* tcp: our BUS_KEY_BYTES; ipc: ignored, may be NULL. Copied into the socket */
    const uint8_t *server_public; /* tcp, connecting side: BUS_KEY_BYTES of the peer that binds; else ignored */
    uint32_t frame_bytes_max;     /* larger payloads are not sent (ERR_TOO_LARGE) and not accepted (dropped) */
    uint32_t queue_count_max;     /* messages per peer and direction, 1..BUS_QUEUE_COUNT_MAX */
};

/* Counters of one socket since it was opened. */
struct bus_counters {
    uint64_t received_count; /* messages handed out */
    uint64_t sent_count;     /* messages accepted for sending */
    uint64_t bad_count;      /* dropped: wrong number of frames, route or topic or payload too long */
    uint64_t full_count;     /* sends refused with -EAGAIN */
    uint64_t gone_count;     /* sends refused with ERR_PEER_GONE */
};

/* --- the bus ------------------------------------------------------------------------------------------------------ */

/* One ZeroMQ context with one I/O thread, and its ZAP handler, which refuses every key until bus_allow() names it.
 * Usually one per process. On success *out belongs to the caller. Returns 0, -ENOMEM, -EMFILE or -EAGAIN (no thread).
 */
MUST_USE int bus_new(struct bus **out);

/* Every socket must have been closed (asserted). Waits at most for the PUBs' linger time (200 ms). Accepts NULL and
 * pointer to NULL; leaves *self NULL. */
void bus_destroy(struct bus **self);

/* Let the owner of this CURVE public key speak to the bound tcp socket of this name, as user_id (1..63 printable ASCII
 * characters; a stage's or validator's name). Naming a key again replaces its user id. May come before the socket is
 * bound. Returns 0, -EINVAL (texts) or ERR_FULL (BUS_ALLOWED_COUNT_MAX). */
MUST_USE int bus_allow(struct bus *self, const char *socket_name, const uint8_t key[static BUS_KEY_BYTES],
                       const char *user_id);

/* New connections with this key are refused from now on; existing ones stay. Unknown names are ignored. */
void bus_forbid(struct bus *self, const char *socket_name, const uint8_t key[static BUS_KEY_BYTES]);

/* Handshakes that the ZAP handler refused since bus_new(). */
uint64_t bus_refused_count(const struct bus *self);

/* --- sockets ------------------------------------------------------------------------------------------------------ */

/* Open a socket and bind or connect it. All copy what they keep of the options.
 *
 * A ROUTER answers the routes it heard; a send to a peer that left is ERR_PEER_GONE.
 *
 * A DEALER has exactly one peer, which may come, go and come back: while it is away a send is -EAGAIN, and what it did
 * not read is lost, so a request that has no answer is sent again.
 *
 * A PUB drops for a subscriber whose queue is full. A SUB has one publisher; nothing arrives before bus_subscribe().
 *
 * Binding an ipc path creates its directory (only the last part of it, mode 0700) when missing and replaces the socket
 * file a dead process left; while another process listens there it is -EADDRINUSE. Connecting needs the directory, not
 * yet the peer. Returns 0; -EINVAL (options; tcp without keys; another transport); -ENAMETOOLONG (ipc path above
 * BUS_IPC_PATH_BYTES_MAX); ERR_PERMISSIONS (ipc directory of someone else or open to others); -ENOENT, -ENOTDIR (ipc
 * directory); -EADDRINUSE, -EADDRNOTAVAIL, ... from bind; -EMFILE. The reason is logged. */
MUST_USE int bus_router_bind(struct bus_socket **out, struct bus *bus, const struct bus_options *options);
MUST_USE int bus_dealer_connect(struct bus_socket **out, struct bus *bus, const struct bus_options *options);
MUST_USE int bus_pub_bind(struct bus_socket **out, struct bus *bus, const struct bus_options *options);
MUST_USE int bus_sub_connect(struct bus_socket **out, struct bus *bus, const struct bus_options *options);

/* Unsent messages are dropped (a PUB waits up to 200 ms, in bus_destroy). Remove the socket from its loop first.
 * Accepts NULL and pointer to NULL; leaves *self NULL. */
void bus_socket_close(struct bus_socket **self);

/* SUB only: receive the topics that begin with this text ("" for all). Returns 0 or -EINVAL (too long). */
MUST_USE int bus_subscribe(struct bus_socket *self, const char *topic_prefix);

/* The name given in the options; the endpoint with the real port. Valid as long as the socket. */
const char *bus_socket_name(const struct bus_socket *self);
const char *bus_socket_endpoint(const struct bus_socket *self);

struct bus_counters bus_socket_counters(const struct bus_socket *self);

/* DEALER and SUB: is the handshake with the peer done? As of the last bus_socket_tend(). False for a bound socket. */
bool bus_socket_is_connected(const struct bus_socket *self);

/* DEALER and SUB: after how many ms libzmq tries again to connect, as of the last bus_socket_tend(): 100 ms and more
 * for each try that fails, up to some seconds. 0: it has not had to, or is connected. */
uint32_t bus_socket_retry_ms(const struct bus_socket *self);

/* Notice what happened to the connection, log it, and connect anew where libzmq has given up (after a refusal, say).
 * The loop calls this twice a second for each of its sockets; without a loop call it as often. now_ms is monotonic. */
void bus_socket_tend(struct bus_socket *self, uint64_t now_ms);

/* For who waits for the socket, as loop.c: when the descriptor is readable, ask for the events; ask also whenever the
 * socket was used, for then they may have changed without the descriptor telling: see bus_socket_watch(). */
enum { BUS_READABLE = 1, BUS_WRITABLE = 2 };
int bus_socket_fd(const struct bus_socket *self);

/* What can be done now: BUS_READABLE, BUS_WRITABLE, both or 0; or -errno. A ROUTER is writable as soon as one of its
 * peers is. */
MUST_USE int bus_socket_events(struct bus_socket *self);

/* From now on *used, a loan until it is replaced, tells whether anything was done with the socket since
 * bus_socket_events(), or since a bus_receive() that found nothing. The latter may have made it writable. True at
 * first. NULL: nobody wants to know. */
void bus_socket_watch(struct bus_socket *self, bool *used);

/* --- receiving ---------------------------------------------------------------------------------------------------- */

/* Take the next message, if there is one. Messages with a wrong number of frames or a wrong size are dropped and
 * counted inside (at most 1000 in one call, then -EAGAIN). *out need not be initialised; on 0 it is to be ended with
 * bus_message_deinit(), on failure it holds nothing. Returns 0, -EAGAIN (nothing there now) or -EINTR. */
MUST_USE int bus_receive(struct bus_socket *self, struct bus_message *out);

/* Hand the message over: *to takes all (it need not be initialised), *from holds nothing afterwards. For a handler that
 * keeps a message it was lent. */
void bus_message_move(struct bus_message *to, struct bus_message *from);

/* Accepts a message that holds nothing. */
void bus_message_deinit(struct bus_message *self);

/* --- sending ------------------------------------------------------------------------------------------------------ */

/* Send one payload: on a ROUTER to `route`; on a DEALER route is NULL. The payload is copied.
 * Returns 0; -EAGAIN (queue full, or a DEALER's peer is away: keep it and try when writable, or later); ERR_PEER_GONE
 * (ROUTER: that peer left; drop what was for it); ERR_TOO_LARGE (above frame_bytes_max); -ENOMEM. */
MUST_USE int bus_send(struct bus_socket *self, const struct bus_route *route, const void *payload, size_t size);

/* The same without a copy: on success *payload (from malloc) is taken, freed when sent, and NULL afterwards; on failure
 * it stays the caller's. */
MUST_USE int bus_send_take(struct bus_socket *self, const struct bus_route *route, uint8_t **payload, size_t size);

/* PUB: send to all who subscribed to the topic (1..BUS_TOPIC_BYTES_MAX printable ASCII characters). Returns 0, -EINVAL
 * (topic), ERR_TOO_LARGE or -ENOMEM. */
MUST_USE int bus_publish(struct bus_socket *self, const char *topic, const void *payload, size_t size);
MUST_USE int bus_publish_take(struct bus_socket *self, const char *topic, uint8_t **payload, size_t size);

/* --- keys --------------------------------------------------------------------------------------------------------- */

/* The CURVE public key of a secret key (X25519, as in libzmq). Pure. */
void bus_curve_public(uint8_t out[static BUS_KEY_BYTES], const uint8_t secret[static BUS_KEY_BYTES]);
