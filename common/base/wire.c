/* wire.c - protobuf's wire format by hand. */
#include "common/base/wire.h"

#include "common/base/err.h"

enum { VARINT_SHIFT_MAX = 63 };

/* Bits above the 64th are dropped, as protobuf's own readers do. */
static uint64_t get_varint(struct bytes_reader *reader)
{
    uint64_t value = 0;
    for (unsigned shift = 0; shift <= VARINT_SHIFT_MAX; shift += 7) {
        uint8_t byte = bytes_get_u8(reader);
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80)
            return value;
    }
    reader->failed = true;
    return 0;
}

/* Fixed-width integers are little-endian. */
static uint64_t get_fixed(struct bytes_reader *reader, size_t size)
{
    struct span bytes = bytes_get_span(reader, size);
    uint64_t value = 0;
    for (size_t i = 0; i < bytes.size; i++)
        value |= (uint64_t)bytes.data[i] << (8 * i);
    return value;
}

static struct span get_bytes(struct bytes_reader *reader)
{
    uint64_t size = get_varint(reader);
    if (size > bytes_left(reader)) {
        reader->failed = true;
        return (struct span){0};
    }
    return bytes_get_span(reader, (size_t)size);
}

bool wire_next(struct bytes_reader *reader, struct wire_field *out)
{
    if (reader->failed || bytes_left(reader) == 0)
        return false;
    uint64_t tag = get_varint(reader);
    uint64_t number = tag >> 3;
    if (number == 0 || number > WIRE_FIELD_NUMBER_MAX) {
        reader->failed = true;
        return false;
    }
    struct wire_field field = {.number = (uint32_t)number};
    switch (tag & 7) {
    case WIRE_VARINT:
        field.type = WIRE_VARINT;
        field.value = get_varint(reader);
        break;
    case WIRE_FIXED64:
        field.type = WIRE_FIXED64;
        field.value = get_fixed(reader, 8);
        break;
    case WIRE_BYTES:
        field.type = WIRE_BYTES;
        field.bytes = get_bytes(reader);
        break;
    case WIRE_FIXED32:
        field.type = WIRE_FIXED32;
        field.value = get_fixed(reader, 4);
        break;
    default:
        reader->failed = true;
    }
    if (reader->failed)
        return false;
    *out = field;
    return true;
}

int wire_hash(const struct wire_field *field, struct hash *out)
{
    if (field->type != WIRE_BYTES || field->bytes.size != HASH_BYTES)
        return ERR_MALFORMED;
    memcpy(out->bytes, field->bytes.data, HASH_BYTES);
    return 0;
}

size_t wire_varint_size(uint64_t value)
{
    size_t size = 1;
    for (; value >= 0x80; value >>= 7)
        size++;
    return size;
}

void wire_put_varint(struct bytes_writer *writer, uint64_t value)
{
    uint8_t bytes[WIRE_VARINT_BYTES_MAX];
    size_t size = 0;
    for (; value >= 0x80; value >>= 7)
        bytes[size++] = (uint8_t)(value | 0x80);
    bytes[size++] = (uint8_t)value;
    bytes_put(writer, bytes, size);
}

static void put_tag(struct bytes_writer *writer, uint32_t field, enum wire_type type)
{
    wire_put_varint(writer, (uint64_t)field << 3 | type);
}

void wire_put_number(struct bytes_writer *writer, uint32_t field, uint64_t value)
{
    if (value == 0)
        return;
    put_tag(writer, field, WIRE_VARINT);
    wire_put_varint(writer, value);
}

void wire_put_item_head(struct bytes_writer *writer, uint32_t field, uint64_t size)
{
    put_tag(writer, field, WIRE_BYTES);
    wire_put_varint(writer, size);
}

void wire_put_item(struct bytes_writer *writer, uint32_t field, struct span value)
{
    wire_put_item_head(writer, field, value.size);
    bytes_put_span(writer, value);
}

void wire_put_bytes(struct bytes_writer *writer, uint32_t field, struct span value)
{
    if (value.size > 0)
        wire_put_item(writer, field, value);
}

/* --- frames ------------------------------------------------------------------------------------------------------- */

int wire_frame_open(struct span frame, uint32_t *field, struct span *body)
{
    struct bytes_reader reader = bytes_reader_of(frame);
    struct wire_field item;
    struct wire_field found = {0};
    uint64_t version = 0;
    while (wire_next(&reader, &item)) {
        if (item.number == 1 && item.type == WIRE_VARINT)
            version = item.value;
        else if (item.number > 1 && item.type == WIRE_BYTES)
            found = item;
    }
    if (reader.failed)
        return ERR_MALFORMED;
    if (version != WIRE_FRAME_VERSION)
        return ERR_VERSION;
    if (found.number == 0)
        return ERR_MALFORMED;
    *field = found.number;
    *body = found.bytes;
    return 0;
}

void wire_frame_put_head(struct bytes_writer *writer, uint32_t field, uint64_t body_size)
{
    wire_put_number(writer, 1, WIRE_FRAME_VERSION);
    wire_put_item_head(writer, field, body_size);
}

void wire_frame_put(struct bytes_writer *writer, uint32_t field, void (*put)(struct bytes_writer *, const void *),
                    const void *body)
{
    struct bytes_writer counter = bytes_writer_of(NULL, 0);
    put(&counter, body);
    wire_frame_put_head(writer, field, counter.size);
    put(writer, body);
}
