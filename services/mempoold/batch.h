/* batch.h - candidates for one block: mempool order with a fair share per producer.
 *
 * Pure. Ownership: spans are borrowed from the bodies. Threads: one owner.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "common/base/span.h"
#include "services/mempoold/bodies.h"

struct batch_request {
    uint64_t number; /* another one for every batch, above 0 */
    uint32_t tx_count_max;
    uint64_t tx_bytes_max;
};

/* Leave this transaction out of the batch of this number; before batch_take(). Unknown ids are ignored. */
void batch_exclude(struct bodies *bodies, const struct hash *id, uint64_t number);

/* Begin: before the first batch_exclude(). */
void batch_begin(struct bodies *bodies);

/* Fill out (tx_count_max places) in mempool order. Returns how many. */
size_t batch_take(struct bodies *bodies, const struct batch_request *request, struct span *out);

/* The longest waiting, oldest first; no shares, nothing excluded. */
size_t batch_take_oldest(const struct bodies *bodies, const struct batch_request *request, struct span *out);
