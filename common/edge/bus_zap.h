/* bus_zap.h - who may connect to a tcp socket: the ZAP handler (RFC 27) of a bus. For bus.c.
 *
 * Not pure: one thread that answers libzmq's questions on inproc://zeromq.zap.01.
 * Ownership: the list belongs to its bus. Threads: every function from any thread, but new and destroy.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "common/base/attr.h"
#include "common/base/span.h"
#include "common/edge/bus.h"

struct bus_zap;

enum { BUS_ZAP_FRAME_COUNT_MAX = 16 }; /* frames of one request that are looked at; RFC 27 has 6 and the credentials */

/* Why a request was answered as it was. */
enum bus_zap_verdict {
    BUS_ZAP_ALLOWED = 1,
    BUS_ZAP_REFUSED,   /* another mechanism than CURVE, or a key that is not on the socket's list */
    BUS_ZAP_MALFORMED, /* not a request of RFC 27 */
};

/* Start with an empty list and a running handler in this ZeroMQ context. Returns 0, -ENOMEM, -EAGAIN or -errno. */
MUST_USE int bus_zap_new(struct bus_zap **out, void *zmq_context);

/* After zmq_ctx_shutdown(), which ends the thread. Accepts NULL and pointer to NULL; leaves *self NULL. */
void bus_zap_destroy(struct bus_zap **self);

/* As bus_allow() and bus_forbid(); domain is the socket's name. */
MUST_USE int bus_zap_allow(struct bus_zap *self, const char *domain, const uint8_t key[static BUS_KEY_BYTES],
                           const char *user_id);
void bus_zap_forbid(struct bus_zap *self, const char *domain, const uint8_t key[static BUS_KEY_BYTES]);

uint64_t bus_zap_refused_count(const struct bus_zap *self);

/* Judge one request: its frames without the envelope. user_id is written when the verdict is ALLOWED. */
MUST_USE enum bus_zap_verdict bus_zap_judge(struct bus_zap *self, const struct span *frames, size_t count,
                                            char user_id[static BUS_NAME_BYTES_MAX]);

/* A list without a thread, for tests of the judgement. */
MUST_USE int bus_zap_new_idle(struct bus_zap **out);

/* 1..BUS_NAME_BYTES_MAX - 1 printable ASCII characters without space? */
MUST_USE bool bus_zap_name_is_valid(const char *name);
