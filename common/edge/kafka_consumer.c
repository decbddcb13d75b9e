/* kafka_consumer.c - records are taken one by one, not with rd_kafka_consume_batch_queue(): a rebalance in the middle
 * of such a batch cannot be told from one before or after it, and records of partitions that are gone would get out.
 *
 * A consumer that librdkafka declares dead is made anew when the last record on loan is back. A broker that stood still
 * for longer than the session is one reason: it answers the join of before and that of after, and the later member of
 * the same instance fences the earlier one.
 *
 * A pause reaches librdkafka with the next record of each partition, never earlier. What is asked of a partition has a
 * number there, and what comes behind a higher one is dropped without a word: a pause beside the start that another
 * thread of it is making drops the start, and the partition is never read. A record says that the start is done.
 */
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/base/err.h"
#include "common/edge/kafka.h"
#include "common/edge/kafka_client.h"
#include "common/edge/loop.h"

enum {
    NUMBER_BYTES = 16,
    RENEW_INTERVAL_MS = 5000, /* two processes with one instance_id fence each other: not faster than this */
};

/* A partition that is or was assigned. */
struct slot {
    struct kafka_partition id;
    bool assigned;
    bool stopped; /* librdkafka has been told to pause it */
    int64_t next; /* if it is stopped: the record to go on with */
};

struct kafka_consumer {
    struct kafka_client client; /* first: librdkafka's opaque is this */
    void (*assigned)(void *context, const struct kafka_partition *partitions, size_t count);
    void (*revoked)(void *context, const struct kafka_partition *partitions, size_t count);
    void *context;
    char *brokers;
    char *client_id;
    char *group_id;
    char *instance_id; /* NULL: none */
    char *topics[KAFKA_TOPIC_COUNT_MAX];
    uint32_t topic_count;
    int wakeup_fd;
    struct slot *slots;
    size_t slot_count;
    size_t slot_capacity;
    struct kafka_partition *told; /* room for a handler's argument, slot_capacity */
    uint64_t revocations;
    uint64_t started_ms;
    size_t loans; /* records given out and not released */
    bool paused;
    bool dead; /* fatal error, or no handle: to be made anew */
    bool closing;
};

/* --- partitions --------------------------------------------------------------------------------------------------- */

static struct slot *slot_find(const struct kafka_consumer *self, uint32_t topic, int32_t partition)
{
    for (size_t i = 0; i < self->slot_count; i++) {
        if (self->slots[i].id.topic == topic && self->slots[i].id.partition == partition)
            return &self->slots[i];
    }
    return NULL;
}

/* The slot, made when it is not there; NULL without memory. */
static struct slot *slot_get(struct kafka_consumer *self, uint32_t topic, int32_t partition)
{
    struct slot *slot = slot_find(self, topic, partition);
    if (slot)
        return slot;
    if (self->slot_count == self->slot_capacity) {
        size_t capacity = 2 * self->slot_capacity + 16;
        struct slot *slots = realloc(self->slots, capacity * sizeof *slots);
        if (!slots)
            return NULL;
        self->slots = slots;
        struct kafka_partition *told = realloc(self->told, capacity * sizeof *told);
        if (!told)
            return NULL;
        self->told = told;
        self->slot_capacity = capacity;
    }
    slot = &self->slots[self->slot_count++];
    *slot = (struct slot){.id = {.topic = topic, .partition = partition}};
    return slot;
}

static int topic_index(const struct kafka_consumer *self, const char *name)
{
    for (uint32_t i = 0; i < self->topic_count; i++) {
        if (strcmp(self->topics[i], name) == 0)
            return (int)i;
    }
    return -1;
}

static size_t assigned_list(struct kafka_consumer *self)
{
    size_t count = 0;
    for (size_t i = 0; i < self->slot_count; i++) {
        if (self->slots[i].assigned)
            self->told[count++] = self->slots[i].id;
    }
    return count;
}

