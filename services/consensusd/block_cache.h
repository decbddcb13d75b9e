/* block_cache.h - the bodies of blocks in flight, by block id.
 *
 * Pure but for memory. Ownership: owns copies of the bodies. Threads: one owner.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/attr.h"
#include "common/base/block.h"
#include "common/base/hash.h"
#include "common/base/span.h"

enum { BLOCK_CACHE_COUNT_MAX = 1024 };

struct block_cache; /* opaque */

struct block_cache_entry {
    struct hash id;
    uint64_t height;
    struct span *bodies; /* body_count */
    size_t body_count;
    bool stored; /* the bodies are in the store */
    uint8_t *data_;
    struct block_cache_entry *next_;
};

MUST_USE int block_cache_new(struct block_cache **out, uint64_t seed);
void block_cache_destroy(struct block_cache **self);

struct block_cache_entry *block_cache_find(const struct block_cache *self, const struct hash *id);

/* Keep a block's bodies; a block that is there already stays as it is. Returns 0, ERR_FULL or -ENOMEM. */
MUST_USE int block_cache_put(struct block_cache *self, const struct hash *id, uint64_t height,
                             const struct span *bodies, size_t body_count);
void block_cache_remove(struct block_cache *self, const struct hash *id);

/* Forget the blocks up to this height. */
void block_cache_prune(struct block_cache *self, uint64_t height);
