/* test_config.c - configuration from the environment. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <sys/mman.h>
#include <unistd.h>

#include "common/base/err.h"
#include "common/edge/config.h"
#include "common/edge/log.h"

#define DIGITS "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

struct sample {
    struct config_common common;
    uint64_t max_txs;
    uint64_t ttl_ms;
    uint64_t bytes;
    bool gossip;
    char *password;
    char *topic;
    char *endpoint;
    char *directory;
    struct config_hex32 key;
    struct config_list brokers;
};

#define AT(member) .offset = offsetof(struct sample, member), .help = "Help of " #member "."
static const struct config_key keys[] = {
    {.name = "MEMPOOL_MAX_TXS", .type = CONFIG_INTEGER, .fallback = "1000", .min = 1, .max = 5000, AT(max_txs)},
    {.name = "MEMPOOL_TTL", .type = CONFIG_DURATION, .fallback = "15m", .min = 500, .max = 86400000, AT(ttl_ms)},
    {.name = "MEMPOOL_BYTES", .type = CONFIG_SIZE, .fallback = "10MiB", .min = 1024, .max = 1 << 30, AT(bytes)},
    {.name = "MEMPOOL_GOSSIP", .type = CONFIG_BOOLEAN, .fallback = "true", AT(gossip)},
    {.name = "DB_PASSWORD", .type = CONFIG_TEXT, .flags = CONFIG_SECRET | CONFIG_OPTIONAL, .min = 8, AT(password)},
    {.name = "KAFKA_TOPIC", .type = CONFIG_NAME, .fallback = "ai.dlq.v1", .max = 32, AT(topic)},
    {.name = "KAFKA_BROKERS", .type = CONFIG_LIST, .max = 3, AT(brokers)},
    {.name = "POOL_ENDPOINT", .type = CONFIG_ENDPOINT, .fallback = "ipc://ipc/pool.sock", AT(endpoint)},
    {.name = "DATA_DIR", .type = CONFIG_PATH, .flags = CONFIG_OPTIONAL, AT(directory)},
    CONFIG_CURVE_KEY("INGESTD_CURVE_KEY", struct sample, key),
};

enum { ENVIRONMENT_COUNT_MAX = 32 };

struct story {
    struct sample sample;
    struct config_table both[2];
    struct config_tables tables;
    const char *environment[ENVIRONMENT_COUNT_MAX];
    size_t environment_count;
    int log_fd;
    char log[65536];
};

static void given(struct story *s, const char *variable)
{
    size_t length = (size_t)(strchr(variable, '=') - variable) + 1;
    for (size_t i = 0; i < s->environment_count; i++) {
        if (strncmp(s->environment[i], variable, length) == 0) {
            s->environment[i] = variable;
            return;
        }
    }
    assert_true(s->environment_count < ENVIRONMENT_COUNT_MAX - 1);
    s->environment[s->environment_count++] = variable;
}

static int story_setup(void **state)
{
    static struct story s;
    memset(&s, 0, sizeof s);
    s.both[0] = config_common_table;
    s.both[1] = (struct config_table)CONFIG_TABLE(keys);
    s.tables = (struct config_tables){.tables = s.both, .count = 2};
    s.log_fd = memfd_create("log", MFD_CLOEXEC);
    log_set_fd(s.log_fd);
    given(&s, "NODE_NAME=v1");
    given(&s, "GENESIS_FILE=/proc/self/status");
    given(&s, "ADMIN_LISTEN=127.0.0.1:9000");
    given(&s, "KAFKA_BROKERS=a:1,b:2");
    *state = &s;
    return 0;
}

static int story_teardown(void **state)
{
    struct story *s = *state;
    config_free(&s->sample, s->tables);
    log_set_fd(STDERR_FILENO);
    close(s->log_fd);
    return 0;
}

/* Load, and keep what was logged in s->log. */
static int load(struct story *s)
{
    config_free(&s->sample, s->tables);
    assert_int_equal(ftruncate(s->log_fd, 0), 0);
    assert_int_equal(lseek(s->log_fd, 0, SEEK_SET), 0);
    int rc = config_load(&s->sample, s->tables, s->environment);
    ssize_t size = pread(s->log_fd, s->log, sizeof s->log - 1, 0);
    s->log[size > 0 ? size : 0] = '\0';
    return rc;
}

