/* peer_limits.c - of each channel. */
#include "services/consensusd/peer_limits.h"

enum { KIB = 1 << 10, MIB = 1 << 20 };

/* A view is three or four frames of each validator, a proposal at most 4 MiB; an answer is a MiB and a block, and the
 * next question follows it at once. */
const struct peer_limit peer_limits[PEER_CHANNEL_COUNT] = {
    [PEER_HEARD] = {1000, 4000, 32 * MIB, 128 * MIB},
    [PEER_ASKING] = {100, 400, 64 * KIB, 1 * MIB},
    [PEER_ANSWERING] = {200, 400, 64 * MIB, 256 * MIB},
};
