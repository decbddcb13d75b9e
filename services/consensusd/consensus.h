/* consensus.h - one validator's part in the agreement: two-chain Jolteon as a pure function of events.
 *
 * consensus_step() takes what happened (a message, a finished execution, the passing of time) and gives what to do, in
 * order: write this down, then send that. docs/consensus.md has the rules.
 *
 * Pure: no sockets, clock, disk or log; libsodium's signatures only.
 * Ownership: event memory stays with the caller; what effects point to is valid until the next call of any function.
 * Threads:   one owner.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/attr.h"
#include "common/base/block.h"
#include "common/base/cert.h"
#include "common/base/equivocation.h"
#include "common/base/genesis.h"
#include "common/base/hash.h"
#include "common/base/schedule.h"
#include "common/base/sign.h"
#include "common/base/voting.h"

struct consensus; /* opaque */

enum {
    CONSENSUS_VIEWS_AHEAD_MAX = 100, /* messages for views further ahead are dropped */
    CONSENSUS_BLOCKS_MAX = 512,      /* uncommitted blocks held */
    CONSENSUS_SYNCED_MAX = 256,      /* blocks taken of one SYNCED; what is behind them is asked for again */
    CONSENSUS_COMMITS_AT_ONCE = 64,  /* a step may do so twice: for a certificate, and at its end */
    CONSENSUS_HEARTBEAT_MS = 500,
    CONSENSUS_SYNC_RETRY_MS = 200, /* doubles with each fruitless request */
};

struct consensus_config {
    const struct genesis *genesis; /* loan for the object's life */
    uint32_t self;                 /* validator index */
    struct sign_key key;           /* copied */
    uint64_t block_min_interval_ms;
    uint32_t block_target_txs;
    uint64_t seed;            /* for tables and the choice of sync peers */
    struct block_header root; /* the last committed block (the genesis block at first) */
    struct hash root_id;
    struct schedule root_schedule;         /* of its children; count 0: not known, but for the genesis block */
    const struct consensus_voting *voting; /* NULL: a new validator */
    uint64_t floor_view; /* 0; or silent until a certificate of this view or a later one, see silence.c */
    uint64_t now_ms;
};

struct consensus_proposal {
    struct block_header header;
    const struct hash *tx_ids; /* header.tx_count of them */
    const struct qc *justify;
    const struct tc *tc;             /* NULL: none attached */
    struct signature signature;      /* over the block and the TC; without a TC there is none */
    struct signature vote_signature; /* the proposer's vote for this block */
};

struct consensus_vote {
    uint64_t view;
    uint64_t height;
    struct hash block_id;
    struct signature signature;
};

struct consensus_timeout {
    uint64_t view;
    const struct qc *high_qc;
    struct signature signature;
};

struct consensus_heartbeat {
    uint64_t view;
    const struct qc *high_qc;
    const struct tc *high_tc; /* NULL: none */
    uint64_t committed_height;
    struct signature signature;
};

/* A block with its certificate, from another validator's store or from our own after a restart. */
struct consensus_certified {
    struct block_header header;
    const struct hash *tx_ids;
    const struct qc *qc;      /* its own; NULL in RESTORED only */
    const struct qc *justify; /* its parent's, as PERSIST gave it (may be NULL); RESTORED only */
};

enum consensus_event_type {
    CONSENSUS_TICK,     /* time passed */
    CONSENSUS_PROPOSAL, /* messages; sender is authenticated by the transport and compared with the signer */
    CONSENSUS_VOTE,
    CONSENSUS_TIMEOUT,
    CONSENSUS_NEW_VIEW,
    CONSENSUS_HEARTBEAT,
    CONSENSUS_EVIDENCE,
    CONSENSUS_SYNCED,   /* certified blocks, ascending contiguous heights; count 0: the peer had none */
    CONSENSUS_RESTORED, /* one uncommitted block from the own store, in height order, before the first tick */
    CONSENSUS_BUILT,    /* answer to BUILD */
    CONSENSUS_BUILD_FAILED,
    CONSENSUS_CHECKED,        /* answer to CHECK */
    CONSENSUS_RECHECKED,      /* answer to RECHECK */
    CONSENSUS_POOL,           /* the pool's size changed */
    CONSENSUS_ACCUSED,        /* proof against these is kept already, or has done its work: nothing more is told */
    CONSENSUS_EXECUTOR_RESET, /* the executor lost its speculative versions: every CHECK is asked again */
};

