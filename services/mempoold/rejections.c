/* rejections.c - a ring; its first `sent_count` are the notice on its way. */
#include "services/mempoold/rejections.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

struct rejections {
    struct rejections_tx ring[REJECTIONS_COUNT_MAX];
    struct rejections_tx notice[REJECTIONS_NOTICE_MAX];
    size_t first;
    size_t count;
    size_t sent_count;
    uint64_t sequence; /* of the notice on its way */
    uint64_t sent_ms;
    uint64_t lost_count;
};

int rejections_new(struct rejections **out, uint64_t sequence)
{
    struct rejections *self = calloc(1, sizeof *self);
    if (!self)
        return -ENOMEM;
    self->sequence = sequence;
    *out = self;
    return 0;
}

void rejections_destroy(struct rejections **self)
{
    if (!self)
        return;
    free(*self);
    *self = NULL;
}

static void drop_oldest(struct rejections *self)
{
    self->first = (self->first + 1) % REJECTIONS_COUNT_MAX;
    self->count--;
    if (self->sent_count > 0)
        self->sent_count--;
    self->lost_count++;
}

void rejections_put(struct rejections *self, const struct rejections_tx *tx)
{
    if (self->count == REJECTIONS_COUNT_MAX)
        drop_oldest(self);
    self->ring[(self->first + self->count++) % REJECTIONS_COUNT_MAX] = *tx;
}

void rejections_acknowledge(struct rejections *self, uint64_t sequence)
{
    if (sequence != self->sequence)
        return;
    self->first = (self->first + self->sent_count) % REJECTIONS_COUNT_MAX;
    self->count -= self->sent_count;
    self->sent_count = 0;
}

bool rejections_due(struct rejections *self, uint64_t now_ms, struct rejections_notice *out)
{
    assert(self->sent_count <= self->count);
    if (self->count == 0)
        return false;
    if (self->sent_count > 0 && now_ms < self->sent_ms + REJECTIONS_AGAIN_MS)
        return false;
    if (self->sent_count == 0) {
        self->sent_count = self->count < REJECTIONS_NOTICE_MAX ? self->count : REJECTIONS_NOTICE_MAX;
        self->sequence++;
    }
    self->sent_ms = now_ms;
    for (size_t i = 0; i < self->sent_count; i++)
        self->notice[i] = self->ring[(self->first + i) % REJECTIONS_COUNT_MAX];
    *out = (struct rejections_notice){.sequence = self->sequence, .txs = self->notice, .tx_count = self->sent_count};
    return true;
}

uint64_t rejections_lost_count(const struct rejections *self)
{
    return self->lost_count;
}
