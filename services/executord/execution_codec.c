/* execution_codec.c - frames of the execution arrow. Field numbers are those of proto/execution.proto. */
#include "services/executord/execution_codec.h"

#include <assert.h>

#include "common/base/err.h"
#include "common/base/wire.h"

enum {
    HEIGHT_FIELD = 3,
    BUILT_FIELD = 5,
    CHECKED_FIELD = 7,
    RECHECKED_FIELD = 9,
    COMMITTED_FIELD = 11,
    REFUSED_BYTES_MAX = 16,   /* head, index, reason, settled */
    ANSWER_FIXED_BYTES = 512, /* everything but the header and the refused ones */
};

/* --- requests ----------------------------------------------------------------------------------------------------- */

/* The array that repeated bodies go to. */
struct bodies {
    struct span *spans;
    size_t max;
    size_t count;
};

static int add_body(struct bodies *bodies, const struct wire_field *field)
{
    if (field->type != WIRE_BYTES)
        return ERR_MALFORMED;
    if (bodies->count == bodies->max)
        return ERR_TOO_LARGE;
    bodies->spans[bodies->count++] = field->bytes;
    return 0;
}

static int build_field(struct execution_codec_request *out, const struct wire_field *field, struct bodies *bodies)
{
    switch (field->number) {
    case 1:
        out->request = field->value;
        return 0;
    case 2:
        return wire_hash(field, &out->build.parent_id);
    case 3:
        out->build.height = field->value;
        return 0;
    case 4:
        out->build.view = field->value;
        return 0;
    case 5:
        out->build.justify_view = field->value;
        return 0;
    case 6:
        out->build.justify_signers = field->value;
        return 0;
    case 7:
        return wire_hash(field, &out->build.proposer);
    case 8:
        out->build.timestamp_ms = field->value;
        return 0;
    case 9:
        return add_body(bodies, field);
    default:
        return 0;
    }
}

static int header_field(struct execution_codec_request *out, const struct wire_field *field)
{
    out->header_bytes = field->bytes;
    return block_header_decode(&out->header, field->bytes);
}

static int check_field(struct execution_codec_request *out, const struct wire_field *field, struct bodies *bodies)
{
    switch (field->number) {
    case 1:
        out->request = field->value;
        return 0;
    case 2:
        return header_field(out, field);
    case 3:
        return add_body(bodies, field);
    default:
        return 0;
    }
}

static int recheck_field(struct execution_codec_request *out, const struct wire_field *field, struct bodies *bodies)
{
    switch (field->number) {
    case 1:
        out->request = field->value;
        return 0;
    case 2:
        return wire_hash(field, &out->recheck.parent_id);
    case 3:
        out->recheck.timestamp_ms = field->value;
        return 0;
    case 4:
        return add_body(bodies, field);
    default:
        return 0;
    }
}

static int add_before(struct execution_codec_request *out, const struct wire_field *field)
{
    if (field->type != WIRE_BYTES)
        return ERR_MALFORMED;
    if (out->before_count == EXECUTION_CODEC_BEFORE_MAX)
        return ERR_TOO_LARGE;
    struct execution_codec_block *block = &out->before[out->before_count++];
    struct bytes_reader reader = bytes_reader_of(field->bytes);
    struct wire_field part;
    while (wire_next(&reader, &part)) {
        if (part.number == 1)
            block->header = part.bytes;
        else if (part.number == 2)
            block->proof = part.bytes;
    }
    return reader.failed ? ERR_MALFORMED : 0;
}

static int commit_field(struct execution_codec_request *out, const struct wire_field *field, struct bodies *bodies)
{
    switch (field->number) {
    case 1:
        return header_field(out, field);
    case 2:
        out->proof = field->bytes;
        return 0;
    case 3:
        return add_body(bodies, field);
    case 4:
        return add_before(out, field);
    default:
        return 0;
    }
}

