/* certificate.c - certificates: judged, formed from votes and timeouts, and what they move.
 *
 * A signature that is in the tally was verified when it came and is not verified again inside a certificate; one that
 * was first seen inside a certificate goes into the tally.
 */
#include "services/consensusd/consensus_state.h"

#include <assert.h>

static bool signature_equal(const struct signature *a, const struct signature *b)
{
    return memcmp(a->bytes, b->bytes, SIGN_BYTES) == 0;
}

static bool verify(struct consensus *self, uint32_t validator, const struct signature *signature, struct span message)
{
    self->counters.signatures_verified++;
    return sign_verify(signature, &self->genesis->validators[validator].sign_key, message) == 0;
}

/* Views whose votes are kept: from a little below the current one to CONSENSUS_VIEWS_AHEAD_MAX above. */
static struct tally_view *window(struct consensus *self, uint64_t view)
{
    if (view == 0 || view > self->view + CONSENSUS_VIEWS_AHEAD_MAX)
        return NULL;
    return tally_at(self->tally, view);
}

bool certificate_vote_valid(struct consensus *self, uint32_t validator, uint64_t view, uint64_t height,
                            const struct hash *block_id, const struct signature *signature)
{
    struct tally_view *slot = window(self, view);
    struct tally_vote *vote = slot ? &slot->votes[validator] : NULL;
    bool same = vote && vote->known && vote->height == height && hash_equal(&vote->block_id, block_id);
    if (same && signature_equal(&vote->signature, signature))
        return true;
    uint8_t message[CERT_VOTE_BYTES];
    cert_vote_bytes(message, &self->genesis->chain_id, view, height, block_id);
    if (!verify(self, validator, signature, span_of(message, sizeof message)))
        return false;
    if (vote && !vote->known)
        *vote = (struct tally_vote){.known = true, .height = height, .block_id = *block_id, .signature = *signature};
    else if (vote && !same)
        evidence_of_vote(
            self, validator,
            &(struct consensus_vote){.view = view, .height = height, .block_id = *block_id, .signature = *signature},
            vote);
    return true;
}

bool certificate_timeout_valid(struct consensus *self, uint32_t validator, uint64_t view, uint64_t high_qc_view,
                               const struct signature *signature)
{
    struct tally_view *slot = window(self, view);
    struct tally_timeout *timeout = slot ? &slot->timeouts[validator] : NULL;
    if (timeout && timeout->known && timeout->high_qc_view == high_qc_view &&
        signature_equal(&timeout->signature, signature))
        return true;
    uint8_t message[CERT_TIMEOUT_BYTES];
    cert_timeout_bytes(message, &self->genesis->chain_id, view, high_qc_view);
    return verify(self, validator, signature, span_of(message, sizeof message));
}

/* Signers are distinct, sorted and known, and a quorum; each signature is over the certificate's own fields. */
bool certificate_qc_valid(struct consensus *self, const struct qc *qc)
{
    if (qc_check_form(qc, self->genesis) != 0)
        return false;
    if (qc->view == 0) {
        const struct block *root = blocktree_root(self->tree);
        return root->header.height != 0 || hash_equal(&qc->block_id, &root->id);
    }
    for (uint32_t i = 0; i < qc->signature_count; i++) {
        const struct cert_signature *each = &qc->signatures[i];
        if (!certificate_vote_valid(self, each->validator, qc->view, qc->height, &qc->block_id, &each->signature))
            return false;
    }
    return true;
}

/* Each timeout signature is over its own high_qc_view; the attached QC's view is the greatest of them. */
bool certificate_tc_valid(struct consensus *self, const struct tc *tc)
{
    if (tc_check_form(tc, self->genesis) != 0 || !certificate_qc_valid(self, &tc->high_qc))
        return false;
    for (uint32_t i = 0; i < tc->signature_count; i++) {
        const struct tc_signature *each = &tc->signatures[i];
        if (!certificate_timeout_valid(self, each->validator, tc->view, each->high_qc_view, &each->signature))
            return false;
    }
    return true;
}

/* Current view = max(highest QC view, highest TC view) + 1. */
static void enter_view(struct consensus *self, bool by_certificate)
{
    uint64_t view = self->voting.high_qc.view;
    if (self->voting.has_tc && self->voting.high_tc.view > view)
        view = self->voting.high_tc.view;
    if (view + 1 <= self->view)
        return;
    self->view = view + 1;
    pacemaker_view_entered(self, by_certificate);
}

void certificate_take_qc(struct consensus *self, const struct qc *qc)
{
    struct block *block = blocktree_find(self->tree, &qc->block_id);
    if (block && !block->has_qc && block->header.view == qc->view && block->header.height == qc->height) {
        block->has_qc = true;
        block->qc = *qc;
    }
    silence_look_at_qc(self, qc);
    /* Lock: the highest QC seen. */
    if (qc->view > self->voting.high_qc.view) {
        self->voting.high_qc = *qc;
        enter_view(self, /* by_certificate= */ true);
    }
    if (block)
        commit_consider(self, block);
}

void certificate_take_tc(struct consensus *self, const struct tc *tc)
{
    certificate_take_qc(self, &tc->high_qc);
    silence_look_at_tc(self, tc);
    if (self->voting.has_tc && tc->view <= self->voting.high_tc.view)
        return;
    self->voting.has_tc = true;
    self->voting.high_tc = *tc;
    enter_view(self, /* by_certificate= */ false);
}

void certificate_form_qc(struct consensus *self, uint64_t view, uint64_t height, const struct hash *block_id)
{
    if (view <= self->voting.high_qc.view)
        return;
    struct tally_view *slot = window(self, view);
    struct qc qc;
    if (!slot || !tally_qc(self->tally, slot, height, block_id, self->quorum, &qc))
        return;
    assert(qc_check_form(&qc, self->genesis) == 0);
    certificate_take_qc(self, &qc);
}

void certificate_form_tc(struct consensus *self, uint64_t view)
{
    if (self->voting.has_tc && view <= self->voting.high_tc.view)
        return;
    struct tally_view *slot = window(self, view);
    struct tc tc;
    if (!slot || !tally_tc(self->tally, slot, self->quorum, &tc))
        return;
    assert(tc_check_form(&tc, self->genesis) == 0);
    self->counters.timeout_certificates++;
    certificate_take_tc(self, &tc);
    struct consensus_effect *effect = consensus_effect_add(self, CONSENSUS_SEND_NEW_VIEW);
    if (effect) {
        self->new_view_tc = tc;
        effect->u.new_view = &self->new_view_tc;
    }
}
