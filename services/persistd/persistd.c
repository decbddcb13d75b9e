/* persistd.c - decode, step, carry out.
 *
 * The loop never waits for the database: the writer's thread opens and writes, the responder's thread answers what the
 * newest blocks in memory do not.
 */
#include "services/persistd/persistd.h"

#include <assert.h>
#include <errno.h>
#include <sodium.h>
#include <stdlib.h>

#include "common/base/err.h"
#include "common/base/hex.h"
#include "common/edge/admin.h"
#include "common/edge/bus.h"
#include "common/edge/genesis_file.h"
#include "common/edge/keyfile.h"
#include "common/edge/log.h"
#include "common/edge/loop.h"
#include "services/persistd/feed_codec.h"
#include "services/persistd/held.h"
#include "services/persistd/outcome_codec.h"
#include "services/persistd/persist.h"
#include "services/persistd/persistd_metrics.h"
#include "services/persistd/recent.h"
#include "services/persistd/responder.h"
#include "services/persistd/writer.h"

enum {
    TICK_MS = 50,
    BEAT_MS = 1000,
    CERTIFICATE_TELL_MS = 5000,
    OUTCOME_QUEUE_MAX = 100,
    FEED_QUEUE_MAX = 1000,
    PUB_QUEUE_MAX = 10000,
};

enum condition { CONDITION_DATABASE, CONDITION_EXECUTORD, CONDITION_COUNT };
static const char *const condition_names[CONDITION_COUNT] = {"database", "executord"};

struct persistd {
    const struct persistd_config *config;
    struct genesis *genesis;
    struct loop *loop;
    struct metrics *metrics;
    struct admin *admin;
    struct bus *bus;
    struct bus_socket *outcome;
    struct bus_socket *feed;
    struct bus_socket *pub;
    struct writer *writer;
    struct responder *responder;
    struct persist core;
    struct persist_effects effects;
    struct recent recent;
    struct hash ids[FEED_CODEC_LOOKUP_IDS_MAX]; /* of the question being read */
    bool outcomes_bad;                          /* the last run could not be written */
    int ended_rc;
    struct log_limit bad_frame_log[PERSISTD_ARROW_COUNT];
    struct log_limit bad_outcome_log;
    struct log_limit unsent_log;
    /* The certificate of the genesis ceremony, as the database has it. */
    struct genesis_store_certificate certificate;
    bool certificate_known; /* the database was asked */
    uint64_t certificate_told_ms;
};

static void step(struct persistd *self, struct persist_event *event);

static void end(struct persistd *self, int rc)
{
    self->ended_rc = rc;
    loop_stop(self->loop);
}

/* --- what is shown ------------------------------------------------------------------------------------------------ */

static void show_block(struct persistd *self, const struct outcome *outcome)
{
    char root[2 * HASH_BYTES + 1];
    int64_t lag_ms = outcome->height == 0 ? 0 : loop_wall_ms() - (int64_t)outcome->header.timestamp_ms;
    hex_encode(root, outcome->header.state_root.bytes, HASH_BYTES);
    metrics_set(self->metrics, PERSISTD_METRIC_LAG, lag_ms > 0 ? lag_ms : 0);
    admin_status_set_u64(self->admin, "lag_ms", lag_ms > 0 ? (uint64_t)lag_ms : 0);
    admin_status_set_text(self->admin, "state_root", root);
}

static void show(struct persistd *self)
{
    metrics_set(self->metrics, PERSISTD_METRIC_QUEUE_BLOCKS, (int64_t)self->core.queue_count);
    metrics_set(self->metrics, PERSISTD_METRIC_QUEUE_BYTES, (int64_t)self->core.queue_bytes);
    if (self->core.tip.exists) {
        metrics_set(self->metrics, PERSISTD_METRIC_HEIGHT, (int64_t)self->core.tip.height);
        admin_status_set_u64(self->admin, "db_height", self->core.tip.height);
    }
}

static void show_executord(struct persistd *self)
{
    bool connected = bus_socket_is_connected(self->outcome);
    const char *detail = !connected ? "not connected" : self->outcomes_bad ? "outcomes cannot be written" : NULL;
    admin_ready_set(self->admin, CONDITION_EXECUTORD, !detail, detail);
}

