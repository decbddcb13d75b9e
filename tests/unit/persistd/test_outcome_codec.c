/* test_outcome_codec.c - frames of the outcome arrow, against protobuf-c; and what makes an outcome hang together. */
#include "tests/unit/persistd/chain.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/err.h"
#include "proto/outcome.pb-c.h"

static void answers_are_read_as_protobuf_c_wrote_them(void **state)
{
    struct chain chain;
    chain_begin(&chain);
    chain_add_anomalies(&chain, "a", 2);
    struct chain_run run = chain_run(&chain, 0, 2);
    assert_int_equal(run.frame.request, 1);
    for (uint32_t height = 0; height < 2; height++) {
        const struct outcome *outcome = run.outcomes[height];
        struct span block = chain.blocks[height];
        Cybermesh__Outcome__V1__Outcome *expected =
            cybermesh__outcome__v1__outcome__unpack(NULL, block.size, block.data);
        assert_int_equal(outcome->height, height);
        assert_int_equal(outcome->header.height, height);
        assert_true(hash_equal(&outcome->block_id, &chain.ids[height]));
        assert_int_equal(outcome->tx_count, expected->n_bodies);
        assert_int_equal(outcome->change_count, expected->n_changes);
        assert_int_equal(outcome->proof.size, expected->proof.len);
        for (size_t i = 0; i < expected->n_bodies; i++) {
            assert_int_equal(outcome->bodies[i].size, expected->bodies[i].len);
            assert_memory_equal(outcome->bodies[i].data, expected->bodies[i].data, expected->bodies[i].len);
            assert_int_equal(outcome->receipts[i].size, expected->receipts[i].len);
            assert_memory_equal(outcome->receipts[i].data, expected->receipts[i].data, expected->receipts[i].len);
        }
        for (size_t i = 0; i < expected->n_changes; i++) {
            assert_int_equal(outcome->changes[i].key.size, expected->changes[i]->key.len);
            assert_int_equal(outcome->changes[i].value.size, expected->changes[i]->value.len);
        }
        cybermesh__outcome__v1__outcome__free_unpacked(expected, NULL);
    }
    chain_run_end(&run);
    chain_end(&chain);
}

static void every_cut_of_a_frame_is_refused(void **state)
{
    struct chain chain;
    chain_begin(&chain);
    chain_add_anomalies(&chain, "a", 1);
    struct span frame = chain_frame(&chain, 1, 1);
    for (size_t size = 0; size < frame.size; size++) {
        struct outcome_codec_frame out;
        uint8_t *cut = malloc(size + 1); /* on the heap, so that a sanitizer sees reads beyond it */
        memcpy(cut, frame.data, size);
        assert_true(outcome_codec_decode(&out, span_of(cut, size)) < 0);
        free(cut);
    }
    free((void *)(uintptr_t)frame.data);
    chain_end(&chain);
}

static int decode_mutant(const struct chain *chain, void (*change)(Cybermesh__Outcome__V1__OutcomeFrame *frame))
{
    struct span frame = chain_frame(chain, 0, 2);
    Cybermesh__Outcome__V1__OutcomeFrame *message =
        cybermesh__outcome__v1__outcome_frame__unpack(NULL, frame.size, frame.data);
    change(message);
    uint8_t *packed = malloc(cybermesh__outcome__v1__outcome_frame__get_packed_size(message) + 1);
    size_t size = cybermesh__outcome__v1__outcome_frame__pack(message, packed);
    struct outcome_codec_frame out = {0};
    int rc = outcome_codec_decode(&out, span_of(packed, size));
    outcome_codec_deinit(&out);
    free(packed);
    cybermesh__outcome__v1__outcome_frame__free_unpacked(message, NULL);
    free((void *)(uintptr_t)frame.data);
    return rc;
}

static void no_change(Cybermesh__Outcome__V1__OutcomeFrame *frame)
{
}
static void other_version(Cybermesh__Outcome__V1__OutcomeFrame *frame)
{
    frame->version = 2;
}
static void gap(Cybermesh__Outcome__V1__OutcomeFrame *frame)
{
    frame->outcomes->blocks[1]->height = 2;
}
static void short_header(Cybermesh__Outcome__V1__OutcomeFrame *frame)
{
    frame->outcomes->blocks[0]->header.len--;
}
static void no_header(Cybermesh__Outcome__V1__OutcomeFrame *frame)
{
    frame->outcomes->blocks[0]->header.len = 0;
}
static void short_id(Cybermesh__Outcome__V1__OutcomeFrame *frame)
{
    frame->outcomes->blocks[0]->block_id.len = 31;
}
static void no_key(Cybermesh__Outcome__V1__OutcomeFrame *frame)
{
    frame->outcomes->blocks[0]->changes[0]->key.len = 0;
}
static void fewer_receipts(Cybermesh__Outcome__V1__OutcomeFrame *frame)
{
    free(frame->outcomes->blocks[1]->receipts[--frame->outcomes->blocks[1]->n_receipts].data);
}

