/* test_sync_blocks.c - questions and answers about blocks. */
#include "tests/unit/consensusd/shell_rig.h"

#include <stdlib.h>

static size_t good; /* how many blocks of an answer are proved */

size_t __wrap_sync_check_good(struct consensus *core, const struct consensus_codec_sync *response);
size_t __wrap_sync_check_good(struct consensus *core, const struct consensus_codec_sync *response)
{
    (void)core;
    return good < response->block_count ? good : response->block_count;
}

static int start(void **state)
{
    (void)state;
    good = SYNC_BLOCKS;
    shell_start();
    return 0;
}

/* The last frame, as a SyncFrame. */
static struct consensus_codec_sync last_sent(void)
{
    struct consensus_codec_sync sync;
    assert_true(shell.sent_count > 0);
    const struct shell_sent *sent = &shell.sent[shell.sent_count - 1];
    assert_int_equal(consensus_codec_decode_sync(&sync, span_of(sent->frame, sent->size), 1000), 0);
    return sync;
}

static uint64_t ask(uint32_t validator)
{
    sync_blocks_ask(shell.daemon, validator, 1);
    struct consensus_codec_sync request = last_sent();
    uint64_t number = request.request;
    consensus_codec_sync_deinit(&request);
    return number;
}

/* Two blocks without transactions come from this validator. Returns whether the core saw them. */
static bool answer(uint32_t validator, uint64_t request)
{
    struct consensus_codec_block blocks[] = {{.header = sample_header(1, 0)}, {.header = sample_header(2, 0)}};
    const struct consensus_codec_sync response = {.request = request, .blocks = blocks, .block_count = 2};
    size_t before = shell.event_count;
    sync_blocks_on_response(shell.daemon, &shell.daemon->peers[validator], &response);
    if (shell.event_count == before)
        return false;
    assert_int_equal(shell.event.type, CONSENSUS_SYNCED);
    assert_int_equal(shell.event.sender, validator);
    return true;
}

static void a_question_has_one_answer_from_who_was_asked(void **state)
{
    (void)state;
    assert_false(answer(1, 0));
    uint64_t first = ask(1), second = ask(1);
    assert_false(answer(2, second));
    assert_false(answer(1, first));
    assert_true(answer(1, second));
    assert_false(answer(1, second));
}

static void what_is_not_proved_is_not_kept(void **state)
{
    (void)state;
    good = 1;
    assert_true(answer(1, ask(1)));
    assert_int_equal(shell.event.u.synced.count, 1);
    const struct hash ids[] = {shell_block_id(1), shell_block_id(2)};
    assert_non_null(block_cache_find(shell.daemon->cache, &ids[0]));
    assert_null(block_cache_find(shell.daemon->cache, &ids[1]));
    assert_int_equal(shell.daemon->dropped_frames, 1);
}

/* Bodies of what is committed are in the store, and nobody would forget them in the cache. */
static void what_is_committed_is_not_kept_again(void **state)
{
    (void)state;
    shell_commit(1, 0, 0);
    assert_true(answer(1, ask(1)));
    const struct hash ids[] = {shell_block_id(1), shell_block_id(2)};
    assert_null(block_cache_find(shell.daemon->cache, &ids[0]));
    assert_non_null(block_cache_find(shell.daemon->cache, &ids[1]));
}

/* Only the answer to the last question tells how much may be asked for. */
static void a_late_answer_of_another_does_not_raise_the_pace(void **state)
{
    (void)state;
    uint64_t late = ask(1);
    ask(2);
    assert_true(answer(1, late));
    ask(2);
    struct consensus_codec_sync request = last_sent();
    assert_int_equal(request.count_max, SYNC_BLOCKS / 4);
    consensus_codec_sync_deinit(&request);
}

static struct consensus_codec_sync answered(uint64_t height_first, uint32_t count_max)
{
    static const struct bus_route route;
    const struct consensus_codec_sync request = {
        .is_request = true, .request = 77, .height_first = height_first, .count_max = count_max};
    shell_forget();
    sync_blocks_on_request(shell.daemon, &shell.daemon->peers[1], &route, &request);
    struct consensus_codec_sync response = last_sent();
    assert_false(response.is_request);
    assert_int_equal(response.request, 77);
    return response;
}

static void assert_answered(uint64_t height_first, uint32_t count_max, size_t count)
{
    struct consensus_codec_sync response = answered(height_first, count_max);
    assert_int_equal(response.block_count, count);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(response.blocks[i].header.height, height_first + i);
    consensus_codec_sync_deinit(&response);
}

static void an_answer_has_as_many_blocks_as_were_asked_for_and_no_more_than_the_most(void **state)
{
    (void)state;
    for (uint64_t height = 1; height <= SYNC_BLOCKS + 10; height++) {
        shell_commit(height, 1, 10);
        shell_forget();
    }
    assert_answered(3, 5, 5);
    assert_answered(SYNC_BLOCKS + 9, 5, 2);
    assert_answered(1, UINT32_MAX, SYNC_BLOCKS);
}