/* executord keeps a copy of the database's certificate of the genesis ceremony, and answers with its own. */
static void tell_certificate(struct persistd *self)
{
    uint8_t frame[GENESIS_STORE_BYTES_MAX + 64];
    struct bytes_writer writer = bytes_writer_of(frame, sizeof frame);
    outcome_codec_put_genesis(&writer, span_of(self->certificate.bytes, self->certificate.size));
    assert(!writer.failed);
    int rc = bus_send(self->outcome, NULL, frame, writer.size);
    if (rc < 0)
        log_limited(&self->unsent_log, LOG_LEVEL_DEBUG, "frame.unsent", "socket=outcome error=\"%s\"", err_text(rc));
    self->certificate_told_ms = loop_now_ms();
}

static void beat(void *context)
{
    struct persistd *self = context;
    if (self->certificate_known && loop_now_ms() >= self->certificate_told_ms + CERTIFICATE_TELL_MS)
        tell_certificate(self);
    if (!self->certificate_known && self->core.tip_known)
        (void)writer_exchange_certificate(self->writer, (struct span){.size = 0});
    admin_beat(self->admin);
    admin_status_set_text(self->admin, "state", persist_state_text(&self->core));
    admin_status_set_u64(self->admin, "queue_blocks", self->core.queue_count);
    show_executord(self);
    show(self);
}

/* --- effects ------------------------------------------------------------------------------------------------------ */

/* What executord does not get is asked again, or told with the next block. */
static void send_outcome(struct persistd *self, const uint8_t *frame, size_t size)
{
    int rc = bus_send(self->outcome, NULL, frame, size);
    if (rc < 0)
        log_limited(&self->unsent_log, LOG_LEVEL_DEBUG, "frame.unsent", "socket=outcome error=\"%s\"", err_text(rc));
}

static void ask(struct persistd *self, const struct persist_effect *effect)
{
    uint8_t frame[OUTCOME_CODEC_REQUEST_BYTES_MAX];
    struct outcome_codec_ask message = {
        .request = effect->request, .height_first = effect->height, .count_max = effect->count};
    send_outcome(self, frame, outcome_codec_put_ask(frame, &message));
}

static void acknowledge(struct persistd *self, uint64_t height)
{
    uint8_t frame[OUTCOME_CODEC_REQUEST_BYTES_MAX];
    send_outcome(self, frame, outcome_codec_put_ack(frame, height));
}

static void write_run(struct persistd *self)
{
    struct held_block *blocks[PERSIST_RUN_BLOCKS_MAX];
    size_t count;
    const struct persist_block *run = persist_run(&self->core, &count);
    for (size_t i = 0; i < count; i++)
        blocks[i] = run[i].handle;
    writer_write(self->writer, blocks, count, &self->core.tip);
}

static void tell(struct persistd *self, struct span message)
{
    struct bytes_writer counter = bytes_writer_of(NULL, 0);
    feed_codec_put_persisted(&counter, message);
    uint8_t *frame = malloc(counter.size);
    int rc = -ENOMEM;
    if (frame) {
        struct bytes_writer writer = bytes_writer_of(frame, counter.size);
        feed_codec_put_persisted(&writer, message);
        rc = bus_publish_take(self->pub, "blocks", &frame, counter.size);
    }
    if (rc < 0) {
        free(frame);
        log_limited(&self->unsent_log, LOG_LEVEL_WARN, "frame.unsent", "socket=feed_pub error=\"%s\"", err_text(rc));
    }
}

static void publish(struct persistd *self, struct held_block *block)
{
    const struct outcome *outcome = block->outcome;
    metrics_add(self->metrics, PERSISTD_METRIC_BLOCKS, 1);
    metrics_add(self->metrics, PERSISTD_METRIC_TXS, outcome->tx_count);
    show_block(self, outcome);
    log_info("block.persisted", "height=%" PRIu64 " block=%s txs=%u", outcome->height, LOG_HASH(&outcome->block_id),
             outcome->tx_count);
    if (block->message) { /* always, but for a block that an earlier attempt wrote before it was asked for again */
        tell(self, span_of(block->message, block->message_size));
        recent_add(&self->recent, outcome->height, TAKE(block->message), block->message_size);
    }
    held_block_destroy(&block);
}

