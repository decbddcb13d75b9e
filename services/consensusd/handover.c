/* handover.c - committed blocks go to executord in height order.
 *
 * executord is away, resuming or live. Whenever its epoch is new, it is told the committed blocks above its durable
 * height, with bodies, a window at a time; then the core asks its checks again.
 */
#include <stdlib.h>

#include "common/base/err.h"
#include "services/consensusd/stages_state.h"

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
    pool_client_finalized(self, commit);
    if (self->executor != EXECUTOR_LIVE)
        return;
    uint8_t *proof = NULL;
    size_t size = 0;
    rc = consensus_codec_encode_proof(commit->proof_headers, commit->proof_header_count, commit->proof_qc, &proof,
                                      &size);
    if (rc < 0) {
        consensusd_stop(self, rc, "encode a commit proof");
        return;
    }
    execution_client_commit(self, &commit->header, span_of(proof, size), NULL, 0);
    free(proof);
}

static void send_stored(struct consensusd *self, uint64_t height)
{
    struct safety_store_block block;
    int rc = safety_store_read(self->store, height, &block);
    if (rc < 0) {
        consensusd_stop(self, rc, "read a committed block");
        return;
    }
    uint8_t *proof = NULL;
    size_t size = 0;
    rc = consensus_codec_encode_proof(block.proof_headers, block.proof_header_count, &block.proof_qc, &proof, &size);
    if (rc == 0)
        execution_client_commit(self, &block.header, span_of(proof, size), block.bodies, block.body_count);
    free(proof);
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
    self->executor = EXECUTOR_RESUMING;
    self->executor_height = height;
    self->resume_sent = height;
    self->resume_ms = loop_now_ms();
    if (self->core && !is_pruned(self, height))
        handover_continue(self);
}
