/* proofs.c - what becomes of a proof of equivocation: into the store, to all validators, to mempoold, until executord
 * has the offender as inactive.
 *
 * "It is broadcast, enters a block as kind 4, and the reducer takes the validator's reputation to 0." A proof is on
 * disk before it is told, so a restart of every validator loses none. Told again and again, since a validator may be
 * away when it is told, and mempoold forgets at a restart. Who is inactive in the last durable state, executord says
 * with its height: that is the end of a proof, whoever's it was that a block has.
 */
#include <stdlib.h>

#include "common/base/err.h"
#include "services/consensusd/stages_state.h"

enum { TELL_AGAIN_MS = 5000 };

static bool is_open(const struct consensusd *self, uint32_t validator)
{
    return (self->proofs_held & ~self->inactive) >> validator & 1;
}

static void tell_core(struct consensusd *self)
{
    struct consensus_event event = {.type = CONSENSUS_ACCUSED, .u.accused = self->proofs_held | self->inactive};
    if (self->core)
        consensusd_step(self, &event);
}

/* All that no committed block has, to mempoold. */
static void hand_over(struct consensusd *self)
{
    uint8_t bytes[GENESIS_VALIDATORS_MAX][EQUIVOCATION_BODY_BYTES_MAX];
    struct span bodies[GENESIS_VALIDATORS_MAX];
    size_t count = 0;
    for (uint32_t i = 0; i < self->genesis->validator_count; i++) {
        if (!is_open(self, i))
            continue;
        bodies[count] = span_of(bytes[count], equivocation_encode(bytes[count], &self->proofs[i]));
        count++;
    }
    if (count > 0)
        pool_client_evidence(self, bodies, count);
}

static void broadcast(struct consensusd *self, uint32_t validator)
{
    struct consensus_effect effect = {.type = CONSENSUS_SEND_EVIDENCE, .u.evidence = &self->proofs[validator]};
    peers_broadcast(self, &effect);
}

int proofs_take(struct consensusd *self, const struct equivocation *proof)
{
    int offender = genesis_validator_index(self->genesis, &proof->offender);
    uint8_t body[EQUIVOCATION_BODY_BYTES_MAX];
    int rc = safety_store_put_evidence(self->store, &proof->offender, span_of(body, equivocation_encode(body, proof)));
    if (rc < 0)
        return rc;
    log_warn("validator.equivocated", "validator=%s kind=%s view=%llu",
             LOG_QUOTE_TEXT(self->genesis->validators[offender].name),
             proof->kind == EQUIVOCATION_VOTE ? "vote" : "proposal", (unsigned long long)proof->view);
    self->proofs[offender] = *proof;
    self->proofs_held |= UINT64_C(1) << offender;
    broadcast(self, (uint32_t)offender);
    hand_over(self);
    return 0;
}

static int restore(void *context, struct span body)
{
    struct consensusd *self = context;
    struct equivocation proof;
    if (equivocation_check(&proof, body, self->genesis) != 0)
        return ERR_CORRUPT;
    int offender = genesis_validator_index(self->genesis, &proof.offender);
    self->proofs[offender] = proof;
    self->proofs_held |= UINT64_C(1) << offender;
    return 0;
}

int proofs_restore(struct consensusd *self)
{
    int rc = safety_store_each_evidence(self->store, restore, self);
    if (rc == 0)
        tell_core(self);
    return rc;
}

void proofs_tick(struct consensusd *self)
{
    hand_over(self);
    uint64_t now_ms = loop_now_ms();
    if (now_ms < self->proofs_told_ms + TELL_AGAIN_MS)
        return;
    self->proofs_told_ms = now_ms;
    for (uint32_t i = 0; i < self->genesis->validator_count; i++) {
        if (is_open(self, i))
            broadcast(self, i);
    }
}

void proofs_settle(struct consensusd *self, uint64_t inactive)
{
    if ((inactive & ~self->inactive) == 0)
        return;
    for (uint32_t i = 0; i < self->genesis->validator_count; i++) {
        const struct genesis_validator *validator = &self->genesis->validators[i];
        if (!((inactive & ~self->inactive) >> i & 1))
            continue;
        log_warn("validator.inactive", "validator=%s", LOG_QUOTE_TEXT(validator->name));
        if (self->proofs_held >> i & 1 && safety_store_drop_evidence(self->store, &validator->id) < 0)
            log_warn("store.kept", "evidence=%s", LOG_QUOTE_TEXT(validator->name)); /* dropped after a restart */
    }
    self->inactive |= inactive;
    self->proofs_held &= ~inactive;
    tell_core(self);
}
