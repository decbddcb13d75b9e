/* test_consensus.c - five validators' consensus cores agree under delays, loss, crashes and a dead leader. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/sim/cluster.h"
#include "tests/sim/liar.h"

#define assert_no_violation(cluster) assert_string_equal(cluster_violation(cluster), "")

static struct cluster *started(const struct cluster_options *options)
{
    struct cluster *cluster = NULL;
    assert_int_equal(cluster_new(&cluster, options), 0);
    return cluster;
}

static const struct cluster_options lan = {.seed = 1, .validator_count = 5, .delay_ms_min = 1, .delay_ms_max = 3};

static void one_validator_commits_alone(void **state)
{
    struct cluster_options options = lan;
    options.validator_count = 1;
    CLEANUP(cluster_destroy) struct cluster *cluster = started(&options);
    cluster_submit(cluster, 10);
    assert_true(cluster_settle(cluster, 5000) < 100);
    assert_no_violation(cluster);
}

static void five_validators_commit_within_two_rounds(void **state)
{
    CLEANUP(cluster_destroy) struct cluster *cluster = started(&lan);
    cluster_run(cluster, 1000);
    cluster_submit(cluster, 1);
    assert_true(cluster_settle(cluster, 5000) <= 50);
    assert_no_violation(cluster);
}

static void without_work_there_are_no_blocks_and_no_views(void **state)
{
    CLEANUP(cluster_destroy) struct cluster *cluster = started(&lan);
    cluster_submit(cluster, 5);
    assert_true(cluster_settle(cluster, 5000) < 1000);
    cluster_run(cluster, 1000);
    uint64_t height = cluster_height(cluster, 0);
    uint64_t view = cluster_view(cluster, 0);
    cluster_run(cluster, 60000);
    assert_int_equal(cluster_height(cluster, 0), height);
    assert_int_equal(cluster_view(cluster, 0), view);
    assert_no_violation(cluster);
}

static void a_dead_leader_costs_a_timeout_and_nothing_else(void **state)
{
    for (uint32_t dead = 0; dead < 5; dead++) {
        CLEANUP(cluster_destroy) struct cluster *cluster = started(&lan);
        cluster_crash(cluster, dead);
        for (int i = 0; i < 6; i++) {
            cluster_submit(cluster, 3);
            assert_true(cluster_settle(cluster, 60000) != UINT64_MAX);
        }
        assert_no_violation(cluster);
        cluster_restart(cluster, dead);
        assert_true(cluster_settle(cluster, 60000) != UINT64_MAX);
        assert_no_violation(cluster);
    }
}

/* One transaction at a time, so that heights rise; returns false when the cluster stops. */
static bool grow_to(struct cluster *cluster, uint64_t height, uint32_t validator)
{
    while (cluster_height(cluster, validator) < height) {
        cluster_submit(cluster, 1);
        if (cluster_settle(cluster, 60000) == UINT64_MAX)
            return false;
    }
    return true;
}

static void a_dead_validator_loses_its_turns_and_voting_again_gets_them_back(void **state)
{
    CLEANUP(cluster_destroy) struct cluster *cluster = started(&lan);
    const uint32_t dead = 2, alive = 0;
    cluster_crash(cluster, dead);
    assert_true(grow_to(cluster, 2 * 64, alive));
    assert_false(cluster_leads(cluster, alive, dead));
    uint64_t timeouts = cluster_timeouts(cluster, alive);
    assert_true(grow_to(cluster, 3 * 64, alive));
    assert_int_equal(cluster_timeouts(cluster, alive), timeouts);
    cluster_restart(cluster, dead);
    while (!cluster_leads(cluster, alive, dead) && cluster_height(cluster, alive) < 16 * 64)
        assert_true(grow_to(cluster, cluster_height(cluster, alive) + 8, alive));
    assert_true(cluster_leads(cluster, alive, dead));
    timeouts = cluster_timeouts(cluster, alive);
    assert_true(grow_to(cluster, cluster_height(cluster, alive) + 32, alive));
    assert_int_equal(cluster_timeouts(cluster, alive), timeouts);
    assert_no_violation(cluster);
}

/* The schedule of the last committed block comes from the store, and that of new blocks from their execution. */
static void validators_restarted_at_the_turn_of_an_epoch_agree_on_the_leaders(void **state)
{
    CLEANUP(cluster_destroy) struct cluster *cluster = started(&lan);
    cluster_crash(cluster, 4);
    for (uint64_t height = 62; height <= 76; height++) {
        assert_true(grow_to(cluster, height, 0));
        for (uint32_t i = 0; i < 4; i++)
            cluster_crash(cluster, i);
        for (uint32_t i = 0; i < 4; i++)
            cluster_restart(cluster, i);
    }
    assert_true(grow_to(cluster, 100, 0));
    assert_no_violation(cluster);
}

