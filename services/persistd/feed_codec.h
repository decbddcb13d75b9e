/* feed_codec.h - the frames of the feed arrow (proto/feed.proto).
 *
 * Pure. Ownership: everything is borrowed. Threads: no state.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/attr.h"
#include "common/base/bytes.h"
#include "common/base/hash.h"
#include "common/base/span.h"

enum {
    FEED_CODEC_FRAME_BYTES_MAX = 16 << 20, /* of what we send: a block's Persisted fits */
    FEED_CODEC_QUESTION_BYTES_MAX = 256 << 10,
    FEED_CODEC_LOOKUP_IDS_MAX = 5000,
    FEED_CODEC_RANGE_BLOCKS_MAX = 64,
    FEED_CODEC_RANGE_BYTES_MAX = 8 << 20, /* but for a single block */
};

/* --- questions ---------------------------------------------------------------------------------------------------- */

enum feed_codec_kind { FEED_CODEC_RANGE = 3, FEED_CODEC_PRODUCERS = 5, FEED_CODEC_LOOKUP = 7 };

struct feed_codec_question {
    enum feed_codec_kind kind;
    uint64_t request;
    uint64_t height_first; /* RANGE */
    uint32_t count_max;    /* RANGE: 1..FEED_CODEC_RANGE_BLOCKS_MAX; asking for more is asking for that */
    uint32_t id_count;     /* LOOKUP */
    struct hash *ids;      /* LOOKUP: where the caller's room is */
};

/* ids has room for FEED_CODEC_LOOKUP_IDS_MAX. Returns 0, ERR_MALFORMED, ERR_VERSION or ERR_TOO_LARGE. */
MUST_USE int feed_codec_decode(struct feed_codec_question *out, struct hash *ids, struct span payload);

/* --- a persisted block -------------------------------------------------------------------------------------------- */

struct feed_codec_tx {
    struct span tx_id;
    struct span event_id; /* of an anomaly */
    bool is_anomaly;
};

struct feed_codec_producer {
    struct span key;
    struct span name;
    uint32_t roles;
    bool active;
};

struct feed_codec_block {
    uint64_t height;
    struct span block_id;
    struct span header;
    struct span proof;
    const struct feed_codec_tx *txs; /* block order */
    size_t tx_count;
    uint32_t anomaly_count;
    uint32_t evidence_count;
    uint32_t policy_count;
    const struct feed_codec_producer *producers; /* that it changed */
    size_t producer_count;
};

/* Write the Persisted message; with a counting writer it tells the size. */
void feed_codec_put_block(struct bytes_writer *writer, const struct feed_codec_block *block);

/* --- frames ------------------------------------------------------------------------------------------------------- */

/* Persisted, of a message written as above. */
void feed_codec_put_persisted(struct bytes_writer *writer, struct span message);

struct feed_codec_range {
    uint64_t request;
    const struct span *blocks; /* messages written as above, contiguous */
    size_t block_count;
    uint64_t height_last;
};
void feed_codec_put_range(struct bytes_writer *writer, const struct feed_codec_range *range);

struct feed_codec_producers {
    uint64_t request;
    uint64_t height;
    const struct feed_codec_producer *producers;
    size_t producer_count;
};
void feed_codec_put_producers(struct bytes_writer *writer, const struct feed_codec_producers *producers);

struct feed_codec_lookup {
    uint64_t request;
    const struct span *found;
    size_t found_count;
};
void feed_codec_put_lookup(struct bytes_writer *writer, const struct feed_codec_lookup *lookup);
