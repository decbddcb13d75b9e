/* test_block.c */
#include "tests/unit/base/vectors.h"

#include <string.h>

#include "common/base/block.h"
#include "common/base/err.h"

static struct block_header header_read(const json_t *test_case)
{
    return (struct block_header){
        .chain_id = vectors_hash(test_case, "chain_id"),
        .height = vectors_u64(test_case, "height"),
        .view = vectors_u64(test_case, "view"),
        .parent_id = vectors_hash(test_case, "parent_id"),
        .justify_view = vectors_u64(test_case, "justify_view"),
        .justify_signers = vectors_u64(test_case, "justify_signers"),
        .tx_count = (uint32_t)vectors_integer(test_case, "tx_count"),
        .tx_root = vectors_hash(test_case, "tx_root"),
        .receipt_root = vectors_hash(test_case, "receipt_root"),
        .state_root = vectors_hash(test_case, "state_root"),
        .proposer = vectors_hash(test_case, "proposer"),
        .timestamp_ms = vectors_u64(test_case, "timestamp_ms"),
    };
}

static void header_check(const json_t *test_case, struct span bytes)
{
    struct block_header expected = header_read(test_case);
    uint8_t encoded[BLOCK_HEADER_BYTES];
    block_header_encode(encoded, &expected);
    vectors_assert_equal(vectors_text(test_case, "name"), span_of(encoded, sizeof encoded), bytes);
    struct hash id = block_id(&expected), expected_id = vectors_hash(test_case, "block_id");
    assert_true(hash_equal(&id, &expected_id));
    struct block_header decoded;
    assert_int_equal(block_header_decode(&decoded, bytes), 0);
    uint8_t again[BLOCK_HEADER_BYTES];
    block_header_encode(again, &decoded);
    assert_memory_equal(again, encoded, sizeof encoded);
}

static void headers_are_those_of_the_vectors(void **state)
{
    json_t *root = vectors_load("headers.json");
    size_t index;
    const json_t *test_case;
    VECTORS_EACH(root, index, test_case)
    {
        struct blob bytes = vectors_bytes(test_case, "header");
        struct block_header decoded;
        if (vectors_expect_ok(test_case))
            header_check(test_case, blob_span(&bytes));
        else
            assert_int_equal(block_header_decode(&decoded, blob_span(&bytes)), ERR_MALFORMED);
        blob_free(&bytes);
    }
    json_decref(root);
}

static void every_byte_of_the_domain_counts(void **state)
{
    struct block_header header = {.height = 1};
    uint8_t bytes[BLOCK_HEADER_BYTES];
    block_header_encode(bytes, &header);
    for (size_t i = 0; i < 19; i++) {
        bytes[i] ^= 1;
        struct block_header decoded;
        assert_int_equal(block_header_decode(&decoded, span_of(bytes, sizeof bytes)), ERR_MALFORMED);
        bytes[i] ^= 1;
    }
}

static void the_genesis_block_has_only_chain_time_and_state(void **state)
{
    struct genesis genesis = {.created_ms = 1759999000123};
    genesis.chain_id = hash_of(span_text("chain"));
    struct hash state_root = hash_of(span_text("state"));
    struct block_header header = block_genesis(&genesis, &state_root);
    assert_true(hash_equal(&header.chain_id, &genesis.chain_id));
    assert_true(hash_equal(&header.state_root, &state_root));
    assert_true(header.timestamp_ms == genesis.created_ms);
    assert_true(header.height == 0 && header.view == 0 && header.justify_view == 0 && header.justify_signers == 0);
    assert_true(header.tx_count == 0 && hash_is_zero(&header.tx_root) && hash_is_zero(&header.receipt_root));
    assert_true(hash_is_zero(&header.parent_id) && hash_is_zero(&header.proposer));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(headers_are_those_of_the_vectors),
        cmocka_unit_test(every_byte_of_the_domain_counts),
        cmocka_unit_test(the_genesis_block_has_only_chain_time_and_state),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
