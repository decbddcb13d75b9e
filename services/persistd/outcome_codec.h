/* outcome_codec.h - the frames of the outcome arrow (proto/outcome.proto) as values.
 *
 * Pure but for memory. Ownership: decoded outcomes borrow their bytes from the frame; their arrays belong to the
 * outcome_codec_frame until outcome_codec_deinit(). Threads: no state.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/attr.h"
#include "common/base/bytes.h"
#include "common/base/span.h"
#include "services/persistd/outcome.h"

enum {
    OUTCOME_CODEC_BLOCKS_MAX = 64,        /* of one answer */
    OUTCOME_CODEC_ITEMS_MAX = 1 << 21,    /* bodies, receipts and changes of one answer */
    OUTCOME_CODEC_REQUEST_BYTES_MAX = 64, /* of an Ask or Ack */
};

struct outcome_codec_frame {
    uint64_t request;
    uint32_t count;
    struct outcome *outcomes; /* contiguous heights */
    struct span *spans_;
    struct outcome_change *changes_;
};

/* Read an Outcomes frame. Headers are decoded, nothing else is judged. On success *out is ended with
 * outcome_codec_deinit(). Returns 0, ERR_MALFORMED (also: heights with gaps), ERR_VERSION, ERR_TOO_LARGE (the limits
 * above) or -ENOMEM. */
MUST_USE int outcome_codec_decode(struct outcome_codec_frame *out, struct span payload);

/* Is it a frame Genesis? Then *certificate borrows its bytes (may be empty). */
bool outcome_codec_is_genesis(struct span payload, struct span *certificate);

/* Accepts a frame that is all zero. */
void outcome_codec_deinit(struct outcome_codec_frame *self);

struct outcome_codec_ask {
    uint64_t request;
    uint64_t height_first;
    uint32_t count_max;
};

/* A frame Genesis. */
void outcome_codec_put_genesis(struct bytes_writer *writer, struct span certificate);

/* Write a frame; return its size. */
size_t outcome_codec_put_ask(uint8_t out[static OUTCOME_CODEC_REQUEST_BYTES_MAX], const struct outcome_codec_ask *ask);
size_t outcome_codec_put_ack(uint8_t out[static OUTCOME_CODEC_REQUEST_BYTES_MAX], uint64_t height);
