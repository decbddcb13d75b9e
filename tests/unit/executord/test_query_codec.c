/* test_query_codec.c */
#include "tests/unit/executord/world.h"

#include <string.h>

#include "common/base/err.h"
#include "proto/query.pb-c.h"
#include "services/executord/query_codec.h"

typedef Cybermesh__Query__V1__QueryFrame Frame;

static uint8_t buffer[65536];

static void requests_are_read(void **state)
{
    Frame frame;
    Cybermesh__Query__V1__StateRequest ask;
    cybermesh__query__v1__query_frame__init(&frame);
    cybermesh__query__v1__state_request__init(&ask);
    frame.version = 1;
    frame.body_case = CYBERMESH__QUERY__V1__QUERY_FRAME__BODY_STATE_REQUEST;
    frame.state_request = &ask;
    ask.request = 9;
    ask.key = (ProtobufCBinaryData){3, (uint8_t[]){'a', '/', 'b'}};
    ask.at_height = true;
    ask.height = 12;
    size_t size = cybermesh__query__v1__query_frame__pack(&frame, buffer);
    struct query_codec_request request;
    assert_int_equal(query_codec_decode(&request, span_of(buffer, size)), 0);
    assert_int_equal(request.kind, QUERY_CODEC_STATE_REQUEST);
    assert_int_equal(request.request, 9);
    assert_true(span_equal(request.key, span_text("a/b")));
    assert_true(request.at_height);
    assert_int_equal(request.height, 12);
    static const uint8_t status[] = {0x08, 1, 0x22, 2, 0x08, 7};
    assert_int_equal(query_codec_decode(&request, span_of(status, sizeof status)), 0);
    assert_int_equal(request.kind, QUERY_CODEC_STATUS_REQUEST);
    assert_int_equal(request.request, 7);
    static const uint8_t answer[] = {0x08, 1, 0x1a, 0};
    assert_int_equal(query_codec_decode(&request, span_of(answer, sizeof answer)), ERR_MALFORMED);
    assert_int_equal(query_codec_decode(&request, span_of(status, 5)), ERR_MALFORMED);
}

static void answers_are_protobuf(void **state)
{
    struct stateproof proof = {.has_leaf = true, .sibling_count = 2};
    memset(proof.leaf.key_hash.bytes, 1, 32);
    memset(proof.leaf.value_hash.bytes, 2, 32);
    memset(proof.siblings[0].bytes, 3, 32); /* siblings[1]: nothing stands there */
    struct bytes_writer writer = bytes_writer_of(buffer, sizeof buffer);
    query_codec_put_state(&writer, &(struct query_codec_state){.request = 9,
                                                               .status = QUERY_CODEC_OK,
                                                               .height = 4,
                                                               .found = true,
                                                               .value = span_text("value"),
                                                               .proof = &proof,
                                                               .header = span_text("header"),
                                                               .commit_proof = span_text("proof"),
                                                               .height_min = 1,
                                                               .height_max = 5});
    Frame *frame = cybermesh__query__v1__query_frame__unpack(NULL, writer.size, buffer);
    assert_non_null(frame);
    Cybermesh__Query__V1__State *got = frame->state;
    assert_int_equal(got->status, CYBERMESH__QUERY__V1__STATE_STATUS__STATE_OK);
    assert_int_equal(got->height, 4);
    assert_true(got->found);
    assert_true(got->has_leaf);
    assert_int_equal(got->n_siblings, 2);
    assert_memory_equal(got->siblings[0].data, proof.siblings[0].bytes, 32);
    assert_memory_equal(got->siblings[1].data, proof.siblings[1].bytes, 32);
    assert_memory_equal(got->leaf_key_hash.data, proof.leaf.key_hash.bytes, 32);
    assert_memory_equal(got->leaf_value_hash.data, proof.leaf.value_hash.bytes, 32);
    assert_true(span_equal(span_of(got->value.data, got->value.len), span_text("value")));
    assert_true(span_equal(span_of(got->proof.data, got->proof.len), span_text("proof")));
    assert_int_equal(got->height_max, 5);
    cybermesh__query__v1__query_frame__free_unpacked(frame, NULL);

    writer = bytes_writer_of(buffer, sizeof buffer);
    const struct query_codec_item items[] = {{"height", "7"}, {"empty", ""}};
    query_codec_put_status(&writer, &(struct query_codec_items){3, items, 2});
    frame = cybermesh__query__v1__query_frame__unpack(NULL, writer.size, buffer);
    assert_non_null(frame);
    assert_int_equal(frame->status->request, 3);
    assert_int_equal(frame->status->n_items, 2);
    assert_string_equal(frame->status->items[0]->name, "height");
    assert_string_equal(frame->status->items[0]->value, "7");
    assert_string_equal(frame->status->items[1]->value, "");
    cybermesh__query__v1__query_frame__free_unpacked(frame, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_are_read),
        cmocka_unit_test(answers_are_protobuf),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