struct consensus_event {
    enum consensus_event_type type;
    uint64_t now_ms;                  /* monotonic */
    uint64_t wall_ms;                 /* unix */
    uint32_t sender;                  /* messages and SYNCED: validator index */
    uint64_t sender_committed_height; /* messages */
    union {
        struct consensus_proposal proposal;
        struct consensus_vote vote;
        struct consensus_timeout timeout;
        const struct tc *new_view;
        struct consensus_heartbeat heartbeat;
        const struct equivocation *evidence;
        struct {
            const struct consensus_certified *blocks;
            size_t count;
            uint64_t height_lowest; /* that the peer has; 0: not told */
        } synced;
        struct consensus_certified restored;
        struct {
            uint64_t view;
            struct block_header header;
            const struct hash *tx_ids;
            struct schedule schedule; /* of the block's children; count 0: not told */
        } built;                      /* BUILD_FAILED: view alone */
        struct {
            struct hash block_id;
            bool ok;
            struct schedule schedule; /* of the block's children; count 0: not told */
        } checked;
        struct {
            struct hash parent_id; /* as asked */
            uint32_t live_count;   /* asked transactions that would be executed */
        } rechecked;
        struct {
            uint32_t tx_count;
            uint64_t oldest_age_ms;
        } pool;
        uint64_t accused; /* bit i: validator i */
    } u;
};

enum consensus_effect_type {
    CONSENSUS_PERSIST,       /* write the voting state, with the block's header and bodies if block_id is given; sync */
    CONSENSUS_SEND_PROPOSAL, /* broadcasts */
    CONSENSUS_SEND_VOTE,
    CONSENSUS_SEND_TIMEOUT,
    CONSENSUS_SEND_NEW_VIEW,
    CONSENSUS_SEND_HEARTBEAT,
    CONSENSUS_SEND_EVIDENCE, /* once for each offender, found here or told by another */
    CONSENSUS_BUILD,         /* take candidates (none if !with_txs), execute them on the parent, answer BUILT */
    CONSENSUS_CHECK,         /* get the bodies, execute, answer CHECKED */
    CONSENSUS_RECHECK,       /* would the longest waiting pooled transactions be executed on the parent? */
    CONSENSUS_COMMIT,        /* final, in height order; the block was checked */
    CONSENSUS_SYNC,          /* ask the peer for certified blocks from height_first */
    CONSENSUS_FORGET,        /* the uncommitted block is abandoned */
};

struct consensus_build {
    uint64_t view;
    struct hash parent_id;
    uint64_t height;
    uint64_t justify_view;
    uint64_t justify_signers;
    uint64_t timestamp_ms;
    bool with_txs;
    const struct hash *excluded; /* ids of uncommitted ancestors, parent first */
    size_t excluded_count;
};

struct consensus_check {
    struct hash block_id;
    struct block_header header;
    const struct hash *tx_ids;
};

struct consensus_commit {
    struct hash block_id;
    struct block_header header;
    const struct hash *tx_ids;
    const struct schedule *schedule;          /* of its children; NULL or count 0: not known */
    const struct qc *qc;                      /* of this block, or NULL when only a descendant's is known */
    const struct block_header *proof_headers; /* the block first */
    size_t proof_header_count;
    const struct qc *proof_qc; /* of the last proof header */
};

