/* fuzz_genesis.c - bytes of genesis certificates: decoded, encoded again, judged, and shown to a ceremony. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/err.h"
#include "services/consensusd/ceremony.h"

enum { VALIDATORS = 4 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Ids and keys of no meaning but the chain id: what is judged has other terms or bad signatures. */
static struct genesis genesis = {.validator_count = VALIDATORS};

static struct ceremony *ceremony_at_start(void)
{
    struct ceremony *self = NULL;
    struct ceremony_config config = {.genesis = &genesis};
    for (uint32_t i = 0; i < VALIDATORS; i++) {
        uint8_t seed[SIGN_SEED_BYTES] = {(uint8_t)(i + 1)};
        struct sign_key key;
        sign_key_from_seed(&key, seed);
        genesis.validators[i].sign_key = key.public;
        genesis.validators[i].id = sign_public_id(&key.public);
        if (i == 0)
            config.key = key;
    }
    genesis.parameters = genesis_parameters_default();
    if (ceremony_new(&self, &config) < 0)
        abort();
    return self;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct ceremony *ceremony;
    static struct genesis_certificate certificate, again;
    uint8_t bytes[GENESIS_CERTIFICATE_BYTES_MAX], bytes_again[GENESIS_CERTIFICATE_BYTES_MAX];
    if (!ceremony)
        ceremony = ceremony_at_start();
    if (genesis_certificate_decode(&certificate, span_of(data, size)) < 0)
        return 0;
    assert(certificate.count <= GENESIS_VALIDATORS_MAX);
    size_t encoded = genesis_certificate_encode(bytes, &certificate);
    assert(genesis_certificate_decode(&again, span_of(bytes, encoded)) == 0);
    assert(genesis_certificate_encode(bytes_again, &again) == encoded && memcmp(bytes, bytes_again, encoded) == 0);
    /* With the terms of this network the rest is looked at, too: nobody here can sign, so none is good. */
    genesis_terms_of(&again.terms, &genesis);
    assert(genesis_certificate_check(&again, &genesis) != 0);
    struct ceremony_event event = {.type = CEREMONY_CERTIFICATE, .sender = 1, .u.certificate = &again};
    struct ceremony_effects effects;
    ceremony_step(ceremony, &event, &effects);
    assert(!ceremony_certificate(ceremony));
    return 0;
}
