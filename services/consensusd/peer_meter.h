/* peer_meter.h - what one other validator sends: counted, and held within limits.
 *
 * Who sends more than the limits allow is not read any further than its frames' sizes, so one flooding peer costs
 * little and the others are heard. The limits are far above what the protocol makes of 50 views a second or of catching
 * up.
 *
 * Pure: time comes with each call. Values, no ownership.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/attr.h"
#include "common/base/bucket.h"

enum peer_channel {
    PEER_HEARD,     /* what it publishes */
    PEER_ASKING,    /* its questions */
    PEER_ANSWERING, /* its answers to ours */
    PEER_CHANNEL_COUNT
};

struct peer_meter {
    struct bucket frames[PEER_CHANNEL_COUNT];
    struct bucket bytes[PEER_CHANNEL_COUNT];
    uint64_t received_count; /* frames, those over the limit too */
    uint64_t received_bytes;
    uint64_t limited_count; /* dropped: over the limit */
    uint64_t bad_count;     /* dropped: not what it should be */
    uint64_t heard_ms;      /* last; 0: never */
    uint64_t view, height;  /* highest told: certificate, committed */
    uint64_t round_trip_us; /* of the last question about peers; 0: none yet */
};

struct peer_meter peer_meter_of(uint64_t now_ms);

/* A frame of this size has come. Returns whether it may be read; one over a limit is counted as such. */
MUST_USE bool peer_meter_take(struct peer_meter *self, enum peer_channel channel, size_t size, uint64_t now_ms);
