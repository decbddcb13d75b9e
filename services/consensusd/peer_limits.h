/* peer_limits.h - how much one other validator may send, far above what the protocol makes of 50 views a second or of
 * catching up.
 */
#pragma once

#include "common/base/peer_meter.h"

enum peer_channel {
    PEER_HEARD,     /* what it publishes */
    PEER_ASKING,    /* its questions */
    PEER_ANSWERING, /* its answers to ours */
    PEER_CHANNEL_COUNT
};

extern const struct peer_limit peer_limits[PEER_CHANNEL_COUNT];
