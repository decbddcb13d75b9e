/* ingestd.c - opens everything, ticks, shows, closes everything. */
#include "services/ingestd/ingestd.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/err.h"
#include "common/edge/genesis_file.h"
#include "common/edge/keyfile.h"
#include "services/ingestd/ingestd_state.h"

enum {
    SILENCE_MS_MAX = 3000,   /* mempoold that said nothing for so long is away */
    COMMIT_AGAIN_BEATS = 30, /* a commit that failed is repeated by then */
    ADMISSION_QUEUE_MAX = 100,
    FEED_QUEUE_MAX = 1000,
    FLUSH_MS = 1000, /* at the end, for what the broker has not acknowledged */
    GROUP_NAME_BYTES = 256,
};

enum condition { CONDITION_KAFKA, CONDITION_MEMPOOLD, CONDITION_PRODUCERS, CONDITION_COUNT };
static const char *const condition_names[CONDITION_COUNT] = {"kafka", "mempoold", "producers"};

void ingestd_stop(struct ingestd *self, int rc, const char *what)
{
    self->failure = log_failure(rc, what);
    loop_stop(self->loop);
}

void ingestd_bad_frame(struct ingestd *self, enum ingestd_arrow arrow, int rc)
{
    metrics_add_at(self->metrics, INGESTD_METRIC_BAD_FRAMES, arrow, 1);
    log_limited(&self->bad_frame_log[arrow], LOG_LEVEL_WARN, "frame.bad", "arrow=%s error=\"%s\"",
                ingestd_arrow_names[arrow], err_text(rc));
}

/* --- time --------------------------------------------------------------------------------------------------------- */

static void show_metrics(struct ingestd *self)
{
    struct offsets_usage records = offsets_usage(self->offsets);
    struct pending_usage txs = pending_usage(self->pending);
    const struct {
        enum ingestd_metric metric;
        int64_t value;
    } values[] = {
        {INGESTD_METRIC_SUBMITTED, (int64_t)txs.submitted_total},
        {INGESTD_METRIC_REQUEUED, (int64_t)txs.requeued_total},
        {INGESTD_METRIC_IN_FLIGHT, records.count},
        {INGESTD_METRIC_IN_FLIGHT_BYTES, (int64_t)records.bytes},
        {INGESTD_METRIC_PENDING, txs.tx_count},
        {INGESTD_METRIC_PARTITIONS, (int64_t)kafka_consumer_partition_count(self->consumer)},
        {INGESTD_METRIC_LAG, kafka_consumer_lag(self->consumer)},
        {INGESTD_METRIC_HEIGHT, (int64_t)self->feed.newest},
        {INGESTD_METRIC_ANNOUNCED, self->announce.started ? (int64_t)self->announce.settled - 1 : 0},
    };
    for (size_t i = 0; i < ARRAY_COUNT(values); i++)
        metrics_set(self->metrics, values[i].metric, values[i].value);
}

static void show_status(struct ingestd *self)
{
    struct offsets_usage records = offsets_usage(self->offsets);
    struct pending_usage txs = pending_usage(self->pending);
    const struct {
        const char *name;
        uint64_t value;
    } values[] = {
        {"pending", txs.tx_count},
        {"queued", txs.queued},
        {"in_flight", records.count},
        {"in_flight_bytes", records.bytes},
        {"verifying", records.counts[OFFSETS_VERIFYING]},
        {"dead_lettering", records.counts[OFFSETS_DEAD_LETTERING]},
        {"paused", self->paused},
        {"credit_txs", txs.credit_txs},
        {"partitions", kafka_consumer_partition_count(self->consumer)},
        {"height", self->feed.newest},
        {"announced_height", self->announce.started ? self->announce.settled - 1 : 0},
        {"producers", self->producers ? producers_count(self->producers) : 0},
    };
    for (size_t i = 0; i < ARRAY_COUNT(values); i++)
        admin_status_set_u64(self->admin, values[i].name, values[i].value);
}

static void show_ready(struct ingestd *self)
{
    bool kafka = kafka_consumer_connected(self->consumer);
    bool mempoold = self->admission_heard_ms != 0 && loop_now_ms() <= self->admission_heard_ms + SILENCE_MS_MAX;
    admin_ready_set(self->admin, CONDITION_KAFKA, kafka, kafka ? NULL : "not connected");
    admin_ready_set(self->admin, CONDITION_MEMPOOLD, mempoold, mempoold ? NULL : "does not answer");
    admin_ready_set(self->admin, CONDITION_PRODUCERS, self->producers, self->producers ? NULL : "not known yet");
}

static void on_beat(void *context)
{
    struct ingestd *self = context;
    admin_beat(self->admin);
    intake_commit(self, self->beats++ % COMMIT_AGAIN_BEATS == 0);
    follow_commit(self, 0);
    show_metrics(self);
    show_status(self);
    show_ready(self);
}

static void on_producer(void *context)
{
    struct ingestd *self = context;
    int rc = kafka_producer_poll(self->producer);
    if (rc < 0)
        log_limited(&self->unsent_log, LOG_LEVEL_WARN, "kafka.producer_away", "error=\"%s\"", err_text(rc));
}