/* Pause the partition of a record that came though we are paused. It is fetched again after the resume. */
static void record_refuse(struct kafka_consumer *self, uint32_t topic, rd_kafka_message_t *message)
{
    struct slot *slot = slot_find(self, topic, message->partition);
    if (slot && !slot->stopped) {
        slot->stopped = true;
        slot->next = message->offset;
    }
    CLEANUP(kafka_client_list_cleanup) rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, self->topics[topic], message->partition);
    rd_kafka_message_destroy(message);
    rd_kafka_resp_err_t err = rd_kafka_pause_partitions(self->client.rk, list);
    if (err)
        kafka_client_failure(&self->client, "kafka.pause_failed", err);
}

void kafka_consumer_pause(struct kafka_consumer *self)
{
    self->paused = true;
}

void kafka_consumer_resume(struct kafka_consumer *self)
{
    self->paused = false;
    CLEANUP(kafka_client_list_cleanup) rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(8);
    for (size_t i = 0; i < self->slot_count; i++) {
        struct slot *slot = &self->slots[i];
        if (slot->stopped)
            rd_kafka_topic_partition_list_add(list, self->topics[slot->id.topic], slot->id.partition)->offset =
                slot->next;
        slot->stopped = false;
    }
    if (list->cnt == 0)
        return;
    rd_kafka_error_t *error = rd_kafka_seek_partitions(self->client.rk, list, 0); /* does not wait */
    if (error)
        kafka_client_failure(&self->client, "kafka.resume_failed", rd_kafka_error_code(error));
    rd_kafka_error_destroy(error);
    rd_kafka_resp_err_t err = rd_kafka_resume_partitions(self->client.rk, list);
    if (err)
        kafka_client_failure(&self->client, "kafka.resume_failed", err);
}

/* --- rebalance ---------------------------------------------------------------------------------------------------- */

static void partitions_assign(struct kafka_consumer *self, const rd_kafka_topic_partition_list_t *list)
{
    for (int i = 0; i < list->cnt; i++) {
        int topic = topic_index(self, list->elems[i].topic);
        struct slot *slot = topic < 0 ? NULL : slot_get(self, (uint32_t)topic, list->elems[i].partition);
        if (slot)
            slot->assigned = true;
        else
            log_error("kafka.assign_failed", "partition=%" PRId32, list->elems[i].partition);
    }
    rd_kafka_resp_err_t err = rd_kafka_assign(self->client.rk, list);
    if (err)
        kafka_client_failure(&self->client, "kafka.assign_failed", err);
    size_t count = assigned_list(self);
    log_info("kafka.assigned", "partitions=%zu", count);
    if (self->assigned && !self->closing && count > 0)
        self->assigned(self->context, self->told, count);
}

static void revocation_tell(struct kafka_consumer *self)
{
    size_t count = assigned_list(self);
    log_info("kafka.revoked", "partitions=%zu", count);
    if (self->revoked && !self->closing && count > 0)
        self->revoked(self->context, self->told, count);
    self->revocations++;
}

static void partitions_revoke(struct kafka_consumer *self)
{
    revocation_tell(self);
    CLEANUP(kafka_client_list_cleanup) rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(8);
    for (size_t i = 0; i < self->slot_count; i++) {
        struct slot *slot = &self->slots[i];
        if (slot->assigned)
            rd_kafka_topic_partition_list_add(list, self->topics[slot->id.topic], slot->id.partition);
        slot->assigned = slot->stopped = false;
    }
    rd_kafka_resume_partitions(self->client.rk, list); /* a pause would hold for the next assignment, too */
    rd_kafka_assign(self->client.rk, NULL);
}

static void on_rebalance(rd_kafka_t *rk, rd_kafka_resp_err_t err, rd_kafka_topic_partition_list_t *list, void *opaque)
{
    struct kafka_consumer *self = opaque;
    if (err == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS && !self->closing)
        partitions_assign(self, list);
    else
        partitions_revoke(self);
}

