/* test_feed_codec.c - frames of the feed arrow, against protobuf-c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "common/base/err.h"
#include "proto/feed.pb-c.h"
#include "services/persistd/feed_codec.h"

typedef Cybermesh__Feed__V1__FeedFrame Frame;

static struct hash ids[FEED_CODEC_LOOKUP_IDS_MAX];

static int decode(struct feed_codec_question *out, const Frame *frame)
{
    uint8_t *packed = malloc(cybermesh__feed__v1__feed_frame__get_packed_size(frame) + 1);
    assert_non_null(packed);
    size_t size = cybermesh__feed__v1__feed_frame__pack(frame, packed);
    int rc = feed_codec_decode(out, ids, span_of(packed, size));
    free(packed);
    return rc;
}

static int decode_range(struct feed_codec_question *out, uint64_t first, uint32_t count)
{
    Cybermesh__Feed__V1__RangeRequest range;
    cybermesh__feed__v1__range_request__init(&range);
    range.request = 9;
    range.height_first = first;
    range.count_max = count;
    Frame frame;
    cybermesh__feed__v1__feed_frame__init(&frame);
    frame.version = 1;
    frame.body_case = CYBERMESH__FEED__V1__FEED_FRAME__BODY_RANGE_REQUEST;
    frame.range_request = &range;
    return decode(out, &frame);
}

static void a_range_is_bounded(void **state)
{
    struct feed_codec_question question;
    assert_int_equal(decode_range(&question, 5, 7), 0);
    assert_int_equal(question.kind, FEED_CODEC_RANGE);
    assert_int_equal(question.request, 9);
    assert_int_equal(question.height_first, 5);
    assert_int_equal(question.count_max, 7);
    assert_int_equal(decode_range(&question, 5, 65), 0);
    assert_int_equal(question.count_max, FEED_CODEC_RANGE_BLOCKS_MAX);
    assert_int_equal(decode_range(&question, 5, UINT32_MAX), 0);
    assert_int_equal(question.count_max, FEED_CODEC_RANGE_BLOCKS_MAX);
    assert_int_equal(decode_range(&question, 0, 0), 0);
    assert_int_equal(question.count_max, 1);
    assert_int_equal(decode_range(&question, (uint64_t)INT64_MAX + 1, 1), ERR_MALFORMED);
}

static int decode_lookup(struct feed_codec_question *out, size_t count, size_t id_size)
{
    static uint8_t bytes[33] = {1, 2, 3};
    ProtobufCBinaryData *list = calloc(count + 1, sizeof *list);
    for (size_t i = 0; i < count; i++)
        list[i] = (ProtobufCBinaryData){.data = bytes, .len = id_size};
    Cybermesh__Feed__V1__LookupRequest lookup;
    cybermesh__feed__v1__lookup_request__init(&lookup);
    lookup.request = 9;
    lookup.tx_ids = list;
    lookup.n_tx_ids = count;
    Frame frame;
    cybermesh__feed__v1__feed_frame__init(&frame);
    frame.version = 1;
    frame.body_case = CYBERMESH__FEED__V1__FEED_FRAME__BODY_LOOKUP_REQUEST;
    frame.lookup_request = &lookup;
    int rc = decode(out, &frame);
    free(list);
    return rc;
}

static void a_lookup_has_at_most_5000_ids_of_32_bytes(void **state)
{
    struct feed_codec_question question;
    assert_int_equal(decode_lookup(&question, 0, 32), 0);
    assert_int_equal(question.id_count, 0);
    assert_int_equal(decode_lookup(&question, FEED_CODEC_LOOKUP_IDS_MAX, 32), 0);
    assert_int_equal(question.id_count, FEED_CODEC_LOOKUP_IDS_MAX);
    assert_int_equal(ids[FEED_CODEC_LOOKUP_IDS_MAX - 1].bytes[2], 3);
    assert_int_equal(decode_lookup(&question, FEED_CODEC_LOOKUP_IDS_MAX + 1, 32), ERR_TOO_LARGE);
    assert_int_equal(decode_lookup(&question, 1, 31), ERR_MALFORMED);
    assert_int_equal(decode_lookup(&question, 1, 33), ERR_MALFORMED);
}

static void answers_are_no_questions(void **state)
{
    struct feed_codec_question question;
    Frame frame;
    cybermesh__feed__v1__feed_frame__init(&frame);
    assert_int_equal(decode(&question, &frame), ERR_VERSION);
    frame.version = 1;
    assert_int_equal(decode(&question, &frame), ERR_MALFORMED);
    Cybermesh__Feed__V1__Lookup lookup;
    cybermesh__feed__v1__lookup__init(&lookup);
    frame.body_case = CYBERMESH__FEED__V1__FEED_FRAME__BODY_LOOKUP;
    frame.lookup = &lookup;
    assert_int_equal(decode(&question, &frame), ERR_MALFORMED);
    Cybermesh__Feed__V1__ProducersRequest producers;
    cybermesh__feed__v1__producers_request__init(&producers);
    producers.request = 4;
    frame.body_case = CYBERMESH__FEED__V1__FEED_FRAME__BODY_PRODUCERS_REQUEST;
    frame.producers_request = &producers;
    assert_int_equal(decode(&question, &frame), 0);
    assert_int_equal(question.kind, FEED_CODEC_PRODUCERS);
    assert_int_equal(question.request, 4);
}

static const struct feed_codec_tx txs[] = {
    {.tx_id = {(const uint8_t *)"id-one", 6}, .event_id = {(const uint8_t *)"a1", 2}, .is_anomaly = true},
    {.tx_id = {(const uint8_t *)"id-two", 6}, .event_id = {(const uint8_t *)"p1", 2}},
    {.tx_id = {(const uint8_t *)"id-six", 6}, .event_id = {(const uint8_t *)"a2", 2}, .is_anomaly = true},
};
static const struct feed_codec_producer producers[] = {
    {.key = {(const uint8_t *)"key", 3}, .name = {(const uint8_t *)"soc", 3}, .roles = 4, .active = true},
    {.key = {(const uint8_t *)"yek", 3}, .name = {(const uint8_t *)"cos", 3}},
};

static struct feed_codec_block block_of(uint64_t height)
{
    return (struct feed_codec_block){.height = height,
                                     .block_id = span_text("block"),
                                     .header = span_text("header"),
                                     .proof = span_text("proof"),
                                     .txs = txs,
                                     .tx_count = 3,
                                     .anomaly_count = 2,
                                     .policy_count = 1,
                                     .producers = producers,
                                     .producer_count = 2};
}

static struct span message_of(uint64_t height, uint8_t room[static 1000])
{
    struct feed_codec_block block = block_of(height);
    struct bytes_writer counter = bytes_writer_of(NULL, 0);
    feed_codec_put_block(&counter, &block);
    struct bytes_writer writer = bytes_writer_of(room, 1000);
    feed_codec_put_block(&writer, &block);
    assert_false(writer.failed);
    assert_int_equal(writer.size, counter.size);
    return bytes_written(&writer);
}

static void assert_bytes(ProtobufCBinaryData actual, const char *expected)
{
    assert_int_equal(actual.len, strlen(expected));
    assert_memory_equal(actual.data, expected, actual.len);
}

static void assert_block(const Cybermesh__Feed__V1__Persisted *block, uint64_t height)
{
    assert_int_equal(block->height, height);
    assert_bytes(block->block_id, "block");
    assert_bytes(block->header, "header");
    assert_bytes(block->proof, "proof");
    assert_int_equal(block->n_tx_ids, 3);
    assert_bytes(block->tx_ids[2], "id-six");
    assert_int_equal(block->anomaly_count, 2);
    assert_int_equal(block->evidence_count, 0);
    assert_int_equal(block->policy_count, 1);
    assert_int_equal(block->n_anomaly_ids, 2);
    assert_string_equal(block->anomaly_ids[0], "a1");
    assert_string_equal(block->anomaly_ids[1], "a2");
    assert_int_equal(block->n_producers, 2);
    assert_bytes(block->producers[0]->key, "key");
    assert_string_equal(block->producers[0]->name, "soc");
    assert_int_equal(block->producers[0]->roles, 4);
    assert_true(block->producers[0]->active);
    assert_false(block->producers[1]->active);
}

static Frame *unpack(const struct bytes_writer *writer)
{
    assert_false(writer->failed);
    Frame *frame = cybermesh__feed__v1__feed_frame__unpack(NULL, writer->size, writer->data);
    assert_non_null(frame);
    assert_int_equal(frame->version, 1);
    return frame;
}

static void what_we_say_is_read_by_protobuf_c(void **state)
{
    uint8_t room[2][1000];
    uint8_t bytes[4000];
    struct span blocks[] = {message_of(0, room[0]), message_of(1, room[1])};

    struct bytes_writer writer = bytes_writer_of(bytes, sizeof bytes);
    feed_codec_put_persisted(&writer, blocks[1]);
    Frame *frame = unpack(&writer);
    assert_int_equal(frame->body_case, CYBERMESH__FEED__V1__FEED_FRAME__BODY_PERSISTED);
    assert_block(frame->persisted, 1);
    cybermesh__feed__v1__feed_frame__free_unpacked(frame, NULL);

    writer = bytes_writer_of(bytes, sizeof bytes);
    feed_codec_put_range(
        &writer, &(struct feed_codec_range){.request = 8, .blocks = blocks, .block_count = 2, .height_last = 77});
    frame = unpack(&writer);
    assert_int_equal(frame->body_case, CYBERMESH__FEED__V1__FEED_FRAME__BODY_RANGE);
    assert_int_equal(frame->range->request, 8);
    assert_int_equal(frame->range->n_blocks, 2);
    assert_block(frame->range->blocks[0], 0);
    assert_block(frame->range->blocks[1], 1);
    assert_int_equal(frame->range->height_last, 77);
    cybermesh__feed__v1__feed_frame__free_unpacked(frame, NULL);

    writer = bytes_writer_of(bytes, sizeof bytes);
    feed_codec_put_producers(&writer, &(struct feed_codec_producers){
                                          .request = 8, .height = 5, .producers = producers, .producer_count = 2});
    frame = unpack(&writer);
    assert_int_equal(frame->body_case, CYBERMESH__FEED__V1__FEED_FRAME__BODY_PRODUCERS);
    assert_int_equal(frame->producers->height, 5);
    assert_int_equal(frame->producers->n_producers, 2);
    assert_string_equal(frame->producers->producers[1]->name, "cos");
    cybermesh__feed__v1__feed_frame__free_unpacked(frame, NULL);

    writer = bytes_writer_of(bytes, sizeof bytes);
    feed_codec_put_lookup(&writer, &(struct feed_codec_lookup){.request = 8, .found = blocks, .found_count = 1});
    frame = unpack(&writer);
    assert_int_equal(frame->body_case, CYBERMESH__FEED__V1__FEED_FRAME__BODY_LOOKUP);
    assert_int_equal(frame->lookup->n_found, 1);
    assert_int_equal(frame->lookup->found[0].len, blocks[0].size);
    cybermesh__feed__v1__feed_frame__free_unpacked(frame, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_range_is_bounded),
        cmocka_unit_test(a_lookup_has_at_most_5000_ids_of_32_bytes),
        cmocka_unit_test(answers_are_no_questions),
        cmocka_unit_test(what_we_say_is_read_by_protobuf_c),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
