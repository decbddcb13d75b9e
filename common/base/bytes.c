/* bytes.c - bounded cursors over bytes. Every read goes through bytes_get_span(), every write through bytes_put(), so
 * there is one check of each.
 */
#include "common/base/bytes.h"

#include "common/base/err.h"

struct bytes_reader bytes_reader_of(struct span data)
{
    return (struct bytes_reader){.data = data.data, .size = data.size};
}

size_t bytes_left(const struct bytes_reader *reader)
{
    return reader->size - reader->position;
}

struct span bytes_get_span(struct bytes_reader *reader, size_t size)
{
    if (reader->failed || size > bytes_left(reader)) {
        reader->failed = true;
        return (struct span){0};
    }
    if (size == 0)
        return (struct span){.data = reader->data ? reader->data + reader->position : NULL};
    struct span result = span_of(reader->data + reader->position, size);
    reader->position += size;
    return result;
}

static uint64_t bytes_get_integer(struct bytes_reader *reader, size_t size)
{
    struct span bytes = bytes_get_span(reader, size);
    uint64_t value = 0;
    for (size_t i = 0; i < bytes.size; i++)
        value = value << 8 | bytes.data[i];
    return value;
}

uint8_t bytes_get_u8(struct bytes_reader *reader)
{
    return (uint8_t)bytes_get_integer(reader, 1);
}

uint16_t bytes_get_u16(struct bytes_reader *reader)
{
    return (uint16_t)bytes_get_integer(reader, 2);
}

uint32_t bytes_get_u32(struct bytes_reader *reader)
{
    return (uint32_t)bytes_get_integer(reader, 4);
}

uint64_t bytes_get_u64(struct bytes_reader *reader)
{
    return bytes_get_integer(reader, 8);
}

void bytes_get_copy(struct bytes_reader *reader, void *out, size_t size)
{
    if (size == 0)
        return;
    struct span bytes = bytes_get_span(reader, size);
    if (bytes.size == size)
        memcpy(out, bytes.data, size);
    else
        memset(out, 0, size);
}

int bytes_reader_end(const struct bytes_reader *reader)
{
    return reader->failed || bytes_left(reader) > 0 ? ERR_MALFORMED : 0;
}

struct bytes_writer bytes_writer_of(uint8_t *data, size_t capacity)
{
    return (struct bytes_writer){.data = data, .capacity = capacity};
}

void bytes_put(struct bytes_writer *writer, const void *data, size_t size)
{
    size_t room = (writer->data ? writer->capacity : SIZE_MAX) - writer->size;
    if (writer->failed || size > room) {
        writer->failed = true;
        return;
    }
    if (writer->data && size > 0)
        memcpy(writer->data + writer->size, data, size);
    writer->size += size;
}

void bytes_put_u8(struct bytes_writer *writer, uint8_t value)
{
    bytes_put(writer, &value, 1);
}

void bytes_put_u16(struct bytes_writer *writer, uint16_t value)
{
    uint8_t bytes[2] = {(uint8_t)(value >> 8), (uint8_t)value};
    bytes_put(writer, bytes, sizeof bytes);
}

void bytes_put_u32(struct bytes_writer *writer, uint32_t value)
{
    uint8_t bytes[4];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(value >> (24 - 8 * i));
    bytes_put(writer, bytes, sizeof bytes);
}

void bytes_put_u64(struct bytes_writer *writer, uint64_t value)
{
    uint8_t bytes[8];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(value >> (56 - 8 * i));
    bytes_put(writer, bytes, sizeof bytes);
}

void bytes_put_span(struct bytes_writer *writer, struct span data)
{
    bytes_put(writer, data.data, data.size);
}

void bytes_put_sized(struct bytes_writer *writer, struct span data)
{
    if (data.size > UINT32_MAX) {
        writer->failed = true;
        return;
    }
    bytes_put_u32(writer, (uint32_t)data.size);
    bytes_put_span(writer, data);
}

struct span bytes_written(const struct bytes_writer *writer)
{
    return span_of(writer->data, writer->size);
}
