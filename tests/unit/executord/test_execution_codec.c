/* test_execution_codec.c - requests as protobuf-c packs them, answers as protobuf-c reads them. */
#include "tests/unit/executord/world.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/err.h"
#include "proto/execution.pb-c.h"
#include "services/executord/execution_codec.h"

typedef Cybermesh__Execution__V1__ExecutionFrame Frame;

enum { BODIES = 3, ANSWER_BYTES = 4096 };

static uint8_t id[32] = {1, 2, 3};
static uint8_t other_id[32] = {4, 5, 6};
static uint8_t texts[BODIES][4] = {"abc", "de", ""};
static ProtobufCBinaryData bodies[BODIES] = {{3, texts[0]}, {2, texts[1]}, {0, texts[2]}};

struct packed {
    uint8_t data[32768];
    size_t size;
};

static struct packed pack(const Frame *frame)
{
    struct packed packed = {.size = cybermesh__execution__v1__execution_frame__get_packed_size(frame)};
    assert_true(packed.size <= sizeof packed.data);
    cybermesh__execution__v1__execution_frame__pack(frame, packed.data);
    return packed;
}

static Frame frame_of(Cybermesh__Execution__V1__ExecutionFrame__BodyCase body_case)
{
    Frame frame;
    cybermesh__execution__v1__execution_frame__init(&frame);
    frame.version = 1;
    frame.body_case = body_case;
    return frame;
}

static struct block_header header_some(void)
{
    struct block_header header = {.height = 9, .view = 12, .justify_view = 11, .tx_count = 3, .timestamp_ms = 77};
    memcpy(header.parent_id.bytes, id, 32);
    return header;
}

static void assert_bodies(const struct executor_bodies *got)
{
    assert_int_equal(got->count, BODIES);
    for (size_t i = 0; i < BODIES; i++)
        assert_true(span_equal(got->items[i], span_of(bodies[i].data, bodies[i].len)));
}

static void requests_are_read(void **state)
{
    struct span spans[BODIES];
    struct execution_codec_request request;
    uint8_t header[BLOCK_HEADER_BYTES];
    struct block_header some = header_some();
    block_header_encode(header, &some);

    Cybermesh__Execution__V1__HeightRequest height;
    cybermesh__execution__v1__height_request__init(&height);
    Frame frame = frame_of(CYBERMESH__EXECUTION__V1__EXECUTION_FRAME__BODY_HEIGHT_REQUEST);
    frame.height_request = &height;
    struct packed packed = pack(&frame);
    assert_int_equal(execution_codec_decode(&request, span_of(packed.data, packed.size), spans, BODIES), 0);
    assert_int_equal(request.kind, EXECUTION_CODEC_HEIGHT_REQUEST);

    Cybermesh__Execution__V1__Build build;
    cybermesh__execution__v1__build__init(&build);
    build.request = 5;
    build.parent_id = (ProtobufCBinaryData){32, id};
    build.height = 9;
    build.view = 12;
    build.justify_view = 11;
    build.justify_signers = UINT64_MAX;
    build.proposer = (ProtobufCBinaryData){32, other_id};
    build.timestamp_ms = 1700000000123;
    build.n_bodies = BODIES;
    build.bodies = bodies;
    frame = frame_of(CYBERMESH__EXECUTION__V1__EXECUTION_FRAME__BODY_BUILD);
    frame.build = &build;
    packed = pack(&frame);
    assert_int_equal(execution_codec_decode(&request, span_of(packed.data, packed.size), spans, BODIES), 0);
    assert_int_equal(request.kind, EXECUTION_CODEC_BUILD);
    assert_int_equal(request.request, 5);
    assert_memory_equal(request.build.parent_id.bytes, id, 32);
    assert_memory_equal(request.build.proposer.bytes, other_id, 32);
    assert_int_equal(request.build.height, 9);
    assert_int_equal(request.build.view, 12);
    assert_int_equal(request.build.justify_view, 11);
    assert_true(request.build.justify_signers == UINT64_MAX);
    assert_int_equal(request.build.timestamp_ms, 1700000000123);
    assert_bodies(&request.bodies);
    assert_int_equal(execution_codec_decode(&request, span_of(packed.data, packed.size), spans, BODIES - 1),
                     ERR_TOO_LARGE);

    Cybermesh__Execution__V1__Check check;
    cybermesh__execution__v1__check__init(&check);
    check.request = 6;
    check.header = (ProtobufCBinaryData){sizeof header, header};
    check.n_bodies = BODIES;
    check.bodies = bodies;
    frame = frame_of(CYBERMESH__EXECUTION__V1__EXECUTION_FRAME__BODY_CHECK);
    frame.check = &check;
    packed = pack(&frame);
    assert_int_equal(execution_codec_decode(&request, span_of(packed.data, packed.size), spans, BODIES), 0);
    assert_int_equal(request.kind, EXECUTION_CODEC_CHECK);
    assert_int_equal(request.request, 6);
    assert_int_equal(request.header.height, 9);
    assert_true(span_equal(request.header_bytes, span_of(header, sizeof header)));
    assert_bodies(&request.bodies);

    Cybermesh__Execution__V1__Recheck recheck;
    cybermesh__execution__v1__recheck__init(&recheck);
    recheck.request = 7;
    recheck.parent_id = (ProtobufCBinaryData){32, id};
    recheck.timestamp_ms = 8;
    recheck.n_bodies = BODIES;
    recheck.bodies = bodies;
    frame = frame_of(CYBERMESH__EXECUTION__V1__EXECUTION_FRAME__BODY_RECHECK);
    frame.recheck = &recheck;
    packed = pack(&frame);
    assert_int_equal(execution_codec_decode(&request, span_of(packed.data, packed.size), spans, BODIES), 0);
    assert_int_equal(request.kind, EXECUTION_CODEC_RECHECK);
    assert_int_equal(request.request, 7);
    assert_int_equal(request.recheck.timestamp_ms, 8);
    assert_memory_equal(request.recheck.parent_id.bytes, id, 32);
    assert_bodies(&request.bodies);

    Cybermesh__Execution__V1__Commit commit;
    cybermesh__execution__v1__commit__init(&commit);
    commit.header = (ProtobufCBinaryData){sizeof header, header};
    commit.proof = (ProtobufCBinaryData){3, texts[0]};
    commit.n_bodies = BODIES;
    commit.bodies = bodies;
    frame = frame_of(CYBERMESH__EXECUTION__V1__EXECUTION_FRAME__BODY_COMMIT);
    frame.commit = &commit;
    packed = pack(&frame);
    assert_int_equal(execution_codec_decode(&request, span_of(packed.data, packed.size), spans, BODIES), 0);
    assert_int_equal(request.kind, EXECUTION_CODEC_COMMIT);
    assert_int_equal(request.header.view, 12);
    assert_true(span_equal(request.proof, span_text("abc")));
    assert_bodies(&request.bodies);
}

