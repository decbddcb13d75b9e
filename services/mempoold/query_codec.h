/* query_codec.h - the two frames of proto/query.proto that mempoold speaks: StatusRequest and Status.
 *
 * Pure but for memory. Ownership: an encoded frame is the caller's to free(). Threads: no state.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "common/base/attr.h"
#include "common/base/span.h"

enum { QUERY_CODEC_FRAME_BYTES_MAX = 64 << 10, QUERY_CODEC_VERSION = 1, QUERY_CODEC_ITEM_COUNT_MAX = 16 };

struct query_codec_item {
    const char *name;
    uint64_t value;
};

/* *request of a StatusRequest. Returns 0, ERR_MALFORMED, ERR_VERSION or ERR_TOO_LARGE. */
MUST_USE int query_codec_decode(uint64_t *request, struct span payload);

/* count <= QUERY_CODEC_ITEM_COUNT_MAX. Returns 0 or -ENOMEM. */
MUST_USE int query_codec_encode_status(uint64_t request, const struct query_codec_item *items, size_t count,
                                       uint8_t **out, size_t *size);
