/* core_rig.h - one consensus core among validators whose keys the test holds: it makes what they would sign, steps the
 * core and looks at its effects. Five validators, a quorum of four. Pure but for cmocka's assertions.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "services/consensusd/consensus.h"

enum { RIG_VALIDATORS = 5, RIG_QUORUM = 4, RIG_TXS_MAX = 8, RIG_ALL = (1 << RIG_VALIDATORS) - 1 };
enum { RIG_MIN_INTERVAL_MS = 20, RIG_TARGET_TXS = 500 };

/* A block as its proposer made it. */
struct rig_block {
    struct block_header header;
    struct hash id;
    struct hash tx_ids[RIG_TXS_MAX];
};

struct rig {
    struct genesis genesis;
    struct sign_key keys[RIG_VALIDATORS];
    uint32_t order[RIG_VALIDATORS]; /* indexes sorted by validator id */
    struct rig_block root;
    uint32_t self;
    struct consensus *core;
    uint64_t now_ms, wall_ms;
    struct consensus_effects effects; /* of the last step */
};

/* A core for the leader of view self_leads; voting NULL: a new validator. */
void rig_start(struct rig *self, uint64_t self_leads, const struct consensus_voting *voting);
/* The same validator once more, whose last committed block is root. */
void rig_restart(struct rig *self, const struct rig_block *root, const struct consensus_voting *voting);
/* The same with a floor: see silence.c. */
void rig_start_above(struct rig *self, uint64_t self_leads, const struct consensus_voting *voting, uint64_t floor_view);
void rig_stop(struct rig *self);

/* The leader of a view of the first epoch. */
uint32_t rig_leader(const struct rig *self, uint64_t view);
/* Validators other than the core, as a bit set. */
uint32_t rig_others(const struct rig *self);

/* A block with tx_count transactions by the view's leader; justify_signers as in justify. */
struct rig_block rig_block(const struct rig *self, const struct rig_block *parent, const struct qc *justify,
                           uint64_t view, uint32_t tx_count);
/* After a change of the header: its id again. */
void rig_reseal(struct rig_block *block);
/* The implied certificate of the genesis block. */
struct qc rig_genesis_qc(const struct rig *self);
/* A certificate of a block, signed by the validators of the bit set. */
struct qc rig_qc(const struct rig *self, const struct rig_block *block, uint32_t signers);
/* A timeout certificate in which every signer had the same highest certificate. */
struct tc rig_tc(const struct rig *self, uint64_t view, uint32_t signers, const struct qc *high_qc);
/* Sign entry i of the certificate again, over its own high_qc_view. */
void rig_tc_sign(const struct rig *self, struct tc *tc, uint32_t i);

/* A validator's proposal with its vote, to be bent before rig_step(); tc may be NULL. */
struct consensus_event rig_proposal(const struct rig *self, uint32_t signer, const struct rig_block *block,
                                    const struct qc *justify, const struct tc *tc);

/* Steps: the effects stay in rig->effects. */
void rig_step(struct rig *self, struct consensus_event *event);
void rig_tick(struct rig *self, uint64_t pass_ms);
/* A proposal with its vote, as the view's leader sends it; tc may be NULL. */
void rig_propose(struct rig *self, const struct rig_block *block, const struct qc *justify, const struct tc *tc);
/* The same, sent and signed by any validator. */
void rig_propose_by(struct rig *self, uint32_t sender, uint32_t signer, const struct rig_block *block,
                    const struct qc *justify, const struct tc *tc);
void rig_vote(struct rig *self, uint32_t sender, uint32_t signer, const struct rig_block *block);
void rig_timeout(struct rig *self, uint32_t sender, uint64_t view, const struct qc *high_qc);
void rig_new_view(struct rig *self, uint32_t sender, const struct tc *tc);
void rig_heartbeat(struct rig *self, uint32_t sender, const struct qc *high_qc, const struct tc *high_tc);
void rig_checked(struct rig *self, const struct rig_block *block, bool ok);
/* Executed with success; the answer names the leaders of the block's children. */
void rig_checked_with(struct rig *self, const struct rig_block *block, const struct schedule *schedule);
void rig_pool(struct rig *self, uint32_t tx_count, uint64_t oldest_age_ms);
/* Propose, execute with success. */
void rig_accept(struct rig *self, const struct rig_block *block, const struct qc *justify, const struct tc *tc);

/* The n-th (from 0) effect of a type in the last step, or NULL; how many there are; where it stands, or -1. */
const struct consensus_effect *rig_effect(const struct rig *self, enum consensus_effect_type type, size_t n);
size_t rig_count(const struct rig *self, enum consensus_effect_type type);
int rig_place(const struct rig *self, enum consensus_effect_type type);
struct consensus_status rig_status(const struct rig *self);
/* The voting state was written down before a message of this type was given out, in the last step. */
void rig_assert_persisted_first(const struct rig *self, enum consensus_effect_type type);
