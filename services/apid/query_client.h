/* query_client.h - questions to the stages behind apid: state for the HTTP threads, and how the stages are.
 *
 * The loop's thread owns the sockets; a thread that asks leaves its question in a table of
 * QUERY_CLIENT_WAITING_MAX places, wakes the loop and comes back for the answer, or waits for it.
 *
 * Not pure. Ownership: an answer is the asker's. Threads: query_client_{ask,take,state,is_connected}() from any thread,
 * the rest from the loop's.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/attr.h"
#include "common/edge/bus.h"
#include "common/edge/loop.h"
#include "services/apid/query_codec.h"

enum { QUERY_CLIENT_WAIT_MS = 2000, QUERY_CLIENT_AGAIN_MS = 500, QUERY_CLIENT_WAITING_MAX = 256 };

enum query_client_stage { QUERY_CLIENT_EXECUTORD, QUERY_CLIENT_CONSENSUSD, QUERY_CLIENT_MEMPOOLD, QUERY_CLIENT_STAGES };

struct query_client; /* opaque */

struct query_client_options {
    struct loop *loop;
    struct bus *bus;
    struct bus_options stages[QUERY_CLIENT_STAGES]; /* endpoint NULL: not asked; executord must be there */
    /* A stage tells one fact of its status: from the loop. */
    void (*status)(void *context, enum query_client_stage stage, const char *name, const char *value);
    void *context;
};

/* Returns 0, or what bus_dealer_connect() and the loop return. */
MUST_USE int query_client_new(struct query_client **out, const struct query_client_options *options);

/* No thread may wait any more. Answers that nobody has taken end here. */
void query_client_destroy(struct query_client **self);

/* Has executord answered in the last seconds? */
bool query_client_is_connected(struct query_client *self);

/* Ask every stage how it is. Once a second. */
void query_client_tick(struct query_client *self);

/* Ask executord; the question is a loan until its ticket has ended. One without an answer is asked again after
 * QUERY_CLIENT_AGAIN_MS. Returns 0 or ERR_FULL (too many wait). */
MUST_USE int query_client_ask(struct query_client *self, const struct query_codec_question *question, uint64_t *ticket);

enum query_client_verdict { QUERY_CLIENT_WAITS = 1 };

/* Is there an answer? Every other result than QUERY_CLIENT_WAITS ends the ticket. Returns 0 (*out holds a State and is
 * to be ended with query_codec_free()), QUERY_CLIENT_WAITS, ERR_PEER_GONE (no answer in QUERY_CLIENT_WAIT_MS) or
 * ERR_NOT_FOUND (no such ticket, or it has ended). */
MUST_USE int query_client_take(struct query_client *self, uint64_t ticket, Cybermesh__Query__V1__QueryFrame **out);

/* Ask executord and wait: both of these. Returns 0, ERR_PEER_GONE or ERR_FULL. */
MUST_USE int query_client_state(struct query_client *self, const struct query_codec_question *question,
                                Cybermesh__Query__V1__QueryFrame **out);
