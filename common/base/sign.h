/* sign.h - Ed25519.
 *
 * Pure (libsodium's pure functions). Ownership: a sign_key holds a secret; end it with sign_key_wipe().
 */
#pragma once

#include <stdint.h>

#include "common/base/attr.h"
#include "common/base/hash.h"
#include "common/base/span.h"

enum { SIGN_SEED_BYTES = 32, SIGN_PUBLIC_BYTES = 32, SIGN_BYTES = 64 };

struct sign_public {
    uint8_t bytes[SIGN_PUBLIC_BYTES];
};

struct signature {
    uint8_t bytes[SIGN_BYTES];
};

struct sign_key {
    uint8_t secret[64]; /* libsodium's form: seed || public key */
    struct sign_public public;
};

enum sign_verdict { SIGN_BAD = 1 };

/* Derive the key pair of a 32-byte seed. */
void sign_key_from_seed(struct sign_key *out, const uint8_t seed[static SIGN_SEED_BYTES]);
void sign_key_wipe(struct sign_key *key);

void sign_message(struct signature *out, const struct sign_key *key, struct span message);

/* Returns 0 or SIGN_BAD. */
MUST_USE int sign_verify(const struct signature *signature, const struct sign_public *key, struct span message);

/* Validator id: SHA-256 of the public key. */
struct hash sign_public_id(const struct sign_public *key);
