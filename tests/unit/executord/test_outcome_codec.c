/* test_outcome_codec.c - what is stored and sent is what protobuf-c reads. */
#include "tests/unit/executord/world.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/err.h"
#include "proto/outcome.pb-c.h"
#include "services/executord/outcome_codec.h"

typedef Cybermesh__Outcome__V1__OutcomeFrame Frame;

enum { BUFFER_BYTES = 65536 };

static uint8_t buffer[BUFFER_BYTES];

/* A world with one committed block of an anomaly and an evidence, and its Outcome in buffer. */
static struct span outcome_of(struct world *world, struct span proof)
{
    world_genesis(world);
    world_start(world, 1);
    struct world_body one = world_body(world, &(struct world_event){TX_ANOMALY, .id = "a", .nonce = 1});
    struct world_body two = world_body(world, &(struct world_event){TX_EVIDENCE, .id = "b", .nonce = 1, .refs = 1});
    struct span spans[] = {world_span(&one), world_span(&two)};
    const struct version *version = world_commit(world, spans, 2);
    world_body_free(&one);
    world_body_free(&two);
    struct bytes_writer counter = bytes_writer_of(NULL, 0);
    outcome_codec_put(&counter, version, proof);
    struct bytes_writer writer = bytes_writer_of(buffer, counter.size);
    outcome_codec_put(&writer, version, proof);
    assert_false(writer.failed);
    assert_int_equal(writer.size, counter.size);
    return bytes_written(&writer);
}

static void a_version_becomes_the_contracts_outcome(void **state)
{
    struct world world;
    struct span outcome = outcome_of(&world, span_text("proof"));
    const struct version *version = executor_committed(world.executor);
    Cybermesh__Outcome__V1__Outcome *read = cybermesh__outcome__v1__outcome__unpack(NULL, outcome.size, outcome.data);
    assert_non_null(read);
    assert_int_equal(read->height, 1);
    assert_memory_equal(read->block_id.data, version->id.bytes, HASH_BYTES);
    struct block_header header;
    assert_int_equal(block_header_decode(&header, span_of(read->header.data, read->header.len)), 0);
    struct hash id = block_id(&header);
    assert_true(hash_equal(&id, &version->id));
    assert_true(span_equal(span_of(read->proof.data, read->proof.len), span_text("proof")));
    assert_int_equal(read->n_bodies, 2);
    assert_int_equal(read->n_receipts, 2);
    assert_int_equal(read->n_changes, 4 + 4);
    for (size_t i = 0; i < 2; i++)
        assert_true(span_equal(span_of(read->bodies[i].data, read->bodies[i].len), version->content->bodies[i]));
    assert_int_equal(read->changes[0]->key.len, strlen("anomaly/a"));
    assert_memory_equal(read->changes[0]->key.data, "anomaly/a", strlen("anomaly/a"));
    size_t size = cybermesh__outcome__v1__outcome__get_packed_size(read);
    assert_int_equal(size, outcome.size);
    uint8_t *again = malloc(size);
    cybermesh__outcome__v1__outcome__pack(read, again);
    assert_memory_equal(again, outcome.data, size);
    free(again);
    cybermesh__outcome__v1__outcome__free_unpacked(read, NULL);
    world_end(&world);
}

static void a_stored_outcome_is_read_back(void **state)
{
    struct world world;
    struct span outcome = outcome_of(&world, span_text("proof"));
    struct outcome_codec_head head;
    assert_int_equal(outcome_codec_read_head(&head, outcome), 0);
    struct hash id = block_id(&head.header);
    assert_true(hash_equal(&id, &executor_committed(world.executor)->id));
    assert_true(span_equal(head.proof, span_text("proof")));
    struct executor_entry entries[8];
    size_t count;
    assert_int_equal(outcome_codec_read_changes(outcome, entries, 7, &count), ERR_TOO_LARGE);
    assert_int_equal(outcome_codec_read_changes(outcome, entries, 8, &count), 0);
    assert_int_equal(count, 8);
    assert_true(span_equal(entries[0].key, span_text("anomaly/a")));
    assert_false(entries[0].deleted);
    assert_int_equal(outcome_codec_read_head(&head, span_of(outcome.data, 40)), ERR_MALFORMED);
    assert_int_equal(outcome_codec_read_changes(span_of(outcome.data, outcome.size - 1), entries, 8, &count),
                     ERR_MALFORMED);
    world_end(&world);
}

