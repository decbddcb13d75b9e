/* test_peer_record.c - peer records are read, written and judged. */
#include "tests/unit/base/vectors.h"

#include "common/base/peer_record.h"

static void endpoints_are_those_of_the_vectors(void **state)
{
    json_t *root = vectors_load("peer_endpoints.json");
    size_t index;
    const json_t *test_case;
    VECTORS_EACH(root, index, test_case)
    {
        const char *text = vectors_text(test_case, "endpoint");
        if (peer_record_endpoint_is_valid(span_text(text)) != vectors_expect_ok(test_case))
            fail_msg("%s", text);
    }
    json_decref(root);
}

static const char *judge(struct span bytes, const struct genesis *genesis, struct peer_record *out)
{
    static const char *const names[] = {"OK", "MALFORMED", "OTHER_CHAIN", "UNKNOWN", "BAD_ENDPOINT", "BAD_SIGNATURE"};
    uint32_t index = 0;
    int verdict = peer_record_decode(out, &index, bytes, genesis);
    if (verdict == 0) {
        assert_true(hash_equal(&out->validator, &genesis->validators[index].id));
        verdict = peer_record_verify(out, index, genesis);
    }
    assert_in_range(verdict, 0, ARRAY_COUNT(names) - 1);
    return names[verdict];
}

static void records_are_those_of_the_vectors(void **state)
{
    json_t *root = vectors_load("peer_records.json");
    struct genesis genesis = vectors_genesis(root);
    size_t index;
    const json_t *test_case;
    VECTORS_EACH(root, index, test_case)
    {
        const char *name = vectors_text(test_case, "name");
        struct blob bytes = vectors_bytes(test_case, "record");
        struct peer_record record;
        const char *got = judge(blob_span(&bytes), &genesis, &record);
        if (strcmp(got, vectors_text(test_case, "expect")) != 0)
            fail_msg("%s: %s", name, got);
        if (strcmp(got, "OK") == 0) {
            uint8_t again[PEER_RECORD_BYTES_MAX];
            size_t size = peer_record_encode(again, &record, &genesis.chain_id);
            vectors_assert_equal(name, span_of(again, size), blob_span(&bytes));
        }
        blob_free(&bytes);
    }
    json_decref(root);
}

/* What a validator signs is what the others accept, and in its name only. */
static void what_is_signed_is_accepted(void **state)
{
    static struct genesis genesis = {.validator_count = 2};
    struct sign_key keys[2];
    for (uint8_t i = 0; i < 2; i++) {
        uint8_t seed[SIGN_SEED_BYTES] = {(uint8_t)(i + 1)};
        sign_key_from_seed(&keys[i], seed);
        genesis.validators[i].sign_key = keys[i].public;
        genesis.validators[i].id = sign_public_id(&keys[i].public);
    }
    struct peer_record record = {
        .version = 7,
        .endpoints = {.pub = "tcp://127.0.0.1:1", .sync = "tcp://[::1]:2", .gossip = "tcp://127.0.0.1:3"}};
    peer_record_sign(&record, &genesis.chain_id, &keys[1]);
    uint8_t bytes[PEER_RECORD_BYTES_MAX];
    size_t size = peer_record_encode(bytes, &record, &genesis.chain_id);
    struct peer_record read;
    assert_string_equal(judge(span_of(bytes, size), &genesis, &read), "OK");
    assert_true(peer_record_endpoints_equal(&read.endpoints, &record.endpoints));
    assert_int_equal(read.version, 7);
    assert_int_equal(peer_record_verify(&record, 0, &genesis), PEER_RECORD_BAD_SIGNATURE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(endpoints_are_those_of_the_vectors),
        cmocka_unit_test(records_are_those_of_the_vectors),
        cmocka_unit_test(what_is_signed_is_accepted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
