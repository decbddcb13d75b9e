/* mempoold_metrics.c - the table; counters are copied from the core, which keeps them. */
#include "services/mempoold/mempoold_metrics.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum metric_index {
    POOL_TXS,
    POOL_BYTES,
    HELD_TXS,
    HELD_BYTES,
    PROOFS,
    RECENT_TXS,
    RECENT_BYTES,
    OLDEST_AGE,
    VERDICTS,
    FINALIZED,
    DROPPED,
    EXPIRED,
    RESOLVED,
    RESOLVES_GIVEN_UP,
    FETCHES,
    FETCH_MISSES,
    FETCHED,
    GARBAGE,
    PEER_FRAMES,
    PEER_BYTES,
    PEER_ANSWERED,
    PEER_LIMITED,
    PEER_BAD,
    REJECTED_LOST,
    BAD_REQUESTS,
    BAD_FRAMES,
    METRIC_INDEX_COUNT,
};

enum { VERDICT_LABEL_COUNT = MEMPOOL_VERDICT_COUNT - 1 }; /* the first verdict is 1 */

static const char *const verdict_names[VERDICT_LABEL_COUNT] = {
    [MEMPOOL_VERDICT_POOLED - 1] = "pooled", [MEMPOOL_VERDICT_DUPLICATE - 1] = "duplicate",
    [MEMPOOL_VERDICT_FULL - 1] = "full",     [MEMPOOL_VERDICT_RATE - 1] = "rate",
    [MEMPOOL_VERDICT_BAD - 1] = "bad",
};

static const char *const reason_names[REASON_COUNT] = {[REASON_NONE] = "COMMITTED",
#define REASON_NAME(name) [REASON_##name] = #name,
                                                       REASON_LIST(REASON_NAME)
#undef REASON_NAME
};

static const char *const arrow_names[MEMPOOLD_ARROW_COUNT] = {
    [MEMPOOLD_ADMISSION] = "admission",
    [MEMPOOLD_POOL] = "pool",
    [MEMPOOLD_GOSSIP] = "gossip",
    [MEMPOOLD_QUERY] = "query",
};

#define NAME(text) "cybermesh_mempoold_" text

