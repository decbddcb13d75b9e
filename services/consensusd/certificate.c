/* certificate.c - certificates: judged, formed from votes and timeouts, and what they move.
 *
 * "Verified signatures are never verified twice": a signature that is in the tally was verified when it came and is not
 * verified again inside a certificate; one that was first seen inside a certificate goes into the tally. Certificates
 * of views that the tally has no room for, those of blocks that come by sync, are remembered by the hash of all their
 * bytes, signatures included, and only after every signature was verified: so nothing else passes for one of them.
 */
#include "services/consensusd/consensus_state.h"

#include <assert.h>

#include "common/base/bytes.h"
#include "common/base/cert_codec.h"

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

/* The tally's record of this validator's vote, or NULL; *same: it is for this block at this height. */
static const struct tally_vote *recall(struct consensus *self, uint32_t validator, const struct consensus_vote *vote,
                                       bool *same)
{
    struct tally_view *slot = window(self, vote->view);
    const struct tally_vote *before = slot ? &slot->votes[validator] : NULL;
    *same = before && before->known && before->height == vote->height && hash_equal(&before->block_id, &vote->block_id);
    return before;
}

static bool vote_verify(struct consensus *self, uint32_t validator, const struct consensus_vote *vote)
{
    uint8_t message[CERT_VOTE_BYTES];
    cert_vote_bytes(message, &self->genesis->chain_id, vote->view, vote->height, &vote->block_id);
    return verify(self, validator, &vote->signature, span_of(message, sizeof message));
}

void certificate_keep_vote(struct consensus *self, uint32_t validator, const struct consensus_vote *vote)
{
    struct tally_view *slot = window(self, vote->view);
    if (slot && !slot->votes[validator].known)
        slot->votes[validator] = (struct tally_vote){
            .known = true, .height = vote->height, .block_id = vote->block_id, .signature = vote->signature};
}

/* verified: it is part of a certificate that was verified before. */
static bool take_vote(struct consensus *self, uint32_t validator, const struct consensus_vote *vote, bool verified)
{
    bool same;
    const struct tally_vote *before = recall(self, validator, vote, &same);
    if (same && signature_equal(&before->signature, &vote->signature))
        return true;
    if (!verified && !vote_verify(self, validator, vote))
        return false;
    if (before && before->known && !same)
        evidence_of_vote(self, validator, vote, before);
    certificate_keep_vote(self, validator, vote);
    return true;
}

bool certificate_vote_valid(struct consensus *self, uint32_t validator, const struct consensus_vote *vote)
{
    return take_vote(self, validator, vote, /* verified= */ false);
}

void certificate_late_vote(struct consensus *self, uint32_t validator, const struct consensus_vote *vote)
{
    bool same;
    const struct tally_vote *before = recall(self, validator, vote, &same);
    if (before && before->known && !same && !evidence_is_accused(self, validator))
        (void)take_vote(self, validator, vote, /* verified= */ false);
}

static struct consensus_vote vote_in(const struct qc *qc, uint32_t i)
{
    return (struct consensus_vote){
        .view = qc->view, .height = qc->height, .block_id = qc->block_id, .signature = qc->signatures[i].signature};
}

/* Of all bytes of the certificate. */
static struct hash fingerprint(const struct qc *qc)
{
    uint8_t bytes[CERT_CODEC_QC_BYTES_MAX];
    struct bytes_writer writer = bytes_writer_of(bytes, sizeof bytes);
    cert_codec_put_qc(&writer, qc);
    assert(!writer.failed);
    return hash_of(bytes_written(&writer));
}

static bool is_remembered(const struct consensus *self, const struct hash *id)
{
    for (size_t i = 0; i < CERTIFICATES_REMEMBERED; i++) {
        if (hash_equal(&self->verified[i], id))
            return true;
    }
    return false;
}

/* In the place of the oldest one. */
static void remember(struct consensus *self, const struct hash *id)
{
    self->verified[self->verified_next] = *id;
    self->verified_next = (self->verified_next + 1) % CERTIFICATES_REMEMBERED;
}

bool certificate_timeout_valid(struct consensus *self, uint32_t validator, uint64_t view, uint64_t high_qc_view,
                               const struct signature *signature)
{
    struct tally_view *slot = window(self, view);
    struct tally_timeout *timeout = slot ? &slot->timeouts[validator] : NULL;
    if (timeout && timeout->verified && timeout->high_qc_view == high_qc_view &&
        signature_equal(&timeout->signature, signature))
        return true;
    uint8_t message[CERT_TIMEOUT_BYTES];
    cert_timeout_bytes(message, &self->genesis->chain_id, view, high_qc_view);
    if (!verify(self, validator, signature, span_of(message, sizeof message)))
        return false;
    if (timeout && !timeout->known)
        *timeout = (struct tally_timeout){.verified = true, .high_qc_view = high_qc_view, .signature = *signature};
    return true;
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
    struct hash id = fingerprint(qc);
    bool verified = is_remembered(self, &id);
    for (uint32_t i = 0; i < qc->signature_count; i++) {
        struct consensus_vote vote = vote_in(qc, i);
        if (!take_vote(self, qc->signatures[i].validator, &vote, verified))
            return false;
    }
    if (!verified)
        remember(self, &id);
    return true;
}

bool consensus_certificate_valid(struct consensus *self, const struct qc *qc)
{
    if (qc_check_form(qc, self->genesis) != 0 || qc->view == 0)
        return false;
    struct hash id = fingerprint(qc);
    if (is_remembered(self, &id))
        return true;
    for (uint32_t i = 0; i < qc->signature_count; i++) {
        struct consensus_vote vote = vote_in(qc, i);
        uint32_t validator = qc->signatures[i].validator;
        bool same;
        const struct tally_vote *before = recall(self, validator, &vote, &same);
        if (same && signature_equal(&before->signature, &vote.signature))
            continue;
        if (!vote_verify(self, validator, &vote))
            return false;
    }
    remember(self, &id);
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
