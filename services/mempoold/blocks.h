/* blocks.h - proposed blocks by id, and the search for the bodies they need.
 *
 * The last BLOCKS_REMEMBERED_MAX blocks are remembered with their transaction ids. BLOCKS_RESOLVING_MAX of them may be
 * resolving: some bodies are missing and are asked for, at the proposer first, then at one validator after another.
 * However a missing body arrives, it counts.
 *
 * Pure. Ownership: blocks belong to the set; a struct block is valid until it is forgotten. Bodies fetched are HELD in
 * the given bodies, which outlive the set. Threads: one owner.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/attr.h"
#include "common/base/hash.h"
#include "common/base/span.h"
#include "services/mempoold/bodies.h"

enum {
    BLOCKS_REMEMBERED_MAX = 16,
    BLOCKS_RESOLVING_MAX = 8,
    BLOCKS_RESOLVE_MS_MAX = 60000,
    BLOCKS_ASK_FIRST_MS = 100, /* until the second validator is asked; doubles with every question ... */
    BLOCKS_ASK_MS_MAX = 1000,  /* ... up to this */
    BLOCKS_FETCH_IDS_MAX = 5000,
    BLOCKS_VALIDATORS_MAX = 64,
};

struct blocks;

struct block {
    struct hash id;
    uint64_t sequence; /* rises with every new block; 0: this place is free */
    struct hash *tx_ids;
    uint32_t tx_count;
    bool resolving;
    /* while resolving */
    uint64_t request;
    uint64_t resolve_sequence; /* the lowest is given up first */
    uint32_t proposer;
    uint32_t missing_count;
    uint64_t fetched_bytes;
    uint64_t begun_ms;
    uint64_t ask_at_ms;
    uint32_t ask_interval_ms;
    uint32_t ask_count;     /* questions so far */
    bool ask_same;          /* the next question goes to the same validator: it has more */
    uint64_t fetch_request; /* of the last question */
    uint32_t fetch_peer;
};

struct blocks_limits {
    uint32_t tx_count_max; /* of one block */
    uint64_t bytes_max;    /* bodies of one block */
    uint32_t validator_count;
    uint64_t peers; /* bit i: validator i can be asked */
    uint64_t seed;
};

struct blocks_counters {
    uint64_t fetches;  /* questions asked */
    uint64_t misses;   /* answered with nothing that was missing */
    uint64_t given_up; /* resolves without an answer */
};

/* Returns 0, -EINVAL or -ENOMEM. */
/* Which validators can be asked from now on, as blocks_limits.peers; unknown ones are passed over. */
void blocks_set_peers(struct blocks *self, uint64_t peers);

MUST_USE int blocks_new(struct blocks **out, const struct blocks_limits *limits, struct bodies *bodies);
/* Accepts NULL and pointer to NULL; leaves *self NULL. */
void blocks_destroy(struct blocks **self);

/* NULL when not remembered. */
struct block *blocks_find(struct blocks *self, const struct hash *id);

struct blocks_block {
    const struct hash *id;
    const struct hash *tx_ids;
    size_t tx_count;
    uint64_t now_ms;
};

/* Remember a block, or find it again; the oldest one makes room. Returns 0, ERR_TOO_LARGE (above tx_count_max) or
 * -ENOMEM. */
MUST_USE int blocks_remember(struct blocks *self, const struct blocks_block *what, struct block **out);

/* Forget a block: what it holds goes to the pool if there is room. Unknown ids are ignored. */
void blocks_forget(struct blocks *self, const struct hash *id, uint64_t now_ms);

struct blocks_resolve {
    uint64_t request;
    uint32_t proposer;
    uint64_t now_ms;
};

/* Begin to resolve; a block that is resolving already only takes the new request number. The oldest resolve makes room.
 * Returns 0 or -ENOMEM (not begun). */
MUST_USE int blocks_resolve_begin(struct blocks *self, struct block *block, const struct blocks_resolve *what);

/* A resolving block that misses nothing; NULL: none. */
struct block *blocks_complete(struct blocks *self);

/* The block's bodies in its order; out has tx_count places. Returns true and ends the resolve; or false: a body that
 * was there has gone (it is missing again), or the block is above bytes_max (given up). */
bool blocks_collect(struct blocks *self, struct block *block, struct span *out);

/* A question to ask. */
struct blocks_fetch {
    uint64_t request;
    uint32_t peer;
    uint32_t id_count;
};

/* Ask what is due: returns true and fills *out and ids (BLOCKS_FETCH_IDS_MAX places); false: nothing is due. */
bool blocks_fetch_due(struct blocks *self, uint64_t now_ms, struct blocks_fetch *out, struct hash *ids);

/* Is this id missing, and not being verified? Then its verification begins now. */
bool blocks_verify_begin(struct blocks *self, const struct hash *id);
/* Without success. bad: it is no valid transaction, so a block that needs it stays unresolved, and it is not asked for
 * again; else it could not be verified and is missing as before. */
void blocks_verify_end(struct blocks *self, const struct hash *id, bool bad);

/* An answer to a question came, with useful_count bodies that were missing: ask on. */
void blocks_answered(struct blocks *self, uint64_t fetch_request, uint32_t useful_count, uint64_t now_ms);

/* Charge a fetched body to the blocks that miss it: the newest block it is to be held for, or 0 when none wants it (any
 * more). Blocks that grow above bytes_max are given up. */
uint64_t blocks_charge(struct blocks *self, const struct hash *id, size_t bytes);

/* A body is here now, by whatever path. */
void blocks_arrived(struct blocks *self, const struct hash *id);

/* Give up what resolves for too long. */
void blocks_expire(struct blocks *self, uint64_t now_ms);

struct blocks_counters blocks_counters(const struct blocks *self);