static void outcomes_travel_as_they_are_stored(void **state)
{
    struct world world;
    struct span outcome = outcome_of(&world, (struct span){0});
    static uint8_t items[2 * BUFFER_BYTES];
    struct bytes_writer writer = bytes_writer_of(items, sizeof items);
    outcome_codec_put_item(&writer, outcome);
    outcome_codec_put_item(&writer, outcome);
    static uint8_t payload[2 * BUFFER_BYTES + OUTCOME_CODEC_FRAME_HEAD_BYTES_MAX];
    struct bytes_writer frame_writer = bytes_writer_of(payload, sizeof payload);
    outcome_codec_put_frame_head(&frame_writer, 99, writer.size);
    assert_true(frame_writer.size <= OUTCOME_CODEC_FRAME_HEAD_BYTES_MAX);
    bytes_put_span(&frame_writer, bytes_written(&writer));
    Frame *frame = cybermesh__outcome__v1__outcome_frame__unpack(NULL, frame_writer.size, payload);
    assert_non_null(frame);
    assert_int_equal(frame->version, 1);
    assert_int_equal(frame->body_case, CYBERMESH__OUTCOME__V1__OUTCOME_FRAME__BODY_OUTCOMES);
    assert_int_equal(frame->outcomes->request, 99);
    assert_int_equal(frame->outcomes->n_blocks, 2);
    assert_int_equal(frame->outcomes->blocks[1]->height, 1);
    cybermesh__outcome__v1__outcome_frame__free_unpacked(frame, NULL);
    world_end(&world);
}

static void a_frame_head_fits_its_bound(void **state)
{
    uint8_t head[OUTCOME_CODEC_FRAME_HEAD_BYTES_MAX];
    struct bytes_writer writer = bytes_writer_of(head, sizeof head);
    outcome_codec_put_frame_head(&writer, UINT64_MAX, UINT32_MAX);
    assert_false(writer.failed);
}

static void genesis_certificates_go_both_ways(void **state)
{
    static const uint8_t large[OUTCOME_CODEC_CERTIFICATE_BYTES_MAX + 1] = {1};
    const struct {
        struct span certificate;
        int rc;
    } cases[] = {{{.size = 0}, 0},
                 {span_text("certificate"), 0},
                 {span_of(large, sizeof large - 1), 0},
                 {span_of(large, sizeof large), ERR_MALFORMED}};
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct bytes_writer writer = bytes_writer_of(buffer, sizeof buffer);
        outcome_codec_put_genesis(&writer, cases[i].certificate);
        Frame *frame = cybermesh__outcome__v1__outcome_frame__unpack(NULL, writer.size, buffer);
        assert_non_null(frame);
        assert_int_equal(frame->body_case, CYBERMESH__OUTCOME__V1__OUTCOME_FRAME__BODY_GENESIS);
        assert_true(span_equal(span_of(frame->genesis->certificate.data, frame->genesis->certificate.len),
                               cases[i].certificate));
        cybermesh__outcome__v1__outcome_frame__free_unpacked(frame, NULL);
        struct outcome_codec_request request = {.height = 77};
        assert_int_equal(outcome_codec_decode(&request, bytes_written(&writer)), cases[i].rc);
        if (cases[i].rc == 0)
            assert_true(span_equal(request.certificate, cases[i].certificate));
        else
            assert_int_equal(request.height, 77);
    }
}

static void asks_and_acks_are_read(void **state)
{
    Frame frame;
    Cybermesh__Outcome__V1__Ask ask;
    Cybermesh__Outcome__V1__Ack ack;
    cybermesh__outcome__v1__outcome_frame__init(&frame);
    cybermesh__outcome__v1__ask__init(&ask);
    cybermesh__outcome__v1__ack__init(&ack);
    frame.version = 1;
    frame.body_case = CYBERMESH__OUTCOME__V1__OUTCOME_FRAME__BODY_ASK;
    ask.request = 300;
    ask.height_first = 5;
    ask.count_max = 64;
    frame.ask = &ask;
    size_t size = cybermesh__outcome__v1__outcome_frame__pack(&frame, buffer);
    struct outcome_codec_request request;
    assert_int_equal(outcome_codec_decode(&request, span_of(buffer, size)), 0);
    assert_int_equal(request.kind, OUTCOME_CODEC_ASK);
    assert_int_equal(request.request, 300);
    assert_int_equal(request.height_first, 5);
    assert_int_equal(request.count_max, 64);
    frame.body_case = CYBERMESH__OUTCOME__V1__OUTCOME_FRAME__BODY_ACK;
    ack.height = 8;
    frame.ack = &ack;
    size = cybermesh__outcome__v1__outcome_frame__pack(&frame, buffer);
    assert_int_equal(outcome_codec_decode(&request, span_of(buffer, size)), 0);
    assert_int_equal(request.kind, OUTCOME_CODEC_ACK);
    assert_int_equal(request.height, 8);
    assert_int_equal(outcome_codec_decode(&request, span_of(buffer, size - 1)), ERR_MALFORMED);
    static const uint8_t answer[] = {0x08, 1, 0x1a, 0};
    assert_int_equal(outcome_codec_decode(&request, span_of(answer, sizeof answer)), ERR_MALFORMED);
    static const uint8_t version[] = {0x08, 3, 0x12, 0};
    assert_int_equal(outcome_codec_decode(&request, span_of(version, sizeof version)), ERR_VERSION);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_version_becomes_the_contracts_outcome), cmocka_unit_test(a_stored_outcome_is_read_back),
        cmocka_unit_test(outcomes_travel_as_they_are_stored),      cmocka_unit_test(a_frame_head_fits_its_bound),
        cmocka_unit_test(genesis_certificates_go_both_ways),       cmocka_unit_test(asks_and_acks_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
