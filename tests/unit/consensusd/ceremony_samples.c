/* ceremony_samples.c - keys from fixed seeds, so that every run is the same. */
#include "tests/unit/consensusd/ceremony_samples.h"

#include <string.h>

void ceremony_samples_make(struct ceremony_samples *out, uint32_t validator_count)
{
    memset(out, 0, sizeof *out);
    out->genesis.validator_count = validator_count;
    out->genesis.parameters = genesis_parameters_default();
    memset(out->genesis.chain_id.bytes, 7, HASH_BYTES);
    for (uint32_t i = 0; i < validator_count; i++) {
        uint8_t seed[SIGN_SEED_BYTES];
        memset(seed, (int)(0x11 + i), sizeof seed);
        sign_key_from_seed(&out->keys[i], seed);
        out->genesis.validators[i].sign_key = out->keys[i].public;
        out->genesis.validators[i].id = sign_public_id(&out->keys[i].public);
    }
    genesis_terms_of(&out->terms, &out->genesis);
}

struct genesis_ready ceremony_samples_ready(const struct ceremony_samples *samples, uint32_t validator,
                                            uint64_t time_ms)
{
    struct genesis_ready ready = {.terms = samples->terms, .time_ms = time_ms};
    memset(ready.nonce, (int)(0x80 + validator), sizeof ready.nonce);
    genesis_ready_sign(&ready, &samples->keys[validator]);
    return ready;
}

void ceremony_samples_resign(const struct ceremony_samples *samples, uint32_t validator, struct genesis_ready *ready)
{
    genesis_ready_sign(ready, &samples->keys[validator]);
}

void ceremony_samples_attest(const struct ceremony_samples *samples, struct genesis_certificate *certificate,
                             uint32_t place, uint32_t validator, uint64_t time_ms)
{
    struct genesis_ready ready = ceremony_samples_ready(samples, validator, time_ms);
    struct genesis_attestation *attestation = &certificate->attestations[place];
    *attestation =
        (struct genesis_attestation){.validator = validator, .time_ms = time_ms, .signature = ready.signature};
    memcpy(attestation->nonce, ready.nonce, sizeof attestation->nonce);
}

struct genesis_certificate ceremony_samples_certificate(const struct ceremony_samples *samples, uint64_t signers,
                                                        uint32_t aggregator, uint64_t time_ms)
{
    struct genesis_certificate certificate = {.terms = samples->terms, .aggregator = aggregator};
    for (uint32_t i = 0; i < samples->genesis.validator_count; i++) {
        if (signers >> i & 1)
            ceremony_samples_attest(samples, &certificate, certificate.count++, i, time_ms);
    }
    genesis_certificate_sign(&certificate, &samples->keys[aggregator]);
    return certificate;
}
