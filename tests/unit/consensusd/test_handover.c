/* test_handover.c - committed blocks go to executord once each, in height order, and from where it stands. */
#include "tests/unit/consensusd/shell_rig.h"

#include "common/base/err.h"

static int start(void **state)
{
    (void)state;
    shell_start();
    return 0;
}

static void commit_up_to(uint64_t height)
{
    for (uint64_t i = 1; i <= height; i++)
        shell_commit(i, 1, 3);
    shell_forget();
}

/* What executord was sent since the last time: Commits of these heights, each with its bodies, and no more. */
static void assert_handed_over(uint64_t first, uint64_t last)
{
    size_t n = 0;
    for (uint64_t height = first; height <= last; height++) {
        execution_pb *frame = shell_execution_frame(n++);
        assert_non_null(frame);
        assert_int_equal(frame->body_case, CYBERMESH__EXECUTION__V1__EXECUTION_FRAME__BODY_COMMIT);
        struct block_header header;
        assert_int_equal(block_header_decode(&header, span_of(frame->commit->header.data, frame->commit->header.len)),
                         0);
        assert_int_equal(header.height, height);
        assert_int_equal(frame->commit->n_bodies, 1);
        cybermesh__execution__v1__execution_frame__free_unpacked(frame, NULL);
    }
    assert_null(shell_execution_frame(n));
    shell_forget();
}

/* It is live when the last one is durable there, not when it was sent; then the core asks its checks again. */
static void what_executord_lacks_goes_to_it_a_window_at_a_time(void **state)
{
    (void)state;
    enum { HEIGHT = 20, BEGINNING = 2 };
    commit_up_to(HEIGHT);
    handover_begin(shell.daemon, BEGINNING);
    assert_handed_over(BEGINNING + 1, BEGINNING + RESUME_WINDOW);
    shell_execution_committed(BEGINNING + 3, CYBERMESH__EXECUTION__V1__STATUS__STATUS_OK);
    assert_handed_over(BEGINNING + RESUME_WINDOW + 1, BEGINNING + RESUME_WINDOW + 3);
    shell_execution_committed(BEGINNING, CYBERMESH__EXECUTION__V1__STATUS__STATUS_OK); /* late: nothing goes back */
    assert_handed_over(1, 0);
    shell_execution_committed(HEIGHT - 1, CYBERMESH__EXECUTION__V1__STATUS__STATUS_OK);
    assert_int_equal(shell.event_count, 0);
    assert_handed_over(BEGINNING + RESUME_WINDOW + 4, HEIGHT);
    assert_int_equal(shell.daemon->executor, EXECUTOR_RESUMING);
    shell_execution_committed(HEIGHT, CYBERMESH__EXECUTION__V1__STATUS__STATUS_OK);
    assert_int_equal(shell.daemon->executor, EXECUTOR_LIVE);
    assert_int_equal(shell.event_count, 1);
    assert_int_equal(shell.event.type, CONSENSUS_EXECUTOR_RESET);
    assert_handed_over(1, 0);
}

/* The core asks anew; an old answer would be of a version that is gone. */
static void old_questions_end_when_executord_is_live(void **state)
{
    (void)state;
    const enum job_kind kinds[] = {JOB_CHECK, JOB_BUILD, JOB_CHECK, JOB_RECHECK};
    for (size_t i = 0; i < ARRAY_COUNT(kinds); i++)
        shell.daemon->jobs[i] = (struct job){.kind = kinds[i], .stage = JOB_EXECUTE, .request = i + 1, .asked_ms = 1};
    handover_begin(shell.daemon, 0);
    for (size_t i = 0; i < ARRAY_COUNT(kinds); i++)
        assert_int_equal(shell.daemon->jobs[i].kind, kinds[i] == JOB_RECHECK ? JOB_RECHECK : JOB_NONE);
}

/* A live one has executed the block; to one that is away or behind it would come out of order. */
static void a_commit_goes_at_once_only_to_who_is_live(void **state)
{
    (void)state;
    shell_commit(1, 1, 3);
    assert_handed_over(1, 0);
    handover_begin(shell.daemon, 0);
    shell_commit(2, 1, 3);
    assert_handed_over(1, 1);
    shell_execution_committed(1, CYBERMESH__EXECUTION__V1__STATUS__STATUS_OK);
    assert_handed_over(2, 2);
    shell_execution_committed(2, CYBERMESH__EXECUTION__V1__STATUS__STATUS_OK);
    shell_forget();
    shell_commit(3, 1, 3);
    execution_pb *frame = shell_execution_frame(0);
    assert_int_equal(frame->body_case, CYBERMESH__EXECUTION__V1__EXECUTION_FRAME__BODY_COMMIT);
    assert_int_equal(frame->commit->n_bodies, 0);
    assert_true(frame->commit->proof.len > 0);
    cybermesh__execution__v1__execution_frame__free_unpacked(frame, NULL);
    assert_int_equal(shell.sent_count, 2); /* and mempoold hears which transactions are final */
    assert_ptr_equal(shell.sent[0].socket, shell.daemon->pool);
}