static int height_request_field(struct execution_codec_request *out, const struct wire_field *field,
                                struct bodies *bodies)
{
    (void)bodies;
    if (field->number != 1)
        return 0;
    if (field->type != WIRE_BYTES || field->bytes.size > EXECUTION_CODEC_CERTIFICATE_BYTES_MAX)
        return ERR_MALFORMED;
    out->certificate = field->bytes;
    return 0;
}

typedef int field_fn(struct execution_codec_request *, const struct wire_field *, struct bodies *);

static field_fn *reader_of(uint32_t kind)
{
    switch (kind) {
    case EXECUTION_CODEC_HEIGHT_REQUEST:
        return height_request_field;
    case EXECUTION_CODEC_BUILD:
        return build_field;
    case EXECUTION_CODEC_CHECK:
        return check_field;
    case EXECUTION_CODEC_RECHECK:
        return recheck_field;
    case EXECUTION_CODEC_COMMIT:
        return commit_field;
    default:
        return NULL;
    }
}

/* Without transactions, and one height after the other up to the Commit's own block. */
static bool before_fits(const struct execution_codec_request *request)
{
    for (size_t i = 0; i < request->before_count; i++) {
        struct block_header header;
        if (block_header_decode(&header, request->before[i].header) < 0 || header.tx_count > 0 ||
            header.height + (request->before_count - i) != request->header.height)
            return false;
    }
    return true;
}

/* What must not be missing; ids that came are of the right size already. */
static bool complete(const struct execution_codec_request *request)
{
    switch (request->kind) {
    case EXECUTION_CODEC_CHECK:
        return request->header_bytes.size == BLOCK_HEADER_BYTES;
    case EXECUTION_CODEC_COMMIT:
        return request->header_bytes.size == BLOCK_HEADER_BYTES && before_fits(request);
    case EXECUTION_CODEC_BUILD:
    case EXECUTION_CODEC_RECHECK:
    case EXECUTION_CODEC_HEIGHT_REQUEST:
        return true;
    }
    return false;
}

int execution_codec_decode(struct execution_codec_request *out, struct span payload, struct span *spans,
                           size_t spans_max)
{
    uint32_t kind;
    struct span body;
    int rc = wire_frame_open(payload, &kind, &body);
    if (rc < 0)
        return rc;
    field_fn *read_field = reader_of(kind);
    if (!read_field)
        return ERR_MALFORMED;
    struct execution_codec_request request = {.kind = (enum execution_codec_kind)kind};
    struct bodies bodies = {.spans = spans, .max = spans_max};
    struct bytes_reader reader = bytes_reader_of(body);
    struct wire_field field;
    while (wire_next(&reader, &field)) {
        rc = read_field(&request, &field, &bodies);
        if (rc < 0)
            return rc;
    }
    if (reader.failed || !complete(&request))
        return ERR_MALFORMED;
    request.bodies = (struct executor_bodies){.items = spans, .count = bodies.count};
    *out = request;
    return 0;
}

/* --- answers ------------------------------------------------------------------------------------------------------ */

enum execution_codec_status execution_codec_status_of(int verdict)
{
    static const enum execution_codec_status statuses[] = {
        [0] = EXECUTION_CODEC_OK,
        [EXECUTOR_UNKNOWN_PARENT] = EXECUTION_CODEC_UNKNOWN_PARENT,
        [EXECUTOR_BAD_TX] = EXECUTION_CODEC_BAD_TX,
        [EXECUTOR_BAD_ROOT] = EXECUTION_CODEC_BAD_ROOT,
        [EXECUTOR_BAD_HEADER] = EXECUTION_CODEC_BAD_HEADER,
        [EXECUTOR_CONFLICT] = EXECUTION_CODEC_CONFLICT,
    };
    assert(verdict >= 0 && verdict < (int)ARRAY_COUNT(statuses));
    return statuses[verdict];
}