static void on_tick(void *context)
{
    struct ingestd *self = context;
    pending_tick(self->pending, loop_now_ms());
    on_producer(self);
    intake_tick(self);
    intake_poll(self);
    admission_tick(self);
    follow_tick(self);
}

/* --- starting ----------------------------------------------------------------------------------------------------- */

static int check_control_key(const struct ingestd *self)
{
    for (uint32_t i = 0; i < self->genesis->validator_count; i++) {
        const struct genesis_validator *validator = &self->genesis->validators[i];
        if (strcmp(validator->name, self->config->common.node_name) != 0)
            continue;
        if (memcmp(validator->control_key.bytes, self->control_key.public.bytes, SIGN_PUBLIC_BYTES) == 0)
            return 0;
        return config_problem("CONTROL_KEY_FILE", self->config->control_key_file,
                              "the key whose public key is control_key of NODE_NAME in the genesis file");
    }
    return config_problem("NODE_NAME", self->config->common.node_name, "the name of a validator in the genesis file");
}

static int load_keys(struct ingestd *self)
{
    int rc = genesis_file_load(self->config->common.genesis_file, &self->genesis);
    if (rc < 0)
        return log_failure(rc, "load GENESIS_FILE");
    uint8_t seed[KEYFILE_KEY_BYTES];
    rc = keyfile_read(self->config->control_key_file, seed);
    if (rc < 0) {
        log_error("keyfile.unreadable", "path=%s", LOG_QUOTE_TEXT(self->config->control_key_file));
        return log_failure(rc, "read CONTROL_KEY_FILE");
    }
    sign_key_from_seed(&self->control_key, seed);
    sodium_memzero(seed, sizeof seed);
    self->checks = txcheck_static(&self->genesis->parameters);
    self->checks.producer = producers_check;
    self->checks.skew_s = (int64_t)(self->config->max_timestamp_skew_ms / 1000);
    return check_control_key(self);
}

static int start_cores(struct ingestd *self)
{
    uint64_t seed;
    randombytes_buf(&seed, sizeof seed);
    const struct offsets_limits limits = {.record_count_max = (uint32_t)self->config->in_flight_records_max,
                                          .record_bytes_max = self->config->in_flight_bytes_max,
                                          .extra_count = 2 * INGESTD_POLL_COUNT_MAX};
    int rc = offsets_new(&self->offsets, &limits);
    if (rc == 0)
        rc = pending_new(&self->pending, offsets_capacity(self->offsets), seed);
    if (rc < 0)
        return rc;
    self->records = calloc(offsets_capacity(self->offsets), sizeof *self->records);
    self->dead_queue = calloc(offsets_capacity(self->offsets), sizeof *self->dead_queue);
    return self->records && self->dead_queue ? 0 : -ENOMEM;
}

static int start_admin(struct ingestd *self)
{
    int rc = metrics_new(&self->metrics, ingestd_metrics, INGESTD_METRIC_COUNT);
    if (rc < 0)
        return rc;
    return admin_new(&self->admin, &(struct admin_options){.daemon = "ingestd",
                                                           .node = self->config->common.node_name,
                                                           .listen = self->config->common.admin_listen,
                                                           .metrics = self->metrics,
                                                           .conditions = condition_names,
                                                           .condition_count = CONDITION_COUNT});
}

static int open_sockets(struct ingestd *self, const uint8_t *secret)
{
    const struct ingestd_config *config = self->config;
    struct bus_options admission = {.name = "admission",
                                    .endpoint = config->admission_endpoint,
                                    .curve_secret = secret,
                                    .server_public = config->mempoold_key.bytes,
                                    .frame_bytes_max = ADMISSION_CODEC_FRAME_BYTES_MAX,
                                    .queue_count_max = ADMISSION_QUEUE_MAX};
    struct bus_options feed = {.name = "feed",
                               .endpoint = config->feed_endpoint,
                               .curve_secret = secret,
                               .server_public = config->persistd_key.bytes,
                               .frame_bytes_max = FEED_CODEC_FRAME_BYTES_MAX,
                               .queue_count_max = FEED_QUEUE_MAX};
    struct bus_options pub = feed;
    pub.name = "feed_pub";
    pub.endpoint = config->feed_pub_endpoint;
    int rc = bus_dealer_connect(&self->admission, self->bus, &admission);
    if (rc == 0)
        rc = bus_dealer_connect(&self->feed_dealer, self->bus, &feed);
    if (rc == 0)
        rc = bus_sub_connect(&self->feed_sub, self->bus, &pub);
    if (rc == 0)
        rc = bus_subscribe(self->feed_sub, "blocks");
    return rc;
}

static int listen_to(struct ingestd *self, struct bus_socket *socket,
                     void (*message)(void *context, struct bus_message *message))
{
    return loop_socket_add(self->loop, socket,
                           &(struct loop_socket_handlers){.message = message, .context = self, .messages_max = 16});
}

