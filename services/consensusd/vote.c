/* vote.c - proposals judged, blocks executed, votes cast and counted.
 *
 * Vote for block B at most once per view; B.view > last_voted_view; B.view = current view; and either
 * B.justify_view = B.view - 1 (then no TC may be attached), or a valid TC of B.view - 1 is attached and B.justify_view
 * is at least every high_qc_view in it. The parent of B is the justified block, the attached certificate's signers are
 * justify_signers, and the block was executed here with an equal state root.
 */
#include "services/consensusd/consensus_state.h"

#include <assert.h>
#include <stdlib.h>

#include "common/base/merkle.h"

enum { ROOM_FOR_VOTE = 16 }; /* effects of a step beside those that write ancestors */

struct block *vote_insert(struct consensus *self, struct block *parent, const struct block_header *header,
                          const struct hash *id, const struct hash *tx_ids)
{
    struct block *block = NULL;
    struct block *evicted = NULL;
    if (blocktree_insert(self->tree, &block, &evicted, parent, header, id, tx_ids) < 0)
        return NULL;
    if (evicted) {
        struct consensus_effect *effect = consensus_effect_add(self, CONSENSUS_FORGET);
        if (effect)
            effect->u.forget = evicted->id;
    }
    if (header->tx_count > 0)
        self->tx_block_ms = self->now_ms;
    const struct genesis_parameters *parameters = &self->genesis->parameters;
    if (schedule_epoch(parameters, header->height) == schedule_epoch(parameters, parent->header.height))
        block->schedule = parent->schedule;
    if (parent->state == BLOCK_REFUSED)
        block->state = BLOCK_REFUSED;
    if (self->voting.high_qc.view == header->view && hash_equal(&self->voting.high_qc.block_id, id)) {
        block->has_qc = true;
        block->qc = self->voting.high_qc;
    }
    return block;
}

void vote_request_checks(struct consensus *self)
{
    for (struct block *block = blocktree_first(self->tree); block; block = block->next) {
        if (block->state != BLOCK_WAITING || !block->parent || block->parent->state != BLOCK_VALID)
            continue;
        struct consensus_effect *effect = consensus_effect_add(self, CONSENSUS_CHECK);
        if (!effect)
            return;
        block->state = BLOCK_CHECKING;
        effect->u.check =
            (struct consensus_check){.block_id = block->id, .header = block->header, .tx_ids = block->tx_ids};
    }
}

static bool may_vote(const struct consensus *self, const struct block *block)
{
    return block->voteable && block->state == BLOCK_VALID && block->header.view == self->view &&
           block->header.view > self->voting.last_voted_view;
}

/* Who votes for a block can serve it after a crash, and so all that it stands on: blocks that came by sync are written
 * before the vote, parents first. Otherwise a certified block may be left whose ancestors nobody has on disk. */
static bool store_ancestors(struct consensus *self, const struct block *block)
{
    size_t count = 0;
    for (struct block *each = block->parent; each->parent && !each->stored; each = each->parent)
        self->path[count++] = each;
    if (self->effect_count + count + ROOM_FOR_VOTE > EFFECTS_MAX)
        return false;
    while (count-- > 0)
        consensus_persist(self, self->path[count]);
    return true;
}

bool vote_cast(struct consensus *self, struct block *block)
{
    if (silence_holds(self))
        return false;
    if (!may_vote(self, block) || !store_ancestors(self, block))
        return false;
    struct consensus_voting *voting = &self->voting;
    uint8_t message[CERT_VOTE_BYTES];
    cert_vote_bytes(message, &self->genesis->chain_id, block->header.view, block->header.height, &block->id);
    sign_message(&voting->vote_signature, &self->key, span_of(message, sizeof message));
    voting->has_vote = true;
    voting->vote_view = block->header.view;
    voting->vote_height = block->header.height;
    voting->vote_block_id = block->id;
    voting->last_voted_view = block->header.view;
    consensus_persist(self, block);
    struct tally_view *slot = tally_at(self->tally, block->header.view);
    assert(slot);
    slot->votes[self->self] = (struct tally_vote){
        .known = true, .height = block->header.height, .block_id = block->id, .signature = voting->vote_signature};
    self->counters.votes_sent++;
    return true;
}

static void send_stored_vote(struct consensus *self)
{
    struct consensus_effect *effect = consensus_effect_add(self, CONSENSUS_SEND_VOTE);
    if (effect)
        effect->u.vote = (struct consensus_vote){.view = self->voting.vote_view,
                                                 .height = self->voting.vote_height,
                                                 .block_id = self->voting.vote_block_id,
                                                 .signature = self->voting.vote_signature};
}

static void vote_try(struct consensus *self, struct block *block)
{
    if (!vote_cast(self, block))
        return;
    send_stored_vote(self);
    struct hash id = block->id;
    certificate_form_qc(self, block->header.view, block->header.height, &id);
}