static void two_of_five_down_stop_safely_and_go_on_when_one_is_back(void **state)
{
    CLEANUP(cluster_destroy) struct cluster *cluster = started(&lan);
    cluster_submit(cluster, 3);
    assert_true(cluster_settle(cluster, 5000) != UINT64_MAX);
    cluster_crash(cluster, 1);
    cluster_crash(cluster, 3);
    uint64_t before = cluster_committed_txs(cluster, 0);
    cluster_submit(cluster, 3);
    cluster_run(cluster, 30000);
    assert_int_equal(cluster_committed_txs(cluster, 0), before);
    cluster_restart(cluster, 3);
    assert_true(cluster_settle(cluster, 120000) != UINT64_MAX);
    assert_no_violation(cluster);
}

static void all_crash_at_once_and_agree_again(void **state)
{
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct cluster_options options = lan;
        options.seed = seed;
        CLEANUP(cluster_destroy) struct cluster *cluster = started(&options);
        cluster_submit(cluster, 50);
        cluster_run(cluster, 5 + seed);
        for (uint32_t i = 0; i < 5; i++)
            cluster_crash(cluster, i);
        cluster_run(cluster, 100);
        for (uint32_t i = 0; i < 5; i++)
            cluster_restart(cluster, i);
        assert_true(cluster_settle(cluster, 120000) != UINT64_MAX);
        assert_no_violation(cluster);
    }
}

static void a_validator_that_was_away_fetches_what_it_missed(void **state)
{
    CLEANUP(cluster_destroy) struct cluster *cluster = started(&lan);
    cluster_crash(cluster, 2);
    for (int i = 0; i < 100; i++) {
        cluster_submit(cluster, 2);
        cluster_run(cluster, 1500);
    }
    assert_true(cluster_height(cluster, 0) > 50);
    cluster_restart(cluster, 2);
    assert_true(cluster_settle(cluster, 60000) != UINT64_MAX);
    assert_no_violation(cluster);
}

/* Its store has blocks and no voting state. The certificate of its last block is what it must begin with. */
static void a_validator_that_never_voted_restarts_and_counts(void **state)
{
    CLEANUP(cluster_destroy) struct cluster *cluster = started(&lan);
    cluster_crash(cluster, 2);
    for (int i = 0; i < 10; i++) {
        cluster_submit(cluster, 2);
        assert_true(cluster_settle(cluster, 60000) != UINT64_MAX);
    }
    cluster_restart(cluster, 2);
    assert_true(cluster_settle(cluster, 60000) != UINT64_MAX);
    cluster_run(cluster, 2000);
    cluster_crash(cluster, 2);
    cluster_restart(cluster, 2);
    for (uint32_t dead = 0; dead < 2; dead++) {
        cluster_crash(cluster, dead);
        for (int i = 0; i < 5; i++) {
            cluster_submit(cluster, 2);
            assert_true(cluster_settle(cluster, 120000) != UINT64_MAX);
        }
        cluster_restart(cluster, dead);
    }
    assert_no_violation(cluster);
}

/* Each kind of lie alone: nothing unsafe, and the others get their work done. */
static void one_liar_of_five_changes_nothing(void **state)
{
    for (uint32_t lie = 1; lie <= LIE_ALL; lie <<= 1) {
        uint64_t evidence = 0;
        for (uint64_t seed = 1; seed <= 3; seed++) {
            struct cluster_options options = lan;
            options.seed = seed;
            options.liar_count = 1;
            options.lies = lie;
            CLEANUP(cluster_destroy) struct cluster *cluster = started(&options);
            for (int i = 0; i < 10; i++) {
                cluster_submit(cluster, 3);
                bool settled = cluster_settle(cluster, 120000) != UINT64_MAX;
                assert_no_violation(cluster);
                assert_true(settled);
            }
            evidence += cluster_evidence(cluster);
        }
        /* Who proposes two blocks in one view is found out. */
        if (lie == LIE_PROPOSE_TWICE)
            assert_true(evidence > 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_validator_commits_alone),
        cmocka_unit_test(five_validators_commit_within_two_rounds),
        cmocka_unit_test(without_work_there_are_no_blocks_and_no_views),
        cmocka_unit_test(a_dead_leader_costs_a_timeout_and_nothing_else),
        cmocka_unit_test(a_dead_validator_loses_its_turns_and_voting_again_gets_them_back),
        cmocka_unit_test(validators_restarted_at_the_turn_of_an_epoch_agree_on_the_leaders),
        cmocka_unit_test(two_of_five_down_stop_safely_and_go_on_when_one_is_back),
        cmocka_unit_test(all_crash_at_once_and_agree_again),
        cmocka_unit_test(a_validator_that_was_away_fetches_what_it_missed),
        cmocka_unit_test(a_validator_that_never_voted_restarts_and_counts),
        cmocka_unit_test(one_liar_of_five_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
