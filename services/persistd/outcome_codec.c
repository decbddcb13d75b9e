/* outcome_codec.c - the frames of the outcome arrow. Field numbers are those of proto/outcome.proto.
 *
 * An answer is walked twice: once to count, once to fill arrays of exactly that size. So the number of allocations does
 * not depend on the number of transactions.
 */
#include "services/persistd/outcome_codec.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "common/base/bytes.h"
#include "common/base/err.h"
#include "common/base/wire.h"

enum {
    ASK_FIELD = 2,
    OUTCOMES_FIELD = 3,
    ACK_FIELD = 4,
    GENESIS_FIELD = 5,
    /* Outcomes */
    REQUEST_FIELD = 1,
    BLOCKS_FIELD = 2,
    /* Outcome */
    HEIGHT_FIELD = 1,
    BLOCK_ID_FIELD = 2,
    HEADER_FIELD = 3,
    PROOF_FIELD = 4,
    BODIES_FIELD = 5,
    RECEIPTS_FIELD = 6,
    CHANGES_FIELD = 7,
};

/* --- counting ----------------------------------------------------------------------------------------------------- */

struct counts {
    size_t blocks;
    size_t bodies;
    size_t receipts;
    size_t changes;
};

static int count_outcome(struct counts *counts, struct span outcome)
{
    struct bytes_reader reader = bytes_reader_of(outcome);
    struct wire_field field;
    while (wire_next(&reader, &field)) {
        counts->bodies += field.number == BODIES_FIELD;
        counts->receipts += field.number == RECEIPTS_FIELD;
        counts->changes += field.number == CHANGES_FIELD;
    }
    return reader.failed ? ERR_MALFORMED : 0;
}

static int count_all(struct counts *counts, struct span answer)
{
    struct bytes_reader reader = bytes_reader_of(answer);
    struct wire_field field;
    while (wire_next(&reader, &field)) {
        if (field.number != BLOCKS_FIELD)
            continue;
        counts->blocks++;
        int rc = count_outcome(counts, field.bytes);
        if (rc < 0)
            return rc;
    }
    if (reader.failed)
        return ERR_MALFORMED;
    if (counts->blocks > OUTCOME_CODEC_BLOCKS_MAX ||
        counts->bodies + counts->receipts + counts->changes > OUTCOME_CODEC_ITEMS_MAX)
        return ERR_TOO_LARGE;
    return 0;
}

/* --- filling ------------------------------------------------------------------------------------------------------ */

/* Where the next items go; each array is as large as was counted. */
struct places {
    struct span *bodies;
    struct span *receipts;
    struct outcome_change *changes;
};

static int read_change(struct outcome_change *out, struct span change)
{
    struct outcome_change found = {0};
    struct bytes_reader reader = bytes_reader_of(change);
    struct wire_field field;
    while (wire_next(&reader, &field)) {
        if (field.number == 1)
            found.key = field.bytes;
        else if (field.number == 2)
            found.value = field.bytes;
        else if (field.number == 3)
            found.deleted = field.value != 0;
    }
    if (reader.failed || found.key.size == 0)
        return ERR_MALFORMED;
    *out = found;
    return 0;
}

static int read_field(struct outcome *out, struct places *places, const struct wire_field *field)
{
    switch (field->number) {
    case HEIGHT_FIELD:
        out->height = field->value;
        return 0;
    case BLOCK_ID_FIELD:
        if (field->bytes.size != HASH_BYTES)
            return ERR_MALFORMED;
        memcpy(out->block_id.bytes, field->bytes.data, HASH_BYTES);
        return 0;
    case HEADER_FIELD:
        out->header_bytes = field->bytes;
        return block_header_decode(&out->header, field->bytes);
    case PROOF_FIELD:
        out->proof = field->bytes;
        return 0;
    case BODIES_FIELD:
        *places->bodies++ = field->bytes;
        return 0;
    case RECEIPTS_FIELD:
        *places->receipts++ = field->bytes;
        return 0;
    case CHANGES_FIELD:
        return read_change(places->changes++, field->bytes);
    default:
        return 0;
    }
}

static int read_outcome(struct outcome *out, struct places *places, struct span bytes)
{
    struct outcome outcome = {
        .bodies = places->bodies, .receipts = places->receipts, .changes = places->changes, .size_bytes = bytes.size};
    struct bytes_reader reader = bytes_reader_of(bytes);
    struct wire_field field;
    while (wire_next(&reader, &field)) {
        int rc = read_field(&outcome, places, &field);
        if (rc < 0)
            return rc;
    }
    outcome.tx_count = (uint32_t)(places->bodies - outcome.bodies);
    outcome.change_count = (uint32_t)(places->changes - outcome.changes);
    if (outcome.header_bytes.size == 0 || places->receipts - outcome.receipts != outcome.tx_count)
        return ERR_MALFORMED;
    *out = outcome;
    return 0;
}

