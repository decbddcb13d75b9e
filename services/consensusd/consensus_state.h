/* consensus_state.h - what the files of the consensus core share: the object and the steps they offer each other.
 *
 * consensus.c dispatches; certificate.c moves the view; propose.c and vote.c make and judge proposals; pacemaker.c
 * keeps the time; commit.c decides what is final; catchup.c asks for what is missing; silence.c knows when to be
 * silent.
 *
 * Pure. Private to the core.
 */
#pragma once

#include "services/consensusd/blocktree.h"
#include "services/consensusd/consensus.h"
#include "services/consensusd/tally.h"

enum {
    EFFECTS_MAX = 2048,
    PROOF_HEADERS_MAX = 4096, /* of all commits of one step */
    NEVER_VIEW = 0,
    CERTIFICATES_REMEMBERED = 512, /* more than the blocks of an answer to sync */
};

#define NEVER_MS UINT64_MAX

/* A signed proposal whose parent is not here yet, or whose leader cannot be told yet: one per sender. */
struct held_proposal {
    bool held;
    struct block_header header;
    struct hash *tx_ids;
    struct qc justify;
};

struct pool_view {
    uint32_t tx_count;
    uint64_t oldest_ms; /* arrival of the transaction that waits longest, monotonic */
};

struct consensus {
    const struct genesis *genesis;
    uint32_t self;
    uint32_t quorum;
    struct sign_key key;
    uint64_t block_min_interval_ms;
    uint32_t block_target_txs;
    uint64_t random;
    struct blocktree *tree;
    struct tally *tally;
    struct consensus_voting voting;
    struct consensus_counters counters;
    uint64_t now_ms, wall_ms;

    uint64_t view;
    uint64_t view_entered_ms;

    /* silence.c */
    uint64_t floor_view;
    uint64_t used_elsewhere_view;

    /* propose.c */
    uint64_t proposed_view; /* NEVER_VIEW or the view of our last proposal */
    uint64_t building_view; /* a BUILD is under way for this view, or NEVER_VIEW */
    uint64_t build_retry_ms;
    uint64_t tx_block_ms; /* when the last block with transactions was seen */
    struct pool_view pool;

    /* pacemaker.c */
    uint64_t work_since_ms;  /* NEVER_MS: no work in this view */
    uint64_t timer_start_ms; /* of the running timer */
    uint32_t timeouts_in_row;
    uint64_t measured_views;
    uint64_t view_time_us, view_deviation_us; /* smoothed */
    bool pool_live;        /* the executor would execute a waiting transaction on the highest certificate's block */
    uint64_t recheck_ms;   /* when to ask again; 0: at once */
    uint64_t heartbeat_ms; /* next */

    /* certificate.c */
    struct hash verified[CERTIFICATES_REMEMBERED]; /* fingerprints of certificates */
    size_t verified_next;

    /* commit.c */
    struct block *commit_target; /* final, not yet handed out; NULL: none */
    struct block *commit_child;  /* its certified child in the next view */

    /* catchup.c */
    uint64_t behind_since_ms; /* NEVER_MS: not behind */
    uint64_t sync_retry_ms;
    uint32_t sync_attempts;
    uint32_t sync_peer;
    uint64_t sync_height;                    /* first height to ask for; 0: above the root */
    bool sync_held;                          /* there is more to ask for, and no room for it */
    uint64_t lowest[GENESIS_VALIDATORS_MAX]; /* heights that each validator says it has, from here up; 0: not told */
    struct held_proposal held[GENESIS_VALIDATORS_MAX];

    /* Memory that effects of one step point to. */
    struct consensus_effect effects[EFFECTS_MAX];
    size_t effect_count;
    struct block_header proof_headers[PROOF_HEADERS_MAX];
    size_t proof_header_count;
    struct hash excluded[CONSENSUS_BLOCKS_MAX];
    struct block *path[CONSENSUS_BLOCKS_MAX + 1];
    /* evidence.c */
    uint64_t accused; /* bit i: there is proof against validator i */
    struct equivocation evidence[GENESIS_VALIDATORS_MAX];

    struct qc proposal_justify, timeout_qc, heartbeat_qc;
    struct tc proposal_tc, new_view_tc, heartbeat_tc;
};

/* consensus.c: append an effect. NULL when the step's room is used up: the caller leaves its state unchanged and the
 * next step goes on. */
struct consensus_effect *consensus_effect_add(struct consensus *self, enum consensus_effect_type type);
/* PERSIST is never refused: room is kept for it. */
void consensus_persist(struct consensus *self, struct block *block);

