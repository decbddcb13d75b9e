/* record.c - records and receipts as values. Field numbers are those of proto/record.proto. */
#include "services/persistd/record.h"

#include "common/base/bytes.h"
#include "common/base/err.h"
#include "common/base/text.h"
#include "common/base/wire.h"

enum { REFS_FIELD = 2, TARGETS_FIELD = 4 };

/* A reader of a record's fields that remembers what did not fit. */
struct cursor {
    struct bytes_reader reader;
    struct wire_field field;
    bool bad;
};

static struct cursor cursor_of(struct span value)
{
    return (struct cursor){.reader = bytes_reader_of(value)};
}

static bool cursor_next(struct cursor *cursor)
{
    return wire_next(&cursor->reader, &cursor->field);
}

static int cursor_end(const struct cursor *cursor)
{
    return cursor->reader.failed || cursor->bad ? ERR_MALFORMED : 0;
}

static struct span get_text(struct cursor *cursor)
{
    cursor->bad = cursor->bad || !text_is_clean(cursor->field.bytes);
    return cursor->field.bytes;
}

static struct span get_bytes(const struct cursor *cursor)
{
    return cursor->field.bytes;
}

static uint32_t get_count(struct cursor *cursor)
{
    cursor->bad = cursor->bad || cursor->field.value > INT32_MAX;
    return (uint32_t)cursor->field.value;
}

static int64_t get_seconds(const struct cursor *cursor)
{
    return (int64_t)cursor->field.value;
}

/* A height, or how many blocks. */
static int64_t get_height(struct cursor *cursor)
{
    cursor->bad = cursor->bad || cursor->field.value > INT64_MAX;
    return (int64_t)cursor->field.value;
}

static bool get_bool(const struct cursor *cursor)
{
    return cursor->field.value != 0;
}

int record_anomaly_decode(struct record_anomaly *out, struct span value)
{
    struct record_anomaly record = {0};
    struct cursor cursor = cursor_of(value);
    while (cursor_next(&cursor)) {
        switch (cursor.field.number) {
        case 1:
            record.type = get_text(&cursor);
            break;
        case 2:
            record.severity = get_count(&cursor);
            break;
        case 3:
            record.confidence_ppm = get_count(&cursor);
            break;
        case 4:
            record.source = get_text(&cursor);
            break;
        case 5:
            record.ts = get_seconds(&cursor);
            break;
        case 6:
            record.status = get_text(&cursor);
            break;
        case 7:
            record.producer = get_bytes(&cursor);
            break;
        case 8:
            record.tx_id = get_bytes(&cursor);
            break;
        default:
            break;
        }
    }
    if (cursor_end(&cursor) < 0)
        return ERR_MALFORMED;
    *out = record;
    return 0;
}

int record_evidence_decode(struct record_evidence *out, struct span value)
{
    struct record_evidence record = {.refs = value};
    struct cursor cursor = cursor_of(value);
    while (cursor_next(&cursor)) {
        switch (cursor.field.number) {
        case 1:
            record.type = get_text(&cursor);
            break;
        case 3:
            record.content_hash = get_bytes(&cursor);
            break;
        case 4:
            record.custody_count = get_count(&cursor);
            break;
        case 5:
            record.ts = get_seconds(&cursor);
            break;
        case 6:
            record.status = get_text(&cursor);
            break;
        case 7:
            record.producer = get_bytes(&cursor);
            break;
        case 8:
            record.tx_id = get_bytes(&cursor);
            break;
        default:
            break;
        }
    }
    if (cursor_end(&cursor) < 0)
        return ERR_MALFORMED;
    *out = record;
    return 0;
}

