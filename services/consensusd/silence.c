/* silence.c - when a validator that could speak must not: its voting state is not the last one of its key.
 *
 * A key that votes twice in a view, or forgets its lock, can make a fork. Two things show that this may happen here:
 *
 * 1. A valid certificate has our signature for a view that we never voted or timed out in. Then another process uses
 * the key, or our store is an older copy. There is no way back in this run: the operator decides.
 * 2. The operator said that the voting state was lost, and named a view that is not below any that the key ever signed
 *    in (the floor). A certificate of that view or a later one is at least as high as every lock that was forgotten,
 * and all views above it are fresh; so from then on it is safe to speak.
 *
 * While silent it does not vote, time out or propose; it follows the chain, commits and gives heartbeats.
 */
#include "services/consensusd/consensus_state.h"

bool silence_holds(const struct consensus *self)
{
    return self->used_elsewhere_view > 0 || self->voting.high_qc.view < self->floor_view;
}

static void found(struct consensus *self, uint32_t signer, uint64_t view)
{
    if (signer == self->self && view > self->voting.last_voted_view && view > self->used_elsewhere_view)
        self->used_elsewhere_view = view;
}

void silence_look_at_qc(struct consensus *self, const struct qc *qc)
{
    for (uint32_t i = 0; i < qc->signature_count; i++)
        found(self, qc->signatures[i].validator, qc->view);
}

void silence_look_at_tc(struct consensus *self, const struct tc *tc)
{
    for (uint32_t i = 0; i < tc->signature_count; i++)
        found(self, tc->signatures[i].validator, tc->view);
}
