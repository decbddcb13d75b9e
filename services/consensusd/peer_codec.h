/* peer_codec.h - PeersRequest and PeersResponse of proto/consensus.proto, bodies of a SyncFrame.
 *
 * Pure. Ownership: what is decoded borrows the frame's bytes. Threads: no state.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "common/base/attr.h"
#include "common/base/genesis.h"
#include "common/base/peer_record.h"
#include "common/base/span.h"

/* Fields of SyncFrame. */
enum { PEER_CODEC_REQUEST = 8, PEER_CODEC_RESPONSE = 9 };

enum { PEER_CODEC_FRAME_BYTES_MAX = 64 + GENESIS_VALIDATORS_MAX * (PEER_RECORD_BYTES_MAX + 16) };

struct peer_codec_request {
    uint64_t request;
    uint64_t versions[GENESIS_VALIDATORS_MAX]; /* by validator; 0: none held */
    struct span record;                        /* the asker's own; empty: none */
};

struct peer_codec_response {
    uint64_t request;
    struct span records[GENESIS_VALIDATORS_MAX];
    size_t record_count;
};

/* Read a body. Validators are below validator_count and named once, records are no longer than they may be. Unknown
 * fields are passed over. Return 0 or ERR_MALFORMED. */
MUST_USE int peer_codec_decode_request(struct peer_codec_request *out, struct span body, uint32_t validator_count);
MUST_USE int peer_codec_decode_response(struct peer_codec_response *out, struct span body, uint32_t validator_count);

/* Write a whole frame. Return its size. */
size_t peer_codec_encode_request(uint8_t out[static PEER_CODEC_FRAME_BYTES_MAX],
                                 const struct peer_codec_request *request);
size_t peer_codec_encode_response(uint8_t out[static PEER_CODEC_FRAME_BYTES_MAX],
                                  const struct peer_codec_response *response);
