/* test_tx.c - what the parser reads and refuses. */
#include "tests/unit/base/vectors.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/genesis.h"
#include "common/base/hex.h"
#include "common/base/tx.h"

static void assert_text(struct span got, const json_t *test_case, const char *name)
{
    vectors_assert_equal(name, got, span_text(vectors_text(test_case, name)));
}

static void assert_hex(struct span got, const json_t *test_case, const char *name)
{
    struct blob expected = vectors_bytes(test_case, name);
    vectors_assert_equal(name, got, blob_span(&expected));
    blob_free(&expected);
}

static void check_anomaly(const struct tx *tx, const json_t *test_case)
{
    assert_text(tx->source, test_case, "source");
    assert_text(tx->model_version, test_case, "model_version");
    assert_int_equal(tx->severity, vectors_integer(test_case, "severity"));
    assert_true(tx->confidence_bits == vectors_u64(test_case, "confidence_bits"));
    assert_int_equal(tx->confidence_ppm, vectors_integer(test_case, "confidence_ppm"));
}

static void check_evidence(const struct tx *tx, const json_t *test_case)
{
    size_t i;
    const json_t *item;
    assert_int_equal(tx->ref_count, json_array_size(vectors_get(test_case, "refs")));
    json_array_foreach(vectors_get(test_case, "refs"), i, item)
    {
        struct hash ref = tx_ref(tx, (uint32_t)i);
        char text[2 * HASH_BYTES + 1];
        hex_encode(text, ref.bytes, sizeof ref.bytes);
        assert_string_equal(text, json_string_value(item));
    }
    assert_int_equal(tx->custody_count, json_array_size(vectors_get(test_case, "custody")));
    json_array_foreach(vectors_get(test_case, "custody"), i, item)
    {
        struct tx_custody entry = tx_custody_at(tx, (uint32_t)i);
        assert_hex(span_of(entry.ref_hash.bytes, HASH_BYTES), item, "ref_hash");
        assert_hex(span_of(entry.actor_id, sizeof entry.actor_id), item, "actor_id");
        assert_hex(span_of(entry.signature.bytes, SIGN_BYTES), item, "signature");
        assert_int_equal(entry.ts, vectors_integer(item, "ts"));
    }
}

static void check_event(const struct tx *tx, const json_t *test_case)
{
    assert_int_equal(tx->kind, vectors_integer(test_case, "kind"));
    assert_int_equal(tx->alg == TX_ALG_V1, strcmp(vectors_text(test_case, "alg"), "Ed25519") == 0);
    assert_text(tx->id, test_case, "id");
    assert_text(tx->type, test_case, "type");
    assert_int_equal(tx->ts, vectors_integer(test_case, "ts"));
    assert_hex(tx->content, test_case, "content");
    assert_hex(span_of(tx->content_hash.bytes, HASH_BYTES), test_case, "content_hash");
    assert_hex(span_of(tx->producer.bytes, SIGN_PUBLIC_BYTES), test_case, "producer_id");
    assert_hex(span_of(tx->nonce, TX_NONCE_BYTES), test_case, "nonce");
    assert_hex(span_of(tx->signature.bytes, SIGN_BYTES), test_case, "signature");
    if (tx->kind == TX_ANOMALY)
        check_anomaly(tx, test_case);
    else if (tx->kind == TX_EVIDENCE)
        check_evidence(tx, test_case);
    else
        assert_text(tx->action, test_case, "action");
}

static void bodies_of_the_vectors_are_read_field_by_field(void **state)
{
    json_t *root = vectors_load("events.json");
    size_t index;
    const json_t *test_case;
    VECTORS_EACH(root, index, test_case)
    {
        struct blob body = vectors_bytes(test_case, "body");
        struct tx tx;
        const char *why = NULL;
        if (tx_parse(&tx, blob_span(&body), &why) != 0)
            fail_msg("%s: %s", vectors_text(test_case, "name"), why);
        check_event(&tx, test_case);
        blob_free(&body);
    }
    json_decref(root);
}

