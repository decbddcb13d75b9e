/* evidence.c - two signed statements of one validator for one view and different blocks.
 *
 * "Two signed votes, or two signed proposals, by one validator for one view and different blocks are evidence; it is
 * broadcast." The tally keeps the first vote of each validator in each view of its window; a second, different one
 * makes the proof. Two proposals are found by the votes in them, so nothing is kept of proposals; a proof that consists
 * of two is judged like any other. One proof per offender is kept and told, once by each validator: so memory and
 * messages are bounded by the number of validators. Kept proofs, and whom they have punished, come back from the shell
 * after a restart.
 */
#include "services/consensusd/consensus_state.h"

static void accuse(struct consensus *self, uint32_t offender, const struct equivocation *equivocation)
{
    struct consensus_effect *effect = consensus_effect_add(self, CONSENSUS_SEND_EVIDENCE);
    if (!effect)
        return; /* the next proof will do */
    self->accused |= UINT64_C(1) << offender;
    self->evidence[offender] = *equivocation;
    self->counters.offenders++;
    effect->u.evidence = &self->evidence[offender];
}

bool evidence_is_accused(const struct consensus *self, uint32_t validator)
{
    return self->accused >> validator & 1;
}

void evidence_of_vote(struct consensus *self, uint32_t validator, const struct consensus_vote *vote,
                      const struct tally_vote *before)
{
    if (hash_equal(&vote->block_id, &before->block_id))
        return;
    self->counters.equivocations++;
    if (evidence_is_accused(self, validator))
        return;
    struct equivocation equivocation = {
        .offender = self->genesis->validators[validator].id,
        .kind = EQUIVOCATION_VOTE,
        .view = vote->view,
        .statements = {{.block_id = before->block_id, .height = before->height, .signature = before->signature},
                       {.block_id = vote->block_id, .height = vote->height, .signature = vote->signature}},
    };
    accuse(self, validator, &equivocation);
}

void evidence_known(struct consensus *self, uint64_t validators)
{
    for (uint32_t i = 0; i < self->genesis->validator_count; i++)
        self->counters.offenders += (validators & ~self->accused) >> i & 1;
    self->accused |= validators;
}

/* Anybody may tell it: it is judged by itself, and told on once. */
void evidence_on_event(struct consensus *self, const struct consensus_event *event)
{
    const struct equivocation *equivocation = event->u.evidence;
    int offender = genesis_validator_index(self->genesis, &equivocation->offender);
    if (offender >= 0 && evidence_is_accused(self, (uint32_t)offender)) {
        self->counters.dropped_stale++;
        return;
    }
    self->counters.signatures_verified += 2;
    if (offender < 0 || equivocation_verify(equivocation, self->genesis) != 0) {
        self->counters.dropped_bad++;
        return;
    }
    accuse(self, (uint32_t)offender, equivocation);
}
