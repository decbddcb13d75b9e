/* test_apid_config.c - what the table of keys cannot say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/base/err.h"
#include "services/apid/apid_config.h"

static char ipc[] = "ipc://ipc/q", tcp[] = "tcp://h:1", key_file[] = "keys/stage.key";

static void ipc_needs_no_keys_and_tcp_needs_both(void **state)
{
    struct apid_config config = {.executord_endpoint = ipc};
    assert_int_equal(apid_config_check(&config), 0);
    config.executord_endpoint = tcp;
    assert_int_equal(apid_config_check(&config), ERR_CONFIG);
    config.common.stage_curve_key_file = key_file;
    assert_int_equal(apid_config_check(&config), ERR_CONFIG);
    config.executord_key.is_set = true;
    assert_int_equal(apid_config_check(&config), 0);
    config.mempoold_endpoint = tcp;
    assert_int_equal(apid_config_check(&config), ERR_CONFIG);
    config.mempoold_key.is_set = true;
    config.consensusd_endpoint = ipc;
    assert_int_equal(apid_config_check(&config), 0);
    config.common.stage_curve_key_file = NULL;
    assert_int_equal(apid_config_check(&config), ERR_CONFIG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(ipc_needs_no_keys_and_tcp_needs_both)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
