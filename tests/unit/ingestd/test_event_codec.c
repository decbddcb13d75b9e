/* event_codec.c against the vectors: every record becomes its body, or is refused. */
#include <stdlib.h>
#include <string.h>

#include "common/base/tx.h"
#include "services/ingestd/event_codec.h"
#include "tests/unit/base/vectors.h"

/* The record's body, or an empty blob with *verdict. */
static struct blob body_of(int kind, struct span record, int *verdict)
{
    struct event_codec_room room;
    struct tx_fields fields;
    const char *why = NULL;
    struct blob body = {0};
    *verdict = event_codec_read(&fields, &room, (enum tx_kind)kind, record, &why);
    if (*verdict != 0) {
        assert_non_null(why);
        return body;
    }
    body.size = tx_encoded_size(&fields);
    body.data = malloc(body.size);
    assert_non_null(body.data);
    tx_encode(body.data, &fields);
    return body;
}

static void good_events_become_their_bodies(void **state)
{
    json_t *root = vectors_load("events.json");
    size_t index;
    json_t *test_case;
    VECTORS_EACH(root, index, test_case)
    {
        struct blob record = vectors_bytes(test_case, "record");
        struct blob expected = vectors_bytes(test_case, "body");
        int verdict;
        struct blob body = body_of((int)vectors_integer(test_case, "kind"), blob_span(&record), &verdict);
        assert_int_equal(verdict, 0);
        vectors_assert_equal(vectors_text(test_case, "name"), blob_span(&body), blob_span(&expected));
        blob_free(&record);
        blob_free(&expected);
        blob_free(&body);
    }
    json_decref(root);
}

/* What tx_parse() says about the record's body, or event_codec_read() about the record. */
static int static_verdict(int kind, struct span record, const char **why)
{
    int verdict;
    struct blob body = body_of(kind, record, &verdict);
    if (verdict == 0) {
        struct tx tx;
        verdict = tx_parse(&tx, blob_span(&body), why);
    }
    blob_free(&body);
    return verdict;
}

static void a_record_without_a_body_is_malformed_and_others_become_theirs(void **state)
{
    json_t *root = vectors_load("checks.json");
    size_t index;
    json_t *test_case;
    size_t without_body = 0;
    VECTORS_EACH(root, index, test_case)
    {
        const char *name = vectors_text(test_case, "name");
        const char *expect = vectors_text(test_case, "expect");
        int kind = (int)vectors_integer(test_case, "kind");
        struct blob record = vectors_bytes(test_case, "record");
        if (json_is_null(vectors_get(test_case, "body"))) {
            const char *why = NULL;
            int verdict = static_verdict(kind, blob_span(&record), &why);
            if (strcmp(verdict == 0 ? "OK" : reason_text(verdict), expect) != 0)
                fail_msg("%s: %s instead of %s", name, reason_text(verdict), expect);
            without_body++;
        } else {
            struct blob expected = vectors_bytes(test_case, "body");
            int verdict;
            struct blob body = body_of(kind, blob_span(&record), &verdict);
            if (verdict == 0)
                vectors_assert_equal(name, blob_span(&body), blob_span(&expected));
            else if (strcmp(reason_text(verdict), expect) != 0)
                fail_msg("%s: %s instead of %s", name, reason_text(verdict), expect);
            blob_free(&expected);
            blob_free(&body);
        }
        blob_free(&record);
    }
    assert_true(without_body >= 10);
    json_decref(root);
}

static struct blob filled(const json_t *test_case)
{
    struct blob prefix = vectors_bytes(test_case, "record_prefix");
    struct blob suffix = vectors_bytes(test_case, "record_suffix");
    struct blob fill = vectors_bytes(test_case, "fill");
    size_t count = (size_t)vectors_integer(test_case, "fill_count");
    struct blob out = {.size = prefix.size + count + suffix.size};
    out.data = malloc(out.size);
    assert_non_null(out.data);
    memcpy(out.data, prefix.data, prefix.size);
    memset(out.data + prefix.size, fill.data[0], count);
    if (suffix.size > 0)
        memcpy(out.data + prefix.size + count, suffix.data, suffix.size);
    blob_free(&prefix);
    blob_free(&suffix);
    blob_free(&fill);
    return out;
}

static void records_at_a_limit(void **state)
{
    json_t *root = vectors_load("checks_large.json");
    size_t index;
    json_t *test_case;
    VECTORS_EACH(root, index, test_case)
    {
        const char *expect = vectors_text(test_case, "expect");
        struct blob record = filled(test_case);
        const char *why = NULL;
        int verdict = static_verdict((int)vectors_integer(test_case, "kind"), blob_span(&record), &why);
        bool is_static = strcmp(expect, "TOO_LARGE") == 0 || strcmp(expect, "MALFORMED") == 0;
        if (is_static ? strcmp(reason_text(verdict), expect) != 0 : verdict != 0)
            fail_msg("%s: %s instead of %s", vectors_text(test_case, "name"), reason_text(verdict), expect);
        blob_free(&record);
    }
    json_decref(root);
}

static int verdict_of(int kind, const char *hex)
{
    struct blob record = vectors_hex(hex);
    int verdict;
    struct blob body = body_of(kind, blob_span(&record), &verdict);
    blob_free(&record);
    blob_free(&body);
    return verdict;
}