int record_policy_decode(struct record_policy *out, struct span value)
{
    struct record_policy record = {.targets = value};
    struct cursor cursor = cursor_of(value);
    while (cursor_next(&cursor)) {
        switch (cursor.field.number) {
        case 1:
            record.rule = get_text(&cursor);
            break;
        case 2:
            record.action = get_text(&cursor);
            break;
        case 3:
            record.policy_id = get_text(&cursor);
            break;
        case TARGETS_FIELD:
            (void)get_text(&cursor);
            break;
        case 5:
            record.ttl_s = get_seconds(&cursor);
            break;
        case 6:
            record.expires_at_s = get_seconds(&cursor);
            break;
        case 7:
            record.active = get_bool(&cursor);
            break;
        case 8:
            record.ts = get_seconds(&cursor);
            break;
        case 9:
            record.content_hash = get_bytes(&cursor);
            break;
        case 10:
            record.producer = get_bytes(&cursor);
            break;
        case 11:
            record.tx_id = get_bytes(&cursor);
            break;
        default:
            break;
        }
    }
    if (cursor_end(&cursor) < 0)
        return ERR_MALFORMED;
    *out = record;
    return 0;
}

int record_producer_decode(struct record_producer *out, struct span value)
{
    struct record_producer record = {0};
    struct cursor cursor = cursor_of(value);
    while (cursor_next(&cursor)) {
        if (cursor.field.number == 1)
            record.name = get_text(&cursor);
        else if (cursor.field.number == 2)
            record.roles = get_count(&cursor);
        else if (cursor.field.number == 3)
            record.active = get_bool(&cursor);
    }
    if (cursor_end(&cursor) < 0)
        return ERR_MALFORMED;
    *out = record;
    return 0;
}

static void validator_field(struct record_validator *record, struct cursor *cursor)
{
    switch (cursor->field.number) {
    case 1:
        record->name = get_text(cursor);
        break;
    case 2:
        record->sign_key = get_bytes(cursor);
        break;
    case 3:
        record->active = get_bool(cursor);
        break;
    case 4:
        record->index = get_count(cursor);
        break;
    case 5:
        record->reputation_ppm = get_count(cursor);
        break;
    case 6:
        record->blocks_proposed = get_height(cursor);
        break;
    case 7:
        record->blocks_committed = get_height(cursor);
        break;
    case 8:
        record->views_missed = get_height(cursor);
        break;
    case 9:
        record->last_active_height = get_height(cursor);
        break;
    default:
        break;
    }
}

int record_validator_decode(struct record_validator *out, struct span value)
{
    struct record_validator record = {0};
    struct cursor cursor = cursor_of(value);
    while (cursor_next(&cursor))
        validator_field(&record, &cursor);
    if (cursor_end(&cursor) < 0)
        return ERR_MALFORMED;
    *out = record;
    return 0;
}

int record_receipt_decode(struct record_receipt *out, struct span value)
{
    struct record_receipt record = {0};
    struct cursor cursor = cursor_of(value);
    while (cursor_next(&cursor)) {
        if (cursor.field.number == 1)
            record.tx_id = get_bytes(&cursor);
        else if (cursor.field.number == 3)
            record.key = get_text(&cursor);
    }
    if (cursor_end(&cursor) < 0)
        return ERR_MALFORMED;
    *out = record;
    return 0;
}

/* --- lists -------------------------------------------------------------------------------------------------------- */

size_t record_refs_join(uint8_t *out, const struct record_evidence *record)
{
    struct bytes_writer writer = bytes_writer_of(out, record->refs.size);
    struct cursor cursor = cursor_of(record->refs);
    while (cursor_next(&cursor)) {
        if (cursor.field.number == REFS_FIELD)
            bytes_put_span(&writer, cursor.field.bytes);
    }
    return writer.size;
}

size_t record_targets_join(uint8_t *out, const struct record_policy *record)
{
    struct bytes_writer writer = bytes_writer_of(out, record->targets.size);
    struct cursor cursor = cursor_of(record->targets);
    bool first = true;
    while (cursor_next(&cursor)) {
        if (cursor.field.number != TARGETS_FIELD)
            continue;
        if (!first)
            bytes_put_u8(&writer, '\n');
        bytes_put_span(&writer, cursor.field.bytes);
        first = false;
    }
    return writer.size;
}
