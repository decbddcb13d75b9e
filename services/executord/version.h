/* version.h - one executed block: its state, and until it is behind the next commit what it did.
 *
 * Pure. Ownership: a version owns a root and a queue reference, and copies of the block's bodies and receipts.
 * Threads: one owner.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "common/base/attr.h"
#include "common/base/block.h"
#include "common/base/hash.h"
#include "services/executord/execution.h"
#include "services/executord/expiry.h"
#include "services/executord/slab.h"
#include "services/executord/state.h"

/* What a block did; all loans from its version. */
struct version_content {
    uint32_t tx_count;
    const struct span *bodies;
    const struct span *receipts;
    const struct state_change *changes; /* sorted by key text */
    size_t change_count;
};

struct version {
    struct hash id;
    struct block_header header;
    struct state_item *root;
    struct expiry *expiry;
    uint64_t key_count;
    uint64_t sequence; /* order of making */
    struct version_content *content;
};

/* Make the version of an executed block; takes the result's root and expiry (only on success). Returns 0 or -ENOMEM. */
MUST_USE int version_new(struct version **out, struct slab *slab, const struct block_header *header,
                         struct execution_result *result, uint64_t parent_key_count);

/* Forget what the block did; the state stays. */
void version_forget_content(struct version *self, struct slab *slab);

/* Accepts NULL and pointer to NULL; leaves *self NULL. */
void version_destroy(struct version **self, struct slab *slab);