static const struct metric metric_table[METRIC_INDEX_COUNT] = {
    [POOL_TXS] = {.name = NAME("pool_txs"),
                  .kind = METRIC_GAUGE,
                  .help = "Transactions that wait, within the pool's limits."},
    [POOL_BYTES] = {.name = NAME("pool_bytes"), .kind = METRIC_GAUGE, .help = "Bytes of these."},
    [HELD_TXS] = {.name = NAME("held_txs"),
                  .kind = METRIC_GAUGE,
                  .help = "Transactions fetched for proposed blocks, outside the limits."},
    [HELD_BYTES] = {.name = NAME("held_bytes"), .kind = METRIC_GAUGE, .help = "Bytes of these."},
    [PROOFS] = {.name = NAME("validator_evidence"),
                .kind = METRIC_GAUGE,
                .help = "Proofs of equivocation that wait, outside the limits."},
    [RECENT_TXS] = {.name = NAME("recent_txs"),
                    .kind = METRIC_GAUGE,
                    .help = "Finalized transactions kept for other validators."},
    [RECENT_BYTES] = {.name = NAME("recent_bytes"), .kind = METRIC_GAUGE, .help = "Bytes of these."},
    [OLDEST_AGE] = {.name = NAME("oldest_age_seconds"),
                    .kind = METRIC_GAUGE,
                    .scale = 1000,
                    .help = "Age of the transaction that waits longest."},
    [VERDICTS] = {.name = NAME("verdicts_total"),
                  .kind = METRIC_COUNTER,
                  .label = "verdict",
                  .label_values = verdict_names,
                  .label_count = VERDICT_LABEL_COUNT,
                  .help = "Submitted transactions by verdict; pooled ones are admitted."},
    [FINALIZED] = {.name = NAME("finalized_total"),
                   .kind = METRIC_COUNTER,
                   .help = "Transactions that waited here and were committed."},
    [DROPPED] = {.name = NAME("dropped_total"),
                 .kind = METRIC_COUNTER,
                 .label = "reason",
                 .label_values = reason_names,
                 .label_count = REASON_COUNT,
                 .help = "Transactions that waited here and were refused by execution."},
    [EXPIRED] = {.name = NAME("expired_total"),
                 .kind = METRIC_COUNTER,
                 .help = "Transactions that waited longer than MEMPOOL_NONCE_TTL."},
    [RESOLVED] = {.name = NAME("resolved_total"), .kind = METRIC_COUNTER, .help = "Blocks whose bodies were given."},
    [RESOLVES_GIVEN_UP] = {.name = NAME("resolves_given_up_total"),
                           .kind = METRIC_COUNTER,
                           .help = "Blocks whose bodies were not all found in time."},
    [FETCHES] = {.name = NAME("fetches_total"),
                 .kind = METRIC_COUNTER,
                 .help = "Questions for missing transactions to other validators."},
    [FETCH_MISSES] = {.name = NAME("fetch_misses_total"),
                      .kind = METRIC_COUNTER,
                      .help = "Answers to them with nothing that was missing."},
    [FETCHED] = {.name = NAME("fetched_total"),
                 .kind = METRIC_COUNTER,
                 .help = "Transactions fetched from other validators and verified."},
    [GARBAGE] = {.name = NAME("garbage_total"),
                 .kind = METRIC_COUNTER,
                 .label = "validator",
                 .help = "Bodies from this validator that nobody asked for or that are not valid."},
    [PEER_FRAMES] = {.name = NAME("peer_frames_received_total"),
                     .kind = METRIC_COUNTER,
                     .label = "validator",
                     .help = "Frames of that validator's mempool, dropped ones too."},
    [PEER_BYTES] = {.name = NAME("peer_bytes_received_total"),
                    .kind = METRIC_COUNTER,
                    .label = "validator",
                    .help = "Bytes of those frames."},
    [PEER_ANSWERED] = {.name = NAME("peer_bytes_answered_total"),
                       .kind = METRIC_COUNTER,
                       .label = "validator",
                       .help = "Bytes of the answers to its questions."},
    [PEER_LIMITED] = {.name = NAME("peer_frames_limited_total"),
                      .kind = METRIC_COUNTER,
                      .label = "validator",
                      .help = "Frames of that validator dropped because it sends or asks for too much."},
    [PEER_BAD] = {.name = NAME("peer_frames_bad_total"),
                  .kind = METRIC_COUNTER,
                  .label = "validator",
                  .help = "Frames of that validator dropped because they are not what they should be."},
    [REJECTED_LOST] = {.name = NAME("rejected_notices_lost_total"),
                       .kind = METRIC_COUNTER,
                       .help = "Rejections dropped before ingestd acknowledged them."},
    [BAD_REQUESTS] = {.name = NAME("bad_requests_total"),
                      .kind = METRIC_COUNTER,
                      .help = "Blocks above the limits, or that there was no memory for."},
    [BAD_FRAMES] = {.name = NAME("bad_frames_total"),
                    .kind = METRIC_COUNTER,
                    .label = "arrow",
                    .label_values = arrow_names,
                    .label_count = MEMPOOLD_ARROW_COUNT,
                    .help = "Frames that could not be read."},
};

struct mempoold_metrics {
    struct metric table[METRIC_INDEX_COUNT]; /* the one above and the validators' names */
    const char *validator_names[GENESIS_VALIDATORS_MAX];
    uint32_t validator_count;
    struct metrics *metrics;
};

int mempoold_metrics_new(struct mempoold_metrics **out, const struct genesis *genesis)
{
    CLEANUP(mempoold_metrics_destroy) struct mempoold_metrics *self = calloc(1, sizeof *self);
    if (!self)
        return -ENOMEM;
    memcpy(self->table, metric_table, sizeof metric_table);
    self->validator_count = genesis->validator_count;
    for (uint32_t i = 0; i < genesis->validator_count; i++)
        self->validator_names[i] = genesis->validators[i].name;
    for (size_t i = GARBAGE; i <= PEER_BAD; i++) {
        self->table[i].label_values = self->validator_names;
        self->table[i].label_count = genesis->validator_count;
    }
    int rc = metrics_new(&self->metrics, self->table, METRIC_INDEX_COUNT);
    if (rc < 0)
        return rc;
    *out = TAKE(self);
    return 0;
}

