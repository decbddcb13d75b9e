/* intake.c - Kafka in: read, verify on the pool, dead letters out, offsets.
 *
 * A job is a few records in one allocation, made and ended on the loop's thread. The body that a thread makes to check
 * it is not kept: what is submitted is made again from the record, which is kept anyway for its dead letter.
 */
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "common/base/err.h"
#include "services/ingestd/event_codec.h"
#include "services/ingestd/ingestd_state.h"

enum {
    JOB_COUNT_MAX = 32,       /* records of one job: about a millisecond of work */
    POLLS_MAX = 8,            /* per wake-up, so that sockets are heard in between */
    BODY_STACK_BYTES = 16384, /* larger bodies are made on the heap */
    COMMIT_WAIT_MS = 3000,    /* when partitions go */
    DEAD_RETRY_MS = 1000,     /* after the broker refused a dead letter */
    TIME_TEXT_BYTES = 40,
    NUMBER_TEXT_BYTES = 24,
};

/* --- messages ----------------------------------------------------------------------------------------------------- */

static void record_release(struct ingestd *self, uint32_t record)
{
    kafka_message_release(&self->records[record].message);
}

/* --- dead letters ------------------------------------------------------------------------------------------------- */

static void dead_put(struct ingestd *self, uint32_t record, uint64_t retry_ms)
{
    uint32_t capacity = offsets_capacity(self->offsets);
    assert(self->dead_count < capacity);
    self->records[record].retry_ms = retry_ms;
    self->dead_queue[(self->dead_first + self->dead_count++) % capacity] = record;
}

static uint32_t dead_take(struct ingestd *self)
{
    uint32_t record = self->dead_queue[self->dead_first];
    self->dead_first = (self->dead_first + 1) % offsets_capacity(self->offsets);
    self->dead_count--;
    return record;
}

/* RFC 3339, UTC. */
static void time_text(char out[static TIME_TEXT_BYTES])
{
    int64_t now_ms = loop_wall_ms();
    time_t seconds = (time_t)(now_ms / 1000);
    struct tm tm;
    gmtime_r(&seconds, &tm);
    char text[TIME_TEXT_BYTES];
    strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(out, TIME_TEXT_BYTES, "%.20s.%03dZ", text, (int)(now_ms % 1000));
}

static int dead_produce(struct ingestd *self, uint32_t index)
{
    const struct ingestd_record *record = &self->records[index];
    const struct kafka_message *message = &record->message;
    char partition[NUMBER_TEXT_BYTES], offset[NUMBER_TEXT_BYTES], failed_at[TIME_TEXT_BYTES];
    snprintf(partition, sizeof partition, "%" PRId32, message->partition);
    snprintf(offset, sizeof offset, "%" PRId64, message->offset);
    time_text(failed_at);
    const struct kafka_header headers[] = {
        {"original_topic", span_text(self->config->input_topics.items[message->topic])},
        {"original_partition", span_text(partition)},
        {"original_offset", span_text(offset)},
        {"reason", span_text(reason_text((int)record->reason))},
        {"error", span_text(record->why)},
        {"validator", span_text(self->config->common.node_name)},
        {"failed_at", span_text(failed_at)},
    };
    return kafka_produce(self->producer, &(struct kafka_record){
                                             .topic = self->config->dlq_topic,
                                             .partition = KAFKA_PARTITION_ANY,
                                             .key = message->key,
                                             .value = message->value,
                                             .headers = headers,
                                             .header_count = ARRAY_COUNT(headers),
                                             .tag = UINT64_C(1) << 63 | index,
                                         });
}

static void dead_send(struct ingestd *self, uint32_t record)
{
    int rc = dead_produce(self, record);
    if (rc == 0)
        return;
    metrics_add(self->metrics, INGESTD_METRIC_DEAD_RETRIES, 1);
    dead_put(self, record, rc == -EAGAIN ? 0 : loop_now_ms() + DEAD_RETRY_MS);
}

