/* pb.h - what codecs with generated types share: between protobuf-c's arrays and ours.
 *
 * Pure but for memory. Ownership: arrays are the caller's to free(). Threads: no state.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <protobuf-c/protobuf-c.h>

#include "common/base/attr.h"
#include "common/base/hash.h"
#include "common/base/span.h"

/* Borrow; protobuf-c does not write to what it packs. */
ProtobufCBinaryData pb_bytes(struct span bytes);

/* Arrays of the same items; NULL for none. Return 0 or -ENOMEM. */
MUST_USE int pb_spans(const ProtobufCBinaryData *items, size_t count, struct span **out);
MUST_USE int pb_items(const struct span *spans, size_t count, ProtobufCBinaryData **out);
MUST_USE int pb_hash_items(const struct hash *hashes, size_t count, ProtobufCBinaryData **out);
/* Returns also ERR_MALFORMED: an item that is not a hash. */
MUST_USE int pb_hashes(const ProtobufCBinaryData *items, size_t count, struct hash **out);
/* One hash. Returns 0 or ERR_MALFORMED. */
MUST_USE int pb_hash(const ProtobufCBinaryData *item, struct hash *out);

/* The message's bytes in one allocation. Returns 0 or -ENOMEM. */
MUST_USE int pb_pack(const ProtobufCMessage *message, uint8_t **out, size_t *size);