static size_t lines_of(const char *text)
{
    size_t count = 0;
    for (; *text; text++)
        count += *text == '\n';
    return count;
}

static void what_is_not_set_is_its_default(void **state)
{
    struct story *s = *state;
    assert_int_equal(load(s), 0);
    assert_string_equal(s->log, "");
    assert_string_equal(s->sample.common.node_name, "v1");
    assert_int_equal(s->sample.common.log_level, LOG_LEVEL_INFO);
    assert_null(s->sample.common.stage_curve_key_file);
    assert_int_equal(s->sample.max_txs, 1000);
    assert_int_equal(s->sample.ttl_ms, 900000);
    assert_int_equal(s->sample.bytes, 10485760);
    assert_true(s->sample.gossip);
    assert_null(s->sample.password);
    assert_null(s->sample.directory);
    assert_string_equal(s->sample.topic, "ai.dlq.v1");
    assert_false(s->sample.key.is_set);
    assert_int_equal(s->sample.brokers.count, 2);
}

static void an_empty_value_counts_as_not_set(void **state)
{
    struct story *s = *state;
    given(s, "MEMPOOL_MAX_TXS=");
    given(s, "DB_PASSWORD=");
    assert_int_equal(load(s), 0);
    assert_int_equal(s->sample.max_txs, 1000);
    given(s, "NODE_NAME=");
    assert_int_equal(load(s), ERR_CONFIG);
    assert_non_null(strstr(s->log, "event=config.missing key=NODE_NAME"));
}

static void every_type_is_read(void **state)
{
    struct story *s = *state;
    given(s, "LOG_LEVEL=debug");
    given(s, "MEMPOOL_MAX_TXS=5000");
    given(s, "MEMPOOL_TTL=1d");
    given(s, "MEMPOOL_BYTES=3KiB");
    given(s, "MEMPOOL_GOSSIP=false");
    given(s, "DB_PASSWORD=swordfish");
    given(s, "KAFKA_BROKERS= a:1 , b:2,c:3 ");
    given(s, "POOL_ENDPOINT=tcp://10.0.0.1:4000");
    given(s, "DATA_DIR=data/x");
    given(s, "INGESTD_CURVE_KEY=" DIGITS);
    assert_int_equal(load(s), 0);
    assert_int_equal(s->sample.common.log_level, LOG_LEVEL_DEBUG);
    assert_int_equal(s->sample.max_txs, 5000);
    assert_int_equal(s->sample.ttl_ms, 86400000);
    assert_int_equal(s->sample.bytes, 3072);
    assert_false(s->sample.gossip);
    assert_string_equal(s->sample.password, "swordfish");
    assert_int_equal(s->sample.brokers.count, 3);
    assert_string_equal(s->sample.brokers.text, " a:1 , b:2,c:3 ");
    assert_string_equal(s->sample.brokers.items[0], "a:1");
    assert_string_equal(s->sample.brokers.items[1], "b:2");
    assert_string_equal(s->sample.brokers.items[2], "c:3");
    assert_string_equal(s->sample.endpoint, "tcp://10.0.0.1:4000");
    assert_string_equal(s->sample.directory, "data/x");
    assert_true(s->sample.key.is_set);
    assert_int_equal(s->sample.key.bytes[1], 0x11);
    assert_int_equal(s->sample.key.bytes[31], 0xff);
}

