/* announce.c - a ring of notices from `settled` to `next`; `given` goes through it, and back after a failure. */
#include "services/ingestd/announce.h"

#include <assert.h>
#include <stdlib.h>

static struct announce_held *at(struct announce *self, uint64_t height)
{
    return &self->held[height % ANNOUNCE_COUNT_MAX];
}

void announce_start(struct announce *self, int64_t next)
{
    *self = (struct announce){.started = true, .next = next < 1 ? 1 : (uint64_t)next};
    self->given = self->next;
    self->settled = self->next;
    self->committed = next < 1 ? 0 : self->next;
}

static void settle_first(struct announce *self)
{
    struct announce_held *held = at(self, self->settled);
    self->bytes -= held->size;
    free(held->notice);
    *held = (struct announce_held){0};
    self->settled++;
}

void announce_deinit(struct announce *self)
{
    while (self->settled < self->next)
        settle_first(self);
    *self = (struct announce){0};
}

bool announce_wants(const struct announce *self, uint64_t height)
{
    return self->started && height == self->next && self->next - self->settled < ANNOUNCE_COUNT_MAX &&
           self->bytes < ANNOUNCE_BYTES_MAX;
}

bool announce_asks(const struct announce *self)
{
    return self->started && self->next - self->settled <= ANNOUNCE_COUNT_MAX / 2 &&
           self->bytes <= ANNOUNCE_BYTES_MAX / 2;
}

void announce_add_take(struct announce *self, uint8_t **notice, size_t size)
{
    assert(*notice && announce_wants(self, self->next));
    *at(self, self->next) = (struct announce_held){.notice = TAKE(*notice), .size = size};
    self->bytes += size;
    self->next++;
}

bool announce_give(struct announce *self, struct announce_notice *out)
{
    if (self->waiting == 0) {
        self->given = self->settled;
        self->burst_end = self->settled + ANNOUNCE_OUTSTANDING_MAX;
    }
    if (self->given == self->next || self->given == self->burst_end)
        return false;
    struct announce_held *held = at(self, self->given);
    held->acknowledged = false;
    *out = (struct announce_notice){.height = self->given, .value = span_of(held->notice, held->size)};
    self->given++;
    self->waiting++;
    assert(self->given <= self->next && self->waiting <= ANNOUNCE_OUTSTANDING_MAX);
    return true;
}

void announce_delivered(struct announce *self, uint64_t height, bool ok)
{
    assert(self->waiting > 0 && height >= self->settled && height < self->given);
    self->waiting--;
    if (!ok) {
        self->burst_end = self->given; /* what is behind it would be before it */
        return;
    }
    at(self, height)->acknowledged = true;
    while (self->settled < self->given && at(self, self->settled)->acknowledged)
        settle_first(self);
}

bool announce_commit_due(struct announce *self, uint64_t *next)
{
    if (!self->started || self->settled == self->committed || self->settled == 1)
        return false;
    self->committed = self->settled;
    *next = self->settled;
    return true;
}
