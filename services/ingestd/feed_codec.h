/* feed_codec.h - frames of proto/feed.proto, as ingestd reads and writes them.
 *
 * Decoding looks at everything once; lists are then walked in place.
 *
 * Pure. Ownership: what is decoded borrows from the frame. Threads: no state.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/attr.h"
#include "common/base/block.h"
#include "common/base/bytes.h"
#include "common/base/hash.h"
#include "common/base/sign.h"
#include "common/base/span.h"

enum {
    FEED_CODEC_FRAME_BYTES_MAX = 16 << 20,
    FEED_CODEC_RANGE_BLOCKS_MAX = 64,
    FEED_CODEC_LOOKUP_IDS_MAX = 5000,
};

enum feed_codec_kind {
    FEED_CODEC_PERSISTED = 2,
    FEED_CODEC_RANGE = 4,
    FEED_CODEC_PRODUCERS = 6,
    FEED_CODEC_LOOKUP = 8,
};

/* A persisted block; its lists are in `message`. */
struct feed_codec_block {
    uint64_t height;
    struct hash block_id;
    struct block_header header; /* of this height */
    struct span proof;
    uint32_t anomaly_count;
    uint32_t evidence_count;
    uint32_t policy_count;
    struct span message;
};

struct feed_codec_producer {
    struct sign_public key;
    uint32_t roles;
    bool active;
};

struct feed_codec_frame {
    enum feed_codec_kind kind;
    struct feed_codec_block block; /* PERSISTED */
    uint64_t request;              /* all others */
    uint64_t height;               /* RANGE: the database's; PRODUCERS: that of the records */
    struct span message;           /* lists */
};

/* Returns 0, ERR_MALFORMED or ERR_VERSION. */
MUST_USE int feed_codec_decode(struct feed_codec_frame *out, struct span payload);

/* Walks: *reader begins as bytes_reader_of(message). False at the end. */
MUST_USE bool feed_codec_next_tx(struct bytes_reader *reader, struct hash *out);      /* of a block */
MUST_USE bool feed_codec_next_anomaly(struct bytes_reader *reader, struct span *out); /* of a block: event ids */
MUST_USE bool feed_codec_next_changed(struct bytes_reader *reader, struct feed_codec_producer *out);  /* of a block */
MUST_USE bool feed_codec_next_block(struct bytes_reader *reader, struct feed_codec_block *out);       /* of RANGE */
MUST_USE bool feed_codec_next_producer(struct bytes_reader *reader, struct feed_codec_producer *out); /* of PRODUCERS */
MUST_USE bool feed_codec_next_found(struct bytes_reader *reader, struct hash *out);                   /* of LOOKUP */

struct feed_codec_range_request {
    uint64_t request;
    uint64_t height_first;
    uint32_t count_max;
};
void feed_codec_put_range_request(struct bytes_writer *writer, const struct feed_codec_range_request *request);
void feed_codec_put_producers_request(struct bytes_writer *writer, uint64_t request);
void feed_codec_put_lookup_request(struct bytes_writer *writer, uint64_t request, const struct hash *ids, size_t count);
