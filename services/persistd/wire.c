/* wire.c - protobuf's wire format by hand. */
#include "services/persistd/wire.h"

#include "common/base/err.h"

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

static void put_tag(struct bytes_writer *writer, uint32_t field, uint32_t type)
{
    wire_put_varint(writer, (uint64_t)field << 3 | type);
}

void wire_put_number(struct bytes_writer *writer, uint32_t field, uint64_t value)
{
    if (value == 0)
        return;
    put_tag(writer, field, WIRE_TYPE_VARINT);
    wire_put_varint(writer, value);
}

void wire_put_item_head(struct bytes_writer *writer, uint32_t field, uint64_t size)
{
    put_tag(writer, field, WIRE_TYPE_BYTES);
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

static uint64_t get_varint(struct bytes_reader *reader)
{
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        uint8_t byte = bytes_get_u8(reader);
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            if (shift == 63 && byte > 1)
                reader->failed = true;
            return value;
        }
    }
    reader->failed = true;
    return 0;
}

bool wire_next(struct bytes_reader *reader, struct wire_field *out)
{
    if (reader->failed || bytes_left(reader) == 0)
        return false;
    uint64_t tag = get_varint(reader);
    struct wire_field field = {.number = (uint32_t)(tag >> 3), .type = (uint32_t)(tag & 7)};
    if (tag > UINT32_MAX || field.number == 0)
        reader->failed = true;
    if (field.type == WIRE_TYPE_VARINT) {
        field.value = get_varint(reader);
    } else if (field.type == WIRE_TYPE_BYTES) {
        uint64_t size = get_varint(reader);
        if (size > bytes_left(reader))
            reader->failed = true;
        else
            field.bytes = bytes_get_span(reader, (size_t)size);
    } else {
        reader->failed = true;
    }
    if (reader->failed)
        return false;
    *out = field;
    return true;
}

/* --- frames ------------------------------------------------------------------------------------------------------- */

int wire_frame_open(struct span frame, uint32_t *field, struct span *body)
{
    struct bytes_reader reader = bytes_reader_of(frame);
    struct wire_field item;
    struct wire_field found = {0};
    uint64_t version = 0;
    while (wire_next(&reader, &item)) {
        if (item.number == 1)
            version = item.value;
        else if (item.type == WIRE_TYPE_BYTES)
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
