/* test_recent.c - the newest blocks in memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "services/persistd/recent.h"

static void add(struct recent *recent, uint64_t height, size_t size)
{
    uint8_t *message = malloc(size);
    assert_non_null(message);
    message[0] = (uint8_t)height;
    recent_add(recent, height, message, size);
}

static size_t find(const struct recent *recent, uint64_t height, size_t count_max, size_t size_max)
{
    struct span found[64];
    size_t count = recent_find(recent, height, found, count_max, size_max);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(found[i].data[0], (uint8_t)(height + i));
    return count;
}

static void a_range_is_found_from_any_height_it_holds(void **state)
{
    struct recent recent = {0};
    assert_int_equal(find(&recent, 0, 64, 1000), 0);
    for (uint64_t height = 10; height < 20; height++)
        add(&recent, height, 10);
    assert_int_equal(find(&recent, 9, 64, 1000), 0);
    assert_int_equal(find(&recent, 10, 64, 1000), 10);
    assert_int_equal(find(&recent, 10, 3, 1000), 3);
    assert_int_equal(find(&recent, 19, 64, 1000), 1);
    assert_int_equal(find(&recent, 20, 64, 1000), 0);
    recent_deinit(&recent);
}

static void an_answer_is_bounded_by_bytes_but_never_empty(void **state)
{
    struct recent recent = {0};
    for (uint64_t height = 0; height < 5; height++)
        add(&recent, height, 10);
    assert_int_equal(find(&recent, 0, 64, 30), 3);
    assert_int_equal(find(&recent, 0, 64, 29), 2);
    assert_int_equal(find(&recent, 0, 64, 1), 1);
    recent_deinit(&recent);
}

static void the_oldest_leave_first(void **state)
{
    struct recent recent = {0};
    for (uint64_t height = 0; height < RECENT_BLOCKS_MAX + 5; height++)
        add(&recent, height, 10);
    assert_int_equal(find(&recent, 4, 64, 1000), 0);
    assert_int_equal(find(&recent, 5, 64, 10000), 64);
    assert_int_equal(recent.bytes, RECENT_BLOCKS_MAX * 10);
    add(&recent, RECENT_BLOCKS_MAX + 5, RECENT_BYTES_MAX);
    assert_int_equal(recent.count, 1);
    recent_deinit(&recent);
    assert_int_equal(recent.bytes, 0);
}

static void a_gap_forgets_what_was_before(void **state)
{
    struct recent recent = {0};
    add(&recent, 1, 10);
    add(&recent, 5, 10);
    assert_int_equal(find(&recent, 1, 64, 1000), 0);
    assert_int_equal(find(&recent, 5, 64, 1000), 1);
    add(&recent, 2, 10);
    assert_int_equal(find(&recent, 5, 64, 1000), 0);
    assert_int_equal(find(&recent, 2, 64, 1000), 1);
    recent_deinit(&recent);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_range_is_found_from_any_height_it_holds),
        cmocka_unit_test(an_answer_is_bounded_by_bytes_but_never_empty),
        cmocka_unit_test(the_oldest_leave_first),
        cmocka_unit_test(a_gap_forgets_what_was_before),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
