/* schedule.h - who leads: the leaders of an epoch by the validators' standings, and what a block does to the standings
 * (docs/protocol.md, "Leaders"). Integers only; every validator computes the same.
 *
 * Pure. Values, no ownership.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/base/genesis.h"

/* Leaders in turn: view v is led by leaders[v mod count]. */
struct schedule {
    uint32_t count;                          /* 0: not known */
    uint8_t leaders[GENESIS_VALIDATORS_MAX]; /* validator indexes, sorted by validator id */
};

/* A validator's record, as far as blocks change it. */
struct schedule_standing {
    bool active; /* false after a proved equivocation, for good */
    uint32_t reputation_ppm;
    uint64_t blocks_proposed;
    uint64_t blocks_committed; /* blocks whose certificate on the chain it signed */
    uint64_t views_missed;
    uint64_t last_active_height; /* of the last block that it proposed, or that carries its signature */
};

/* What a new chain begins with. */
struct schedule_standing schedule_standing_start(const struct genesis_parameters *parameters);

/* The height whose standings make the schedule for the children of a block at this height: the newest multiple of
 * schedule_epoch_blocks that is at least schedule_lag_blocks below it; 0 if there is none. */
uint64_t schedule_epoch(const struct genesis_parameters *parameters, uint64_t height);

/* The schedule of standings[genesis->validator_count]: sorted by id, the active validators with at least
 * reputation_leader_min_ppm; if those are fewer than a quorum, the best others too until there is one: active before
 * inactive, then by reputation, then by id. */
void schedule_of(struct schedule *out, const struct genesis *genesis, const struct schedule_standing *standings);

/* The schedule of the genesis block. */
void schedule_genesis(struct schedule *out, const struct genesis *genesis);

/* The validator that leads the view; count is not 0 (asserted). */
uint32_t schedule_leader(const struct schedule *self, uint64_t view);

/* The leaders of the views between these two, both excluded, each once: bit i is validator i. */
uint64_t schedule_skipped(const struct schedule *self, uint64_t justify_view, uint64_t view);

/* What a block says about the validators. */
struct schedule_block {
    uint64_t height;
    uint32_t proposer; /* validator index; anything else: nobody */
    uint64_t signers;  /* of the parent's certificate: bit i is validator i */
    uint64_t skipped;  /* schedule_skipped() by the parent's schedule */
};

/* Proposer + reputation_proposer_ppm, signers + reputation_signer_ppm, at most 1 000 000; then the skipped -
 * reputation_missed_ppm, at least 0. Validators that are not active stay as they are. */
void schedule_apply(struct schedule_standing *standings, const struct genesis *genesis,
                    const struct schedule_block *block);
