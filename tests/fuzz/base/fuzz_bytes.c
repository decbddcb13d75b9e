/* fuzz_bytes.c - any sequence of reads over any bytes stays inside them, and what was read can be written. */
#include "tests/fuzz/base/fuzz.h"

#include <string.h>

#include "common/base/bytes.h"

enum { OPERATIONS_MAX = 64 };

/* Read once as the operation says and write the same to the copy. */
static void copy_next(struct bytes_reader *reader, struct bytes_writer *writer, uint8_t operation)
{
    switch (operation % 7) {
    case 0:
        bytes_put_u8(writer, bytes_get_u8(reader));
        break;
    case 1:
        bytes_put_u16(writer, bytes_get_u16(reader));
        break;
    case 2:
        bytes_put_u32(writer, bytes_get_u32(reader));
        break;
    case 3:
        bytes_put_u64(writer, bytes_get_u64(reader));
        break;
    case 4:
        bytes_put_span(writer, bytes_get_span(reader, operation));
        break;
    case 5:
        bytes_put_sized(writer, bytes_get_span(reader, bytes_get_u32(reader)));
        break;
    default: {
        uint8_t copy[8];
        bytes_get_copy(reader, copy, sizeof copy);
        bytes_put(writer, copy, sizeof copy);
        break;
    }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    size_t operations = data[0] % OPERATIONS_MAX;
    if (size < 1 + operations)
        return 0;
    struct span rest = span_of(data + 1 + operations, size - 1 - operations);
    uint8_t *copy = malloc(rest.size ? rest.size : 1);
    FUZZ_REQUIRE(copy);
    struct bytes_reader reader = bytes_reader_of(rest);
    struct bytes_writer writer = bytes_writer_of(copy, rest.size);
    for (size_t i = 0; i < operations; i++) {
        size_t before = writer.size;
        copy_next(&reader, &writer, data[1 + i]);
        FUZZ_REQUIRE(reader.position <= reader.size && writer.size <= writer.capacity);
        if (reader.failed) {
            writer.size = before;
            break;
        }
        FUZZ_REQUIRE(!writer.failed && reader.position == writer.size);
    }
    FUZZ_REQUIRE(writer.size <= rest.size && (writer.size == 0 || memcmp(copy, rest.data, writer.size) == 0));
    FUZZ_REQUIRE((bytes_reader_end(&reader) == 0) == (!reader.failed && bytes_left(&reader) == 0));
    free(copy);
    return 0;
}