static void bodies_that_are_no_canonical_form_are_malformed(void **state)
{
    json_t *root = vectors_load("bodies.json");
    size_t index;
    const json_t *test_case;
    VECTORS_EACH(root, index, test_case)
    {
        struct blob body = vectors_bytes(test_case, "body");
        struct tx tx;
        const char *why = NULL;
        if (tx_parse(&tx, blob_span(&body), &why) != REASON_MALFORMED)
            fail_msg("%s", vectors_text(test_case, "name"));
        assert_non_null(why);
        blob_free(&body);
    }
    json_decref(root);
}

/* A good body of each kind, from the vectors. */
static struct blob good_body(json_t *root, const char *name)
{
    size_t index;
    const json_t *test_case;
    VECTORS_EACH(root, index, test_case)
    {
        if (strcmp(vectors_text(test_case, "name"), name) == 0)
            return vectors_bytes(test_case, "body");
    }
    fail_msg("no event %s", name);
    return (struct blob){0};
}

static void no_beginning_of_a_body_is_a_body(void **state)
{
    static const char *const names[] = {"anomaly v2", "evidence v1", "policy v1"};
    json_t *root = vectors_load("events.json");
    for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
        struct blob body = good_body(root, names[i]);
        for (size_t size = 0; size < body.size; size++) {
            uint8_t *exact = malloc(size ? size : 1); /* so that the sanitizer sees a read past the end */
            assert_non_null(exact);
            memcpy(exact, body.data, size);
            struct tx tx;
            const char *why = NULL;
            assert_int_equal(tx_parse(&tx, span_of(exact, size), &why), REASON_MALFORMED);
            free(exact);
        }
        blob_free(&body);
    }
    json_decref(root);
}

static struct span find_double(struct blob *body, uint64_t bits)
{
    for (size_t i = 0; i + 13 <= body->size; i++) {
        static const uint8_t header[5] = {5, 0, 0, 0, 8};
        uint8_t value[8];
        for (size_t j = 0; j < sizeof value; j++)
            value[j] = (uint8_t)(bits >> (56 - 8 * j));
        if (memcmp(body->data + i, header, 5) == 0 && memcmp(body->data + i + 5, value, 8) == 0)
            return span_of(body->data + i + 5, 8);
    }
    return (struct span){0};
}

/* The verdict on a body whose confidence is the double of these bits. */
static int parse_with_confidence(struct tx *tx, struct blob *body, uint64_t bits)
{
    struct span place = find_double(body, UINT64_C(0x3fec000000000000)); /* 0.875 */
    assert_non_null(place.data);
    uint8_t *bytes = body->data + (place.data - body->data);
    for (size_t i = 0; i < 8; i++)
        bytes[i] = (uint8_t)(bits >> (56 - 8 * i));
    const char *why;
    int verdict = tx_parse(tx, blob_span(body), &why);
    static const uint8_t back[8] = {0x3f, 0xec};
    memcpy(bytes, back, 8);
    return verdict;
}

static void confidence_in_ppm_is_that_of_the_vectors(void **state)
{
    json_t *events = vectors_load("events.json"), *root = vectors_load("confidence.json");
    struct blob body = good_body(events, "anomaly v2");
    size_t index;
    const json_t *test_case;
    VECTORS_EACH(root, index, test_case)
    {
        struct tx tx;
        assert_int_equal(parse_with_confidence(&tx, &body, vectors_u64(test_case, "confidence_bits")), 0);
        if (tx.confidence_ppm != vectors_integer(test_case, "expect"))
            fail_msg("%s: %u", vectors_text(test_case, "name"), tx.confidence_ppm);
    }
    blob_free(&body);
    json_decref(root);
    json_decref(events);
}

/* By exact arithmetic: floor(Fraction(x) * 10**6 + Fraction(1, 2)). Where float is said, floor(x * 1e6 + 0.5) in
 * floating point gives one more. */
