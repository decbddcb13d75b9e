/* feed_codec.c against protobuf-c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "common/base/err.h"
#include "proto/feed.pb-c.h"
#include "services/ingestd/feed_codec.h"

typedef Cybermesh__Feed__V1__FeedFrame Frame;

enum { TX_COUNT = 3, PRODUCER_COUNT = 2 };

static uint8_t buffer[1 << 20];

static int decode(const Frame *frame, struct feed_codec_frame *out)
{
    size_t size = cybermesh__feed__v1__feed_frame__pack(frame, buffer);
    return feed_codec_decode(out, span_of(buffer, size));
}

static Frame frame_of(Cybermesh__Feed__V1__FeedFrame__BodyCase body_case, void *body)
{
    Frame frame = CYBERMESH__FEED__V1__FEED_FRAME__INIT;
    frame.version = 1;
    frame.body_case = body_case;
    frame.persisted = body;
    return frame;
}

/* A block with three transactions, two anomaly ids and two changed producers. */
struct block {
    Cybermesh__Feed__V1__Persisted message;
    uint8_t header[BLOCK_HEADER_BYTES];
    uint8_t id[HASH_BYTES];
    uint8_t ids[TX_COUNT][HASH_BYTES];
    uint8_t keys[PRODUCER_COUNT][SIGN_PUBLIC_BYTES];
    char texts[2][8];
    ProtobufCBinaryData id_list[TX_COUNT];
    char *text_list[2];
    Cybermesh__Feed__V1__ProducerRecord records[PRODUCER_COUNT];
    Cybermesh__Feed__V1__ProducerRecord *record_list[PRODUCER_COUNT];
};

static void make_records(struct block *out)
{
    for (size_t i = 0; i < PRODUCER_COUNT; i++) {
        out->keys[i][0] = (uint8_t)(i + 1);
        cybermesh__feed__v1__producer_record__init(&out->records[i]);
        out->records[i].key = (ProtobufCBinaryData){.len = SIGN_PUBLIC_BYTES, .data = out->keys[i]};
        out->records[i].roles = (uint32_t)i + 4;
        out->records[i].active = i == 1;
        out->record_list[i] = &out->records[i];
    }
}

static void make_block(struct block *out, uint64_t height)
{
    static uint8_t proof[] = {1, 2, 3};
    struct block_header header = {.height = height, .tx_count = TX_COUNT, .timestamp_ms = 5};
    memset(out, 0, sizeof *out);
    block_header_encode(out->header, &header);
    out->id[0] = 77;
    for (size_t i = 0; i < TX_COUNT; i++) {
        out->ids[i][0] = (uint8_t)(i + 1);
        out->id_list[i] = (ProtobufCBinaryData){.len = HASH_BYTES, .data = out->ids[i]};
    }
    strcpy(out->texts[0], "first");
    strcpy(out->texts[1], "second");
    out->text_list[0] = out->texts[0];
    out->text_list[1] = out->texts[1];
    make_records(out);
    cybermesh__feed__v1__persisted__init(&out->message);
    out->message.height = height;
    out->message.block_id = (ProtobufCBinaryData){.len = HASH_BYTES, .data = out->id};
    out->message.header = (ProtobufCBinaryData){.len = BLOCK_HEADER_BYTES, .data = out->header};
    out->message.proof = (ProtobufCBinaryData){.len = sizeof proof, .data = proof};
    out->message.n_tx_ids = TX_COUNT;
    out->message.tx_ids = out->id_list;
    out->message.anomaly_count = 2;
    out->message.evidence_count = 0;
    out->message.policy_count = 1;
    out->message.n_anomaly_ids = 2;
    out->message.anomaly_ids = out->text_list;
    out->message.n_producers = PRODUCER_COUNT;
    out->message.producers = out->record_list;
}

