/* Stories of proposed blocks: bodies that are missing are found, and blocks are answered. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "common/base/err.h"
#include "tests/unit/mempoold/pool_world.h"

static int begin(void **state)
{
    struct mempool_limits limits = pool_world_limits();
    *state = pool_world_new(&limits);
    return 0;
}

static int end(void **state)
{
    pool_world_end(*state);
    return 0;
}

static void a_block_whose_bodies_are_here_is_answered_at_once(void **state)
{
    struct pool_world *world = *state;
    pool_world_submit(world, 1, "a b c");
    pool_world_resolve(world, 7, "B1", 2, "c a");
    pool_world_resolve(world, 8, "B2", 2, "");
    /* Asked again after a restart of consensusd: answered again. */
    pool_world_resolve(world, 9, "B1", 2, "c a");
    assert_string_equal(world->told, "[    0] verdicts 1: pooled pooled pooled, free 1\n"
                                     "[    0] resolved 7 B1: c a\n"
                                     "[    0] resolved 8 B2:\n"
                                     "[    0] resolved 9 B1: c a\n");
}

static void missing_bodies_are_asked_of_the_proposer_then_of_one_after_another(void **state)
{
    struct pool_world *world = *state;
    pool_world_submit(world, 1, "a");
    pool_world_clear(world);
    pool_world_resolve(world, 7, "B1", 2, "a b c");
    for (uint64_t now_ms = 50; now_ms <= 3500; now_ms += 50)
        pool_world_wait_until(world, now_ms);
    assert_string_equal(world->told, "[    0] fetch #1 from v2: b c\n"
                                     "[  100] fetch #2 from v3: b c\n"
                                     "[  300] fetch #3 from v1: b c\n"
                                     "[  700] fetch #4 from v2: b c\n"
                                     "[ 1500] fetch #5 from v3: b c\n"
                                     "[ 2500] fetch #6 from v1: b c\n"
                                     "[ 3500] fetch #7 from v2: b c\n");
}

static void fetched_bodies_are_verified_before_use_and_do_not_count_as_pool(void **state)
{
    struct pool_world *world = *state;
    pool_world_resolve(world, 7, "B1", 2, "a b");
    pool_world_answer(world, 2, 1, "b a");
    pool_world_verified(world, 0);
    pool_world_submit(world, 1, "a");
    pool_world_finalize(world, "B1", "a b");
    assert_string_equal(world->told, "[    0] fetch #1 from v2: a b\n"
                                     "[    0] verify from v2: b a\n"
                                     "[    0] resolved 7 B1: a b\n"
                                     "[    0] verdicts 1: duplicate, free 4\n");
    assert_int_equal(mempool_counters(world->pool).fetched, 2);
    assert_int_equal(mempool_pending(world->pool, 0).tx_count, 0);
}

static void who_sends_a_part_is_asked_for_the_rest_at_once(void **state)
{
    struct pool_world *world = *state;
    pool_world_resolve(world, 7, "B1", 2, "a b c");
    world->now_ms = 10;
    pool_world_answer(world, 2, 1, "a");
    pool_world_verified(world, 0);
    world->now_ms = 20;
    pool_world_answer(world, 2, 2, "b c");
    pool_world_verified(world, 0);
    assert_string_equal(world->told, "[    0] fetch #1 from v2: a b c\n"
                                     "[   10] verify from v2: a\n"
                                     "[   10] fetch #2 from v2: b c\n"
                                     "[   20] verify from v2: b c\n"
                                     "[   20] resolved 7 B1: a b c\n");
}

static void who_has_none_is_followed_by_the_next_at_once_but_once_round_only(void **state)
{
    struct pool_world *world = *state;
    pool_world_resolve(world, 7, "B1", 3, "a");
    world->now_ms = 1;
    pool_world_answer(world, 3, 1, "");
    pool_world_answer(world, 1, 2, "");
    pool_world_answer(world, 2, 3, "");
    pool_world_wait_until(world, 100);
    assert_string_equal(world->told, "[    0] fetch #1 from v3: a\n"
                                     "[    1] fetch #2 from v1: a\n"
                                     "[    1] fetch #3 from v2: a\n");
    pool_world_wait_until(world, 500);
    assert_non_null(strstr(world->told, "[  500] fetch #4 from v3: a\n"));
    assert_int_equal(mempool_blocks_counters(world->pool).misses, 3);
}

static void a_body_that_nobody_asked_for_is_garbage_and_costs_no_check(void **state)
{
    struct pool_world *world = *state;
    pool_world_submit(world, 1, "known");
    pool_world_clear(world);
    pool_world_resolve(world, 7, "B1", 2, "a");
    pool_world_answer(world, 3, 1, "x y known");
    assert_int_equal(mempool_counters(world->pool).garbage[3], 2);
    assert_string_equal(world->told, "[    0] fetch #1 from v2: a\n"
                                     "[    0] fetch #2 from v3: a\n");
}

