/* test_pacemaker.c - no view is lost where nothing is wrong: not to transactions that cannot be executed, nor to one
 * liar's timeouts, nor to links that are slower than they were; and without work there is silence. Five validators.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/sim/cluster.h"
#include "tests/sim/liar.h"

enum { VALIDATORS = 5 };

#define assert_no_violation(cluster) assert_string_equal(cluster_violation(cluster), "")

static const struct cluster_options lan = {
    .seed = 1, .validator_count = VALIDATORS, .delay_ms_min = 1, .delay_ms_max = 3};

static struct cluster *started(const struct cluster_options *options)
{
    struct cluster *cluster = NULL;
    assert_int_equal(cluster_new(&cluster, options), 0);
    return cluster;
}

static uint64_t honest_timeouts(const struct cluster *cluster)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < VALIDATORS; i++)
        sum += cluster_is_liar(cluster, i) ? 0 : cluster_timeouts(cluster, i);
    return sum;
}

static uint64_t talk(const struct cluster *cluster)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < VALIDATORS; i++)
        sum += cluster_talk(cluster, i);
    return sum;
}

static void without_work_nothing_is_said_but_heartbeats(void **state)
{
    (void)state;
    CLEANUP(cluster_destroy) struct cluster *cluster = started(&lan);
    cluster_submit(cluster, 5);
    assert_true(cluster_settle(cluster, 5000) < 1000);
    cluster_run(cluster, 1000);
    uint64_t said = talk(cluster), steps = cluster_steps(cluster), view = cluster_view(cluster, 0);
    cluster_run(cluster, 600000);
    assert_int_equal(talk(cluster), said);
    assert_int_equal(cluster_view(cluster, 0), view);
    assert_true(cluster_steps(cluster) > steps + VALIDATORS * 600); /* the heartbeats */
    assert_no_violation(cluster);
}

static void a_flood_of_pairs_with_one_nonce_loses_no_view(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 5; seed++) {
        struct cluster_options options = lan;
        options.seed = seed;
        CLEANUP(cluster_destroy) struct cluster *cluster = started(&options);
        for (int i = 0; i < 600; i++) {
            cluster_submit_pairs(cluster, 6);
            cluster_run(cluster, 20 + (uint64_t)(i % 7) * 30);
        }
        assert_true(cluster_settle(cluster, 60000) != UINT64_MAX);
        assert_int_equal(cluster_committed_txs(cluster, 0), 600 * 6);
        assert_int_equal(honest_timeouts(cluster), 0);
        assert_no_violation(cluster);
    }
}

/* What cannot be executed any more waits in one pool, or in all of them, and nothing else does. */
static void dead_transactions_alone_are_no_work(void **state)
{
    (void)state;
    for (uint32_t only = 0; only <= VALIDATORS; only++) {
        CLEANUP(cluster_destroy) struct cluster *cluster = started(&lan);
        cluster_submit(cluster, 20);
        assert_true(cluster_settle(cluster, 5000) < 1000);
        cluster_run(cluster, 1000);
        uint64_t said = talk(cluster), view = cluster_view(cluster, 0);
        for (int i = 0; i < 20; i++) {
            cluster_submit_dead(cluster, only, 10);
            cluster_run(cluster, 3000);
        }
        assert_true(cluster_settle(cluster, 60000) != UINT64_MAX); /* refused and gone */
        assert_int_equal(honest_timeouts(cluster), 0);
        assert_int_equal(talk(cluster), said);
        assert_int_equal(cluster_view(cluster, 0), view);
        assert_no_violation(cluster);
    }
}

static void one_liars_timeouts_lose_no_view(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 5; seed++) {
        struct cluster_options options = lan;
        options.seed = seed;
        options.liar_count = 1;
        options.lies = LIE_TIMEOUT_ALWAYS;
        CLEANUP(cluster_destroy) struct cluster *cluster = started(&options);
        for (int i = 0; i < 200; i++) {
            cluster_submit(cluster, 2);
            cluster_run(cluster, 50 + (uint64_t)(i % 5) * 100);
        }
        assert_true(cluster_settle(cluster, 5000) != UINT64_MAX);
        cluster_run(cluster, 20000);
        assert_int_equal(honest_timeouts(cluster), 0);
        assert_no_violation(cluster);
    }
}

/* Steady work; returns the views that ended without a block meanwhile. */
static uint64_t views_lost_under_load(struct cluster *cluster, uint64_t duration_ms)
{
    uint64_t views = cluster_view(cluster, 0), heights = cluster_height(cluster, 0);
    for (uint64_t past_ms = 0; past_ms < duration_ms; past_ms += 100) {
        cluster_submit(cluster, 1);
        cluster_run(cluster, 100);
    }
    assert_true(cluster_settle(cluster, 60000) != UINT64_MAX);
    cluster_run(cluster, 10000); /* the empty blocks that commit the last one */
    assert_no_violation(cluster);
    return cluster_view(cluster, 0) - views - (cluster_height(cluster, 0) - heights);
}

/* The first views over the new links may end by timeouts; then the timer has learnt how long a view takes. */
static void the_timer_follows_links_that_become_slower(void **state)
{
    (void)state;
    static const uint64_t one_way_ms[] = {10, 30, 100, 300, 1000};
    for (size_t i = 0; i < ARRAY_COUNT(one_way_ms); i++) {
        CLEANUP(cluster_destroy) struct cluster *cluster = started(&lan);
        (void)views_lost_under_load(cluster, 20000);
        assert_int_equal(honest_timeouts(cluster), 0);
        cluster_set_delay(cluster, one_way_ms[i], one_way_ms[i] * 12 / 10);
        assert_true(views_lost_under_load(cluster, 60000) <= 4);
        uint64_t timeouts = honest_timeouts(cluster), views = cluster_view(cluster, 0);
        assert_int_equal(views_lost_under_load(cluster, 120000), 0);
        /* One validator alone may be in a hurry now and then: that costs nothing. */
        assert_true((honest_timeouts(cluster) - timeouts) * 50 <= (cluster_view(cluster, 0) - views) * VALIDATORS);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_work_nothing_is_said_but_heartbeats),
        cmocka_unit_test(a_flood_of_pairs_with_one_nonce_loses_no_view),
        cmocka_unit_test(dead_transactions_alone_are_no_work),
        cmocka_unit_test(one_liars_timeouts_lose_no_view),
        cmocka_unit_test(the_timer_follows_links_that_become_slower),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
