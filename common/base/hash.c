/* hash.c - BLAKE2b-256 and SHA-256 by libsodium. */
#include "common/base/hash.h"

#include <assert.h>

#include <sodium.h>

static_assert(HASH_BYTES == crypto_hash_sha256_BYTES, "content hashes and ids have the size of H");

struct hash hash_of(struct span data)
{
    struct hash result;
    crypto_generichash(result.bytes, HASH_BYTES, data.data, data.size, NULL, 0);
    return result;
}

struct hash hash_of2(struct span a, struct span b)
{
    struct hash result;
    crypto_generichash_state state;
    crypto_generichash_init(&state, NULL, 0, HASH_BYTES);
    crypto_generichash_update(&state, a.data, a.size);
    crypto_generichash_update(&state, b.data, b.size);
    crypto_generichash_final(&state, result.bytes, HASH_BYTES);
    return result;
}

struct hash hash_sha256(struct span data)
{
    struct hash result;
    crypto_hash_sha256(result.bytes, data.data, data.size);
    return result;
}
