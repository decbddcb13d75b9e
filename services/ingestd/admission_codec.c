/* admission_codec.c - the frames of the admission arrow. Field numbers are those of proto/admission.proto. */
#include "services/ingestd/admission_codec.h"

#include "common/base/err.h"
#include "common/base/reason.h"
#include "common/base/wire.h"

enum { HELLO_FIELD = 2, SUBMIT_FIELD = 3, REJECTED_ACK_FIELD = 6 };

static int add_verdict(struct pending_verdicts *out, struct admission_codec_room *room, uint64_t value)
{
    if (value < PENDING_POOLED || value >= PENDING_VERDICT_COUNT)
        return ERR_MALFORMED;
    if (out->count == PENDING_BATCH_COUNT_MAX)
        return ERR_TOO_LARGE;
    room->verdicts[out->count++] = (enum pending_verdict)value;
    return 0;
}

/* A repeated enum: packed (one BYTES field of varints) or one by one. */
static int read_verdicts_field(struct pending_verdicts *out, struct admission_codec_room *room,
                               const struct wire_field *field)
{
    if (field->type == WIRE_VARINT)
        return add_verdict(out, room, field->value);
    if (field->type != WIRE_BYTES)
        return ERR_MALFORMED;
    for (size_t i = 0; i < field->bytes.size; i++) { /* all values are one byte */
        int rc = add_verdict(out, room, field->bytes.data[i]);
        if (rc < 0)
            return rc;
    }
    return 0;
}

static int read_verdicts(struct admission_codec_frame *out, struct admission_codec_room *room, struct span body)
{
    struct pending_verdicts *verdicts = &out->verdicts;
    verdicts->verdicts = room->verdicts;
    struct bytes_reader reader = bytes_reader_of(body);
    struct wire_field field;
    int rc = 0;
    while (rc == 0 && wire_next(&reader, &field)) {
        if (field.number == 2)
            rc = read_verdicts_field(verdicts, room, &field);
        else if (field.number <= 5 && field.type != WIRE_VARINT)
            rc = ERR_MALFORMED;
        else if (field.number == 1)
            verdicts->batch = field.value;
        else if (field.number == 3)
            verdicts->free_txs = (uint32_t)field.value;
        else if (field.number == 4)
            verdicts->free_bytes = field.value;
        else if (field.number == 5)
            verdicts->epoch = field.value;
    }
    return rc == 0 && reader.failed ? ERR_MALFORMED : rc;
}

static int read_rejected_tx(struct admission_codec_rejected *out, struct span body)
{
    struct bytes_reader reader = bytes_reader_of(body);
    struct wire_field field;
    bool found = false;
    *out = (struct admission_codec_rejected){0};
    while (wire_next(&reader, &field)) {
        if (field.number == 1) {
            if (wire_hash(&field, &out->tx_id) < 0)
                return ERR_MALFORMED;
            found = true;
        } else if (field.number == 2) {
            if (field.type != WIRE_VARINT || field.value >= REASON_COUNT)
                return ERR_MALFORMED;
            out->reason = (uint32_t)field.value;
        }
    }
    return reader.failed || !found ? ERR_MALFORMED : 0;
}

static int read_rejected(struct admission_codec_frame *out, struct admission_codec_room *room, struct span body)
{
    out->rejected = room->rejected;
    struct bytes_reader reader = bytes_reader_of(body);
    struct wire_field field;
    while (wire_next(&reader, &field)) {
        if (field.number == 1 && field.type == WIRE_VARINT) {
            out->sequence = field.value;
        } else if (field.number == 2 && field.type == WIRE_BYTES) {
            if (out->rejected_count == ADMISSION_CODEC_REJECTED_COUNT_MAX)
                return ERR_TOO_LARGE;
            int rc = read_rejected_tx(&room->rejected[out->rejected_count++], field.bytes);
            if (rc < 0)
                return rc;
        } else if (field.number <= 2) {
            return ERR_MALFORMED;
        }
    }
    return reader.failed ? ERR_MALFORMED : 0;
}

int admission_codec_decode(struct admission_codec_frame *out, struct admission_codec_room *room, struct span payload)
{
    uint32_t kind;
    struct span body;
    int rc = wire_frame_open(payload, &kind, &body);
    if (rc < 0)
        return rc;
    struct admission_codec_frame frame = {.kind = (enum admission_codec_kind)kind};
    if (kind == ADMISSION_CODEC_VERDICTS)
        rc = read_verdicts(&frame, room, body);
    else if (kind == ADMISSION_CODEC_REJECTED)
        rc = read_rejected(&frame, room, body);
    else
        rc = ERR_MALFORMED;
    if (rc == 0)
        *out = frame;
    return rc;
}

void admission_codec_put_hello(struct bytes_writer *writer)
{
    wire_frame_put_head(writer, HELLO_FIELD, 0);
}

void admission_codec_put_rejected_ack(struct bytes_writer *writer, uint64_t sequence)
{
    struct bytes_writer counter = bytes_writer_of(NULL, 0);
    wire_put_number(&counter, 1, sequence);
    wire_frame_put_head(writer, REJECTED_ACK_FIELD, counter.size);
    wire_put_number(writer, 1, sequence);
}

size_t admission_codec_body_bytes(size_t body_size)
{
    struct bytes_writer counter = bytes_writer_of(NULL, 0);
    admission_codec_put_body_head(&counter, body_size);
    return counter.size + body_size;
}

void admission_codec_put_submit_head(struct bytes_writer *writer, uint64_t batch, uint64_t items_bytes)
{
    struct bytes_writer counter = bytes_writer_of(NULL, 0);
    wire_put_number(&counter, 1, batch);
    wire_frame_put_head(writer, SUBMIT_FIELD, counter.size + items_bytes);
    wire_put_number(writer, 1, batch);
}

void admission_codec_put_body_head(struct bytes_writer *writer, size_t body_size)
{
    wire_put_item_head(writer, 2, body_size);
}
