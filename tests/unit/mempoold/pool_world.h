/* pool_world.h - a mempool core, transactions with short names, and everything it said, as text.
 *
 * One effect is one line: "[ms] what". For stories with a golden trace. Ownership: pool_world_end() ends everything.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "services/mempoold/mempool.h"

enum { POOL_WORLD_TX_MAX = 4096, POOL_WORLD_NAME_MAX = 16, POOL_WORLD_TOLD_MAX = 1 << 16 };

struct pool_world_tx {
    char name[POOL_WORLD_NAME_MAX];
    uint8_t *body;
    size_t size;
    struct hash id;
};

struct pool_world {
    struct mempool_limits limits;
    struct mempool *pool;
    struct mempool_effects effects;
    uint64_t now_ms;
    struct pool_world_tx txs[POOL_WORLD_TX_MAX];
    size_t tx_count;
    struct mempool_check checks[64]; /* of the last VERIFY */
    size_t check_count;
    uint32_t check_peer;
    char told[POOL_WORLD_TOLD_MAX];
    size_t told_size;
    bool silent;
};

/* What a transaction of a story is like; zero values mean: producer 0, anomaly, severity 5, confidence 0, ts 1000 + how
 * many were made before. */
struct pool_world_kind {
    unsigned producer;
    enum tx_kind kind;
    uint32_t severity;
    double confidence;
    int64_t ts;
    const char *action;   /* policy */
    size_t content_bytes; /* 2 or more */
};

struct mempool_limits pool_world_limits(void); /* 4 transactions, 4 MiB, 15 min, 1000/s; validator 0 of 4 */

struct pool_world *pool_world_new(const struct mempool_limits *limits);
void pool_world_end(struct pool_world *world);

/* Forget what was told so far. */
void pool_world_clear(struct pool_world *world);

/* Make a transaction, and find it by its name. */
struct pool_world_tx *pool_world_make(struct pool_world *world, const char *name, struct pool_world_kind kind);
/* Proof that somebody voted twice in this view. */
struct pool_world_tx *pool_world_make_proof(struct pool_world *world, const char *name, uint64_t view);
struct pool_world_tx *pool_world_tx(struct pool_world *world, const char *name);
/* The id of a block by its name. */
struct hash pool_world_block(const char *name);

void pool_world_step(struct pool_world *world, struct mempool_event event);
void pool_world_wait_until(struct pool_world *world, uint64_t now_ms); /* one tick there */

/* Events in the words of the stories; names are separated by spaces, unknown names become transactions, each one second
 * younger than the one before, so that they go in the order in which a story names them. */
void pool_world_submit(struct pool_world *world, uint64_t batch, const char *names);
/* consensusd tells proofs. */
void pool_world_evidence(struct pool_world *world, const char *names);
void pool_world_take(struct pool_world *world, uint32_t count_max, const char *excluded_blocks);
void pool_world_resolve(struct pool_world *world, uint64_t request, const char *block, uint32_t proposer,
                        const char *names);
void pool_world_own_block(struct pool_world *world, const char *block, const char *names);
void pool_world_finalize(struct pool_world *world, const char *block, const char *names);
void pool_world_drop(struct pool_world *world, const char *names, enum reason reason);
void pool_world_fetch(struct pool_world *world, uint64_t request, const char *names);
void pool_world_answer(struct pool_world *world, uint32_t peer, uint64_t request, const char *names);
/* The bodies of the last VERIFY turn out so. */
void pool_world_verified(struct pool_world *world, int result);