static void a_zero_byte_in_text_keeps_its_place(void **state)
{
    struct event_codec_room room;
    struct tx_fields fields;
    const char *why;
    const uint8_t record[] = {0x0a, 3, 'a', 0, 'b'};
    assert_int_equal(event_codec_read(&fields, &room, TX_ANOMALY, span_of(record, sizeof record), &why), 0);
    assert_int_equal(fields.id.size, 3);
    assert_memory_equal(fields.id.data, "a\0b", 3);
}

static void the_last_of_a_singular_field_counts_and_repeated_ones_add_up(void **state)
{
    struct event_codec_room room;
    struct tx_fields fields;
    const char *why;
    const uint8_t record[] = {0x0a, 1, 'a',  0x1a, 1,   'r',  0x30, 5,   0x2a, 4, 0x18, 7,
                              0x18, 9, 0x1a, 1,    's', 0x0a, 1,    'b', 0x30, 6, 0x2a, 0};
    assert_int_equal(event_codec_read(&fields, &room, TX_EVIDENCE, span_of(record, sizeof record), &why), 0);
    assert_memory_equal(fields.id.data, "b", 1);
    assert_int_equal(fields.ts, 6);
    assert_int_equal(fields.ref_count, 2);
    assert_memory_equal(fields.refs[1].data, "s", 1);
    assert_int_equal(fields.custody_count, 2);
    assert_int_equal(fields.custody[0].ts, 9);
    assert_int_equal(fields.custody[1].ts, 0);
}

static void field_numbers_and_wire_types_are_those_of_the_message(void **state)
{
    assert_int_equal(verdict_of(TX_ANOMALY, "7200"), 0);                      /* 14, the last */
    assert_int_equal(verdict_of(TX_ANOMALY, "7a00"), REASON_MALFORMED);       /* 15 */
    assert_int_equal(verdict_of(TX_EVIDENCE, "6200"), 0);                     /* 12 */
    assert_int_equal(verdict_of(TX_EVIDENCE, "6a00"), REASON_MALFORMED);      /* 13 */
    assert_int_equal(verdict_of(TX_POLICY, "5a00"), 0);                       /* 11 */
    assert_int_equal(verdict_of(TX_POLICY, "6200"), REASON_MALFORMED);        /* 12 */
    assert_int_equal(verdict_of(TX_ANOMALY, "0200"), REASON_MALFORMED);       /* 0 */
    assert_int_equal(verdict_of(TX_ANOMALY, "2200"), REASON_MALFORMED);       /* severity as bytes */
    assert_int_equal(verdict_of(TX_ANOMALY, "0801"), REASON_MALFORMED);       /* id as a number */
    assert_int_equal(verdict_of(TX_ANOMALY, "2d00000000"), REASON_MALFORMED); /* confidence as a float */
    assert_int_equal(verdict_of(TX_EVIDENCE, "2a022a00"), REASON_MALFORMED);  /* custody field 5 */
    assert_int_equal(verdict_of(TX_EVIDENCE, "2a020801"), REASON_MALFORMED);  /* ref_hash as a number */
    assert_int_equal(verdict_of(TX_EVIDENCE, "2a020a05"), REASON_MALFORMED);  /* a length beyond the entry */
}

static struct blob repeated(const char *hex, size_t count)
{
    struct blob item = vectors_hex(hex);
    struct blob out = {.data = malloc(item.size * count), .size = item.size * count};
    assert_non_null(out.data);
    for (size_t i = 0; i < count; i++)
        memcpy(out.data + i * item.size, item.data, item.size);
    blob_free(&item);
    return out;
}

static void repeated_fields_have_a_bound(void **state)
{
    const struct {
        const char *item;
        size_t count;
        int verdict;
    } cases[] = {{"1a00", TX_REFS_MAX, 0},
                 {"1a00", TX_REFS_MAX + 1, REASON_MALFORMED},
                 {"2a00", TX_CUSTODY_MAX, 0},
                 {"2a00", TX_CUSTODY_MAX + 1, REASON_MALFORMED}};
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct blob record = repeated(cases[i].item, cases[i].count);
        int verdict;
        struct blob body = body_of(TX_EVIDENCE, blob_span(&record), &verdict);
        assert_int_equal(verdict, cases[i].verdict);
        blob_free(&record);
        blob_free(&body);
    }
}

static void a_record_has_at_most_1_mib(void **state)
{
    struct blob record = repeated("0a00", TX_RECORD_BYTES_MAX / 2 + 1);
    struct event_codec_room room;
    struct tx_fields fields;
    const char *why;
    assert_int_equal(event_codec_read(&fields, &room, TX_ANOMALY, span_of(record.data, TX_RECORD_BYTES_MAX), &why), 0);
    assert_int_equal(event_codec_read(&fields, &room, TX_ANOMALY, span_of(record.data, TX_RECORD_BYTES_MAX + 1), &why),
                     REASON_TOO_LARGE);
    blob_free(&record);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_events_become_their_bodies),
        cmocka_unit_test(a_record_without_a_body_is_malformed_and_others_become_theirs),
        cmocka_unit_test(records_at_a_limit),
        cmocka_unit_test(a_zero_byte_in_text_keeps_its_place),
        cmocka_unit_test(the_last_of_a_singular_field_counts_and_repeated_ones_add_up),
        cmocka_unit_test(field_numbers_and_wire_types_are_those_of_the_message),
        cmocka_unit_test(repeated_fields_have_a_bound),
        cmocka_unit_test(a_record_has_at_most_1_mib),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
