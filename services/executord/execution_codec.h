/* execution_codec.h - the frames of proto/execution.proto: requests of consensusd in, answers out.
 *
 * Pure. Ownership: a decoded request borrows from its frame and from the array of spans given. Threads: no state.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "common/base/attr.h"
#include "common/base/block.h"
#include "common/base/bytes.h"
#include "common/base/span.h"
#include "services/executord/executor.h"

enum { EXECUTION_CODEC_CERTIFICATE_BYTES_MAX = 16384, EXECUTION_CODEC_BEFORE_MAX = 32 };

/* The request's field in ExecutionFrame. */
enum execution_codec_kind {
    EXECUTION_CODEC_HEIGHT_REQUEST = 2,
    EXECUTION_CODEC_BUILD = 4,
    EXECUTION_CODEC_CHECK = 6,
    EXECUTION_CODEC_RECHECK = 8,
    EXECUTION_CODEC_COMMIT = 10,
};

/* A committed block; header is BLOCK_HEADER_BYTES. */
struct execution_codec_block {
    struct span header;
    struct span proof;
};

struct execution_codec_request {
    enum execution_codec_kind kind;
    uint64_t request;
    struct executor_bodies bodies;   /* of all but HEIGHT_REQUEST */
    struct executor_build build;     /* BUILD: without its bodies */
    struct executor_recheck recheck; /* RECHECK: without its bodies */
    struct block_header header;      /* CHECK, COMMIT */
    struct span header_bytes;        /* the same as it came */
    struct span proof;               /* COMMIT */
    /* COMMIT: blocks without transactions, whose heights end just below the header's. */
    struct execution_codec_block before[EXECUTION_CODEC_BEFORE_MAX];
    size_t before_count;
    struct span certificate; /* HEIGHT_REQUEST: of the genesis ceremony; empty: none told */
};

/* spans has room for spans_max bodies. Returns 0, ERR_MALFORMED (an answer's field, too), ERR_VERSION or ERR_TOO_LARGE
 * (more bodies, or more blocks before). */
MUST_USE int execution_codec_decode(struct execution_codec_request *out, struct span payload, struct span *spans,
                                    size_t spans_max);

/* enum Status of the .proto. */
enum execution_codec_status {
    EXECUTION_CODEC_OK = 1,
    EXECUTION_CODEC_UNKNOWN_PARENT,
    EXECUTION_CODEC_BAD_TX,
    EXECUTION_CODEC_BAD_ROOT,
    EXECUTION_CODEC_BAD_HEADER,
    EXECUTION_CODEC_CONFLICT,
};

/* Of 0 or a verdict of the executor but EXECUTOR_BELOW. */
enum execution_codec_status execution_codec_status_of(int verdict);

struct execution_codec_height {
    uint64_t height;
    struct hash block_id;
    struct hash state_root;
    uint64_t epoch;
    struct span genesis_header;
    uint64_t inactive;       /* bit i: validator i */
    struct span certificate; /* empty: none */
};

struct execution_codec_built {
    uint64_t request;
    enum execution_codec_status status;
    const struct block_header *header; /* NULL unless OK */
    const struct executor_refused *refused;
    size_t refused_count;
    struct schedule schedule; /* of the block's children; count 0: not told */
};

struct execution_codec_checked {
    uint64_t request;
    struct hash block_id;
    enum execution_codec_status status;
    struct executor_refused bad; /* of BAD_TX */
    struct schedule schedule;    /* of the block's children; count 0: not told */
};

struct execution_codec_committed {
    uint64_t height;
    struct hash block_id;
    enum execution_codec_status status;
};

/* Bytes that an answer to a request with this many bodies needs at most. */
size_t execution_codec_answer_bytes_max(size_t bodies_max);

void execution_codec_put_height(struct bytes_writer *writer, const struct execution_codec_height *body);
void execution_codec_put_built(struct bytes_writer *writer, const struct execution_codec_built *body);
void execution_codec_put_checked(struct bytes_writer *writer, const struct execution_codec_checked *body);
/* Rechecked: built without a header. */
void execution_codec_put_rechecked(struct bytes_writer *writer, const struct execution_codec_built *body);
void execution_codec_put_committed(struct bytes_writer *writer, const struct execution_codec_committed *body);
