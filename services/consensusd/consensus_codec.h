/* consensus_codec.h - the frames between validators: proto/consensus.proto to the core's values and back.
 *
 * Pure but for memory. Ownership: a decoded frame owns what its event points to, until consensus_codec_deinit(); an
 * encoded one is the caller's to free(). Threads: no state.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "common/base/attr.h"
#include "common/base/cert.h"
#include "common/base/span.h"
#include "services/consensusd/ceremony.h"
#include "services/consensusd/consensus.h"

enum {
    CONSENSUS_CODEC_VERSION = 1,
    CONSENSUS_CODEC_FRAME_BYTES_MAX = 4 << 20, /* 100 000 transaction ids and certificates */
    CONSENSUS_CODEC_SYNC_BYTES_MAX = 64 << 20,
    CONSENSUS_CODEC_SYNC_BLOCKS_MAX = 256,
};

/* Which of the two cores a frame is for. */
enum consensus_codec_core { CONSENSUS_CODEC_CONSENSUS, CONSENSUS_CODEC_CEREMONY };

struct consensus_codec_frame {
    enum consensus_codec_core core;
    uint32_t sender;
    struct consensus_event event;   /* CONSENSUS: sender and what was said; times are 0 */
    struct ceremony_event ceremony; /* CEREMONY: the same */
    uint64_t high_qc_view;
    struct hash *tx_ids;
    union { /* what the events point to */
        struct {
            struct qc qc;
            struct tc tc;
            struct equivocation evidence;
        };
        struct genesis_ready ready;
        struct genesis_certificate certificate;
    };
};

/* Every length and count is checked; of the two events only the one for frame->core is written. Returns 0 (then end
 * *out with consensus_codec_deinit()), ERR_MALFORMED, ERR_VERSION, ERR_TOO_LARGE (more than tx_count_max ids) or
 * -ENOMEM. */
MUST_USE int consensus_codec_decode(struct consensus_codec_frame *out, struct span payload, uint32_t tx_count_max);
void consensus_codec_deinit(struct consensus_codec_frame *frame);

struct consensus_codec_sender {
    uint32_t index;
    uint64_t high_qc_view;
    uint64_t committed_height;
};

/* The frame of a SEND effect, and its topic. Returns 0 or -ENOMEM. */
MUST_USE int consensus_codec_encode(const struct consensus_effect *effect, const struct consensus_codec_sender *sender,
                                    const char **topic, uint8_t **out, size_t *size);

/* The frames of the genesis ceremony, topic CONSENSUS_CODEC_GENESIS_TOPIC. Returns 0 or -ENOMEM. */
#define CONSENSUS_CODEC_GENESIS_TOPIC "consensus/genesis"
MUST_USE int consensus_codec_encode_ready(const struct genesis_ready *ready,
                                          const struct consensus_codec_sender *sender, uint8_t **out, size_t *size);
MUST_USE int consensus_codec_encode_genesis(const struct genesis_certificate *certificate,
                                            const struct consensus_codec_sender *sender, uint8_t **out, size_t *size);

/* A commit proof as protobuf. Returns 0 or -ENOMEM. */
MUST_USE int consensus_codec_encode_proof(const struct block_header *headers, size_t header_count, const struct qc *qc,
                                          uint8_t **out, size_t *size);

/* Sync. */
struct consensus_codec_block {
    struct block_header header;
    struct qc qc;
    struct span *bodies;
    size_t body_count;
};

struct consensus_codec_sync {
    bool is_request;
    uint64_t request;
    uint64_t height_first;                /* request */
    uint32_t count_max;                   /* request */
    struct consensus_codec_block *blocks; /* response */
    size_t block_count;
    uint64_t committed_height; /* response */
    uint64_t height_lowest;    /* response: of the blocks that the sender has; 0: not told */
    void *message;             /* what bodies point into */
};

/* Returns 0 (then end *out with consensus_codec_sync_deinit()), ERR_MALFORMED, ERR_VERSION, ERR_TOO_LARGE or -ENOMEM.
 */
MUST_USE int consensus_codec_decode_sync(struct consensus_codec_sync *out, struct span payload, uint32_t tx_count_max);
void consensus_codec_sync_deinit(struct consensus_codec_sync *sync);

MUST_USE int consensus_codec_encode_request(uint64_t request, uint64_t height_first, uint32_t count_max, uint8_t **out,
                                            size_t *size);
/* The response's members, but for message. Returns 0 or -ENOMEM. */
MUST_USE int consensus_codec_encode_response(const struct consensus_codec_sync *response, uint8_t **out, size_t *size);
