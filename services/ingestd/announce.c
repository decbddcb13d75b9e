/* announce.c - a ring of acknowledgements from `settled` to `next`. */
#include "services/ingestd/announce.h"

#include <assert.h>
#include <string.h>

enum { HEIGHT_BITS = 47 }; /* of a tag; the round stands above */

void announce_start(struct announce *self, int64_t next)
{
    *self = (struct announce){.started = true, .next = next < 1 ? 1 : (uint64_t)next};
    self->settled = self->next;
    self->committed = next < 1 ? 0 : self->next;
}

bool announce_has_room(const struct announce *self)
{
    return self->started && self->next - self->settled < ANNOUNCE_OUTSTANDING_MAX;
}

bool announce_wants(const struct announce *self, uint64_t height)
{
    return announce_has_room(self) && height == self->next;
}

static uint64_t tag_of(const struct announce *self, uint64_t height)
{
    return (uint64_t)self->round << HEIGHT_BITS | (height & ((UINT64_C(1) << HEIGHT_BITS) - 1));
}

uint64_t announce_sent(struct announce *self, uint64_t height)
{
    assert(announce_wants(self, height));
    self->acknowledged[height % ANNOUNCE_OUTSTANDING_MAX] = false;
    self->next++;
    return tag_of(self, height);
}

static void begin_again(struct announce *self)
{
    self->next = self->settled;
    self->round++;
}

void announce_delivered(struct announce *self, uint64_t tag, bool ok)
{
    uint64_t height = tag & ((UINT64_C(1) << HEIGHT_BITS) - 1);
    if (tag != tag_of(self, height) || height < self->settled || height >= self->next)
        return;
    if (!ok) {
        begin_again(self);
        return;
    }
    self->acknowledged[height % ANNOUNCE_OUTSTANDING_MAX] = true;
    while (self->settled < self->next && self->acknowledged[self->settled % ANNOUNCE_OUTSTANDING_MAX])
        self->settled++;
}

bool announce_commit_due(struct announce *self, uint64_t *next)
{
    if (!self->started || self->settled == self->committed || self->settled == 1)
        return false;
    self->committed = self->settled;
    *next = self->settled;
    return true;
}
