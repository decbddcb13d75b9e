/* kafka_client.h - what consumer, producer and group have in common: configuration, log and statistics. Only for
 * kafka_*.c.
 *
 * Not pure. Ownership: the client is embedded in its owner, and is librdkafka's `opaque`.
 * Threads: kafka_client's log callback runs on librdkafka's threads; everything else on the owner's.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <librdkafka/rdkafka.h>

#include "common/base/attr.h"
#include "common/edge/log.h"

DEFINE_CLEANUP(kafka_client_conf_cleanup, rd_kafka_conf_t, rd_kafka_conf_destroy)
DEFINE_CLEANUP(kafka_client_list_cleanup, rd_kafka_topic_partition_list_t, rd_kafka_topic_partition_list_destroy)
DEFINE_CLEANUP(kafka_client_queue_cleanup, rd_kafka_queue_t, rd_kafka_queue_destroy)

struct kafka_client {
    rd_kafka_t *rk;
    bool connected;
    int64_t lag; /* -1: unknown */
    struct log_limit log_limit;
    struct log_limit error_limit;
};

struct kafka_client_setting {
    const char *name;
    const char *value; /* NULL: left at its default */
};

/* A configuration with these settings, the callbacks below and `client` as opaque.
 * Returns 0, -EINVAL (logged) or -ENOMEM. */
MUST_USE int kafka_client_conf_new(rd_kafka_conf_t **out, struct kafka_client *client,
                                   const struct kafka_client_setting *settings, size_t count);

/* Start the handle; *conf is consumed on success. Returns 0 or -EINVAL (logged). */
MUST_USE int kafka_client_start(struct kafka_client *client, rd_kafka_type_t type, rd_kafka_conf_t **conf);

/* Log `event` with what librdkafka says, at the client's limited rate. */
void kafka_client_failure(struct kafka_client *client, const char *event, rd_kafka_resp_err_t err);

/* Commit offsets. With timeout_ms 0 the answer goes to `later` (may be NULL: to the offset_commit callback), else
 * it is waited for. Returns 0, ERR_RETRY (refused or no answer, logged) or -EIO. */
MUST_USE int kafka_client_commit(struct kafka_client *client, const rd_kafka_topic_partition_list_t *list,
                                 rd_kafka_queue_t *later, uint32_t timeout_ms);