static void a_bad_value_is_refused_by_name(void **state)
{
    static const char *const bad[] = {
        "NODE_NAME=v 1",
        "NODE_NAME=v=\"x\"",
        "GENESIS_FILE=/nonexistent/file",
        "GENESIS_FILE=/tmp",
        "LOG_LEVEL=INFO",
        "ADMIN_LISTEN=9000",
        "ADMIN_LISTEN=:9000",
        "ADMIN_LISTEN=localhost:65536",
        "ADMIN_LISTEN=localhost:",
        "ADMIN_LISTEN=local host:1",
        "ADMIN_LISTEN=::1:80",
        "ADMIN_LISTEN=[]:80",
        "MEMPOOL_MAX_TXS=0",
        "MEMPOOL_MAX_TXS=5001",
        "MEMPOOL_MAX_TXS=-1",
        "MEMPOOL_MAX_TXS=+1",
        "MEMPOOL_MAX_TXS= 1",
        "MEMPOOL_MAX_TXS=1x",
        "MEMPOOL_MAX_TXS=0x10",
        "MEMPOOL_MAX_TXS=18446744073709551617",
        "MEMPOOL_TTL=500",
        "MEMPOOL_TTL=499ms",
        "MEMPOOL_TTL=25h",
        "MEMPOOL_TTL=1.5h",
        "MEMPOOL_TTL=1 h",
        "MEMPOOL_TTL=ms",
        "MEMPOOL_TTL=18446744073709551615d",
        "MEMPOOL_BYTES=1024",
        "MEMPOOL_BYTES=10MB",
        "MEMPOOL_BYTES=2GiB",
        "MEMPOOL_GOSSIP=yes",
        "MEMPOOL_GOSSIP=TRUE",
        "KAFKA_TOPIC=a/b",
        "KAFKA_TOPIC=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        "KAFKA_BROKERS=a:1,,b:2",
        "KAFKA_BROKERS=a:1,",
        "KAFKA_BROKERS= ",
        "KAFKA_BROKERS=a,b,c,d",
        "POOL_ENDPOINT=pgm://x",
        "POOL_ENDPOINT=ipc://@abstract",
        "POOL_ENDPOINT=inproc://x",
        "DATA_DIR=a\nb",
        "DATA_DIR=a\xff",
        "INGESTD_CURVE_KEY=" DIGITS "00",
        "INGESTD_CURVE_KEY=xy112233445566778899aabbccddeeff00112233445566778899aabbccddeeff",
    };
    struct story *s = *state;
    for (size_t i = 0; i < ARRAY_COUNT(bad); i++) {
        story_teardown(state);
        story_setup(state);
        given(s, bad[i]);
        if (load(s) != ERR_CONFIG)
            fail_msg("accepted: %s", bad[i]);
        char expected[64];
        snprintf(expected, sizeof expected, "event=config.invalid key=%.*s value=", (int)strcspn(bad[i], "="), bad[i]);
        if (!strstr(s->log, expected) || !strstr(s->log, " wants=\"") || lines_of(s->log) != 1)
            fail_msg("%s: %s", bad[i], s->log);
    }
}

static void a_secret_is_never_shown(void **state)
{
    struct story *s = *state;
    given(s, "DB_PASSWORD=hunter2");
    assert_int_equal(load(s), ERR_CONFIG);
    assert_non_null(strstr(s->log, "event=config.invalid key=DB_PASSWORD wants="));
    assert_null(strstr(s->log, "hunter2"));
}

static void all_problems_are_told_at_once_and_nothing_is_left(void **state)
{
    struct story *s = *state;
    given(s, "NODE_NAME=");
    given(s, "MEMPOOL_MAX_TXS=0");
    given(s, "DB_PASSWORD=short");
    given(s, "MEMPOOL_MAX_TX=3");
    assert_int_equal(load(s), ERR_CONFIG);
    assert_int_equal(lines_of(s->log), 4);
    const struct sample zero = {0};
    assert_memory_equal(&s->sample, &zero, sizeof zero);
}

