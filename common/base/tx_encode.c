/* tx_encode.c - writes the canonical form: for each field in number order u8 field number || u32 length || value. A
 * value whose length is not known before is written twice, first by a writer that only counts.
 */
#include <assert.h>

#include "common/base/bytes.h"
#include "common/base/tx.h"
#include "common/base/tx_format.h"

static uint64_t tx_double_bits(double value)
{
    uint64_t bits;
    static_assert(sizeof bits == sizeof value, "a double has 8 bytes");
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static void tx_put_u64_sized(struct bytes_writer *writer, uint64_t value)
{
    bytes_put_u32(writer, 8);
    bytes_put_u64(writer, value);
}

/* A repeated field's value: u32 count || each item u32 length || item. */
static void tx_put_refs(struct bytes_writer *writer, const struct tx_fields *fields)
{
    bytes_put_u32(writer, (uint32_t)fields->ref_count);
    for (size_t i = 0; i < fields->ref_count; i++)
        bytes_put_sized(writer, fields->refs[i]);
}

static void tx_put_custody_entry(struct bytes_writer *writer, const struct tx_custody_fields *entry)
{
    bytes_put_u8(writer, 1);
    bytes_put_sized(writer, entry->ref_hash);
    bytes_put_u8(writer, 2);
    bytes_put_sized(writer, entry->actor_id);
    bytes_put_u8(writer, 3);
    tx_put_u64_sized(writer, (uint64_t)entry->ts);
    bytes_put_u8(writer, 4);
    bytes_put_sized(writer, entry->signature);
}

static void tx_put_custody(struct bytes_writer *writer, const struct tx_fields *fields)
{
    bytes_put_u32(writer, (uint32_t)fields->custody_count);
    for (size_t i = 0; i < fields->custody_count; i++) {
        struct bytes_writer counter = bytes_writer_of(NULL, 0);
        tx_put_custody_entry(&counter, &fields->custody[i]);
        bytes_put_u32(writer, (uint32_t)counter.size);
        tx_put_custody_entry(writer, &fields->custody[i]);
    }
}

/* u32 length || the value that put writes */
static void tx_put_measured(struct bytes_writer *writer, const struct tx_fields *fields,
                            void (*put)(struct bytes_writer *, const struct tx_fields *))
{
    struct bytes_writer counter = bytes_writer_of(NULL, 0);
    put(&counter, fields);
    bytes_put_u32(writer, (uint32_t)counter.size);
    put(writer, fields);
}

/* u32 length || value */
static void tx_put_field(struct bytes_writer *writer, const struct tx_fields *fields, enum tx_field field)
{
    switch (field) {
    case TX_FIELD_ID:
        bytes_put_sized(writer, fields->id);
        break;
    case TX_FIELD_TYPE:
        bytes_put_sized(writer, fields->type);
        break;
    case TX_FIELD_SOURCE:
        bytes_put_sized(writer, fields->source);
        break;
    case TX_FIELD_SEVERITY:
        tx_put_u64_sized(writer, fields->severity);
        break;
    case TX_FIELD_CONFIDENCE:
        tx_put_u64_sized(writer, tx_double_bits(fields->confidence));
        break;
    case TX_FIELD_TS:
        tx_put_u64_sized(writer, (uint64_t)fields->ts);
        break;
    case TX_FIELD_CONTENT_HASH:
        bytes_put_sized(writer, fields->content_hash);
        break;
    case TX_FIELD_CONTENT:
        bytes_put_sized(writer, fields->content);
        break;
    case TX_FIELD_MODEL_VERSION:
        bytes_put_sized(writer, fields->model_version);
        break;
    case TX_FIELD_PRODUCER_ID:
        bytes_put_sized(writer, fields->producer_id);
        break;
    case TX_FIELD_NONCE:
        bytes_put_sized(writer, fields->nonce);
        break;
    case TX_FIELD_SIGNATURE:
        bytes_put_sized(writer, fields->signature);
        break;
    case TX_FIELD_PUBKEY:
        bytes_put_sized(writer, fields->pubkey);
        break;
    case TX_FIELD_ALG:
        bytes_put_sized(writer, fields->alg);
        break;
    case TX_FIELD_REFS:
        tx_put_measured(writer, fields, tx_put_refs);
        break;
    case TX_FIELD_CUSTODY:
        tx_put_measured(writer, fields, tx_put_custody);
        break;
    case TX_FIELD_ACTION:
        bytes_put_sized(writer, fields->action);
        break;
    }
}

static void tx_put(struct bytes_writer *writer, const struct tx_fields *fields)
{
    const struct tx_format *format = tx_format_of(fields->kind);
    bytes_put_u8(writer, (uint8_t)fields->kind);
    for (size_t i = 0; i < format->field_count; i++) {
        bytes_put_u8(writer, (uint8_t)(i + 1));
        tx_put_field(writer, fields, format->fields[i]);
    }
}

size_t tx_encoded_size(const struct tx_fields *fields)
{
    struct bytes_writer counter = bytes_writer_of(NULL, 0);
    tx_put(&counter, fields);
    return counter.size;
}

void tx_encode(uint8_t *out, const struct tx_fields *fields)
{
    struct bytes_writer writer = bytes_writer_of(out, SIZE_MAX);
    tx_put(&writer, fields);
    assert(!writer.failed);
}
