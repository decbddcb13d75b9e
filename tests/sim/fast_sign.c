/* fast_sign.c - signatures that cost nothing to speak of, for simulations.
 *
 * The linker puts these in the place of common/base/sign.h's two functions (--wrap), in test programs alone. A
 * signature is a keyed hash under the signer's *public* key: whoever calls sign_message() needs the secret key's
 * struct, and the simulation's liars call nothing else, so nobody speaks for another. fast_sign_real leads to Ed25519.
 */
#include "tests/sim/fast_sign.h"

#include <string.h>

#include <sodium.h>

bool fast_sign_real = false;

void __real_sign_message(struct signature *out, const struct sign_key *key, struct span message);
int __real_sign_verify(const struct signature *signature, const struct sign_public *key, struct span message);
void __wrap_sign_message(struct signature *out, const struct sign_key *key, struct span message);
int __wrap_sign_verify(const struct signature *signature, const struct sign_public *key, struct span message);

static_assert(crypto_shorthash_KEYBYTES <= SIGN_PUBLIC_BYTES, "the key is the public key's beginning");

static void keyed_hash(struct signature *out, const struct sign_public *key, struct span message)
{
    uint8_t sum[crypto_shorthash_BYTES];
    crypto_shorthash(sum, message.data, message.size, key->bytes);
    for (size_t i = 0; i < SIGN_BYTES; i += sizeof sum)
        memcpy(out->bytes + i, sum, sizeof sum);
}

void __wrap_sign_message(struct signature *out, const struct sign_key *key, struct span message)
{
    if (fast_sign_real)
        __real_sign_message(out, key, message);
    else
        keyed_hash(out, &key->public, message);
}

int __wrap_sign_verify(const struct signature *signature, const struct sign_public *key, struct span message)
{
    if (fast_sign_real)
        return __real_sign_verify(signature, key, message);
    struct signature expected;
    keyed_hash(&expected, key, message);
    return memcmp(expected.bytes, signature->bytes, SIGN_BYTES) == 0 ? 0 : SIGN_BAD;
}
