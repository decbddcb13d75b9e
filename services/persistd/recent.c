/* recent.c - the newest persisted blocks. */
#include "services/persistd/recent.h"

#include <stdlib.h>

static struct recent_block *at(struct recent *self, uint64_t height)
{
    return &self->blocks[height % RECENT_BLOCKS_MAX];
}

static void forget_first(struct recent *self)
{
    struct recent_block *block = at(self, self->height_first);
    self->bytes -= block->size;
    free(block->message);
    *block = (struct recent_block){0};
    self->height_first++;
    self->count--;
}

void recent_deinit(struct recent *self)
{
    while (self->count > 0)
        forget_first(self);
}

void recent_add(struct recent *self, uint64_t height, uint8_t *message, size_t size)
{
    if (height != self->height_first + self->count)
        recent_deinit(self);
    if (self->count == 0)
        self->height_first = height;
    while (self->count > 0 && (self->count == RECENT_BLOCKS_MAX || self->bytes + size > RECENT_BYTES_MAX))
        forget_first(self);
    *at(self, height) = (struct recent_block){.message = message, .size = size};
    self->count++;
    self->bytes += size;
}

size_t recent_find(const struct recent *self, uint64_t height_first, struct span *out, size_t count_max,
                   size_t size_max)
{
    if (height_first < self->height_first)
        return 0;
    size_t count = 0;
    size_t bytes = 0;
    while (count < count_max && height_first + count < self->height_first + self->count) {
        const struct recent_block *block = &self->blocks[(height_first + count) % RECENT_BLOCKS_MAX];
        bytes += block->size;
        if (count > 0 && bytes > size_max)
            break;
        out[count++] = span_of(block->message, block->size);
    }
    return count;
}
