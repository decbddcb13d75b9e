/* test_tx_encode.c - the fields of the vectors give the bodies of the vectors. */
#include "tests/unit/base/vectors.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/tx.h"

enum { REFS_MAX = 8 };

/* What an event of events.json is made of: the memory behind tx_fields. */
struct event {
    struct tx_fields fields;
    struct blob content, content_hash, producer_id, nonce, signature, refs[REFS_MAX];
    struct span ref_spans[REFS_MAX];
    struct blob custody_bytes[3 * REFS_MAX];
    struct tx_custody_fields custody[REFS_MAX];
};

static void event_read_anomaly(struct event *event, const json_t *test_case)
{
    uint64_t bits = vectors_u64(test_case, "confidence_bits");
    event->fields.source = span_text(vectors_text(test_case, "source"));
    event->fields.model_version = span_text(vectors_text(test_case, "model_version"));
    event->fields.severity = (uint32_t)vectors_integer(test_case, "severity");
    memcpy(&event->fields.confidence, &bits, sizeof bits);
}

static void event_read_evidence(struct event *event, const json_t *test_case)
{
    size_t i;
    const json_t *item;
    json_array_foreach(vectors_get(test_case, "refs"), i, item)
    {
        assert_true(i < REFS_MAX);
        event->refs[i] = vectors_hex(json_string_value(item));
        event->ref_spans[i] = blob_span(&event->refs[i]);
    }
    event->fields.refs = event->ref_spans;
    event->fields.ref_count = json_array_size(vectors_get(test_case, "refs"));
    json_array_foreach(vectors_get(test_case, "custody"), i, item)
    {
        assert_true(i < REFS_MAX);
        struct blob *bytes = &event->custody_bytes[3 * i];
        bytes[0] = vectors_bytes(item, "ref_hash");
        bytes[1] = vectors_bytes(item, "actor_id");
        bytes[2] = vectors_bytes(item, "signature");
        event->custody[i] = (struct tx_custody_fields){.ref_hash = blob_span(&bytes[0]),
                                                       .actor_id = blob_span(&bytes[1]),
                                                       .signature = blob_span(&bytes[2]),
                                                       .ts = vectors_integer(item, "ts")};
    }
    event->fields.custody = event->custody;
    event->fields.custody_count = json_array_size(vectors_get(test_case, "custody"));
}

static void event_read(struct event *event, const json_t *test_case)
{
    *event = (struct event){.content = vectors_bytes(test_case, "content"),
                            .content_hash = vectors_bytes(test_case, "content_hash"),
                            .producer_id = vectors_bytes(test_case, "producer_id"),
                            .nonce = vectors_bytes(test_case, "nonce"),
                            .signature = vectors_bytes(test_case, "signature")};
    event->fields = (struct tx_fields){.kind = (enum tx_kind)vectors_integer(test_case, "kind"),
                                       .id = span_text(vectors_text(test_case, "id")),
                                       .type = span_text(vectors_text(test_case, "type")),
                                       .alg = span_text(vectors_text(test_case, "alg")),
                                       .content = blob_span(&event->content),
                                       .ts = vectors_integer(test_case, "ts"),
                                       .content_hash = blob_span(&event->content_hash),
                                       .producer_id = blob_span(&event->producer_id),
                                       .nonce = blob_span(&event->nonce),
                                       .signature = blob_span(&event->signature),
                                       .pubkey = blob_span(&event->producer_id)};
    if (event->fields.kind == TX_ANOMALY)
        event_read_anomaly(event, test_case);
    else if (event->fields.kind == TX_EVIDENCE)
        event_read_evidence(event, test_case);
    else
        event->fields.action = span_text(vectors_text(test_case, "action"));
}

static void event_free(struct event *event)
{
    struct blob *const blobs[] = {&event->content, &event->content_hash, &event->producer_id, &event->nonce,
                                  &event->signature};
    for (size_t i = 0; i < ARRAY_COUNT(blobs); i++)
        blob_free(blobs[i]);
    for (size_t i = 0; i < REFS_MAX; i++)
        blob_free(&event->refs[i]);
    for (size_t i = 0; i < ARRAY_COUNT(event->custody_bytes); i++)
        blob_free(&event->custody_bytes[i]);
}

static void fields_give_the_bodies_and_ids_of_the_vectors(void **state)
{
    json_t *root = vectors_load("events.json");
    size_t index;
    const json_t *test_case;
    VECTORS_EACH(root, index, test_case)
    {
        struct event event;
        event_read(&event, test_case);
        struct blob expected = vectors_bytes(test_case, "body");
        assert_int_equal(tx_encoded_size(&event.fields), expected.size);
        struct blob body = {.data = malloc(expected.size), .size = expected.size};
        assert_non_null(body.data);
        tx_encode(body.data, &event.fields);
        vectors_assert_equal(vectors_text(test_case, "name"), blob_span(&body), blob_span(&expected));
        struct hash id = tx_id(blob_span(&body)), expected_id = vectors_hash(test_case, "tx_id");
        assert_true(hash_equal(&id, &expected_id));
        blob_free(&body);
        blob_free(&expected);
        event_free(&event);
    }
    json_decref(root);
}

/* A record from outside is encoded first and judged after: whatever its lengths are. */
static void fields_that_are_not_valid_are_encoded_as_they_are_and_refused_by_the_parser(void **state)
{
    const struct span refs[] = {span_text("short"), {0}};
    const struct tx_custody_fields custody[] = {{.ref_hash = span_text("x"), .ts = -1}, {.ts = 1}};
    for (unsigned kind = TX_ANOMALY; kind < TX_EVENT_KIND_COUNT; kind++) {
        const struct tx_fields fields = {.kind = (enum tx_kind)kind,
                                         .nonce = span_text("n"),
                                         .refs = refs,
                                         .ref_count = ARRAY_COUNT(refs),
                                         .custody = custody,
                                         .custody_count = ARRAY_COUNT(custody)};
        size_t size = tx_encoded_size(&fields);
        uint8_t *body = malloc(size);
        assert_non_null(body);
        tx_encode(body, &fields);
        assert_int_equal(body[0], kind);
        struct tx tx;
        const char *why = NULL;
        assert_int_equal(tx_parse(&tx, span_of(body, size), &why), REASON_MALFORMED);
        assert_string_equal(why, "id must be 1 to 128 bytes of UTF-8 without control characters");
        free(body);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields_give_the_bodies_and_ids_of_the_vectors),
        cmocka_unit_test(fields_that_are_not_valid_are_encoded_as_they_are_and_refused_by_the_parser),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