static int start_sockets(struct ingestd *self)
{
    const char *path = self->config->common.stage_curve_key_file;
    uint8_t secret[KEYFILE_KEY_BYTES];
    int rc = path ? keyfile_read(path, secret) : 0;
    if (rc < 0) {
        log_error("keyfile.unreadable", "path=%s", LOG_QUOTE_TEXT(path));
        return log_failure(rc, "read STAGE_CURVE_KEY_FILE");
    }
    rc = bus_new(&self->bus);
    if (rc == 0)
        rc = open_sockets(self, path ? secret : NULL);
    sodium_memzero(secret, sizeof secret);
    if (rc == 0)
        rc = listen_to(self, self->admission, admission_message);
    if (rc == 0)
        rc = listen_to(self, self->feed_dealer, follow_feed_message);
    if (rc == 0)
        rc = listen_to(self, self->feed_sub, follow_sub_message);
    return rc;
}

/* The top bit tells dead letters from commit notices. */
static void on_delivered(void *context, uint64_t tag, int rc)
{
    if (tag >> 63)
        intake_delivered(context, (uint32_t)tag, rc);
    else
        follow_delivered(context, tag, rc);
}

static int start_kafka(struct ingestd *self)
{
    const struct ingestd_config *config = self->config;
    char group[GROUP_NAME_BYTES];
    snprintf(group, sizeof group, "%s.commits", config->group_id);
    int rc = loop_wakeup_new(&self->producer_wakeup, self->loop, on_producer, self);
    if (rc == 0)
        rc = kafka_producer_new(&self->producer,
                                &(struct kafka_producer_options){.brokers = config->kafka_brokers,
                                                                 .client_id = config->common.node_name,
                                                                 .linger_ms = 0,
                                                                 .wakeup_fd = loop_wakeup_fd(self->producer_wakeup),
                                                                 .delivered = on_delivered,
                                                                 .context = self});
    if (rc == 0)
        rc = kafka_group_new(&self->group, &(struct kafka_group_options){.brokers = config->kafka_brokers,
                                                                         .client_id = config->common.node_name,
                                                                         .group_id = group});
    if (rc == 0)
        rc = workers_new(&self->resumer, self->loop,
                         &(struct workers_options){.name = "resume", .thread_count = 1, .queue_count_max = 1});
    if (rc == 0)
        rc = intake_open(self);
    return rc;
}

static int start_timers(struct ingestd *self)
{
    int rc = loop_timer_every(self->loop, INGESTD_TICK_MS, on_tick, self, NULL);
    if (rc == 0)
        rc = loop_timer_every(self->loop, INGESTD_BEAT_MS, on_beat, self, NULL);
    if (rc == 0)
        follow_resume(self);
    return rc;
}

int ingestd_new(struct ingestd **out, const struct ingestd_config *config)
{
    CLEANUP(ingestd_destroy) struct ingestd *self = calloc(1, sizeof *self);
    if (!self)
        return -ENOMEM;
    self->config = config;
    int (*const steps[])(struct ingestd *) = {load_keys,     start_cores, start_admin,
                                              start_sockets, start_kafka, start_timers};
    int rc = loop_new(&self->loop);
    for (size_t i = 0; i < ARRAY_COUNT(steps) && rc == 0; i++)
        rc = steps[i](self);
    if (rc < 0)
        return rc;
    *out = TAKE(self);
    return 0;
}

/* --- ending ------------------------------------------------------------------------------------------------------- */

static void close_kafka(struct ingestd *self)
{
    workers_destroy(&self->resumer, free);
    if (self->producer) {
        (void)!kafka_producer_flush(self->producer, FLUSH_MS); /* what is not acknowledged comes again */
        follow_commit(self, FLUSH_MS);
    }
    intake_close(self);
    kafka_producer_destroy(&self->producer);
    kafka_group_destroy(&self->group);
    loop_wakeup_destroy(&self->producer_wakeup);
}

static void close_sockets(struct ingestd *self)
{
    struct bus_socket **sockets[] = {&self->admission, &self->feed_dealer, &self->feed_sub};
    for (size_t i = 0; i < ARRAY_COUNT(sockets); i++) {
        if (*sockets[i])
            loop_socket_remove(self->loop, *sockets[i]);
        bus_socket_close(sockets[i]);
    }
    bus_destroy(&self->bus);
}

void ingestd_destroy(struct ingestd **self_)
{
    struct ingestd *self = self_ ? *self_ : NULL;
    if (!self)
        return;
    close_kafka(self);
    close_sockets(self);
    admin_destroy(&self->admin);
    metrics_destroy(&self->metrics);
    pending_destroy(&self->pending);
    offsets_destroy(&self->offsets);
    announce_deinit(&self->announce);
    producers_release(&self->producers);
    loop_destroy(&self->loop);
    genesis_destroy(&self->genesis);
    sign_key_wipe(&self->control_key);
    free(self->records);
    free(self->dead_queue);
    free(self);
    *self_ = NULL;
}

int ingestd_run(struct ingestd *self)
{
    int rc = loop_run(self->loop);
    return rc < 0 ? rc : self->failure;
}
