/* committee.h - the validators' records: what each block does to their standings, and whom the standings let lead.
 *
 * "proposer +10 000, signers of the parent's certificate +2 000, up to 1 000 000; leaders of the views skipped before
 * it -50 000, once each." The schedule of an epoch is a record of the state as well, so it is certified and provable.
 *
 * Pure. Ownership: a step of the execution it is given; no state of its own.
 */
#pragma once

#include <stdint.h>

#include "common/base/attr.h"
#include "common/base/genesis.h"
#include "common/base/hash.h"
#include "common/base/schedule.h"
#include "services/executord/execution.h"

/* What a block says about the validators: fields of its header. */
struct committee_block {
    uint64_t height;
    uint64_t view;
    uint64_t justify_view;
    uint64_t justify_signers;
    const struct hash *proposer;
};

/* The records of the genesis state: each validator, and schedule/0. Returns 0 or -ENOMEM. */
MUST_USE int committee_genesis(struct execution *execution, const struct genesis *genesis);

/* After execution_begin(), before the block's transactions: the standings. Returns 0 or -ENOMEM. */
MUST_USE int committee_begin(struct execution *execution, const struct genesis *genesis,
                             const struct committee_block *block);

/* The validator (index) equivocated: "the reducer takes the validator's reputation to 0", and it is inactive for good.
 * Returns 0 or -ENOMEM. */
MUST_USE int committee_punish(struct execution *execution, const struct genesis *genesis, uint32_t offender);

/* Who is inactive in this state: bit i is validator i. */
uint64_t committee_inactive(struct state_item *root, const struct genesis *genesis);

/* After the block's transactions: at a multiple of schedule_epoch_blocks write its schedule, and drop the one that no
 * block needs any more. Returns 0 or -ENOMEM. */
MUST_USE int committee_end(struct execution *execution, const struct genesis *genesis, uint64_t height);

/* Who leads the children of the block at this height whose state this is. */
void committee_schedule(struct schedule *out, struct state_item *root, const struct genesis *genesis, uint64_t height);
