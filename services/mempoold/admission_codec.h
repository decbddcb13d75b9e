/* admission_codec.h - frames of proto/admission.proto, as mempoold reads and writes them.
 *
 * Pure but for memory. Ownership: a decoded frame owns what its spans point to, until admission_codec_deinit(); an
 * encoded one is the caller's to free(). Threads: no state.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "common/base/attr.h"
#include "common/base/span.h"
#include "services/mempoold/mempool.h"

enum { ADMISSION_CODEC_FRAME_BYTES_MAX = 8 << 20, ADMISSION_CODEC_VERSION = 1 };

struct admission_codec_frame {
    struct mempool_event event; /* HELLO, SUBMIT or REJECTED_ACK; now_ms is 0 */
    void *message;
    struct span *bodies;
};

/* Returns 0 (then end *out with admission_codec_deinit()), ERR_MALFORMED, ERR_VERSION, ERR_TOO_LARGE (more than
 * MEMPOOL_SUBMIT_COUNT_MAX bodies, or the frame) or -ENOMEM. */
MUST_USE int admission_codec_decode(struct admission_codec_frame *out, struct span payload);
void admission_codec_deinit(struct admission_codec_frame *frame);

/* Return 0 or -ENOMEM. */
MUST_USE int admission_codec_encode_verdicts(const struct mempool_verdicts *verdicts, uint64_t epoch, uint8_t **out,
                                             size_t *size);
MUST_USE int admission_codec_encode_rejected(const struct rejections_notice *rejected, uint8_t **out, size_t *size);
