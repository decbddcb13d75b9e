/* catchup.c - asking for blocks that we lack.
 *
 * A validator is behind while the block of its highest certificate is not here, or is here and not executed for long.
 * It asks the validator that showed the certificate, then another at each retry, 200 ms x 2^k. What comes is a run of
 * certified blocks; each certificate is verified and the ordinary commit rule decides: nobody's word is taken.
 *
 * Where answers take long, k stays where one came in time, and falls while they come early: who began at 200 ms after
 * every answer would drop each later one for being late. What an answer brought is not asked for again, unless the next
 * one does not fit it (it may be of another fork).
 */
#include "services/consensusd/consensus_state.h"

#include <stdlib.h>

#include "common/base/merkle.h"

enum {
    UNKNOWN_PATIENCE_MS = 200,     /* a proposal may be on its way */
    UNEXECUTED_PATIENCE_MS = 1000, /* its bodies may be */
    ATTEMPTS_SHIFT_MAX = 6,
};

static uint64_t patience_ms(const struct consensus *self)
{
    const struct block *block = blocktree_find(self->tree, &self->voting.high_qc.block_id);
    return block ? UNEXECUTED_PATIENCE_MS : UNKNOWN_PATIENCE_MS;
}

static bool is_behind(const struct consensus *self)
{
    if (self->voting.high_qc.height <= blocktree_root(self->tree)->header.height)
        return false;
    const struct block *block = blocktree_find(self->tree, &self->voting.high_qc.block_id);
    return !block || (block->state != BLOCK_VALID && block->state != BLOCK_REFUSED);
}

void catchup_hint(struct consensus *self, uint32_t sender)
{
    if (self->sync_attempts == 0)
        self->sync_peer = sender;
}

uint64_t catchup_height(const struct consensus *self)
{
    uint64_t above_root = blocktree_root(self->tree)->header.height + 1;
    return self->sync_height > above_root ? self->sync_height : above_root;
}

uint64_t catchup_pruned_by(const struct consensus *self)
{
    uint64_t height = catchup_height(self);
    uint64_t pruned = 0;
    for (uint32_t i = 0; i < self->genesis->validator_count; i++) {
        if (self->lowest[i] > height)
            pruned |= UINT64_C(1) << i;
    }
    return pruned;
}

/* One by chance of those that may have the next height; when all others say that they pruned it, one of all: a store
 * may have been brought back. Who lies about its lowest height is only asked less. */
static void next_peer(struct consensus *self)
{
    self->random = self->random * 6364136223846793005u + 1442695040888963407u;
    uint32_t count = self->genesis->validator_count;
    if (count < 2)
        return;
    uint64_t pruned = catchup_pruned_by(self);
    uint32_t step = 1 + (uint32_t)((self->random >> 33) % (count - 1));
    self->sync_peer = (self->self + step) % count;
    for (uint32_t i = 0; i < count && (pruned >> self->sync_peer & 1 || self->sync_peer == self->self); i++)
        self->sync_peer = (self->sync_peer + 1) % count;
    if (self->sync_peer == self->self || pruned >> self->sync_peer & 1)
        self->sync_peer = (self->self + step) % count;
}

static uint64_t retry_ms(uint32_t attempts)
{
    return (uint64_t)CONSENSUS_SYNC_RETRY_MS << (attempts < ATTEMPTS_SHIFT_MAX ? attempts : ATTEMPTS_SHIFT_MAX);
}

/* So that the next question has the patience of the one that was answered now, or half of it when the answer came
 * within a quarter of it. */
static uint32_t attempts_after_answer(const struct consensus *self)
{
    uint32_t last = self->sync_attempts - 1;
    if (last > ATTEMPTS_SHIFT_MAX)
        last = ATTEMPTS_SHIFT_MAX;
    uint64_t left_ms = self->sync_retry_ms > self->now_ms ? self->sync_retry_ms - self->now_ms : 0;
    bool early = left_ms > retry_ms(last) / 4 * 3;
    return early && last > 0 ? last - 1 : last;
}

static void request(struct consensus *self)
{
    if (self->sync_peer == self->self)
        next_peer(self);
    if (self->sync_peer == self->self)
        return;
    struct consensus_effect *effect = consensus_effect_add(self, CONSENSUS_SYNC);
    if (!effect)
        return;
    self->sync_height = catchup_height(self);
    self->sync_held = false;
    effect->u.sync.peer = self->sync_peer;
    effect->u.sync.height_first = self->sync_height;
    self->sync_retry_ms = self->now_ms + retry_ms(self->sync_attempts);
    self->sync_attempts++;
}

/* The executor sets the pace: so many blocks wait for it, at most, when more are asked for. They are work for the time
 * that the answer takes. */
static bool has_room(const struct consensus *self)
{
    return blocktree_count(self->tree) < CONSENSUS_BLOCKS_MAX / 2;
}

void catchup_tick(struct consensus *self)
{
    if (!is_behind(self)) {
        self->behind_since_ms = NEVER_MS;
        self->sync_attempts = 0;
        self->sync_height = 0;
        self->sync_held = false;
        return;
    }
    if (self->behind_since_ms == NEVER_MS) {
        self->behind_since_ms = self->now_ms;
        self->sync_retry_ms = self->now_ms + patience_ms(self);
        return;
    }
    if (self->sync_held && has_room(self)) {
        request(self);
        return;
    }
    if (self->now_ms < self->sync_retry_ms)
        return;
    /* A request bore no fruit: another validator is asked. */
    if (self->sync_attempts > 0)
        next_peer(self);
    request(self);
}

