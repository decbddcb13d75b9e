/* query_codec.h - frames of proto/query.proto as apid writes and reads them.
 *
 * Not pure: the heap (protobuf-c). Ownership: see each function. Threads: no state.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/attr.h"
#include "common/base/span.h"
#include "proto/query.pb-c.h"

enum { QUERY_CODEC_SIBLINGS_MAX = 256 };

struct query_codec_question {
    const char *key;
    bool at_height; /* false: the latest committed */
    uint64_t height;
};

/* *out is the caller's to free(). Returns 0 or -ENOMEM. */
MUST_USE int query_codec_ask_state(uint8_t **out, size_t *size, uint64_t request,
                                   const struct query_codec_question *question);
MUST_USE int query_codec_ask_status(uint8_t **out, size_t *size, uint64_t request);

/* An answer: State or Status, with every hash of its length. Returns 0 (*out is to be ended with query_codec_free()) or
 * ERR_MALFORMED. */
MUST_USE int query_codec_read(Cybermesh__Query__V1__QueryFrame **out, struct span frame);

/* Which question it answers. */
uint64_t query_codec_request(const Cybermesh__Query__V1__QueryFrame *frame);

/* Accepts NULL and pointer to NULL; leaves *frame NULL. */
void query_codec_free(Cybermesh__Query__V1__QueryFrame **frame);
