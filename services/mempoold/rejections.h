/* rejections.h - what ingestd must hear of: transactions that execution refused, told until acknowledged.
 *
 * One notice at a time is on its way, again every second; the next one follows its acknowledgement.
 *
 * Pure. Bounded: REJECTIONS_COUNT_MAX; the oldest are dropped (ingestd submits again, and is told again).
 * Threads: one owner.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/attr.h"
#include "common/base/hash.h"

enum { REJECTIONS_COUNT_MAX = 8192, REJECTIONS_NOTICE_MAX = 1024, REJECTIONS_AGAIN_MS = 1000 };

struct rejections;

struct rejections_tx {
    struct hash id;
    uint32_t reason; /* enum reason; 0: already committed */
};

struct rejections_notice {
    uint64_t sequence;
    const struct rejections_tx *txs; /* until the next call */
    size_t tx_count;
};

/* sequence: the first notice has the next one. Returns 0 or -ENOMEM. */
MUST_USE int rejections_new(struct rejections **out, uint64_t sequence);
/* Accepts NULL and pointer to NULL; leaves *self NULL. */
void rejections_destroy(struct rejections **self);

void rejections_put(struct rejections *self, const struct rejections_tx *tx);

/* An acknowledgement of another notice than the one on its way is ignored. */
void rejections_acknowledge(struct rejections *self, uint64_t sequence);

/* Is a notice to be sent now? Then *out is it. */
bool rejections_due(struct rejections *self, uint64_t now_ms, struct rejections_notice *out);

/* Dropped before they were acknowledged. */
uint64_t rejections_lost_count(const struct rejections *self);
