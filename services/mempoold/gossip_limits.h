/* gossip_limits.h - how much another validator's mempoold may ask and answer. */
#pragma once

#include "common/base/peer_meter.h"

enum gossip_channel {
    GOSSIP_ASKING,    /* its questions, and the bytes of our answers */
    GOSSIP_ANSWERING, /* its answers to ours */
    GOSSIP_CHANNEL_COUNT
};

extern const struct peer_limit gossip_limits[GOSSIP_CHANNEL_COUNT];