static struct packed commit_with_before(const uint64_t *heights, size_t count, const struct block_header *before_like)
{
    static uint8_t headers[EXECUTION_CODEC_BEFORE_MAX + 2][BLOCK_HEADER_BYTES];
    Cybermesh__Execution__V1__EmptyBlock before[EXECUTION_CODEC_BEFORE_MAX + 1], *list[EXECUTION_CODEC_BEFORE_MAX + 1];
    for (size_t i = 0; i < count; i++) {
        struct block_header header = *before_like;
        header.height = heights[i];
        block_header_encode(headers[i], &header);
        cybermesh__execution__v1__empty_block__init(list[i] = &before[i]);
        before[i].header = (ProtobufCBinaryData){BLOCK_HEADER_BYTES, headers[i]};
        before[i].proof = (ProtobufCBinaryData){1, headers[i]};
    }
    uint8_t *own = headers[EXECUTION_CODEC_BEFORE_MAX + 1];
    struct block_header header = {.height = 40, .tx_count = 1};
    block_header_encode(own, &header);
    Cybermesh__Execution__V1__Commit commit;
    cybermesh__execution__v1__commit__init(&commit);
    commit.header = (ProtobufCBinaryData){BLOCK_HEADER_BYTES, own};
    commit.n_before = count;
    commit.before = list;
    Frame frame = frame_of(CYBERMESH__EXECUTION__V1__EXECUTION_FRAME__BODY_COMMIT);
    frame.commit = &commit;
    return pack(&frame);
}

static void blocks_before_a_commits_own_are_empty_and_follow_one_another(void **state)
{
    (void)state;
    static const struct {
        uint64_t heights[3];
        size_t count;
        uint32_t tx_count;
        int expected;
    } cases[] = {
        {{37, 38, 39}, 3, 0, 0},
        {{39}, 1, 0, 0},
        {{38, 39, 40}, 3, 0, ERR_MALFORMED},
        {{36, 37, 38}, 3, 0, ERR_MALFORMED},
        {{36, 38, 39}, 3, 0, ERR_MALFORMED},
        {{39, 39}, 2, 0, ERR_MALFORMED},
        {{39, 38}, 2, 0, ERR_MALFORMED},
        {{39}, 1, 1, ERR_MALFORMED},
    };
    struct execution_codec_request request;
    struct span spans[BODIES];
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct block_header like = {.tx_count = cases[i].tx_count};
        struct packed packed = commit_with_before(cases[i].heights, cases[i].count, &like);
        assert_int_equal(execution_codec_decode(&request, span_of(packed.data, packed.size), spans, BODIES),
                         cases[i].expected);
        if (cases[i].expected == 0)
            assert_int_equal(request.before_count, cases[i].count);
    }
    uint64_t heights[EXECUTION_CODEC_BEFORE_MAX + 1];
    for (size_t i = 0; i < ARRAY_COUNT(heights); i++)
        heights[i] = 40 - ARRAY_COUNT(heights) + i;
    const struct block_header like = {0};
    struct packed packed = commit_with_before(heights + 1, EXECUTION_CODEC_BEFORE_MAX, &like);
    assert_int_equal(execution_codec_decode(&request, span_of(packed.data, packed.size), spans, BODIES), 0);
    assert_int_equal(request.before_count, EXECUTION_CODEC_BEFORE_MAX);
    assert_int_equal(request.before[0].header.size, BLOCK_HEADER_BYTES);
    assert_int_equal(request.before[0].proof.size, 1);
    packed = commit_with_before(heights, EXECUTION_CODEC_BEFORE_MAX + 1, &like);
    assert_int_equal(execution_codec_decode(&request, span_of(packed.data, packed.size), spans, BODIES), ERR_TOO_LARGE);
}

