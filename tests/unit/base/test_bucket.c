/* test_bucket.c - a token bucket on a clock that the test turns. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "common/base/bucket.h"

static uint32_t passing(struct bucket *bucket, uint32_t tries, uint64_t now_ms)
{
    uint32_t passed = 0;
    for (uint32_t i = 0; i < tries; i++)
        passed += bucket_take(bucket, 1, now_ms);
    return passed;
}

static void the_burst_passes_at_once_and_then_the_rate(void **state)
{
    struct bucket bucket = bucket_of(10, 50, 7000);
    assert_int_equal(passing(&bucket, 1000, 7000), 50);
    assert_int_equal(passing(&bucket, 1000, 7099), 1); /* 0.99 tokens: the bucket is not empty, then it is in debt */
    assert_int_equal(passing(&bucket, 1000, 7100), 0);
    assert_int_equal(passing(&bucket, 1000, 8100), 10);
}

static void nothing_is_saved_above_the_burst(void **state)
{
    struct bucket bucket = bucket_of(BUCKET_RATE_MAX, 3, 0);
    assert_int_equal(passing(&bucket, 1000, 0), 3);
    assert_int_equal(passing(&bucket, 1000, UINT64_MAX / 2), 3);
    assert_int_equal(passing(&bucket, 1000, UINT64_MAX), 3);
}

static void what_is_too_large_passes_once_and_is_paid_for(void **state)
{
    struct bucket bucket = bucket_of(100, 1000, 0);
    assert_true(bucket_take(&bucket, 5000, 0));
    assert_false(bucket_take(&bucket, 1, 39999));
    assert_false(bucket_take(&bucket, 1, 40000));
    assert_true(bucket_take(&bucket, 1, 40001));
}

static void a_clock_that_stands_gives_nothing(void **state)
{
    struct bucket bucket = bucket_of(1000, 1, 500);
    assert_true(bucket_take(&bucket, 1, 500));
    assert_false(bucket_take(&bucket, 1, 500));
    assert_false(bucket_take(&bucket, 1, 400));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_burst_passes_at_once_and_then_the_rate),
        cmocka_unit_test(nothing_is_saved_above_the_burst),
        cmocka_unit_test(what_is_too_large_passes_once_and_is_paid_for),
        cmocka_unit_test(a_clock_that_stands_gives_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
