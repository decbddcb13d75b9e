/* txcheck.h - all checks of a transaction in their order, the first failure wins (docs/protocol.md, "Checks and
 * reasons").
 *
 * Parse and limits, producer, signature, content hash, content rules, timestamp, custody. What needs the ledger's state
 * (nonce, id, block time) is executord's.
 *
 * Not pure: the heap (Jansson; the signed bytes of a large transaction). Ownership: the parsed transaction borrows from
 * the body. Threads: no state; contexts are read only.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/base/attr.h"
#include "common/base/genesis.h"
#include "common/base/reason.h"
#include "common/base/sign.h"
#include "common/base/span.h"
#include "common/base/tx.h"

/* What the checks look at beside the body. */
struct txcheck_context {
    bool require_v2;           /* v1 signatures are BAD_SIGNATURE */
    bool custody_verification; /* false: custody entries are taken as they are */

    /* May this key send what needs this role (a bit of enum producer_role)? Returns 0, REASON_PRODUCER_UNKNOWN,
     * REASON_PRODUCER_ROLE or REASON_PRODUCER_QUARANTINED. NULL: not checked. Called on the thread of the check. */
    int (*producer)(void *producer_context, const struct sign_public *key, uint32_t role);
    void *producer_context;

    bool has_reference; /* check ts against the broker's timestamp of the record */
    int64_t reference_s;
    int64_t skew_s;
};

/* The static checks: everything that the body alone and the genesis parameters decide. */
struct txcheck_context txcheck_static(const struct genesis_parameters *parameters);

/* Returns 0 (then *out is filled), a verdict (enum reason), or -ENOMEM. With a verdict *why says in a few words what
 * was wrong (static text); *out may hold a part. */
MUST_USE int txcheck_run(const struct txcheck_context *context, struct span body, struct tx *out, const char **why);
