/* sync_pace.c - halve without an answer, double with one. */
#include "services/consensusd/sync_pace.h"

#include <assert.h>

struct sync_pace sync_pace_of(uint32_t count_max)
{
    assert(count_max > 0);
    return (struct sync_pace){.count_max = count_max, .count = count_max};
}

uint32_t sync_pace_ask(struct sync_pace *self)
{
    if (self->waiting && self->count > 1)
        self->count /= 2;
    self->waiting = true;
    return self->count;
}

void sync_pace_answered(struct sync_pace *self)
{
    if (!self->waiting)
        return;
    self->waiting = false;
    self->count = self->count > self->count_max / 2 ? self->count_max : self->count * 2;
}
