/* recent.h - the newest persisted blocks as the feed tells them, so that most questions for a range need no database.
 *
 * Bounded by count and bytes: the oldest leave first.
 *
 * Pure but for memory. Ownership: messages are taken and freed here. Threads: one owner.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "common/base/span.h"

enum { RECENT_BLOCKS_MAX = 256, RECENT_BYTES_MAX = 16 << 20 };

struct recent {
    struct recent_block {
        uint8_t *message;
        size_t size;
    } blocks[RECENT_BLOCKS_MAX]; /* block of height h at h % RECENT_BLOCKS_MAX */
    uint64_t height_first;
    uint32_t count; /* contiguous from height_first */
    size_t bytes;
};

/* All zero is an empty one. */
void recent_deinit(struct recent *self);

/* Add the block of this height; what does not precede it directly is forgotten. The message, from malloc, is taken. */
void recent_add(struct recent *self, uint64_t height, uint8_t *message, size_t size);

/* Messages of the heights from this one on, at most count_max of them and size_max bytes, but for the first. Returns
 * how many; 0 when the first is not there. */
size_t recent_find(const struct recent *self, uint64_t height_first, struct span *out, size_t count_max,
                   size_t size_max);
