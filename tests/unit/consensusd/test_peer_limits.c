/* test_peer_limits.c - a peer that floods is cut short, one that works hard is not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "services/consensusd/peer_limits.h"

enum { MIB = 1 << 20 };

static void a_flood_is_dropped_and_counted(void **state)
{
    struct peer_meter meter = peer_meter_of(peer_limits, PEER_CHANNEL_COUNT, 1000);
    uint32_t passed = 0;
    for (uint32_t i = 0; i < 100000; i++)
        passed += peer_meter_take(&meter, PEER_HEARD, 200, 1000 + i / 100); /* 100 000 frames in a second */
    assert_in_range(passed, 4000, 6000);
    assert_int_equal(meter.limited_count, 100000 - passed);
    assert_int_equal(meter.received_count, 100000);
    assert_int_equal(meter.received_bytes, 200 * 100000);
    assert_true(peer_meter_take(&meter, PEER_HEARD, 200, 20000)); /* it is heard again when it is quiet */
}

static void large_frames_are_limited_by_their_bytes(void **state)
{
    struct peer_meter meter = peer_meter_of(peer_limits, PEER_CHANNEL_COUNT, 0);
    uint32_t passed = 0;
    for (uint32_t i = 0; i < 1000; i++)
        passed += peer_meter_take(&meter, PEER_HEARD, 4 * MIB, i);
    assert_in_range(passed, 32, 45);
}

static void channels_do_not_starve_each_other(void **state)
{
    struct peer_meter meter = peer_meter_of(peer_limits, PEER_CHANNEL_COUNT, 0);
    while (peer_meter_take(&meter, PEER_ASKING, 50, 0))
        ;
    assert_true(peer_meter_take(&meter, PEER_HEARD, 50, 0));
    assert_true(peer_meter_take(&meter, PEER_ANSWERING, 50, 0));
}

/* 50 views a second with a proposal of 5 000 transactions, a vote and a heartbeat each; answers of a MiB as fast as 40
 * a second, and the questions of somebody who catches up. */
static void hard_work_passes(void **state)
{
    struct peer_meter meter = peer_meter_of(peer_limits, PEER_CHANNEL_COUNT, 0);
    for (uint64_t ms = 0; ms < 60000; ms += 20) {
        assert_true(peer_meter_take(&meter, PEER_HEARD, 5000 * 34 + 1000, ms));
        assert_true(peer_meter_take(&meter, PEER_HEARD, 300, ms));
        assert_true(peer_meter_take(&meter, PEER_HEARD, 1000, ms));
        assert_true(peer_meter_take(&meter, PEER_ASKING, 40, ms));
        if (ms % 40 == 0)
            assert_true(peer_meter_take(&meter, PEER_ANSWERING, 1 * MIB + 4096, ms));
    }
    assert_int_equal(meter.limited_count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_flood_is_dropped_and_counted),
        cmocka_unit_test(large_frames_are_limited_by_their_bytes),
        cmocka_unit_test(channels_do_not_starve_each_other),
        cmocka_unit_test(hard_work_passes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
