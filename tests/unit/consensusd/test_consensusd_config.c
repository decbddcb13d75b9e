/* test_consensusd_config.c - what a validator says of itself in its configuration. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "common/base/err.h"
#include "services/consensusd/consensusd_config.h"

static void own_addresses_are_two_or_three(void **state)
{
    struct peer_record_endpoints own;
    assert_int_equal(consensusd_advertise_parse(&own, "tcp://192.0.2.7:1|tcp://[2001:db8::7]:2"), 0);
    assert_string_equal(own.pub, "tcp://192.0.2.7:1");
    assert_string_equal(own.sync, "tcp://[2001:db8::7]:2");
    assert_string_equal(own.gossip, "");
    assert_int_equal(consensusd_advertise_parse(&own, "tcp://192.0.2.7:1|tcp://192.0.2.7:2|tcp://192.0.2.7:3"), 0);
    assert_string_equal(own.gossip, "tcp://192.0.2.7:3");
}

static void others_must_be_able_to_reach_them(void **state)
{
    static const char *const bad[] = {
        "",
        "|",
        "tcp://192.0.2.7:1",
        "tcp://192.0.2.7:1|",
        "|tcp://192.0.2.7:1",
        "tcp://192.0.2.7:1|tcp://192.0.2.7:2|",
        "tcp://192.0.2.7:1|tcp://192.0.2.7:2||",
        "tcp://192.0.2.7:1|tcp://192.0.2.7:2|tcp://192.0.2.7:3|tcp://192.0.2.7:4",
        "tcp://192.0.2.7:1|tcp://192.0.2.7:2|tcp://192.0.2.7:3|",
        "tcp://v1.example:1|tcp://v1.example:2",
        "tcp://0.0.0.0:1|tcp://192.0.2.7:2",
        "tcp://*:1|tcp://*:2",
        "ipc://a|ipc://b",
    };
    struct peer_record_endpoints own = {.pub = "as before"};
    for (size_t i = 0; i < ARRAY_COUNT(bad); i++) {
        if (consensusd_advertise_parse(&own, bad[i]) != ERR_MALFORMED)
            fail_msg("%s", bad[i]);
    }
    assert_string_equal(own.pub, "as before");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(own_addresses_are_two_or_three),
        cmocka_unit_test(others_must_be_able_to_reach_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
