/* test_query_codec.c - questions to the stages, and what is no answer of theirs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "common/base/err.h"
#include "services/apid/query_codec.h"

typedef Cybermesh__Query__V1__QueryFrame Frame;

static void questions_are_protobuf(void **state)
{
    uint8_t *bytes = NULL;
    size_t size = 0;
    struct query_codec_question question = {.key = "a/b", .at_height = true, .height = 300};
    assert_int_equal(query_codec_ask_state(&bytes, &size, 9, &question), 0);
    static const uint8_t expected[] = {8, 1, 0x12, 12, 8, 9, 0x12, 3, 'a', '/', 'b', 0x18, 1, 0x20, 0xac, 2};
    assert_int_equal(size, sizeof expected);
    assert_memory_equal(bytes, expected, size);
    free(bytes);
    assert_int_equal(query_codec_ask_status(&bytes, &size, 7), 0);
    static const uint8_t status[] = {8, 1, 0x22, 2, 8, 7};
    assert_int_equal(size, sizeof status);
    assert_memory_equal(bytes, status, size);
    free(bytes);
}

static void answers_are_read(void **state)
{
    static const uint8_t found[] = {8, 1, 0x1a, 9, 8, 9, 0x10, 1, 0x20, 1, 0x2a, 1, 'v'};
    Frame *frame = NULL;
    assert_int_equal(query_codec_read(&frame, span_of(found, sizeof found)), 0);
    assert_int_equal(query_codec_request(frame), 9);
    assert_true(frame->state->found);
    query_codec_free(&frame);
    assert_null(frame);
    static const uint8_t status[] = {8, 1, 0x2a, 10, 8, 5, 0x12, 6, 0x0a, 1, 'n', 0x12, 1, 'v'};
    assert_int_equal(query_codec_read(&frame, span_of(status, sizeof status)), 0);
    assert_int_equal(query_codec_request(frame), 5);
    assert_string_equal(frame->status->items[0]->value, "v");
    query_codec_free(&frame);
    query_codec_free(&frame);
    query_codec_free(NULL);
}

static void other_frames_are_malformed(void **state)
{
    static const struct {
        uint8_t bytes[12];
        size_t size;
    } cases[] = {
        {{0}, 0},
        {{8, 1}, 2},                                /* no body */
        {{8, 2, 0x1a, 0}, 4},                       /* another version */
        {{0x1a, 0}, 2},                             /* no version */
        {{8, 1, 0x12, 0}, 4},                       /* a question */
        {{8, 1, 0x1a, 4, 8, 9}, 6},                 /* cut */
        {{8, 1, 0x1a, 3, 0x4a, 1, 'x'}, 7},         /* a sibling of 1 byte */
        {{8, 1, 0x1a, 2, 0x30, 1}, 6},              /* a leaf without hashes */
        {{8, 1, 0x1a, 5, 0x30, 1, 0x3a, 1, 'x'}, 9} /* a leaf of 1 byte */
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        Frame *frame = NULL;
        assert_int_equal(query_codec_read(&frame, span_of(cases[i].bytes, cases[i].size)), ERR_MALFORMED);
        assert_null(frame);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(questions_are_protobuf),
        cmocka_unit_test(answers_are_read),
        cmocka_unit_test(other_frames_are_malformed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
