/* gossip_limits.c - of each channel. */
#include "services/mempoold/gossip_limits.h"

enum { MIB = 1 << 20 };

/* A block whose bodies are missing is one or two questions of at most 160 KiB, and 4 MiB of bodies: 16 whole blocks a
 * second from one peer, and 64 at once, are more than can be executed. */
const struct peer_limit gossip_limits[GOSSIP_CHANNEL_COUNT] = {
    [GOSSIP_ASKING] = {200, 800, 64 * MIB, 256 * MIB},
    [GOSSIP_ANSWERING] = {200, 800, 64 * MIB, 256 * MIB},
};
