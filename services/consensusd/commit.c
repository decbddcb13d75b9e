/* commit.c - what is final.
 *
 * Commit: a certificate for B' whose parent B has view B'.view - 1 makes B and its ancestors final. They are handed out
 * in height order, each once it was executed here.
 */
#include "services/consensusd/consensus_state.h"

#include <assert.h>

void commit_consider(struct consensus *self, struct block *block)
{
    struct block *parent = block->parent;
    if (!block->has_qc || !parent || !parent->parent)
        return;
    if (parent->header.view + 1 != block->header.view)
        return;
    if (self->commit_target && self->commit_target->header.height >= parent->header.height)
        return;
    assert(!self->commit_target || blocktree_descends(parent, self->commit_target));
    self->commit_target = parent;
    self->commit_child = block;
    commit_deliver(self);
}

/* The blocks from the root's child to the target and its certified child, in height order. */
static size_t list_path(struct consensus *self)
{
    const struct block *root = blocktree_root(self->tree);
    size_t count = (size_t)(self->commit_child->header.height - root->header.height);
    assert(count >= 2 && count <= CONSENSUS_BLOCKS_MAX);
    struct block *block = self->commit_child;
    for (size_t i = count; i-- > 0; block = block->parent)
        self->path[i] = block;
    assert(block == root);
    return count;
}

/* Proof of path[first]: the headers up to the nearest pair of consecutive views whose second has its certificate. */
static size_t proof_end(const struct consensus *self, size_t first, size_t count)
{
    for (size_t i = first; i + 1 < count; i++) {
        if (self->path[i]->header.view + 1 == self->path[i + 1]->header.view && self->path[i + 1]->has_qc)
            return i + 1;
    }
    assert(false && "a final block has a proof");
    return count - 1;
}

static bool emit(struct consensus *self, size_t index, size_t count)
{
    size_t last = proof_end(self, index, count);
    size_t headers = last - index + 1;
    if (self->proof_header_count + headers > PROOF_HEADERS_MAX)
        return false;
    struct consensus_effect *effect = consensus_effect_add(self, CONSENSUS_COMMIT);
    if (!effect)
        return false;
    struct block_header *proof = &self->proof_headers[self->proof_header_count];
    for (size_t i = 0; i < headers; i++)
        proof[i] = self->path[index + i]->header;
    self->proof_header_count += headers;
    const struct block *block = self->path[index];
    effect->u.commit = (struct consensus_commit){.block_id = block->id,
                                                 .header = block->header,
                                                 .tx_ids = block->tx_ids,
                                                 .schedule = &block->schedule,
                                                 .qc = block->has_qc ? &block->qc : NULL,
                                                 .proof_headers = proof,
                                                 .proof_header_count = headers,
                                                 .proof_qc = &self->path[last]->qc};
    self->counters.commits++;
    uint32_t taken = block->header.tx_count;
    self->pool.tx_count = self->pool.tx_count > taken ? self->pool.tx_count - taken : 0;
    return true;
}

static void forget(struct consensus *self, const struct block *removed)
{
    /* The old root, first in the list, was committed; the others lost. */
    for (const struct block *block = removed->next; block; block = block->next) {
        struct consensus_effect *effect = consensus_effect_add(self, CONSENSUS_FORGET);
        if (!effect)
            return; /* there is room for all: see consensus.c */
        effect->u.forget = block->id;
    }
}

void commit_deliver(struct consensus *self)
{
    if (!self->commit_target)
        return;
    size_t count = list_path(self);
    size_t delivered = 0;
    while (delivered + 1 < count && delivered < CONSENSUS_COMMITS_AT_ONCE) {
        struct block *block = self->path[delivered];
        if (block->state != BLOCK_VALID || !emit(self, delivered, count))
            break;
        delivered++;
    }
    for (size_t i = 0; i < delivered; i++)
        forget(self, blocktree_advance(self->tree, self->path[i]));
    if (blocktree_root(self->tree) == self->commit_target) {
        self->commit_target = NULL;
        self->commit_child = NULL;
    }
}
