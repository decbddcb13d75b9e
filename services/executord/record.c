/* record.c - records and receipts as bytes. The field numbers are those of proto/record.proto. */
#include "services/executord/record.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

#include "common/base/err.h"
#include "common/base/hex.h"
#include "common/base/stateproof.h"
#include "common/base/wire.h"

/* --- keys --------------------------------------------------------------------------------------------------------- */

static void key_text(struct record_key *key, const char *text)
{
    size_t size = strlen(text);
    assert(key->size + size < sizeof key->text);
    memcpy(key->text + key->size, text, size + 1);
    key->size += size;
}

static void key_hex(struct record_key *key, const uint8_t *data, size_t size)
{
    assert(key->size + 2 * size < sizeof key->text);
    hex_encode(key->text + key->size, data, size);
    key->size += 2 * size;
}

static void key_end(struct record_key *key)
{
    key->hash = stateproof_key_hash(record_key_span(key));
}

struct record_key record_key_event(enum tx_kind kind, struct span id)
{
    static const char *const prefixes[TX_EVENT_KIND_COUNT] = {
        [TX_ANOMALY] = "anomaly/", [TX_EVIDENCE] = "evidence/", [TX_POLICY] = "policy/"};
    assert(kind >= TX_ANOMALY && kind < TX_EVENT_KIND_COUNT && id.size <= TX_ID_BYTES_MAX);
    struct record_key key = {.size = 0};
    key_text(&key, prefixes[kind]);
    memcpy(key.text + key.size, id.data, id.size);
    key.size += id.size;
    key.text[key.size] = '\0';
    key_end(&key);
    return key;
}

struct record_key record_key_producer(const struct sign_public *producer)
{
    struct record_key key = {.size = 0};
    key_text(&key, "producer/");
    key_hex(&key, producer->bytes, sizeof producer->bytes);
    key_end(&key);
    return key;
}

struct record_key record_key_validator(const struct hash *id)
{
    struct record_key key = {.size = 0};
    key_text(&key, "validator/");
    key_hex(&key, id->bytes, sizeof id->bytes);
    key_end(&key);
    return key;
}

struct record_key record_key_validator_evidence(const struct hash *offender)
{
    struct record_key key = {.size = 0};
    key_text(&key, "validator_evidence/");
    key_hex(&key, offender->bytes, sizeof offender->bytes);
    key_end(&key);
    return key;
}

struct record_key record_key_schedule(uint64_t height)
{
    char digits[24];
    snprintf(digits, sizeof digits, "%" PRIu64, height);
    struct record_key key = {.size = 0};
    key_text(&key, "schedule/");
    key_text(&key, digits);
    key_end(&key);
    return key;
}

struct record_key record_key_nonce(const struct sign_public *producer, const uint8_t nonce[static TX_NONCE_BYTES])
{
    struct record_key key = {.size = 0};
    key_text(&key, "nonce/");
    key_hex(&key, producer->bytes, sizeof producer->bytes);
    key_text(&key, "/");
    key_hex(&key, nonce, TX_NONCE_BYTES);
    key_end(&key);
    return key;
}

bool record_key_is_nonce(struct span key)
{
    static const char prefix[] = "nonce/";
    return key.size >= sizeof prefix - 1 && memcmp(key.data, prefix, sizeof prefix - 1) == 0;
}

/* --- values ------------------------------------------------------------------------------------------------------- */

void record_anomaly_encode(struct bytes_writer *writer, const struct record_anomaly *record)
{
    wire_put_bytes(writer, 1, record->type);
    wire_put_number(writer, 2, record->severity);
    wire_put_number(writer, 3, record->confidence_ppm);
    wire_put_bytes(writer, 4, record->source);
    wire_put_number(writer, 5, (uint64_t)record->ts);
    wire_put_bytes(writer, 6, record->status);
    wire_put_bytes(writer, 7, record->producer);
    wire_put_bytes(writer, 8, record->tx_id);
    wire_put_number(writer, 9, record->height);
}

