/* query_codec.h - the frames of proto/query.proto that executord speaks: state values with proofs, live status.
 *
 * Pure. Ownership: everything is borrowed. Threads: no state.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/attr.h"
#include "common/base/bytes.h"
#include "common/base/span.h"
#include "common/base/stateproof.h"

enum query_codec_kind { QUERY_CODEC_STATE_REQUEST = 2, QUERY_CODEC_STATUS_REQUEST = 4 };

struct query_codec_request {
    enum query_codec_kind kind;
    uint64_t request;
    struct span key; /* STATE_REQUEST */
    bool at_height;  /* false: the latest committed */
    uint64_t height;
};

/* Returns 0, ERR_MALFORMED or ERR_VERSION. */
MUST_USE int query_codec_decode(struct query_codec_request *out, struct span payload);

/* enum StateStatus of the .proto. */
enum query_codec_status { QUERY_CODEC_OK = 1, QUERY_CODEC_HEIGHT_UNKNOWN, QUERY_CODEC_HEIGHT_NOT_RETAINED };

struct query_codec_state {
    uint64_t request;
    enum query_codec_status status;
    uint64_t height;
    bool found;
    struct span value;
    const struct stateproof *proof; /* NULL unless OK */
    struct span header;
    struct span commit_proof;
    uint64_t height_min;
    uint64_t height_max;
};

void query_codec_put_state(struct bytes_writer *writer, const struct query_codec_state *state);

struct query_codec_item {
    const char *name;
    const char *value;
};

struct query_codec_items {
    uint64_t request;
    const struct query_codec_item *items;
    size_t count;
};

void query_codec_put_status(struct bytes_writer *writer, const struct query_codec_items *status);
