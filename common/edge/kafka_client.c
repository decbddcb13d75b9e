/* kafka_client.c - librdkafka's words become log lines here, and its statistics two numbers. */
#include "common/edge/kafka_client.h"

#include <errno.h>
#include <string.h>

#include <jansson.h>

#include "common/base/err.h"
#include "common/edge/json.h"

enum { SYSLOG_WARNING = 4 };

/* From any of librdkafka's threads. */
static void on_log(const rd_kafka_t *rk, int level, const char *facility, const char *text)
{
    struct kafka_client *client = rk ? rd_kafka_opaque(rk) : NULL;
    if (client && level <= SYSLOG_WARNING)
        log_limited(&client->log_limit, LOG_LEVEL_WARN, "kafka.log", "client=%s facility=%s text=%s",
                    LOG_QUOTE_TEXT(rd_kafka_name(rk)), LOG_QUOTE_TEXT(facility), LOG_QUOTE_TEXT(text));
    else
        log_debug("kafka.log", "facility=%s text=%s", LOG_QUOTE_TEXT(facility), LOG_QUOTE_TEXT(text));
}

static void on_error(rd_kafka_t *rk, int err, const char *reason, void *opaque)
{
    struct kafka_client *client = opaque;
    if (err == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN)
        client->connected = false;
    log_limited(&client->error_limit, LOG_LEVEL_WARN, "kafka.error", "client=%s code=%s reason=%s",
                LOG_QUOTE_TEXT(rd_kafka_name(rk)), rd_kafka_err2name((rd_kafka_resp_err_t)err), LOG_QUOTE_TEXT(reason));
}

static bool any_broker_up(json_t *statistics)
{
    const char *name;
    json_t *broker;
    json_object_foreach(json_object_get(statistics, "brokers"), name, broker)
    {
        const char *state = json_string_value(json_object_get(broker, "state"));
        if (state && strcmp(state, "UP") == 0)
            return true;
    }
    return false;
}

static int64_t lag_sum(json_t *statistics)
{
    int64_t sum = -1;
    const char *name;
    json_t *topic;
    json_object_foreach(json_object_get(statistics, "topics"), name, topic)
    {
        const char *number;
        json_t *partition;
        json_object_foreach(json_object_get(topic, "partitions"), number, partition)
        {
            json_int_t lag = json_integer_value(json_object_get(partition, "consumer_lag"));
            if (strcmp(number, "-1") != 0 && lag >= 0 && json_is_true(json_object_get(partition, "desired")))
                sum = (sum < 0 ? 0 : sum) + lag;
        }
    }
    return sum;
}

static int on_statistics(rd_kafka_t *rk, char *text, size_t size, void *opaque)
{
    struct kafka_client *client = opaque;
    CLEANUP(json_cleanup) json_t *statistics = json_loadb(text, size, 0, NULL);
    if (statistics) {
        client->connected = any_broker_up(statistics);
        client->lag = lag_sum(statistics);
    }
    return 0; /* librdkafka frees the text */
}

int kafka_client_conf_new(rd_kafka_conf_t **out, struct kafka_client *client,
                          const struct kafka_client_setting *settings, size_t count)
{
    CLEANUP(kafka_client_conf_cleanup) rd_kafka_conf_t *conf = rd_kafka_conf_new();
    if (!conf)
        return -ENOMEM;
    for (size_t i = 0; i < count; i++) {
        char error[256] = "";
        if (settings[i].value &&
            rd_kafka_conf_set(conf, settings[i].name, settings[i].value, error, sizeof error) != RD_KAFKA_CONF_OK) {
            log_error("kafka.bad_setting", "name=%s error=%s", settings[i].name, LOG_QUOTE_TEXT(error));
            return -EINVAL;
        }
    }
    rd_kafka_conf_set_opaque(conf, client);
    rd_kafka_conf_set_log_cb(conf, on_log);
    rd_kafka_conf_set_error_cb(conf, on_error);
    rd_kafka_conf_set_stats_cb(conf, on_statistics);
    client->lag = -1;
    *out = TAKE(conf);
    return 0;
}

int kafka_client_start(struct kafka_client *client, rd_kafka_type_t type, rd_kafka_conf_t **conf)
{
    char error[256] = "";
    rd_kafka_t *rk = rd_kafka_new(type, *conf, error, sizeof error);
    if (!rk) {
        log_error("kafka.bad_setting", "error=%s", LOG_QUOTE_TEXT(error));
        return -EINVAL;
    }
    *conf = NULL; /* librdkafka's now */
    client->rk = rk;
    client->connected = false;
    return 0;
}

void kafka_client_failure(struct kafka_client *client, const char *event, rd_kafka_resp_err_t err)
{
    log_limited(&client->error_limit, LOG_LEVEL_WARN, event, "client=%s code=%s reason=%s",
                LOG_QUOTE_TEXT(rd_kafka_name(client->rk)), rd_kafka_err2name(err),
                LOG_QUOTE_TEXT(rd_kafka_err2str(err)));
}

int kafka_client_commit(struct kafka_client *client, const rd_kafka_topic_partition_list_t *list,
                        rd_kafka_queue_t *later, uint32_t timeout_ms)
{
    if (timeout_ms == 0) {
        rd_kafka_resp_err_t err =
            later ? rd_kafka_commit_queue(client->rk, list, later, NULL, NULL) : rd_kafka_commit(client->rk, list, 1);
        if (err)
            kafka_client_failure(client, "kafka.commit_failed", err);
        return err ? -EIO : 0;
    }
    CLEANUP(kafka_client_queue_cleanup) rd_kafka_queue_t *queue = rd_kafka_queue_new(client->rk);
    rd_kafka_resp_err_t err = rd_kafka_commit_queue(client->rk, list, queue, NULL, NULL);
    if (!err) {
        rd_kafka_event_t *event = rd_kafka_queue_poll(queue, (int)timeout_ms);
        err = event ? rd_kafka_event_error(event) : RD_KAFKA_RESP_ERR__TIMED_OUT;
        if (event)
            rd_kafka_event_destroy(event);
    }
    if (err && err != RD_KAFKA_RESP_ERR__NO_OFFSET) {
        kafka_client_failure(client, "kafka.commit_failed", err);
        return ERR_RETRY;
    }
    return 0;
}
