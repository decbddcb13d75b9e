/* kafka_producer.c - an idempotent producer that is renewed when librdkafka declares it dead: what is outstanding is
 * then purged, which reports it, and its owner produces it again.
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
    QUEUE_COUNT_DEFAULT = 10000,
    QUEUE_KIB_DEFAULT = 65536,
    PURGE_ROUND_MS = 100,
    PURGE_ROUNDS_MAX = 100,
    NUMBER_BYTES = 16,
};

struct kafka_producer {
    struct kafka_client client; /* first: librdkafka's opaque is this */
    void (*delivered)(void *context, uint64_t tag, int rc);
    void *context;
    char *brokers;
    char *client_id;
    uint32_t queue_count_max;
    uint32_t queue_kib_max;
    uint32_t linger_ms;
    int wakeup_fd;
    size_t outstanding;
    bool renewing; /* nothing is taken meanwhile */
    bool closing;  /* nothing is reported any more */
};

static int delivery_result(struct kafka_producer *self, rd_kafka_resp_err_t err)
{
    if (!err)
        return 0;
    kafka_client_failure(&self->client, "kafka.delivery_failed", err);
    return err == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE || err == RD_KAFKA_RESP_ERR_INVALID_MSG_SIZE ? ERR_TOO_LARGE
                                                                                                    : ERR_RETRY;
}

static void on_delivery(rd_kafka_t *rk, const rd_kafka_message_t *message, void *opaque)
{
    struct kafka_producer *self = opaque;
    if (self->closing)
        return;
    assert(self->outstanding > 0);
    self->outstanding--;
    self->delivered(self->context, (uint64_t)(uintptr_t)message->_private, delivery_result(self, message->err));
}

static void wakeup_enable(struct kafka_producer *self)
{
    if (self->wakeup_fd < 0)
        return;
    CLEANUP(kafka_client_queue_cleanup) rd_kafka_queue_t *queue = rd_kafka_queue_get_main(self->client.rk);
    rd_kafka_queue_io_event_enable(queue, self->wakeup_fd, &loop_wakeup_payload, sizeof loop_wakeup_payload);
}

static int producer_start(struct kafka_producer *self)
{
    char count[NUMBER_BYTES], kib[NUMBER_BYTES], linger[NUMBER_BYTES], record[NUMBER_BYTES], statistics[NUMBER_BYTES];
    snprintf(count, sizeof count, "%" PRIu32, self->queue_count_max);
    snprintf(kib, sizeof kib, "%" PRIu32, self->queue_kib_max);
    snprintf(linger, sizeof linger, "%" PRIu32, self->linger_ms);
    snprintf(record, sizeof record, "%d", KAFKA_RECORD_BYTES_MAX);
    snprintf(statistics, sizeof statistics, "%d", KAFKA_STATISTICS_INTERVAL_MS);
    const struct kafka_client_setting settings[] = {
        {"bootstrap.servers", self->brokers}, {"client.id", self->client_id},
        {"enable.idempotence", "true"},       {"acks", "all"},
        {"message.timeout.ms", "0"}, /* a broker that is away is waited for */
        {"message.max.bytes", record},        {"queue.buffering.max.messages", count},
        {"queue.buffering.max.kbytes", kib},  {"linger.ms", linger},
        {"reconnect.backoff.max.ms", "2000"}, {"statistics.interval.ms", statistics},
    };
    CLEANUP(kafka_client_conf_cleanup) rd_kafka_conf_t *conf = NULL;
    int rc = kafka_client_conf_new(&conf, &self->client, settings, ARRAY_COUNT(settings));
    if (rc < 0)
        return rc;
    rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
    rc = kafka_client_start(&self->client, RD_KAFKA_PRODUCER, &conf);
    if (rc == 0)
        wakeup_enable(self);
    return rc;
}

int kafka_producer_new(struct kafka_producer **out, const struct kafka_producer_options *options)
{
    CLEANUP(kafka_producer_destroy) struct kafka_producer *self = calloc(1, sizeof *self);
    if (!self)
        return -ENOMEM;
    self->delivered = options->delivered;
    self->context = options->context;
    self->brokers = strdup(options->brokers);
    self->client_id = strdup(options->client_id);
    self->queue_count_max = options->queue_count_max ? options->queue_count_max : QUEUE_COUNT_DEFAULT;
    self->queue_kib_max = options->queue_kib_max ? options->queue_kib_max : QUEUE_KIB_DEFAULT;
    self->linger_ms = options->linger_ms;
    self->wakeup_fd = options->wakeup_fd;
    if (!self->brokers || !self->client_id)
        return -ENOMEM;
    int rc = producer_start(self);
    if (rc < 0)
        return rc;
    *out = TAKE(self);
    return 0;
}