static void on_commit(rd_kafka_t *rk, rd_kafka_resp_err_t err, rd_kafka_topic_partition_list_t *list, void *opaque)
{
    struct kafka_consumer *self = opaque;
    if (err && err != RD_KAFKA_RESP_ERR__NO_OFFSET)
        kafka_client_failure(&self->client, "kafka.commit_failed", err);
}

/* --- life --------------------------------------------------------------------------------------------------------- */

static int handle_start(struct kafka_consumer *self)
{
    char queue[NUMBER_BYTES], record[NUMBER_BYTES], session[NUMBER_BYTES], statistics[NUMBER_BYTES];
    snprintf(queue, sizeof queue, "%d", KAFKA_FETCH_QUEUE_KIB);
    snprintf(record, sizeof record, "%d", KAFKA_RECORD_BYTES_MAX);
    snprintf(session, sizeof session, "%d", KAFKA_SESSION_TIMEOUT_MS);
    snprintf(statistics, sizeof statistics, "%d", KAFKA_STATISTICS_INTERVAL_MS);
    const struct kafka_client_setting settings[] = {
        {"bootstrap.servers", self->brokers},
        {"client.id", self->client_id},
        {"group.id", self->group_id},
        {"group.instance.id", self->instance_id},
        {"partition.assignment.strategy", "range"}, /* eager */
        {"session.timeout.ms", session},
        {"auto.offset.reset", "earliest"},
        {"enable.auto.commit", "false"},
        {"enable.auto.offset.store", "false"},
        {"queued.max.messages.kbytes", queue},
        {"fetch.message.max.bytes", record},
        {"fetch.wait.max.ms", "100"},
        {"fetch.error.backoff.ms", "200"},
        {"topic.metadata.refresh.interval.ms", "10000"}, /* so that a new topic is seen soon */
        {"reconnect.backoff.max.ms", "2000"},
        {"statistics.interval.ms", statistics},
    };
    CLEANUP(kafka_client_conf_cleanup) rd_kafka_conf_t *conf = NULL;
    int rc = kafka_client_conf_new(&conf, &self->client, settings, ARRAY_COUNT(settings));
    if (rc < 0)
        return rc;
    rd_kafka_conf_set_rebalance_cb(conf, on_rebalance);
    rd_kafka_conf_set_offset_commit_cb(conf, on_commit);
    return kafka_client_start(&self->client, RD_KAFKA_CONSUMER, &conf);
}

static int handle_subscribe(struct kafka_consumer *self)
{
    rd_kafka_poll_set_consumer(self->client.rk);
    if (self->wakeup_fd >= 0) {
        CLEANUP(kafka_client_queue_cleanup) rd_kafka_queue_t *queue = rd_kafka_queue_get_consumer(self->client.rk);
        rd_kafka_queue_io_event_enable(queue, self->wakeup_fd, &loop_wakeup_payload, sizeof loop_wakeup_payload);
    }
    CLEANUP(kafka_client_list_cleanup) rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(8);
    for (uint32_t i = 0; i < self->topic_count; i++)
        rd_kafka_topic_partition_list_add(list, self->topics[i], RD_KAFKA_PARTITION_UA);
    rd_kafka_resp_err_t err = rd_kafka_subscribe(self->client.rk, list);
    if (err)
        kafka_client_failure(&self->client, "kafka.subscribe_failed", err);
    return err ? -EINVAL : 0;
}

static int consumer_start(struct kafka_consumer *self)
{
    self->started_ms = loop_now_ms();
    int rc = handle_start(self);
    if (rc == 0)
        rc = handle_subscribe(self);
    self->dead = rc < 0;
    return rc;
}

static int options_copy(struct kafka_consumer *self, const struct kafka_consumer_options *options)
{
    self->assigned = options->assigned;
    self->revoked = options->revoked;
    self->context = options->context;
    self->wakeup_fd = options->wakeup_fd;
    self->brokers = strdup(options->brokers);
    self->client_id = strdup(options->client_id);
    self->group_id = strdup(options->group_id);
    self->instance_id = options->instance_id ? strdup(options->instance_id) : NULL;
    if (!self->brokers || !self->client_id || !self->group_id || (options->instance_id && !self->instance_id))
        return -ENOMEM;
    for (; self->topic_count < options->topic_count; self->topic_count++) {
        self->topics[self->topic_count] = strdup(options->topics[self->topic_count]);
        if (!self->topics[self->topic_count])
            return -ENOMEM;
    }
    return 0;
}