/* certificate.c */
bool certificate_vote_valid(struct consensus *self, uint32_t validator, const struct consensus_vote *vote);
/* A verified vote goes into the tally, if that has room for its view and no other vote of the validator in it. */
void certificate_keep_vote(struct consensus *self, uint32_t validator, const struct consensus_vote *vote);
/* A vote of a view that has its certificate counts no more. One that differs from the sender's known one is verified,
 * for both together are proof. */
void certificate_late_vote(struct consensus *self, uint32_t validator, const struct consensus_vote *vote);
bool certificate_timeout_valid(struct consensus *self, uint32_t validator, uint64_t view, uint64_t high_qc_view,
                               const struct signature *signature);
bool certificate_qc_valid(struct consensus *self, const struct qc *qc);
bool certificate_tc_valid(struct consensus *self, const struct tc *tc);
/* Take a valid certificate in: lock, view, commit rule. */
void certificate_take_qc(struct consensus *self, const struct qc *qc);
void certificate_take_tc(struct consensus *self, const struct tc *tc);
/* A vote with a valid signature is in the tally: form the certificate if there is a quorum. */
void certificate_form_qc(struct consensus *self, uint64_t view, uint64_t height, const struct hash *block_id);
void certificate_form_tc(struct consensus *self, uint64_t view);

/* silence.c */
/* Must this validator neither vote, time out nor propose now? */
bool silence_holds(const struct consensus *self);
/* A valid certificate: is our key in it for a view that we never voted in? */
void silence_look_at_qc(struct consensus *self, const struct qc *qc);
void silence_look_at_tc(struct consensus *self, const struct tc *tc);

/* propose.c */
void propose_try(struct consensus *self);
void propose_built(struct consensus *self, const struct consensus_event *event);
void propose_failed(struct consensus *self, uint64_t view);
uint64_t propose_deadline_ms(const struct consensus *self);
/* Transactions in uncommitted blocks on the way to the highest certificate's block. */
uint32_t propose_inflight_txs(const struct consensus *self);
/* The highest certificate's chain does not prove yet that the root is final. */
bool propose_chain_is_open(const struct consensus *self);

/* vote.c */
void vote_on_proposal(struct consensus *self, const struct consensus_event *event);
void vote_on_vote(struct consensus *self, const struct consensus_event *event);
void vote_on_checked(struct consensus *self, const struct consensus_event *event);
/* Vote for a block that was executed, if the rules allow; with the proposal's effect left to the caller. */
bool vote_cast(struct consensus *self, struct block *block);
/* Ask the executor for every block whose parent is executed. */
void vote_request_checks(struct consensus *self);
/* Put a block under its parent. NULL when there is no room. */
struct block *vote_insert(struct consensus *self, struct block *parent, const struct block_header *header,
                          const struct hash *id, const struct hash *tx_ids);
/* Judge proposals that waited for their parent, or for who leads its children. */
void vote_retry_held(struct consensus *self);

/* pacemaker.c */
void pacemaker_tick(struct consensus *self);
void pacemaker_view_entered(struct consensus *self, bool by_certificate);
void pacemaker_on_timeout(struct consensus *self, const struct consensus_event *event);
void pacemaker_on_heartbeat(struct consensus *self, const struct consensus_event *event);
void pacemaker_rechecked(struct consensus *self, const struct hash *parent_id, uint32_t live_count);
void pacemaker_pool_changed(struct consensus *self);
uint64_t pacemaker_deadline_ms(const struct consensus *self);
uint64_t pacemaker_view_timeout_ms(const struct consensus *self);

/* evidence.c */
bool evidence_is_accused(const struct consensus *self, uint32_t validator);
/* The validator's vote in this view is not the one that was seen before; its signature is good. */
void evidence_of_vote(struct consensus *self, uint32_t validator, const struct consensus_vote *vote,
                      const struct tally_vote *before);
void evidence_on_event(struct consensus *self, const struct consensus_event *event);
/* From the own store, or because a committed block has it. */
void evidence_known(struct consensus *self, uint64_t validators);

/* commit.c */
/* Two-chain rule for a block that has its certificate. */
void commit_consider(struct consensus *self, struct block *block);
/* Hand out what is final and executed. */
void commit_deliver(struct consensus *self);

/* catchup.c */
void catchup_tick(struct consensus *self);
void catchup_on_synced(struct consensus *self, const struct consensus_event *event);
void catchup_on_restored(struct consensus *self, const struct consensus_certified *block);
/* The sender knows more than we do: ask it first. */
void catchup_hint(struct consensus *self, uint32_t sender);
uint64_t catchup_deadline_ms(const struct consensus *self);
/* The next height to ask for. */
uint64_t catchup_height(const struct consensus *self);
/* Who says that it has that height no more: bit i for validator i. */
uint64_t catchup_pruned_by(const struct consensus *self);
