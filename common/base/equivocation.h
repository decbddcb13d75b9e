/* equivocation.h - two signed statements of one validator for one view and different blocks: the proof, as the body of
 * a transaction of kind 4 (docs/protocol.md, "Equivocation").
 *
 * Anybody who has the genesis file can check it. The two statements stand in the order of their block ids, so a pair
 * has one form.
 *
 * Pure. Values, no ownership.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "common/base/attr.h"
#include "common/base/block.h"
#include "common/base/genesis.h"
#include "common/base/hash.h"
#include "common/base/reason.h"
#include "common/base/sign.h"
#include "common/base/span.h"
#include "common/base/tx.h"

enum equivocation_kind { EQUIVOCATION_VOTE = 1, EQUIVOCATION_PROPOSAL = 2 };

enum {
    EQUIVOCATION_VOTE_BYTES = 8 + HASH_BYTES + SIGN_BYTES,
    EQUIVOCATION_PROPOSAL_BYTES = BLOCK_HEADER_BYTES + HASH_BYTES + SIGN_BYTES,
    EQUIVOCATION_BODY_BYTES_MAX = 1 + 5 * 5 + HASH_BYTES + 8 + 8 + 2 * EQUIVOCATION_PROPOSAL_BYTES,
};

struct equivocation_statement {
    struct hash block_id;
    uint64_t height;            /* of a vote */
    struct block_header header; /* of a proposal; block_id is its hash */
    struct hash tc_hash;        /* of a proposal */
    struct signature signature;
};

struct equivocation {
    struct hash offender; /* validator id */
    enum equivocation_kind kind;
    uint64_t view;
    struct equivocation_statement statements[2];
};

/* Write the body, its statements in the order of their block ids (asserted: they differ). Returns its size. */
size_t equivocation_encode(uint8_t out[static EQUIVOCATION_BODY_BYTES_MAX], const struct equivocation *equivocation);

/* Read a body; its form is exact. Returns 0 or REASON_MALFORMED. */
MUST_USE int equivocation_decode(struct equivocation *out, struct span body);

/* Is it proof? The offender is a validator of the genesis file, the two blocks differ, proposals are of this chain, of
 * the view and by the offender, and both signatures verify. Returns 0, REASON_PRODUCER_UNKNOWN, REASON_CONTENT_RULE or
 * REASON_BAD_SIGNATURE. */
MUST_USE int equivocation_verify(const struct equivocation *equivocation, const struct genesis *genesis);

/* Read a body and judge it: both of the above. */
MUST_USE int equivocation_check(struct equivocation *out, struct span body, const struct genesis *genesis);
