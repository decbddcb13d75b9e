/* propose.c - when a leader proposes, and what.
 *
 * A leader proposes as soon as it may when its pool holds something and the last block with transactions is at least
 * block_min_interval_ms old or block_target_txs wait; at once, with an empty block, while an uncommitted block holds
 * transactions or the chain does not prove yet what is final; and not at all when there is nothing to do.
 */
#include "services/consensusd/consensus_state.h"

#include <assert.h>

enum { BUILD_RETRY_MS = 20 };

enum choice { CHOICE_IDLE, CHOICE_WAIT, CHOICE_EMPTY, CHOICE_TXS };

static struct block *parent_block(const struct consensus *self)
{
    return blocktree_find(self->tree, &self->voting.high_qc.block_id);
}

uint32_t propose_inflight_txs(const struct consensus *self)
{
    uint32_t count = 0;
    for (const struct block *block = parent_block(self); block && block->parent; block = block->parent)
        count += block->header.tx_count;
    return count;
}

/* The root is final by a certified child of the next view. When the highest certificate stands on another child, who
 * did not see that one's certificate cannot know it: the chain goes on until it proves by itself what is final. */
bool propose_chain_is_open(const struct consensus *self)
{
    const struct block *block = parent_block(self), *child = NULL;
    for (; block && block->parent; block = block->parent)
        child = block;
    return child && block->header.height > 0 && child->header.view != block->header.view + 1;
}

static enum choice choose(const struct consensus *self)
{
    uint32_t inflight = propose_inflight_txs(self);
    uint32_t waiting = self->pool.tx_count > inflight ? self->pool.tx_count - inflight : 0;
    bool old_enough = self->now_ms >= self->tx_block_ms + self->block_min_interval_ms;
    if (waiting > 0 && (old_enough || waiting >= self->block_target_txs))
        return CHOICE_TXS;
    if (inflight > 0 || propose_chain_is_open(self))
        return CHOICE_EMPTY;
    return waiting > 0 ? CHOICE_WAIT : CHOICE_IDLE;
}

/* Proposing in a view is voting in it: only in a view above last_voted_view. Leader of view v, given the parent b:
 * schedule(b)[v mod length]. */
static bool may_propose(const struct consensus *self)
{
    if (self->view <= self->voting.last_voted_view || self->proposed_view == self->view || silence_holds(self))
        return false;
    const struct block *parent = parent_block(self);
    if (!parent || parent->state != BLOCK_VALID || blocktree_count(self->tree) >= CONSENSUS_BLOCKS_MAX)
        return false;
    return parent->schedule.count > 0 && schedule_leader(&parent->schedule, self->view) == self->self;
}

static size_t list_excluded(struct consensus *self, const struct block *parent)
{
    size_t count = 0;
    for (const struct block *block = parent; block->parent; block = block->parent) {
        if (block->header.tx_count > 0)
            self->excluded[count++] = block->id;
    }
    return count;
}

void propose_try(struct consensus *self)
{
    if (!may_propose(self) || self->building_view == self->view || self->now_ms < self->build_retry_ms)
        return;
    enum choice choice = choose(self);
    if (choice == CHOICE_IDLE || choice == CHOICE_WAIT)
        return;
    const struct block *parent = parent_block(self);
    struct consensus_effect *effect = consensus_effect_add(self, CONSENSUS_BUILD);
    if (!effect)
        return;
    self->building_view = self->view;
    uint64_t after_parent = parent->header.timestamp_ms + 1;
    effect->u.build = (struct consensus_build){
        .view = self->view,
        .parent_id = parent->id,
        .height = parent->header.height + 1,
        .justify_view = self->voting.high_qc.view,
        .justify_signers = qc_signers(&self->voting.high_qc),
        .timestamp_ms = self->wall_ms > after_parent ? self->wall_ms : after_parent,
        .with_txs = choice == CHOICE_TXS,
        .excluded = self->excluded,
        .excluded_count = list_excluded(self, parent),
    };
}

