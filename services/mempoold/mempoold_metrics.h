/* mempoold_metrics.h - what mempoold shows of itself: metrics, /status and the answer to StatusRequest.
 *
 * Not pure: metrics and admin. Ownership: borrows all it is given; the genesis must outlive it. Threads: the loop's.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "common/base/attr.h"
#include "common/base/genesis.h"
#include "common/base/peer_meter.h"
#include "common/edge/admin.h"
#include "common/edge/metrics.h"
#include "services/mempoold/mempool.h"
#include "services/mempoold/query_codec.h"

struct mempoold_metrics;

/* The arrows, as labels of bad frames. */
enum mempoold_arrow {
    MEMPOOLD_ADMISSION,
    MEMPOOLD_POOL,
    MEMPOOLD_GOSSIP,
    MEMPOOLD_QUERY,
    MEMPOOLD_ARROW_COUNT,
};

MUST_USE int mempoold_metrics_new(struct mempoold_metrics **out, const struct genesis *genesis);
/* Accepts NULL and pointer to NULL; leaves *self NULL. */
void mempoold_metrics_destroy(struct mempoold_metrics **self);

const struct metrics *mempoold_metrics_table(const struct mempoold_metrics *self);
const char *mempoold_metrics_arrow(enum mempoold_arrow arrow);

void mempoold_metrics_bad_frame(struct mempoold_metrics *self, enum mempoold_arrow arrow);

/* Copy what one other validator sent. */
void mempoold_metrics_peer(struct mempoold_metrics *self, uint32_t index, const struct peer_meter *meter);

/* Copy the pool's counters. */
void mempoold_metrics_update(struct mempoold_metrics *self, const struct mempool *pool, uint64_t now_ms);

/* Fill at most QUERY_CODEC_ITEM_COUNT_MAX items; returns how many. */
size_t mempoold_metrics_status(const struct mempool *pool, uint64_t now_ms, uint64_t epoch,
                               struct query_codec_item items[static QUERY_CODEC_ITEM_COUNT_MAX]);