static void handle_end(struct kafka_producer *self)
{
    if (self->client.rk) {
        rd_kafka_purge(self->client.rk, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
        rd_kafka_destroy(self->client.rk);
    }
    self->client.rk = NULL;
}

void kafka_producer_destroy(struct kafka_producer **self)
{
    if (!self || !*self)
        return;
    (*self)->closing = true;
    handle_end(*self);
    free((*self)->brokers);
    free((*self)->client_id);
    free(*self);
    *self = NULL;
}

static int headers_new(rd_kafka_headers_t **out, const struct kafka_record *record)
{
    if (record->header_count > KAFKA_HEADER_COUNT_MAX)
        return -EINVAL;
    rd_kafka_headers_t *headers = rd_kafka_headers_new(record->header_count);
    for (size_t i = 0; i < record->header_count; i++) {
        const struct kafka_header *header = &record->headers[i];
        if (rd_kafka_header_add(headers, header->name, -1, header->value.data, (ssize_t)header->value.size)) {
            rd_kafka_headers_destroy(headers);
            return -EINVAL;
        }
    }
    *out = headers;
    return 0;
}

/* librdkafka's pointers have no const; with RD_KAFKA_MSG_F_COPY it only reads. */
static rd_kafka_vu_t vu_bytes(rd_kafka_vtype_t type, struct span bytes)
{
    union {
        const void *in;
        void *out;
    } pointer = {.in = bytes.data};
    return (rd_kafka_vu_t){.vtype = type, .u.mem = {.ptr = pointer.out, .size = bytes.size}};
}

static int produce_result(struct kafka_producer *self, rd_kafka_error_t *error)
{
    if (!error)
        return 0;
    rd_kafka_resp_err_t err = rd_kafka_error_code(error);
    rd_kafka_error_destroy(error);
    if (err == RD_KAFKA_RESP_ERR__QUEUE_FULL || err == RD_KAFKA_RESP_ERR__FATAL)
        return -EAGAIN;
    if (err == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE)
        return ERR_TOO_LARGE;
    kafka_client_failure(&self->client, "kafka.produce_failed", err);
    return ERR_RETRY;
}

int kafka_produce(struct kafka_producer *self, const struct kafka_record *record)
{
    if (self->renewing || !self->client.rk)
        return -EAGAIN;
    if (record->value.size + record->key.size > KAFKA_RECORD_BYTES_MAX)
        return ERR_TOO_LARGE;
    rd_kafka_headers_t *headers = NULL;
    int rc = headers_new(&headers, record);
    if (rc < 0)
        return rc;
    const rd_kafka_vu_t parts[] = {
        {.vtype = RD_KAFKA_VTYPE_TOPIC, .u.cstr = record->topic},
        {.vtype = RD_KAFKA_VTYPE_PARTITION, .u.i32 = record->partition},
        {.vtype = RD_KAFKA_VTYPE_MSGFLAGS, .u.i = RD_KAFKA_MSG_F_COPY},
        vu_bytes(RD_KAFKA_VTYPE_KEY, record->key),
        vu_bytes(RD_KAFKA_VTYPE_VALUE, record->value),
        {.vtype = RD_KAFKA_VTYPE_OPAQUE, .u.ptr = (void *)(uintptr_t)record->tag},
        {.vtype = RD_KAFKA_VTYPE_HEADERS, .u.headers = headers}, /* taken on success */
    };
    rc = produce_result(self, rd_kafka_produceva(self->client.rk, parts, ARRAY_COUNT(parts)));
    if (rc < 0)
        rd_kafka_headers_destroy(headers);
    else
        self->outstanding++;
    return rc;
}

/* Report everything as failed and start anew. */
static int producer_renew(struct kafka_producer *self)
{
    char reason[256] = "";
    rd_kafka_resp_err_t err = rd_kafka_fatal_error(self->client.rk, reason, sizeof reason);
    log_error("kafka.producer_renewed", "code=%s reason=%s outstanding=%zu", rd_kafka_err2name(err),
              LOG_QUOTE_TEXT(reason), self->outstanding);
    self->renewing = true;
    rd_kafka_purge(self->client.rk, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
    for (int i = 0; i < PURGE_ROUNDS_MAX && self->outstanding > 0; i++)
        rd_kafka_poll(self->client.rk, PURGE_ROUND_MS);
    if (self->outstanding > 0) {
        log_error("kafka.producer_stuck", "outstanding=%zu", self->outstanding);
        return ERR_RETRY; /* the next poll goes on */
    }
    handle_end(self);
    int rc = producer_start(self);
    self->renewing = rc < 0;
    return rc;
}

int kafka_producer_poll(struct kafka_producer *self)
{
    if (!self->client.rk) { /* an earlier renewal failed half-way */
        int rc = producer_start(self);
        self->renewing = rc < 0;
        return rc;
    }
    rd_kafka_poll(self->client.rk, 0);
    return rd_kafka_fatal_error(self->client.rk, NULL, 0) ? producer_renew(self) : 0;
}

int kafka_producer_flush(struct kafka_producer *self, uint32_t timeout_ms)
{
    uint64_t deadline_ms = loop_now_ms() + timeout_ms;
    while (self->outstanding > 0 && loop_now_ms() < deadline_ms) {
        if (self->client.rk)
            rd_kafka_flush(self->client.rk, PURGE_ROUND_MS);
        int rc = kafka_producer_poll(self);
        if (rc < 0)
            return ERR_RETRY;
    }
    return self->outstanding == 0 ? 0 : ERR_RETRY;
}

size_t kafka_producer_outstanding(const struct kafka_producer *self)
{
    return self->outstanding;
}

bool kafka_producer_connected(const struct kafka_producer *self)
{
    return self->client.connected;
}
