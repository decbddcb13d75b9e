/* test_stages.c - the questions to mempoold and executord: which is under way, and when it is asked again. */
#include "tests/unit/consensusd/shell_rig.h"

#include <string.h>

#include "common/base/tx.h"

enum { HEIGHT = 5 };

#define EXECUTION(name) CYBERMESH__EXECUTION__V1__EXECUTION_FRAME__BODY_##name
#define POOL(name) CYBERMESH__POOL__V1__POOL_FRAME__BODY_##name

static const struct span body = {.data = (const uint8_t *)"one", .size = 3};

static int start(void **state)
{
    (void)state;
    shell_start();
    shell.daemon->executor = EXECUTOR_LIVE;
    return 0;
}

/* The number of the question with this body that was sent since the last time; 0: none. There is one at most. */
static uint64_t asked_executord(Cybermesh__Execution__V1__ExecutionFrame__BodyCase which)
{
    execution_pb *frame = shell_execution_sent(which, 0), *second = shell_execution_sent(which, 1);
    assert_null(second);
    uint64_t number = !frame                      ? 0
                      : which == EXECUTION(BUILD) ? frame->build->request
                      : which == EXECUTION(CHECK) ? frame->check->request
                                                  : frame->recheck->request;
    if (frame)
        cybermesh__execution__v1__execution_frame__free_unpacked(frame, NULL);
    return number;
}

static uint64_t asked_mempoold(Cybermesh__Pool__V1__PoolFrame__BodyCase which)
{
    pool_pb *frame = shell_pool_sent(which, 0), *second = shell_pool_sent(which, 1);
    assert_null(second);
    uint64_t number = !frame ? 0 : which == POOL(RESOLVE) ? frame->resolve->request : frame->take_batch->request;
    cybermesh__pool__v1__pool_frame__free_unpacked(frame, NULL);
    return number;
}

static void pass(uint64_t ms)
{
    shell_forget();
    shell.now_ms += ms;
    stages_tick(shell.daemon);
}

static struct hash check_block(uint32_t tx_count)
{
    const struct hash tx_ids[] = {tx_id(body)};
    struct consensus_check check = {.header = sample_header(HEIGHT, tx_count), .tx_ids = tx_ids};
    check.block_id = block_id(&check.header);
    shell_forget();
    stages_check(shell.daemon, &check);
    return check.block_id;
}

static void have_bodies(const struct hash *id)
{
    assert_int_equal(block_cache_put(shell.daemon->cache, id, HEIGHT, &body, 1), 0);
}

static void build(uint64_t view, bool with_txs)
{
    const struct hash excluded[] = {sample_hash(1), sample_hash(2)};
    const struct consensus_build what = {
        .view = view, .height = HEIGHT, .with_txs = with_txs, .excluded = excluded, .excluded_count = 2};
    shell_forget();
    stages_build(shell.daemon, &what);
}

/* So that the answer to any of its copies counts. */
static void a_question_is_asked_again_under_its_number(void **state)
{
    (void)state;
    const struct hash id = check_block(1);
    uint64_t number = asked_mempoold(POOL(RESOLVE));
    assert_true(number > 0);
    assert_int_equal(asked_executord(EXECUTION(CHECK)), 0);
    pass(RESEND_MS - 1);
    assert_int_equal(asked_mempoold(POOL(RESOLVE)), 0);
    pass(1);
    assert_int_equal(asked_mempoold(POOL(RESOLVE)), number);
    shell_forget();
    have_bodies(&id);
    stages_bodies_arrived(shell.daemon, &id);
    uint64_t next = asked_executord(EXECUTION(CHECK));
    assert_true(next > 0 && next != number);
}

/* It answers in order, so a slow one is not asked more and more. */
static void executord_is_asked_again_ever_later_up_to_8_seconds(void **state)
{
    (void)state;
    check_block(0);
    uint64_t number = asked_executord(EXECUTION(CHECK));
    const uint64_t waits_ms[] = {2000, 4000, 8000, 8000, 8000};
    for (size_t i = 0; i < ARRAY_COUNT(waits_ms); i++) {
        pass(waits_ms[i] - 1);
        assert_int_equal(asked_executord(EXECUTION(CHECK)), 0);
        pass(1);
        assert_int_equal(asked_executord(EXECUTION(CHECK)), number);
    }
}

static void while_executord_is_away_nothing_is_built_and_checks_wait(void **state)
{
    (void)state;
    shell.daemon->executor = EXECUTOR_RESUMING;
    build(9, true);
    assert_int_equal(shell.event.type, CONSENSUS_BUILD_FAILED);
    assert_int_equal(shell.event.u.built.view, 9);
    assert_int_equal(asked_mempoold(POOL(TAKE_BATCH)), 0);
    check_block(0);
    pass(60000);
    assert_int_equal(asked_executord(EXECUTION(CHECK)), 0);
    shell.daemon->executor = EXECUTOR_LIVE;
    pass(RESEND_MS);
    assert_true(asked_executord(EXECUTION(CHECK)) > 0);
}

