/* follow.c - the arrow from persistd, and the commit notices made of it. */
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "common/base/err.h"
#include "services/ingestd/commit_event.h"
#include "services/ingestd/ingestd_state.h"

enum {
    QUESTION_BYTES = 64,
    LOOKUP_ID_BYTES = 34,     /* of one id in a question */
    CHANGED_COUNT_MAX = 4096, /* producer records of one step */
    ANNOUNCE_RETRY_MS = 1000,
    RESUME_WAIT_MS = 2000,
    RESUME_RETRY_MS = 1000,
    COMMITS_PARTITION = 0, /* notices stand in height order because they stand in one partition */
};

/* --- announcing --------------------------------------------------------------------------------------------------- */

static void announce_later(struct ingestd *self)
{
    self->announce_not_before_ms = loop_now_ms() + ANNOUNCE_RETRY_MS;
}

static bool announce_rests(const struct ingestd *self)
{
    return loop_now_ms() < self->announce_not_before_ms;
}

static void announce_block(struct ingestd *self, const struct feed_codec_block *block)
{
    if (!announce_wants(&self->announce, block->height))
        return;
    uint8_t *event = NULL;
    size_t size = 0;
    int rc = commit_event_encode(block, self->config->commits_topic, &self->control_key, &event, &size);
    if (rc < 0)
        announce_later(self);
    else
        announce_add_take(&self->announce, &event, size);
}

static int produce_notice(struct ingestd *self, const struct announce_notice *notice)
{
    uint8_t key[8];
    struct bytes_writer writer = bytes_writer_of(key, sizeof key);
    bytes_put_u64(&writer, notice->height);
    const struct kafka_header headers[] = {
        {"version", span_text("1")},
        {"type", span_text("CommitEvent")},
        {"validator", span_text(self->config->common.node_name)},
    };
    return kafka_produce(self->producer, &(struct kafka_record){
                                             .topic = self->config->commits_topic,
                                             .partition = COMMITS_PARTITION,
                                             .key = bytes_written(&writer),
                                             .value = notice->value,
                                             .headers = headers,
                                             .header_count = ARRAY_COUNT(headers),
                                             .tag = notice->height,
                                         });
}

/* The broker's or the producer's word about a notice. */
static void on_word(struct ingestd *self, uint64_t height, int rc)
{
    if (rc < 0) {
        log_limited(&self->unsent_log, LOG_LEVEL_WARN, "notice.unsent", "height=%" PRIu64 " error=\"%s\"", height,
                    err_text(rc));
        announce_later(self);
    }
    announce_delivered(&self->announce, height, rc == 0);
}

static void give_notices(struct ingestd *self)
{
    struct announce_notice notice;
    while (!announce_rests(self) && announce_give(&self->announce, &notice)) {
        int rc = produce_notice(self, &notice);
        if (rc < 0)
            on_word(self, notice.height, rc);
    }
}

void follow_delivered(struct ingestd *self, uint64_t height, int rc)
{
    on_word(self, height, rc);
    give_notices(self);
}

void follow_commit(struct ingestd *self, uint32_t wait_ms)
{
    uint64_t next;
    if (!self->group)
        return;
    if (announce_commit_due(&self->announce, &next))
        (void)!kafka_group_commit(self->group, self->config->commits_topic, COMMITS_PARTITION, (int64_t)next, wait_ms);
    kafka_group_poll(self->group);
}

struct resume {
    struct ingestd *self;
    struct kafka_group *group;
    const char *topic;
    int64_t offset;
    int rc;
};

static void resume_work(void *argument)
{
    struct resume *resume = argument;
    resume->rc =
        kafka_group_committed(resume->group, resume->topic, COMMITS_PARTITION, RESUME_WAIT_MS, &resume->offset);
}

static void resume_again(void *context)
{
    follow_resume(context);
}

static void resume_done(void *argument)
{
    struct resume *resume = argument;
    struct ingestd *self = resume->self;
    int rc = resume->rc;
    int64_t offset = resume->offset;
    free(resume);
    if (rc == 0) {
        announce_start(&self->announce, offset);
        log_info("announce.resumed", "height=%" PRIu64, self->announce.next);
        return;
    }
    rc = loop_timer_once(self->loop, RESUME_RETRY_MS, resume_again, self, NULL);
    if (rc < 0)
        ingestd_stop(self, rc, "resume announcing");
}

void follow_resume(struct ingestd *self)
{
    struct resume *resume = malloc(sizeof *resume);
    int rc = resume ? 0 : -ENOMEM;
    if (resume) {
        *resume = (struct resume){.self = self, .group = self->group, .topic = self->config->commits_topic};
        rc = workers_submit(self->resumer,
                            &(struct workers_job){.work = resume_work, .done = resume_done, .argument = resume});
    }
    if (rc == 0)
        return;
    free(resume);
    ingestd_stop(self, rc, "resume announcing");
}

/* --- questions ---------------------------------------------------------------------------------------------------- */

/* What is not sent is asked again. */
static void send_question(struct ingestd *self, const struct bytes_writer *writer)
{
    assert(!writer->failed);
    struct span frame = bytes_written(writer);
    int rc = bus_send(self->feed_dealer, NULL, frame.data, frame.size);
    if (rc < 0)
        log_limited(&self->unsent_log, LOG_LEVEL_DEBUG, "frame.unsent", "socket=feed error=\"%s\"", err_text(rc));
}

