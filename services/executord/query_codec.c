/* query_codec.c - frames of the query arrow. Field numbers are those of proto/query.proto. */
#include "services/executord/query_codec.h"

#include "common/base/err.h"
#include "common/base/wire.h"

enum { STATE_FIELD = 3, STATUS_FIELD = 5 };

int query_codec_decode(struct query_codec_request *out, struct span payload)
{
    uint32_t kind;
    struct span body;
    int rc = wire_frame_open(payload, &kind, &body);
    if (rc < 0)
        return rc;
    if (kind != QUERY_CODEC_STATE_REQUEST && kind != QUERY_CODEC_STATUS_REQUEST)
        return ERR_MALFORMED;
    struct query_codec_request request = {.kind = (enum query_codec_kind)kind};
    struct bytes_reader reader = bytes_reader_of(body);
    struct wire_field field;
    while (wire_next(&reader, &field)) {
        if (field.number == 1)
            request.request = field.value;
        else if (field.number == 2)
            request.key = field.bytes;
        else if (field.number == 3)
            request.at_height = field.value != 0;
        else if (field.number == 4)
            request.height = field.value;
    }
    if (reader.failed)
        return ERR_MALFORMED;
    *out = request;
    return 0;
}

static void put_state(struct bytes_writer *writer, const void *body)
{
    const struct query_codec_state *state = body;
    const struct stateproof *proof = state->proof;
    wire_put_number(writer, 1, state->request);
    wire_put_number(writer, 2, state->status);
    wire_put_number(writer, 3, state->height);
    wire_put_number(writer, 4, state->found);
    wire_put_bytes(writer, 5, state->value);
    if (proof && proof->has_leaf) {
        wire_put_number(writer, 6, true);
        wire_put_bytes(writer, 7, span_of(proof->leaf.key_hash.bytes, HASH_BYTES));
        wire_put_bytes(writer, 8, span_of(proof->leaf.value_hash.bytes, HASH_BYTES));
    }
    for (uint32_t i = 0; proof && i < proof->sibling_count; i++)
        wire_put_item(writer, 9, span_of(proof->siblings[i].bytes, HASH_BYTES));
    wire_put_bytes(writer, 10, state->header);
    wire_put_bytes(writer, 11, state->commit_proof);
    wire_put_number(writer, 12, state->height_min);
    wire_put_number(writer, 13, state->height_max);
}

void query_codec_put_state(struct bytes_writer *writer, const struct query_codec_state *state)
{
    wire_frame_put(writer, STATE_FIELD, put_state, state);
}

static void put_status(struct bytes_writer *writer, const void *body)
{
    const struct query_codec_items *status = body;
    wire_put_number(writer, 1, status->request);
    for (size_t i = 0; i < status->count; i++) {
        struct span name = span_text(status->items[i].name);
        struct span value = span_text(status->items[i].value);
        struct bytes_writer counter = bytes_writer_of(NULL, 0);
        wire_put_bytes(&counter, 1, name);
        wire_put_bytes(&counter, 2, value);
        wire_put_item_head(writer, 2, counter.size);
        wire_put_bytes(writer, 1, name);
        wire_put_bytes(writer, 2, value);
    }
}

void query_codec_put_status(struct bytes_writer *writer, const struct query_codec_items *status)
{
    wire_frame_put(writer, STATUS_FIELD, put_status, status);
}
