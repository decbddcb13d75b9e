/* executord_state.h - what executord.c and the three that serve its arrows share. Included by those only. */
#pragma once

#include "common/base/bytes.h"
#include "common/edge/admin.h"
#include "common/edge/bus.h"
#include "common/edge/genesis_file.h"
#include "common/edge/log.h"
#include "common/edge/loop.h"
#include "common/edge/params.h"
#include "services/executord/executor.h"
#include "services/executord/executord.h"
#include "services/executord/executord_metrics.h"
#include "services/executord/executord_store.h"

enum { EXECUTORD_ASK_COUNT_MAX = 16 }; /* peers that wait for outcomes */

/* persistd asked for outcomes that are not there yet. */
struct executord_ask {
    struct bus_route route;
    struct executord_store_ask ask;
    bool waits;
};

struct executord {
    const struct executord_config *config;
    struct genesis *genesis;
    struct loop *loop;
    struct bus *bus;
    struct bus_socket *sockets[EXECUTORD_ARROW_COUNT];
    struct metrics *metrics;
    struct admin *admin;
    struct executor *executor;
    struct executord_store *store;
    struct params_facts facts;
    struct span *spans;  /* bodies of the request at hand: block_max_txs */
    uint8_t *answer;     /* of the request at hand */
    size_t answer_bytes; /* room */
    struct executord_ask asks[EXECUTORD_ASK_COUNT_MAX];
    uint64_t epoch;
    uint64_t persisted_height;
    int failure; /* why the loop was stopped; 0: it was asked to */
    struct log_limit bad_frame_limit;
    struct log_limit refused_limit;
};

/* --- executord.c -------------------------------------------------------------------------------------------------- */

/* End the loop: the daemon cannot go on. */
void executord_stop(struct executord *self, int rc, const char *what);

/* Count and log a frame that could not be read. */
void executord_bad_frame(struct executord *self, enum executord_arrow arrow, const struct bus_message *message, int rc);

/* Where the answer to the request at hand is written; then sent. A peer that is gone or does not read asks again. */
struct bytes_writer executord_answer_writer(struct executord *self);
void executord_send_answer(struct executord *self, enum executord_arrow arrow, const struct bus_route *route,
                           const struct bytes_writer *writer);

/* Returns what bus_send() does. */
int executord_send(struct executord *self, enum executord_arrow arrow, const struct bus_route *route,
                   struct span payload);

/* --- serve_execution.c, serve_outcomes.c, serve_queries.c --------------------------------------------------------- */

/* Handlers of the sockets; context is the struct executord. */
void serve_execution_message(void *context, struct bus_message *message);
void serve_outcomes_message(void *context, struct bus_message *message);
void serve_queries_message(void *context, struct bus_message *message);

/* A block was committed: answer those who wait for it. */
void serve_outcomes_waiting(struct executord *self);
