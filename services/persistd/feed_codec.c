/* feed_codec.c - the frames of the feed arrow. Field numbers are those of proto/feed.proto. */
#include "services/persistd/feed_codec.h"

#include "common/base/err.h"
#include "common/base/wire.h"

enum { PERSISTED_FIELD = 2, RANGE_FIELD = 4, PRODUCERS_FIELD = 6, LOOKUP_FIELD = 8 };

/* --- questions ---------------------------------------------------------------------------------------------------- */

static int read_id(struct feed_codec_question *question, struct span id)
{
    if (id.size != HASH_BYTES)
        return ERR_MALFORMED;
    if (question->id_count == FEED_CODEC_LOOKUP_IDS_MAX)
        return ERR_TOO_LARGE;
    memcpy(question->ids[question->id_count++].bytes, id.data, HASH_BYTES);
    return 0;
}

static int read_field(struct feed_codec_question *question, const struct wire_field *field)
{
    if (field->number == 1)
        question->request = field->value;
    else if (field->number == 2 && question->kind == FEED_CODEC_LOOKUP)
        return read_id(question, field->bytes);
    else if (field->number == 2)
        question->height_first = field->value;
    else if (field->number == 3)
        question->count_max =
            field->value < FEED_CODEC_RANGE_BLOCKS_MAX ? (uint32_t)field->value : FEED_CODEC_RANGE_BLOCKS_MAX;
    return 0;
}

int feed_codec_decode(struct feed_codec_question *out, struct hash *ids, struct span payload)
{
    uint32_t kind;
    struct span body;
    int rc = wire_frame_open(payload, &kind, &body);
    if (rc < 0)
        return rc;
    if (kind != FEED_CODEC_RANGE && kind != FEED_CODEC_PRODUCERS && kind != FEED_CODEC_LOOKUP)
        return ERR_MALFORMED;
    struct feed_codec_question question = {.kind = (enum feed_codec_kind)kind, .ids = ids};
    struct bytes_reader reader = bytes_reader_of(body);
    struct wire_field field;
    while (wire_next(&reader, &field)) {
        rc = read_field(&question, &field);
        if (rc < 0)
            return rc;
    }
    if (reader.failed || question.height_first > INT64_MAX)
        return ERR_MALFORMED;
    if (question.count_max == 0)
        question.count_max = 1;
    *out = question;
    return 0;
}

/* --- messages ----------------------------------------------------------------------------------------------------- */

typedef void put_message(struct bytes_writer *writer, const void *message);

/* A message as a field: written twice, once to know its size. */
static void put_nested(struct bytes_writer *writer, uint32_t field, put_message *put, const void *message)
{
    struct bytes_writer counter = bytes_writer_of(NULL, 0);
    put(&counter, message);
    wire_put_item_head(writer, field, counter.size);
    put(writer, message);
}

static void put_frame(struct bytes_writer *writer, uint32_t field, put_message *put, const void *message)
{
    struct bytes_writer counter = bytes_writer_of(NULL, 0);
    put(&counter, message);
    wire_frame_put_head(writer, field, counter.size);
    put(writer, message);
}

static void put_producer(struct bytes_writer *writer, const void *message)
{
    const struct feed_codec_producer *producer = message;
    wire_put_bytes(writer, 1, producer->key);
    wire_put_bytes(writer, 2, producer->name);
    wire_put_number(writer, 3, producer->roles);
    wire_put_number(writer, 4, producer->active);
}

void feed_codec_put_block(struct bytes_writer *writer, const struct feed_codec_block *block)
{
    wire_put_number(writer, 1, block->height);
    wire_put_bytes(writer, 2, block->block_id);
    wire_put_bytes(writer, 3, block->header);
    wire_put_bytes(writer, 4, block->proof);
    for (size_t i = 0; i < block->tx_count; i++)
        wire_put_item(writer, 5, block->txs[i].tx_id);
    wire_put_number(writer, 6, block->anomaly_count);
    wire_put_number(writer, 7, block->evidence_count);
    wire_put_number(writer, 8, block->policy_count);
    for (size_t i = 0; i < block->tx_count; i++) {
        if (block->txs[i].is_anomaly)
            wire_put_item(writer, 9, block->txs[i].event_id);
    }
    for (size_t i = 0; i < block->producer_count; i++)
        put_nested(writer, 10, put_producer, &block->producers[i]);
}

static void put_range_fields(struct bytes_writer *writer, const void *message)
{
    const struct feed_codec_range *range = message;
    wire_put_number(writer, 1, range->request);
    for (size_t i = 0; i < range->block_count; i++)
        wire_put_item(writer, 2, range->blocks[i]);
    wire_put_number(writer, 3, range->height_last);
}

static void put_producers_fields(struct bytes_writer *writer, const void *message)
{
    const struct feed_codec_producers *producers = message;
    wire_put_number(writer, 1, producers->request);
    wire_put_number(writer, 2, producers->height);
    for (size_t i = 0; i < producers->producer_count; i++)
        put_nested(writer, 3, put_producer, &producers->producers[i]);
}

static void put_lookup_fields(struct bytes_writer *writer, const void *message)
{
    const struct feed_codec_lookup *lookup = message;
    wire_put_number(writer, 1, lookup->request);
    for (size_t i = 0; i < lookup->found_count; i++)
        wire_put_item(writer, 2, lookup->found[i]);
}

/* --- frames ------------------------------------------------------------------------------------------------------- */

void feed_codec_put_persisted(struct bytes_writer *writer, struct span message)
{
    wire_frame_put_head(writer, PERSISTED_FIELD, message.size);
    bytes_put_span(writer, message);
}

void feed_codec_put_range(struct bytes_writer *writer, const struct feed_codec_range *range)
{
    put_frame(writer, RANGE_FIELD, put_range_fields, range);
}

void feed_codec_put_producers(struct bytes_writer *writer, const struct feed_codec_producers *producers)
{
    put_frame(writer, PRODUCERS_FIELD, put_producers_fields, producers);
}

void feed_codec_put_lookup(struct bytes_writer *writer, const struct feed_codec_lookup *lookup)
{
    put_frame(writer, LOOKUP_FIELD, put_lookup_fields, lookup);
}
