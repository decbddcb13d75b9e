/* outcome_codec.c - outcomes as bytes. Field numbers are those of proto/outcome.proto. */
#include "services/executord/outcome_codec.h"

#include <assert.h>

#include "common/base/err.h"
#include "common/base/wire.h"

enum {
    OUTCOMES_FIELD = 3,
    /* Outcome */
    HEADER_FIELD = 3,
    PROOF_FIELD = 4,
    BODIES_FIELD = 5,
    RECEIPTS_FIELD = 6,
    CHANGES_FIELD = 7,
};

/* --- what persistd says ------------------------------------------------------------------------------------------- */

static void ask_field(struct outcome_codec_request *out, const struct wire_field *field)
{
    if (field->number == 1)
        out->request = field->value;
    else if (field->number == 2)
        out->height_first = field->value;
    else if (field->number == 3)
        out->count_max = (uint32_t)field->value;
}

/* Fields of requests that the rules do not name are ignored. */
static int request_field(struct outcome_codec_request *out, const struct wire_field *field)
{
    switch (out->kind) {
    case OUTCOME_CODEC_ASK:
        ask_field(out, field);
        return 0;
    case OUTCOME_CODEC_ACK:
        if (field->number == 1)
            out->height = field->value;
        return 0;
    case OUTCOME_CODEC_GENESIS:
        if (field->number != 1)
            return 0;
        out->certificate = field->bytes;
        return field->type == WIRE_BYTES && field->bytes.size <= OUTCOME_CODEC_CERTIFICATE_BYTES_MAX ? 0
                                                                                                     : ERR_MALFORMED;
    }
    return ERR_MALFORMED;
}

int outcome_codec_decode(struct outcome_codec_request *out, struct span payload)
{
    uint32_t kind;
    struct span body;
    int rc = wire_frame_open(payload, &kind, &body);
    if (rc < 0)
        return rc;
    if (kind != OUTCOME_CODEC_ASK && kind != OUTCOME_CODEC_ACK && kind != OUTCOME_CODEC_GENESIS)
        return ERR_MALFORMED;
    struct outcome_codec_request request = {.kind = (enum outcome_codec_kind)kind};
    struct bytes_reader reader = bytes_reader_of(body);
    struct wire_field field;
    while (wire_next(&reader, &field)) {
        rc = request_field(&request, &field);
        if (rc < 0)
            return rc;
    }
    if (reader.failed)
        return ERR_MALFORMED;
    *out = request;
    return 0;
}

/* --- one outcome -------------------------------------------------------------------------------------------------- */

/* key 1, value 2, deleted 3 */
static void put_change(struct bytes_writer *writer, const struct state_change *change)
{
    struct span key = state_leaf_key(change->leaf);
    struct span value = {.size = 0};
    if (!change->deleted)
        value = state_leaf_value(change->leaf);
    size_t size = 1 + wire_varint_size(key.size) + key.size;
    if (value.size > 0)
        size += 1 + wire_varint_size(value.size) + value.size;
    size += change->deleted ? 2 : 0;
    wire_put_item_head(writer, CHANGES_FIELD, size);
    wire_put_bytes(writer, 1, key);
    wire_put_bytes(writer, 2, value);
    wire_put_number(writer, 3, change->deleted);
}

void outcome_codec_put(struct bytes_writer *writer, const struct version *version, struct span proof)
{
    const struct version_content *content = version->content;
    assert(content);
    uint8_t header[BLOCK_HEADER_BYTES];
    block_header_encode(header, &version->header);
    wire_put_number(writer, 1, version->header.height);
    wire_put_bytes(writer, 2, span_of(version->id.bytes, HASH_BYTES));
    wire_put_bytes(writer, HEADER_FIELD, span_of(header, sizeof header));
    wire_put_bytes(writer, PROOF_FIELD, proof);
    for (uint32_t i = 0; i < content->tx_count; i++)
        wire_put_item(writer, BODIES_FIELD, content->bodies[i]);
    for (uint32_t i = 0; i < content->tx_count; i++)
        wire_put_item(writer, RECEIPTS_FIELD, content->receipts[i]);
    for (size_t i = 0; i < content->change_count; i++)
        put_change(writer, &content->changes[i]);
}

int outcome_codec_read_head(struct outcome_codec_head *out, struct span outcome)
{
    struct outcome_codec_head head = {0};
    struct bytes_reader reader = bytes_reader_of(outcome);
    struct wire_field field;
    while (wire_next(&reader, &field) && field.number <= PROOF_FIELD) {
        if (field.number == HEADER_FIELD)
            head.header_bytes = field.bytes;
        else if (field.number == PROOF_FIELD)
            head.proof = field.bytes;
    }
    if (reader.failed || block_header_decode(&head.header, head.header_bytes) < 0)
        return ERR_MALFORMED;
    *out = head;
    return 0;
}

static int read_change(struct executor_entry *out, struct span change)
{
    struct executor_entry entry = {0};
    struct bytes_reader reader = bytes_reader_of(change);
    struct wire_field field;
    while (wire_next(&reader, &field)) {
        if (field.number == 1)
            entry.key = field.bytes;
        else if (field.number == 2)
            entry.value = field.bytes;
        else if (field.number == 3)
            entry.deleted = field.value != 0;
    }
    if (reader.failed || entry.key.size == 0)
        return ERR_MALFORMED;
    *out = entry;
    return 0;
}

int outcome_codec_read_changes(struct span outcome, struct executor_entry *entries, size_t entries_max, size_t *count)
{
    size_t found = 0;
    struct bytes_reader reader = bytes_reader_of(outcome);
    struct wire_field field;
    while (wire_next(&reader, &field)) {
        if (field.number != CHANGES_FIELD)
            continue;
        if (found == entries_max)
            return ERR_TOO_LARGE;
        if (read_change(&entries[found++], field.bytes) < 0)
            return ERR_MALFORMED;
    }
    if (reader.failed)
        return ERR_MALFORMED;
    *count = found;
    return 0;
}

static void put_genesis(struct bytes_writer *writer, const void *certificate)
{
    wire_put_bytes(writer, 1, *(const struct span *)certificate);
}

void outcome_codec_put_genesis(struct bytes_writer *writer, struct span certificate)
{
    wire_frame_put(writer, OUTCOME_CODEC_GENESIS, put_genesis, &certificate);
}

/* --- the answer --------------------------------------------------------------------------------------------------- */

void outcome_codec_put_item(struct bytes_writer *writer, struct span outcome)
{
    wire_put_item(writer, 2, outcome);
}

void outcome_codec_put_frame_head(struct bytes_writer *writer, uint64_t request, size_t items_bytes)
{
    struct bytes_writer counter = bytes_writer_of(NULL, 0);
    wire_put_number(&counter, 1, request);
    wire_frame_put_head(writer, OUTCOMES_FIELD, counter.size + items_bytes);
    wire_put_number(writer, 1, request);
}