/* Then it has its last block: one of any size comes through. */
static void an_answer_ends_with_the_block_that_exceeds_its_bytes(void **state)
{
    (void)state;
    for (uint64_t height = 1; height <= 5; height++)
        shell_commit(height, 1, SYNC_BYTES_MAX / 2);
    assert_answered(1, SYNC_BLOCKS, 2);
}

/* Who asks for less hears from where there are blocks here. */
static void an_answer_tells_the_lowest_block(void **state)
{
    (void)state;
    for (uint64_t height = 1; height <= 9; height++)
        shell_commit(height, 0, 0);
    assert_int_equal(safety_store_prune(shell.daemon->store, 5, 100), 0);
    struct consensus_codec_sync response = answered(4, 10);
    assert_int_equal(response.block_count, 0);
    assert_int_equal(response.height_lowest, 5);
    assert_int_equal(response.committed_height, 9);
    consensus_codec_sync_deinit(&response);
    assert_int_equal(shell.daemon->failure, 0);
}

/* Above the committed ones the certified ones follow, up to the first whose bodies are not here. */
static void certified_blocks_follow_the_committed_ones(void **state)
{
    (void)state;
    static const struct span body[] = {{.data = (const uint8_t *)"one", .size = 3}};
    struct qc qc = sample_qc(5, 3);
    shell_commit(1, 0, 0);
    for (uint64_t i = 0; i < 3; i++) {
        const struct block_header header = sample_header(2 + i, 1);
        const struct hash id = block_id(&header);
        shell.certified[i] = (struct consensus_certified){.header = header, .qc = &qc};
        if (i != 1)
            assert_int_equal(block_cache_put(shell.daemon->cache, &id, header.height, body, 1), 0);
    }
    shell.certified_count = 3;
    assert_answered(1, 10, 2);
    assert_int_equal(shell.certified_from, 2);
}

/* What is served is proved by itself: a descendant's certificate alone is not enough. */
static void a_block_without_its_certificate_ends_an_answer(void **state)
{
    (void)state;
    static const struct span none[1];
    const struct qc qc = sample_qc(3, 3);
    const struct block_header proof[] = {sample_header(2, 0), sample_header(3, 0)};
    const struct consensus_commit commit = {.block_id = shell_block_id(2),
                                            .header = proof[0],
                                            .proof_headers = proof,
                                            .proof_header_count = 2,
                                            .proof_qc = &qc};
    shell_commit(1, 0, 0);
    assert_int_equal(safety_store_commit(shell.daemon->store, &commit, none, 0), 0);
    shell.daemon->committed_height = 2;
    assert_answered(1, 10, 1);
}

/* mempoold may never have had them. */
static void bodies_that_come_with_an_answer_are_executed(void **state)
{
    (void)state;
    struct job *job = &shell.daemon->jobs[0];
    *job = (struct job){.kind = JOB_CHECK, .stage = JOB_POOL, .request = 9, .asked_ms = 1};
    job->header = sample_header(2, 0);
    job->block_id = shell_block_id(2);
    assert_true(answer(1, ask(1)));
    assert_int_equal(job->stage, JOB_EXECUTE);
}

static void so_many_answers_a_second_to_each(void **state)
{
    (void)state;
    static const struct bus_route route;
    const struct consensus_codec_sync request = {.is_request = true, .height_first = 1, .count_max = 1};
    for (uint32_t second = 0; second < 2; second++) {
        for (uint32_t i = 0; i < SYNC_PER_SECOND + 3; i++)
            sync_blocks_on_request(shell.daemon, &shell.daemon->peers[1], &route, &request);
        sync_blocks_on_request(shell.daemon, &shell.daemon->peers[2], &route, &request);
        assert_int_equal(shell.sent_count, SYNC_PER_SECOND + 1);
        assert_int_equal(shell.daemon->dropped_requests, 3 * (second + 1));
        shell_forget();
        shell.now_ms += 1000;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define STORY(name) cmocka_unit_test_setup_teardown(name, start, shell_stop)
        STORY(a_question_has_one_answer_from_who_was_asked),
        STORY(what_is_not_proved_is_not_kept),
        STORY(what_is_committed_is_not_kept_again),
        STORY(a_late_answer_of_another_does_not_raise_the_pace),
        STORY(an_answer_has_as_many_blocks_as_were_asked_for_and_no_more_than_the_most),
        STORY(an_answer_ends_with_the_block_that_exceeds_its_bytes),
        STORY(an_answer_tells_the_lowest_block),
        STORY(certified_blocks_follow_the_committed_ones),
        STORY(a_block_without_its_certificate_ends_an_answer),
        STORY(bodies_that_come_with_an_answer_are_executed),
        STORY(so_many_answers_a_second_to_each),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
