/* peer_meter.c - two buckets per channel. */
#include "services/consensusd/peer_meter.h"

#include <assert.h>

enum { KIB = 1 << 10, MIB = 1 << 20 };

/* Per second, and at once. A view is three or four frames of each validator, a proposal at most 4 MiB; an answer is a
 * MiB and a block, and the next question follows it at once. */
static const struct limit {
    uint32_t frames, frames_burst, bytes, bytes_burst;
} limits[PEER_CHANNEL_COUNT] = {
    [PEER_HEARD] = {1000, 4000, 32 * MIB, 128 * MIB},
    [PEER_ASKING] = {100, 400, 64 * KIB, 1 * MIB},
    [PEER_ANSWERING] = {200, 400, 64 * MIB, 256 * MIB},
};

struct peer_meter peer_meter_of(uint64_t now_ms)
{
    struct peer_meter meter = {0};
    for (size_t i = 0; i < PEER_CHANNEL_COUNT; i++) {
        meter.frames[i] = bucket_of(limits[i].frames, limits[i].frames_burst, now_ms);
        meter.bytes[i] = bucket_of(limits[i].bytes, limits[i].bytes_burst, now_ms);
    }
    return meter;
}

bool peer_meter_take(struct peer_meter *self, enum peer_channel channel, size_t size, uint64_t now_ms)
{
    assert(channel < PEER_CHANNEL_COUNT);
    self->received_count++;
    self->received_bytes += size;
    self->heard_ms = now_ms;
    uint32_t bytes = size < BUCKET_RATE_MAX ? (uint32_t)size : BUCKET_RATE_MAX;
    bool passes = bucket_take(&self->frames[channel], 1, now_ms);
    passes = bucket_take(&self->bytes[channel], bytes, now_ms) && passes;
    self->limited_count += !passes;
    return passes;
}
