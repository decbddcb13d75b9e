/* test_peer_codec.c - questions about peers and their answers, there and back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "common/base/err.h"
#include "common/base/wire.h"
#include "services/consensusd/consensus_codec.h"
#include "services/consensusd/peer_codec.h"

enum { VALIDATORS = 5 };

static uint8_t frame[PEER_CODEC_FRAME_BYTES_MAX];

static struct span body_of(size_t size, uint32_t expected)
{
    uint32_t field = 0;
    struct span body;
    assert_int_equal(wire_frame_open(span_of(frame, size), &field, &body), 0);
    assert_int_equal(field, expected);
    return body;
}

static void a_question_comes_through(void **state)
{
    struct peer_codec_request request = {.request = 300, .record = span_text("a record")}, read;
    request.versions[0] = 1;
    request.versions[4] = PEER_RECORD_VERSION_MAX;
    struct span body = body_of(peer_codec_encode_request(frame, &request), PEER_CODEC_REQUEST);
    assert_int_equal(peer_codec_decode_request(&read, body, VALIDATORS), 0);
    assert_int_equal(read.request, 300);
    assert_memory_equal(read.versions, request.versions, sizeof read.versions);
    assert_true(span_equal(read.record, request.record));
    assert_int_equal(peer_codec_decode_request(&read, body, 4), ERR_MALFORMED); /* of another validator set */
}

static void an_answer_comes_through(void **state)
{
    struct peer_codec_response response = {.request = 7, .record_count = 2}, read;
    response.records[0] = span_text("one");
    response.records[1] = span_text("two");
    struct span body = body_of(peer_codec_encode_response(frame, &response), PEER_CODEC_RESPONSE);
    assert_int_equal(peer_codec_decode_response(&read, body, VALIDATORS), 0);
    assert_int_equal(read.request, 7);
    assert_int_equal(read.record_count, 2);
    assert_true(span_equal(read.records[1], span_text("two")));
    assert_int_equal(peer_codec_decode_response(&read, body, 1), ERR_MALFORMED); /* more records than validators */
    for (size_t cut = 1; cut < body.size; cut++) {
        if (peer_codec_decode_response(&read, span_of(body.data, cut), VALIDATORS) == 0)
            assert_true(read.record_count < 2);
    }
}

static void the_largest_fit_a_frame(void **state)
{
    static uint8_t record[PEER_RECORD_BYTES_MAX + 1];
    struct peer_codec_request request = {.request = UINT64_MAX, .record = span_of(record, PEER_RECORD_BYTES_MAX)};
    struct peer_codec_response response = {.request = UINT64_MAX, .record_count = GENESIS_VALIDATORS_MAX};
    struct peer_codec_response read;
    for (uint32_t i = 0; i < GENESIS_VALIDATORS_MAX; i++) {
        request.versions[i] = UINT64_MAX;
        response.records[i] = span_of(record, PEER_RECORD_BYTES_MAX);
    }
    assert_true(peer_codec_encode_request(frame, &request) <= sizeof frame);
    struct span body = body_of(peer_codec_encode_response(frame, &response), PEER_CODEC_RESPONSE);
    assert_int_equal(peer_codec_decode_response(&read, body, GENESIS_VALIDATORS_MAX), 0);
    response.record_count = 1;
    response.records[0] = span_of(record, sizeof record);
    body = body_of(peer_codec_encode_response(frame, &response), PEER_CODEC_RESPONSE);
    assert_int_equal(peer_codec_decode_response(&read, body, VALIDATORS), ERR_MALFORMED);
}

static void a_version_is_told_once_and_is_one(void **state)
{
    struct peer_codec_request read;
    const uint8_t twice[] = {0x12, 4, 0x08, 1, 0x10, 9, 0x12, 4, 0x08, 1, 0x10, 9};
    assert_int_equal(peer_codec_decode_request(&read, span_of(twice, 6), VALIDATORS), 0);
    assert_int_equal(read.versions[1], 9);
    assert_int_equal(peer_codec_decode_request(&read, span_of(twice, 12), VALIDATORS), ERR_MALFORMED);
    const uint8_t zero[] = {0x12, 2, 0x08, 1};
    assert_int_equal(peer_codec_decode_request(&read, span_of(zero, 4), VALIDATORS), ERR_MALFORMED);
}

/* The codec of blocks and this one never take the other's frames. */
static void blocks_and_peers_are_told_apart(void **state)
{
    struct peer_codec_request request = {.request = 1};
    size_t size = peer_codec_encode_request(frame, &request);
    struct consensus_codec_sync sync;
    assert_int_equal(consensus_codec_decode_sync(&sync, span_of(frame, size), 10), ERR_MALFORMED);
    uint8_t *blocks = NULL;
    assert_int_equal(consensus_codec_encode_request(1, 2, 3, &blocks, &size), 0);
    uint32_t field = 0;
    struct span body;
    assert_int_equal(wire_frame_open(span_of(blocks, size), &field, &body), 0);
    assert_true(field != PEER_CODEC_REQUEST && field != PEER_CODEC_RESPONSE);
    free(blocks);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_question_comes_through),        cmocka_unit_test(an_answer_comes_through),
        cmocka_unit_test(the_largest_fit_a_frame),         cmocka_unit_test(a_version_is_told_once_and_is_one),
        cmocka_unit_test(blocks_and_peers_are_told_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