static void bad_frames_are_refused(void **state)
{
    struct span spans[BODIES];
    struct execution_codec_request request;
    static const struct {
        uint8_t bytes[8];
        size_t size;
        int expected;
    } cases[] = {
        {{0}, 0, ERR_VERSION},                              /* nothing */
        {{0x08, 1}, 2, ERR_MALFORMED},                      /* no body */
        {{0x08, 2, 0x12, 0}, 4, ERR_VERSION},               /* version 2 */
        {{0x12, 0}, 2, ERR_VERSION},                        /* no version */
        {{0x08, 1, 0x1a, 0}, 4, ERR_MALFORMED},             /* an answer: Height */
        {{0x08, 1, 0x32, 0}, 4, ERR_MALFORMED},             /* Check without a header */
        {{0x08, 1, 0x32, 3, 0x12, 1, 7}, 7, ERR_MALFORMED}, /* a header of one byte */
        {{0x08, 1, 0x22, 3, 0x12, 1, 7}, 7, ERR_MALFORMED}, /* Build with a parent_id of one byte */
        {{0x08, 1, 0x22, 9, 0x12}, 5, ERR_MALFORMED},       /* cut */
        {{0x08, 1, 0x22, 2, 0x48, 1}, 6, ERR_MALFORMED},    /* a body that is a number */
        {{0x08, 1, 0x52, 2, 0x20, 1}, 6, ERR_MALFORMED},    /* Commit with a block before that is a number */
        {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, 6, ERR_MALFORMED},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++)
        assert_int_equal(execution_codec_decode(&request, span_of(cases[i].bytes, cases[i].size), spans, BODIES),
                         cases[i].expected);
}

static Frame *read_answer(const struct bytes_writer *writer)
{
    assert_false(writer->failed);
    Frame *frame = cybermesh__execution__v1__execution_frame__unpack(NULL, writer->size, writer->data);
    assert_non_null(frame);
    assert_int_equal(frame->version, 1);
    /* What protobuf-c makes of it is the same bytes. */
    struct packed again = pack(frame);
    assert_int_equal(again.size, writer->size);
    assert_memory_equal(again.data, writer->data, again.size);
    return frame;
}

static void free_answer(Frame *frame)
{
    cybermesh__execution__v1__execution_frame__free_unpacked(frame, NULL);
}

