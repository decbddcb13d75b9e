/* cert.c - signed bytes and verification of votes, certificates and commit proofs. */
#include "common/base/cert.h"

#include <assert.h>

#include "common/base/bytes.h"
#include "common/base/cert_codec.h"

/* Domains are written with their zero byte. */
static const char cert_vote_domain[] = "cybermesh/vote/v1";
static const char cert_proposal_domain[] = "cybermesh/proposal/v1";
static const char cert_timeout_domain[] = "cybermesh/timeout/v1";
static const char cert_heartbeat_domain[] = "cybermesh/heartbeat/v1";

static void cert_put_hash(struct bytes_writer *writer, const struct hash *value)
{
    bytes_put(writer, value->bytes, HASH_BYTES);
}

void cert_vote_bytes(uint8_t out[static CERT_VOTE_BYTES], const struct hash *chain_id, uint64_t view, uint64_t height,
                     const struct hash *block_id)
{
    struct bytes_writer writer = bytes_writer_of(out, CERT_VOTE_BYTES);
    bytes_put(&writer, cert_vote_domain, sizeof cert_vote_domain);
    cert_put_hash(&writer, chain_id);
    bytes_put_u64(&writer, view);
    bytes_put_u64(&writer, height);
    cert_put_hash(&writer, block_id);
    assert(!writer.failed && writer.size == CERT_VOTE_BYTES);
}

void cert_proposal_bytes(uint8_t out[static CERT_PROPOSAL_BYTES], const struct hash *chain_id,
                         const struct hash *block_id, const struct hash *tc_hash)
{
    struct bytes_writer writer = bytes_writer_of(out, CERT_PROPOSAL_BYTES);
    bytes_put(&writer, cert_proposal_domain, sizeof cert_proposal_domain);
    cert_put_hash(&writer, chain_id);
    cert_put_hash(&writer, block_id);
    cert_put_hash(&writer, tc_hash);
    assert(!writer.failed && writer.size == CERT_PROPOSAL_BYTES);
}

void cert_timeout_bytes(uint8_t out[static CERT_TIMEOUT_BYTES], const struct hash *chain_id, uint64_t view,
                        uint64_t high_qc_view)
{
    struct bytes_writer writer = bytes_writer_of(out, CERT_TIMEOUT_BYTES);
    bytes_put(&writer, cert_timeout_domain, sizeof cert_timeout_domain);
    cert_put_hash(&writer, chain_id);
    bytes_put_u64(&writer, view);
    bytes_put_u64(&writer, high_qc_view);
    assert(!writer.failed && writer.size == CERT_TIMEOUT_BYTES);
}

void cert_heartbeat_bytes(uint8_t out[static CERT_HEARTBEAT_BYTES], const struct hash *chain_id, uint64_t view,
                          uint64_t high_qc_view, uint64_t committed_height)
{
    struct bytes_writer writer = bytes_writer_of(out, CERT_HEARTBEAT_BYTES);
    bytes_put(&writer, cert_heartbeat_domain, sizeof cert_heartbeat_domain);
    cert_put_hash(&writer, chain_id);
    bytes_put_u64(&writer, view);
    bytes_put_u64(&writer, high_qc_view);
    bytes_put_u64(&writer, committed_height);
    assert(!writer.failed && writer.size == CERT_HEARTBEAT_BYTES);
}

uint64_t qc_signers(const struct qc *qc)
{
    uint64_t signers = 0;
    for (uint32_t i = 0; i < qc->signature_count && i < CERT_SIGNERS_MAX; i++)
        signers |= UINT64_C(1) << (qc->signatures[i].validator % CERT_SIGNERS_MAX);
    return signers;
}

struct hash tc_hash(const struct tc *tc)
{
    uint8_t bytes[CERT_CODEC_TC_BYTES_MAX];
    struct bytes_writer writer = bytes_writer_of(bytes, sizeof bytes);
    cert_codec_put_tc(&writer, tc);
    assert(!writer.failed);
    return hash_of(bytes_written(&writer));
}

static bool qc_is_genesis(const struct qc *qc)
{
    return qc->view == 0 && qc->height == 0 && qc->signature_count == 0;
}

static bool cert_count_is_quorum(uint32_t signature_count, const struct genesis *genesis)
{
    return signature_count <= CERT_SIGNERS_MAX && signature_count >= genesis_quorum(genesis->validator_count);
}

int qc_check_form(const struct qc *qc, const struct genesis *genesis)
{
    if (qc_is_genesis(qc))
        return 0;
    /* View 0 and height 0 belong to the genesis block alone, and nobody signs for it. */
    if (qc->view == 0 || qc->height == 0 || !cert_count_is_quorum(qc->signature_count, genesis))
        return CERT_BAD;
    for (uint32_t i = 0; i < qc->signature_count; i++) {
        uint32_t validator = qc->signatures[i].validator;
        if (validator >= genesis->validator_count)
            return CERT_BAD;
        if (i > 0 && validator <= qc->signatures[i - 1].validator)
            return CERT_BAD;
    }
    return 0;
}

