/* links.h - mempoold's sockets: three for the stages of its validator, one for the other validators' questions, and one
 * to each of them.
 *
 * Not pure: sockets, key files. Ownership: links own their sockets; who adds them to a loop removes them before
 * links_close(). Threads: the loop's.
 */
#pragma once

#include <stdint.h>

#include "common/base/attr.h"
#include "common/base/genesis.h"
#include "common/edge/bus.h"
#include "services/mempoold/mempoold_config.h"

struct links {
    struct bus *bus;
    struct bus_socket *admission;
    struct bus_socket *pool;
    struct bus_socket *query;
    struct bus_socket *gossip;                        /* others ask here */
    struct bus_socket *peers[GENESIS_VALIDATORS_MAX]; /* by validator index; NULL: not among GOSSIP_PEERS */
    uint64_t peer_bits;                               /* bit i: peers[i] is there */
};

/* *self is all zero. Problems are logged. Returns 0, ERR_CONFIG (names or keys that are not the genesis file's) or the
 * errors of bus.h and keyfile.h; then end it with links_close() all the same. */
MUST_USE int links_open(struct links *self, const struct mempoold_config *config, const struct genesis *genesis,
                        uint32_t own_index);

/* Accepts what is half open. */
void links_close(struct links *self);