uint64_t propose_deadline_ms(const struct consensus *self)
{
    if (!may_propose(self) || self->building_view == self->view)
        return NEVER_MS;
    uint64_t due = NEVER_MS;
    switch (choose(self)) {
    case CHOICE_IDLE:
        return NEVER_MS;
    case CHOICE_WAIT:
        due = self->tx_block_ms + self->block_min_interval_ms;
        break;
    case CHOICE_EMPTY:
    case CHOICE_TXS:
        due = self->now_ms;
        break;
    }
    return due > self->build_retry_ms ? due : self->build_retry_ms;
}

void propose_failed(struct consensus *self, uint64_t view)
{
    if (self->building_view != view)
        return;
    self->building_view = NEVER_VIEW;
    self->build_retry_ms = self->now_ms + BUILD_RETRY_MS;
}

static void attach_tc(struct consensus *self, struct consensus_proposal *proposal, const struct hash *id)
{
    self->proposal_tc = self->voting.high_tc;
    proposal->tc = &self->proposal_tc;
    struct hash attached = tc_hash(proposal->tc);
    uint8_t message[CERT_PROPOSAL_BYTES];
    cert_proposal_bytes(message, &self->genesis->chain_id, id, &attached);
    sign_message(&proposal->signature, &self->key, span_of(message, sizeof message));
}

/* With the TC of view - 1, and a signature that binds it to the block, iff the QC's view is not view - 1. */
static void send_proposal(struct consensus *self, const struct block *block)
{
    struct consensus_effect *effect = consensus_effect_add(self, CONSENSUS_SEND_PROPOSAL);
    if (!effect)
        return;
    self->proposal_justify = self->voting.high_qc;
    struct consensus_proposal *proposal = &effect->u.proposal;
    *proposal = (struct consensus_proposal){.header = block->header,
                                            .tx_ids = block->tx_ids,
                                            .justify = &self->proposal_justify,
                                            .vote_signature = self->voting.vote_signature};
    if (block->header.justify_view + 1 != block->header.view) {
        assert(self->voting.has_tc && self->voting.high_tc.view + 1 == block->header.view);
        attach_tc(self, proposal, &block->id);
    }
    self->counters.blocks_proposed++;
}

/* Does what was built still belong on the highest certificate, in this view? */
static bool still_fits(const struct consensus *self, const struct block_header *header)
{
    return may_propose(self) && header->view == self->view && header->justify_view == self->voting.high_qc.view &&
           hash_equal(&header->parent_id, &self->voting.high_qc.block_id) &&
           header->justify_signers == qc_signers(&self->voting.high_qc) &&
           hash_equal(&header->proposer, &self->genesis->validators[self->self].id) &&
           hash_equal(&header->chain_id, &self->genesis->chain_id);
}

void propose_built(struct consensus *self, const struct consensus_event *event)
{
    const struct block_header *header = &event->u.built.header;
    if (self->building_view != event->u.built.view)
        return;
    struct block *parent = parent_block(self);
    bool useless = header->tx_count == 0 && propose_inflight_txs(self) == 0 && !propose_chain_is_open(self);
    if (!still_fits(self, header) || useless) {
        propose_failed(self, event->u.built.view);
        return;
    }
    self->building_view = NEVER_VIEW;
    struct hash id = block_id(header);
    struct block *block = blocktree_find(self->tree, &id);
    if (!block)
        block = vote_insert(self, parent, header, &id, event->u.built.tx_ids);
    if (!block)
        return;
    block->state = BLOCK_VALID;
    if (event->u.built.schedule.count > 0)
        block->schedule = event->u.built.schedule;
    block->voteable = true;
    self->proposed_view = self->view;
    if (!vote_cast(self, block))
        return;
    send_proposal(self, block);
    certificate_form_qc(self, header->view, header->height, &id);
    vote_request_checks(self);
}
