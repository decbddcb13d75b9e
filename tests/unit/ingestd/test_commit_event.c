/* commit_event.c against the vectors: the same signed bytes, signature and record value. */
#include <stdlib.h>
#include <string.h>

#include "common/base/bytes.h"
#include "services/ingestd/commit_event.h"
#include "common/base/wire.h"
#include "tests/unit/base/vectors.h"

static void uuids_of_version_4(void **state)
{
    assert_true(commit_event_is_uuid4(span_text("6f1d3a52-7f0e-4c7b-9d35-0a4b8f6f2c11")));
    assert_true(commit_event_is_uuid4(span_text("6F1D3A52-7F0E-4C7B-BD35-0A4B8F6F2C11")));
    assert_false(commit_event_is_uuid4(span_text("6f1d3a52-7f0e-1c7b-9d35-0a4b8f6f2c11")));
    assert_false(commit_event_is_uuid4(span_text("6f1d3a52-7f0e-4c7b-cd35-0a4b8f6f2c11")));
    assert_false(commit_event_is_uuid4(span_text("6f1d3a52-7f0e-4c7b-9d35-0a4b8f6f2c1")));
    assert_false(commit_event_is_uuid4(span_text("6f1d3a52-7f0e-4c7b-9d35-0a4b8f6f2c111")));
    assert_false(commit_event_is_uuid4(span_text("6f1d3a52-7f0e-4c7b-9d35-0a4b8f6f2c1g")));
    assert_false(commit_event_is_uuid4(span_text("6f1d3a5217f0e-4c7b-9d35-0a4b8f6f2c11")));
    assert_false(commit_event_is_uuid4(span_text("")));
    assert_false(commit_event_is_uuid4(span_of("6f1d3a52-7f0e-4c7b-\0d35-0a4b8f6f2c11", 36)));
}

/* The block that an event is about, as persistd would tell it: the event's own facts, and one id that is no UUID. */
struct told {
    struct feed_codec_block block;
    uint8_t message[4096];
};

static void told_by(struct told *told, struct span event)
{
    *told = (struct told){0};
    struct bytes_writer message = bytes_writer_of(told->message, sizeof told->message);
    wire_put_item(&message, 9, span_text("an-id-that-is-no-uuid"));
    struct bytes_reader reader = bytes_reader_of(event);
    struct wire_field field;
    struct feed_codec_block *block = &told->block;
    while (wire_next(&reader, &field)) {
        if (field.number == 1)
            block->height = field.value;
        else if (field.number == 2)
            assert_int_equal(wire_hash(&field, &block->block_id), 0);
        else if (field.number == 3)
            assert_int_equal(wire_hash(&field, &block->header.state_root), 0);
        else if (field.number == 4)
            block->header.tx_count = (uint32_t)field.value;
        else if (field.number == 5)
            block->anomaly_count = (uint32_t)field.value;
        else if (field.number == 6)
            block->evidence_count = (uint32_t)field.value;
        else if (field.number == 7)
            block->policy_count = (uint32_t)field.value;
        else if (field.number == 8)
            block->header.timestamp_ms = field.value * 1000 + 999;
        else if (field.number == 13)
            wire_put_item(&message, 9, field.bytes);
        else if (field.number == 20)
            block->proof = field.bytes;
    }
    assert_false(reader.failed || message.failed);
    block->message = bytes_written(&message);
}

/* Everything but the signature, whose key the vectors do not tell. */
static struct blob without_signature(struct span event, struct signature *signature, struct sign_public *key)
{
    struct blob out = {.data = calloc(1, event.size + 1)};
    struct bytes_writer writer = bytes_writer_of(out.data, event.size);
    struct bytes_reader reader = bytes_reader_of(event);
    struct wire_field field;
    while (wire_next(&reader, &field)) {
        if (field.number == 10)
            memcpy(signature->bytes, field.bytes.data, SIGN_BYTES);
        else if (field.number == 11)
            memcpy(key->bytes, field.bytes.data, SIGN_PUBLIC_BYTES);
        else if (field.number != 9 && field.type == WIRE_BYTES)
            wire_put_item(&writer, field.number, field.bytes);
        else if (field.type == WIRE_VARINT)
            wire_put_number(&writer, field.number, field.value);
    }
    out.size = writer.size;
    return out;
}

/* Replace one 32-byte key by another wherever it stands. */
static void replace(struct blob *bytes, const uint8_t *from, const uint8_t *to)
{
    for (size_t i = 0; i + 32 <= bytes->size; i++) {
        if (memcmp(bytes->data + i, from, 32) == 0)
            memcpy(bytes->data + i, to, 32);
    }
}

static void events_are_as_in_the_vectors_but_for_the_key(void **state)
{
    json_t *root = vectors_load("commit_events.json");
    size_t index, compared = 0;
    json_t *test_case;
    struct sign_key own;
    sign_key_from_seed(&own, (const uint8_t[32]){7});
    VECTORS_EACH(root, index, test_case)
    {
        if (!vectors_bool(test_case, "signature_ok"))
            continue;
        struct blob event = vectors_bytes(test_case, "event");
        struct blob signed_bytes = vectors_bytes(test_case, "signing_bytes");
        struct blob theirs = vectors_bytes(test_case, "key");
        struct told told;
        told_by(&told, blob_span(&event));
        struct blob made = {0};
        assert_int_equal(
            commit_event_encode(&told.block, vectors_text(test_case, "topic"), &own, &made.data, &made.size), 0);

        struct signature signature, other;
        struct sign_public key, other_key;
        struct blob facts = without_signature(blob_span(&made), &signature, &key);
        struct blob expected = without_signature(blob_span(&event), &other, &other_key);
        vectors_assert_equal(vectors_text(test_case, "name"), blob_span(&facts), blob_span(&expected));
        assert_int_equal(made.size, event.size);
        assert_memory_equal(key.bytes, own.public.bytes, 32);

        replace(&signed_bytes, theirs.data, own.public.bytes);
        assert_int_equal(sign_verify(&signature, &own.public, blob_span(&signed_bytes)), 0);
        compared++;
        blob_free(&event);
        blob_free(&signed_bytes);
        blob_free(&theirs);
        blob_free(&made);
        blob_free(&facts);
        blob_free(&expected);
    }
    assert_true(compared >= 3);
    json_decref(root);
}

static void at_most_10000_ids(void **state)
{
    static uint8_t message[(COMMIT_EVENT_IDS_MAX + 1) * 40];
    struct bytes_writer writer = bytes_writer_of(message, sizeof message);
    for (int i = 0; i <= COMMIT_EVENT_IDS_MAX; i++)
        wire_put_item(&writer, 9, span_text("6f1d3a52-7f0e-4c7b-9d35-0a4b8f6f2c11"));
    struct feed_codec_block block = {.height = 1, .message = bytes_written(&writer)};
    struct sign_key own;
    sign_key_from_seed(&own, (const uint8_t[32]){7});
    struct blob made = {0};
    assert_int_equal(commit_event_encode(&block, "t", &own, &made.data, &made.size), 0);
    struct bytes_reader reader = bytes_reader_of(blob_span(&made));
    struct wire_field field;
    int count = 0;
    while (wire_next(&reader, &field))
        count += field.number == 13;
    assert_int_equal(count, COMMIT_EVENT_IDS_MAX);
    blob_free(&made);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(uuids_of_version_4),
        cmocka_unit_test(events_are_as_in_the_vectors_but_for_the_key),
        cmocka_unit_test(at_most_10000_ids),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