/* The next view's takes its place. One without transactions needs no mempoold. */
static void one_block_is_built_at_a_time(void **state)
{
    (void)state;
    build(9, true);
    uint64_t first = asked_mempoold(POOL(TAKE_BATCH));
    assert_true(first > 0);
    build(10, false);
    assert_int_equal(asked_mempoold(POOL(TAKE_BATCH)), 0);
    assert_true(asked_executord(EXECUTION(BUILD)) > first);
    assert_null(stages_job_by_request(shell.daemon, JOB_BUILD, first));
}

static void what_is_asked_for_twice_is_one_question(void **state)
{
    (void)state;
    check_block(1);
    check_block(1);
    pass(RESEND_MS);
    assert_true(asked_mempoold(POOL(RESOLVE)) > 0); /* and no second one */
}

/* The cache may have given up the bodies meanwhile: executord would call the block bad without them. */
static void a_block_whose_bodies_are_gone_is_resolved_again(void **state)
{
    (void)state;
    const struct hash id = check_block(1);
    have_bodies(&id);
    stages_bodies_arrived(shell.daemon, &id);
    block_cache_remove(shell.daemon->cache, &id);
    pass(60000);
    assert_int_equal(asked_executord(EXECUTION(CHECK)), 0);
    assert_true(asked_mempoold(POOL(RESOLVE)) > 0);
}

/* So that they are not proposed again; nobody waits for the answer. */
static void mempoold_hears_of_a_block_whose_bodies_are_here(void **state)
{
    (void)state;
    const struct block_header header = sample_header(HEIGHT, 1);
    const struct hash id = block_id(&header);
    have_bodies(&id);
    check_block(1);
    assert_true(asked_executord(EXECUTION(CHECK)) > 0);
    pool_pb *frame = shell_pool_sent(POOL(RESOLVE), 0);
    assert_non_null(frame);
    assert_int_equal(frame->resolve->request, 0);
    assert_true(frame->resolve->own_block);
    assert_memory_equal(frame->resolve->block_id.data, id.bytes, HASH_BYTES);
    cybermesh__pool__v1__pool_frame__free_unpacked(frame, NULL);
}

static int count_one(void *context, const struct safety_store_block *block)
{
    (void)block;
    ++*(size_t *)context;
    return 0;
}

/* Nothing of it stays: no question, no bodies, here and on disk. */
static void a_lost_block_is_forgotten_everywhere(void **state)
{
    (void)state;
    const struct hash id = check_block(1);
    const struct block_header header = sample_header(HEIGHT, 1);
    const struct consensus_voting voting = sample_voting(7);
    const struct safety_store_vote vote = {
        .voting = &voting, .header = &header, .id = &id, .bodies = &body, .body_count = 1};
    assert_int_equal(safety_store_vote(shell.daemon->store, &vote), 0);
    have_bodies(&id);
    block_cache_find(shell.daemon->cache, &id)->stored = true;
    stages_forget(shell.daemon, &id);
    pass(60000);
    assert_int_equal(asked_mempoold(POOL(RESOLVE)), 0);
    assert_null(block_cache_find(shell.daemon->cache, &id));
    size_t count = 0;
    assert_int_equal(safety_store_flush(shell.daemon->store), 0);
    assert_int_equal(safety_store_each_open(shell.daemon->store, count_one, &count), 0);
    assert_int_equal(count, 0);
}

/* Either may have been restarted. */
static void with_each_beat_both_are_asked_how_they_are(void **state)
{
    (void)state;
    pass(0);
    execution_pb *height = shell_execution_sent(EXECUTION(HEIGHT_REQUEST), 0);
    pool_pb *watch = shell_pool_sent(POOL(WATCH), 0);
    assert_non_null(height);
    assert_non_null(watch);
    assert_int_equal(height->height_request->genesis_certificate.len, 0);
    cybermesh__execution__v1__execution_frame__free_unpacked(height, NULL);
    cybermesh__pool__v1__pool_frame__free_unpacked(watch, NULL);
    shell.daemon->certified = true; /* which executord keeps a copy of */
    shell.daemon->certificate_size = 3;
    pass(0);
    height = shell_execution_sent(EXECUTION(HEIGHT_REQUEST), 0);
    assert_int_equal(height->height_request->genesis_certificate.len, 3);
    cybermesh__execution__v1__execution_frame__free_unpacked(height, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define STORY(name) cmocka_unit_test_setup_teardown(name, start, shell_stop)
        STORY(a_question_is_asked_again_under_its_number),
        STORY(executord_is_asked_again_ever_later_up_to_8_seconds),
        STORY(while_executord_is_away_nothing_is_built_and_checks_wait),
        STORY(one_block_is_built_at_a_time),
        STORY(what_is_asked_for_twice_is_one_question),
        STORY(a_block_whose_bodies_are_gone_is_resolved_again),
        STORY(mempoold_hears_of_a_block_whose_bodies_are_here),
        STORY(a_lost_block_is_forgotten_everywhere),
        STORY(with_each_beat_both_are_asked_how_they_are),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
