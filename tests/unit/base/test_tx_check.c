/* test_tx_check.c - the checks of a parsed transaction, against the vectors. */
#include "tests/unit/base/vectors.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/tx.h"

enum { SCRATCH_SLACK = 64 };

static int signature_verdict(const struct tx *tx)
{
    size_t size = tx->body.size + SCRATCH_SLACK;
    uint8_t *scratch = malloc(size);
    assert_non_null(scratch);
    int verdict = tx_check_signature(tx, scratch, size);
    free(scratch);
    return verdict;
}

static void signed_bytes_and_signatures_are_those_of_the_vectors(void **state)
{
    json_t *root = vectors_load("events.json");
    size_t index;
    const json_t *test_case;
    VECTORS_EACH(root, index, test_case)
    {
        struct blob body = vectors_bytes(test_case, "body"), expected = vectors_bytes(test_case, "signing_bytes");
        struct tx tx;
        const char *why;
        assert_int_equal(tx_parse(&tx, blob_span(&body), &why), 0);
        uint8_t *bytes = malloc(body.size + SCRATCH_SLACK);
        assert_non_null(bytes);
        size_t size = tx_signing_bytes(&tx, bytes, body.size + SCRATCH_SLACK);
        vectors_assert_equal(vectors_text(test_case, "name"), span_of(bytes, size), blob_span(&expected));
        assert_int_equal(tx_signing_bytes(&tx, bytes, size), size);
        assert_int_equal(tx_signing_bytes(&tx, bytes, size - 1), 0);
        assert_int_equal(signature_verdict(&tx), 0);
        assert_int_equal(tx_check_content_hash(&tx), 0);
        assert_int_equal(tx_check_custody(&tx), 0);
        free(bytes);
        blob_free(&body);
        blob_free(&expected);
    }
    json_decref(root);
}

/* The checks that need nothing but the body, in their order; those of others between them are not asked. */
static int body_verdict(struct span body, bool custody_required)
{
    struct tx tx;
    const char *why;
    int verdict = tx_parse(&tx, body, &why);
    if (verdict == 0)
        verdict = signature_verdict(&tx);
    if (verdict == 0)
        verdict = tx_check_content_hash(&tx);
    if (verdict == 0 && custody_required)
        verdict = tx_check_custody(&tx);
    return verdict;
}

static void bodies_are_judged_as_the_vectors_say(void **state)
{
    json_t *root = vectors_load("checks.json");
    size_t index, judged = 0;
    const json_t *test_case;
    VECTORS_EACH(root, index, test_case)
    {
        if (json_is_null(vectors_get(test_case, "body")) || strcmp(vectors_text(test_case, "stage"), "static") != 0)
            continue;
        const char *expected = vectors_text(test_case, "expect");
        if (strcmp(expected, "CONTENT_RULE") == 0)
            expected = "OK"; /* nothing else is wrong with those */
        struct blob body = vectors_bytes(test_case, "body");
        bool custody_required = strcmp(vectors_text(test_case, "custody_verification"), "required") == 0;
        int verdict = body_verdict(blob_span(&body), custody_required);
        const char *got = verdict == 0 ? "OK" : reason_text(verdict);
        if (strcmp(got, expected) != 0)
            fail_msg("%s: %s instead of %s", vectors_text(test_case, "name"), got, expected);
        blob_free(&body);
        judged++;
    }
    assert_true(judged > 200);
    json_decref(root);
}

static void timestamps_are_judged_as_the_vectors_say(void **state)
{
    json_t *root = vectors_load("checks.json");
    size_t index, judged = 0;
    const json_t *test_case;
    VECTORS_EACH(root, index, test_case)
    {
        const char *expected = vectors_text(test_case, "expect");
        bool skewed = strcmp(expected, "TIMESTAMP_SKEW") == 0;
        if (json_is_null(vectors_get(test_case, "body")) || (!skewed && strcmp(expected, "OK") != 0))
            continue;
        struct blob body = vectors_bytes(test_case, "body");
        struct tx tx;
        const char *why;
        assert_int_equal(tx_parse(&tx, blob_span(&body), &why), 0);
        int verdict = tx_check_timestamp(&tx, vectors_integer(test_case, "broker_timestamp_s"),
                                         vectors_integer(test_case, "skew_s"));
        assert_int_equal(verdict, skewed ? REASON_TIMESTAMP_SKEW : 0);
        blob_free(&body);
        judged += skewed;
    }
    assert_true(judged > 4);
    json_decref(root);
}