void mempoold_metrics_destroy(struct mempoold_metrics **self)
{
    if (!self || !*self)
        return;
    metrics_destroy(&(*self)->metrics);
    free(*self);
    *self = NULL;
}

const struct metrics *mempoold_metrics_table(const struct mempoold_metrics *self)
{
    return self->metrics;
}

const char *mempoold_metrics_arrow(enum mempoold_arrow arrow)
{
    assert(arrow < MEMPOOLD_ARROW_COUNT);
    return arrow_names[arrow];
}

void mempoold_metrics_bad_frame(struct mempoold_metrics *self, enum mempoold_arrow arrow)
{
    metrics_add_at(self->metrics, BAD_FRAMES, arrow, 1);
}

static void set(struct mempoold_metrics *self, enum metric_index index, size_t label, uint64_t value)
{
    metrics_set_at(self->metrics, index, label, (int64_t)value);
}

void mempoold_metrics_peer(struct mempoold_metrics *self, uint32_t index, const struct peer_meter *meter)
{
    set(self, PEER_FRAMES, index, meter->received_count);
    set(self, PEER_BYTES, index, meter->received_bytes);
    set(self, PEER_ANSWERED, index, meter->answered_bytes);
    set(self, PEER_LIMITED, index, meter->limited_count);
    set(self, PEER_BAD, index, meter->bad_count);
}

static void update_gauges(struct mempoold_metrics *self, const struct mempool *pool, uint64_t now_ms)
{
    struct bodies_usage usage = mempool_usage(pool);
    set(self, POOL_TXS, 0, usage.pooled_count);
    set(self, POOL_BYTES, 0, usage.pooled_bytes);
    set(self, HELD_TXS, 0, usage.held_count);
    set(self, HELD_BYTES, 0, usage.held_bytes);
    set(self, PROOFS, 0, usage.proof_count);
    set(self, RECENT_TXS, 0, usage.recent_count);
    set(self, RECENT_BYTES, 0, usage.recent_bytes);
    set(self, OLDEST_AGE, 0, mempool_pending(pool, now_ms).oldest_age_ms);
}

void mempoold_metrics_update(struct mempoold_metrics *self, const struct mempool *pool, uint64_t now_ms)
{
    struct mempool_counters counters = mempool_counters(pool);
    struct blocks_counters blocks = mempool_blocks_counters(pool);
    update_gauges(self, pool, now_ms);
    for (size_t i = 0; i < VERDICT_LABEL_COUNT; i++)
        set(self, VERDICTS, i, counters.verdicts[i + 1]);
    for (size_t i = 0; i < REASON_COUNT; i++)
        set(self, DROPPED, i, counters.dropped[i]);
    for (size_t i = 0; i < self->validator_count; i++)
        set(self, GARBAGE, i, counters.garbage[i]);
    set(self, FINALIZED, 0, counters.finalized);
    set(self, EXPIRED, 0, counters.expired);
    set(self, RESOLVED, 0, counters.resolved);
    set(self, FETCHED, 0, counters.fetched);
    set(self, REJECTED_LOST, 0, counters.rejected_lost);
    set(self, BAD_REQUESTS, 0, counters.bad_requests);
    set(self, RESOLVES_GIVEN_UP, 0, blocks.given_up);
    set(self, FETCHES, 0, blocks.fetches);
    set(self, FETCH_MISSES, 0, blocks.misses);
}

size_t mempoold_metrics_status(const struct mempool *pool, uint64_t now_ms, uint64_t epoch,
                               struct query_codec_item items[static QUERY_CODEC_ITEM_COUNT_MAX])
{
    struct mempool_pending pending = mempool_pending(pool, now_ms);
    size_t count = 0;
    items[count++] = (struct query_codec_item){.name = "pool_txs", .value = pending.tx_count};
    items[count++] = (struct query_codec_item){.name = "pool_bytes", .value = pending.tx_bytes};
    items[count++] = (struct query_codec_item){.name = "oldest_age_ms", .value = pending.oldest_age_ms};
    items[count++] = (struct query_codec_item){.name = "epoch", .value = epoch};
    assert(count <= QUERY_CODEC_ITEM_COUNT_MAX);
    return count;
}