int qc_verify(const struct qc *qc, const struct genesis *genesis)
{
    int verdict = qc_check_form(qc, genesis);
    if (verdict != 0)
        return verdict;
    uint8_t vote[CERT_VOTE_BYTES];
    cert_vote_bytes(vote, &genesis->chain_id, qc->view, qc->height, &qc->block_id);
    for (uint32_t i = 0; i < qc->signature_count; i++) {
        const struct cert_signature *entry = &qc->signatures[i];
        const struct sign_public *key = &genesis->validators[entry->validator].sign_key;
        if (sign_verify(&entry->signature, key, span_of(vote, sizeof vote)) != 0)
            return CERT_BAD;
    }
    return 0;
}

int tc_check_form(const struct tc *tc, const struct genesis *genesis)
{
    if (!cert_count_is_quorum(tc->signature_count, genesis))
        return CERT_BAD;
    uint64_t high_qc_view_max = 0;
    for (uint32_t i = 0; i < tc->signature_count; i++) {
        const struct tc_signature *entry = &tc->signatures[i];
        if (entry->validator >= genesis->validator_count)
            return CERT_BAD;
        if (i > 0 && entry->validator <= tc->signatures[i - 1].validator)
            return CERT_BAD;
        if (entry->high_qc_view > high_qc_view_max)
            high_qc_view_max = entry->high_qc_view;
    }
    /* "the attached QC's view = the greatest of them, and below v" */
    if (tc->high_qc.view != high_qc_view_max || high_qc_view_max >= tc->view)
        return CERT_BAD;
    return qc_check_form(&tc->high_qc, genesis);
}

int tc_verify(const struct tc *tc, const struct genesis *genesis)
{
    int verdict = tc_check_form(tc, genesis);
    if (verdict != 0)
        return verdict;
    for (uint32_t i = 0; i < tc->signature_count; i++) {
        const struct tc_signature *entry = &tc->signatures[i];
        uint8_t timeout[CERT_TIMEOUT_BYTES];
        cert_timeout_bytes(timeout, &genesis->chain_id, tc->view, entry->high_qc_view);
        const struct sign_public *key = &genesis->validators[entry->validator].sign_key;
        if (sign_verify(&entry->signature, key, span_of(timeout, sizeof timeout)) != 0)
            return CERT_BAD;
    }
    return qc_verify(&tc->high_qc, genesis);
}

/* NULL when child may stand after parent, else what is wrong. */
static const char *cert_link_fault(const struct block_header *parent, const struct hash *parent_id,
                                   const struct block_header *child)
{
    if (!hash_equal(&child->parent_id, parent_id))
        return "a header's parent_id is not the id of the header before it";
    if (parent->height == UINT64_MAX || child->height != parent->height + 1)
        return "heights do not rise by one";
    if (child->justify_view != parent->view)
        return "a header's justify_view is not the view of the header before it";
    return NULL;
}

/* The chain of headers: *first and *last are its ends. Returns NULL or what is wrong. */
static const char *cert_chain_fault(const struct cert_commit_proof *proof, const struct genesis *genesis,
                                    struct block_header *first, struct block_header *last, struct hash *last_id)
{
    struct block_header parent = {0};
    for (size_t i = 0; i < proof->header_count; i++) {
        struct span bytes = span_of(proof->headers + i * BLOCK_HEADER_BYTES, BLOCK_HEADER_BYTES);
        if (block_header_decode(last, bytes) < 0)
            return "a header has the wrong domain";
        if (!hash_equal(&last->chain_id, &genesis->chain_id))
            return "a header's chain_id is not the genesis file's";
        const char *fault = i > 0 ? cert_link_fault(&parent, last_id, last) : NULL;
        if (fault)
            return fault;
        if (i == 0)
            *first = *last;
        if (i == proof->header_count - 1 && (parent.view == UINT64_MAX || last->view != parent.view + 1))
            return "the last two headers do not have consecutive views";
        *last_id = hash_of(bytes);
        parent = *last;
    }
    return NULL;
}

int cert_commit_proof_verify(struct block_header *out, const struct cert_commit_proof *proof,
                             const struct genesis *genesis, const char **why)
{
    if (proof->header_count < 2 || proof->header_count > CERT_PROOF_HEADERS_MAX) {
        *why = "a proof has 2 to 4096 headers";
        return CERT_BAD;
    }
    struct block_header first, last;
    struct hash last_id;
    *why = cert_chain_fault(proof, genesis, &first, &last, &last_id);
    if (*why)
        return CERT_BAD;
    if (proof->qc.view != last.view || proof->qc.height != last.height || !hash_equal(&proof->qc.block_id, &last_id)) {
        *why = "the certificate is not for the last header";
        return CERT_BAD;
    }
    if (qc_check_form(&proof->qc, genesis) != 0) {
        *why = "the certificate's signers are not a quorum of distinct, sorted, known validators";
        return CERT_BAD;
    }
    if (qc_verify(&proof->qc, genesis) != 0) {
        *why = "a signature of the certificate is wrong";
        return CERT_BAD;
    }
    *out = first;
    return 0;
}