static void expect_block(const struct feed_codec_block *block, uint64_t height)
{
    assert_int_equal(block->height, height);
    assert_int_equal(block->block_id.bytes[0], 77);
    assert_int_equal(block->header.tx_count, TX_COUNT);
    assert_int_equal(block->proof.size, 3);
    assert_int_equal(block->anomaly_count, 2);
    assert_int_equal(block->evidence_count, 0);
    assert_int_equal(block->policy_count, 1);
    struct hash id;
    struct span text;
    struct feed_codec_producer producer;
    struct bytes_reader reader = bytes_reader_of(block->message);
    for (size_t i = 0; i < TX_COUNT; i++) {
        assert_true(feed_codec_next_tx(&reader, &id));
        assert_int_equal(id.bytes[0], i + 1);
    }
    assert_false(feed_codec_next_tx(&reader, &id));
    reader = bytes_reader_of(block->message);
    assert_true(feed_codec_next_anomaly(&reader, &text) && span_equal(text, span_text("first")));
    assert_true(feed_codec_next_anomaly(&reader, &text) && span_equal(text, span_text("second")));
    assert_false(feed_codec_next_anomaly(&reader, &text));
    reader = bytes_reader_of(block->message);
    for (size_t i = 0; i < PRODUCER_COUNT; i++) {
        assert_true(feed_codec_next_changed(&reader, &producer));
        assert_int_equal(producer.key.bytes[0], i + 1);
        assert_int_equal(producer.roles, i + 4);
        assert_true(producer.active == (i == 1));
    }
    assert_false(feed_codec_next_changed(&reader, &producer));
}

static void a_persisted_block_is_read(void **state)
{
    struct block block;
    make_block(&block, 9);
    Frame frame = frame_of(CYBERMESH__FEED__V1__FEED_FRAME__BODY_PERSISTED, &block.message);
    struct feed_codec_frame out;
    assert_int_equal(decode(&frame, &out), 0);
    assert_int_equal(out.kind, FEED_CODEC_PERSISTED);
    expect_block(&out.block, 9);
}

static void a_block_that_is_not_what_it_should_be_is_refused(void **state)
{
    struct feed_codec_frame out;
    struct block block;
    Frame frame = frame_of(CYBERMESH__FEED__V1__FEED_FRAME__BODY_PERSISTED, &block.message);
    make_block(&block, 9);
    block.message.height = 8; /* not the header's */
    assert_int_equal(decode(&frame, &out), ERR_MALFORMED);
    make_block(&block, 9);
    block.message.header.len--;
    assert_int_equal(decode(&frame, &out), ERR_MALFORMED);
    block.message.header.len = 0;
    assert_int_equal(decode(&frame, &out), ERR_MALFORMED);
    make_block(&block, 9);
    block.message.block_id.len--;
    assert_int_equal(decode(&frame, &out), ERR_MALFORMED);
    make_block(&block, 9);
    block.id_list[2].len--;
    assert_int_equal(decode(&frame, &out), ERR_MALFORMED);
    make_block(&block, 9);
    block.records[1].key.len--;
    assert_int_equal(decode(&frame, &out), ERR_MALFORMED);
}

static void a_range_is_read(void **state)
{
    struct block blocks[2];
    Cybermesh__Feed__V1__Persisted *list[] = {&blocks[0].message, &blocks[1].message};
    make_block(&blocks[0], 4);
    make_block(&blocks[1], 5);
    Cybermesh__Feed__V1__Range body = CYBERMESH__FEED__V1__RANGE__INIT;
    body.request = 3;
    body.n_blocks = 2;
    body.blocks = list;
    body.height_last = 12;
    Frame frame = frame_of(CYBERMESH__FEED__V1__FEED_FRAME__BODY_RANGE, &body);
    struct feed_codec_frame out;
    assert_int_equal(decode(&frame, &out), 0);
    assert_int_equal(out.kind, FEED_CODEC_RANGE);
    assert_int_equal(out.request, 3);
    assert_int_equal(out.height, 12);
    struct bytes_reader reader = bytes_reader_of(out.message);
    struct feed_codec_block block;
    assert_true(feed_codec_next_block(&reader, &block));
    expect_block(&block, 4);
    assert_true(feed_codec_next_block(&reader, &block));
    expect_block(&block, 5);
    assert_false(feed_codec_next_block(&reader, &block));
    blocks[1].message.height++; /* one bad block spoils the frame */
    assert_int_equal(decode(&frame, &out), ERR_MALFORMED);
}

