/* Rates and shares, as tables. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "services/mempoold/fairness.h"

static struct fairness *fairness_of(uint32_t producer_count_max, uint32_t rate_per_second)
{
    struct fairness *fairness = NULL;
    struct fairness_limits limits = {
        .producer_count_max = producer_count_max, .rate_per_second = rate_per_second, .seed = 3};
    assert_int_equal(fairness_new(&fairness, &limits), 0);
    return fairness;
}

static struct hash name(uint8_t number)
{
    struct hash made = {{number}};
    return made;
}

static void a_quota_is_the_most_that_each_may_have_while_all_fit(void **state)
{
    (void)state;
    const struct {
        uint32_t waiting[4];
        uint32_t room;
        uint64_t quota; /* 0: everything fits */
    } table[] = {
        {{10, 10, 10, 10}, 40, 0},    {{10, 10, 10, 10}, 39, 9}, {{100, 1, 1, 1}, 10, 7},   {{100, 100, 2, 0}, 12, 5},
        {{100, 100, 100, 100}, 4, 1}, {{5, 6, 7, 8}, 22, 5},     {{1000, 0, 0, 0}, 10, 10}, {{0, 0, 0, 0}, 1, 0},
    };
    for (size_t row = 0; row < sizeof table / sizeof table[0]; row++) {
        struct fairness *fairness = fairness_of(8, 1000);
        for (uint8_t i = 0; i < 4; i++) {
            struct hash key = name(i);
            struct fairness_producer *producer = fairness_producer_get(fairness, &key, 0);
            for (uint32_t j = 0; j < table[row].waiting[i]; j++)
                fairness_enter(producer, 100);
        }
        fairness_batch_begin(fairness);
        struct fairness_room room = {.tx_count = table[row].room, .tx_bytes = (uint64_t)table[row].room * 100};
        struct fairness_room quota = fairness_batch_quota(fairness, room);
        uint64_t expected = table[row].quota ? table[row].quota : UINT64_MAX;
        print_message("row %zu\n", row);
        assert_int_equal(quota.tx_count, expected);
        /* Bytes are shared by the same rule. */
        if (expected != UINT64_MAX)
            assert_int_equal(quota.tx_bytes / 100, expected);
        else
            assert_int_equal(quota.tx_bytes, UINT64_MAX);
        fairness_destroy(&fairness);
    }
}

static void what_is_excluded_does_not_count(void **state)
{
    (void)state;
    struct fairness *fairness = fairness_of(8, 1000);
    struct hash a = name(1), b = name(2);
    struct fairness_producer *first = fairness_producer_get(fairness, &a, 0);
    struct fairness_producer *second = fairness_producer_get(fairness, &b, 0);
    for (int i = 0; i < 10; i++) {
        fairness_enter(first, 1);
        fairness_enter(second, 1);
    }
    fairness_batch_begin(fairness);
    for (int i = 0; i < 8; i++)
        fairness_batch_exclude(first, 1);
    struct fairness_room room = {.tx_count = 10, .tx_bytes = 1000};
    assert_int_equal(fairness_batch_quota(fairness, room).tx_count, 8);
    fairness_destroy(&fairness);
}

static void the_first_of_a_producer_always_fits(void **state)
{
    (void)state;
    struct fairness_producer producer = {0};
    struct fairness_room quota = {.tx_count = 2, .tx_bytes = 100};
    assert_true(fairness_batch_fits(&producer, quota, 5000));
    fairness_batch_take(&producer, 50);
    assert_true(fairness_batch_fits(&producer, quota, 50));
    assert_false(fairness_batch_fits(&producer, quota, 51));
    fairness_batch_take(&producer, 50);
    assert_false(fairness_batch_fits(&producer, quota, 0));
}

static void tokens_come_back_with_time_up_to_one_second(void **state)
{
    (void)state;
    struct fairness *fairness = fairness_of(8, 3);
    struct hash key = name(1);
    struct fairness_producer *producer = fairness_producer_get(fairness, &key, 0);
    const struct {
        uint64_t now_ms;
        bool admitted;
    } table[] = {
        {0, true},    {0, true},    {0, true},      {0, false},     {333, false},   {334, true},
        {334, false}, {1000, true}, {100000, true}, {100000, true}, {100000, true}, {100000, false},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        print_message("row %zu\n", i);
        assert_int_equal(fairness_admit(fairness, producer, table[i].now_ms), table[i].admitted);
    }
    fairness_destroy(&fairness);
}

static void idle_producers_make_room_and_busy_ones_do_not(void **state)
{
    (void)state;
    struct fairness *fairness = fairness_of(3, 1);
    struct hash waits = name(1), sent = name(2), idle = name(3), new_one = name(4), another = name(5);
    struct fairness_producer *waiting = fairness_producer_get(fairness, &waits, 0);
    fairness_enter(waiting, 10);
    assert_true(fairness_admit(fairness, fairness_producer_get(fairness, &sent, 0), 0));
    assert_non_null(fairness_producer_get(fairness, &idle, 0));
    assert_int_equal(fairness_producer_count(fairness), 3);

    assert_non_null(fairness_producer_get(fairness, &new_one, 0)); /* in idle's place */
    fairness_enter(fairness_producer_get(fairness, &new_one, 0), 10);
    assert_null(fairness_producer_get(fairness, &another, 500)); /* `sent` has no full bucket yet */
    assert_non_null(fairness_producer_get(fairness, &another, 1000));
    assert_ptr_equal(fairness_producer_get(fairness, &waits, 1000), waiting);
    assert_int_equal(waiting->tx_count, 1);
    fairness_destroy(&fairness);
}

static void limits_of_zero_are_refused(void **state)
{
    (void)state;
    struct fairness *fairness = NULL;
    assert_int_equal(fairness_new(&fairness, &(struct fairness_limits){.rate_per_second = 1}), -EINVAL);
    assert_int_equal(fairness_new(&fairness, &(struct fairness_limits){.producer_count_max = 1}), -EINVAL);
    assert_null(fairness);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_quota_is_the_most_that_each_may_have_while_all_fit),
        cmocka_unit_test(what_is_excluded_does_not_count),
        cmocka_unit_test(the_first_of_a_producer_always_fits),
        cmocka_unit_test(tokens_come_back_with_time_up_to_one_second),
        cmocka_unit_test(idle_producers_make_room_and_busy_ones_do_not),
        cmocka_unit_test(limits_of_zero_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