static void confidence_is_rounded_once(void **state)
{
    static const struct {
        uint64_t bits;
        uint32_t ppm;
    } cases[] = {
        {UINT64_C(0x3ea0c6f7a0b5ed8d), 0},      /* float: 5e-07, a little less than one half of a millionth */
        {UINT64_C(0x3ea0c6f7a0b5ed8e), 1},      /* the next double is more */
        {UINT64_C(0x3ec4f8b588e368f0), 2},      /* float: 0.0000025 */
        {UINT64_C(0x3fbf9ad85dfa871a), 123456}, /* float: 0.1234565 */
        {UINT64_C(0x3fefe7b6fe2e6ea8), 997035}, /* float: 0.9970355 */
        {UINT64_C(0x3feffffef39085f4), 999999}, /* just below 0.9999995 */
        {UINT64_C(0x3feffffef39085f5), 1000000}, {UINT64_C(0x3fefffffffffffff), 1000000},
        {UINT64_C(0x3ff0000000000000), 1000000}, {UINT64_C(0x3fe0000000000000), 500000},
        {UINT64_C(0x0000000000000001), 0},       {UINT64_C(0x8000000000000000), 0}, /* -0 is 0 */
    };
    json_t *events = vectors_load("events.json");
    struct blob body = good_body(events, "anomaly v2");
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct tx tx;
        assert_int_equal(parse_with_confidence(&tx, &body, cases[i].bits), 0);
        if (tx.confidence_ppm != cases[i].ppm)
            fail_msg("%zu: %u instead of %u", i, tx.confidence_ppm, cases[i].ppm);
        assert_true(tx.confidence_bits == cases[i].bits);
    }
    blob_free(&body);
    json_decref(events);
}

static void confidence_that_is_no_number_from_0_to_1_is_malformed(void **state)
{
    static const uint64_t cases[] = {
        UINT64_C(0x3ff0000000000001), /* the next double above 1 */
        UINT64_C(0x7ff0000000000000), /* infinity */
        UINT64_C(0x7ff8000000000000), /* NaN */
        UINT64_C(0xfff8000000000000), /* NaN with a sign */
        UINT64_C(0xfff0000000000000), /* minus infinity */
        UINT64_C(0x8000000000000001), /* the least below 0 */
        UINT64_C(0xbfe0000000000000), /* -0.5 */
    };
    json_t *events = vectors_load("events.json");
    struct blob body = good_body(events, "anomaly v2");
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct tx tx;
        assert_int_equal(parse_with_confidence(&tx, &body, cases[i]), REASON_MALFORMED);
    }
    blob_free(&body);
    json_decref(events);
}

/* The encoding of a policy with these sizes; everything else is good. */
static struct blob policy_sized(size_t id_size, size_t content_size)
{
    uint8_t *content = calloc(content_size + 1, 1);
    char *id = malloc(id_size + 1);
    assert_true(content && id);
    memset(id, 'x', id_size);
    const uint8_t zeros[SIGN_BYTES] = {0};
    const struct tx_fields fields = {.kind = TX_POLICY,
                                     .id = span_of(id, id_size),
                                     .type = span_text("block"),
                                     .action = span_text("drop"),
                                     .alg = span_text("Ed25519"),
                                     .content = span_of(content, content_size),
                                     .content_hash = span_of(zeros, 32),
                                     .producer_id = span_of(zeros, 32),
                                     .pubkey = span_of(zeros, 32),
                                     .nonce = span_of(zeros, 16),
                                     .signature = span_of(zeros, 64)};
    struct blob body = {.size = tx_encoded_size(&fields)};
    body.data = malloc(body.size);
    assert_non_null(body.data);
    tx_encode(body.data, &fields);
    free(content);
    free(id);
    return body;
}