void vote_on_checked(struct consensus *self, const struct consensus_event *event)
{
    struct block *block = blocktree_find(self->tree, &event->u.checked.block_id);
    if (!block || block->state != BLOCK_CHECKING)
        return;
    block->state = event->u.checked.ok ? BLOCK_VALID : BLOCK_REFUSED;
    if (!event->u.checked.ok)
        return;
    if (event->u.checked.schedule.count > 0)
        block->schedule = event->u.checked.schedule;
    vote_try(self, block);
    vote_request_checks(self);
    vote_retry_held(self);
}

/* What can be judged without the parent: the proposer, and the form of what it carries. */
static bool proposal_form_valid(const struct consensus *self, uint32_t sender,
                                const struct consensus_proposal *proposal)
{
    const struct block_header *header = &proposal->header;
    if (!hash_equal(&header->chain_id, &self->genesis->chain_id) || header->view == 0 || header->height == 0)
        return false;
    if (!hash_equal(&header->proposer, &self->genesis->validators[sender].id))
        return false;
    const struct qc *justify = proposal->justify;
    return hash_equal(&header->parent_id, &justify->block_id) && header->height == justify->height + 1 &&
           header->justify_view == justify->view && header->justify_signers == qc_signers(justify) &&
           justify->view < header->view;
}

/* Either the parent's certificate is of the view before, or a TC is, and no signer of it had a higher certificate. */
static bool justified(const struct consensus_proposal *proposal)
{
    uint64_t before = proposal->header.view - 1;
    if (!proposal->tc)
        return proposal->header.justify_view == before;
    if (proposal->header.justify_view == before || proposal->tc->view != before)
        return false;
    for (uint32_t i = 0; i < proposal->tc->signature_count; i++) {
        if (proposal->tc->signatures[i].high_qc_view > proposal->header.justify_view)
            return false;
    }
    return true;
}

/* The proposal's own signature binds the attached TC to the block. */
static bool attachment_signed(struct consensus *self, uint32_t sender, const struct consensus_proposal *proposal,
                              const struct hash *id)
{
    struct hash attached = tc_hash(proposal->tc);
    uint8_t message[CERT_PROPOSAL_BYTES];
    cert_proposal_bytes(message, &self->genesis->chain_id, id, &attached);
    self->counters.signatures_verified++;
    return sign_verify(&proposal->signature, &self->genesis->validators[sender].sign_key,
                       span_of(message, sizeof message)) == 0;
}

/* "The leader's vote signs its proposal": it is over view, height and block id, and the id covers all of the header. So
 * the proposal has a signature of its own if and only if a TC is attached. */
static bool proposal_signed(struct consensus *self, uint32_t sender, const struct consensus_proposal *proposal,
                            const struct consensus_vote *vote)
{
    return certificate_vote_valid(self, sender, vote) &&
           (!proposal->tc || attachment_signed(self, sender, proposal, &vote->block_id));
}

static bool tx_list_valid(const struct consensus_proposal *proposal)
{
    uint32_t count = proposal->header.tx_count;
    if (count == 0)
        return hash_is_zero(&proposal->header.tx_root);
    struct hash *scratch = malloc(count * sizeof *scratch);
    if (!scratch)
        return false;
    struct hash root = merkle_root(proposal->tx_ids, count, scratch);
    free(scratch);
    return hash_equal(&root, &proposal->header.tx_root);
}

static void hold(struct consensus *self, uint32_t sender, const struct consensus_proposal *proposal)
{
    struct held_proposal *held = &self->held[sender];
    if (held->held && held->header.view >= proposal->header.view)
        return;
    struct hash *tx_ids = NULL;
    size_t size = proposal->header.tx_count * sizeof *tx_ids;
    if (size > 0) {
        tx_ids = malloc(size);
        if (!tx_ids)
            return;
        memcpy(tx_ids, proposal->tx_ids, size);
    }
    free(held->tx_ids);
    *held = (struct held_proposal){
        .held = true, .header = proposal->header, .tx_ids = tx_ids, .justify = *proposal->justify};
}

/* A proposal whose certificates were taken in and whose parent is here. */
static void place(struct consensus *self, const struct consensus_proposal *proposal, const struct hash *id,
                  struct block *parent)
{
    const struct block_header *header = &proposal->header;
    bool follows = parent->header.view == header->justify_view && parent->header.height + 1 == header->height &&
                   header->timestamp_ms > parent->header.timestamp_ms;
    bool early = header->timestamp_ms > self->wall_ms + self->genesis->parameters.block_future_skew_ms;
    if (!follows || early || header->tx_count > self->genesis->parameters.block_max_txs || !tx_list_valid(proposal)) {
        self->counters.dropped_bad++;
        return;
    }
    if (!parent->has_qc) {
        parent->has_qc = true;
        parent->qc = *proposal->justify;
    }
    struct block *block = vote_insert(self, parent, header, id, proposal->tx_ids);
    if (!block)
        return;
    block->voteable = true;
    commit_consider(self, parent);
    vote_request_checks(self);
    if (block->has_qc)
        commit_consider(self, block);
    certificate_form_qc(self, header->view, header->height, id);
    vote_retry_held(self);
}

