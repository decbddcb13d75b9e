/* hash.h - the hashes of the protocol. H is BLAKE2b-256.
 *
 * Pure (libsodium's pure functions). sodium_init() must have been called for speed, not for the result.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "common/base/span.h"

enum { HASH_BYTES = 32 };

struct hash {
    uint8_t bytes[HASH_BYTES];
};

static inline bool hash_equal(const struct hash *a, const struct hash *b)
{
    return memcmp(a->bytes, b->bytes, HASH_BYTES) == 0;
}

static inline bool hash_is_zero(const struct hash *a)
{
    static const struct hash zero;
    return hash_equal(a, &zero);
}

/* H(data) */
struct hash hash_of(struct span data);

/* H(a || b): the usual "domain || bytes". */
struct hash hash_of2(struct span a, struct span b);

/* SHA-256(data): content hashes and validator ids. */
struct hash hash_sha256(struct span data);

/* A well mixed 64-bit value of a hash, for tables; not for protocol use. */
static inline uint64_t hash_table_key(const struct hash *a)
{
    uint64_t key;
    memcpy(&key, a->bytes, sizeof key);
    return key;
}