/* A live executord at this height, which was told everything. */
static void live_at(uint64_t height)
{
    handover_begin(shell.daemon, 0);
    if (height > 0)
        shell_execution_committed(height, CYBERMESH__EXECUTION__V1__STATUS__STATUS_OK);
    assert_int_equal(shell.daemon->executor, EXECUTOR_LIVE);
    shell_forget();
}

/* The only thing sent is a Commit of the blocks first..last, of which all but the last are without transactions. */
static void assert_together(uint64_t first, uint64_t last)
{
    execution_pb *frame = shell_execution_frame(0);
    assert_non_null(frame);
    assert_int_equal(frame->body_case, CYBERMESH__EXECUTION__V1__EXECUTION_FRAME__BODY_COMMIT);
    const Cybermesh__Execution__V1__Commit *commit = frame->commit;
    assert_int_equal(commit->n_before, last - first);
    struct block_header header;
    for (size_t i = 0; i < commit->n_before; i++) {
        const Cybermesh__Execution__V1__EmptyBlock *block = commit->before[i];
        assert_int_equal(block_header_decode(&header, span_of(block->header.data, block->header.len)), 0);
        assert_int_equal(header.height, first + i);
        assert_int_equal(header.tx_count, 0);
        assert_true(block->proof.len > 0);
    }
    assert_int_equal(block_header_decode(&header, span_of(commit->header.data, commit->header.len)), 0);
    assert_int_equal(header.height, last);
    assert_true(commit->proof.len > 0);
    cybermesh__execution__v1__execution_frame__free_unpacked(frame, NULL);
    assert_null(shell_execution_frame(1));
    shell_forget();
}

/* mempoold has nothing to learn from them, and executord waits. */
static void blocks_without_transactions_go_with_the_next_that_has_some(void **state)
{
    (void)state;
    live_at(0);
    shell_commit(1, 0, 0);
    shell_commit(2, 0, 0);
    assert_int_equal(shell.sent_count, 0);
    shell_commit(3, 1, 3);
    assert_together(1, 3);
    shell_commit(4, 1, 3);
    assert_together(4, 4);
}

static void blocks_that_are_held_go_with_the_tick(void **state)
{
    (void)state;
    live_at(0);
    shell_commit(1, 0, 0);
    shell_commit(2, 0, 0);
    handover_tick(shell.daemon);
    assert_together(1, 2);
    handover_tick(shell.daemon);
    assert_int_equal(shell.sent_count, 0);
}

static void no_more_are_held_than_a_commit_has_room_for(void **state)
{
    (void)state;
    live_at(0);
    for (uint64_t height = 1; height <= HANDOVER_HELD_MAX; height++)
        shell_commit(height, 0, 0);
    assert_int_equal(shell.sent_count, 0);
    shell_commit(HANDOVER_HELD_MAX + 1, 0, 0);
    assert_together(1, HANDOVER_HELD_MAX + 1);
}

/* What was held when executord came back is among what it lacks. */
static void held_blocks_go_once_to_a_restarted_executord(void **state)
{
    (void)state;
    shell_commit(1, 1, 3);
    live_at(1);
    shell_commit(2, 0, 0);
    handover_begin(shell.daemon, 1);
    execution_pb *frame = shell_execution_frame(0);
    assert_int_equal(frame->commit->n_before, 0);
    cybermesh__execution__v1__execution_frame__free_unpacked(frame, NULL);
    assert_null(shell_execution_frame(1));
    shell_execution_committed(2, CYBERMESH__EXECUTION__V1__STATUS__STATUS_OK);
    shell_forget();
    handover_tick(shell.daemon);
    assert_int_equal(shell.sent_count, 0);
    shell_commit(3, 1, 3);
    assert_together(3, 3);
}

static void an_executord_below_what_is_kept_gets_nothing(void **state)
{
    (void)state;
    commit_up_to(9);
    assert_int_equal(safety_store_prune(shell.daemon->store, 5, 100), 0);
    handover_begin(shell.daemon, 3);
    assert_handed_over(1, 0);
    assert_true(shell.daemon->executor_pruned);
    assert_int_equal(shell.daemon->failure, 0);
    handover_begin(shell.daemon, 4);
    assert_false(shell.daemon->executor_pruned);
    assert_handed_over(5, 9);
}

/* It could not be read again, nor served to anybody. */
static void a_block_without_its_bodies_is_not_stored(void **state)
{
    (void)state;
    const struct consensus_commit commit = {.block_id = shell_block_id(1), .header = sample_header(1, 2)};
    handover_commit(shell.daemon, &commit);
    assert_int_equal(shell.daemon->failure, ERR_NOT_FOUND);
    assert_int_equal(safety_store_height(shell.daemon->store), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define STORY(name) cmocka_unit_test_setup_teardown(name, start, shell_stop)
        STORY(what_executord_lacks_goes_to_it_a_window_at_a_time),
        STORY(old_questions_end_when_executord_is_live),
        STORY(a_commit_goes_at_once_only_to_who_is_live),
        STORY(an_executord_below_what_is_kept_gets_nothing),
        STORY(a_block_without_its_bodies_is_not_stored),
        STORY(blocks_without_transactions_go_with_the_next_that_has_some),
        STORY(blocks_that_are_held_go_with_the_tick),
        STORY(no_more_are_held_than_a_commit_has_room_for),
        STORY(held_blocks_go_once_to_a_restarted_executord),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
