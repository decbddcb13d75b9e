/* outcome.h - what one committed block did, as executord tells it: values, and whether they belong together.
 *
 * Pure. Ownership: spans borrow from the frame the outcome came in. Threads: no state.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/attr.h"
#include "common/base/block.h"
#include "common/base/hash.h"
#include "common/base/span.h"

struct outcome_change {
    struct span key; /* text */
    struct span value;
    bool deleted; /* the state lost the key */
};

struct outcome {
    uint64_t height;
    struct hash block_id;
    struct block_header header;
    struct span header_bytes;
    struct span proof; /* CommitProof; empty for genesis */
    const struct span *bodies;
    const struct span *receipts; /* same order */
    uint32_t tx_count;           /* of both */
    const struct outcome_change *changes;
    uint32_t change_count;
    size_t size_bytes; /* of all that is written of it, roughly: for limits */
};

/* Do the header, the block id and the counts say the same, and do the numbers fit the database's signed ones?
 * Transaction and receipt roots are checked where their hashes are made: outcome_check_roots(). Returns 0 or
 * ERR_MALFORMED; *why says what is wrong (static text). */
MUST_USE int outcome_check(const struct outcome *outcome, const struct hash *chain_id, const char **why);

/* Are these the transactions and receipts of the header? tx_ids has tx_count items; scratch has room for 2 * tx_count
 * (NULL when there are none). Returns 0 or ERR_MALFORMED, as above. */
MUST_USE int outcome_check_roots(const struct outcome *outcome, const struct hash *tx_ids, struct hash *scratch,
                                 const char **why);
