/* Stories of the pool: what is said to it, and word for word what it answers. */
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
    *state = pool_world_new(&limits);
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

static void hello(struct pool_world *world)
{
    pool_world_step(world, (struct mempool_event){.kind = MEMPOOL_HELLO});
}

static void acknowledge(struct pool_world *world, uint64_t sequence)
{
    pool_world_step(world, (struct mempool_event){.kind = MEMPOOL_REJECTED_ACK, .rejected_ack = sequence});
}

static void take_oldest(struct pool_world *world)
{
    pool_world_step(world, (struct mempool_event){
                               .kind = MEMPOOL_TAKE_BATCH,
                               .take_batch = {.tx_count_max = 100, .tx_bytes_max = UINT64_MAX, .oldest = true},
                           });
}

static void a_transaction_goes_from_admission_to_a_block_and_leaves(void **state)
{
    struct pool_world *world = *state;
    watch(world);
    hello(world);
    world->now_ms = 10;
    pool_world_submit(world, 1, "a b");
    world->now_ms = 15;
    pool_world_take(world, 100, "");
    pool_world_own_block(world, "B1", "a b");
    world->now_ms = 30;
    pool_world_finalize(world, "B1", "a b");
    assert_string_equal(world->told, "[    0] pending 0, oldest 0 ms\n"
                                     "[    0] verdicts 0: free 4\n"
                                     "[   10] verdicts 1: pooled pooled, free 2\n"
                                     "[   10] pending 2, oldest 0 ms\n"
                                     "[   15] batch: a b\n"
                                     "[   30] pending 0, oldest 0 ms\n");
}

static void a_repeated_transaction_is_a_duplicate_while_it_waits_and_after_it_is_final(void **state)
{
    struct pool_world *world = *state;
    pool_world_submit(world, 1, "a a");
    pool_world_submit(world, 2, "a");
    pool_world_finalize(world, "B1", "a b");
    pool_world_submit(world, 3, "a b");
    assert_string_equal(world->told, "[    0] verdicts 1: pooled duplicate, free 3\n"
                                     "[    0] verdicts 2: duplicate, free 3\n"
                                     "[    0] verdicts 3: duplicate duplicate, free 4\n");
}

static void a_full_pool_turns_away_and_tells_as_soon_as_there_is_room(void **state)
{
    struct pool_world *world = *state;
    pool_world_submit(world, 1, "a b c d e");
    pool_world_finalize(world, "B1", "a b");
    pool_world_submit(world, 2, "e");
    assert_string_equal(world->told, "[    0] verdicts 1: pooled pooled pooled pooled full, free 0\n"
                                     "[    0] verdicts 0: free 2\n"
                                     "[    0] verdicts 2: pooled, free 1\n");
}

static void the_bytes_are_a_limit_too(void **state)
{
    struct pool_world *world = *state;
    for (int i = 0; i < 4; i++) {
        char name[8];
        snprintf(name, sizeof name, "big%d", i);
        pool_world_make(world, name, (struct pool_world_kind){.content_bytes = 512 << 10});
    }
    struct mempool_limits limits = pool_world_limits();
    limits.tx_bytes_max = 3 * (512 << 10);
    limits.tx_count_max = 1000;
    mempool_destroy(&world->pool);
    assert_int_equal(mempool_new(&world->pool, &limits), 0);
    pool_world_submit(world, 1, "big0 big1 big2 big3 a");
    assert_string_equal(world->told, "[    0] verdicts 1: pooled pooled full full pooled, free 997\n");
}

static void what_is_no_transaction_is_bad(void **state)
{
    struct pool_world *world = *state;
    struct span bodies[] = {span_text("no transaction"), span_of(NULL, 0)};
    pool_world_step(world, (struct mempool_event){
                               .kind = MEMPOOL_SUBMIT,
                               .submit = {.batch = 1, .bodies = bodies, .body_count = 2},
                           });
    assert_string_equal(world->told, "[    0] verdicts 1: bad bad, free 4\n");
}

