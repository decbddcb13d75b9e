/* feed_codec.c - the frames of the feed arrow. Field numbers are those of proto/feed.proto. */
#include "services/ingestd/feed_codec.h"

#include "common/base/err.h"
#include "common/base/wire.h"

enum { RANGE_REQUEST_FIELD = 3, PRODUCERS_REQUEST_FIELD = 5, LOOKUP_REQUEST_FIELD = 7 };

/* Persisted */
enum { TX_IDS = 5, ANOMALY_IDS = 9, CHANGED_PRODUCERS = 10 };
/* Range, Producers, Lookup */
enum { RANGE_BLOCKS = 2, PRODUCERS_PRODUCERS = 3, LOOKUP_FOUND = 2 };

/* --- producers ---------------------------------------------------------------------------------------------------- */

static int read_producer(struct feed_codec_producer *out, struct span message)
{
    *out = (struct feed_codec_producer){0};
    struct bytes_reader reader = bytes_reader_of(message);
    struct wire_field field;
    bool has_key = false;
    while (wire_next(&reader, &field)) {
        if (field.number == 1) {
            if (field.type != WIRE_BYTES || field.bytes.size != SIGN_PUBLIC_BYTES)
                return ERR_MALFORMED;
            memcpy(out->key.bytes, field.bytes.data, SIGN_PUBLIC_BYTES);
            has_key = true;
        } else if (field.number == 3) {
            out->roles = (uint32_t)field.value;
        } else if (field.number == 4) {
            out->active = field.value != 0;
        }
    }
    return reader.failed || !has_key ? ERR_MALFORMED : 0;
}

/* --- blocks ------------------------------------------------------------------------------------------------------- */

static int read_block_list(const struct wire_field *field)
{
    struct hash tx_id;
    struct feed_codec_producer producer;
    if (field->type != WIRE_BYTES)
        return ERR_MALFORMED;
    if (field->number == TX_IDS)
        return wire_hash(field, &tx_id);
    return field->number == CHANGED_PRODUCERS ? read_producer(&producer, field->bytes) : 0;
}

static int read_block_bytes(struct feed_codec_block *out, const struct wire_field *field)
{
    if (field->type != WIRE_BYTES)
        return ERR_MALFORMED;
    if (field->number == 2)
        return wire_hash(field, &out->block_id);
    if (field->number == 3)
        return block_header_decode(&out->header, field->bytes);
    out->proof = field->bytes;
    return 0;
}

static int read_block_field(struct feed_codec_block *out, const struct wire_field *field)
{
    if (field->number == TX_IDS || field->number == ANOMALY_IDS || field->number == CHANGED_PRODUCERS)
        return read_block_list(field);
    if (field->number >= 2 && field->number <= 4)
        return read_block_bytes(out, field);
    if (field->number > CHANGED_PRODUCERS)
        return 0;
    if (field->type != WIRE_VARINT)
        return ERR_MALFORMED;
    if (field->number == 1)
        out->height = field->value;
    else if (field->number == 6)
        out->anomaly_count = (uint32_t)field->value;
    else if (field->number == 7)
        out->evidence_count = (uint32_t)field->value;
    else if (field->number == 8)
        out->policy_count = (uint32_t)field->value;
    return 0;
}

static int read_block(struct feed_codec_block *out, struct span message)
{
    *out = (struct feed_codec_block){.message = message, .header.height = UINT64_MAX};
    struct bytes_reader reader = bytes_reader_of(message);
    struct wire_field field;
    while (wire_next(&reader, &field)) {
        int rc = read_block_field(out, &field);
        if (rc < 0)
            return rc;
    }
    return reader.failed || out->header.height != out->height ? ERR_MALFORMED : 0;
}

/* --- answers ------------------------------------------------------------------------------------------------------ */

static int read_range_field(struct feed_codec_frame *out, const struct wire_field *field)
{
    struct feed_codec_block block;
    if (field->number == RANGE_BLOCKS)
        return field->type == WIRE_BYTES ? read_block(&block, field->bytes) : ERR_MALFORMED;
    if (field->number == 3)
        out->height = field->value;
    return 0;
}

static int read_producers_field(struct feed_codec_frame *out, const struct wire_field *field)
{
    struct feed_codec_producer producer;
    if (field->number == PRODUCERS_PRODUCERS)
        return field->type == WIRE_BYTES ? read_producer(&producer, field->bytes) : ERR_MALFORMED;
    if (field->number == 2)
        out->height = field->value;
    return 0;
}

static int read_lookup_field(const struct wire_field *field)
{
    struct hash id;
    return field->number == LOOKUP_FOUND ? wire_hash(field, &id) : 0;
}