static void the_farthest_times_do_not_overflow(void **state)
{
    struct tx tx = {.ts = INT64_MIN};
    assert_int_equal(tx_check_timestamp(&tx, INT64_MAX, INT64_MAX), REASON_TIMESTAMP_SKEW);
    assert_int_equal(tx_check_timestamp(&tx, -1, INT64_MAX), 0);
    assert_int_equal(tx_check_timestamp(&tx, INT64_MIN, 0), 0);
    tx.ts = INT64_MAX;
    assert_int_equal(tx_check_timestamp(&tx, INT64_MIN, INT64_MAX), REASON_TIMESTAMP_SKEW);
    assert_int_equal(tx_check_timestamp(&tx, INT64_MAX, -1), REASON_TIMESTAMP_SKEW);
}

/* custody.json: one entry, the key to check it with and the verdict, as a transaction with that producer or actor. */
static void custody_entries_are_judged_as_the_vectors_say(void **state)
{
    json_t *root = vectors_load("custody.json");
    size_t index;
    const json_t *test_case;
    VECTORS_EACH(root, index, test_case)
    {
        struct blob ref = vectors_bytes(test_case, "ref_hash"), actor = vectors_bytes(test_case, "actor_id");
        struct blob signature = vectors_bytes(test_case, "signature"), key = vectors_bytes(test_case, "key");
        const struct tx_custody_fields entry = {.ref_hash = blob_span(&ref),
                                                .actor_id = blob_span(&actor),
                                                .signature = blob_span(&signature),
                                                .ts = vectors_integer(test_case, "ts")};
        const uint8_t zeros[SIGN_BYTES] = {0};
        const struct tx_fields fields = {.kind = TX_EVIDENCE,
                                         .id = span_text("e"),
                                         .type = span_text("pcap"),
                                         .alg = span_text(vectors_text(test_case, "alg")),
                                         .content_hash = span_of(zeros, 32),
                                         .producer_id = blob_span(&key),
                                         .pubkey = blob_span(&key),
                                         .nonce = span_of(zeros, 16),
                                         .signature = span_of(zeros, 64),
                                         .custody = &entry,
                                         .custody_count = 1};
        struct blob body = {.size = tx_encoded_size(&fields)};
        body.data = malloc(body.size);
        assert_non_null(body.data);
        tx_encode(body.data, &fields);
        struct tx tx;
        const char *why;
        assert_int_equal(tx_parse(&tx, blob_span(&body), &why), 0);
        struct blob canonical = vectors_bytes(test_case, "canonical");
        vectors_assert_equal("canonical", span_of(tx.custody.data + 4, tx.custody.size - 4), blob_span(&canonical));
        if ((tx_check_custody(&tx) == 0) != vectors_expect_ok(test_case))
            fail_msg("%s", vectors_text(test_case, "name"));
        struct blob *const blobs[] = {&ref, &actor, &signature, &key, &body, &canonical};
        for (size_t i = 0; i < ARRAY_COUNT(blobs); i++)
            blob_free(blobs[i]);
    }
    json_decref(root);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(signed_bytes_and_signatures_are_those_of_the_vectors),
        cmocka_unit_test(bodies_are_judged_as_the_vectors_say),
        cmocka_unit_test(timestamps_are_judged_as_the_vectors_say),
        cmocka_unit_test(the_farthest_times_do_not_overflow),
        cmocka_unit_test(custody_entries_are_judged_as_the_vectors_say),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