void record_evidence_encode(struct bytes_writer *writer, const struct record_evidence *record)
{
    wire_put_bytes(writer, 1, record->type);
    for (uint32_t i = 0; i < record->refs_of->ref_count; i++) {
        struct hash ref = tx_ref(record->refs_of, i);
        wire_put_item(writer, 2, span_of(ref.bytes, HASH_BYTES));
    }
    wire_put_bytes(writer, 3, record->content_hash);
    wire_put_number(writer, 4, record->custody_count);
    wire_put_number(writer, 5, (uint64_t)record->ts);
    wire_put_bytes(writer, 6, record->status);
    wire_put_bytes(writer, 7, record->producer);
    wire_put_bytes(writer, 8, record->tx_id);
    wire_put_number(writer, 9, record->height);
}

void record_policy_encode(struct bytes_writer *writer, const struct record_policy *record)
{
    wire_put_bytes(writer, 1, record->rule);
    wire_put_bytes(writer, 2, record->action);
    wire_put_bytes(writer, 3, record->policy_id);
    for (size_t i = 0; i < record->target_count; i++)
        wire_put_item(writer, 4, record->targets[i]);
    wire_put_number(writer, 5, record->ttl_s);
    wire_put_number(writer, 6, record->expires_at_s);
    wire_put_number(writer, 7, record->active);
    wire_put_number(writer, 8, (uint64_t)record->ts);
    wire_put_bytes(writer, 9, record->content_hash);
    wire_put_bytes(writer, 10, record->producer);
    wire_put_bytes(writer, 11, record->tx_id);
    wire_put_number(writer, 12, record->height);
}

void record_producer_encode(struct bytes_writer *writer, const struct record_producer *record)
{
    wire_put_bytes(writer, 1, record->name);
    wire_put_number(writer, 2, record->roles);
    wire_put_number(writer, 3, record->active);
}

void record_validator_encode(struct bytes_writer *writer, const struct record_validator *record)
{
    wire_put_bytes(writer, 1, record->name);
    wire_put_bytes(writer, 2, record->sign_key);
    wire_put_number(writer, 3, record->standing.active);
    wire_put_number(writer, 4, record->index);
    wire_put_number(writer, 5, record->standing.reputation_ppm);
    wire_put_number(writer, 6, record->standing.blocks_proposed);
    wire_put_number(writer, 7, record->standing.blocks_committed);
    wire_put_number(writer, 8, record->standing.views_missed);
    wire_put_number(writer, 9, record->standing.last_active_height);
}

void record_validator_evidence_encode(struct bytes_writer *writer, const struct record_validator_evidence *record)
{
    wire_put_number(writer, 1, record->kind);
    wire_put_number(writer, 2, record->view);
    wire_put_bytes(writer, 3, span_of(record->tx_id.bytes, HASH_BYTES));
    wire_put_number(writer, 4, record->height);
    wire_put_bytes(writer, 5, record->status);
}

void record_schedule_encode(struct bytes_writer *writer, const struct schedule *schedule)
{
    wire_put_bytes(writer, 1, span_of(schedule->leaders, schedule->count));
}

void record_nonce_encode(struct bytes_writer *writer, const struct record_nonce *record)
{
    wire_put_bytes(writer, 1, span_of(record->tx_id.bytes, HASH_BYTES));
    wire_put_number(writer, 2, (uint64_t)record->expires_at_s);
}

void record_receipt_encode(struct bytes_writer *writer, const struct record_receipt *record)
{
    assert(record->status.size <= RECORD_STATUS_BYTES_MAX);
    wire_put_bytes(writer, 1, record->tx_id);
    wire_put_number(writer, 2, record->kind);
    wire_put_bytes(writer, 3, record->key);
    wire_put_bytes(writer, 4, record->value_hash);
    wire_put_bytes(writer, 5, record->status);
}

