/* test_peer_meter.c - frames, bytes and what answers cost, each channel for itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "common/base/peer_meter.h"

static const struct peer_limit limits[] = {{10, 20, 1000, 2000}, {10, 20, 1000, 2000}};

static void frames_and_bytes_are_limited_each(void **state)
{
    struct peer_meter meter = peer_meter_of(limits, 2, 0);
    for (int i = 0; i < 20; i++)
        assert_true(peer_meter_take(&meter, 0, 1, 5));
    assert_false(peer_meter_take(&meter, 0, 1, 5)); /* frames */
    assert_true(peer_meter_take(&meter, 1, 3000, 5));
    assert_false(peer_meter_take(&meter, 1, 1, 5)); /* bytes */
    assert_int_equal(meter.received_count, 23);
    assert_int_equal(meter.received_bytes, 3022);
    assert_int_equal(meter.limited_count, 2);
    assert_int_equal(meter.heard_ms, 5);
}

/* Also when the question itself has emptied the bucket. */
static void answers_are_paid_by_who_asked(void **state)
{
    struct peer_meter meter = peer_meter_of(limits, 2, 0);
    assert_true(peer_meter_take(&meter, 0, 2000, 0));
    peer_meter_charge(&meter, 0, 5000, 0);
    assert_int_equal(meter.answered_bytes, 5000);
    assert_int_equal(meter.received_bytes, 2000);
    assert_false(peer_meter_take(&meter, 0, 1, 5000));
    assert_true(peer_meter_take(&meter, 1, 1, 5000));
    assert_true(peer_meter_take(&meter, 0, 1, 5001));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_and_bytes_are_limited_each),
        cmocka_unit_test(answers_are_paid_by_who_asked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
