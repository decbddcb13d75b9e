/* bodies.h - every transaction body that mempoold holds, by its id.
 *
 * A body waits (POOLED: admitted, within the pool's limits; PROOF: of a validator's equivocation, outside them, with a
 * small limit of its own and no producer; HELD: fetched for a proposed block, outside them) or is
 * RECENT: finalized or refused, kept only so that slower validators can fetch it. Waiting bodies stand in two lists:
 * the mempool's order, and by age. Ids of finalized transactions are remembered longer than their bodies.
 *
 * Pure. Bounded: the pool by count and bytes, recent bodies too, finalized ids by count; who holds bodies for blocks
 * bounds them (blocks.h).
 * Ownership: bodies are copied in and owned here; a struct body is valid until the next call that may remove it.
 * Threads: one owner.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/attr.h"
#include "common/base/hash.h"
#include "common/base/span.h"
#include "common/base/tx.h"
#include "services/mempoold/fairness.h"
#include "services/mempoold/order.h"

struct bodies;

enum body_state { BODY_POOLED = 1, BODY_HELD, BODY_RECENT, BODY_PROOF };

struct body {
    struct order_node order; /* order.key.id is the transaction's id */
    struct body *older;      /* neighbours in the list by age */
    struct body *newer;
    struct fairness_producer *producer; /* NULL when RECENT, and of a proof */
    uint64_t since_ms;                  /* waits, or is RECENT, since then */
    uint64_t excluded_batch;            /* the last batch it was left out of, ... */
    uint64_t taken_batch;               /* ... and the last that took it */
    uint64_t held_block;                /* HELD: the newest block it is held for */
    enum body_state state;
    uint32_t size;
    uint8_t bytes[];
};

struct bodies_limits {
    uint32_t pooled_count_max; /* of the pool; 1 or more */
    uint64_t pooled_bytes_max;
    uint32_t proof_count_max;
    uint64_t recent_bytes_max;
    uint32_t recent_count_max;
    uint32_t finalized_count_max; /* ids; 1 or more */
    struct fairness_limits fairness;
};

struct bodies_usage {
    uint32_t pooled_count;
    uint64_t pooled_bytes;
    uint32_t held_count;
    uint64_t held_bytes;
    uint32_t recent_count;
    uint64_t recent_bytes;
    uint32_t proof_count;
    uint64_t proof_bytes;
};

/* Returns 0, -EINVAL or -ENOMEM. */
MUST_USE int bodies_new(struct bodies **out, const struct bodies_limits *limits);
/* Accepts NULL and pointer to NULL; leaves *self NULL. */
void bodies_destroy(struct bodies **self);

/* NULL when absent; in any state. */
struct body *bodies_find(const struct bodies *self, const struct hash *id);

struct bodies_new_body {
    const struct tx *tx; /* of an event, parsed from the bytes to be copied: tx->body; NULL: */
    struct span proof;   /* of equivocation; its form is good */
    const struct hash *id;
    enum body_state state; /* HELD; or POOLED, of a proof PROOF */
    uint64_t now_ms;
};

enum bodies_verdict {
    BODIES_FULL = 1, /* no room in the pool, or no place for another producer */
    BODIES_RATE,     /* the producer is above its rate */
};

/* Copy a new body in, to wait; its id is not here, or RECENT (then it waits again). now_ms never goes back. A POOLED
 * one needs room in the pool and is charged to its producer's rate; a PROOF needs room among the proofs. *out may be
 * NULL. Returns 0, BODIES_FULL, BODIES_RATE or -ENOMEM. */
MUST_USE int bodies_add(struct bodies *self, const struct bodies_new_body *what, struct body **out);

/* HELD -> POOLED, of a proof PROOF, when there is room, else -> RECENT. */
void bodies_release(struct bodies *self, struct body *body, uint64_t now_ms);

/* POOLED, PROOF or HELD -> RECENT; may remove the oldest recent bodies, this one among them when it alone is too large.
 */
void bodies_retire(struct bodies *self, struct body *body, uint64_t now_ms);

/* Remove it, in any state. */
void bodies_forget(struct bodies *self, struct body *body);

/* Remember a finalized id; the oldest is forgotten when there are too many. Without memory it is not remembered. */
void bodies_finalized_put(struct bodies *self, const struct hash *id);
bool bodies_is_finalized(const struct bodies *self, const struct hash *id);

/* The longest waiting; NULL when none waits. The next one is body->newer. */
struct body *bodies_oldest(const struct bodies *self);

/* The first in mempool order; NULL when none waits. */
struct body *bodies_first(const struct bodies *self);
struct body *bodies_next(const struct body *body);

/* What fits into the pool now. */
struct fairness_room bodies_room(const struct bodies *self);
struct bodies_usage bodies_usage(const struct bodies *self);
struct fairness *bodies_fairness(const struct bodies *self);

static inline const struct hash *body_id(const struct body *body)
{
    return &body->order.key.id;
}

static inline bool body_is_proof(const struct body *body)
{
    return body->order.key.tx_class == ORDER_CLASS_PROOF;
}

static inline struct span body_span(const struct body *body)
{
    return span_of(body->bytes, body->size);
}
