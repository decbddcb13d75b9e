/* test_testnet.c - `cybermeshctl testnet`: what it writes loads, belongs together and is closed to others. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <sodium.h>

#include "common/edge/bus.h"
#include "common/edge/genesis_file.h"
#include "common/edge/keyfile.h"
#include "services/cybermeshctl/ctl.h"

enum { VALIDATORS = 4, PORTS_MAX = 65536, BASE_PORT = 21000 };

static char directory[] = "/tmp/cybermeshctl-testnet-XXXXXX";
static char net[64];

static int run_verb(int count, const char **arguments)
{
    return ctl_testnet.run(count, (char **)(uintptr_t)arguments);
}

static int start(void **state)
{
    (void)state;
    if (sodium_init() < 0 || !mkdtemp(directory))
        return -1;
    snprintf(net, sizeof net, "%s/net", directory);
    const char *arguments[] = {"testnet",     "--dir", net,           "--validators", "4",
                               "--transport", "tcp",   "--base-port", "21000",        NULL};
    return run_verb(9, arguments) == CTL_OK ? 0 : -1;
}

static int stop(void **state)
{
    (void)state;
    char command[64];
    snprintf(command, sizeof command, "rm -rf %s", directory);
    return system(command);
}

static struct genesis *load(void)
{
    char path[128];
    struct genesis *genesis = NULL;
    snprintf(path, sizeof path, "%s/genesis.json", net);
    assert_int_equal(genesis_file_load(path, &genesis), 0);
    return genesis;
}

static void read_key(uint8_t out[static KEYFILE_KEY_BYTES], const char *owner, const char *name)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s/%s", net, owner, name);
    assert_int_equal(keyfile_read(path, out), 0);
}

static void the_genesis_file_names_the_keys_that_were_made(void **state)
{
    (void)state;
    struct genesis *genesis = load();
    assert_int_equal(genesis->validator_count, VALIDATORS);
    for (uint32_t i = 0; i < VALIDATORS; i++) {
        const struct genesis_validator *validator = &genesis->validators[i];
        uint8_t secret[KEYFILE_KEY_BYTES], curve[32];
        struct sign_key key;
        read_key(secret, validator->name, "keys/sign.key");
        sign_key_from_seed(&key, secret);
        assert_memory_equal(&key.public, &validator->sign_key, SIGN_PUBLIC_BYTES);
        read_key(secret, validator->name, "keys/control.key");
        sign_key_from_seed(&key, secret);
        assert_memory_equal(&key.public, &validator->control_key, SIGN_PUBLIC_BYTES);
        read_key(secret, validator->name, "keys/consensus-curve.key");
        bus_curve_public(curve, secret);
        assert_memory_equal(curve, validator->consensus_curve_key, 32);
        read_key(secret, validator->name, "keys/mempool-curve.key");
        bus_curve_public(curve, secret);
        assert_memory_equal(curve, validator->mempool_curve_key, 32);
    }
    genesis_destroy(&genesis);
}

static void some_producer_has_each_role(void **state)
{
    (void)state;
    struct genesis *genesis = load();
    uint32_t roles = 0;
    for (uint32_t i = 0; i < genesis->producer_count; i++) {
        char name[128];
        uint8_t secret[KEYFILE_KEY_BYTES];
        struct sign_key key;
        snprintf(name, sizeof name, "%s.key", genesis->producers[i].name);
        read_key(secret, "producers", name);
        sign_key_from_seed(&key, secret);
        assert_memory_equal(&key.public, &genesis->producers[i].key, SIGN_PUBLIC_BYTES);
        roles |= genesis->producers[i].roles;
    }
    assert_int_equal(roles,
                     PRODUCER_ROLE_ANOMALY | PRODUCER_ROLE_EVIDENCE | PRODUCER_ROLE_POLICY | PRODUCER_ROLE_GOVERNOR);
    genesis_destroy(&genesis);
}

static size_t files_seen;

static int look_at_mode(const char *path, const struct stat *status, int type, struct FTW *place)
{
    (void)place;
    mode_t mode = status->st_mode & 0777;
    mode_t expected = type == FTW_D ? 0700 : strstr(path, "genesis.json") ? 0644 : 0600;
    if (mode != expected)
        fail_msg("%s: mode %o, expected %o", path, (unsigned)mode, (unsigned)expected);
    files_seen++;
    return 0;
}

static void only_the_genesis_file_is_open_to_others(void **state)
{
    (void)state;
    assert_int_equal(nftw(net, look_at_mode, 8, FTW_PHYS), 0);
    assert_true(files_seen > VALIDATORS * 20);
}

/* What a daemon binds on is nobody else's: its admin address, and the ports between validators. */
static void no_two_daemons_listen_on_one_port(void **state)
{
    (void)state;
    static const char *const binds[] = {
        "ADMIN_LISTEN=", "API_LISTEN=", "GOSSIP_BIND=", "CONSENSUS_PUB_BIND=", "CONSENSUS_SYNC_BIND="};
    static bool taken[PORTS_MAX];
    size_t found = 0;
    for (uint32_t i = 1; i <= VALIDATORS; i++) {
        for (size_t stage = 0; stage < CTL_STAGE_COUNT; stage++) {
            char path[128], line[1024];
            snprintf(path, sizeof path, "%s/v%u/%s.env", net, i, ctl_stages[stage]);
            FILE *file = fopen(path, "r");
            assert_non_null(file);
            while (fgets(line, sizeof line, file)) {
                for (size_t k = 0; k < ARRAY_COUNT(binds); k++) {
                    if (strncmp(line, binds[k], strlen(binds[k])) != 0)
                        continue;
                    unsigned long port = strtoul(strrchr(line, ':') + 1, NULL, 10);
                    assert_true(port >= BASE_PORT && port < PORTS_MAX);
                    assert_false(taken[port]);
                    taken[port] = true;
                    found++;
                }
            }
            assert_int_equal(fclose(file), 0);
        }
    }
    assert_int_equal(found, VALIDATORS * (CTL_STAGE_COUNT + 4));
}

static void a_network_is_never_replaced(void **state)
{
    (void)state;
    struct genesis *before = load();
    const char *arguments[] = {"testnet", "--dir", net, NULL};
    assert_int_equal(run_verb(3, arguments), CTL_USAGE);
    struct genesis *after = load();
    assert_memory_equal(&before->chain_id, &after->chain_id, HASH_BYTES);
    genesis_destroy(&before);
    genesis_destroy(&after);
}

static int run(const char *option, const char *value)
{
    const char *arguments[] = {"testnet", option, value, NULL};
    return run_verb(value ? 3 : 2, arguments);
}

static void the_command_line_is_understood_whole_or_not_at_all(void **state)
{
    (void)state;
    assert_int_equal(run("--validators", "0"), CTL_USAGE);
    assert_int_equal(run("--validators", "65"), CTL_USAGE);
    assert_int_equal(run("--validators", "4"), CTL_USAGE); /* no --dir */
    assert_int_equal(run("--transport", "udp"), CTL_USAGE);
    assert_int_equal(run("--directory", net), CTL_USAGE);
    assert_int_equal(run("--dir", NULL), CTL_USAGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_genesis_file_names_the_keys_that_were_made),
        cmocka_unit_test(some_producer_has_each_role),
        cmocka_unit_test(only_the_genesis_file_is_open_to_others),
        cmocka_unit_test(no_two_daemons_listen_on_one_port),
        cmocka_unit_test(a_network_is_never_replaced),
        cmocka_unit_test(the_command_line_is_understood_whole_or_not_at_all),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