static void a_body_that_is_no_valid_transaction_leaves_the_block_unresolved(void **state)
{
    struct pool_world *world = *state;
    pool_world_resolve(world, 7, "B1", 2, "a");
    pool_world_answer(world, 2, 1, "a");
    pool_world_verified(world, REASON_BAD_SIGNATURE);
    pool_world_answer(world, 3, 1, "a"); /* from another one: not checked again */
    for (uint64_t now_ms = 50; now_ms <= 60000; now_ms += 50)
        pool_world_wait_until(world, now_ms);
    assert_string_equal(world->told, "[    0] fetch #1 from v2: a\n"
                                     "[    0] verify from v2: a\n");
    assert_int_equal(mempool_counters(world->pool).garbage[2], 1);
    assert_int_equal(mempool_blocks_counters(world->pool).given_up, 1);
}

static void a_body_that_could_not_be_checked_is_asked_for_again(void **state)
{
    struct pool_world *world = *state;
    pool_world_resolve(world, 7, "B1", 2, "a");
    pool_world_answer(world, 2, 1, "a");
    pool_world_wait_until(world, 100); /* not while it is being verified */
    pool_world_verified(world, ERR_FULL);
    pool_world_wait_until(world, 1000);
    assert_string_equal(world->told, "[    0] fetch #1 from v2: a\n"
                                     "[    0] verify from v2: a\n"
                                     "[ 1000] fetch #2 from v2: a\n");
}

static void a_missing_body_may_come_from_ingestd_even_when_the_pool_is_full(void **state)
{
    struct pool_world *world = *state;
    pool_world_submit(world, 1, "a b c d");
    pool_world_resolve(world, 7, "B1", 2, "e");
    pool_world_submit(world, 2, "e f");
    /* The late answer is neither checked nor garbage. */
    pool_world_answer(world, 2, 1, "e");
    assert_string_equal(world->told, "[    0] verdicts 1: pooled pooled pooled pooled, free 0\n"
                                     "[    0] fetch #1 from v2: e\n"
                                     "[    0] verdicts 2: pooled full, free 0\n"
                                     "[    0] resolved 7 B1: e\n");
    assert_int_equal(mempool_counters(world->pool).garbage[2], 0);
}

static void one_body_may_complete_two_blocks(void **state)
{
    struct pool_world *world = *state;
    pool_world_resolve(world, 7, "B1", 2, "a");
    pool_world_resolve(world, 8, "B2", 3, "a b");
    pool_world_answer(world, 3, 2, "a b");
    pool_world_verified(world, 0);
    assert_string_equal(world->told, "[    0] fetch #1 from v2: a\n"
                                     "[    0] fetch #2 from v3: a b\n"
                                     "[    0] verify from v3: a b\n"
                                     "[    0] resolved 7 B1: a\n"
                                     "[    0] resolved 8 B2: a b\n");
}

static void the_ninth_resolve_ends_the_first(void **state)
{
    struct pool_world *world = *state;
    for (uint64_t i = 0; i < 9; i++) {
        char block[8];
        snprintf(block, sizeof block, "B%u", (unsigned)i);
        pool_world_resolve(world, i, block, 2, i == 0 ? "a" : "b");
    }
    pool_world_clear(world);
    pool_world_submit(world, 1, "a");
    pool_world_submit(world, 2, "b");
    assert_string_equal(world->told, "[    0] verdicts 1: pooled, free 3\n"
                                     "[    0] verdicts 2: pooled, free 3\n"
                                     "[    0] resolved 1 B1: b\n"
                                     "[    0] resolved 2 B2: b\n"
                                     "[    0] resolved 3 B3: b\n"
                                     "[    0] resolved 4 B4: b\n"
                                     "[    0] resolved 5 B5: b\n"
                                     "[    0] resolved 6 B6: b\n"
                                     "[    0] resolved 7 B7: b\n"
                                     "[    0] resolved 8 B8: b\n");
}

static void a_resolve_is_given_up_after_a_minute(void **state)
{
    struct pool_world *world = *state;
    pool_world_resolve(world, 7, "B1", 2, "a");
    world->silent = true;
    pool_world_wait_until(world, 59999);
    assert_int_equal(mempool_blocks_counters(world->pool).given_up, 0);
    pool_world_wait_until(world, 60000);
    assert_int_equal(mempool_blocks_counters(world->pool).given_up, 1);
    world->silent = false;
    pool_world_clear(world);
    pool_world_submit(world, 1, "a");
    assert_string_equal(world->told, "[60000] verdicts 1: pooled, free 3\n");
}

