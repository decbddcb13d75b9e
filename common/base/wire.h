/* wire.h - protobuf's wire format by hand: fields of a message read in place and written into a bounded buffer.
 *
 * By hand, because records from outside may hold zero bytes in text and fields that nobody knows, and both must be
 * seen; because what is hashed must have one encoding only; and because bodies are read where they lie, not copied.
 *
 * Pure. Ownership: borrows its memory. Threads: no state.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/base/attr.h"
#include "common/base/bytes.h"
#include "common/base/hash.h"
#include "common/base/span.h"

enum { WIRE_VARINT_BYTES_MAX = 10, WIRE_FIELD_NUMBER_MAX = (1 << 29) - 1 };

enum wire_type { WIRE_VARINT = 0, WIRE_FIXED64 = 1, WIRE_BYTES = 2, WIRE_FIXED32 = 5 };

/* --- reading ------------------------------------------------------------------------------------------------------ */

/* One field of a message. */
struct wire_field {
    uint32_t number;
    enum wire_type type;
    uint64_t value;    /* VARINT, FIXED64 (its bits), FIXED32; else 0 */
    struct span bytes; /* BYTES, borrowed; else empty */
};

/* The next field. False at the end of the message, and when it is malformed (reader->failed). Groups are malformed. */
MUST_USE bool wire_next(struct bytes_reader *reader, struct wire_field *out);

/* A BYTES field of exactly HASH_BYTES. Returns 0 or ERR_MALFORMED. */
MUST_USE int wire_hash(const struct wire_field *field, struct hash *out);

/* --- writing ------------------------------------------------------------------------------------------------------ */

void wire_put_varint(struct bytes_writer *writer, uint64_t value);

/* uint32, uint64, bool, int64 (as two's complement); nothing when zero. */
void wire_put_number(struct bytes_writer *writer, uint32_t field, uint64_t value);

/* string, bytes; nothing when empty. */
void wire_put_bytes(struct bytes_writer *writer, uint32_t field, struct span value);

/* One item of a repeated string, bytes or message field: written also when empty. */
void wire_put_item(struct bytes_writer *writer, uint32_t field, struct span value);

/* Only the tag and length of an item whose size bytes follow. */
void wire_put_item_head(struct bytes_writer *writer, uint32_t field, uint64_t size);

/* Bytes of a varint. */
size_t wire_varint_size(uint64_t value);

/* --- frames: {uint32 version = 1; oneof body} --------------------------------------------------------------------- */

enum { WIRE_FRAME_VERSION = 1 };

/* Which body a frame has (its field number), and its bytes. Returns 0, ERR_MALFORMED or ERR_VERSION. */
MUST_USE int wire_frame_open(struct span frame, uint32_t *field, struct span *body);

/* Write a frame whose body put() writes; it is called twice and writes the same. */
void wire_frame_put(struct bytes_writer *writer, uint32_t field, void (*put)(struct bytes_writer *, const void *),
                    const void *body);

/* Only what stands before a body of this size. */
void wire_frame_put_head(struct bytes_writer *writer, uint32_t field, uint64_t body_size);
