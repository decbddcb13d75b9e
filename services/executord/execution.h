/* execution.h - executes the transactions of one block on the state of its parent.
 *
 * Begin, apply each body in block order, end: then there is a new state root, or nothing changed. What a refused
 * transaction means (left out when building, the end of the block when checking) is the caller's.
 *
 * The result is a function of the parent's state and the block: times are the block's, changes are applied sorted.
 *
 * Pure. Ownership: see each function; between begin and clear the parent's state is a loan. Allocates its tables in
 * execution_new() only; leaves and nodes come from the slab. Threads: one owner.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "common/base/attr.h"
#include "common/base/genesis.h"
#include "common/base/hash.h"
#include "common/base/reason.h"
#include "common/base/span.h"
#include "services/executord/expiry.h"
#include "services/executord/reducer.h"
#include "services/executord/state.h"

enum {
    /* Protocol: at the end of a block at most this many nonce records that expired are deleted, the earliest first and
     * by key hash among equals, so that the work of a block is bounded by the block. */
    EXECUTION_EXPIRED_BASE = 256,
    EXECUTION_EXPIRED_PER_TX = 2,
};

/* Read what execution may know from a policy's params: a function of the bytes alone. *out is valid until the next
 * call. Returns 0, REASON_CONTENT_RULE (no JSON object of the allowed form) or -ENOMEM. */
typedef int policy_facts_fn(void *context, struct span params, struct policy_facts *out);

struct execution_options {
    const struct genesis *genesis; /* its validators and parameters; outlives the execution, as does the slab */
    struct slab *slab;
    policy_facts_fn *policy_facts;
    void *policy_facts_context;
    uint64_t seed; /* of the tables; no result depends on it */
};

struct execution; /* opaque */

/* Returns 0 or -ENOMEM. */
MUST_USE int execution_new(struct execution **out, const struct execution_options *options);
void execution_destroy(struct execution **self);

/* The state a block starts from, and the block. */
struct execution_base {
    struct state_item *root;
    struct expiry *expiry;
    uint64_t height;
    uint64_t timestamp_ms;
};

/* Changed keys that a block can have. */
size_t execution_change_count_max(const struct execution *self);

/* Start a block; what was not ended before is forgotten. */
void execution_begin(struct execution *self, const struct execution_base *base);

enum execution_verdict { EXECUTION_REFUSED = 1 };

/* Execute one body as the next transaction of the block; at most block_max_txs are accepted (asserted). body stays
 * valid until execution_clear(). Returns 0; EXECUTION_REFUSED, with *reason (REASON_NONE: this very transaction is in
 * the chain already), nothing changed; or -ENOMEM: then the block cannot go on. */
MUST_USE int execution_apply(struct execution *self, struct span body, enum reason *reason);

/* Would execution_apply() accept the body? Changes nothing. Same results. */
MUST_USE int execution_judge(struct execution *self, struct span body, enum reason *reason);

/* What the block did. Arrays are loans until execution_clear() or the next begin. */
struct execution_result {
    struct state_item *root; /* a reference of the caller's */
    struct expiry *expiry;   /* the same */
    struct hash tx_root;
    struct hash receipt_root;
    uint32_t tx_count;
    const struct span *bodies;
    const struct span *receipts;
    const struct state_change *changes; /* sorted by key hash */
    size_t change_count;
    int64_t keys_added; /* minus those deleted */
};

/* End the block. Returns 0 or -ENOMEM. */
MUST_USE int execution_end(struct execution *self, struct execution_result *out);

/* tx_root of the bodies accepted so far: it can be compared before the state is hashed. */
struct hash execution_tx_root(struct execution *self);

/* Put a value as it is: genesis records, stored changes. Nonce records join the expiry queue. Returns 0, -ENOMEM,
 * ERR_MALFORMED (a nonce record that is none, or is there already) or -EINVAL (size). */
MUST_USE int execution_put(struct execution *self, struct span key, struct span value);

/* Take a key away that is no nonce record: those expire by themselves. Nothing when it is absent. */
void execution_delete(struct execution *self, const struct hash *key_hash);

/* What a key holds at this point of the block: a loan until the next change; NULL when absent. */
const struct state_item *execution_find(const struct execution *self, const struct hash *key_hash);

/* For a block whose changes are put and not executed: how many transactions it had (the expiry rule counts them). */
void execution_replayed(struct execution *self, uint32_t tx_count);

/* Forget the block and its loans. */
void execution_clear(struct execution *self);
