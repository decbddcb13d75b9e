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
#include "common/base/peer_record.h"
#include "common/edge/bus.h"
#include "common/edge/keyfile.h"
#include "services/mempoold/mempoold_config.h"

enum { LINKS_PATIENCE_MS = 10000 }; /* with an address where nobody answers, when there is another */

/* Where another validator's mempoold is. */
struct links_address {
    const char *configured;                        /* GOSSIP_PEERS; NULL: not named there */
    char told[PEER_RECORD_ENDPOINT_BYTES_MAX + 1]; /* by consensusd, from its signed record; "": not yet */
    bool uses_told;
    uint64_t tried_ms; /* since when the address in use is tried, or lost */
};

struct links {
    struct bus *bus;
    struct bus_socket *admission;
    struct bus_socket *pool;
    struct bus_socket *query;
    struct bus_socket *gossip;                        /* others ask here */
    struct bus_socket *peers[GENESIS_VALIDATORS_MAX]; /* by validator index; NULL: nobody has said where it is */
    uint64_t peer_bits;                               /* bit i: peers[i] is there */
    const struct genesis *genesis;
    struct links_address addresses[GENESIS_VALIDATORS_MAX]; /* by validator index */
    uint8_t gossip_secret[KEYFILE_KEY_BYTES];
};

/* *self is all zero. Problems are logged. Returns 0, ERR_CONFIG (names or keys that are not the genesis file's) or the
 * errors of bus.h and keyfile.h; then end it with links_close() all the same. */
MUST_USE int links_open(struct links *self, const struct mempoold_config *config, const struct genesis *genesis,
                        uint32_t own_index);

/* consensusd has told where a validator's mempoold is. What is told first replaces nothing, for it may be older than
 * the configuration; what is told later is news. Returns whether links_reconnect() is due. */
MUST_USE bool links_told(struct links *self, uint32_t index, const char *endpoint, uint64_t now_ms);

/* Of two addresses the other one is tried when nobody answers for LINKS_PATIENCE_MS. Returns whether links_reconnect()
 * is due. Call it now and then for each validator. */
MUST_USE bool links_tend(struct links *self, uint32_t index, uint64_t now_ms);

/* Connect to a validator's address in use. An older socket to it is closed and must be out of the loop. Returns 0 or
 * the errors of bus.h; then there is no socket. */
MUST_USE int links_reconnect(struct links *self, uint32_t index);

/* Accepts what is half open. */
void links_close(struct links *self);
