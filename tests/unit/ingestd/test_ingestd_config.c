/* ingestd_config.c: defaults, and what the table cannot say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

#include "common/base/err.h"
#include "common/edge/log.h"
#include "services/ingestd/ingestd_config.h"

enum { ENVIRONMENT_MAX = 32 };

static char file[] = "/tmp/ingestd-config-XXXXXX";

/* Load what every test needs and these lines; check it; free it. Returns the first failure. */
static int load(struct ingestd_config *config, const char *const *lines)
{
    static char needed[3][128];
    snprintf(needed[0], sizeof needed[0], "GENESIS_FILE=%s", file);
    snprintf(needed[1], sizeof needed[1], "CONTROL_KEY_FILE=%s", file);
    snprintf(needed[2], sizeof needed[2], "STAGE_CURVE_KEY_FILE=%s", file);
    const char *environment[ENVIRONMENT_MAX] = {"NODE_NAME=v1",      "ADMIN_LISTEN=127.0.0.1:0",
                                                "KAFKA_BROKERS=h:1", "KAFKA_CONSUMER_GROUP_ID=g",
                                                needed[0],           needed[1]};
    size_t count = 6;
    for (; lines && *lines; lines++)
        environment[count++] = **lines == '+' ? needed[2] : *lines;
    const struct config_table tables[] = {config_common_table, ingestd_config_table};
    struct config_tables all = {tables, 2};
    *config = (struct ingestd_config){0};
    int rc = config_load(config, all, environment);
    if (rc < 0)
        return rc;
    rc = ingestd_config_check(config);
    if (rc < 0)
        config_free(config, all);
    return rc;
}

static void unload(struct ingestd_config *config)
{
    const struct config_table tables[] = {config_common_table, ingestd_config_table};
    config_free(config, (struct config_tables){tables, 2});
}

#define LINES(...) ((const char *const[]){__VA_ARGS__, NULL})

static void what_is_not_said_has_defaults(void **state)
{
    struct ingestd_config config;
    assert_int_equal(load(&config, NULL), 0);
    assert_int_equal(config.input_topics.count, INGESTD_TOPIC_COUNT);
    assert_string_equal(config.input_topics.items[0], "ai.anomalies.v1");
    assert_string_equal(config.input_topics.items[1], "ai.evidence.v1");
    assert_string_equal(config.input_topics.items[2], "ai.policy.v1");
    assert_string_equal(config.dlq_topic, "ai.dlq.v1");
    assert_string_equal(config.commits_topic, "control.commits.v1");
    assert_int_equal(config.max_timestamp_skew_ms, 300000);
    assert_int_equal(config.verify_threads, 1);
    assert_int_equal(config.in_flight_records_max, 32768);
    assert_int_equal(config.in_flight_bytes_max, 64 << 20);
    assert_string_equal(config.admission_endpoint, "ipc://ipc/admission.sock");
    unload(&config);
}

static void topics_are_three_and_all_differ(void **state)
{
    struct ingestd_config config;
    assert_int_equal(load(&config, LINES("KAFKA_INPUT_TOPICS=a,b")), ERR_CONFIG);
    assert_int_equal(load(&config, LINES("KAFKA_INPUT_TOPICS=a,b,c,d")), ERR_CONFIG);
    assert_int_equal(load(&config, LINES("KAFKA_INPUT_TOPICS=a,b,a")), ERR_CONFIG);
    assert_int_equal(load(&config, LINES("KAFKA_DLQ_TOPIC=ai.policy.v1")), ERR_CONFIG);
    assert_int_equal(load(&config, LINES("KAFKA_DLQ_TOPIC=x", "KAFKA_COMMITS_TOPIC=x")), ERR_CONFIG);
    assert_int_equal(load(&config, LINES("KAFKA_INPUT_TOPICS=a,b,c")), 0);
    unload(&config);
}

static void tcp_wants_keys(void **state)
{
    static const char mempoold[] =
        "MEMPOOLD_CURVE_KEY=0101010101010101010101010101010101010101010101010101010101010101";
    static const char persistd[] =
        "PERSISTD_CURVE_KEY=0101010101010101010101010101010101010101010101010101010101010101";
    struct ingestd_config config;
    assert_int_equal(load(&config, LINES("ADMISSION_ENDPOINT=tcp://h:1")), ERR_CONFIG);
    assert_int_equal(load(&config, LINES("ADMISSION_ENDPOINT=tcp://h:1", mempoold)), ERR_CONFIG);
    assert_int_equal(load(&config, LINES("ADMISSION_ENDPOINT=tcp://h:1", "+", persistd)), ERR_CONFIG);
    assert_int_equal(load(&config, LINES("ADMISSION_ENDPOINT=tcp://h:1", "+", mempoold)), 0);
    unload(&config);
    assert_int_equal(load(&config, LINES("FEED_ENDPOINT=tcp://h:1", "+", mempoold)), ERR_CONFIG);
    assert_int_equal(load(&config, LINES("FEED_PUB_ENDPOINT=tcp://h:1", "+", mempoold)), ERR_CONFIG);
    assert_int_equal(load(&config, LINES("FEED_ENDPOINT=tcp://h:1", "FEED_PUB_ENDPOINT=tcp://h:2", "+", persistd)), 0);
    unload(&config);
}

static void an_unknown_key_is_a_mistake(void **state)
{
    struct ingestd_config config;
    assert_int_equal(load(&config, LINES("KAFKA_BROKER=h:1")), ERR_CONFIG);
}

int main(void)
{
    log_open("test", NULL, LOG_LEVEL_ERROR);
    log_set_fd(-1);
    int fd = mkstemp(file);
    if (fd < 0)
        return 1;
    close(fd);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_not_said_has_defaults),
        cmocka_unit_test(topics_are_three_and_all_differ),
        cmocka_unit_test(tcp_wants_keys),
        cmocka_unit_test(an_unknown_key_is_a_mistake),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(file);
    return failed;
}