struct consensus_effect {
    enum consensus_effect_type type;
    union {
        struct {
            const struct consensus_voting *voting;
            const struct hash *block_id; /* NULL: none */
            const struct block_header *header;
            const struct qc *justify; /* the certificate of the block's parent, to be stored with it; NULL: the
                                       * genesis block's, or it is not here: a child's has made the parent final */
        } persist;
        struct consensus_proposal proposal;
        struct consensus_vote vote;
        struct consensus_timeout timeout;
        const struct tc *new_view;
        struct consensus_heartbeat heartbeat;
        const struct equivocation *evidence;
        struct consensus_build build;
        struct consensus_check check;
        struct {
            struct hash parent_id;
            uint64_t timestamp_ms;
        } recheck;
        struct consensus_commit commit;
        struct {
            uint32_t peer;
            uint64_t height_first;
        } sync;
        struct hash forget;
    } u;
};

struct consensus_effects {
    const struct consensus_effect *items;
    size_t count;
};

/* Why a view timed out here. */
enum consensus_timeout_reason {
    CONSENSUS_TIMEOUT_NO_PROPOSAL,    /* no block of the view came */
    CONSENSUS_TIMEOUT_NO_PAYLOAD,     /* its block came; its transactions or their execution did not */
    CONSENSUS_TIMEOUT_REFUSED,        /* its block breaks a rule */
    CONSENSUS_TIMEOUT_NO_CERTIFICATE, /* its block is good; the votes did not come */
    CONSENSUS_TIMEOUT_JOINED,         /* others timed out */
    CONSENSUS_TIMEOUT_REASONS,
};

struct consensus_counters {
    uint64_t dropped_stale, dropped_ahead, dropped_bad, dropped_unlinked; /* messages */
    uint64_t equivocations;                                               /* second statements seen */
    uint64_t offenders;                                                   /* validators with a proof against them */
    uint64_t timeout_reasons[CONSENSUS_TIMEOUT_REASONS];
    uint64_t timeouts_sent, timeout_certificates, blocks_proposed, votes_sent, commits, signatures_verified;
};

struct consensus_status {
    uint64_t view;
    uint64_t high_qc_view;
    uint64_t high_qc_height;
    uint64_t committed_height;
    uint64_t last_voted_view;
    uint64_t view_timeout_ms; /* T */
    uint32_t leader;
    uint32_t blocks_held;
    bool behind;                  /* asks others for blocks */
    uint64_t sync_height;         /* while behind: the next height to ask for */
    uint64_t pruned_by;           /* bit i: validator i says that it has that height no more */
    uint64_t floor_view;          /* > 0: silent until a certificate of this view */
    uint64_t used_elsewhere_view; /* > 0: silent, because our key signed in this view and we did not */
    struct consensus_counters counters;
};

/* Returns 0, -EINVAL (no such validator, N out of range) or -ENOMEM. */
MUST_USE int consensus_new(struct consensus **out, const struct consensus_config *config);
void consensus_destroy(struct consensus **self);

/* Apply one event. effects->items belong to the object. A message that breaks a rule is counted and changes nothing. */
void consensus_step(struct consensus *self, const struct consensus_event *event, struct consensus_effects *effects);

/* When the next TICK is due, monotonic ms. */
uint64_t consensus_deadline_ms(const struct consensus *self);

void consensus_status(const struct consensus *self, struct consensus_status *out);

/* Between steps: is this the certificate of a quorum? What is verified here is remembered (the last 512), so that the
 * step that brings it does not verify it again. The genesis block's implied one is not. */
bool consensus_certificate_valid(struct consensus *self, const struct qc *qc);

/* The certified chain for sync answers: uncommitted blocks with certificates on the way to the highest one that is
 * here, from height_first up. Writes at most capacity and returns how many. */
size_t consensus_certified(const struct consensus *self, uint64_t height_first, struct consensus_certified *out,
                           size_t capacity);
