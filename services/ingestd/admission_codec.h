/* admission_codec.h - frames of proto/admission.proto, as ingestd reads and writes them.
 *
 * Pure. Ownership: what is decoded borrows from the frame. Threads: no state.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "common/base/attr.h"
#include "common/base/bytes.h"
#include "common/base/hash.h"
#include "common/base/span.h"
#include "services/ingestd/pending.h"

enum {
    ADMISSION_CODEC_FRAME_BYTES_MAX = 8 << 20,
    ADMISSION_CODEC_REJECTED_COUNT_MAX = 4096, /* of one notice */
    ADMISSION_CODEC_BODY_EXTRA_BYTES = 8,      /* what a frame adds to a body, at most */
    ADMISSION_CODEC_FRAME_EXTRA_BYTES = 64,    /* what a frame adds to all */
};

enum admission_codec_kind { ADMISSION_CODEC_VERDICTS = 4, ADMISSION_CODEC_REJECTED = 5 };

struct admission_codec_rejected {
    struct hash tx_id;
    uint32_t reason; /* enum reason, 0: committed already */
};

/* Where a decoded frame's lists stand. */
struct admission_codec_room {
    enum pending_verdict verdicts[PENDING_BATCH_COUNT_MAX];
    struct admission_codec_rejected rejected[ADMISSION_CODEC_REJECTED_COUNT_MAX];
};

struct admission_codec_frame {
    enum admission_codec_kind kind;
    struct pending_verdicts verdicts; /* VERDICTS */
    uint64_t sequence;                /* REJECTED */
    const struct admission_codec_rejected *rejected;
    size_t rejected_count;
};

/* Returns 0, ERR_MALFORMED, ERR_VERSION or ERR_TOO_LARGE (more items than there is room for). */
MUST_USE int admission_codec_decode(struct admission_codec_frame *out, struct admission_codec_room *room,
                                    struct span payload);

void admission_codec_put_hello(struct bytes_writer *writer);
void admission_codec_put_rejected_ack(struct bytes_writer *writer, uint64_t sequence);

/* A SubmitBatch: the size of its items first (each as admission_codec_body_bytes() says), then begin, then each body's
 * head followed by its bytes. */
size_t admission_codec_body_bytes(size_t body_size);
void admission_codec_put_submit_head(struct bytes_writer *writer, uint64_t batch, uint64_t items_bytes);
void admission_codec_put_body_head(struct bytes_writer *writer, size_t body_size);
