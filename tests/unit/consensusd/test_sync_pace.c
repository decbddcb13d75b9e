/* test_sync_pace.c - who gets no answer asks for less. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "services/consensusd/sync_pace.h"

static void the_first_question_is_the_largest(void **state)
{
    (void)state;
    struct sync_pace pace = sync_pace_of(100);
    assert_int_equal(sync_pace_ask(&pace), 100);
}

static void without_an_answer_half_is_asked_down_to_one(void **state)
{
    (void)state;
    struct sync_pace pace = sync_pace_of(10);
    const uint32_t expected[] = {10, 5, 2, 1, 1};
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++)
        assert_int_equal(sync_pace_ask(&pace), expected[i]);
}

static void with_an_answer_twice_as_much_is_asked_up_to_the_most(void **state)
{
    (void)state;
    struct sync_pace pace = {.count_max = 10, .count = 1};
    const uint32_t expected[] = {1, 2, 4, 8, 10, 10};
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
        assert_int_equal(sync_pace_ask(&pace), expected[i]);
        sync_pace_answered(&pace);
    }
}

static void an_answer_that_nobody_waits_for_changes_nothing(void **state)
{
    (void)state;
    struct sync_pace pace = {.count_max = 10, .count = 2};
    sync_pace_answered(&pace);
    assert_int_equal(sync_pace_ask(&pace), 2);
    assert_int_equal(sync_pace_of(UINT32_MAX).count, UINT32_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_question_is_the_largest),
        cmocka_unit_test(without_an_answer_half_is_asked_down_to_one),
        cmocka_unit_test(with_an_answer_twice_as_much_is_asked_up_to_the_most),
        cmocka_unit_test(an_answer_that_nobody_waits_for_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
