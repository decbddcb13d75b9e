/* event_codec.c - one table per message says what stands under each field number. */
#include "services/ingestd/event_codec.h"

#include <assert.h>
#include <string.h>

#include "common/base/wire.h"

enum field_type { FIELD_BYTES, FIELD_U32, FIELD_I64, FIELD_DOUBLE, FIELD_REF, FIELD_CUSTODY };

struct field {
    enum field_type type;
    size_t offset; /* in struct tx_fields; not for repeated ones */
};

#define FIELD(member) offsetof(struct tx_fields, member)

static const struct field anomaly_fields[] = {
    {FIELD_BYTES, FIELD(id)},           {FIELD_BYTES, FIELD(type)},        {FIELD_BYTES, FIELD(source)},
    {FIELD_U32, FIELD(severity)},       {FIELD_DOUBLE, FIELD(confidence)}, {FIELD_I64, FIELD(ts)},
    {FIELD_BYTES, FIELD(content_hash)}, {FIELD_BYTES, FIELD(content)},     {FIELD_BYTES, FIELD(model_version)},
    {FIELD_BYTES, FIELD(producer_id)},  {FIELD_BYTES, FIELD(nonce)},       {FIELD_BYTES, FIELD(signature)},
    {FIELD_BYTES, FIELD(pubkey)},       {FIELD_BYTES, FIELD(alg)},
};

static const struct field evidence_fields[] = {
    {FIELD_BYTES, FIELD(id)},
    {FIELD_BYTES, FIELD(type)},
    {FIELD_REF, 0},
    {FIELD_BYTES, FIELD(content)},
    {FIELD_CUSTODY, 0},
    {FIELD_I64, FIELD(ts)},
    {FIELD_BYTES, FIELD(content_hash)},
    {FIELD_BYTES, FIELD(producer_id)},
    {FIELD_BYTES, FIELD(nonce)},
    {FIELD_BYTES, FIELD(signature)},
    {FIELD_BYTES, FIELD(pubkey)},
    {FIELD_BYTES, FIELD(alg)},
};

static const struct field policy_fields[] = {
    {FIELD_BYTES, FIELD(id)},          {FIELD_BYTES, FIELD(action)}, {FIELD_BYTES, FIELD(type)},
    {FIELD_BYTES, FIELD(content)},     {FIELD_I64, FIELD(ts)},       {FIELD_BYTES, FIELD(content_hash)},
    {FIELD_BYTES, FIELD(producer_id)}, {FIELD_BYTES, FIELD(nonce)},  {FIELD_BYTES, FIELD(signature)},
    {FIELD_BYTES, FIELD(pubkey)},      {FIELD_BYTES, FIELD(alg)},
};

struct message {
    const struct field *fields; /* in number order: the number is the index + 1 */
    size_t count;
};

static struct message message_of(enum tx_kind kind)
{
    switch (kind) {
    case TX_ANOMALY:
        return (struct message){anomaly_fields, ARRAY_COUNT(anomaly_fields)};
    case TX_EVIDENCE:
        return (struct message){evidence_fields, ARRAY_COUNT(evidence_fields)};
    case TX_POLICY:
        return (struct message){policy_fields, ARRAY_COUNT(policy_fields)};
    case TX_VALIDATOR_EVIDENCE:
    case TX_KIND_COUNT:
        break;
    }
    assert(kind >= TX_ANOMALY && kind < TX_EVENT_KIND_COUNT);
    return (struct message){0};
}

static int refuse(const char **why, const char *text)
{
    *why = text;
    return REASON_MALFORMED;
}

/* ChainOfCustodyEntry: ref_hash 1, actor_id 2, ts 3, signature 4. */
static int read_custody_field(struct tx_custody_fields *out, const struct wire_field *field, const char **why)
{
    if (field->number < 1 || field->number > 4)
        return refuse(why, "unknown field in a custody entry");
    if (field->type != (field->number == 3 ? WIRE_VARINT : WIRE_BYTES))
        return refuse(why, "wrong wire type in a custody entry");
    if (field->number == 1)
        out->ref_hash = field->bytes;
    else if (field->number == 2)
        out->actor_id = field->bytes;
    else if (field->number == 3)
        out->ts = (int64_t)field->value;
    else
        out->signature = field->bytes;
    return 0;
}

static int read_custody(struct tx_custody_fields *out, struct span entry, const char **why)
{
    *out = (struct tx_custody_fields){0};
    struct bytes_reader reader = bytes_reader_of(entry);
    struct wire_field field;
    while (wire_next(&reader, &field)) {
        int rc = read_custody_field(out, &field, why);
        if (rc != 0)
            return rc;
    }
    return reader.failed ? refuse(why, "custody entry is no protobuf message") : 0;
}

static int add_ref(struct tx_fields *out, struct event_codec_room *room, struct span ref, const char **why)
{
    if (out->ref_count == TX_REFS_MAX)
        return refuse(why, "more than 1000 refs");
    room->refs[out->ref_count++] = ref;
    return 0;
}

static int add_custody(struct tx_fields *out, struct event_codec_room *room, struct span entry, const char **why)
{
    if (out->custody_count == TX_CUSTODY_MAX)
        return refuse(why, "more than 64 custody entries");
    return read_custody(&room->custody[out->custody_count++], entry, why);
}

static enum wire_type wire_type_of(enum field_type type)
{
    switch (type) {
    case FIELD_U32:
    case FIELD_I64:
        return WIRE_VARINT;
    case FIELD_DOUBLE:
        return WIRE_FIXED64;
    case FIELD_BYTES:
    case FIELD_REF:
    case FIELD_CUSTODY:
        break;
    }
    return WIRE_BYTES;
}

static int read_field(struct tx_fields *out, struct event_codec_room *room, const struct field *known,
                      const struct wire_field *field, const char **why)
{
    static_assert(sizeof(double) == sizeof(uint64_t), "a double has 8 bytes");
    if (field->type != wire_type_of(known->type))
        return refuse(why, "wrong wire type");
    uint8_t *at = (uint8_t *)out + known->offset;
    uint32_t u32 = (uint32_t)field->value;
    switch (known->type) {
    case FIELD_BYTES:
        memcpy(at, &field->bytes, sizeof field->bytes);
        break;
    case FIELD_U32:
        memcpy(at, &u32, sizeof u32);
        break;
    case FIELD_I64:
    case FIELD_DOUBLE:
        memcpy(at, &field->value, sizeof field->value);
        break;
    case FIELD_REF:
        return add_ref(out, room, field->bytes, why);
    case FIELD_CUSTODY:
        return add_custody(out, room, field->bytes, why);
    }
    return 0;
}

int event_codec_read(struct tx_fields *out, struct event_codec_room *room, enum tx_kind kind, struct span record,
                     const char **why)
{
    if (record.size > TX_RECORD_BYTES_MAX) {
        *why = "record is above 1 MiB";
        return REASON_TOO_LARGE;
    }
    struct message message = message_of(kind);
    struct tx_fields fields = {.kind = kind, .refs = room->refs, .custody = room->custody};
    struct bytes_reader reader = bytes_reader_of(record);
    struct wire_field field;
    while (wire_next(&reader, &field)) {
        if (field.number > message.count)
            return refuse(why, "unknown field");
        int rc = read_field(&fields, room, &message.fields[field.number - 1], &field, why);
        if (rc != 0)
            return rc;
    }
    if (reader.failed)
        return refuse(why, "no protobuf message");
    *out = fields;
    return 0;
}
