/* persist.h - what is to be written next: asks executord, gathers blocks, decides runs, follows the database's height.
 *
 * The database's newest block (the tip) is the only truth about what is written: it is read whenever the database was
 * opened, also after a write whose fate is unknown, and asking goes on from there. A block is accepted only as the
 * child of the one before it, so a block that differs from what the database holds is a conflict, never an overwrite.
 *
 * At most one run of blocks is being written. Meanwhile further blocks are asked for and wait; the next run takes as
 * many of them as its limits allow, so runs grow by themselves when the database is slow or we are behind.
 *
 * Pure: no clock, no I/O, no allocation. Ownership: a block's handle is the shell's thing (its memory): the core takes
 * it with PERSIST_ARRIVED and gives each back exactly once, in PERSIST_PUBLISH or PERSIST_DROP. Threads: one owner.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/hash.h"

enum {
    PERSIST_QUEUE_BLOCKS_MAX = 128,  /* arrived and not yet written; the bound of every list here */
    PERSIST_ARRIVED_BLOCKS_MAX = 64, /* of one answer */
    PERSIST_ASK_BLOCKS = 32,         /* of one question */
    PERSIST_ASK_AGAIN_MS = 500,
    PERSIST_QUEUE_BYTES_MAX = 64 << 20, /* above it nothing is asked for; one answer may come on top */
    PERSIST_RUN_BLOCKS_MAX = 64,        /* of one transaction of the database ... */
    PERSIST_RUN_TXS_MAX = 5000,         /* ... or one block */
    PERSIST_RUN_BYTES_MAX = 16 << 20,   /* ... or one block */
    PERSIST_RETRY_MS_MIN = 10,          /* after the server asked for it */
    PERSIST_RETRY_MS_MAX = 1000,
    PERSIST_OPEN_MS_MIN = 100, /* after the database went away */
    PERSIST_OPEN_MS_MAX = 5000,
    PERSIST_BAD_MS = 1000, /* after an outcome that cannot be written */
    PERSIST_EFFECTS_MAX = 2 * PERSIST_QUEUE_BLOCKS_MAX + PERSIST_ARRIVED_BLOCKS_MAX + 8,
};

struct persist_block {
    uint64_t height;
    struct hash id;
    struct hash parent_id;
    uint32_t tx_count;
    size_t size_bytes;
    void *handle;
};

/* The newest block of the database; none in an empty one. */
struct persist_tip {
    bool exists;
    uint64_t height;
    struct hash id;
};

enum persist_event_kind {
    PERSIST_TICK,    /* time has passed: every 50 ms or more often */
    PERSIST_OPENED,  /* the database answers: tip */
    PERSIST_AWAY,    /* it could not be opened */
    PERSIST_ARRIVED, /* outcomes from executord: blocks, handles are taken */
    PERSIST_WRITTEN, /* the run is in the database */
    PERSIST_RETRIED, /* the run is not in the database, which wants it again */
    PERSIST_UNKNOWN, /* the connection or the answer was lost: the run is there or not */
    PERSIST_BAD,     /* the run's outcomes cannot be written: they are not what their headers say */
};

struct persist_event {
    enum persist_event_kind kind;
    uint64_t now_ms; /* monotonic */
    struct persist_tip tip;
    const struct persist_block *blocks;
    size_t block_count; /* PERSIST_ARRIVED_BLOCKS_MAX at most */
};

enum persist_effect_kind {
    PERSIST_OPEN,     /* connect, migrate, read the tip; then OPENED or AWAY */
    PERSIST_ASK,      /* ask executord: height, count */
    PERSIST_ACK,      /* tell executord: height */
    PERSIST_WRITE,    /* write persist_run() on top of persist_tip(); then WRITTEN, RETRIED, UNKNOWN or BAD */
    PERSIST_PUBLISH,  /* this block is in the database: handle, which is given back */
    PERSIST_DROP,     /* this block is not needed: handle, which is given back */
    PERSIST_CONFLICT, /* the block of this height is not the database's: end the process */
};

struct persist_effect {
    enum persist_effect_kind kind;
    uint64_t height;
    uint64_t request;
    uint32_t count;
    void *handle;
};

struct persist_effects {
    size_t count;
    struct persist_effect items[PERSIST_EFFECTS_MAX];
};

enum persist_state {
    PERSIST_CLOSED,  /* waits to open */
    PERSIST_OPENING, /* the shell opens */
    PERSIST_IDLE,    /* nothing to write */
    PERSIST_WRITING, /* the shell writes the run */
    PERSIST_WAITING, /* the run will be written again */
    PERSIST_ENDED,   /* a conflict */
    PERSIST_STATE_COUNT
};

struct persist {
    enum persist_state state;
    struct persist_tip tip;
    bool tip_known; /* since the start */
    struct persist_block queue[PERSIST_QUEUE_BLOCKS_MAX];
    size_t queue_count;
    size_t queue_bytes;
    size_t run_count; /* the first of the queue: WRITING, WAITING */
    uint64_t due_ms;  /* CLOSED, WAITING: when to go on */
    uint32_t failures;
    uint64_t request;
    uint64_t asked_height;
    uint64_t asked_ms;
    bool asked;
    uint64_t ask_after_ms;
    uint64_t random;
};

/* seed: for the jitter of waiting times. */
void persist_init(struct persist *self, uint64_t seed);

/* Apply one event. *effects is overwritten; the shell carries the items out in order. After a CONFLICT nothing follows.
 */
void persist_step(struct persist *self, const struct persist_event *event, struct persist_effects *effects);

/* The blocks to write, while WRITING. */
const struct persist_block *persist_run(const struct persist *self, size_t *count);

/* Give back what is still held, one handle per call; NULL when there is none. For the end. */
void *persist_release(struct persist *self);

/* "closed", ...: for logs and status. */
const char *persist_state_text(const struct persist *self);