static void producers_and_lookups_are_read(void **state)
{
    struct block block;
    make_block(&block, 1);
    Cybermesh__Feed__V1__Producers producers = CYBERMESH__FEED__V1__PRODUCERS__INIT;
    producers.request = 4;
    producers.height = 8;
    producers.n_producers = PRODUCER_COUNT;
    producers.producers = block.record_list;
    Frame frame = frame_of(CYBERMESH__FEED__V1__FEED_FRAME__BODY_PRODUCERS, &producers);
    struct feed_codec_frame out;
    assert_int_equal(decode(&frame, &out), 0);
    assert_int_equal(out.request, 4);
    assert_int_equal(out.height, 8);
    struct bytes_reader reader = bytes_reader_of(out.message);
    struct feed_codec_producer producer;
    assert_true(feed_codec_next_producer(&reader, &producer) && feed_codec_next_producer(&reader, &producer));
    assert_int_equal(producer.roles, 5);
    assert_false(feed_codec_next_producer(&reader, &producer));

    Cybermesh__Feed__V1__Lookup lookup = CYBERMESH__FEED__V1__LOOKUP__INIT;
    lookup.request = 6;
    lookup.n_found = TX_COUNT;
    lookup.found = block.id_list;
    frame = frame_of(CYBERMESH__FEED__V1__FEED_FRAME__BODY_LOOKUP, &lookup);
    assert_int_equal(decode(&frame, &out), 0);
    assert_int_equal(out.request, 6);
    reader = bytes_reader_of(out.message);
    struct hash id;
    for (size_t i = 0; i < TX_COUNT; i++)
        assert_true(feed_codec_next_found(&reader, &id) && id.bytes[0] == i + 1);
    assert_false(feed_codec_next_found(&reader, &id));
    block.id_list[0].len--;
    assert_int_equal(decode(&frame, &out), ERR_MALFORMED);
}

static Frame *written(const struct bytes_writer *writer)
{
    assert_false(writer->failed);
    Frame *frame = cybermesh__feed__v1__feed_frame__unpack(NULL, writer->size, writer->data);
    assert_non_null(frame);
    assert_int_equal(frame->version, 1);
    return frame;
}

static void questions_are_understood(void **state)
{
    struct feed_codec_range_request range = {.request = 1, .height_first = 300, .count_max = 64};
    struct bytes_writer writer = bytes_writer_of(buffer, sizeof buffer);
    feed_codec_put_range_request(&writer, &range);
    Frame *frame = written(&writer);
    assert_int_equal(frame->body_case, CYBERMESH__FEED__V1__FEED_FRAME__BODY_RANGE_REQUEST);
    assert_int_equal(frame->range_request->request, 1);
    assert_int_equal(frame->range_request->height_first, 300);
    assert_int_equal(frame->range_request->count_max, 64);
    cybermesh__feed__v1__feed_frame__free_unpacked(frame, NULL);

    writer = bytes_writer_of(buffer, sizeof buffer);
    feed_codec_put_producers_request(&writer, 2);
    frame = written(&writer);
    assert_int_equal(frame->body_case, CYBERMESH__FEED__V1__FEED_FRAME__BODY_PRODUCERS_REQUEST);
    assert_int_equal(frame->producers_request->request, 2);
    cybermesh__feed__v1__feed_frame__free_unpacked(frame, NULL);

    const struct hash ids[] = {{{1}}, {{2}}, {{0}}};
    writer = bytes_writer_of(buffer, sizeof buffer);
    feed_codec_put_lookup_request(&writer, 3, ids, 3);
    frame = written(&writer);
    assert_int_equal(frame->body_case, CYBERMESH__FEED__V1__FEED_FRAME__BODY_LOOKUP_REQUEST);
    assert_int_equal(frame->lookup_request->n_tx_ids, 3);
    assert_memory_equal(frame->lookup_request->tx_ids[1].data, ids[1].bytes, HASH_BYTES);
    cybermesh__feed__v1__feed_frame__free_unpacked(frame, NULL);
}

static void other_frames_are_refused(void **state)
{
    struct feed_codec_frame out;
    Cybermesh__Feed__V1__ProducersRequest question = CYBERMESH__FEED__V1__PRODUCERS_REQUEST__INIT;
    Frame frame = frame_of(CYBERMESH__FEED__V1__FEED_FRAME__BODY_PRODUCERS_REQUEST, &question);
    assert_int_equal(decode(&frame, &out), ERR_MALFORMED);
    frame.version = 2;
    assert_int_equal(decode(&frame, &out), ERR_VERSION);
    assert_int_equal(feed_codec_decode(&out, span_of("\x0a", 1)), ERR_MALFORMED);
    assert_int_equal(feed_codec_decode(&out, span_of(NULL, 0)), ERR_VERSION);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_persisted_block_is_read), cmocka_unit_test(a_block_that_is_not_what_it_should_be_is_refused),
        cmocka_unit_test(a_range_is_read),           cmocka_unit_test(producers_and_lookups_are_read),
        cmocka_unit_test(questions_are_understood),  cmocka_unit_test(other_frames_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
