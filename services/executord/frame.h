/* frame.h - the outside of every frame that executord speaks: {uint32 version = 1; oneof body}. For the codecs.
 *
 * Frames are read in place, field by field (wire.h): bodies are not copied before they are executed.
 *
 * Pure. Ownership: everything is borrowed. Threads: no state.
 */
#pragma once

#include <stdint.h>

#include "common/base/attr.h"
#include "common/base/bytes.h"
#include "common/base/hash.h"
#include "common/base/span.h"

enum { FRAME_VERSION = 1 };

/* Which body the frame has (its field number), and its bytes. Returns 0, ERR_MALFORMED or ERR_VERSION. */
MUST_USE int frame_open(struct span payload, uint32_t *field, struct span *body);

/* Write a frame whose body put() writes; it is called twice and writes the same. */
void frame_put(struct bytes_writer *writer, uint32_t field, void (*put)(struct bytes_writer *, const void *),
               const void *body);

/* Only what stands before a body of this size. */
void frame_put_head(struct bytes_writer *writer, uint32_t field, uint64_t body_size);

/* A bytes field that is a hash. Returns 0 or ERR_MALFORMED. */
MUST_USE int frame_hash(struct hash *out, struct span bytes);