static int read_answer_field(struct feed_codec_frame *out, const struct wire_field *field)
{
    if (field->number == 1) {
        out->request = field->value;
        return field->type == WIRE_VARINT ? 0 : ERR_MALFORMED;
    }
    if (out->kind == FEED_CODEC_RANGE)
        return read_range_field(out, field);
    if (out->kind == FEED_CODEC_PRODUCERS)
        return read_producers_field(out, field);
    return read_lookup_field(field);
}

static int read_answer(struct feed_codec_frame *out)
{
    struct bytes_reader reader = bytes_reader_of(out->message);
    struct wire_field field;
    while (wire_next(&reader, &field)) {
        int rc = read_answer_field(out, &field);
        if (rc < 0)
            return rc;
    }
    return reader.failed ? ERR_MALFORMED : 0;
}

int feed_codec_decode(struct feed_codec_frame *out, struct span payload)
{
    uint32_t kind;
    struct span body;
    int rc = wire_frame_open(payload, &kind, &body);
    if (rc < 0)
        return rc;
    struct feed_codec_frame frame = {.kind = (enum feed_codec_kind)kind, .message = body};
    if (kind == FEED_CODEC_PERSISTED)
        rc = read_block(&frame.block, body);
    else if (kind == FEED_CODEC_RANGE || kind == FEED_CODEC_PRODUCERS || kind == FEED_CODEC_LOOKUP)
        rc = read_answer(&frame);
    else
        rc = ERR_MALFORMED;
    if (rc == 0)
        *out = frame;
    return rc;
}

/* --- walks -------------------------------------------------------------------------------------------------------- */

/* The next item of a repeated field that holds bytes. */
static bool next_item(struct bytes_reader *reader, uint32_t number, struct wire_field *out)
{
    while (wire_next(reader, out)) {
        if (out->number == number && out->type == WIRE_BYTES)
            return true;
    }
    return false;
}

static bool next_hash(struct bytes_reader *reader, uint32_t number, struct hash *out)
{
    struct wire_field field;
    return next_item(reader, number, &field) && wire_hash(&field, out) == 0;
}

bool feed_codec_next_tx(struct bytes_reader *reader, struct hash *out)
{
    return next_hash(reader, TX_IDS, out);
}

bool feed_codec_next_found(struct bytes_reader *reader, struct hash *out)
{
    return next_hash(reader, LOOKUP_FOUND, out);
}

bool feed_codec_next_anomaly(struct bytes_reader *reader, struct span *out)
{
    struct wire_field field;
    if (!next_item(reader, ANOMALY_IDS, &field))
        return false;
    *out = field.bytes;
    return true;
}

bool feed_codec_next_changed(struct bytes_reader *reader, struct feed_codec_producer *out)
{
    struct wire_field field;
    return next_item(reader, CHANGED_PRODUCERS, &field) && read_producer(out, field.bytes) == 0;
}

bool feed_codec_next_producer(struct bytes_reader *reader, struct feed_codec_producer *out)
{
    struct wire_field field;
    return next_item(reader, PRODUCERS_PRODUCERS, &field) && read_producer(out, field.bytes) == 0;
}

bool feed_codec_next_block(struct bytes_reader *reader, struct feed_codec_block *out)
{
    struct wire_field field;
    return next_item(reader, RANGE_BLOCKS, &field) && read_block(out, field.bytes) == 0;
}

/* --- questions ---------------------------------------------------------------------------------------------------- */

static void put_range_fields(struct bytes_writer *writer, const struct feed_codec_range_request *request)
{
    wire_put_number(writer, 1, request->request);
    wire_put_number(writer, 2, request->height_first);
    wire_put_number(writer, 3, request->count_max);
}

void feed_codec_put_range_request(struct bytes_writer *writer, const struct feed_codec_range_request *request)
{
    struct bytes_writer counter = bytes_writer_of(NULL, 0);
    put_range_fields(&counter, request);
    wire_frame_put_head(writer, RANGE_REQUEST_FIELD, counter.size);
    put_range_fields(writer, request);
}

void feed_codec_put_producers_request(struct bytes_writer *writer, uint64_t request)
{
    struct bytes_writer counter = bytes_writer_of(NULL, 0);
    wire_put_number(&counter, 1, request);
    wire_frame_put_head(writer, PRODUCERS_REQUEST_FIELD, counter.size);
    wire_put_number(writer, 1, request);
}

static void put_lookup_fields(struct bytes_writer *writer, uint64_t request, const struct hash *ids, size_t count)
{
    wire_put_number(writer, 1, request);
    for (size_t i = 0; i < count; i++)
        wire_put_item(writer, 2, span_of(ids[i].bytes, HASH_BYTES));
}

void feed_codec_put_lookup_request(struct bytes_writer *writer, uint64_t request, const struct hash *ids, size_t count)
{
    struct bytes_writer counter = bytes_writer_of(NULL, 0);
    put_lookup_fields(&counter, request, ids, count);
    wire_frame_put_head(writer, LOOKUP_REQUEST_FIELD, counter.size);
    put_lookup_fields(writer, request, ids, count);
}
