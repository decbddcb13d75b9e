/* kafka_group.c - a consumer handle that never subscribes: it only talks to the group's coordinator. */
#include <errno.h>
#include <stdlib.h>

#include "common/base/err.h"
#include "common/edge/kafka.h"
#include "common/edge/kafka_client.h"

struct kafka_group {
    struct kafka_client client;
    rd_kafka_queue_t *answers; /* of commits that nobody waits for */
};

int kafka_group_new(struct kafka_group **out, const struct kafka_group_options *options)
{
    CLEANUP(kafka_group_destroy) struct kafka_group *self = calloc(1, sizeof *self);
    if (!self)
        return -ENOMEM;
    const struct kafka_client_setting settings[] = {
        {"bootstrap.servers", options->brokers},
        {"client.id", options->client_id},
        {"group.id", options->group_id},
        {"enable.auto.commit", "false"},
        {"enable.auto.offset.store", "false"},
        {"session.timeout.ms", "6000"}, /* also how long a commit waits for a broker */
    };
    CLEANUP(kafka_client_conf_cleanup) rd_kafka_conf_t *conf = NULL;
    int rc = kafka_client_conf_new(&conf, &self->client, settings, ARRAY_COUNT(settings));
    if (rc == 0)
        rc = kafka_client_start(&self->client, RD_KAFKA_CONSUMER, &conf);
    if (rc < 0)
        return rc;
    self->answers = rd_kafka_queue_new(self->client.rk);
    *out = TAKE(self);
    return 0;
}

void kafka_group_destroy(struct kafka_group **self)
{
    if (!self || !*self)
        return;
    if ((*self)->answers)
        rd_kafka_queue_destroy((*self)->answers);
    if ((*self)->client.rk)
        rd_kafka_destroy_flags((*self)->client.rk,
                               RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE); /* no member: nothing to leave */
    free(*self);
    *self = NULL;
}

int kafka_group_committed(struct kafka_group *self, const char *topic, int32_t partition, uint32_t timeout_ms,
                          int64_t *offset)
{
    CLEANUP(kafka_client_list_cleanup) rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_t *entry = rd_kafka_topic_partition_list_add(list, topic, partition);
    rd_kafka_resp_err_t err = rd_kafka_committed(self->client.rk, list, (int)timeout_ms);
    if (!err)
        err = entry->err;
    if (err) {
        kafka_client_failure(&self->client, "kafka.committed_failed", err);
        return ERR_RETRY;
    }
    *offset = entry->offset >= 0 ? entry->offset : -1;
    return 0;
}

int kafka_group_commit(struct kafka_group *self, const char *topic, int32_t partition, int64_t offset,
                       uint32_t timeout_ms)
{
    CLEANUP(kafka_client_list_cleanup) rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, topic, partition)->offset = offset;
    int rc = kafka_client_commit(&self->client, list, self->answers, timeout_ms);
    return rc == -EIO ? ERR_RETRY : rc;
}

void kafka_group_poll(struct kafka_group *self)
{
    rd_kafka_event_t *event;
    while ((event = rd_kafka_queue_poll(self->answers, 0))) {
        if (rd_kafka_event_error(event))
            kafka_client_failure(&self->client, "kafka.commit_failed", rd_kafka_event_error(event));
        rd_kafka_event_destroy(event);
    }
}
