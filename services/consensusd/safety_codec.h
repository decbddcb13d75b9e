/* safety_codec.h - how blocks are written in consensusd's store.
 *
 * Pure but for memory. Ownership: what is read is the block's, see safety_store_block_deinit(). Threads: no state.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/attr.h"
#include "common/base/bytes.h"
#include "services/consensusd/safety_store.h"

enum { SAFETY_CODEC_OPEN_KEY_BYTES = 8 + HASH_BYTES };

/* A block's bodies, with its header and its parent's certificate. */
struct safety_codec_bodies {
    const struct block_header *header;
    const struct qc *justify; /* NULL: not kept */
    const struct span *bodies;
    size_t body_count;
};

/* The key in `open`: u64 height || block id. */
void safety_codec_open_key(uint8_t out[static SAFETY_CODEC_OPEN_KEY_BYTES], uint64_t height, const struct hash *id);

/* Write what the value points to: a struct block_header, safety_codec_bodies, consensus_commit. */
void safety_codec_put_header(struct bytes_writer *writer, const void *value);
void safety_codec_put_bodies(struct bytes_writer *writer, const void *value);
void safety_codec_put_commit(struct bytes_writer *writer, const void *value);

/* Add what the value has to the block; bodies point into the value. Returns 0, ERR_CORRUPT or -ENOMEM. */
MUST_USE int safety_codec_get_bodies(struct span value, struct safety_store_block *out, bool take_justify);
MUST_USE int safety_codec_get_commit(struct span value, struct safety_store_block *out);
/* The id alone of a committed block. Returns 0 or ERR_CORRUPT. */
MUST_USE int safety_codec_commit_id(struct span value, struct hash *out);
