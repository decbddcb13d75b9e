/* invariants.c - what must never happen, whatever the faults. Liars are judged by nobody.
 *
 * - No two validators commit different blocks at a height; a validator commits in height order, each with a proof that
 *   stands by itself, and each with the state root that execution gives.
 * - A validator signs one vote and one proposal per view, over all its lives; never a vote in a view that it timed out
 *   in, nor below; and its timeouts never name a lower certificate than before (the lock).
 * - What a message depends on is synced before it leaves. The synced voting state never goes back.
 * - A vote's block stands on a block that a quorum voted for, and in the view before the vote's that was it, or a
 * quorum timed out and named none that is newer; the block and its ancestors are on the voter's disk.
 * - Every certificate that a validator sends verifies.
 * - A vote goes to the leader's block, by the schedule that its chain gives.
 * - Blocks held and effects per step stay within their bounds; the clock does not spin without effect.
 */
#include <stdio.h>

#include "common/base/cert.h"
#include "tests/sim/cluster_state.h"

enum { EFFECTS_PER_STEP_MAX = 2048, IDLE_TICKS_MAX = 2000 };

void violate(struct cluster *self, const char *what, uint32_t node, uint64_t number)
{
    if (self->violation[0] == '\0')
        snprintf(self->violation, sizeof self->violation,
                 "%s: validator %" PRIu32 ", %" PRIu64 ", at %" PRIu64 " ms, seed %" PRIu64 ", %" PRIu32 " validators",
                 what, node, number, self->now_ms, self->options.seed, self->options.validator_count);
    if (self->options.trace)
        trace_note(self, node, what, number);
}

static uint32_t bits(uint64_t set)
{
    return (uint32_t)__builtin_popcountll(set);
}

/* A vote or proposal must be the first or the same again. */
static bool once_per_view(struct hash *known, uint64_t view, const struct hash *id)
{
    if (view >= VIEWS_TRACKED)
        return true;
    if (!hash_is_zero(&known[view]) && !hash_equal(&known[view], id))
        return false;
    known[view] = *id;
    return true;
}

/* Did a quorum vote for it? Liars sign anything. */
static bool certified(const struct cluster *self, const struct stored *block)
{
    uint64_t voters = block ? block->voters : 0;
    for (uint32_t i = 0; i < self->options.validator_count; i++)
        voters |= self->nodes[i].liar ? UINT64_C(1) << i : 0;
    return block && bits(voters) >= self->quorum;
}

static bool parent_certified(const struct cluster *self, const struct stored *block)
{
    return hash_equal(&block->header.parent_id, &self->genesis_id) || certified(self, block->parent);
}

/* The block's certificate is of the view before, or a quorum timed out of that view naming none that is newer. */
static bool justified(const struct cluster *self, const struct block_header *header)
{
    uint64_t before = header->view - 1;
    if (header->justify_view == before || before >= VIEWS_TRACKED)
        return true;
    uint32_t count = 0;
    for (uint32_t i = 0; i < self->options.validator_count; i++) {
        const struct node *node = &self->nodes[i];
        uint64_t named = node->history.timeouts[before];
        count += node->liar || (named > 0 && named - 1 <= header->justify_view) ? 1 : 0;
    }
    return count >= self->quorum;
}

/* Did the leader propose it, by the schedule of the block's own chain? */
static bool by_leader(const struct cluster *self, const struct block_header *header)
{
    const struct schedule *schedule = model_schedule(self, &header->parent_id);
    if (schedule->count == 0)
        return false;
    uint32_t leader = schedule_leader(schedule, header->view);
    return hash_equal(&self->genesis.validators[leader].id, &header->proposer);
}

/* A vote is cast when it is on disk: a validator that crashes between the write and the sending may send it later,
 * after a timeout in the same view even, as the network may turn the two round. */
static void cast_vote(struct cluster *self, uint32_t index, uint64_t view, const struct hash *id)
{
    struct history *history = &self->nodes[index].history;
    if (view < VIEWS_TRACKED && hash_equal(&history->votes[view], id))
        return;
    if (!once_per_view(history->votes, view, id))
        violate(self, "two votes in a view", index, view);
    if (view <= history->timeout_view_max)
        violate(self, "a vote after a timeout", index, view);
    if (view <= history->vote_view_max)
        violate(self, "a vote in an old view", index, view);
    history->vote_view_max = view;
    struct stored *block = model_find(self, id);
    if (!block || block->header.view != view) {
        violate(self, "a vote for a block that is not of its view", index, view);
        return;
    }
    /* From here on the vote may be in the validator's own certificates, sent or not. */
    block->voters |= UINT64_C(1) << index;
    if (!parent_certified(self, block))
        violate(self, "a vote on a block without certificate", index, view);
    if (!by_leader(self, &block->header))
        violate(self, "a vote for somebody who does not lead", index, view);
    if (!justified(self, &block->header))
        violate(self, "a vote on an old certificate", index, view);
    if (!hash_equal(&block->model_root, &block->header.state_root))
        violate(self, "a vote for a wrong state root", index, view);
}