static void a_producer_above_its_rate_waits_for_the_next_tokens(void **state)
{
    struct pool_world *world = *state;
    struct mempool_limits limits = pool_world_limits();
    limits.rate_per_second = 2;
    mempool_destroy(&world->pool);
    assert_int_equal(mempool_new(&world->pool, &limits), 0);
    pool_world_make(world, "other", (struct pool_world_kind){.producer = 1});
    pool_world_submit(world, 1, "a b c other");
    world->now_ms = 499;
    pool_world_submit(world, 2, "c");
    world->now_ms = 500;
    pool_world_submit(world, 3, "c");
    assert_string_equal(world->told, "[    0] verdicts 1: pooled pooled rate pooled, free 1\n"
                                     "[  499] verdicts 2: rate, free 1\n"
                                     "[  500] verdicts 3: pooled, free 0\n");
}

static void a_transaction_that_waits_too_long_is_forgotten(void **state)
{
    struct pool_world *world = *state;
    watch(world);
    pool_world_submit(world, 1, "a");
    world->now_ms = 100;
    pool_world_submit(world, 2, "b");
    pool_world_wait_until(world, 899999);
    pool_world_wait_until(world, 900000);
    pool_world_wait_until(world, 900100);
    pool_world_submit(world, 3, "a");
    assert_string_equal(world->told, "[    0] pending 0, oldest 0 ms\n"
                                     "[    0] verdicts 1: pooled, free 3\n"
                                     "[    0] pending 1, oldest 0 ms\n"
                                     "[  100] verdicts 2: pooled, free 2\n"
                                     "[  100] pending 2, oldest 100 ms\n"
                                     "[900000] pending 1, oldest 899900 ms\n"
                                     "[900100] pending 0, oldest 0 ms\n"
                                     "[900100] verdicts 3: pooled, free 3\n"
                                     "[900100] pending 1, oldest 0 ms\n");
    assert_int_equal(mempool_counters(world->pool).expired, 2);
}

static void a_batch_leaves_out_the_named_blocks_but_not_the_others(void **state)
{
    struct pool_world *world = *state;
    pool_world_submit(world, 1, "a b c d");
    pool_world_own_block(world, "B1", "a b");
    pool_world_resolve(world, 7, "B2", 1, "c");
    pool_world_clear(world);
    pool_world_take(world, 100, "B1");
    pool_world_take(world, 100, "B1 B2");
    pool_world_take(world, 100, "B1 B2 unknown");
    pool_world_take(world, 100, "");
    take_oldest(world);
    assert_string_equal(world->told, "[    0] batch: c d\n"
                                     "[    0] batch: d\n"
                                     "[    0] batch: d\n"
                                     "[    0] batch: a b c d\n"
                                     "[    0] batch: a b c d\n");
}

static void pending_is_told_once_per_batch_that_changes_the_count(void **state)
{
    struct pool_world *world = *state;
    watch(world);
    pool_world_clear(world);
    pool_world_submit(world, 2, "a b");
    pool_world_submit(world, 2, "a b");
    pool_world_submit(world, 1, "c");
    size_t told = 0;
    for (const char *at = strstr(world->told, "pending"); at; at = strstr(at + 1, "pending"))
        told++;
    assert_int_equal(told, 2);
    assert_non_null(strstr(world->told, "pending 2"));
    assert_non_null(strstr(world->told, "pending 3"));
}

