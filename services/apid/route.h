/* route.h - what a request path and query ask for.
 *
 * Pure. Ownership: values only. Threads: no state.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/base/attr.h"
#include "common/base/hash.h"

enum route {
    ROUTE_HEALTH,
    ROUTE_READY,
    ROUTE_METRICS,
    ROUTE_BLOCK_LATEST,
    ROUTE_BLOCKS,
    ROUTE_BLOCK,
    ROUTE_BLOCK_PROOF,
    ROUTE_TRANSACTION,
    ROUTE_TRANSACTION_PROOF,
    ROUTE_STATE_ROOT,
    ROUTE_STATE,
    ROUTE_VALIDATORS,
    ROUTE_VALIDATOR,
    ROUTE_ANOMALIES,
    ROUTE_CONSENSUS_EVIDENCE,
    ROUTE_COUNT,
};

enum {
    ROUTE_KEY_BYTES_MAX = 512,
    ROUTE_PATH_BYTES_MAX = 4096,
    ROUTE_LIMIT_DEFAULT = 20,
    ROUTE_LIMIT_MAX = 100,
};

struct route_request {
    enum route route;
    uint64_t height; /* BLOCK, BLOCK_PROOF; STATE with has_height */
    bool has_height;
    struct hash id;                    /* TRANSACTION*, VALIDATOR */
    char key[ROUTE_KEY_BYTES_MAX + 1]; /* STATE: decoded */
    bool proof;                        /* STATE */
    bool has_start;                    /* BLOCKS */
    uint64_t start;
    uint32_t limit; /* BLOCKS, ANOMALIES */
};

enum route_verdict {
    ROUTE_NOT_FOUND = 1, /* no such path */
    ROUTE_BAD,           /* a height, id, key or parameter that is not of its form: *why says which and what it wants */
};

/* Name for metrics and logs. */
extern const char *const route_names[ROUTE_COUNT];

/* uri is as it was sent, percent-encoded: a path, or http://host/path; query may be NULL. *out is written only on
 * success; *why is a constant text. Returns 0 or a verdict. */
MUST_USE int route_parse(struct route_request *out, const char *uri, const char *query, const char **why);