size_t execution_codec_answer_bytes_max(size_t bodies_max)
{
    return ANSWER_FIXED_BYTES + BLOCK_HEADER_BYTES + bodies_max * REFUSED_BYTES_MAX;
}

static struct span hash_span(const struct hash *hash)
{
    return span_of(hash->bytes, HASH_BYTES);
}

static void put_height(struct bytes_writer *writer, const void *body)
{
    const struct execution_codec_height *height = body;
    wire_put_number(writer, 1, height->height);
    wire_put_bytes(writer, 2, hash_span(&height->block_id));
    wire_put_bytes(writer, 3, hash_span(&height->state_root));
    wire_put_number(writer, 4, height->epoch);
    wire_put_bytes(writer, 5, height->genesis_header);
    wire_put_number(writer, 6, height->inactive);
    wire_put_bytes(writer, 7, height->certificate);
}

void execution_codec_put_height(struct bytes_writer *writer, const struct execution_codec_height *body)
{
    wire_frame_put(writer, HEIGHT_FIELD, put_height, body);
}

static void put_refused(struct bytes_writer *writer, uint32_t field, const struct execution_codec_built *built)
{
    for (size_t i = 0; i < built->refused_count; i++) {
        uint8_t data[REFUSED_BYTES_MAX];
        struct bytes_writer item = bytes_writer_of(data, sizeof data);
        wire_put_number(&item, 1, built->refused[i].index);
        wire_put_number(&item, 2, built->refused[i].reason);
        wire_put_number(&item, 3, built->refused[i].settled);
        wire_put_item(writer, field, bytes_written(&item));
    }
}

static void put_built(struct bytes_writer *writer, const void *body)
{
    const struct execution_codec_built *built = body;
    wire_put_number(writer, 1, built->request);
    wire_put_number(writer, 2, built->status);
    if (built->header) {
        uint8_t header[BLOCK_HEADER_BYTES];
        block_header_encode(header, built->header);
        wire_put_bytes(writer, 3, span_of(header, sizeof header));
    }
    put_refused(writer, 4, built);
    wire_put_bytes(writer, 5, span_of(built->schedule.leaders, built->schedule.count));
}

void execution_codec_put_built(struct bytes_writer *writer, const struct execution_codec_built *body)
{
    wire_frame_put(writer, BUILT_FIELD, put_built, body);
}

static void put_rechecked(struct bytes_writer *writer, const void *body)
{
    const struct execution_codec_built *rechecked = body;
    wire_put_number(writer, 1, rechecked->request);
    wire_put_number(writer, 2, rechecked->status);
    put_refused(writer, 3, rechecked);
}

void execution_codec_put_rechecked(struct bytes_writer *writer, const struct execution_codec_built *body)
{
    wire_frame_put(writer, RECHECKED_FIELD, put_rechecked, body);
}

static void put_checked(struct bytes_writer *writer, const void *body)
{
    const struct execution_codec_checked *checked = body;
    wire_put_number(writer, 1, checked->request);
    wire_put_bytes(writer, 2, hash_span(&checked->block_id));
    wire_put_number(writer, 3, checked->status);
    wire_put_number(writer, 4, checked->bad.index);
    wire_put_number(writer, 5, checked->bad.reason);
    wire_put_bytes(writer, 6, span_of(checked->schedule.leaders, checked->schedule.count));
}

void execution_codec_put_checked(struct bytes_writer *writer, const struct execution_codec_checked *body)
{
    wire_frame_put(writer, CHECKED_FIELD, put_checked, body);
}

static void put_committed(struct bytes_writer *writer, const void *body)
{
    const struct execution_codec_committed *committed = body;
    wire_put_number(writer, 1, committed->height);
    wire_put_bytes(writer, 2, hash_span(&committed->block_id));
    wire_put_number(writer, 3, committed->status);
}

void execution_codec_put_committed(struct bytes_writer *writer, const struct execution_codec_committed *body)
{
    wire_frame_put(writer, COMMITTED_FIELD, put_committed, body);
}