/* The record is refused, whatever it was before. */
static void dead_letter(struct ingestd *self, uint32_t index, enum reason reason, const char *why)
{
    struct ingestd_record *record = &self->records[index];
    if (offsets_move(self->offsets, index, OFFSETS_DEAD_LETTERING) == OFFSETS_GONE) {
        record_release(self, index);
        return;
    }
    record->reason = reason;
    record->why = why;
    metrics_add_at(self->metrics, INGESTD_METRIC_REFUSED, reason, 1);
    log_limited(&self->refused_log, LOG_LEVEL_INFO, "record.refused",
                "topic=%s partition=%" PRId32 " offset=%" PRId64 " reason=%s why=\"%s\"",
                LOG_QUOTE_TEXT(self->config->input_topics.items[record->message.topic]), record->message.partition,
                record->message.offset, reason_text((int)reason), why);
    dead_send(self, index);
}

void intake_delivered(struct ingestd *self, uint32_t record, int rc)
{
    assert(record < offsets_capacity(self->offsets));
    if (rc < 0) {
        metrics_add(self->metrics, INGESTD_METRIC_DEAD_RETRIES, 1);
        dead_put(self, record, loop_now_ms() + DEAD_RETRY_MS);
        return;
    }
    metrics_add_at(self->metrics, INGESTD_METRIC_DEAD_LETTERS, self->records[record].reason, 1);
    (void)!offsets_move(self->offsets, record, OFFSETS_FINAL);
    record_release(self, record);
}

void intake_tick(struct ingestd *self)
{
    uint64_t now_ms = loop_now_ms();
    for (uint32_t left = self->dead_count; left > 0; left--) {
        uint32_t record = dead_take(self);
        if (now_ms < self->records[record].retry_ms)
            dead_put(self, record, self->records[record].retry_ms);
        else
            dead_send(self, record);
    }
}

/* --- what became of a transaction --------------------------------------------------------------------------------- */

void intake_finish(struct ingestd *self, const struct hash *tx_id)
{
    for (uint32_t record = pending_take(self->pending, tx_id); record != PENDING_NONE;
         record = pending_take(self->pending, tx_id)) {
        (void)!offsets_move(self->offsets, record, OFFSETS_FINAL);
        record_release(self, record);
        metrics_add(self->metrics, INGESTD_METRIC_FINAL, 1);
    }
}

void intake_refuse(struct ingestd *self, const struct hash *tx_id, enum reason reason, const char *why)
{
    for (uint32_t record = pending_take(self->pending, tx_id); record != PENDING_NONE;
         record = pending_take(self->pending, tx_id))
        dead_letter(self, record, reason, why);
}

/* --- verification ------------------------------------------------------------------------------------------------- */

struct check {
    uint32_t record;
    enum tx_kind kind;
    struct span value;
    int64_t timestamp_ms;
    int result; /* 0, a reason, or < 0 */
    const char *why;
    struct hash tx_id;
    uint32_t body_bytes;
};

struct job {
    struct ingestd *self;
    struct producers *producers; /* held */
    struct txcheck_context checks;
    uint64_t took_us;
    size_t count;
    struct check items[JOB_COUNT_MAX];
};

static int check_body(const struct txcheck_context *context, struct check *check, struct span body)
{
    struct tx tx;
    int rc = txcheck_run(context, body, &tx, &check->why);
    if (rc == 0)
        check->tx_id = tx_id(body);
    return rc;
}

static int check_record(struct txcheck_context *context, struct check *check)
{
    struct event_codec_room room;
    struct tx_fields fields;
    int rc = event_codec_read(&fields, &room, check->kind, check->value, &check->why);
    if (rc != 0)
        return rc;
    uint8_t stack[BODY_STACK_BYTES];
    size_t size = tx_encoded_size(&fields);
    uint8_t *heap = size > sizeof stack ? malloc(size) : NULL;
    if (size > sizeof stack && !heap)
        return -ENOMEM;
    uint8_t *body = heap ? heap : stack;
    tx_encode(body, &fields);
    check->body_bytes = (uint32_t)size;
    context->has_reference = check->timestamp_ms >= 0;
    context->reference_s = check->timestamp_ms / 1000;
    rc = check_body(context, check, span_of(body, size));
    free(heap);
    return rc;
}

static void job_work(void *argument)
{
    struct job *job = argument;
    uint64_t start_us = loop_now_us();
    for (size_t i = 0; i < job->count; i++)
        job->items[i].result = check_record(&job->checks, &job->items[i]);
    job->took_us = loop_now_us() - start_us;
}

static void job_free(void *argument)
{
    struct job *job = argument;
    producers_release(&job->producers);
    free(job);
}