static void an_unknown_key_with_our_prefix_is_refused_with_the_nearest(void **state)
{
    struct story *s = *state;
    given(s, "MEMPOOL_MAX_TX=3");
    assert_int_equal(load(s), ERR_CONFIG);
    assert_non_null(strstr(s->log, "event=config.unknown key=\"MEMPOOL_MAX_TX\" nearest=MEMPOOL_MAX_TXS\n"));
    story_teardown(state);
    story_setup(state);
    given(s, "KAFKA_BROKER=x:1");
    assert_int_equal(load(s), ERR_CONFIG);
    assert_non_null(strstr(s->log, "nearest=KAFKA_BROKERS\n"));
}

static void what_is_not_ours_is_left_alone(void **state)
{
    struct story *s = *state;
    given(s, "PATH=/bin");
    given(s, "MEMPOOL=1");
    given(s, "mempool_max=1");
    given(s, "_MEMPOOL=1");
    given(s, "=x");
    given(s, "NODE_OPTIONS=--inspect"); /* the prefix of NODE_NAME is not ours alone */
    assert_int_equal(load(s), 0);
    assert_string_equal(s->log, "");
}

static char *printed(struct story *s, bool help)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    assert_non_null(out);
    if (help)
        config_help(out, s->tables);
    else
        config_print(out, &s->sample, s->tables);
    fclose(out);
    return text;
}

static void what_is_printed_loads_again_but_for_secrets(void **state)
{
    struct story *s = *state;
    given(s, "DB_PASSWORD=swordfish");
    given(s, "MEMPOOL_TTL=90s");
    given(s, "INGESTD_CURVE_KEY=" DIGITS);
    assert_int_equal(load(s), 0);
    char *text = printed(s, false);
    assert_string_equal(text, "NODE_NAME=v1\n"
                              "GENESIS_FILE=/proc/self/status\n"
                              "LOG_LEVEL=info\n"
                              "ADMIN_LISTEN=127.0.0.1:9000\n"
                              "MEMPOOL_MAX_TXS=1000\n"
                              "MEMPOOL_TTL=90s\n"
                              "MEMPOOL_BYTES=10MiB\n"
                              "MEMPOOL_GOSSIP=true\n"
                              "DB_PASSWORD=***\n"
                              "KAFKA_TOPIC=ai.dlq.v1\n"
                              "KAFKA_BROKERS=a:1,b:2\n"
                              "POOL_ENDPOINT=ipc://ipc/pool.sock\n"
                              "INGESTD_CURVE_KEY=" DIGITS "\n");
    free(text);
}

static void help_names_every_key_with_its_limits(void **state)
{
    struct story *s = *state;
    char *text = printed(s, true);
    for (size_t i = 0; i < ARRAY_COUNT(keys); i++)
        assert_non_null(strstr(text, keys[i].name));
    assert_non_null(strstr(text, "a whole number from 1 to 5000; default 1000\n"));
    assert_non_null(strstr(text, "a duration with its unit, as 500ms, from 500ms to 1d; default 15m\n"));
    assert_non_null(strstr(text, "one of debug, info, warn, error; default info\n"));
    assert_non_null(strstr(text, "; required\n"));
    assert_non_null(strstr(text, "; optional\n"));
    free(text);
}

int main(void)
{
#define STORY(name) cmocka_unit_test_setup_teardown(name, story_setup, story_teardown)
    const struct CMUnitTest tests[] = {
        STORY(what_is_not_set_is_its_default),
        STORY(an_empty_value_counts_as_not_set),
        STORY(every_type_is_read),
        STORY(a_bad_value_is_refused_by_name),
        STORY(a_secret_is_never_shown),
        STORY(all_problems_are_told_at_once_and_nothing_is_left),
        STORY(an_unknown_key_with_our_prefix_is_refused_with_the_nearest),
        STORY(what_is_not_ours_is_left_alone),
        STORY(what_is_printed_loads_again_but_for_secrets),
        STORY(help_names_every_key_with_its_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
