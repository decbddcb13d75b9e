/* query_client.h - questions of the HTTP threads to the stages behind apid.
 *
 * The loop's thread owns the sockets; a thread that asks leaves its question, wakes the loop and waits.
 *
 * Not pure. Ownership: an answer is the asker's. Threads: query_client_state() from any thread, the rest from the
 * loop's.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/base/attr.h"
#include "common/base/span.h"
#include "common/edge/bus.h"
#include "common/edge/loop.h"

enum { QUERY_CLIENT_WAIT_MS = 2000, QUERY_CLIENT_WAITING_MAX = 256 };

struct query_client; /* opaque */

MUST_USE int query_client_new(struct query_client **out, struct loop *loop, struct bus *bus,
                              const struct bus_options *executord);
void query_client_destroy(struct query_client **self);

/* Has executord answered lately? */
bool query_client_is_connected(struct query_client *self);

/* Ask executord now and then, so that readiness is known without a reader. From the loop, once a second. */
void query_client_tick(struct query_client *self);

struct query_client_question {
    const char *key;
    bool at_height;
    uint64_t height;
};

/* The answer's frame (proto/query.proto, QueryFrame with State), *frame to be freed. Returns 0, ERR_PEER_GONE (no
 * answer in QUERY_CLIENT_WAIT_MS), ERR_FULL (too many wait) or -ENOMEM. */
MUST_USE int query_client_state(struct query_client *self, const struct query_client_question *question,
                                uint8_t **frame, size_t *size);