static void carry_out(struct persistd *self, const struct persist_effect *effect)
{
    struct held_block *block = effect->handle;
    switch (effect->kind) {
    case PERSIST_OPEN:
        writer_open(self->writer);
        break;
    case PERSIST_ASK:
        ask(self, effect);
        break;
    case PERSIST_ACK:
        acknowledge(self, effect->height);
        break;
    case PERSIST_WRITE:
        write_run(self);
        break;
    case PERSIST_PUBLISH:
        publish(self, block);
        break;
    case PERSIST_DROP:
        held_block_destroy(&block);
        break;
    case PERSIST_CONFLICT:
        log_error("persist.conflict", "height=%" PRIu64 " why=\"executord's block is not the one in the database\"",
                  effect->height);
        end(self, ERR_CONFLICT);
        break;
    }
}

static void step(struct persistd *self, struct persist_event *event)
{
    event->now_ms = loop_now_ms();
    persist_step(&self->core, event, &self->effects);
    for (size_t i = 0; i < self->effects.count; i++)
        carry_out(self, &self->effects.items[i]);
    if (event->kind != PERSIST_TICK)
        show(self);
}

/* --- the database ------------------------------------------------------------------------------------------------- */

static void on_opened(struct persistd *self, const struct writer_result *result)
{
    struct persist_event event = {.kind = PERSIST_OPENED, .tip = result->tip};
    if (result->rc == ERR_CONFLICT || result->rc == ERR_CORRUPT || result->rc == -EINVAL) {
        end(self, result->rc);
        return;
    }
    if (result->rc < 0)
        event.kind = PERSIST_AWAY;
    admin_ready_set(self->admin, CONDITION_DATABASE, result->rc == 0, result->rc < 0 ? err_text(result->rc) : NULL);
    if (result->rc == 0)
        (void)writer_exchange_certificate(self->writer, (struct span){.size = 0});
    step(self, &event);
}

static void on_certificate(struct persistd *self, const struct writer_result *result)
{
    if (result->rc < 0) {
        log_limited(&self->unsent_log, LOG_LEVEL_WARN, "genesis.unread", "error=\"%s\"", err_text(result->rc));
        return; /* asked again with the next beat, or when executord tells its own */
    }
    if (result->certificate->size > 0 && self->certificate.size == 0)
        log_info("genesis.persisted", "bytes=%zu", result->certificate->size);
    self->certificate = *result->certificate;
    self->certificate_known = true;
    tell_certificate(self);
}

static void on_bad_outcome(struct persistd *self, const char *why)
{
    self->outcomes_bad = true;
    show_executord(self);
    log_limited(&self->bad_outcome_log, LOG_LEVEL_ERROR, "outcome.bad", "why=\"%s\"", why);
}

static void on_wrote(struct persistd *self, const struct writer_result *result)
{
    struct persist_event event = {.kind = PERSIST_WRITTEN};
    enum persistd_run label = PERSISTD_RUN_WRITTEN;
    if (result->rc == DATABASE_RETRY) {
        event.kind = PERSIST_RETRIED;
        label = PERSISTD_RUN_RETRIED;
    } else if (result->rc == DATABASE_UNKNOWN || result->rc == -EIO) {
        event.kind = PERSIST_UNKNOWN;
        label = PERSISTD_RUN_UNKNOWN;
        admin_ready_set(self->admin, CONDITION_DATABASE, false, "a transaction failed");
    } else if (result->rc == ERR_MALFORMED) {
        event.kind = PERSIST_BAD;
        label = PERSISTD_RUN_BAD;
        on_bad_outcome(self, result->why);
    } else if (result->rc < 0) {
        end(self, result->rc);
        return;
    } else {
        self->outcomes_bad = false;
        metrics_observe(self->metrics, PERSISTD_METRIC_WRITE_TIME, result->took_us);
    }
    metrics_add_at(self->metrics, PERSISTD_METRIC_RUNS, label, 1);
    step(self, &event);
}

