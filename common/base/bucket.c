/* bucket.c - filled when it is looked at. */
#include "common/base/bucket.h"

#include <assert.h>

enum { MILLI = 1000 };

struct bucket bucket_of(uint32_t rate, uint32_t burst, uint64_t now_ms)
{
    assert(rate > 0 && rate <= BUCKET_RATE_MAX && burst > 0 && burst <= BUCKET_RATE_MAX);
    return (struct bucket){.rate = rate, .burst = burst, .level_mt = (int64_t)burst * MILLI, .at_ms = now_ms};
}

static void fill(struct bucket *self, uint64_t now_ms)
{
    if (now_ms <= self->at_ms)
        return;
    int64_t room = (int64_t)self->burst * MILLI - self->level_mt;
    uint64_t passed = now_ms - self->at_ms;
    self->at_ms = now_ms;
    /* A rate per second is as many thousandths per millisecond. */
    bool full = passed > (uint64_t)room / self->rate;
    self->level_mt += full ? room : (int64_t)(passed * self->rate);
}

bool bucket_take(struct bucket *self, uint32_t amount, uint64_t now_ms)
{
    assert(amount <= BUCKET_RATE_MAX);
    fill(self, now_ms);
    if (self->level_mt <= 0)
        return false;
    self->level_mt -= (int64_t)amount * MILLI;
    return true;
}

void bucket_charge(struct bucket *self, uint32_t amount, uint64_t now_ms)
{
    assert(amount <= BUCKET_RATE_MAX);
    fill(self, now_ms);
    self->level_mt -= (int64_t)amount * MILLI;
}