static void sent_vote(struct cluster *self, uint32_t index, uint64_t view, const struct hash *id)
{
    const struct node *node = &self->nodes[index];
    const struct consensus_voting *synced = &node->disk.voting;
    if (!node->disk.has_voting || !synced->has_vote || synced->vote_view != view || synced->last_voted_view < view ||
        !hash_equal(&synced->vote_block_id, id))
        violate(self, "a vote left before it was on disk", index, view);
    cast_vote(self, index, view, id);
    if (!disk_has(self, index, model_find(self, id)))
        violate(self, "a vote left before its block was on disk", index, view);
}

static void sent_proposal(struct cluster *self, uint32_t index, const struct consensus_proposal *proposal)
{
    struct history *history = &self->nodes[index].history;
    struct hash id = block_id(&proposal->header);
    uint64_t view = proposal->header.view;
    if (!once_per_view(history->proposals, view, &id))
        violate(self, "two proposals in a view", index, view);
    if (view < history->proposal_view_max)
        violate(self, "a proposal in an old view", index, view);
    history->proposal_view_max = view;
    sent_vote(self, index, view, &id);
}

static void sent_timeout(struct cluster *self, uint32_t index, const struct consensus_timeout *timeout)
{
    struct node *node = &self->nodes[index];
    struct history *history = &node->history;
    const struct consensus_voting *synced = &node->disk.voting;
    if (timeout->view < history->vote_view_max || timeout->view < history->timeout_view_max)
        violate(self, "a timeout in an old view", index, timeout->view);
    if (timeout->high_qc->view < history->timeout_high_qc_view_max)
        violate(self, "the lock went back", index, timeout->view);
    if (!node->disk.has_voting || !synced->has_timeout || synced->timeout_view != timeout->view ||
        synced->last_voted_view < timeout->view || synced->high_qc.view < timeout->high_qc->view)
        violate(self, "a timeout left before it was on disk", index, timeout->view);
    history->timeout_view_max = timeout->view;
    history->timeout_high_qc_view_max = timeout->high_qc->view;
}

/* What an honest validator shows to others must convince them. */
static bool certificates_verify(const struct cluster *self, const struct consensus_effect *effect)
{
    const struct qc *qc = NULL;
    const struct tc *tc = NULL;
    if (effect->type == CONSENSUS_SEND_PROPOSAL) {
        qc = effect->u.proposal.justify;
        tc = effect->u.proposal.tc;
    } else if (effect->type == CONSENSUS_SEND_TIMEOUT) {
        qc = effect->u.timeout.high_qc;
    } else if (effect->type == CONSENSUS_SEND_NEW_VIEW) {
        tc = effect->u.new_view;
    } else if (effect->type == CONSENSUS_SEND_HEARTBEAT) {
        qc = effect->u.heartbeat.high_qc;
        tc = effect->u.heartbeat.high_tc;
    }
    if (qc && qc->view > 0 && !certified(self, model_find(self, &qc->block_id)))
        return false;
    return (!qc || qc_verify(qc, &self->genesis) == 0) && (!tc || tc_verify(tc, &self->genesis) == 0);
}

/* Only who lied is accused, and the proof holds. */
static void sent_evidence(struct cluster *self, uint32_t index, const struct equivocation *evidence)
{
    int offender = genesis_validator_index(&self->genesis, &evidence->offender);
    if (offender < 0 || !self->nodes[offender].liar || equivocation_verify(evidence, &self->genesis) != 0)
        violate(self, "an honest validator is accused", index, evidence->view);
    self->evidence_count++;
}

void invariants_sent(struct cluster *self, uint32_t index, const struct consensus_effect *effect)
{
    if (self->nodes[index].liar)
        return;
    if (!certificates_verify(self, effect))
        violate(self, "a message with a bad certificate", index, (uint64_t)effect->type);
    if (effect->type == CONSENSUS_SEND_EVIDENCE)
        sent_evidence(self, index, effect->u.evidence);
    if (effect->type == CONSENSUS_SEND_VOTE)
        sent_vote(self, index, effect->u.vote.view, &effect->u.vote.block_id);
    else if (effect->type == CONSENSUS_SEND_PROPOSAL)
        sent_proposal(self, index, &effect->u.proposal);
    else if (effect->type == CONSENSUS_SEND_TIMEOUT)
        sent_timeout(self, index, &effect->u.timeout);
}