static void held_bodies_wait_outside_the_limits_until_their_block_is_forgotten(void **state)
{
    struct pool_world *world = *state;
    world->silent = true;
    pool_world_resolve(world, 7, "B0", 2, "a b c d e f");
    pool_world_answer(world, 2, 1, "a b c d e f");
    pool_world_verified(world, 0);
    assert_int_equal(mempool_usage(world->pool).held_count, 6);
    for (unsigned i = 1; i < BLOCKS_REMEMBERED_MAX; i++) {
        char block[8];
        snprintf(block, sizeof block, "B%u", i);
        pool_world_own_block(world, block, i == 1 ? "f" : "");
    }
    assert_int_equal(mempool_usage(world->pool).held_count, 6);
    /* B0 is the oldest: four of what only it held find room in the pool, one does not; f is held for B1. */
    pool_world_own_block(world, "new", "");
    assert_int_equal(mempool_usage(world->pool).held_count, 1);
    assert_int_equal(mempool_usage(world->pool).pooled_count, 4);
    assert_int_equal(mempool_usage(world->pool).recent_count, 1);
    pool_world_own_block(world, "newer", "");
    assert_int_equal(mempool_usage(world->pool).held_count, 0);
    assert_int_equal(mempool_usage(world->pool).recent_count, 2);
}

static void a_block_above_the_byte_limit_is_given_up(void **state)
{
    struct pool_world *world = *state;
    for (int i = 0; i < 9; i++) {
        char name[8];
        snprintf(name, sizeof name, "big%d", i);
        pool_world_make(world, name, (struct pool_world_kind){.content_bytes = 512 << 10});
    }
    const char *names = "big0 big1 big2 big3 big4 big5 big6 big7 big8";
    pool_world_resolve(world, 7, "B1", 2, names);
    pool_world_answer(world, 2, 1, names);
    pool_world_clear(world);
    pool_world_verified(world, 0);
    assert_string_equal(world->told, "");
    assert_int_equal(mempool_blocks_counters(world->pool).given_up, 1);
    assert_true(mempool_usage(world->pool).held_bytes <= world->limits.block_bytes_max);
}

static struct pool_world *world_of_large_ones(struct mempool_limits limits, size_t count, char *names)
{
    struct pool_world *world = pool_world_new(&limits);
    names[0] = '\0';
    for (size_t i = 0; i < count; i++) {
        char name[POOL_WORLD_NAME_MAX];
        snprintf(name, sizeof name, " big%zu", i);
        pool_world_make(world, name + 1, (struct pool_world_kind){.content_bytes = 512 << 10});
        strcat(names, name);
    }
    return world;
}

static void a_block_of_pooled_bodies_above_the_byte_limit_is_given_up_too(void **state)
{
    (void)state;
    char names[256];
    struct mempool_limits limits = pool_world_limits();
    limits.tx_count_max = 100;
    limits.tx_bytes_max = 8 << 20;
    struct pool_world *world = world_of_large_ones(limits, 9, names);
    pool_world_submit(world, 1, names);
    pool_world_clear(world);
    pool_world_resolve(world, 7, "B1", 2, names);
    assert_string_equal(world->told, "");
    assert_int_equal(mempool_blocks_counters(world->pool).given_up, 1);
    pool_world_end(world);
}

static void an_answer_to_a_question_fits_one_frame(void **state)
{
    (void)state;
    char names[256];
    struct mempool_limits limits = pool_world_limits();
    limits.tx_count_max = 100;
    limits.tx_bytes_max = 32 << 20;
    struct pool_world *world = world_of_large_ones(limits, 20, names);
    pool_world_submit(world, 1, names);
    world->silent = true;
    pool_world_fetch(world, 3, names);
    const struct mempool_answer *answer = &world->effects.items[0].answer;
    assert_int_equal(world->effects.items[0].kind, MEMPOOL_SEND_BODIES);
    assert_int_equal(answer->body_count, 13);
    pool_world_end(world);
}

static void other_validators_are_given_what_waits_and_what_was_finalized(void **state)
{
    struct pool_world *world = *state;
    pool_world_submit(world, 1, "a b");
    pool_world_finalize(world, "B1", "a");
    pool_world_clear(world);
    pool_world_fetch(world, 3, "b c a");
    pool_world_fetch(world, 4, "c");
    assert_string_equal(world->told, "[    0] bodies 3: b a\n"
                                     "[    0] bodies 4:\n");
}