static void answers_are_protobuf(void **state)
{
    static uint8_t buffer[ANSWER_BYTES];
    struct bytes_writer writer = bytes_writer_of(buffer, sizeof buffer);
    struct hash hash;
    memcpy(hash.bytes, id, 32);
    execution_codec_put_height(&writer,
                               &(struct execution_codec_height){7, hash, hash, 1234567890123, span_text("genesis"), 0x5,
                                                                span_text("certificate")});
    Frame *frame = read_answer(&writer);
    assert_int_equal(frame->height->height, 7);
    assert_int_equal(frame->height->epoch, 1234567890123);
    assert_int_equal(frame->height->inactive, 0x5);
    assert_memory_equal(frame->height->genesis_header.data, "genesis", 7);
    assert_int_equal(frame->height->genesis_certificate.len, 11);
    assert_memory_equal(frame->height->genesis_certificate.data, "certificate", 11);
    assert_memory_equal(frame->height->block_id.data, id, 32);
    assert_memory_equal(frame->height->state_root.data, id, 32);
    free_answer(frame);

    static const struct executor_refused refused[] = {
        {0, REASON_NONE, false}, {200, REASON_ID_CONFLICT, true}, {70000, 1, false}};
    struct block_header header = header_some();
    writer = bytes_writer_of(buffer, execution_codec_answer_bytes_max(3));
    execution_codec_put_built(&writer,
                              &(struct execution_codec_built){4, EXECUTION_CODEC_OK, &header, refused, 3, {2, {1, 0}}});
    frame = read_answer(&writer);
    assert_int_equal(frame->built->request, 4);
    assert_int_equal(frame->built->status, CYBERMESH__EXECUTION__V1__STATUS__STATUS_OK);
    assert_int_equal(frame->built->header.len, BLOCK_HEADER_BYTES);
    assert_int_equal(frame->built->n_refused, 3);
    assert_int_equal(frame->built->leaders.len, 2);
    assert_memory_equal(frame->built->leaders.data, "\1\0", 2);
    assert_int_equal(frame->built->refused[1]->index, 200);
    assert_int_equal(frame->built->refused[1]->reason, REASON_ID_CONFLICT);
    assert_true(frame->built->refused[1]->settled);
    assert_false(frame->built->refused[2]->settled);
    free_answer(frame);

    writer = bytes_writer_of(buffer, sizeof buffer);
    execution_codec_put_rechecked(
        &writer, &(struct execution_codec_built){4, EXECUTION_CODEC_UNKNOWN_PARENT, NULL, refused, 1, {0}});
    frame = read_answer(&writer);
    assert_int_equal(frame->rechecked->n_refused, 1);
    assert_int_equal(frame->rechecked->status, CYBERMESH__EXECUTION__V1__STATUS__STATUS_UNKNOWN_PARENT);
    free_answer(frame);

    writer = bytes_writer_of(buffer, sizeof buffer);
    execution_codec_put_checked(
        &writer, &(struct execution_codec_checked){3, hash, EXECUTION_CODEC_BAD_TX, {2, 11, false}, {1, {3}}});
    frame = read_answer(&writer);
    assert_int_equal(frame->checked->status, CYBERMESH__EXECUTION__V1__STATUS__STATUS_BAD_TX);
    assert_int_equal(frame->checked->index, 2);
    assert_int_equal(frame->checked->leaders.len, 1);
    assert_int_equal(frame->checked->leaders.data[0], 3);
    assert_int_equal(frame->checked->reason, 11);
    assert_memory_equal(frame->checked->block_id.data, id, 32);
    free_answer(frame);

    writer = bytes_writer_of(buffer, sizeof buffer);
    execution_codec_put_committed(&writer, &(struct execution_codec_committed){3, hash, EXECUTION_CODEC_CONFLICT});
    frame = read_answer(&writer);
    assert_int_equal(frame->committed->status, CYBERMESH__EXECUTION__V1__STATUS__STATUS_CONFLICT);
    free_answer(frame);
}

static void the_largest_answer_fits_its_bound(void **state)
{
    enum { COUNT = 100 };
    static uint8_t buffer[ANSWER_BYTES];
    struct executor_refused refused[COUNT];
    for (size_t i = 0; i < COUNT; i++)
        refused[i] = (struct executor_refused){UINT32_MAX, REASON_ID_CONFLICT, true};
    struct block_header header = header_some();
    struct bytes_writer writer = bytes_writer_of(buffer, execution_codec_answer_bytes_max(COUNT));
    execution_codec_put_built(
        &writer, &(struct execution_codec_built){
                     UINT64_MAX, EXECUTION_CODEC_CONFLICT, &header, refused, COUNT, {.count = GENESIS_VALIDATORS_MAX}});
    assert_false(writer.failed);
}

static void statuses_are_those_of_the_contract(void **state)
{
    static const struct {
        int verdict;
        int status;
    } cases[] = {
        {0, CYBERMESH__EXECUTION__V1__STATUS__STATUS_OK},
        {EXECUTOR_UNKNOWN_PARENT, CYBERMESH__EXECUTION__V1__STATUS__STATUS_UNKNOWN_PARENT},
        {EXECUTOR_BAD_TX, CYBERMESH__EXECUTION__V1__STATUS__STATUS_BAD_TX},
        {EXECUTOR_BAD_ROOT, CYBERMESH__EXECUTION__V1__STATUS__STATUS_BAD_ROOT},
        {EXECUTOR_BAD_HEADER, CYBERMESH__EXECUTION__V1__STATUS__STATUS_BAD_HEADER},
        {EXECUTOR_CONFLICT, CYBERMESH__EXECUTION__V1__STATUS__STATUS_CONFLICT},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++)
        assert_int_equal(execution_codec_status_of(cases[i].verdict), cases[i].status);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_are_read),
        cmocka_unit_test(blocks_before_a_commits_own_are_empty_and_follow_one_another),
        cmocka_unit_test(bad_frames_are_refused),
        cmocka_unit_test(answers_are_protobuf),
        cmocka_unit_test(the_largest_answer_fits_its_bound),
        cmocka_unit_test(statuses_are_those_of_the_contract),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
