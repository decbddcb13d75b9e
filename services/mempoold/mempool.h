/* mempool.h - transactions that wait to be ordered: the core of mempoold.
 *
 * One function, mempool_step(): an event goes in, effects come out, and the shell carries them out in order. The three
 * arrows that meet here are described in proto/admission.proto, pool.proto and gossip.proto; an event or effect has the
 * name of its message there.
 *
 * Pure: no sockets, no clock, no logging.
 * Ownership: event memory stays with the caller; spans and ids in effects are borrowed until the next step.
 * Threads:   one owner.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/attr.h"
#include "common/base/hash.h"
#include "common/base/reason.h"
#include "common/base/span.h"
#include "services/mempoold/blocks.h"
#include "services/mempoold/bodies.h"
#include "services/mempoold/rejections.h"

enum {
    MEMPOOL_SUBMIT_COUNT_MAX = 16384, /* bodies of one SubmitBatch */
    MEMPOOL_FETCH_COUNT_MAX = BLOCKS_FETCH_IDS_MAX,
    MEMPOOL_FETCH_BYTES_MAX = 7 << 20,   /* bodies of one answer to Fetch */
    MEMPOOL_FETCHED_COUNT_MAX = 16384,   /* bodies of one answer that are looked at */
    MEMPOOL_EXCLUDED_COUNT_MAX = 64,     /* blocks named by one TakeBatch */
    MEMPOOL_DROPPED_COUNT_MAX = 100000,  /* transactions of one Dropped */
    MEMPOOL_RECENT_BYTES_MAX = 32 << 20, /* bodies kept for other validators' Fetch */
    MEMPOOL_RECENT_COUNT_MAX = 65536,
    MEMPOOL_FINALIZED_COUNT_MAX = 65536, /* ids remembered */
    MEMPOOL_PRODUCER_COUNT_MAX = 8192,
};

struct mempool;

struct mempool_limits {
    uint32_t tx_count_max; /* of the pool */
    uint64_t tx_bytes_max;
    uint64_t ttl_ms;
    uint32_t rate_per_second;    /* of one producer */
    uint32_t block_tx_count_max; /* of one block */
    uint64_t block_bytes_max;
    uint32_t validator_count;
    uint64_t peers; /* bit i: validator i's mempoold can be asked */
    uint64_t epoch; /* another one after every restart, rising: the first sequence of rejected notices */
    uint64_t seed;  /* secret */
};

/* --- events ------------------------------------------------------------------------------------------------------- */

enum mempool_event_kind {
    MEMPOOL_TICK = 1, /* time passes: every 50 ms */
    MEMPOOL_HELLO,
    MEMPOOL_SUBMIT,
    MEMPOOL_REJECTED_ACK,
    MEMPOOL_WATCH,
    MEMPOOL_TAKE_BATCH,
    MEMPOOL_RESOLVE,
    MEMPOOL_FINALIZED,
    MEMPOOL_DROPPED,
    MEMPOOL_FETCH,    /* another validator asks */
    MEMPOOL_BODIES,   /* another validator answers */
    MEMPOOL_EVIDENCE, /* proofs of equivocation, from consensusd */
    MEMPOOL_VERIFIED, /* what became of the bodies of a VERIFY effect */
    MEMPOOL_PEERS,    /* other validators can be asked now */
};

struct mempool_submit {
    uint64_t batch;
    const struct span *bodies; /* MEMPOOL_SUBMIT_COUNT_MAX at most */
    size_t body_count;
};

struct mempool_take_batch {
    uint64_t request;
    uint32_t tx_count_max;
    uint64_t tx_bytes_max;
    const struct hash *excluded; /* block ids */
    size_t excluded_count;
    bool oldest;
};

struct mempool_resolve {
    uint64_t request;
    struct hash block_id;
    const struct hash *tx_ids;
    size_t tx_count;
    uint32_t proposer; /* validator index */
    bool own_block;
};

struct mempool_finalized {
    struct hash block_id;
    const struct hash *tx_ids;
    size_t tx_count;
};

struct mempool_dropped {
    const struct rejections_tx *txs;
    size_t tx_count;
};

/* Proofs that are not committed, at most one for each validator; told again until they are. */
struct mempool_evidence {
    const struct span *bodies;
    size_t body_count;
};

struct mempool_fetch {
    uint64_t request;
    const struct hash *tx_ids;
    size_t tx_count;
};

struct mempool_bodies {
    uint32_t peer; /* validator index */
    uint64_t request;
    const struct span *bodies;
    size_t body_count;
};

/* A body to verify, then one that was. */
struct mempool_check {
    struct hash id;
    struct span body;
    int result; /* VERIFIED: 0, a reason, or < 0 when it could not be checked */
};

