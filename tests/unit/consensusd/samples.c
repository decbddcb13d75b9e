/* samples.c - made from small numbers, so that a difference is easy to see. */
#include "tests/unit/consensusd/samples.h"

#include <string.h>

struct hash sample_hash(uint8_t byte)
{
    struct hash hash;
    memset(hash.bytes, byte, sizeof hash.bytes);
    return hash;
}

struct signature sample_signature(uint8_t byte)
{
    struct signature signature;
    memset(signature.bytes, byte, sizeof signature.bytes);
    return signature;
}

struct qc sample_qc(uint64_t view, uint32_t signers)
{
    struct qc qc = {
        .view = view, .height = view - 1, .block_id = sample_hash((uint8_t)view), .signature_count = signers};
    for (uint32_t i = 0; i < signers; i++)
        qc.signatures[i] = (struct cert_signature){.validator = i, .signature = sample_signature((uint8_t)(view + i))};
    return qc;
}

struct tc sample_tc(uint64_t view, uint32_t signers)
{
    struct tc tc = {.view = view, .signature_count = signers, .high_qc = sample_qc(view - 2, signers)};
    for (uint32_t i = 0; i < signers; i++)
        tc.signatures[i] = (struct tc_signature){
            .validator = i, .high_qc_view = view - 2, .signature = sample_signature((uint8_t)(0x40 + i))};
    return tc;
}

struct block_header sample_header(uint64_t height, uint32_t tx_count)
{
    return (struct block_header){.chain_id = sample_hash(0xc1),
                                 .height = height,
                                 .view = height + 1,
                                 .parent_id = sample_hash((uint8_t)(height - 1)),
                                 .justify_view = height,
                                 .justify_signers = 0xb,
                                 .tx_count = tx_count,
                                 .tx_root = sample_hash(0xa1),
                                 .receipt_root = sample_hash(0xa2),
                                 .state_root = sample_hash(0xa3),
                                 .proposer = sample_hash(0xa4),
                                 .timestamp_ms = 1700000000000 + height};
}

struct consensus_voting sample_voting(uint64_t view)
{
    return (struct consensus_voting){.last_voted_view = view,
                                     .has_vote = true,
                                     .vote_view = view,
                                     .vote_height = view - 1,
                                     .vote_block_id = sample_hash((uint8_t)view),
                                     .vote_signature = sample_signature(0x77),
                                     .has_timeout = true,
                                     .timeout_view = view - 1,
                                     .timeout_high_qc_view = view - 3,
                                     .high_qc = sample_qc(view - 1, 3),
                                     .has_tc = true,
                                     .high_tc = sample_tc(view - 1, 3)};
}

void sample_assert_qc(const struct qc *got, const struct qc *expected)
{
    assert_int_equal(got->view, expected->view);
    assert_int_equal(got->height, expected->height);
    assert_memory_equal(&got->block_id, &expected->block_id, sizeof got->block_id);
    assert_int_equal(got->signature_count, expected->signature_count);
    for (uint32_t i = 0; i < got->signature_count; i++) {
        assert_int_equal(got->signatures[i].validator, expected->signatures[i].validator);
        assert_memory_equal(&got->signatures[i].signature, &expected->signatures[i].signature, SIGN_BYTES);
    }
}

void sample_assert_tc(const struct tc *got, const struct tc *expected)
{
    assert_int_equal(got->view, expected->view);
    assert_int_equal(got->signature_count, expected->signature_count);
    for (uint32_t i = 0; i < got->signature_count; i++) {
        assert_int_equal(got->signatures[i].validator, expected->signatures[i].validator);
        assert_int_equal(got->signatures[i].high_qc_view, expected->signatures[i].high_qc_view);
        assert_memory_equal(&got->signatures[i].signature, &expected->signatures[i].signature, SIGN_BYTES);
    }
    sample_assert_qc(&got->high_qc, &expected->high_qc);
}

void sample_assert_header(const struct block_header *got, const struct block_header *expected)
{
    uint8_t a[BLOCK_HEADER_BYTES], b[BLOCK_HEADER_BYTES];
    block_header_encode(a, got);
    block_header_encode(b, expected);
    assert_memory_equal(a, b, sizeof a);
}