static void forms_that_are_refused(void **state)
{
    struct chain chain;
    chain_begin(&chain);
    chain_add_anomalies(&chain, "a", 2);
    assert_int_equal(decode_mutant(&chain, no_change), 0);
    assert_int_equal(decode_mutant(&chain, other_version), ERR_VERSION);
    assert_int_equal(decode_mutant(&chain, gap), ERR_MALFORMED);
    assert_int_equal(decode_mutant(&chain, short_header), ERR_MALFORMED);
    assert_int_equal(decode_mutant(&chain, no_header), ERR_MALFORMED);
    assert_int_equal(decode_mutant(&chain, short_id), ERR_MALFORMED);
    assert_int_equal(decode_mutant(&chain, no_key), ERR_MALFORMED);
    assert_int_equal(decode_mutant(&chain, fewer_receipts), ERR_MALFORMED);
    chain_end(&chain);
}

static void too_many_blocks_are_refused(void **state)
{
    struct chain chain;
    chain_begin(&chain);
    for (int i = 0; i < OUTCOME_CODEC_BLOCKS_MAX; i++)
        chain_add_anomalies(&chain, "a", 0);
    struct outcome_codec_frame out = {0};
    struct span most = chain_frame(&chain, 0, OUTCOME_CODEC_BLOCKS_MAX);
    assert_int_equal(outcome_codec_decode(&out, most), 0);
    outcome_codec_deinit(&out);
    struct span more = chain_frame(&chain, 0, OUTCOME_CODEC_BLOCKS_MAX + 1);
    assert_int_equal(outcome_codec_decode(&out, more), ERR_TOO_LARGE);
    free((void *)(uintptr_t)most.data);
    free((void *)(uintptr_t)more.data);
    chain_end(&chain);
}

static void questions_are_read_by_protobuf_c(void **state)
{
    uint8_t bytes[OUTCOME_CODEC_REQUEST_BYTES_MAX];
    struct outcome_codec_ask ask = {.request = UINT64_MAX, .height_first = UINT64_MAX, .count_max = UINT32_MAX};
    size_t size = outcome_codec_put_ask(bytes, &ask);
    Cybermesh__Outcome__V1__OutcomeFrame *frame = cybermesh__outcome__v1__outcome_frame__unpack(NULL, size, bytes);
    assert_non_null(frame);
    assert_int_equal(frame->version, 1);
    assert_int_equal(frame->body_case, CYBERMESH__OUTCOME__V1__OUTCOME_FRAME__BODY_ASK);
    assert_true(frame->ask->request == UINT64_MAX && frame->ask->height_first == UINT64_MAX);
    assert_int_equal(frame->ask->count_max, UINT32_MAX);
    cybermesh__outcome__v1__outcome_frame__free_unpacked(frame, NULL);
    for (uint64_t height = 0; height < 1000; height += 300) {
        size = outcome_codec_put_ack(bytes, height);
        frame = cybermesh__outcome__v1__outcome_frame__unpack(NULL, size, bytes);
        assert_non_null(frame);
        assert_int_equal(frame->body_case, CYBERMESH__OUTCOME__V1__OUTCOME_FRAME__BODY_ACK);
        assert_int_equal(frame->ack->height, height);
        cybermesh__outcome__v1__outcome_frame__free_unpacked(frame, NULL);
    }
}

static void an_outcome_is_what_its_header_says(void **state)
{
    struct chain chain;
    chain_begin(&chain);
    chain_add_anomalies(&chain, "a", 2);
    struct chain_run run = chain_run(&chain, 0, 2);
    const char *why = NULL;
    assert_int_equal(outcome_check(run.outcomes[0], &chain.chain_id, &why), 0);
    assert_int_equal(outcome_check(run.outcomes[1], &chain.chain_id, &why), 0);

    struct outcome outcome = *run.outcomes[1];
    outcome.block_id.bytes[0] ^= 1;
    assert_int_equal(outcome_check(&outcome, &chain.chain_id, &why), ERR_MALFORMED);
    assert_string_equal(why, "block id is not the header's hash");
    struct hash other = hash_of(span_text("another chain"));
    assert_int_equal(outcome_check(run.outcomes[1], &other, &why), ERR_MALFORMED);
    assert_string_equal(why, "block of another chain");
    outcome = *run.outcomes[1];
    outcome.height++;
    assert_int_equal(outcome_check(&outcome, &chain.chain_id, &why), ERR_MALFORMED);
    assert_string_equal(why, "height is not the header's");
    outcome = *run.outcomes[1];
    outcome.tx_count--;
    assert_int_equal(outcome_check(&outcome, &chain.chain_id, &why), ERR_MALFORMED);
    assert_string_equal(why, "transactions are not as many as the header says");
    outcome = *run.outcomes[1];
    outcome.proof = (struct span){0};
    assert_int_equal(outcome_check(&outcome, &chain.chain_id, &why), ERR_MALFORMED);
    outcome = *run.outcomes[0];
    outcome.proof = span_text("proof");
    assert_int_equal(outcome_check(&outcome, &chain.chain_id, &why), ERR_MALFORMED);
    outcome = *run.outcomes[1];
    outcome.header.timestamp_ms = UINT64_MAX;
    assert_int_equal(outcome_check(&outcome, &chain.chain_id, &why), ERR_MALFORMED);
    assert_string_equal(why, "number above 2^63 - 1");
    chain_run_end(&run);
    chain_end(&chain);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_are_read_as_protobuf_c_wrote_them),
        cmocka_unit_test(every_cut_of_a_frame_is_refused),
        cmocka_unit_test(forms_that_are_refused),
        cmocka_unit_test(too_many_blocks_are_refused),
        cmocka_unit_test(questions_are_read_by_protobuf_c),
        cmocka_unit_test(an_outcome_is_what_its_header_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