static void content_above_its_limit_is_too_large_whatever_else_is_wrong(void **state)
{
    static const struct {
        size_t id_size, content_size;
        int verdict;
    } cases[] = {{128, 524288, 0},
                 {128, 524289, REASON_TOO_LARGE},
                 {129, 524288, REASON_MALFORMED},
                 {129, 524289, REASON_TOO_LARGE},
                 {1, TX_BODY_BYTES_MAX, REASON_TOO_LARGE}};
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct blob body = policy_sized(cases[i].id_size, cases[i].content_size);
        struct tx tx;
        const char *why = NULL;
        assert_int_equal(tx_parse(&tx, blob_span(&body), &why), cases[i].verdict);
        assert_true((why == NULL) == (cases[i].verdict == 0));
        blob_free(&body);
    }
}

static struct blob filled(const json_t *test_case, const char *prefix_name, const char *suffix_name)
{
    struct blob prefix = vectors_bytes(test_case, prefix_name), suffix = vectors_bytes(test_case, suffix_name);
    struct blob fill = vectors_bytes(test_case, "fill");
    size_t fill_count = (size_t)vectors_integer(test_case, "fill_count");
    struct blob whole = {.size = prefix.size + fill_count + suffix.size};
    whole.data = malloc(whole.size);
    assert_non_null(whole.data);
    memcpy(whole.data, prefix.data, prefix.size);
    memset(whole.data + prefix.size, fill.data[0], fill_count);
    memcpy(whole.data + prefix.size + fill_count, suffix.data, suffix.size);
    blob_free(&prefix);
    blob_free(&suffix);
    blob_free(&fill);
    return whole;
}

static void bodies_at_a_limit_are_judged_as_the_vectors_say(void **state)
{
    json_t *root = vectors_load("checks_large.json");
    size_t index, bodies = 0;
    const json_t *test_case;
    VECTORS_EACH(root, index, test_case)
    {
        if (json_is_null(vectors_get(test_case, "body_prefix")))
            continue;
        struct blob body = filled(test_case, "body_prefix", "body_suffix");
        struct tx tx;
        const char *why;
        int verdict = tx_parse(&tx, blob_span(&body), &why);
        assert_string_equal(verdict == 0 ? "OK" : reason_text(verdict), vectors_text(test_case, "expect"));
        blob_free(&body);
        bodies++;
    }
    assert_true(bodies >= 6);
    json_decref(root);
}

static void each_kind_has_its_role(void **state)
{
    assert_int_equal(tx_role(TX_ANOMALY), PRODUCER_ROLE_ANOMALY);
    assert_int_equal(tx_role(TX_EVIDENCE), PRODUCER_ROLE_EVIDENCE);
    assert_int_equal(tx_role(TX_POLICY), PRODUCER_ROLE_POLICY);
}

static void policies_that_act_now_go_first(void **state)
{
    static const char *const now[] = {"drop", "reject", "block", "quarantine", "rate_limit"};
    struct tx tx = {.kind = TX_POLICY};
    for (size_t i = 0; i < ARRAY_COUNT(now); i++) {
        tx.action = span_text(now[i]);
        assert_int_equal(tx_class(&tx), 0);
    }
    tx.action = span_text("remove");
    assert_int_equal(tx_class(&tx), 1);
    tx.action = span_text("Drop");
    assert_int_equal(tx_class(&tx), 1);
    tx = (struct tx){.kind = TX_ANOMALY, .action = span_text("drop")};
    assert_int_equal(tx_class(&tx), 2);
    tx.kind = TX_EVIDENCE;
    assert_int_equal(tx_class(&tx), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bodies_of_the_vectors_are_read_field_by_field),
        cmocka_unit_test(bodies_that_are_no_canonical_form_are_malformed),
        cmocka_unit_test(no_beginning_of_a_body_is_a_body),
        cmocka_unit_test(confidence_in_ppm_is_that_of_the_vectors),
        cmocka_unit_test(confidence_is_rounded_once),
        cmocka_unit_test(confidence_that_is_no_number_from_0_to_1_is_malformed),
        cmocka_unit_test(content_above_its_limit_is_too_large_whatever_else_is_wrong),
        cmocka_unit_test(bodies_at_a_limit_are_judged_as_the_vectors_say),
        cmocka_unit_test(each_kind_has_its_role),
        cmocka_unit_test(policies_that_act_now_go_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
