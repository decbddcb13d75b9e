/* test_gossip_limits.c - who asks for everything again and again is cut short, who misses whole blocks is not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "services/mempoold/gossip_limits.h"

enum { MIB = 1 << 20 };

/* A small question can cost an answer of 8 MiB. */
static void cheap_questions_with_dear_answers_are_limited(void **state)
{
    struct peer_meter meter = peer_meter_of(gossip_limits, GOSSIP_CHANNEL_COUNT, 0);
    uint32_t answered = 0;
    for (uint64_t ms = 0; ms < 10000; ms += 5) {
        if (!peer_meter_take(&meter, GOSSIP_ASKING, 100, ms))
            continue;
        peer_meter_charge(&meter, GOSSIP_ASKING, 8 * MIB, ms);
        answered++;
    }
    assert_in_range(answered, 10 * 64 / 8, (256 + 10 * 64) / 8 + 1);
    assert_true(peer_meter_take(&meter, GOSSIP_ANSWERING, 8 * MIB, 10000)); /* its answers are read all the same */
}

static void a_flood_of_frames_is_limited(void **state)
{
    struct peer_meter meter = peer_meter_of(gossip_limits, GOSSIP_CHANNEL_COUNT, 0);
    uint32_t passed = 0;
    for (uint32_t i = 0; i < 100000; i++)
        passed += peer_meter_take(&meter, GOSSIP_ASKING, 40, i / 100);
    assert_in_range(passed, 800, 1100);
}

/* Two questions for each of ten blocks of 4 MiB a second. */
static void whole_blocks_that_are_missing_pass(void **state)
{
    struct peer_meter meter = peer_meter_of(gossip_limits, GOSSIP_CHANNEL_COUNT, 0);
    for (uint64_t ms = 0; ms < 60000; ms += 50) {
        assert_true(peer_meter_take(&meter, GOSSIP_ASKING, 80000, ms));
        peer_meter_charge(&meter, GOSSIP_ASKING, 2 * MIB, ms);
        assert_true(peer_meter_take(&meter, GOSSIP_ANSWERING, 2 * MIB, ms));
    }
    assert_int_equal(meter.limited_count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cheap_questions_with_dear_answers_are_limited),
        cmocka_unit_test(a_flood_of_frames_is_limited),
        cmocka_unit_test(whole_blocks_that_are_missing_pass),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