static void on_writer(void *context, const struct writer_result *result)
{
    if (result->kind == WRITER_OPENED)
        on_opened(context, result);
    else if (result->kind == WRITER_CERTIFICATE)
        on_certificate(context, result);
    else
        on_wrote(context, result);
}

/* --- outcomes ----------------------------------------------------------------------------------------------------- */

static void bad_frame(struct persistd *self, enum persistd_arrow arrow, const struct bus_message *message, int rc)
{
    metrics_add_at(self->metrics, PERSISTD_METRIC_BAD_FRAMES, arrow, 1);
    log_limited(&self->bad_frame_log[arrow], LOG_LEVEL_WARN, "frame.bad", "arrow=%s sender=%s error=\"%s\"",
                arrow == PERSISTD_OUTCOME ? "outcome" : "feed", LOG_QUOTE_TEXT(message->user_id), err_text(rc));
}

/* Hold the blocks of a frame, as far as they are what they say. Returns how many. */
static size_t hold(struct persistd *self, struct held_frame *frame, struct persist_block *blocks)
{
    const struct outcome_codec_frame *decoded = held_frame_decoded(frame);
    size_t count = 0;
    while (count < decoded->count && count < PERSIST_ARRIVED_BLOCKS_MAX) {
        const struct outcome *outcome = &decoded->outcomes[count];
        const char *why = "no memory";
        struct held_block *block = NULL;
        int rc = outcome_check(outcome, &self->genesis->chain_id, &why);
        if (rc == 0)
            rc = held_block_new(&block, frame, outcome);
        if (rc < 0) {
            on_bad_outcome(self, why);
            break;
        }
        blocks[count++] = (struct persist_block){.height = outcome->height,
                                                 .id = outcome->block_id,
                                                 .parent_id = outcome->header.parent_id,
                                                 .tx_count = outcome->tx_count,
                                                 .size_bytes = outcome->size_bytes,
                                                 .handle = block};
    }
    return count;
}

static void on_outcome(void *context, struct bus_message *message)
{
    struct persistd *self = context;
    struct span certificate;
    if (outcome_codec_is_genesis(message->payload, &certificate)) {
        if (certificate.size > 0 && self->certificate.size == 0)
            (void)writer_exchange_certificate(self->writer, certificate);
        return;
    }
    struct held_frame *frame;
    int rc = held_frame_new(&frame, message);
    if (rc < 0) {
        bad_frame(self, PERSISTD_OUTCOME, message, rc);
        return;
    }
    struct persist_block blocks[PERSIST_ARRIVED_BLOCKS_MAX];
    struct persist_event event = {.kind = PERSIST_ARRIVED, .blocks = blocks};
    event.block_count = hold(self, frame, blocks);
    held_frame_release(&frame);
    step(self, &event);
}

static void tick(void *context)
{
    struct persist_event event = {.kind = PERSIST_TICK};
    step(context, &event);
}

/* --- the feed ----------------------------------------------------------------------------------------------------- */

static void unanswered(struct persistd *self, int rc)
{
    metrics_add(self->metrics, PERSISTD_METRIC_UNANSWERED, 1);
    log_limited(&self->unsent_log, LOG_LEVEL_DEBUG, "feed.unanswered", "error=\"%s\"", err_text(rc));
}

static void reply(struct persistd *self, const struct bus_route *route, uint8_t **frame, size_t size)
{
    int rc = bus_send_take(self->feed, route, frame, size);
    if (rc < 0)
        unanswered(self, rc);
}

static void on_answer(void *context, const struct bus_route *route, int rc, uint8_t **frame, size_t size)
{
    if (rc < 0)
        unanswered(context, rc);
    else
        reply(context, route, frame, size);
}

