/* proof_codec.h - reads a commit proof (proto/proof.proto).
 *
 * Pure but for memory. Ownership: see below. Threads: no state.
 */
#pragma once

#include "common/base/attr.h"
#include "common/base/cert.h"
#include "common/base/span.h"

/* A decoded proof and the memory of its headers. */
struct proof_codec_proof {
    struct cert_commit_proof proof;
    uint8_t *headers; /* what proof.headers points at */
};

/* On success proof_codec_deinit() ends *out. Returns 0, ERR_MALFORMED, ERR_TOO_LARGE (more headers or signatures than
 * cert.h allows) or -ENOMEM. */
MUST_USE int proof_codec_decode(struct proof_codec_proof *out, struct span bytes);
void proof_codec_deinit(struct proof_codec_proof *self);