uint64_t catchup_deadline_ms(const struct consensus *self)
{
    if (!is_behind(self))
        return NEVER_MS;
    return self->behind_since_ms == NEVER_MS ? self->now_ms : self->sync_retry_ms;
}

static bool tx_list_matches(const struct consensus_certified *block)
{
    uint32_t count = block->header.tx_count;
    if (count == 0)
        return hash_is_zero(&block->header.tx_root);
    struct hash *scratch = malloc(count * sizeof *scratch);
    if (!scratch)
        return false;
    struct hash root = merkle_root(block->tx_ids, count, scratch);
    free(scratch);
    return hash_equal(&root, &block->header.tx_root);
}

/* Put one block under its parent. Returns false when the run cannot go on. */
static bool take(struct consensus *self, const struct consensus_certified *certified)
{
    const struct block_header *header = &certified->header;
    if (header->height <= blocktree_root(self->tree)->header.height)
        return true;
    struct hash id = block_id(header);
    struct block *block = blocktree_find(self->tree, &id);
    if (!block) {
        struct block *parent = blocktree_find(self->tree, &header->parent_id);
        bool fits = parent && hash_equal(&header->chain_id, &self->genesis->chain_id) &&
                    parent->header.height + 1 == header->height && parent->header.view == header->justify_view &&
                    parent->header.view < header->view && tx_list_matches(certified);
        if (!fits) {
            self->counters.dropped_unlinked++;
            return false;
        }
        block = vote_insert(self, parent, header, &id, certified->tx_ids);
        if (!block)
            return false;
    }
    vote_request_checks(self);
    if (certified->qc)
        certificate_take_qc(self, certified->qc);
    if (block->has_qc)
        commit_consider(self, block);
    return true;
}

/* The peer has what was asked for no more: another is asked at once, unless all others say the same. Each says so once
 * for a height, so this ends; then it is the retry's turn. */
static void ask_elsewhere(struct consensus *self, uint64_t height_lowest)
{
    bool known = self->lowest[self->sync_peer] > catchup_height(self);
    self->lowest[self->sync_peer] = height_lowest;
    next_peer(self);
    if (known || self->lowest[self->sync_peer] > catchup_height(self))
        return;
    self->sync_attempts--; /* it answered */
    request(self);
}

/* A block that was committed, or has its certificate here: what comes with it is neither verified nor used. */
static bool has_certificate(const struct consensus *self, const struct consensus_certified *certified,
                            const struct hash *id)
{
    const struct block *block = blocktree_find(self->tree, id);
    return block ? block->has_qc : certified->header.height <= blocktree_root(self->tree)->header.height;
}

void catchup_on_synced(struct consensus *self, const struct consensus_event *event)
{
    if (event->sender != self->sync_peer || self->sync_attempts == 0)
        return;
    if (event->u.synced.count == 0 && event->u.synced.height_lowest > catchup_height(self)) {
        ask_elsewhere(self, event->u.synced.height_lowest);
        return;
    }
    self->lowest[event->sender] = event->u.synced.height_lowest;
    size_t taken = 0;
    for (; taken < event->u.synced.count && taken < CONSENSUS_SYNCED_MAX; taken++) {
        const struct consensus_certified *each = &event->u.synced.blocks[taken];
        struct hash id = block_id(&each->header);
        bool own_certificate = each->qc && each->qc->view == each->header.view && each->qc->view > 0 &&
                               each->qc->height == each->header.height && hash_equal(&each->qc->block_id, &id);
        if (own_certificate && has_certificate(self, each, &id))
            continue;
        if (!own_certificate || !certificate_qc_valid(self, each->qc)) {
            self->counters.dropped_bad++;
            break;
        }
        if (!take(self, each))
            break;
    }
    vote_retry_held(self);
    if (taken == 0)
        self->sync_height = 0; /* it does not fit what is here: begin again above the root, at the next retry */
    if (taken == 0 || !is_behind(self))
        return;
    self->sync_height = event->u.synced.blocks[taken - 1].header.height + 1;
    self->sync_attempts = attempts_after_answer(self);
    bool more = self->sync_height <= self->voting.high_qc.height;
    if (more && has_room(self)) {
        request(self);
    } else {
        self->sync_held = more;
        self->sync_retry_ms = self->now_ms + UNEXECUTED_PATIENCE_MS;
    }
    if (self->sync_attempts == 0)
        self->sync_attempts = 1;
}

void catchup_on_restored(struct consensus *self, const struct consensus_certified *block)
{
    const struct qc *certificates[] = {block->justify, block->qc};
    for (size_t i = 0; i < ARRAY_COUNT(certificates); i++) {
        if (certificates[i] && !certificate_qc_valid(self, certificates[i]))
            return;
    }
    if (block->justify)
        certificate_take_qc(self, block->justify);
    (void)take(self, block);
    struct hash id = block_id(&block->header);
    struct block *restored = blocktree_find(self->tree, &id);
    if (restored)
        restored->stored = true;
}
