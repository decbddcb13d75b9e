/* sync_blocks.c - certified blocks between validators: answering for them, and asking for what we lack.
 *
 * What comes is a run of certified blocks. Their bodies are kept before the core looks at the run, for it may want them
 * executed at once.
 */
#include <errno.h>
#include <stdlib.h>

#include "common/base/err.h"
#include "common/base/tx.h"
#include "services/consensusd/consensusd_state.h"
#include "services/consensusd/sync_check.h"

/* Answering for blocks. */

struct answer {
    struct consensus_codec_block blocks[SYNC_BLOCKS];
    struct safety_store_block stored[SYNC_BLOCKS];
    size_t count, stored_count, bytes;
};

static size_t bodies_size(const struct span *bodies, size_t count)
{
    size_t size = 512;
    for (size_t i = 0; i < count; i++)
        size += bodies[i].size + 8;
    return size;
}

static bool answer_full(const struct answer *answer, size_t limit)
{
    return answer->count >= limit || answer->bytes > SYNC_BYTES_MAX;
}

/* Committed blocks, from the store. */
static uint64_t add_stored(struct consensusd *self, struct answer *answer, uint64_t height, size_t limit)
{
    for (; height <= self->committed_height && !answer_full(answer, limit); height++) {
        struct safety_store_block *stored = &answer->stored[answer->stored_count];
        int rc = safety_store_read(self->store, height, stored);
        if (rc < 0) {
            if (rc != ERR_NOT_FOUND)
                consensusd_stop(self, rc, "read a block");
            return UINT64_MAX;
        }
        answer->stored_count++;
        if (stored->qc.signature_count == 0)
            return UINT64_MAX;
        answer->bytes += bodies_size(stored->bodies, stored->body_count);
        answer->blocks[answer->count++] = (struct consensus_codec_block){
            .header = stored->header, .qc = stored->qc, .bodies = stored->bodies, .body_count = stored->body_count};
    }
    return height;
}

/* Certified blocks above them, whose bodies are at hand. */
static void add_open(struct consensusd *self, struct answer *answer, uint64_t height, size_t limit)
{
    static struct consensus_certified open[SYNC_BLOCKS];
    size_t count = consensus_certified(self->core, height, open, SYNC_BLOCKS);
    for (size_t i = 0; i < count && !answer_full(answer, limit); i++) {
        struct hash id = block_id(&open[i].header);
        const struct block_cache_entry *entry = block_cache_find(self->cache, &id);
        if (!entry && open[i].header.tx_count > 0)
            return;
        struct consensus_codec_block *block = &answer->blocks[answer->count++];
        *block = (struct consensus_codec_block){.header = open[i].header, .qc = *open[i].qc};
        if (entry) {
            block->bodies = entry->bodies;
            block->body_count = entry->body_count;
            answer->bytes += bodies_size(entry->bodies, entry->body_count);
        }
    }
}

static void answer_request(struct consensusd *self, const struct bus_route *route,
                           const struct consensus_codec_sync *request)
{
    struct answer *answer = calloc(1, sizeof *answer);
    if (!answer)
        return;
    size_t limit = request->count_max < SYNC_BLOCKS ? request->count_max : SYNC_BLOCKS;
    uint64_t height = add_stored(self, answer, request->height_first ? request->height_first : 1, limit);
    if (height != UINT64_MAX)
        add_open(self, answer, height, limit);
    struct consensus_codec_sync response = {.request = request->request,
                                            .blocks = answer->blocks,
                                            .block_count = answer->count,
                                            .committed_height = self->committed_height,
                                            .height_lowest = safety_store_height_first(self->store)};
    uint8_t *frame = NULL;
    size_t size = 0;
    int rc = consensus_codec_encode_response(&response, &frame, &size);
    if (rc == 0)
        rc = bus_send_take(self->sync, route, &frame, size);
    if (rc == 0)
        metrics_add(self->metrics, CONSENSUSD_METRIC_SYNC_ANSWERED, answer->count);
    free(frame);
    for (size_t i = 0; i < answer->stored_count; i++)
        safety_store_block_deinit(&answer->stored[i]);
    free(answer);
}

/* At most SYNC_PER_SECOND answers to one peer. */
static bool may_answer(struct peer *peer)
{
    uint64_t second = loop_now_ms() / 1000;
    if (peer->second != second) {
        peer->second = second;
        peer->answers_in_second = 0;
    }
    return peer->answers_in_second++ < SYNC_PER_SECOND;
}

void sync_blocks_on_request(struct consensusd *self, struct peer *peer, const struct bus_route *route,
                            const struct consensus_codec_sync *request)
{
    if (!self->core || !may_answer(peer))
        self->dropped_requests++;
    else
        answer_request(self, route, request);
}