static void ask(struct ingestd *self)
{
    uint64_t announce = announce_asks(&self->announce) && !announce_rests(self) ? self->announce.next : 0;
    struct feed_question question = feed_ask(&self->feed, announce, loop_now_ms());
    uint8_t buffer[QUESTION_BYTES];
    struct bytes_writer writer = bytes_writer_of(buffer, sizeof buffer);
    switch (question.kind) {
    case FEED_ASK_NOTHING:
        return;
    case FEED_ASK_PRODUCERS:
        feed_codec_put_producers_request(&writer, question.range.request);
        break;
    case FEED_ASK_RANGE:
        feed_codec_put_range_request(&writer, &question.range);
        break;
    }
    send_question(self, &writer);
}

static void look_up(struct ingestd *self)
{
    static_assert((int)PENDING_LOOKUP_COUNT_MAX <= (int)FEED_CODEC_LOOKUP_IDS_MAX, "persistd takes as many");
    uint64_t request;
    size_t count = pending_lookup(self->pending, loop_now_ms(), self->ids, &request);
    if (count == 0)
        return;
    size_t capacity = QUESTION_BYTES + count * LOOKUP_ID_BYTES;
    uint8_t *frame = malloc(capacity);
    if (!frame)
        return; /* as a question without an answer */
    struct bytes_writer writer = bytes_writer_of(frame, capacity);
    feed_codec_put_lookup_request(&writer, request, self->ids, count);
    send_question(self, &writer);
    free(frame);
}

void follow_tick(struct ingestd *self)
{
    give_notices(self);
    ask(self);
    look_up(self);
}

/* --- answers ------------------------------------------------------------------------------------------------------ */

typedef bool next_producer(struct bytes_reader *reader, struct feed_codec_producer *out);

/* Put the records of a message into a new snapshot. */
static int learn_producers(struct ingestd *self, struct span message, next_producer *next)
{
    struct feed_codec_producer producer;
    struct producers_record *records = NULL;
    size_t count = 0;
    struct bytes_reader reader = bytes_reader_of(message);
    while (next(&reader, &producer))
        count++;
    if (count > 0 && !(records = calloc(count, sizeof *records)))
        return -ENOMEM;
    reader = bytes_reader_of(message);
    for (size_t i = 0; i < count && next(&reader, &producer); i++)
        records[i] = (struct producers_record){.key = producer.key, .roles = producer.roles, .active = producer.active};
    struct producers *made;
    int rc = producers_make(&made, self->producers, records, count);
    free(records);
    if (rc < 0)
        return rc;
    producers_release(&self->producers);
    self->producers = made;
    metrics_set(self->metrics, INGESTD_METRIC_PRODUCERS, (int64_t)producers_count(made));
    return 0;
}

static int apply_block(struct ingestd *self, const struct feed_codec_block *block)
{
    struct hash tx_id;
    struct bytes_reader reader = bytes_reader_of(block->message);
    while (feed_codec_next_tx(&reader, &tx_id))
        intake_finish(self, &tx_id);
    struct feed_codec_producer changed;
    reader = bytes_reader_of(block->message);
    return feed_codec_next_changed(&reader, &changed) ? learn_producers(self, block->message, feed_codec_next_changed)
                                                      : 0;
}

static int on_block(struct ingestd *self, const struct feed_codec_block *block)
{
    int rc = 0;
    if (feed_block(&self->feed, block->height, loop_now_ms()) == FEED_APPLY)
        rc = apply_block(self, block);
    announce_block(self, block);
    return rc;
}

static int on_range(struct ingestd *self, const struct feed_codec_frame *frame)
{
    struct feed_codec_block block;
    struct bytes_reader reader = bytes_reader_of(frame->message);
    int rc = 0;
    while (rc == 0 && feed_codec_next_block(&reader, &block))
        rc = on_block(self, &block);
    feed_answered(&self->feed, frame->request, frame->height, loop_now_ms());
    return rc;
}

static int on_producers(struct ingestd *self, const struct feed_codec_frame *frame)
{
    int rc = self->feed.known ? 0 : learn_producers(self, frame->message, feed_codec_next_producer);
    if (rc < 0)
        return rc;
    feed_producers(&self->feed, frame->height);
    feed_answered(&self->feed, frame->request, frame->height, loop_now_ms());
    return 0;
}

static int on_lookup(struct ingestd *self, const struct feed_codec_frame *frame)
{
    struct hash tx_id;
    struct bytes_reader reader = bytes_reader_of(frame->message);
    while (feed_codec_next_found(&reader, &tx_id))
        intake_finish(self, &tx_id);
    pending_looked_up(self->pending, frame->request);
    admission_submit(self);
    return 0;
}

static int on_frame(struct ingestd *self, const struct feed_codec_frame *frame)
{
    switch (frame->kind) {
    case FEED_CODEC_PERSISTED:
        return on_block(self, &frame->block);
    case FEED_CODEC_RANGE:
        return on_range(self, frame);
    case FEED_CODEC_PRODUCERS:
        return on_producers(self, frame);
    case FEED_CODEC_LOOKUP:
        return on_lookup(self, frame);
    }
    return 0;
}

static void on_message(struct ingestd *self, enum ingestd_arrow arrow, const struct bus_message *message)
{
    struct feed_codec_frame frame;
    int rc = feed_codec_decode(&frame, message->payload);
    if (rc == 0 && arrow == INGESTD_FEED_PUB && frame.kind != FEED_CODEC_PERSISTED)
        rc = ERR_MALFORMED;
    if (rc < 0) {
        ingestd_bad_frame(self, arrow, rc);
        return;
    }
    rc = on_frame(self, &frame);
    if (rc < 0) {
        ingestd_stop(self, rc, "follow the feed");
        return;
    }
    intake_flow(self);
    give_notices(self);
    ask(self);
}

void follow_feed_message(void *context, struct bus_message *message)
{
    on_message(context, INGESTD_FEED, message);
}

void follow_sub_message(void *context, struct bus_message *message)
{
    on_message(context, INGESTD_FEED_PUB, message);
}