static int read_all(struct outcome_codec_frame *frame, struct places places, struct span answer)
{
    struct bytes_reader reader = bytes_reader_of(answer);
    struct wire_field field;
    while (wire_next(&reader, &field)) {
        if (field.number == REQUEST_FIELD)
            frame->request = field.value;
        if (field.number != BLOCKS_FIELD)
            continue;
        struct outcome *outcome = &frame->outcomes[frame->count++];
        int rc = read_outcome(outcome, &places, field.bytes);
        if (rc < 0)
            return rc;
        if (outcome != frame->outcomes && outcome->height != outcome[-1].height + 1)
            return ERR_MALFORMED;
    }
    return 0;
}

int outcome_codec_decode(struct outcome_codec_frame *out, struct span payload)
{
    uint32_t kind;
    struct span answer;
    int rc = wire_frame_open(payload, &kind, &answer);
    if (rc < 0)
        return rc;
    struct counts counts = {0};
    if (kind != OUTCOMES_FIELD)
        return ERR_MALFORMED;
    rc = count_all(&counts, answer);
    if (rc < 0)
        return rc;
    CLEANUP(outcome_codec_deinit)
    struct outcome_codec_frame frame = {
        .outcomes = calloc(counts.blocks + 1, sizeof *frame.outcomes),
        .spans_ = calloc(counts.bodies + counts.receipts + 1, sizeof *frame.spans_),
        .changes_ = calloc(counts.changes + 1, sizeof *frame.changes_),
    };
    if (!frame.outcomes || !frame.spans_ || !frame.changes_)
        return -ENOMEM;
    rc = read_all(&frame, (struct places){frame.spans_, frame.spans_ + counts.bodies, frame.changes_}, answer);
    if (rc < 0)
        return rc;
    *out = frame;
    frame = (struct outcome_codec_frame){0};
    return 0;
}

bool outcome_codec_is_genesis(struct span payload, struct span *certificate)
{
    uint32_t kind;
    struct span body;
    if (wire_frame_open(payload, &kind, &body) < 0 || kind != GENESIS_FIELD)
        return false;
    struct bytes_reader reader = bytes_reader_of(body);
    struct wire_field field;
    struct span found = {.size = 0};
    while (wire_next(&reader, &field)) {
        if (field.number == 1)
            found = field.bytes;
    }
    if (reader.failed)
        return false;
    *certificate = found;
    return true;
}

void outcome_codec_deinit(struct outcome_codec_frame *self)
{
    free(self->outcomes);
    free(self->spans_);
    free(self->changes_);
    *self = (struct outcome_codec_frame){0};
}

/* --- what we say -------------------------------------------------------------------------------------------------- */

static void put_ask_fields(struct bytes_writer *writer, const struct outcome_codec_ask *ask)
{
    wire_put_number(writer, 1, ask->request);
    wire_put_number(writer, 2, ask->height_first);
    wire_put_number(writer, 3, ask->count_max);
}

size_t outcome_codec_put_ask(uint8_t out[static OUTCOME_CODEC_REQUEST_BYTES_MAX], const struct outcome_codec_ask *ask)
{
    struct bytes_writer counter = bytes_writer_of(NULL, 0);
    put_ask_fields(&counter, ask);
    struct bytes_writer writer = bytes_writer_of(out, OUTCOME_CODEC_REQUEST_BYTES_MAX);
    wire_frame_put_head(&writer, ASK_FIELD, counter.size);
    put_ask_fields(&writer, ask);
    assert(!writer.failed);
    return writer.size;
}

size_t outcome_codec_put_ack(uint8_t out[static OUTCOME_CODEC_REQUEST_BYTES_MAX], uint64_t height)
{
    struct bytes_writer counter = bytes_writer_of(NULL, 0);
    wire_put_number(&counter, 1, height);
    struct bytes_writer writer = bytes_writer_of(out, OUTCOME_CODEC_REQUEST_BYTES_MAX);
    wire_frame_put_head(&writer, ACK_FIELD, counter.size);
    wire_put_number(&writer, 1, height);
    assert(!writer.failed);
    return writer.size;
}

static void put_genesis(struct bytes_writer *writer, const void *certificate)
{
    wire_put_bytes(writer, 1, *(const struct span *)certificate);
}

void outcome_codec_put_genesis(struct bytes_writer *writer, struct span certificate)
{
    wire_frame_put(writer, GENESIS_FIELD, put_genesis, &certificate);
}