/* A range that needs no database: what was asked for is in memory, or not there yet. */
static bool answer_range(struct persistd *self, const struct feed_codec_question *question,
                         const struct bus_route *route)
{
    struct span messages[FEED_CODEC_RANGE_BLOCKS_MAX];
    struct feed_codec_range range = {
        .request = question->request, .blocks = messages, .height_last = self->core.tip.height};
    if (!self->core.tip.exists)
        return false;
    range.block_count =
        recent_find(&self->recent, question->height_first, messages, question->count_max, FEED_CODEC_RANGE_BYTES_MAX);
    if (range.block_count == 0 && question->height_first <= self->core.tip.height)
        return false;
    struct bytes_writer counter = bytes_writer_of(NULL, 0);
    feed_codec_put_range(&counter, &range);
    uint8_t *frame = malloc(counter.size);
    if (!frame)
        return false;
    struct bytes_writer writer = bytes_writer_of(frame, counter.size);
    feed_codec_put_range(&writer, &range);
    reply(self, route, &frame, counter.size);
    free(frame);
    return true;
}

static void on_feed(void *context, struct bus_message *message)
{
    struct persistd *self = context;
    struct feed_codec_question question;
    int rc = feed_codec_decode(&question, self->ids, message->payload);
    if (rc < 0) {
        bad_frame(self, PERSISTD_FEED, message, rc);
        return;
    }
    metrics_add(self->metrics, PERSISTD_METRIC_QUESTIONS, 1);
    if (question.kind == FEED_CODEC_RANGE && answer_range(self, &question, &message->route))
        return;
    rc = responder_ask(self->responder, &question, &message->route);
    if (rc < 0)
        unanswered(self, rc);
}

/* --- life --------------------------------------------------------------------------------------------------------- */

static int start_admin(struct persistd *self)
{
    int rc = metrics_new(&self->metrics, persistd_metrics, PERSISTD_METRIC_COUNT);
    if (rc < 0)
        return rc;
    return admin_new(&self->admin, &(struct admin_options){.daemon = "persistd",
                                                           .node = self->config->common.node_name,
                                                           .listen = self->config->common.admin_listen,
                                                           .metrics = self->metrics,
                                                           .conditions = condition_names,
                                                           .condition_count = CONDITION_COUNT});
}

static int start_threads(struct persistd *self)
{
    const struct persistd_config *config = self->config;
    uint64_t seed;
    randombytes_buf(&seed, sizeof seed);
    persist_init(&self->core, seed);
    int rc = writer_new(&self->writer, &(struct writer_options){.loop = self->loop,
                                                                .database = {.dsn = config->db_dsn,
                                                                             .password_file = config->db_password_file,
                                                                             .reader_role = config->db_reader_role,
                                                                             .steps = migrate_steps,
                                                                             .step_count = migrate_step_count,
                                                                             .chain_id = self->genesis->chain_id},
                                                                .seed = seed,
                                                                .done = on_writer,
                                                                .context = self});
    if (rc == 0)
        rc = responder_new(&self->responder, &(struct responder_options){.loop = self->loop,
                                                                         .dsn = config->db_dsn,
                                                                         .password_file = config->db_password_file,
                                                                         .done = on_answer,
                                                                         .context = self});
    return rc;
}

/* Who may speak to (FEED_ENDPOINT) and hear (FEED_PUB_ENDPOINT) us over tcp. */
static int allow_readers(struct persistd *self)
{
    const struct {
        const struct config_hex32 *key;
        const char *name;
    } readers[] = {{&self->config->ingestd_key, "ingestd"}, {&self->config->apid_key, "apid"}};
    int rc = 0;
    for (size_t i = 0; i < ARRAY_COUNT(readers); i++) {
        if (rc == 0 && readers[i].key->is_set)
            rc = bus_allow(self->bus, "feed", readers[i].key->bytes, readers[i].name);
        if (rc == 0 && readers[i].key->is_set)
            rc = bus_allow(self->bus, "feed_pub", readers[i].key->bytes, readers[i].name);
    }
    return rc;
}