/* It is signed, its certificates were taken in: put the block in the tree, if the sender leads its view. "So it is a
 * function of the proposal's own chain": until the parent and who leads its children are known, the proposal waits. */
static void judge(struct consensus *self, uint32_t sender, const struct consensus_proposal *proposal,
                  const struct hash *id)
{
    struct block *parent = blocktree_find(self->tree, &proposal->header.parent_id);
    if (!parent && proposal->header.height <= blocktree_root(self->tree)->header.height + 1) {
        self->counters.dropped_stale++;
        return;
    }
    if (!parent || parent->schedule.count == 0) {
        hold(self, sender, proposal);
        return;
    }
    if (schedule_leader(&parent->schedule, proposal->header.view) != sender) {
        self->counters.dropped_bad++;
        return;
    }
    struct block *known = blocktree_find(self->tree, id);
    if (!known) {
        place(self, proposal, id, parent);
        return;
    }
    /* A block that came by another way (sync) becomes votable by its proposal. */
    known->voteable = true;
    if (known->state == BLOCK_VALID)
        vote_try(self, known);
}

/* False when it is known that the sender does not lead the view: no signature is verified for it. */
static bool may_lead(const struct consensus *self, uint32_t sender, const struct block_header *header)
{
    const struct block *parent = blocktree_find(self->tree, &header->parent_id);
    return !parent || parent->schedule.count == 0 || schedule_leader(&parent->schedule, header->view) == sender;
}

/* Asked again in the same view: send the stored vote again. A crash between the writes of a block's ancestors and its
 * own leaves a vote without its block on disk: it never left and does not now. */
static bool is_stored_vote(const struct consensus *self, uint64_t view, const struct hash *id)
{
    const struct consensus_voting *voting = &self->voting;
    if (!voting->has_vote || voting->vote_view != view || !hash_equal(&voting->vote_block_id, id))
        return false;
    const struct block *block = blocktree_find(self->tree, id);
    return block && block->stored;
}

void vote_on_proposal(struct consensus *self, const struct consensus_event *event)
{
    const struct consensus_proposal *proposal = &event->u.proposal;
    const struct block_header *header = &proposal->header;
    struct hash id = block_id(header);
    if (header->view + TALLY_VIEWS / 4 < self->view) {
        self->counters.dropped_stale++;
        return;
    }
    if (is_stored_vote(self, header->view, &id)) {
        send_stored_vote(self);
        return;
    }
    struct consensus_vote vote = {
        .view = header->view, .height = header->height, .block_id = id, .signature = proposal->vote_signature};
    /* Signatures first: nobody but the leader makes us verify certificates. */
    if (!may_lead(self, event->sender, header) || !proposal_form_valid(self, event->sender, proposal) ||
        !justified(proposal) || !proposal_signed(self, event->sender, proposal, &vote) ||
        !certificate_qc_valid(self, proposal->justify) || (proposal->tc && !certificate_tc_valid(self, proposal->tc))) {
        self->counters.dropped_bad++;
        return;
    }
    certificate_take_qc(self, proposal->justify);
    if (proposal->tc)
        certificate_take_tc(self, proposal->tc);
    certificate_keep_vote(self, event->sender, &vote); /* its view may have been too far ahead */
    certificate_form_qc(self, header->view, header->height, &id);
    judge(self, event->sender, proposal, &id);
    catchup_hint(self, event->sender);
}

void vote_retry_held(struct consensus *self)
{
    for (uint32_t sender = 0; sender < self->genesis->validator_count; sender++) {
        struct held_proposal *held = &self->held[sender];
        const struct block *parent = held->held ? blocktree_find(self->tree, &held->header.parent_id) : NULL;
        if (!parent || parent->schedule.count == 0)
            continue;
        held->held = false;
        struct hash *tx_ids = TAKE(held->tx_ids);
        struct consensus_proposal proposal = {.header = held->header, .tx_ids = tx_ids, .justify = &held->justify};
        struct hash id = block_id(&held->header);
        judge(self, sender, &proposal, &id);
        free(tx_ids);
    }
}

void vote_on_vote(struct consensus *self, const struct consensus_event *event)
{
    const struct consensus_vote *vote = &event->u.vote;
    if (vote->view <= self->voting.high_qc.view) {
        self->counters.dropped_stale++;
        certificate_late_vote(self, event->sender, vote);
        return;
    }
    if (vote->view > self->view + CONSENSUS_VIEWS_AHEAD_MAX) {
        self->counters.dropped_ahead++;
        return;
    }
    if (!certificate_vote_valid(self, event->sender, vote)) {
        self->counters.dropped_bad++;
        return;
    }
    certificate_form_qc(self, vote->view, vote->height, &vote->block_id);
}
