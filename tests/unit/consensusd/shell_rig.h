/* shell_rig.h - consensusd's shell without its loop, sockets and core: what it would send and what it would tell the
 * core stays here. The store, the cache and the metrics are the real ones. Four validators; this one is the last.
 *
 * In the programs that link it, the linker puts it in the place of bus_send_take(), bus_socket_is_connected(),
 * loop_now_ms(), consensusd_step(), consensusd_stop(), consensus_certified() and peers_broadcast().
 */
#pragma once

#include "tests/unit/consensusd/samples.h"

#include "services/consensusd/consensusd_state.h"
#include "services/consensusd/stages_state.h"

enum { RIG_VALIDATORS = 4, RIG_SELF = 3, RIG_SENT_MAX = 64, RIG_EVENTS_MAX = 16, RIG_SYNC_BLOCKS = 8 };

struct shell_sent {
    const struct bus_socket *socket;
    uint8_t *frame;
    size_t size;
};

struct shell_rig {
    char directory[64];
    struct genesis genesis;
    struct sign_key keys[RIG_VALIDATORS];
    struct consensusd *daemon;
    uint64_t now_ms;
    struct shell_sent sent[RIG_SENT_MAX];
    size_t sent_count;
    enum consensus_event_type events[RIG_EVENTS_MAX]; /* that the core would have had */
    struct consensus_event event;                     /* the last one; what it points to is gone */
    size_t event_count;
    size_t broadcasts;
    /* What consensus_certified() gives, and the height that it was asked for. */
    struct consensus_certified certified[RIG_SYNC_BLOCKS];
    size_t certified_count;
    uint64_t certified_from;
};
extern struct shell_rig shell;

void shell_start(void);
/* A teardown of cmocka. */
int shell_stop(void **state);
/* Forget what was sent and told so far. */
void shell_forget(void);

/* Commits sample_header(height, body_count) with bodies of this size, as the core does. */
void shell_commit(uint64_t height, size_t body_count, size_t body_bytes);
/* The id that the sample block of a height has here. */
struct hash shell_block_id(uint64_t height);

/* The n-th (from 0) of the frames that were sent to executord, or NULL; freed by the caller. */
execution_pb *shell_execution_frame(size_t n);
/* The same of those with this body, to executord or to mempoold. */
execution_pb *shell_execution_sent(Cybermesh__Execution__V1__ExecutionFrame__BodyCase body, size_t n);
pool_pb *shell_pool_sent(Cybermesh__Pool__V1__PoolFrame__BodyCase body, size_t n);
/* executord answers a Commit. */
void shell_execution_committed(uint64_t height, Cybermesh__Execution__V1__Status status);
/* executord, or mempoold, says it. */
void shell_execution_says(execution_pb *frame);
void shell_pool_says(pool_pb *frame);