int kafka_consumer_new(struct kafka_consumer **out, const struct kafka_consumer_options *options)
{
    if (options->topic_count < 1 || options->topic_count > KAFKA_TOPIC_COUNT_MAX)
        return -EINVAL;
    CLEANUP(kafka_consumer_destroy) struct kafka_consumer *self = calloc(1, sizeof *self);
    if (!self)
        return -ENOMEM;
    int rc = options_copy(self, options);
    if (rc == 0)
        rc = consumer_start(self);
    if (rc < 0)
        return rc;
    *out = TAKE(self);
    return 0;
}

/* One that librdkafka gave up is not closed: the close does nothing, and the end behind it may wait for ever. */
static void handle_end(struct kafka_consumer *self)
{
    rd_kafka_t *rk = self->client.rk;
    if (!rk)
        return;
    bool lost = rd_kafka_fatal_error(rk, NULL, 0) != RD_KAFKA_RESP_ERR_NO_ERROR;
    if (!lost)
        rd_kafka_consumer_close(rk);
    rd_kafka_destroy_flags(rk, lost ? RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE : 0);
    self->client.rk = NULL;
}

void kafka_consumer_destroy(struct kafka_consumer **self)
{
    if (!self || !*self)
        return;
    struct kafka_consumer *consumer = *self;
    consumer->closing = true;
    handle_end(consumer);
    for (uint32_t i = 0; i < consumer->topic_count; i++)
        free(consumer->topics[i]);
    free(consumer->brokers);
    free(consumer->client_id);
    free(consumer->group_id);
    free(consumer->instance_id);
    free(consumer->slots);
    free(consumer->told);
    free(consumer);
    *self = NULL;
}

/* --- the end of a handle and the next one ------------------------------------------------------------------------- */

/* librdkafka gives this handle up: its partitions are gone, and so is what can be committed. */
static void handle_give_up(struct kafka_consumer *self, rd_kafka_resp_err_t err, const char *reason)
{
    log_error("kafka.consumer_lost", "code=%s reason=%s loans=%zu", rd_kafka_err2name(err), LOG_QUOTE_TEXT(reason),
              self->loans);
    self->dead = true;
    revocation_tell(self);
    for (size_t i = 0; i < self->slot_count; i++)
        self->slots[i].assigned = self->slots[i].stopped = false;
}

/* A new handle, once nothing of the old one is on loan: librdkafka's end would wait for it. */
static void consumer_renew(struct kafka_consumer *self)
{
    if (self->loans > 0 || loop_now_ms() < self->started_ms + RENEW_INTERVAL_MS)
        return;
    handle_end(self);
    int rc = consumer_start(self);
    if (rc < 0)
        log_error("kafka.consumer_renew_failed", "error=\"%s\"", err_text(rc));
    else
        log_info("kafka.consumer_renewed", "group=%s", self->group_id);
}

/* --- records ------------------------------------------------------------------------------------------------------ */

/* An error that comes in place of a record: logged; librdkafka goes on by itself. */
static void error_take(struct kafka_consumer *self, rd_kafka_message_t *message)
{
    const char *topic = message->rkt ? rd_kafka_topic_name(message->rkt) : "";
    log_limited(&self->client.error_limit, LOG_LEVEL_WARN, "kafka.consume_failed", "topic=%s code=%s reason=%s",
                LOG_QUOTE_TEXT(topic), rd_kafka_err2name(message->err),
                LOG_QUOTE_TEXT(rd_kafka_message_errstr(message)));
    rd_kafka_message_destroy(message);
}

