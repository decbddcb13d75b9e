/* admission.c - the arrow to mempoold. */
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "common/base/err.h"
#include "services/ingestd/event_codec.h"
#include "services/ingestd/ingestd_state.h"

enum { HELLO_MS = 500, SMALL_FRAME_BYTES = 64 };

/* Returns whether it was sent. What was not is said again. */
static bool send_small(struct ingestd *self, const struct bytes_writer *writer)
{
    assert(!writer->failed);
    struct span frame = bytes_written(writer);
    self->admission_sent_ms = loop_now_ms();
    int rc = bus_send(self->admission, NULL, frame.data, frame.size);
    if (rc < 0)
        log_limited(&self->unsent_log, LOG_LEVEL_DEBUG, "frame.unsent", "socket=admission error=\"%s\"", err_text(rc));
    return rc == 0;
}

/* --- submitting --------------------------------------------------------------------------------------------------- */

/* The record was read before, and gave a body of this size. */
static void put_body(struct bytes_writer *writer, const struct ingestd_record *record)
{
    struct event_codec_room room;
    struct tx_fields fields;
    const char *why;
    int rc = event_codec_read(&fields, &room, (enum tx_kind)(record->message.topic + TX_ANOMALY), record->message.value,
                              &why);
    assert(rc == 0 && tx_encoded_size(&fields) == record->body_bytes);
    (void)rc;
    admission_codec_put_body_head(writer, record->body_bytes);
    assert(writer->capacity - writer->size >= record->body_bytes);
    tx_encode(writer->data + writer->size, &fields);
    writer->size += record->body_bytes;
}

static int encode_batch(struct ingestd *self, uint8_t **out, size_t *size)
{
    uint64_t items_bytes = 0;
    for (uint32_t i = 0; i < self->batch.count; i++)
        items_bytes += admission_codec_body_bytes(self->records[self->batch.records[i]].body_bytes);
    size_t capacity = (size_t)items_bytes + ADMISSION_CODEC_FRAME_EXTRA_BYTES;
    uint8_t *frame = malloc(capacity);
    if (!frame)
        return -ENOMEM;
    struct bytes_writer writer = bytes_writer_of(frame, capacity);
    admission_codec_put_submit_head(&writer, self->batch.batch, items_bytes);
    for (uint32_t i = 0; i < self->batch.count; i++)
        put_body(&writer, &self->records[self->batch.records[i]]);
    assert(!writer.failed);
    *out = frame;
    *size = writer.size;
    return 0;
}

void admission_submit(struct ingestd *self)
{
    uint64_t now_ms = loop_now_ms();
    pending_submit(self->pending, now_ms, &self->batch);
    if (self->batch.count == 0)
        return;
    uint8_t *frame = NULL;
    size_t size = 0;
    int rc = encode_batch(self, &frame, &size);
    if (rc == 0)
        rc = bus_send_take(self->admission, NULL, &frame, size);
    if (rc == 0) {
        self->admission_sent_ms = now_ms;
        return;
    }
    free(frame);
    pending_unsent(self->pending);
    log_limited(&self->unsent_log, LOG_LEVEL_DEBUG, "frame.unsent", "socket=admission txs=%" PRIu32 " error=\"%s\"",
                self->batch.count, err_text(rc));
}

/* --- answers ------------------------------------------------------------------------------------------------------ */

static int on_verdicts(struct ingestd *self, const struct pending_verdicts *verdicts)
{
    struct hash bad[PENDING_BATCH_COUNT_MAX];
    int bad_count = pending_verdicts(self->pending, loop_now_ms(), verdicts, bad);
    if (bad_count < 0)
        return bad_count;
    for (size_t i = 0; i < verdicts->count; i++)
        metrics_add_at(self->metrics, INGESTD_METRIC_VERDICTS, verdicts->verdicts[i], 1);
    for (int i = 0; i < bad_count; i++) {
        log_limited(&self->bad_verdict_log, LOG_LEVEL_ERROR, "tx.bad", "tx=%s", LOG_HASH(&bad[i]));
        intake_refuse(self, &bad[i], REASON_MALFORMED, "mempoold does not take it for a transaction");
    }
    admission_submit(self);
    return 0;
}

static void on_rejected(struct ingestd *self, const struct admission_codec_frame *frame)
{
    for (size_t i = 0; i < frame->rejected_count; i++) {
        const struct admission_codec_rejected *rejected = &frame->rejected[i];
        if (rejected->reason == REASON_NONE)
            pending_doubt(self->pending, &rejected->tx_id);
        else
            intake_refuse(self, &rejected->tx_id, (enum reason)rejected->reason, "refused by execution");
    }
    uint8_t buffer[SMALL_FRAME_BYTES];
    struct bytes_writer writer = bytes_writer_of(buffer, sizeof buffer);
    admission_codec_put_rejected_ack(&writer, frame->sequence);
    (void)send_small(self, &writer);
}

void admission_message(void *context, struct bus_message *message)
{
    struct ingestd *self = context;
    struct admission_codec_frame frame;
    int rc = admission_codec_decode(&frame, &self->admission_room, message->payload);
    if (rc == 0)
        self->admission_heard_ms = loop_now_ms();
    if (rc == 0 && frame.kind == ADMISSION_CODEC_VERDICTS)
        rc = on_verdicts(self, &frame.verdicts);
    else if (rc == 0)
        on_rejected(self, &frame);
    if (rc < 0)
        ingestd_bad_frame(self, INGESTD_ADMISSION, rc);
}

void admission_tick(struct ingestd *self)
{
    admission_submit(self);
    if (loop_now_ms() < self->admission_sent_ms + HELLO_MS)
        return;
    uint8_t buffer[SMALL_FRAME_BYTES];
    struct bytes_writer writer = bytes_writer_of(buffer, sizeof buffer);
    admission_codec_put_hello(&writer);
    (void)send_small(self, &writer);
}
