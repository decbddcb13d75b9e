/* executord_store.h - what committed blocks did, on disk: one record per height, appended, the Outcome that persistd is
 * sent. Height 0 is the genesis block.
 *
 * Not pure: files. Ownership: see each function. Threads: one owner.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "common/base/attr.h"
#include "common/base/span.h"
#include "services/executord/executor.h"

struct executord_store; /* opaque */

struct executord_store_options {
    const char *path; /* directory */
    uint64_t map_bytes_max;
};

/* On success *out belongs to the caller. Returns 0 or the errors of store_open(), -ENOMEM. */
MUST_USE int executord_store_open(struct executord_store **out, const struct executord_store_options *options);
void executord_store_close(struct executord_store **self);

/* Bring a new executor to the stored height by its changes, or begin the store with the executor's genesis. Returns 0;
 * ERR_CORRUPT (a record does not follow, or gives another state root); ERR_CONFIG (it is the store of another genesis);
 * ERR_FULL or -ENOMEM. The reason is logged. */
MUST_USE int executord_store_load(struct executord_store *self, struct executor *executor);

enum { EXECUTORD_STORE_APPENDED_MAX = 64 };

/* A version of the stored height + 1, or + 1 of the last one appended: executord_store_write() makes it durable. At
 * most EXECUTORD_STORE_APPENDED_MAX before that. Returns 0 or -ENOMEM. */
MUST_USE int executord_store_append(struct executord_store *self, const struct version *version, struct span proof);

/* Write what was appended, all or nothing; returns after it is on disk. Nothing is appended then, also on failure.
 * Returns 0 or the errors of store_write(). */
MUST_USE int executord_store_write(struct executord_store *self);

/* A stored block's header and commit proof, encoded. */
struct executord_store_head {
    uint8_t header[BLOCK_HEADER_BYTES];
    struct span proof; /* a loan until the next call */
};

/* Returns 0, ERR_NOT_FOUND, ERR_CORRUPT or -ENOMEM. */
MUST_USE int executord_store_head(struct executord_store *self, uint64_t height, struct executord_store_head *out);

struct executord_store_ask {
    uint64_t request;
    uint64_t height_first;
    uint32_t count_max; /* 0 counts as 1 */
    size_t bytes_max;   /* of the outcomes together; one is always taken */
};

/* A frame Outcomes with the stored outcomes from height_first on. *out is a loan until the next call. Returns 0,
 * ERR_NOT_FOUND (there is none yet), ERR_CORRUPT or -ENOMEM. */
MUST_USE int executord_store_outcomes(struct executord_store *self, const struct executord_store_ask *ask,
                                      struct span *out);

/* The certificate of the genesis ceremony, kept for consensusd and persistd; empty: none. A loan until the next put. */
struct span executord_store_certificate(const struct executord_store *self);

/* Replace it; returns after it is on disk. Returns 0, ERR_TOO_LARGE (above 16 KiB), -ENOMEM or the errors of
 * store_write(). */
MUST_USE int executord_store_put_certificate(struct executord_store *self, struct span certificate);

/* Bytes used on disk. */
uint64_t executord_store_bytes(const struct executord_store *self);