/* Asking for blocks. */

void sync_blocks_ask(struct consensusd *self, uint32_t validator, uint64_t height_first)
{
    struct peer *peer = &self->peers[validator];
    if (!peer->sync)
        return;
    uint8_t *frame = NULL;
    size_t size = 0;
    uint32_t count = sync_pace_ask(&self->pace);
    self->asked = peer;
    int rc = consensus_codec_encode_request(++peer->sync_request, height_first, count, &frame, &size);
    if (rc == 0)
        rc = bus_send_take(peer->sync, NULL, &frame, size);
    log_debug("sync.asked", "peer=%s height=%llu count=%u rc=%d", consensusd_validator_name(self, validator),
              (unsigned long long)height_first, count, rc);
    peer->sync_waiting = rc == 0;
    free(frame);
}

static int take_block(struct consensusd *self, const struct consensus_codec_block *block,
                      struct consensus_certified *out)
{
    struct hash *ids = calloc(block->body_count + 1, sizeof *ids);
    if (!ids)
        return -ENOMEM;
    for (size_t i = 0; i < block->body_count; i++)
        ids[i] = tx_id(block->bodies[i]);
    *out = (struct consensus_certified){.header = block->header, .tx_ids = ids, .qc = &block->qc};
    struct hash id = block_id(&block->header);
    /* A block that turns out not to fit is forgotten with its height. */
    int rc = block->header.height > self->committed_height
                 ? block_cache_put(self->cache, &id, block->header.height, block->bodies, block->body_count)
                 : 0;
    return rc == ERR_FULL ? 0 : rc;
}

static void take_response(struct consensusd *self, uint32_t sender, const struct consensus_codec_sync *response,
                          size_t good)
{
    struct consensus_certified *blocks = calloc(good + 1, sizeof *blocks);
    int rc = blocks ? 0 : -ENOMEM;
    size_t count = 0;
    while (rc == 0 && count < good) {
        rc = take_block(self, &response->blocks[count], &blocks[count]);
        count += rc == 0 ? 1 : 0;
    }
    if (rc == 0) {
        struct consensus_event event = {.type = CONSENSUS_SYNCED, .sender = sender};
        event.u.synced.blocks = blocks;
        event.u.synced.count = count;
        event.u.synced.height_lowest = response->height_lowest;
        consensusd_step(self, &event);
        for (size_t i = 0; i < count; i++) {
            struct hash id = block_id(&blocks[i].header);
            stages_bodies_arrived(self, &id);
        }
        metrics_add(self->metrics, CONSENSUSD_METRIC_SYNC_RECEIVED, count);
    }
    for (size_t i = 0; i < count; i++)
        free((struct hash *)(uintptr_t)blocks[i].tx_ids);
    free(blocks);
}

void sync_blocks_on_response(struct consensusd *self, struct peer *peer, const struct consensus_codec_sync *response)
{
    /* One answer per question. */
    if (!self->core || !peer->sync_waiting || response->request != peer->sync_request)
        return;
    peer->sync_waiting = false;
    if (peer == self->asked)
        sync_pace_answered(&self->pace);
    size_t good = sync_check_good(self->core, response);
    if (good < response->block_count)
        consensusd_bad_frame(self, "sync", consensusd_validator_name(self, peer->index), ERR_UNAUTHENTICATED);
    take_response(self, peer->index, response, good);
}

/* What every reachable validator has pruned can only come from another one, and the operator is told so. The core goes
 * on asking, seldom: one may come back with it. */
void sync_blocks_look(struct consensusd *self, const struct consensus_status *status)
{
    uint64_t reachable = peers_reachable(self);
    bool pruned = status->behind && reachable != 0 && (reachable & ~status->pruned_by) == 0;
    if (pruned && !self->sync_pruned)
        log_error("sync.pruned", "height=%llu peers=%d error=\"%s\" do=\"%s\"", (unsigned long long)status->sync_height,
                  __builtin_popcountll(reachable), "every validator that can be reached has pruned this block",
                  "start or connect a validator that keeps older blocks (BLOCK_RETENTION=0 or larger); "
                  "docs/operations.md, A validator that was away for too long");
    if (!pruned && self->sync_pruned)
        log_info("sync.resumed", "height=%llu", (unsigned long long)status->sync_height);
    self->sync_pruned = pruned;
    metrics_set(self->metrics, CONSENSUSD_METRIC_SYNC_PRUNED, pruned);
    admin_ready_set(self->admin, CONDITION_SYNC, !pruned,
                    pruned ? "every validator that can be reached has pruned the next block; see the log" : NULL);
}
