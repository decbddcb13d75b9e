/* handover.c - committed blocks go to executord in height order.
 *
 * executord is away, resuming or live. Whenever its epoch is new, it is told the committed blocks above its durable
 * height, with bodies, a window at a time; then the core asks its checks again. A live one is told as blocks are
 * committed: those with transactions at once, those without with the next one that has some, or every RESEND_MS,
 * because nobody waits for them and each write costs it and persistd as much as one of a full block.
 */
#include <stdlib.h>

#include "common/base/err.h"
#include "services/consensusd/stages_state.h"

void handover_drop_held(struct consensusd *self)
{
    while (self->held_count > 0)
        free(self->held[--self->held_count].proof);
}

/* Those held, then this one; its proof is freed. */
static void send_with_held(struct consensusd *self, const struct handover_block *block)
{
    execution_client_commit(self, block, (struct execution_client_bodies){.count = 0});
    handover_drop_held(self);
    free(block->proof);
}

void handover_tick(struct consensusd *self)
{
    if (self->held_count == 0)
        return;
    struct handover_block last = self->held[--self->held_count];
    send_with_held(self, &last);
}

void handover_commit(struct consensusd *self, const struct consensus_commit *commit)
{
    struct block_cache_entry *entry = block_cache_find(self->cache, &commit->block_id);
    static const struct span none[1];
    const struct span *bodies = entry && entry->stored ? NULL : entry ? entry->bodies : none;
    size_t body_count = entry ? entry->body_count : 0;
    int rc = body_count == commit->header.tx_count ? safety_store_commit(self->store, commit, bodies, body_count)
                                                   : ERR_NOT_FOUND; /* it was executed, so its bodies were here */
    if (rc < 0) {
        consensusd_stop(self, rc, "store a committed block");
        return;
    }
    self->committed_height = commit->header.height;
    if (commit->header.tx_count > 0)
        pool_client_finalized(self, commit);
    if (self->executor != EXECUTOR_LIVE)
        return;
    struct handover_block block = {.header = commit->header};
    rc = consensus_codec_encode_proof(commit->proof_headers, commit->proof_header_count, commit->proof_qc, &block.proof,
                                      &block.proof_size);
    if (rc < 0) {
        consensusd_stop(self, rc, "encode a commit proof");
        return;
    }
    if (block.header.tx_count == 0 && self->held_count < HANDOVER_HELD_MAX)
        self->held[self->held_count++] = block;
    else
        send_with_held(self, &block);
}

static void send_stored(struct consensusd *self, uint64_t height)
{
    struct safety_store_block block;
    int rc = safety_store_read(self->store, height, &block);
    if (rc < 0) {
        consensusd_stop(self, rc, "read a committed block");
        return;
    }
    struct handover_block told = {.header = block.header};
    rc = consensus_codec_encode_proof(block.proof_headers, block.proof_header_count, &block.proof_qc, &told.proof,
                                      &told.proof_size);
    if (rc == 0)
        execution_client_commit(self, &told,
                                (struct execution_client_bodies){.items = block.bodies, .count = block.body_count});
    free(told.proof);
    safety_store_block_deinit(&block);
}

/* Committed blocks that executord does not have, a window at a time; then it is live. */
void handover_continue(struct consensusd *self)
{
    while (self->resume_sent < self->committed_height && self->resume_sent < self->executor_height + RESUME_WINDOW &&
           self->failure == 0)
        send_stored(self, ++self->resume_sent);
    if (self->executor_height < self->committed_height)
        return;
    self->executor = EXECUTOR_LIVE;
    log_info("executor.live", "height=%llu", (unsigned long long)self->executor_height);
    stages_end_jobs(self, JOB_CHECK);
    stages_end_jobs(self, JOB_BUILD);
    struct consensus_event event = {.type = CONSENSUS_EXECUTOR_RESET};
    consensusd_step(self, &event);
}

/* executord stands below what is kept here: its store is new, or an older copy. It stays without blocks. */
static bool is_pruned(struct consensusd *self, uint64_t height)
{
    uint64_t first = safety_store_height_first(self->store);
    bool pruned = first > 0 && height + 1 < first;
    if (pruned && !self->executor_pruned)
        log_error("executor.pruned", "its_height=%llu lowest=%llu error=\"%s\" do=\"%s\"", (unsigned long long)height,
                  (unsigned long long)first, "executord lacks blocks that were pruned here",
                  "give executord its store back, or one of another validator that is not below; docs/operations.md, "
                  "A validator that was away for too long");
    self->executor_pruned = pruned;
    return pruned;
}

void handover_begin(struct consensusd *self, uint64_t height)
{
    handover_drop_held(self); /* they are in the store */
    self->executor = EXECUTOR_RESUMING;
    self->executor_height = height;
    self->resume_sent = height;
    self->resume_ms = loop_now_ms();
    if (self->core && !is_pruned(self, height))
        handover_continue(self);
}