static void a_refused_transaction_is_told_every_second_until_acknowledged(void **state)
{
    struct pool_world *world = *state;
    pool_world_submit(world, 1, "a b c");
    pool_world_drop(world, "a", REASON_NONCE_REUSED);
    pool_world_drop(world, "b", REASON_ID_CONFLICT); /* waits for the acknowledgement of a */
    pool_world_wait_until(world, 999);
    pool_world_wait_until(world, 1000);
    acknowledge(world, 99);
    world->now_ms = 1010;
    acknowledge(world, 101);
    acknowledge(world, 102);
    pool_world_wait_until(world, 5000);
    /* It is not final: from Kafka again, it is admitted again. */
    pool_world_submit(world, 2, "a");
    assert_string_equal(world->told, "[    0] verdicts 1: pooled pooled pooled, free 1\n"
                                     "[    0] rejected 101: a NONCE_REUSED\n"
                                     "[    0] verdicts 0: free 2\n"
                                     "[ 1000] rejected 101: a NONCE_REUSED\n"
                                     "[ 1010] rejected 102: b ID_CONFLICT\n"
                                     "[ 5000] verdicts 2: pooled, free 2\n");
}

static void a_transaction_that_is_in_the_chain_already_is_no_rejection(void **state)
{
    struct pool_world *world = *state;
    pool_world_submit(world, 1, "a");
    pool_world_drop(world, "a", REASON_NONE);
    pool_world_submit(world, 2, "a");
    assert_string_equal(world->told, "[    0] verdicts 1: pooled, free 3\n"
                                     "[    0] verdicts 2: duplicate, free 4\n");
}

static void too_many_rejections_drop_the_oldest(void **state)
{
    struct pool_world *world = *state;
    world->silent = true;
    struct rejections_tx txs[2] = {{.reason = REASON_ID_CONFLICT}, {.reason = REASON_ID_CONFLICT}};
    for (uint64_t i = 0; i < REJECTIONS_COUNT_MAX + 10; i++) {
        memcpy(txs[0].id.bytes, &i, sizeof i);
        pool_world_step(world, (struct mempool_event){.kind = MEMPOOL_DROPPED, .dropped = {.txs = txs, .tx_count = 1}});
    }
    assert_int_equal(mempool_counters(world->pool).rejected_lost, 10);
    /* The first notice had one transaction, which is among the dropped ones: the next notice is a full one. */
    world->now_ms = 1000;
    acknowledge(world, 101);
    uint64_t told = 0;
    for (uint64_t sequence = 102;; sequence++) {
        size_t count = 0;
        for (size_t i = 0; i < world->effects.count; i++) {
            if (world->effects.items[i].kind == MEMPOOL_SEND_REJECTED) {
                count = world->effects.items[i].rejected.tx_count;
                sequence = world->effects.items[i].rejected.sequence;
            }
        }
        if (count == 0)
            break;
        told += count;
        acknowledge(world, sequence);
    }
    assert_true(told >= REJECTIONS_COUNT_MAX - REJECTIONS_NOTICE_MAX);
    assert_true(told <= REJECTIONS_COUNT_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_transaction_goes_from_admission_to_a_block_and_leaves, begin, end),
        cmocka_unit_test_setup_teardown(a_repeated_transaction_is_a_duplicate_while_it_waits_and_after_it_is_final,
                                        begin, end),
        cmocka_unit_test_setup_teardown(a_full_pool_turns_away_and_tells_as_soon_as_there_is_room, begin, end),
        cmocka_unit_test_setup_teardown(the_bytes_are_a_limit_too, begin, end),
        cmocka_unit_test_setup_teardown(what_is_no_transaction_is_bad, begin, end),
        cmocka_unit_test_setup_teardown(a_producer_above_its_rate_waits_for_the_next_tokens, begin, end),
        cmocka_unit_test_setup_teardown(a_transaction_that_waits_too_long_is_forgotten, begin, end),
        cmocka_unit_test_setup_teardown(a_batch_leaves_out_the_named_blocks_but_not_the_others, begin, end),
        cmocka_unit_test_setup_teardown(pending_is_told_once_per_batch_that_changes_the_count, begin, end),
        cmocka_unit_test_setup_teardown(a_refused_transaction_is_told_every_second_until_acknowledged, begin, end),
        cmocka_unit_test_setup_teardown(a_transaction_that_is_in_the_chain_already_is_no_rejection, begin, end),
        cmocka_unit_test_setup_teardown(too_many_rejections_drop_the_oldest, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
