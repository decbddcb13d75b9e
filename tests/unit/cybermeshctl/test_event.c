/* test_event.c - the sample events are what a daemon takes: readable, signed, valid, each with its own id. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "common/edge/txcheck.h"
#include "services/cybermeshctl/event.h"
#include "services/ingestd/event_codec.h"

enum { BODY_BYTES_MAX = 1 << 20 };

static struct sign_key key;
static uint8_t body[BODY_BYTES_MAX];

static int start(void **state)
{
    (void)state;
    uint8_t seed[SIGN_SEED_BYTES] = {5};
    sign_key_from_seed(&key, seed);
    return sodium_init() < 0 ? -1 : 0;
}

static struct event make(enum tx_kind kind, enum tx_alg alg, size_t payload_bytes, const char *refers_to)
{
    struct event event;
    struct event_options options = {.kind = kind,
                                    .alg = alg,
                                    .key = &key,
                                    .ts = 1700000000,
                                    .payload_bytes = payload_bytes,
                                    .refers_to = refers_to};
    assert_int_equal(event_make(&event, &options), 0);
    return event;
}

/* As ingestd does: the record's fields, then the body, then every check that wants no state. */
static int judge(struct tx *out, struct span *out_body, enum tx_kind kind, struct span record)
{
    static struct event_codec_room room;
    struct tx_fields fields;
    const char *why = NULL;
    int rc = event_codec_read(&fields, &room, kind, record, &why);
    if (rc != 0)
        return rc;
    size_t size = tx_encoded_size(&fields);
    assert_true(size <= sizeof body);
    tx_encode(body, &fields);
    *out_body = span_of(body, size);
    struct genesis_parameters parameters = genesis_parameters_default();
    struct txcheck_context context = txcheck_static(&parameters);
    return txcheck_run(&context, *out_body, out, &why);
}

static void every_kind_and_signature_is_valid(void **state)
{
    (void)state;
    for (int kind = TX_ANOMALY; kind < TX_EVENT_KIND_COUNT; kind++) {
        for (int alg = TX_ALG_V1; alg <= TX_ALG_V2; alg++) {
            for (size_t bytes = 0; bytes <= 4096; bytes += 512) {
                struct event event = make((enum tx_kind)kind, (enum tx_alg)alg, bytes, NULL);
                struct tx tx;
                struct span encoded;
                assert_int_equal(judge(&tx, &encoded, (enum tx_kind)kind, span_of(event.record, event.size)), 0);
                struct hash id = tx_id(encoded);
                assert_memory_equal(&id, &event.tx_id, HASH_BYTES);
                assert_true(event.size >= bytes);
                free(event.record);
            }
        }
    }
}

static void evidence_names_its_anomaly_by_the_hash_of_its_id(void **state)
{
    (void)state;
    struct event event = make(TX_EVIDENCE, TX_ALG_V2, 100, "an-anomaly");
    struct tx tx;
    struct span encoded;
    assert_int_equal(judge(&tx, &encoded, TX_EVIDENCE, span_of(event.record, event.size)), 0);
    assert_int_equal(tx.ref_count, 1);
    struct hash expected = hash_sha256(span_text("an-anomaly")), got = tx_ref(&tx, 0);
    assert_memory_equal(&got, &expected, HASH_BYTES);
    free(event.record);
}

static void a_v2_signature_covers_every_byte(void **state)
{
    (void)state;
    struct event event = make(TX_ANOMALY, TX_ALG_V2, 64, NULL);
    for (size_t i = 0; i < event.size; i++) {
        event.record[i] ^= 1;
        struct tx tx;
        struct span encoded;
        assert_int_not_equal(judge(&tx, &encoded, TX_ANOMALY, span_of(event.record, event.size)), 0);
        event.record[i] ^= 1;
    }
    free(event.record);
}

static void ids_are_version_4_uuids_and_differ(void **state)
{
    (void)state;
    struct event one = make(TX_ANOMALY, TX_ALG_V1, 64, NULL), other = make(TX_ANOMALY, TX_ALG_V1, 64, NULL);
    assert_int_equal(strlen(one.id), EVENT_ID_BYTES - 1);
    assert_int_equal(one.id[14], '4');
    assert_non_null(strchr("89ab", one.id[19]));
    assert_string_not_equal(one.id, other.id);
    assert_memory_not_equal(&one.tx_id, &other.tx_id, HASH_BYTES);
    free(one.record);
    free(other.record);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_and_signature_is_valid),
        cmocka_unit_test(evidence_names_its_anomaly_by_the_hash_of_its_id),
        cmocka_unit_test(a_v2_signature_covers_every_byte),
        cmocka_unit_test(ids_are_version_4_uuids_and_differ),
    };
    return cmocka_run_group_tests(tests, start, NULL);
}
