/* executor.h - builds, checks and commits blocks: the state's versions and who descends from whom.
 *
 * Committed versions form a line; the last retain_versions of them answer queries. Speculative ones, at most
 * speculative_max, hang below the last committed one and are known by their block ids. Every call is a function of what
 * was called before: time is the blocks'.
 *
 * Pure. Ownership: outputs are loans, valid until the next call unless it says otherwise. Threads: one owner.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/attr.h"
#include "common/base/block.h"
#include "common/base/genesis.h"
#include "common/base/hash.h"
#include "common/base/reason.h"
#include "common/base/schedule.h"
#include "common/base/span.h"
#include "common/base/stateproof.h"
#include "services/executord/execution.h"
#include "services/executord/version.h"

enum { EXECUTOR_SPECULATIVE_MAX = 1024, EXECUTOR_RETAIN_MAX = 100000 };

struct executor; /* opaque */

struct executor_options {
    const struct genesis *genesis; /* copied where needed */
    uint32_t retain_versions;      /* committed, 1..EXECUTOR_RETAIN_MAX */
    uint32_t speculative_max;      /* 2..EXECUTOR_SPECULATIVE_MAX */
    uint64_t state_bytes_max;      /* of all versions together */
    policy_facts_fn *policy_facts;
    void *policy_facts_context;
    uint64_t seed; /* of tables; no result depends on it */
};

/* Start with the genesis state as committed height 0. Returns 0, -EINVAL (options) or -ENOMEM. */
MUST_USE int executor_new(struct executor **out, const struct executor_options *options);
void executor_destroy(struct executor **self);

enum executor_verdict {
    EXECUTOR_UNKNOWN_PARENT = 1, /* no version of that block */
    EXECUTOR_BAD_TX,             /* a transaction of the block is refused */
    EXECUTOR_BAD_ROOT,           /* tx, receipt or state root differs */
    EXECUTOR_BAD_HEADER,         /* chain, count, size, height or timestamp do not fit */
    EXECUTOR_CONFLICT,           /* another block is committed at that height */
    EXECUTOR_BELOW,              /* commit: at or below the committed height, see the store */
};

struct executor_refused {
    uint32_t index;     /* in the bodies given */
    enum reason reason; /* REASON_NONE: this very transaction is in the chain already */
    bool settled;       /* the last committed state refuses it, too; not told of a block's bad transaction */
};

struct executor_bodies {
    const struct span *items;
    size_t count;
};

/* --- building ----------------------------------------------------------------------------------------------------- */

struct executor_build {
    struct hash parent_id;
    uint64_t height;
    uint64_t view;
    uint64_t justify_view;
    uint64_t justify_signers;
    struct hash proposer;
    uint64_t timestamp_ms;
    struct executor_bodies bodies; /* within the block's limits, else EXECUTOR_BAD_HEADER */
};

struct executor_built {
    const struct version *version;
    const struct executor_refused *refused; /* sorted by index */
    size_t refused_count;
};

/* Execute the candidates in order, leaving out what is refused, and keep the version of the block. Returns 0;
 * EXECUTOR_UNKNOWN_PARENT or EXECUTOR_BAD_HEADER; -ENOMEM. */
MUST_USE int executor_build(struct executor *self, const struct executor_build *build, struct executor_built *out);

/* --- checking ----------------------------------------------------------------------------------------------------- */

struct executor_block {
    const struct block_header *header;
    struct executor_bodies bodies;
};

/* Execute a block and compare every root; a valid one's version is kept. A block that has a version already is valid
 * without executing it again. EXECUTOR_BAD_TX writes *bad. Returns 0, a verdict but BELOW, or -ENOMEM. */
MUST_USE int executor_check(struct executor *self, const struct executor_block *block, struct executor_refused *bad);

struct executor_recheck {
    struct hash parent_id;
    uint64_t timestamp_ms;
    struct executor_bodies bodies; /* block_max_txs at most */
};

/* Judge each transaction alone on the parent's version. Returns 0, EXECUTOR_UNKNOWN_PARENT or EXECUTOR_BAD_HEADER (too
 * many), or -ENOMEM. */
MUST_USE int executor_recheck(struct executor *self, const struct executor_recheck *recheck,
                              struct executor_built *out);

/* --- committing --------------------------------------------------------------------------------------------------- */

/* The version to make durable next: of the block at the committed height + 1. Executes it if there is no version of it
 * and the bodies are given. Returns 0; EXECUTOR_BELOW; EXECUTOR_CONFLICT (its parent is not the committed block);
 * EXECUTOR_UNKNOWN_PARENT (a gap, or no version and no bodies); the verdicts of executor_check(); -ENOMEM. *out is
 * valid until executor_commit() or another change. */
MUST_USE int executor_prepare(struct executor *self, const struct executor_block *block, const struct version **out);

/* The prepared version is durable: it becomes the committed one, other forks end. Cannot fail. */
void executor_commit(struct executor *self, const struct version *prepared);

/* A block from the store at the committed height + 1: apply its changes without executing. */
struct executor_stored {
    const struct block_header *header;
    const struct executor_entry {
        struct span key;
        struct span value;
        bool deleted;
    } * entries;
    size_t count;
};

/* Changes that a block can have. */
size_t executor_change_count_max(const struct executor *self);

/* Returns 0, ERR_CORRUPT (does not follow, or gives another state root) or -ENOMEM. */
MUST_USE int executor_replay(struct executor *self, const struct executor_stored *stored);

/* --- reading ------------------------------------------------------------------------------------------------------ */

/* The last committed version; never NULL. Right after executor_new() and executor_commit() it has its content, after
 * executor_replay() it has none. */
const struct version *executor_committed(const struct executor *self);

enum executor_query_verdict { EXECUTOR_HEIGHT_UNKNOWN = 1, EXECUTOR_HEIGHT_NOT_RETAINED };

struct executor_value {
    const struct version *version;
    bool found;
    struct span value;
    struct stateproof proof;
};

/* The oldest height that answers queries. */
uint64_t executor_height_min(const struct executor *self);

/* The value of a key, or its absence, at a committed height, with its proof. Returns 0 or a verdict. */
MUST_USE int executor_query(const struct executor *self, struct span key, uint64_t height, struct executor_value *out);

/* Who leads the children of a block: speculative, or committed and retained. count 0: there is no version of it. */
void executor_schedule(const struct executor *self, const struct hash *block_id, struct schedule *out);

/* Validators that the last committed state has as inactive: bit i is validator i. */
uint64_t executor_inactive(const struct executor *self);

struct executor_usage {
    uint32_t speculative_count;
    uint32_t committed_count;
    uint64_t key_count;   /* of the last committed version */
    uint64_t state_bytes; /* of all versions */
    uint64_t chunk_bytes; /* taken from the system for them */
};

struct executor_usage executor_usage(const struct executor *self);
