/* bytes.h - bounded cursors over bytes: every read and write is checked, integers are big-endian.
 *
 * A cursor that fails stays failed: read a whole message, then look at ->failed (or the result of *_end()) once.
 * Failed reads give zero and empty spans.
 *
 * Pure. Ownership: borrows its memory.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/attr.h"
#include "common/base/span.h"

struct bytes_reader {
    const uint8_t *data;
    size_t size;
    size_t position;
    bool failed;
};

struct bytes_writer {
    uint8_t *data; /* NULL: only counts, for sizing */
    size_t capacity;
    size_t size;
    bool failed;
};

struct bytes_reader bytes_reader_of(struct span data);
uint8_t bytes_get_u8(struct bytes_reader *reader);
uint16_t bytes_get_u16(struct bytes_reader *reader);
uint32_t bytes_get_u32(struct bytes_reader *reader);
uint64_t bytes_get_u64(struct bytes_reader *reader);
struct span bytes_get_span(struct bytes_reader *reader, size_t size);
/* Copy exactly size bytes out (zeros when failed). */
void bytes_get_copy(struct bytes_reader *reader, void *out, size_t size);
size_t bytes_left(const struct bytes_reader *reader);
/* 0 when everything was read and nothing failed, else ERR_MALFORMED. */
MUST_USE int bytes_reader_end(const struct bytes_reader *reader);

struct bytes_writer bytes_writer_of(uint8_t *data, size_t capacity);
void bytes_put_u8(struct bytes_writer *writer, uint8_t value);
void bytes_put_u16(struct bytes_writer *writer, uint16_t value);
void bytes_put_u32(struct bytes_writer *writer, uint32_t value);
void bytes_put_u64(struct bytes_writer *writer, uint64_t value);
void bytes_put(struct bytes_writer *writer, const void *data, size_t size);
void bytes_put_span(struct bytes_writer *writer, struct span data);
/* u32 length || bytes */
void bytes_put_sized(struct bytes_writer *writer, struct span data);
struct span bytes_written(const struct bytes_writer *writer);