static struct kafka_message message_lend(struct kafka_consumer *self, uint32_t topic, rd_kafka_message_t *message)
{
    rd_kafka_timestamp_type_t type;
    self->loans++;
    return (struct kafka_message){
        .topic = topic,
        .partition = message->partition,
        .offset = message->offset,
        .timestamp_ms = rd_kafka_message_timestamp(message, &type),
        .key = span_of(message->key, message->key ? message->key_len : 0),
        .value = span_of(message->payload, message->payload ? message->len : 0),
        .handle = message,
        .lender = self,
    };
}

static void messages_release(struct kafka_message *messages, size_t count)
{
    for (size_t i = 0; i < count; i++)
        kafka_message_release(&messages[i]);
}

static size_t records_take(struct kafka_consumer *self, struct kafka_message *messages, size_t count_max)
{
    size_t count = 0;
    while (count < count_max) {
        uint64_t revocations = self->revocations;
        rd_kafka_message_t *message = rd_kafka_consumer_poll(self->client.rk, 0);
        if (self->revocations != revocations) { /* what we took before it belongs to nobody now */
            messages_release(messages, count);
            count = 0;
        }
        if (!message)
            break;
        int topic = message->rkt ? topic_index(self, rd_kafka_topic_name(message->rkt)) : -1;
        if (message->err || topic < 0)
            error_take(self, message);
        else if (self->paused)
            record_refuse(self, (uint32_t)topic, message);
        else
            messages[count++] = message_lend(self, (uint32_t)topic, message);
    }
    return count;
}

size_t kafka_consumer_poll(struct kafka_consumer *self, struct kafka_message *messages, size_t count_max)
{
    if (self->dead)
        consumer_renew(self);
    if (self->dead)
        return 0;
    size_t count = records_take(self, messages, count_max < KAFKA_BATCH_COUNT_MAX ? count_max : KAFKA_BATCH_COUNT_MAX);
    char reason[256] = "";
    rd_kafka_resp_err_t err = rd_kafka_fatal_error(self->client.rk, reason, sizeof reason);
    if (!err)
        return count;
    messages_release(messages, count);
    handle_give_up(self, err, reason);
    return 0;
}

void kafka_message_release(struct kafka_message *message)
{
    if (!message->handle)
        return;
    rd_kafka_message_destroy(message->handle);
    message->handle = NULL;
    message->lender->loans--;
}

/* --- offsets ------------------------------------------------------------------------------------------------------ */

static int offsets_commit(struct kafka_consumer *self, const struct kafka_offset *offsets, size_t count,
                          uint32_t timeout_ms)
{
    CLEANUP(kafka_client_list_cleanup)
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)count + 1);
    for (size_t i = 0; i < count; i++) {
        const struct slot *slot = slot_find(self, offsets[i].topic, offsets[i].partition);
        if (slot && slot->assigned)
            rd_kafka_topic_partition_list_add(list, self->topics[slot->id.topic], slot->id.partition)->offset =
                offsets[i].offset;
    }
    if (list->cnt == 0)
        return 0;
    return self->dead ? ERR_RETRY : kafka_client_commit(&self->client, list, NULL, timeout_ms);
}

int kafka_consumer_commit(struct kafka_consumer *self, const struct kafka_offset *offsets, size_t count)
{
    return offsets_commit(self, offsets, count, 0);
}

int kafka_consumer_commit_sync(struct kafka_consumer *self, const struct kafka_offset *offsets, size_t count,
                               uint32_t timeout_ms)
{
    return offsets_commit(self, offsets, count, timeout_ms ? timeout_ms : 1);
}

/* --- state -------------------------------------------------------------------------------------------------------- */

bool kafka_consumer_connected(const struct kafka_consumer *self)
{
    return !self->dead && self->client.connected;
}

size_t kafka_consumer_partition_count(const struct kafka_consumer *self)
{
    size_t count = 0;
    for (size_t i = 0; i < self->slot_count; i++)
        count += self->slots[i].assigned;
    return count;
}

int64_t kafka_consumer_lag(const struct kafka_consumer *self)
{
    return self->client.lag;
}
