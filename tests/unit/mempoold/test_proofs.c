/* Proofs of equivocation in the pool: first in every batch, outside the limits of producers, few, and never from
 * ingestd.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "tests/unit/mempoold/pool_world.h"

static int begin(void **state)
{
    struct mempool_limits limits = pool_world_limits();
    struct pool_world *world = pool_world_new(&limits);
    pool_world_make_proof(world, "P", 7);
    pool_world_make_proof(world, "Q", 8);
    *state = world;
    return 0;
}

static int end(void **state)
{
    pool_world_end(*state);
    return 0;
}

static void watch(struct pool_world *world)
{
    pool_world_step(world, (struct mempool_event){.kind = MEMPOOL_WATCH});
}

static void a_proof_waits_beside_a_full_pool_and_goes_first(void **state)
{
    struct pool_world *world = *state;
    pool_world_make(world, "drop", (struct pool_world_kind){.kind = TX_POLICY});
    watch(world);
    pool_world_submit(world, 1, "a drop b c d");
    pool_world_evidence(world, "P");
    pool_world_evidence(world, "P"); /* told again: nothing new */
    pool_world_take(world, 10, "");
    pool_world_take(world, 1, "");
    pool_world_finalize(world, "B1", "P");
    pool_world_evidence(world, "P"); /* it is final */
    assert_string_equal(world->told, "[    0] pending 0, oldest 0 ms\n"
                                     "[    0] verdicts 1: pooled pooled pooled pooled full, free 0\n"
                                     "[    0] pending 4, oldest 0 ms\n"
                                     "[    0] pending 5, oldest 0 ms\n"
                                     "[    0] batch: P drop a b c\n"
                                     "[    0] batch: P\n"
                                     "[    0] pending 4, oldest 0 ms\n");
    assert_int_equal(mempool_usage(world->pool).proof_count, 0);
}

static void a_proof_in_an_uncommitted_block_is_not_proposed_again(void **state)
{
    struct pool_world *world = *state;
    pool_world_evidence(world, "P Q");
    pool_world_own_block(world, "B1", "P");
    pool_world_take(world, 10, "B1");
    assert_string_equal(world->told, "[    0] batch: Q\n");
}

/* Another proof of the same validator was executed. ingestd never had it, so it is not told. */
static void a_refused_proof_leaves_and_may_come_again(void **state)
{
    struct pool_world *world = *state;
    watch(world);
    pool_world_evidence(world, "P");
    pool_world_drop(world, "P", REASON_ID_CONFLICT);
    pool_world_evidence(world, "P");
    pool_world_drop(world, "P", REASON_NONE);
    pool_world_evidence(world, "P");
    assert_string_equal(world->told, "[    0] pending 0, oldest 0 ms\n"
                                     "[    0] pending 1, oldest 0 ms\n"
                                     "[    0] pending 0, oldest 0 ms\n"
                                     "[    0] pending 1, oldest 0 ms\n"
                                     "[    0] pending 0, oldest 0 ms\n");
}

static void from_ingestd_it_is_bad(void **state)
{
    struct pool_world *world = *state;
    pool_world_submit(world, 1, "P a");
    assert_string_equal(world->told, "[    0] verdicts 1: bad pooled, free 3\n");
    assert_int_equal(mempool_usage(world->pool).proof_count, 0);
}

static void what_is_no_proof_is_counted_and_left(void **state)
{
    struct pool_world *world = *state;
    struct pool_world_tx *proof = pool_world_tx(world, "P");
    proof->size--;
    pool_world_evidence(world, "P a");
    assert_int_equal(mempool_counters(world->pool).bad_requests, 2);
    assert_int_equal(mempool_pending(world->pool, 0).tx_count, 0);
}

static void there_are_at_most_as_many_as_validators(void **state)
{
    struct pool_world *world = *state;
    for (uint64_t i = 0; i < 6; i++) {
        char name[8];
        snprintf(name, sizeof name, "P%u", (unsigned)i);
        pool_world_make_proof(world, name, 100 + i);
        pool_world_evidence(world, name);
    }
    assert_int_equal(mempool_usage(world->pool).proof_count, world->limits.validator_count);
    assert_int_equal(mempool_usage(world->pool).pooled_count, 0);
}

/* A block names one that is not here: fetched and verified like any body; given up, it waits among the proofs. */
static void a_block_gets_it_from_another_validator(void **state)
{
    struct pool_world *world = *state;
    pool_world_resolve(world, 7, "B1", 2, "P");
    pool_world_answer(world, 2, 1, "P");
    pool_world_verified(world, 0);
    pool_world_resolve(world, 8, "B2", 2, "Q");
    pool_world_answer(world, 2, 2, "Q");
    pool_world_verified(world, REASON_BAD_SIGNATURE);
    assert_string_equal(world->told, "[    0] fetch #1 from v2: P\n"
                                     "[    0] verify from v2: P\n"
                                     "[    0] resolved 7 B1: P\n"
                                     "[    0] fetch #2 from v2: Q\n"
                                     "[    0] verify from v2: Q\n");
    assert_int_equal(mempool_counters(world->pool).garbage[2], 1);
    assert_int_equal(mempool_usage(world->pool).held_count, 1);
    pool_world_finalize(world, "B1", ""); /* the block is gone without it */
    assert_int_equal(mempool_usage(world->pool).held_count, 0);
    assert_int_equal(mempool_usage(world->pool).proof_count, 1);
}

/* A block waits for it when consensusd tells it. */
static void told_while_a_block_misses_it(void **state)
{
    struct pool_world *world = *state;
    pool_world_resolve(world, 7, "B1", 2, "P");
    pool_world_evidence(world, "P");
    assert_string_equal(world->told, "[    0] fetch #1 from v2: P\n"
                                     "[    0] resolved 7 B1: P\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_proof_waits_beside_a_full_pool_and_goes_first, begin, end),
        cmocka_unit_test_setup_teardown(a_proof_in_an_uncommitted_block_is_not_proposed_again, begin, end),
        cmocka_unit_test_setup_teardown(a_refused_proof_leaves_and_may_come_again, begin, end),
        cmocka_unit_test_setup_teardown(from_ingestd_it_is_bad, begin, end),
        cmocka_unit_test_setup_teardown(what_is_no_proof_is_counted_and_left, begin, end),
        cmocka_unit_test_setup_teardown(there_are_at_most_as_many_as_validators, begin, end),
        cmocka_unit_test_setup_teardown(a_block_gets_it_from_another_validator, begin, end),
        cmocka_unit_test_setup_teardown(told_while_a_block_misses_it, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
