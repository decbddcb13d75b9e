/* peer_meter.h - what one other validator sends: counted, and held within limits.
 *
 * Who sends more than the limits allow is not read any further than its frames' sizes, so one flooding peer costs
 * little and the others are heard. What its questions cost to answer is charged to it too.
 *
 * Pure: time comes with each call. Values, no ownership.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/attr.h"
#include "common/base/bucket.h"

enum { PEER_METER_CHANNELS_MAX = 3 };

/* Of one channel: per second, and at once. */
struct peer_limit {
    uint32_t frames, frames_burst, bytes, bytes_burst;
};

struct peer_meter {
    struct bucket frames[PEER_METER_CHANNELS_MAX];
    struct bucket bytes[PEER_METER_CHANNELS_MAX];
    size_t channel_count;
    uint64_t received_count; /* frames, those over the limit too */
    uint64_t received_bytes;
    uint64_t limited_count;  /* dropped: over the limit */
    uint64_t bad_count;      /* dropped: not what it should be */
    uint64_t answered_bytes; /* charged */
    uint64_t heard_ms;       /* last; 0: never */
};

/* limits: one for each channel, at most PEER_METER_CHANNELS_MAX. */
struct peer_meter peer_meter_of(const struct peer_limit *limits, size_t channel_count, uint64_t now_ms);

/* A frame of this size has come. Returns whether it may be read; one over a limit is counted as such. */
MUST_USE bool peer_meter_take(struct peer_meter *self, size_t channel, size_t size, uint64_t now_ms);

/* Answering a question that came by this channel took so many bytes. */
void peer_meter_charge(struct peer_meter *self, size_t channel, size_t size, uint64_t now_ms);