struct mempool_checks {
    uint32_t peer;
    const struct mempool_check *checks;
    size_t check_count;
};

struct mempool_event {
    enum mempool_event_kind kind;
    uint64_t now_ms; /* monotonic, never goes back */
    union {
        struct mempool_submit submit;
        uint64_t rejected_ack; /* sequence */
        struct mempool_take_batch take_batch;
        struct mempool_resolve resolve;
        struct mempool_finalized finalized;
        struct mempool_dropped dropped;
        struct mempool_evidence evidence;
        struct mempool_fetch fetch;
        struct mempool_bodies bodies;
        struct mempool_checks verified;
        uint64_t peers; /* as mempool_limits.peers */
    };
};

/* --- effects ------------------------------------------------------------------------------------------------------ */

/* As enum Verdict of admission.proto. */
enum mempool_verdict {
    MEMPOOL_VERDICT_POOLED = 1,
    MEMPOOL_VERDICT_DUPLICATE,
    MEMPOOL_VERDICT_FULL,
    MEMPOOL_VERDICT_RATE,
    MEMPOOL_VERDICT_BAD,
    MEMPOOL_VERDICT_COUNT,
};

enum mempool_effect_kind {
    MEMPOOL_SEND_VERDICTS = 1, /* to ingestd; batch 0: credit only */
    MEMPOOL_SEND_REJECTED,     /* to ingestd */
    MEMPOOL_SEND_PENDING,      /* to consensusd */
    MEMPOOL_SEND_BATCH,        /* to consensusd */
    MEMPOOL_SEND_RESOLVED,     /* to consensusd */
    MEMPOOL_SEND_FETCH,        /* to another validator */
    MEMPOOL_SEND_BODIES,       /* to the validator that asked */
    MEMPOOL_VERIFY,            /* check these (txcheck, static checks) and tell with MEMPOOL_VERIFIED */
};

struct mempool_verdicts {
    uint64_t batch;
    const enum mempool_verdict *verdicts;
    size_t verdict_count;
    uint32_t free_txs;
    uint64_t free_bytes;
};

struct mempool_pending {
    uint32_t tx_count;
    uint64_t tx_bytes;
    uint64_t oldest_age_ms;
};

struct mempool_answer {
    uint64_t request;
    struct hash block_id; /* RESOLVED only */
    const struct span *bodies;
    size_t body_count;
};

struct mempool_question {
    uint64_t request;
    uint32_t peer;
    const struct hash *tx_ids;
    size_t tx_count;
};

struct mempool_effect {
    enum mempool_effect_kind kind;
    union {
        struct mempool_verdicts verdicts;
        struct rejections_notice rejected;
        struct mempool_pending pending;
        struct mempool_answer answer; /* BATCH, RESOLVED, BODIES */
        struct mempool_question fetch;
        struct mempool_checks verify; /* spans into the event's memory */
    };
};

enum { MEMPOOL_EFFECT_COUNT_MAX = 32 }; /* of one step */

struct mempool_effects {
    struct mempool_effect items[MEMPOOL_EFFECT_COUNT_MAX];
    size_t count;
};

/* --- the pool ----------------------------------------------------------------------------------------------------- */

struct mempool_counters {
    uint64_t verdicts[MEMPOOL_VERDICT_COUNT];
    uint64_t finalized;             /* that waited here */
    uint64_t dropped[REASON_COUNT]; /* by reason; [0]: already committed */
    uint64_t expired;               /* above the TTL */
    uint64_t fetched;               /* verified bodies from other validators */
    uint64_t resolved;
    uint64_t bad_requests;  /* a Resolve above the limits, evidence that is none */
    uint64_t rejected_lost; /* notices that ingestd never acknowledged */
    uint64_t
        garbage[BLOCKS_VALIDATORS_MAX]; /* bodies from this validator that nobody asked for, or that are not valid */
};

/* On success *out belongs to the caller. Returns 0, -EINVAL (limits) or -ENOMEM. */
MUST_USE int mempool_new(struct mempool **out, const struct mempool_limits *limits);
/* Accepts NULL and pointer to NULL; leaves *self NULL. */
void mempool_destroy(struct mempool **self);

/* Apply one event; *effects is overwritten. Cannot fail: a full pool is an effect, not an error. */
void mempool_step(struct mempool *self, const struct mempool_event *event, struct mempool_effects *effects);

/* For metrics and status. */
struct mempool_pending mempool_pending(const struct mempool *self, uint64_t now_ms);
struct bodies_usage mempool_usage(const struct mempool *self);
struct mempool_counters mempool_counters(const struct mempool *self);
struct blocks_counters mempool_blocks_counters(const struct mempool *self);
