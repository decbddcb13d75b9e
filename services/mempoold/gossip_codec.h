/* gossip_codec.h - frames of proto/gossip.proto, both ways.
 *
 * Pure but for memory. Ownership: a decoded frame owns what its event points to, until gossip_codec_deinit(); an
 * encoded one is the caller's to free(). Threads: no state.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "common/base/attr.h"
#include "common/base/span.h"
#include "services/mempoold/mempool.h"

enum { GOSSIP_CODEC_FRAME_BYTES_MAX = 8 << 20, GOSSIP_CODEC_VERSION = 1 };

struct gossip_codec_frame {
    struct mempool_event event; /* FETCH or BODIES (peer is 0); now_ms is 0 */
    void *message;
    struct hash *hashes;
    struct span *bodies;
};

/* Returns 0 (then end *out with gossip_codec_deinit()), ERR_MALFORMED, ERR_VERSION, ERR_TOO_LARGE or -ENOMEM. */
MUST_USE int gossip_codec_decode(struct gossip_codec_frame *out, struct span payload);
void gossip_codec_deinit(struct gossip_codec_frame *frame);

/* Return 0 or -ENOMEM. */
MUST_USE int gossip_codec_encode_fetch(const struct mempool_question *fetch, uint8_t **out, size_t *size);
MUST_USE int gossip_codec_encode_bodies(const struct mempool_answer *bodies, uint8_t **out, size_t *size);
