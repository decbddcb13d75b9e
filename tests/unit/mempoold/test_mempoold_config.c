/* What the table of keys cannot say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "common/base/err.h"
#include "services/mempoold/mempoold_config.h"

static void a_peer_is_a_name_and_a_tcp_endpoint(void **state)
{
    (void)state;
    const struct {
        const char *item;
        bool ok;
    } table[] = {
        {"v2=tcp://host:1234", true},
        {"v2=tcp://[::1]:1", true},
        {"", false},
        {"v2", false},
        {"=tcp://host:1", false},
        {"v2=", false},
        {"v2=ipc://x", false},
        {"v2 tcp://host:1", false},
        {"tcp://host:1", false},
        {"0123456789012345678901234567890123456789012345678901234567890123=tcp://h:1", true},
        {"01234567890123456789012345678901234567890123456789012345678901234=tcp://h:1", false},
    };
    for (size_t i = 0; i < ARRAY_COUNT(table); i++) {
        struct mempoold_peer peer;
        int rc = mempoold_config_peer(&peer, table[i].item);
        print_message("%s\n", table[i].item);
        assert_int_equal(rc, table[i].ok ? 0 : ERR_CONFIG);
        if (rc == 0)
            assert_string_equal(peer.endpoint, strchr(table[i].item, '=') + 1);
    }
}

static char admission[] = "ipc://ipc/a", pool[] = "ipc://ipc/p", query[] = "ipc://ipc/q", gossip[] = "tcp://h:1",
            tcp[] = "tcp://h:2", key_file[] = "keys/stage.key";

static struct mempoold_config good(void)
{
    return (struct mempoold_config){
        .admission_endpoint = admission, .pool_endpoint = pool, .query_endpoint = query, .gossip_bind = gossip};
}

static void ipc_needs_no_keys_and_tcp_needs_both_sides(void **state)
{
    (void)state;
    struct mempoold_config config = good();
    assert_int_equal(mempoold_config_check(&config), 0);
    config.pool_endpoint = tcp;
    assert_int_equal(mempoold_config_check(&config), ERR_CONFIG);
    config.common.stage_curve_key_file = key_file;
    assert_int_equal(mempoold_config_check(&config), ERR_CONFIG);
    config.ingestd_key.is_set = true;
    assert_int_equal(mempoold_config_check(&config), ERR_CONFIG);
    config.consensusd_key.is_set = true;
    assert_int_equal(mempoold_config_check(&config), 0);
    config.query_endpoint = tcp;
    assert_int_equal(mempoold_config_check(&config), ERR_CONFIG);
    config.apid_key.is_set = true;
    assert_int_equal(mempoold_config_check(&config), 0);
    config.ingestd_key.is_set = false;
    config.admission_endpoint = tcp;
    assert_int_equal(mempoold_config_check(&config), ERR_CONFIG);
}

static void gossip_is_always_tcp(void **state)
{
    (void)state;
    struct mempoold_config config = good();
    config.gossip_bind = pool;
    assert_int_equal(mempoold_config_check(&config), ERR_CONFIG);
    config = good();
    char item[] = "v2=ipc://x";
    char *items[] = {item};
    config.gossip_peers = (struct config_list){.items = items, .count = 1};
    assert_int_equal(mempoold_config_check(&config), ERR_CONFIG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_peer_is_a_name_and_a_tcp_endpoint),
        cmocka_unit_test(ipc_needs_no_keys_and_tcp_needs_both_sides),
        cmocka_unit_test(gossip_is_always_tcp),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
