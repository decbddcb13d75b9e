/* genesis_certificate.h - what validators sign before view 1, and the certificate made of it (docs/protocol.md,
 * "Genesis ceremony").
 *
 * Pure. Ownership: plain values. Threads: no state.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/attr.h"
#include "common/base/genesis.h"
#include "common/base/hash.h"
#include "common/base/sign.h"
#include "common/base/span.h"

enum {
    GENESIS_CERTIFICATE_NONCE_BYTES = 32,
    GENESIS_CERTIFICATE_BYTES_MAX = 16384,      /* encoded, with 64 attestations */
    GENESIS_CERTIFICATE_SPREAD_MS_MAX = 180000, /* between the oldest and the newest attestation */
    GENESIS_PROTOCOL_VERSION = 1,               /* of the rules between validators */
    GENESIS_SCHEMA_VERSION = 1,                 /* of the parameters' meaning */
};

/* What all validators of a network have in common before they begin. */
struct genesis_terms {
    struct hash chain_id;
    struct hash config_hash; /* of what must agree and is not in the genesis file */
    struct hash peer_hash;   /* of the validators' ids, sorted */
};

/* GenesisReady: one validator is there and has these terms. */
struct genesis_ready {
    struct genesis_terms terms;
    uint8_t nonce[GENESIS_CERTIFICATE_NONCE_BYTES];
    uint64_t time_ms; /* unix, by its own clock */
    struct signature signature;
};

struct genesis_attestation {
    uint32_t validator; /* index in the genesis file */
    uint8_t nonce[GENESIS_CERTIFICATE_NONCE_BYTES];
    uint64_t time_ms;
    struct signature signature; /* of the GenesisReady with the certificate's terms */
};

struct genesis_certificate {
    struct genesis_terms terms;
    uint32_t count; /* of attestations, sorted by validator, distinct */
    struct genesis_attestation attestations[GENESIS_VALIDATORS_MAX];
    uint32_t aggregator; /* who made and signed it: any validator */
    struct signature signature;
};

/* The terms of this software with this genesis file. */
void genesis_terms_of(struct genesis_terms *out, const struct genesis *genesis);

/* Sign ready->terms, nonce and time_ms. */
void genesis_ready_sign(struct genesis_ready *ready, const struct sign_key *key);

/* Is it signed by this key? The terms may be any. */
MUST_USE bool genesis_ready_is_signed(const struct genesis_ready *ready, const struct sign_public *key);

/* Sign the certificate as certificate->aggregator. */
void genesis_certificate_sign(struct genesis_certificate *certificate, const struct sign_key *key);

/* Terms are ours, signers are known, sorted and distinct, a quorum of them, all times within SPREAD_MS_MAX, every
 * signature is good, the aggregator's too. Returns 0, ERR_CONFLICT (other terms), ERR_MALFORMED (not a quorum of sorted
 * known signers, or their times are too far apart) or ERR_UNAUTHENTICATED (a signature). */
MUST_USE int genesis_certificate_check(const struct genesis_certificate *certificate, const struct genesis *genesis);

/* The protobuf encoding of proof.proto, GenesisCertificate. Returns how many bytes were written. */
size_t genesis_certificate_encode(uint8_t out[static GENESIS_CERTIFICATE_BYTES_MAX],
                                  const struct genesis_certificate *certificate);

/* Lengths and counts are checked, signatures are not; unknown fields are refused. Returns 0 or ERR_MALFORMED. */
MUST_USE int genesis_certificate_decode(struct genesis_certificate *out, struct span bytes);
