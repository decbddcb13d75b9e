/* wire.h - writing protobuf's wire format by hand: fields of a message into a bounded buffer.
 *
 * Records must have one encoding only (PROTOCOL: fields in number order, zero values left out), and generated types
 * never enter a core; so the few writers that are needed are here.
 *
 * Pure. Ownership: borrows its buffer through the bytes_writer.
 */
#pragma once

#include <stdint.h>

#include "common/base/attr.h"
#include "common/base/bytes.h"
#include "common/base/span.h"

enum {
    WIRE_VARINT_BYTES_MAX = 10,
    WIRE_TYPE_VARINT = 0,
    WIRE_TYPE_BYTES = 2,
};

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

/* --- reading ------------------------------------------------------------------------------------------------------ */

/* One field of a message. */
struct wire_field {
    uint32_t number;
    uint32_t type;     /* WIRE_TYPE_VARINT or WIRE_TYPE_BYTES: no other is written by this suite */
    uint64_t value;    /* of a varint */
    struct span bytes; /* of a bytes field, borrowed */
};

/* The next field. False at the end of the message, and when it is malformed (reader->failed). */
MUST_USE bool wire_next(struct bytes_reader *reader, struct wire_field *out);
