/* peer_record.h - where a validator can be reached, as it says itself: signed, with a version (docs/protocol.md, "Peer
 * records").
 *
 * Endpoints are numbers, no names: who signs a name would choose how long each connection waits for its lookup.
 *
 * Pure. Values, no ownership.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/base/attr.h"
#include "common/base/genesis.h"
#include "common/base/hash.h"
#include "common/base/sign.h"
#include "common/base/span.h"

#define PEER_RECORD_DOMAIN "cybermesh/peer-record/v1" /* and its zero byte */
#define PEER_RECORD_VERSION_MAX ((UINT64_C(1) << 53) - 1)

enum {
    PEER_RECORD_ENDPOINT_BYTES_MAX = 53, /* tcp://[39 characters]:65535 */
    PEER_RECORD_DOMAIN_BYTES = sizeof PEER_RECORD_DOMAIN,
    PEER_RECORD_BYTES_MAX =
        PEER_RECORD_DOMAIN_BYTES + 2 * HASH_BYTES + 8 + 3 * (4 + PEER_RECORD_ENDPOINT_BYTES_MAX) + SIGN_BYTES,
};

struct peer_record_endpoints {
    char pub[PEER_RECORD_ENDPOINT_BYTES_MAX + 1];    /* where others hear its votes */
    char sync[PEER_RECORD_ENDPOINT_BYTES_MAX + 1];   /* where others ask it */
    char gossip[PEER_RECORD_ENDPOINT_BYTES_MAX + 1]; /* of its mempoold; "": not told */
};

struct peer_record {
    struct hash validator; /* id */
    uint64_t version;      /* 1..PEER_RECORD_VERSION_MAX; unix ms of its making, or higher; a higher one replaces */
    struct peer_record_endpoints endpoints;
    struct signature signature;
};

/* Why a record is none. */
enum peer_record_verdict {
    PEER_RECORD_MALFORMED = 1, /* lengths, version */
    PEER_RECORD_OTHER_CHAIN,
    PEER_RECORD_UNKNOWN, /* no validator of the genesis file */
    PEER_RECORD_BAD_ENDPOINT,
    PEER_RECORD_BAD_SIGNATURE,
};
const char *peer_record_verdict_text(int verdict);

/* tcp://A.B.C.D:PORT or tcp://[IPv6]:PORT, an address that one host can have: no wildcard, no multicast, no name. */
MUST_USE bool peer_record_endpoint_is_valid(struct span text);

bool peer_record_endpoints_equal(const struct peer_record_endpoints *a, const struct peer_record_endpoints *b);

/* Fill in validator and signature with this key. */
void peer_record_sign(struct peer_record *record, const struct hash *chain_id, const struct sign_key *key);

/* Returns the size. */
size_t peer_record_encode(uint8_t out[static PEER_RECORD_BYTES_MAX], const struct peer_record *record,
                          const struct hash *chain_id);

/* Read a record and check everything but its signature; *index is the validator's place in the genesis file. Returns 0
 * or a verdict. */
MUST_USE int peer_record_decode(struct peer_record *out, uint32_t *index, struct span bytes,
                                const struct genesis *genesis);

/* Did this validator sign what was decoded? Returns 0 or PEER_RECORD_BAD_SIGNATURE. */
MUST_USE int peer_record_verify(const struct peer_record *record, uint32_t index, const struct genesis *genesis);