static int verified(struct ingestd *self, const struct check *check)
{
    if (check->result < 0)
        return check->result;
    if (check->result > 0) {
        dead_letter(self, check->record, (enum reason)check->result, check->why);
        return 0;
    }
    if (offsets_move(self->offsets, check->record, OFFSETS_PENDING) == OFFSETS_GONE) {
        record_release(self, check->record);
        return 0;
    }
    self->records[check->record].body_bytes = check->body_bytes;
    return pending_add(self->pending, check->record, &check->tx_id, check->body_bytes);
}

static void job_done(void *argument)
{
    struct job *job = argument;
    struct ingestd *self = job->self;
    metrics_add(self->metrics, INGESTD_METRIC_VERIFY_TIME, job->took_us);
    int rc = 0;
    for (size_t i = 0; i < job->count && rc == 0; i++)
        rc = verified(self, &job->items[i]);
    job_free(job);
    if (rc < 0)
        ingestd_stop(self, rc, "verify");
    else
        admission_submit(self);
}

static struct job *job_new(struct ingestd *self)
{
    struct job *job = malloc(sizeof *job);
    if (!job)
        return NULL;
    job->self = self;
    job->producers = producers_hold(self->producers);
    job->checks = self->checks;
    job->checks.producer_context = job->producers;
    job->count = 0;
    return job;
}

static int job_submit(struct ingestd *self, struct job *job)
{
    int rc =
        workers_submit(self->verifiers, &(struct workers_job){.work = job_work, .done = job_done, .argument = job});
    if (rc < 0)
        job_free(job);
    return rc;
}

/* --- reading ------------------------------------------------------------------------------------------------------ */

/* Put a message into its window. Returns 0, OFFSETS_GONE (not ours, or read before: given back) or ERR_FULL. */
static int record_take(struct ingestd *self, struct kafka_message *message, uint32_t *record)
{
    struct offsets_position position = {.of = {message->topic, message->partition}, .offset = message->offset};
    int rc = offsets_read(self->offsets, &position, message->key.size + message->value.size, record);
    if (rc == ERR_NOT_FOUND || rc == ERR_CONFLICT) {
        kafka_message_release(message);
        return OFFSETS_GONE;
    }
    if (rc < 0)
        return rc;
    self->records[*record] = (struct ingestd_record){.message = *message};
    metrics_add_at(self->metrics, INGESTD_METRIC_RECORDS, message->topic, 1);
    return 0;
}

static int records_take(struct ingestd *self, struct kafka_message *messages, size_t count)
{
    struct job *job = NULL;
    int rc = 0;
    for (size_t i = 0; i < count; i++) {
        uint32_t record;
        if (rc == 0 && !job && !(job = job_new(self)))
            rc = -ENOMEM;
        int taken = rc == 0 ? record_take(self, &messages[i], &record) : rc;
        if (taken < 0)
            kafka_message_release(&messages[i]);
        rc = taken < 0 ? taken : rc;
        if (taken != 0)
            continue;
        job->items[job->count++] = (struct check){.record = record,
                                                  .kind = (enum tx_kind)(messages[i].topic + TX_ANOMALY),
                                                  .value = messages[i].value,
                                                  .timestamp_ms = messages[i].timestamp_ms};
        if (job->count == JOB_COUNT_MAX) {
            rc = job_submit(self, job);
            job = NULL;
        }
    }
    if (job && (rc < 0 || job->count == 0))
        job_free(job);
    else if (job)
        rc = job_submit(self, job);
    return rc;
}

void intake_poll(struct ingestd *self)
{
    struct kafka_message messages[INGESTD_POLL_COUNT_MAX];
    for (int i = 0; i < POLLS_MAX; i++) {
        intake_flow(self);
        size_t count = kafka_consumer_poll(self->consumer, messages, ARRAY_COUNT(messages));
        int rc = records_take(self, messages, count);
        if (rc < 0) {
            ingestd_stop(self, rc, "take records");
            return;
        }
        if (count < INGESTD_POLL_COUNT_MAX)
            return;
    }
    loop_wakeup_signal(self->consumer_wakeup);
}

