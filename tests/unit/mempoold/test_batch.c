/* Candidates for a block: the order, and a fair share per producer within it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "tests/unit/mempoold/pool_world.h"

static int begin(void **state)
{
    struct mempool_limits limits = pool_world_limits();
    limits.tx_count_max = 1000;
    *state = pool_world_new(&limits);
    return 0;
}

static int end(void **state)
{
    pool_world_end(*state);
    return 0;
}

static void take_bytes(struct pool_world *world, uint64_t bytes_max)
{
    pool_world_step(world, (struct mempool_event){
                               .kind = MEMPOOL_TAKE_BATCH,
                               .take_batch = {.tx_count_max = 1000, .tx_bytes_max = bytes_max},
                           });
}

static void policies_first_then_the_most_severe(void **state)
{
    struct pool_world *world = *state;
    pool_world_make(world, "mild", (struct pool_world_kind){.severity = 1});
    pool_world_make(world, "sure", (struct pool_world_kind){.severity = 9, .confidence = 0.9});
    pool_world_make(world, "severe", (struct pool_world_kind){.severity = 9, .confidence = 0.1});
    pool_world_make(world, "watch", (struct pool_world_kind){.kind = TX_POLICY, .action = "watch"});
    pool_world_make(world, "block", (struct pool_world_kind){.kind = TX_POLICY, .action = "block"});
    pool_world_make(world, "early", (struct pool_world_kind){.severity = 1, .ts = 1});
    pool_world_submit(world, 1, "mild severe watch block early sure");
    pool_world_clear(world);
    pool_world_take(world, 100, "");
    pool_world_take(world, 3, "");
    assert_string_equal(world->told, "[    0] batch: block watch sure severe early mild\n"
                                     "[    0] batch: block watch sure\n");
}

static void a_loud_producer_does_not_crowd_out_a_quiet_one(void **state)
{
    struct pool_world *world = *state;
    for (int i = 0; i < 8; i++) {
        char name[8];
        snprintf(name, sizeof name, "L%d", i);
        pool_world_make(world, name, (struct pool_world_kind){.producer = 1, .severity = 9});
    }
    pool_world_make(world, "q0", (struct pool_world_kind){.producer = 2, .severity = 1});
    pool_world_make(world, "r0", (struct pool_world_kind){.producer = 3, .severity = 2});
    pool_world_submit(world, 1, "L0 L1 L2 L3 L4 L5 L6 L7 q0 r0");
    pool_world_clear(world);
    pool_world_take(world, 3, "");
    pool_world_take(world, 5, "");
    /* What the quiet ones leave goes to whoever is next. */
    pool_world_take(world, 9, "");
    assert_string_equal(world->told, "[    0] batch: L0 r0 q0\n"
                                     "[    0] batch: L0 L1 L2 r0 q0\n"
                                     "[    0] batch: L0 L1 L2 L3 L4 L5 L6 r0 q0\n");
}

static void a_remainder_goes_in_mempool_order(void **state)
{
    struct pool_world *world = *state;
    for (unsigned producer = 0; producer < 3; producer++) {
        for (unsigned i = 0; i < 2; i++) {
            char name[8];
            snprintf(name, sizeof name, "%c%u", "abc"[producer], i);
            pool_world_make(world, name, (struct pool_world_kind){.producer = producer, .severity = 9 - producer});
        }
    }
    pool_world_submit(world, 1, "c0 c1 b0 b1 a0 a1");
    pool_world_clear(world);
    pool_world_take(world, 4, "");
    pool_world_take(world, 2, ""); /* fewer places than producers */
    assert_string_equal(world->told, "[    0] batch: a0 a1 b0 c0\n"
                                     "[    0] batch: a0 b0\n");
}

static void large_transactions_share_the_bytes(void **state)
{
    struct pool_world *world = *state;
    for (unsigned i = 0; i < 4; i++) {
        char name[8];
        snprintf(name, sizeof name, "L%u", i);
        pool_world_make(world, name, (struct pool_world_kind){.producer = 1, .severity = 9, .content_bytes = 100000});
        snprintf(name, sizeof name, "q%u", i);
        pool_world_make(world, name, (struct pool_world_kind){.producer = 2, .severity = 1, .content_bytes = 10000});
    }
    pool_world_submit(world, 1, "L0 L1 L2 L3 q0 q1 q2 q3");
    pool_world_clear(world);
    take_bytes(world, 250000);
    take_bytes(world, 110000);
    take_bytes(world, 50000);
    take_bytes(world, 5000);
    assert_string_equal(world->told, "[    0] batch: L0 L1 q0 q1 q2 q3\n"
                                     "[    0] batch: L0\n"
                                     "[    0] batch: q0 q1 q2 q3\n"
                                     "[    0] batch:\n");
}

static void a_batch_is_never_larger_than_a_block(void **state)
{
    (void)state;
    struct mempool_limits limits = pool_world_limits();
    limits.tx_count_max = 1000;
    limits.tx_bytes_max = 8 << 20;
    limits.block_tx_count_max = 5;
    limits.block_bytes_max = 1 << 20;
    struct pool_world *world = pool_world_new(&limits);
    pool_world_submit(world, 1, "a b c d e f g");
    pool_world_make(world, "big0", (struct pool_world_kind){.content_bytes = 500000, .severity = 9});
    pool_world_make(world, "big1", (struct pool_world_kind){.content_bytes = 500000, .severity = 9});
    pool_world_make(world, "big2", (struct pool_world_kind){.content_bytes = 500000, .severity = 9});
    pool_world_clear(world);
    pool_world_take(world, 100, "");
    pool_world_submit(world, 1, "big0 big1 big2");
    pool_world_take(world, 100, "");
    assert_string_equal(world->told, "[    0] batch: a b c d e\n"
                                     "[    0] verdicts 1: pooled pooled pooled, free 990\n"
                                     "[    0] batch: big0 big1 a b c\n");
    pool_world_end(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(policies_first_then_the_most_severe, begin, end),
        cmocka_unit_test_setup_teardown(a_loud_producer_does_not_crowd_out_a_quiet_one, begin, end),
        cmocka_unit_test_setup_teardown(a_remainder_goes_in_mempool_order, begin, end),
        cmocka_unit_test_setup_teardown(large_transactions_share_the_bytes, begin, end),
        cmocka_unit_test(a_batch_is_never_larger_than_a_block),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