/* --- reading back ------------------------------------------------------------------------------------------------- */

int record_producer_decode(struct record_producer *out, struct span value)
{
    struct record_producer record = {0};
    struct bytes_reader reader = bytes_reader_of(value);
    struct wire_field field;
    while (wire_next(&reader, &field)) {
        if (field.number == 1)
            record.name = field.bytes;
        else if (field.number == 2)
            record.roles = (uint32_t)field.value;
        else if (field.number == 3)
            record.active = field.value != 0;
    }
    if (reader.failed)
        return ERR_MALFORMED;
    *out = record;
    return 0;
}

static void validator_field(struct record_validator *record, const struct wire_field *field)
{
    struct schedule_standing *standing = &record->standing;
    switch (field->number) {
    case 1:
        record->name = field->bytes;
        break;
    case 2:
        record->sign_key = field->bytes;
        break;
    case 3:
        standing->active = field->value != 0;
        break;
    case 4:
        record->index = (uint32_t)field->value;
        break;
    case 5:
        standing->reputation_ppm = (uint32_t)field->value;
        break;
    case 6:
        standing->blocks_proposed = field->value;
        break;
    case 7:
        standing->blocks_committed = field->value;
        break;
    case 8:
        standing->views_missed = field->value;
        break;
    case 9:
        standing->last_active_height = field->value;
        break;
    default:
        break;
    }
}

int record_validator_decode(struct record_validator *out, struct span value)
{
    struct record_validator record = {0};
    struct bytes_reader reader = bytes_reader_of(value);
    struct wire_field field;
    while (wire_next(&reader, &field))
        validator_field(&record, &field);
    if (reader.failed)
        return ERR_MALFORMED;
    *out = record;
    return 0;
}

int record_validator_evidence_decode(struct record_validator_evidence *out, struct span value)
{
    struct record_validator_evidence record = {0};
    struct bytes_reader reader = bytes_reader_of(value);
    struct wire_field field;
    while (wire_next(&reader, &field)) {
        if (field.number == 1)
            record.kind = (enum equivocation_kind)field.value;
        else if (field.number == 2)
            record.view = field.value;
        else if (field.number == 3 && field.bytes.size == HASH_BYTES)
            memcpy(record.tx_id.bytes, field.bytes.data, HASH_BYTES);
        else if (field.number == 4)
            record.height = field.value;
        else if (field.number == 5)
            record.status = field.bytes;
    }
    if (reader.failed || (record.kind != EQUIVOCATION_VOTE && record.kind != EQUIVOCATION_PROPOSAL))
        return ERR_MALFORMED;
    *out = record;
    return 0;
}

int record_schedule_decode(struct schedule *out, struct span value)
{
    struct schedule schedule = {0};
    struct bytes_reader reader = bytes_reader_of(value);
    struct wire_field field;
    while (wire_next(&reader, &field)) {
        if (field.number != 1 || field.bytes.size > GENESIS_VALIDATORS_MAX)
            return ERR_MALFORMED;
        schedule.count = (uint32_t)field.bytes.size;
        memcpy(schedule.leaders, field.bytes.data, field.bytes.size);
    }
    if (reader.failed || schedule.count == 0)
        return ERR_MALFORMED;
    *out = schedule;
    return 0;
}

int record_nonce_decode(struct record_nonce *out, struct span value)
{
    struct record_nonce record = {0};
    struct bytes_reader reader = bytes_reader_of(value);
    struct wire_field field;
    while (wire_next(&reader, &field)) {
        if (field.number == 1 && field.bytes.size == HASH_BYTES)
            memcpy(record.tx_id.bytes, field.bytes.data, HASH_BYTES);
        else if (field.number == 2)
            record.expires_at_s = (int64_t)field.value;
    }
    if (reader.failed)
        return ERR_MALFORMED;
    *out = record;
    return 0;
}
