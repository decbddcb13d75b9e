/* ceremony_samples.h - validators whose keys the test holds, and what they sign in the genesis ceremony. Pure. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "services/consensusd/genesis_certificate.h"

enum { CEREMONY_SAMPLES_MAX = GENESIS_VALIDATORS_MAX };

struct ceremony_samples {
    struct genesis genesis;
    struct genesis_terms terms;
    struct sign_key keys[CEREMONY_SAMPLES_MAX];
};

void ceremony_samples_make(struct ceremony_samples *out, uint32_t validator_count);

/* A GenesisReady of the validator with these terms. */
struct genesis_ready ceremony_samples_ready(const struct ceremony_samples *samples, uint32_t validator,
                                            uint64_t time_ms);
/* Sign it again, as the validator. */
void ceremony_samples_resign(const struct ceremony_samples *samples, uint32_t validator, struct genesis_ready *ready);

/* A certificate of these validators (bit i), all at time_ms. */
struct genesis_certificate ceremony_samples_certificate(const struct ceremony_samples *samples, uint64_t signers,
                                                        uint32_t aggregator, uint64_t time_ms);
/* Make the attestation at a place again, of this validator and time; the aggregator does not sign again. */
void ceremony_samples_attest(const struct ceremony_samples *samples, struct genesis_certificate *certificate,
                             uint32_t place, uint32_t validator, uint64_t time_ms);