void invariants_written(struct cluster *self, uint32_t index, const struct consensus_voting *voting)
{
    const struct node *node = &self->nodes[index];
    const struct consensus_voting *old = &node->disk.voting;
    if (voting->has_timeout && voting->timeout_view < VIEWS_TRACKED) {
        uint64_t *named = &node->history.timeouts[voting->timeout_view];
        *named = *named ? *named : voting->timeout_high_qc_view + 1;
    }
    if (voting->has_vote && !node->liar)
        cast_vote(self, index, voting->vote_view, &voting->vote_block_id);
    if (!node->disk.has_voting)
        return;
    if (voting->last_voted_view < old->last_voted_view)
        violate(self, "the voting state went back", index, voting->last_voted_view);
    if (voting->high_qc.view < old->high_qc.view)
        violate(self, "the lock went back on disk", index, voting->high_qc.view);
    if (old->has_tc && (!voting->has_tc || voting->high_tc.view < old->high_tc.view))
        violate(self, "the timeout certificate went back on disk", index, old->high_tc.view);
}

static void check_proof(struct cluster *self, uint32_t index, const struct consensus_commit *commit)
{
    uint8_t *bytes = must(malloc(commit->proof_header_count * BLOCK_HEADER_BYTES));
    for (size_t i = 0; i < commit->proof_header_count; i++)
        block_header_encode(bytes + i * BLOCK_HEADER_BYTES, &commit->proof_headers[i]);
    struct cert_commit_proof proof = {
        .headers = bytes, .header_count = commit->proof_header_count, .qc = *commit->proof_qc};
    struct block_header header;
    const char *why = "";
    if (cert_commit_proof_verify(&header, &proof, &self->genesis, &why) != 0 || header.height != commit->header.height)
        violate(self, "a commit without proof", index, commit->header.height);
    free(bytes);
}

void invariants_committed(struct cluster *self, uint32_t index, const struct consensus_commit *commit)
{
    const struct node *node = &self->nodes[index];
    uint64_t height = commit->header.height;
    struct hash id = block_id(&commit->header);
    if (height != node->height + 1 || !hash_equal(&commit->header.parent_id, &node->root_id) ||
        !hash_equal(&id, &commit->block_id)) {
        violate(self, "commits out of order", index, height);
        return;
    }
    if (height >= HEIGHTS_MAX) {
        violate(self, "the simulation is too long", index, height);
        return;
    }
    if (hash_is_zero(&self->final[height]))
        self->final[height] = commit->block_id;
    else if (!hash_equal(&self->final[height], &commit->block_id))
        violate(self, "a fork", index, height);
    const struct stored *block = model_block(self, &commit->header, &commit->block_id, commit->tx_ids);
    if (!hash_equal(&block->model_root, &commit->header.state_root))
        violate(self, "a committed root is wrong", index, height);
    check_proof(self, index, commit);
}

void invariants_stepped(struct cluster *self, uint32_t index, size_t effect_count)
{
    struct node *node = &self->nodes[index];
    struct consensus_status status;
    consensus_status(node->core, &status);
    if (status.committed_height != node->height)
        violate(self, "core and disk disagree about the height", index, status.committed_height);
    if (status.blocks_held > CONSENSUS_BLOCKS_MAX)
        violate(self, "too many blocks held", index, status.blocks_held);
    if (effect_count > EFFECTS_PER_STEP_MAX)
        violate(self, "too many effects in a step", index, effect_count);
    if (node->idle_ticks > IDLE_TICKS_MAX)
        violate(self, "the clock spins", index, node->idle_ticks);
}

void invariants_restarted(struct cluster *self, uint32_t index)
{
    const struct node *node = &self->nodes[index];
    struct consensus_status status;
    consensus_status(node->core, &status);
    if (!node->liar && (status.last_voted_view < node->history.vote_view_max ||
                        status.last_voted_view < node->history.timeout_view_max))
        violate(self, "a restart forgot the voting state", index, status.last_voted_view);
    if (!node->liar && status.high_qc_view < node->history.timeout_high_qc_view_max)
        violate(self, "a restart forgot the lock", index, status.high_qc_view);
}