void intake_flow(struct ingestd *self)
{
    bool blocked = !self->producers || !offsets_has_room(self->offsets);
    bool free_again = self->producers && offsets_is_half_free(self->offsets);
    if (!self->paused && blocked) {
        self->paused = true;
        kafka_consumer_pause(self->consumer);
    } else if (self->paused && free_again) {
        self->paused = false;
        kafka_consumer_resume(self->consumer);
        loop_wakeup_signal(self->consumer_wakeup);
    }
    metrics_set(self->metrics, INGESTD_METRIC_PAUSED, self->paused);
}

/* --- offsets ------------------------------------------------------------------------------------------------------ */

static size_t offsets_list(struct ingestd *self, bool again,
                           struct kafka_offset out[static OFFSETS_PARTITION_COUNT_MAX])
{
    struct offsets_position positions[OFFSETS_PARTITION_COUNT_MAX];
    size_t count = offsets_commits(self->offsets, again, positions, ARRAY_COUNT(positions));
    for (size_t i = 0; i < count; i++)
        out[i] = (struct kafka_offset){positions[i].of.topic, positions[i].of.partition, positions[i].offset};
    return count;
}

void intake_commit(struct ingestd *self, bool again)
{
    struct kafka_offset list[OFFSETS_PARTITION_COUNT_MAX];
    size_t count = offsets_list(self, again, list);
    if (count > 0)
        (void)!kafka_consumer_commit(self->consumer, list, count); /* logged; later ones carry more */
}

static void commit_now(struct ingestd *self)
{
    struct kafka_offset list[OFFSETS_PARTITION_COUNT_MAX];
    size_t count = offsets_list(self, true, list);
    if (count > 0)
        (void)!kafka_consumer_commit_sync(self->consumer, list, count, COMMIT_WAIT_MS);
}

static void on_assigned(void *context, const struct kafka_partition *partitions, size_t count)
{
    struct ingestd *self = context;
    for (size_t i = 0; i < count; i++) {
        int rc =
            offsets_assign(self->offsets, (struct offsets_partition){partitions[i].topic, partitions[i].partition});
        if (rc < 0)
            ingestd_stop(self, rc, "take a partition");
    }
}

static void on_revoked(void *context, const struct kafka_partition *partitions, size_t count)
{
    struct ingestd *self = context;
    commit_now(self);
    for (size_t i = 0; i < count; i++) {
        struct offsets_partition partition = {partitions[i].topic, partitions[i].partition};
        for (uint32_t record = offsets_revoke(self->offsets, partition); record != OFFSETS_NONE;
             record = offsets_revoke(self->offsets, partition)) {
            pending_remove(self->pending, record);
            record_release(self, record);
        }
    }
}

/* --- life --------------------------------------------------------------------------------------------------------- */

static void on_consumer(void *context)
{
    intake_poll(context);
}

int intake_open(struct ingestd *self)
{
    const struct ingestd_config *config = self->config;
    int rc = loop_wakeup_new(&self->consumer_wakeup, self->loop, on_consumer, self);
    if (rc == 0)
        rc = workers_new(&self->verifiers, self->loop,
                         &(struct workers_options){.name = "verify",
                                                   .thread_count = (uint32_t)config->verify_threads,
                                                   .queue_count_max = WORKERS_QUEUE_COUNT_MAX});
    if (rc < 0)
        return rc;
    rc = kafka_consumer_new(&self->consumer, &(struct kafka_consumer_options){
                                                 .brokers = config->kafka_brokers,
                                                 .client_id = config->common.node_name,
                                                 .group_id = config->group_id,
                                                 .instance_id = config->common.node_name,
                                                 .topics = (const char *const *)config->input_topics.items,
                                                 .topic_count = INGESTD_TOPIC_COUNT,
                                                 .wakeup_fd = loop_wakeup_fd(self->consumer_wakeup),
                                                 .assigned = on_assigned,
                                                 .revoked = on_revoked,
                                                 .context = self,
                                             });
    if (rc == 0)
        intake_flow(self);
    return rc;
}

void intake_close(struct ingestd *self)
{
    workers_destroy(&self->verifiers, job_free);
    if (self->consumer)
        commit_now(self);
    for (uint32_t i = 0; self->records && i < offsets_capacity(self->offsets); i++)
        record_release(self, i);
    kafka_consumer_destroy(&self->consumer);
    loop_wakeup_destroy(&self->consumer_wakeup);
}
