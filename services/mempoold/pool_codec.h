/* pool_codec.h - frames of proto/pool.proto, as mempoold reads and writes them.
 *
 * Pure but for memory. Ownership: a decoded frame owns what its event points to, until pool_codec_deinit(); an encoded
 * one is the caller's to free(). Threads: no state.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "common/base/attr.h"
#include "common/base/genesis.h"
#include "common/base/peer_record.h"
#include "common/base/span.h"
#include "services/mempoold/mempool.h"

enum { POOL_CODEC_FRAME_BYTES_MAX = 16 << 20, POOL_CODEC_VERSION = 1 };

struct pool_codec_frame {
    struct mempool_event event; /* WATCH, TAKE_BATCH, RESOLVE, FINALIZED, DROPPED, EVIDENCE or PEERS; now_ms is 0 */
    /* PEERS: where they are, by validator; else, and where nothing was told, "". event.peers names the others. */
    char gossip[GENESIS_VALIDATORS_MAX][PEER_RECORD_ENDPOINT_BYTES_MAX + 1];
    void *message;
    struct hash *hashes;
    struct rejections_tx *dropped;
    struct span *spans;
};

/* Returns 0 (then end *out with pool_codec_deinit()), ERR_MALFORMED, ERR_VERSION, ERR_TOO_LARGE or -ENOMEM. */
MUST_USE int pool_codec_decode(struct pool_codec_frame *out, struct span payload);
void pool_codec_deinit(struct pool_codec_frame *frame);

/* Return 0 or -ENOMEM. */
MUST_USE int pool_codec_encode_pending(const struct mempool_pending *pending, uint8_t **out, size_t *size);
MUST_USE int pool_codec_encode_batch(const struct mempool_answer *batch, uint8_t **out, size_t *size);
MUST_USE int pool_codec_encode_resolved(const struct mempool_answer *resolved, uint8_t **out, size_t *size);