static int open_sockets(struct persistd *self, const uint8_t *secret)
{
    const struct persistd_config *config = self->config;
    int rc = allow_readers(self);
    if (rc == 0)
        rc = bus_dealer_connect(&self->outcome, self->bus,
                                &(struct bus_options){.name = "outcome",
                                                      .endpoint = config->outcome_endpoint,
                                                      .curve_secret = secret,
                                                      .server_public = config->executord_key.bytes,
                                                      .frame_bytes_max = BUS_FRAME_BYTES_MAX,
                                                      .queue_count_max = OUTCOME_QUEUE_MAX});
    if (rc == 0)
        rc = bus_router_bind(&self->feed, self->bus,
                             &(struct bus_options){.name = "feed",
                                                   .endpoint = config->feed_endpoint,
                                                   .curve_secret = secret,
                                                   .frame_bytes_max = FEED_CODEC_FRAME_BYTES_MAX,
                                                   .queue_count_max = FEED_QUEUE_MAX});
    if (rc == 0)
        rc = bus_pub_bind(&self->pub, self->bus,
                          &(struct bus_options){.name = "feed_pub",
                                                .endpoint = config->feed_pub_endpoint,
                                                .curve_secret = secret,
                                                .frame_bytes_max = FEED_CODEC_FRAME_BYTES_MAX,
                                                .queue_count_max = PUB_QUEUE_MAX});
    if (rc == 0)
        rc = loop_socket_add(self->loop, self->outcome,
                             &(struct loop_socket_handlers){.message = on_outcome, .context = self, .messages_max = 4});
    if (rc == 0)
        rc = loop_socket_add(self->loop, self->feed,
                             &(struct loop_socket_handlers){.message = on_feed, .context = self, .messages_max = 16});
    return rc;
}

static int start_sockets(struct persistd *self)
{
    const char *path = self->config->common.stage_curve_key_file;
    uint8_t secret[KEYFILE_KEY_BYTES];
    int rc = path ? keyfile_read(path, secret) : 0;
    if (rc < 0) {
        log_error("key.unreadable", "path=%s error=\"%s\"", LOG_QUOTE_TEXT(path), err_text(rc));
        return rc;
    }
    rc = bus_new(&self->bus);
    if (rc == 0)
        rc = open_sockets(self, path ? secret : NULL);
    sodium_memzero(secret, sizeof secret);
    return rc;
}

static int start_timers(struct persistd *self)
{
    int rc = loop_timer_every(self->loop, TICK_MS, tick, self, NULL);
    if (rc == 0)
        rc = loop_timer_every(self->loop, BEAT_MS, beat, self, NULL);
    if (rc == 0)
        tick(self);
    return rc;
}

static int load_genesis(struct persistd *self)
{
    return genesis_file_load(self->config->common.genesis_file, &self->genesis);
}

int persistd_new(struct persistd **out, const struct persistd_config *config)
{
    CLEANUP(persistd_destroy) struct persistd *self = calloc(1, sizeof *self);
    if (!self)
        return -ENOMEM;
    self->config = config;
    int (*const steps[])(struct persistd *) = {load_genesis, start_admin, start_threads, start_sockets, start_timers};
    int rc = loop_new(&self->loop);
    for (size_t i = 0; i < ARRAY_COUNT(steps) && rc == 0; i++)
        rc = steps[i](self);
    if (rc < 0)
        return rc;
    *out = TAKE(self);
    return 0;
}

static void close_sockets(struct persistd *self)
{
    struct bus_socket **sockets[] = {&self->outcome, &self->feed, &self->pub};
    for (size_t i = 0; i < ARRAY_COUNT(sockets); i++) {
        if (*sockets[i])
            loop_socket_remove(self->loop, *sockets[i]);
        bus_socket_close(sockets[i]);
    }
}

void persistd_destroy(struct persistd **self_)
{
    struct persistd *self = self_ ? *self_ : NULL;
    if (!self)
        return;
    writer_destroy(&self->writer);
    responder_destroy(&self->responder);
    for (void *handle = persist_release(&self->core); handle; handle = persist_release(&self->core)) {
        struct held_block *block = handle;
        held_block_destroy(&block);
    }
    recent_deinit(&self->recent);
    close_sockets(self);
    admin_destroy(&self->admin);
    metrics_destroy(&self->metrics);
    bus_destroy(&self->bus);
    loop_destroy(&self->loop);
    genesis_destroy(&self->genesis);
    free(self);
    *self_ = NULL;
}

int persistd_run(struct persistd *self)
{
    int rc = loop_run(self->loop);
    return rc < 0 ? rc : self->ended_rc;
}
