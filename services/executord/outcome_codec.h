/* outcome_codec.h - outcomes of committed blocks as bytes: what the store keeps and what persistd is sent are the same
 * Outcome message of proto/outcome.proto, so serving one is copying it into a frame.
 *
 * Pure. Ownership: decoded values borrow from their bytes. Threads: no state.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "common/base/attr.h"
#include "common/base/block.h"
#include "common/base/bytes.h"
#include "common/base/span.h"
#include "services/executord/executor.h"
#include "services/executord/version.h"

/* --- what persistd says ------------------------------------------------------------------------------------------- */

enum outcome_codec_kind { OUTCOME_CODEC_ASK = 2, OUTCOME_CODEC_ACK = 4, OUTCOME_CODEC_GENESIS = 5 };

enum { OUTCOME_CODEC_CERTIFICATE_BYTES_MAX = 16384 };

struct outcome_codec_request {
    enum outcome_codec_kind kind;
    uint64_t request;        /* ASK */
    uint64_t height_first;   /* ASK */
    uint32_t count_max;      /* ASK */
    uint64_t height;         /* ACK */
    struct span certificate; /* GENESIS: of the ceremony, as the database has it; empty: none */
};

/* Returns 0, ERR_MALFORMED or ERR_VERSION. */
MUST_USE int outcome_codec_decode(struct outcome_codec_request *out, struct span payload);

/* --- one outcome -------------------------------------------------------------------------------------------------- */

/* Write the version's Outcome; it has its content. proof: CommitProof, empty for the genesis block. Called with a
 * counting writer it tells the size. */
void outcome_codec_put(struct bytes_writer *writer, const struct version *version, struct span proof);

/* A stored Outcome's beginning, without looking at the rest. */
struct outcome_codec_head {
    struct block_header header;
    struct span header_bytes;
    struct span proof;
};

/* Returns 0 or ERR_MALFORMED. */
MUST_USE int outcome_codec_read_head(struct outcome_codec_head *out, struct span outcome);

/* A stored Outcome's changes. entries has room for entries_max. Returns 0, ERR_MALFORMED or ERR_TOO_LARGE. */
MUST_USE int outcome_codec_read_changes(struct span outcome, struct executor_entry *entries, size_t entries_max,
                                        size_t *count);

/* A frame Genesis; certificate may be empty. */
void outcome_codec_put_genesis(struct bytes_writer *writer, struct span certificate);

/* --- the answer --------------------------------------------------------------------------------------------------- */

enum {
    OUTCOME_CODEC_ITEM_HEAD_BYTES_MAX = 16,
    OUTCOME_CODEC_FRAME_HEAD_BYTES_MAX = 48,
};

/* A frame Outcomes is a head, then the stored outcomes as items. */
void outcome_codec_put_item(struct bytes_writer *writer, struct span outcome);
void outcome_codec_put_frame_head(struct bytes_writer *writer, uint64_t request, size_t items_bytes);
