/* cert.h - votes, timeouts, certificates and commit proofs: signed bytes and verification (docs/protocol.md, "What
 * validators sign" and "Commit proof").
 *
 * Pure. Certificates are values of bounded size.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/attr.h"
#include "common/base/block.h"
#include "common/base/genesis.h"
#include "common/base/hash.h"
#include "common/base/sign.h"

enum {
    CERT_SIGNERS_MAX = GENESIS_VALIDATORS_MAX,
    CERT_VOTE_BYTES = 18 + 32 + 8 + 8 + 32,
    CERT_PROPOSAL_BYTES = 22 + 32 + 32 + 32,
    CERT_TIMEOUT_BYTES = 21 + 32 + 8 + 8,
    CERT_HEARTBEAT_BYTES = 23 + 32 + 8 + 8 + 8,
    CERT_PROOF_HEADERS_MAX = 4096,
};

struct cert_signature {
    uint32_t validator; /* index in the genesis file */
    struct signature signature;
};

/* Quorum certificate. The genesis block's is view 0, height 0, no signers. */
struct qc {
    uint64_t view;
    uint64_t height;
    struct hash block_id;
    uint32_t signature_count;
    struct cert_signature signatures[CERT_SIGNERS_MAX]; /* sorted by validator, distinct */
};

struct tc_signature {
    uint32_t validator;
    uint64_t high_qc_view;
    struct signature signature;
};

/* Timeout certificate and the highest QC itself. */
struct tc {
    uint64_t view;
    uint32_t signature_count;
    struct tc_signature signatures[CERT_SIGNERS_MAX]; /* sorted by validator, distinct */
    struct qc high_qc;
};

enum cert_verdict { CERT_BAD = 1 };

/* "cybermesh/vote/v1\0" || chain_id || view || height || block_id */
void cert_vote_bytes(uint8_t out[static CERT_VOTE_BYTES], const struct hash *chain_id, uint64_t view, uint64_t height,
                     const struct hash *block_id);
/* "cybermesh/proposal/v1\0" || chain_id || block_id || tc_hash (H of the attached TC's encoding, or zero) */
void cert_proposal_bytes(uint8_t out[static CERT_PROPOSAL_BYTES], const struct hash *chain_id,
                         const struct hash *block_id, const struct hash *tc_hash);
/* "cybermesh/timeout/v1\0" || chain_id || view || high_qc_view */
void cert_timeout_bytes(uint8_t out[static CERT_TIMEOUT_BYTES], const struct hash *chain_id, uint64_t view,
                        uint64_t high_qc_view);
/* "cybermesh/heartbeat/v1\0" || chain_id || view || high_qc_view || committed_height */
void cert_heartbeat_bytes(uint8_t out[static CERT_HEARTBEAT_BYTES], const struct hash *chain_id, uint64_t view,
                          uint64_t high_qc_view, uint64_t committed_height);

/* Bit set of the signers. */
uint64_t qc_signers(const struct qc *qc);

/* H over: u64 view || u32 count || per signature (u32 validator || u64 high_qc_view || signature) || the high QC as
 * u64 view || u64 height || block_id || u32 count || per signature (u32 validator || signature). */
struct hash tc_hash(const struct tc *tc);

/* Form only: sorted, distinct, known signers, a quorum of them (or the genesis certificate: view 0, height 0, no
 * signers). Returns 0 or CERT_BAD. */
MUST_USE int qc_check_form(const struct qc *qc, const struct genesis *genesis);
/* Form and every signature; accepts the genesis certificate only with view 0, height 0. Returns 0 or CERT_BAD. */
MUST_USE int qc_verify(const struct qc *qc, const struct genesis *genesis);
/* Form: also high_qc.view = the greatest high_qc_view, and below view. Returns 0 or CERT_BAD. */
MUST_USE int tc_check_form(const struct tc *tc, const struct genesis *genesis);
MUST_USE int tc_verify(const struct tc *tc, const struct genesis *genesis);

/* A commit proof: headers (encoded, BLOCK_HEADER_BYTES each), B first, and the QC of the last. */
struct cert_commit_proof {
    const uint8_t *headers;
    size_t header_count;
    struct qc qc;
};

/* The rule of the page, every part of it. On success *out is B's header. Returns 0 or CERT_BAD; *why says which part
 * failed (static text). */
MUST_USE int cert_commit_proof_verify(struct block_header *out, const struct cert_commit_proof *proof,
                                      const struct genesis *genesis, const char **why);
