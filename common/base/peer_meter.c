/* peer_meter.c - two buckets per channel. */
#include "common/base/peer_meter.h"

#include <assert.h>

struct peer_meter peer_meter_of(const struct peer_limit *limits, size_t channel_count, uint64_t now_ms)
{
    assert(channel_count <= PEER_METER_CHANNELS_MAX);
    struct peer_meter meter = {.channel_count = channel_count};
    for (size_t i = 0; i < channel_count; i++) {
        meter.frames[i] = bucket_of(limits[i].frames, limits[i].frames_burst, now_ms);
        meter.bytes[i] = bucket_of(limits[i].bytes, limits[i].bytes_burst, now_ms);
    }
    return meter;
}

static uint32_t bounded(size_t size)
{
    return size < BUCKET_RATE_MAX ? (uint32_t)size : BUCKET_RATE_MAX;
}

bool peer_meter_take(struct peer_meter *self, size_t channel, size_t size, uint64_t now_ms)
{
    assert(channel < self->channel_count);
    self->received_count++;
    self->received_bytes += size;
    self->heard_ms = now_ms;
    bool passes = bucket_take(&self->frames[channel], 1, now_ms);
    passes = bucket_take(&self->bytes[channel], bounded(size), now_ms) && passes;
    self->limited_count += !passes;
    return passes;
}

void peer_meter_charge(struct peer_meter *self, size_t channel, size_t size, uint64_t now_ms)
{
    assert(channel < self->channel_count);
    self->answered_bytes += size;
    bucket_charge(&self->bytes[channel], bounded(size), now_ms);
}
