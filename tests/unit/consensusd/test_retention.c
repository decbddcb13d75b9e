/* test_retention.c - what may leave the store, and what never does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "services/consensusd/retention.h"

static uint64_t first(uint64_t blocks, uint64_t committed_height, uint64_t executor_height)
{
    return retention_height_first(&(struct retention){
        .blocks = blocks, .committed_height = committed_height, .executor_height = executor_height});
}

static void everything_stays_without_a_limit(void **state)
{
    (void)state;
    assert_int_equal(first(0, 1000000, 1000000), 1);
    assert_int_equal(first(0, 0, 0), 1);
}

static void the_newest_blocks_stay(void **state)
{
    (void)state;
    assert_int_equal(first(100, 1000, 1000), 901);
    assert_int_equal(first(100, 101, 101), 2);
    assert_int_equal(first(100, 100, 100), 1);
    assert_int_equal(first(100, 99, 99), 1);
    assert_int_equal(first(UINT64_MAX, 1000, 1000), 1);
}

static void what_executord_has_not_made_durable_stays(void **state)
{
    (void)state;
    assert_int_equal(first(100, 1000, 500), 501);
    assert_int_equal(first(100, 1000, 900), 901);
    assert_int_equal(first(100, 1000, 899), 900);
    assert_int_equal(first(100, 1000, 0), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything_stays_without_a_limit),
        cmocka_unit_test(the_newest_blocks_stay),
        cmocka_unit_test(what_executord_has_not_made_durable_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