static void a_block_of_a_dropped_transaction_is_still_answered(void **state)
{
    struct pool_world *world = *state;
    pool_world_submit(world, 1, "a b");
    pool_world_drop(world, "a", REASON_TIMESTAMP_SKEW);
    pool_world_clear(world);
    pool_world_resolve(world, 7, "B1", 2, "a b");
    assert_string_equal(world->told, "[    0] resolved 7 B1: a b\n");
}

static void with_nobody_to_ask_a_block_waits_for_ingestd(void **state)
{
    struct pool_world *world = *state;
    struct mempool_limits limits = pool_world_limits();
    limits.validator_count = 1;
    limits.peers = 0;
    mempool_destroy(&world->pool);
    assert_int_equal(mempool_new(&world->pool, &limits), 0);
    pool_world_resolve(world, 7, "B1", 0, "a");
    pool_world_wait_until(world, 500);
    pool_world_submit(world, 1, "a");
    assert_string_equal(world->told, "[  500] verdicts 1: pooled, free 4\n"
                                     "[  500] resolved 7 B1: a\n");
}

/* consensusd has learnt where others are. */
static void whoever_becomes_known_is_asked(void **state)
{
    struct pool_world *world = *state;
    struct mempool_limits limits = pool_world_limits();
    limits.peers = 0;
    mempool_destroy(&world->pool);
    assert_int_equal(mempool_new(&world->pool, &limits), 0);
    pool_world_resolve(world, 7, "B1", 0, "a");
    assert_string_equal(world->told, "");
    pool_world_step(world, (struct mempool_event){.kind = MEMPOOL_PEERS, .peers = UINT64_MAX << 40 | 1 << 2});
    for (uint64_t now_ms = 50; now_ms <= 1000; now_ms += 50)
        pool_world_wait_until(world, now_ms);
    assert_non_null(strstr(world->told, "from v2: a\n"));
    assert_null(strstr(world->told, "from v1: a\n"));
}

static void a_block_above_the_transaction_limit_is_not_resolved(void **state)
{
    struct pool_world *world = *state;
    struct mempool_limits limits = pool_world_limits();
    limits.block_tx_count_max = 2;
    mempool_destroy(&world->pool);
    assert_int_equal(mempool_new(&world->pool, &limits), 0);
    pool_world_resolve(world, 7, "B1", 1, "a b c");
    assert_string_equal(world->told, "");
    assert_int_equal(mempool_counters(world->pool).bad_requests, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_block_whose_bodies_are_here_is_answered_at_once, begin, end),
        cmocka_unit_test_setup_teardown(missing_bodies_are_asked_of_the_proposer_then_of_one_after_another, begin, end),
        cmocka_unit_test_setup_teardown(fetched_bodies_are_verified_before_use_and_do_not_count_as_pool, begin, end),
        cmocka_unit_test_setup_teardown(who_sends_a_part_is_asked_for_the_rest_at_once, begin, end),
        cmocka_unit_test_setup_teardown(who_has_none_is_followed_by_the_next_at_once_but_once_round_only, begin, end),
        cmocka_unit_test_setup_teardown(a_body_that_nobody_asked_for_is_garbage_and_costs_no_check, begin, end),
        cmocka_unit_test_setup_teardown(a_body_that_is_no_valid_transaction_leaves_the_block_unresolved, begin, end),
        cmocka_unit_test_setup_teardown(a_body_that_could_not_be_checked_is_asked_for_again, begin, end),
        cmocka_unit_test_setup_teardown(a_missing_body_may_come_from_ingestd_even_when_the_pool_is_full, begin, end),
        cmocka_unit_test_setup_teardown(one_body_may_complete_two_blocks, begin, end),
        cmocka_unit_test_setup_teardown(the_ninth_resolve_ends_the_first, begin, end),
        cmocka_unit_test_setup_teardown(a_resolve_is_given_up_after_a_minute, begin, end),
        cmocka_unit_test_setup_teardown(held_bodies_wait_outside_the_limits_until_their_block_is_forgotten, begin, end),
        cmocka_unit_test_setup_teardown(a_block_above_the_byte_limit_is_given_up, begin, end),
        cmocka_unit_test(a_block_of_pooled_bodies_above_the_byte_limit_is_given_up_too),
        cmocka_unit_test(an_answer_to_a_question_fits_one_frame),
        cmocka_unit_test_setup_teardown(other_validators_are_given_what_waits_and_what_was_finalized, begin, end),
        cmocka_unit_test_setup_teardown(a_block_of_a_dropped_transaction_is_still_answered, begin, end),
        cmocka_unit_test_setup_teardown(with_nobody_to_ask_a_block_waits_for_ingestd, begin, end),
        cmocka_unit_test_setup_teardown(whoever_becomes_known_is_asked, begin, end),
        cmocka_unit_test_setup_teardown(a_block_above_the_transaction_limit_is_not_resolved, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
