/* sign.c - Ed25519 by libsodium. */
#include "common/base/sign.h"

#include <assert.h>

#include <sodium.h>

static_assert(SIGN_SEED_BYTES == crypto_sign_SEEDBYTES, "seed");
static_assert(SIGN_PUBLIC_BYTES == crypto_sign_PUBLICKEYBYTES, "public key");
static_assert(SIGN_BYTES == crypto_sign_BYTES, "signature");
static_assert(sizeof((struct sign_key *)0)->secret == crypto_sign_SECRETKEYBYTES, "secret key");

void sign_key_from_seed(struct sign_key *out, const uint8_t seed[static SIGN_SEED_BYTES])
{
    crypto_sign_seed_keypair(out->public.bytes, out->secret, seed);
}

void sign_key_wipe(struct sign_key *key)
{
    sodium_memzero(key, sizeof *key);
}

void sign_message(struct signature *out, const struct sign_key *key, struct span message)
{
    crypto_sign_detached(out->bytes, NULL, message.data, message.size, key->secret);
}

int sign_verify(const struct signature *signature, const struct sign_public *key, struct span message)
{
    if (crypto_sign_verify_detached(signature->bytes, message.data, message.size, key->bytes) != 0)
        return SIGN_BAD;
    return 0;
}

struct hash sign_public_id(const struct sign_public *key)
{
    return hash_sha256(span_of(key->bytes, sizeof key->bytes));
}
