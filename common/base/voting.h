/* voting.h - what a validator must not forget between two runs, as one sealed record.
 *
 * The record says whose it is (chain and key), how often it was used (starts), which write of the store it belongs to
 * (sequence) and ends with a hash of itself: a record that was damaged, copied from another validator or left behind by
 * an older write of the file is told from the right one.
 *
 * Pure.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/base/attr.h"
#include "common/base/cert_codec.h"
#include "common/base/hash.h"
#include "common/base/sign.h"
#include "common/base/span.h"

/* What must be on disk before a message leaves. */
struct consensus_voting {
    uint64_t last_voted_view;
    bool has_vote; /* vote_* below */
    uint64_t vote_view;
    uint64_t vote_height;
    struct hash vote_block_id;
    struct signature vote_signature;
    bool has_timeout;
    uint64_t timeout_view;
    uint64_t timeout_high_qc_view;
    struct qc high_qc;
    bool has_tc;
    struct tc high_tc;
};

struct voting_record {
    struct hash chain_id;
    struct sign_public key;
    uint64_t sequence;   /* the store's write that it belongs to */
    uint32_t entry;      /* of the journal behind that write; 0: the store's own. Not encoded */
    uint64_t starts;     /* how often a daemon began to use the store */
    uint64_t floor_view; /* 0, or after a loss: silent until a certificate of this view or a later one */
    bool has_voting;     /* false: this key never voted and never timed out */
    struct consensus_voting voting;
};

enum { VOTING_RECORD_BYTES_MAX = 1024 + CERT_CODEC_QC_BYTES_MAX + CERT_CODEC_TC_BYTES_MAX };

/* Greater with each write, of the store or of its journal. */
static inline uint64_t voting_record_number(const struct voting_record *record)
{
    return record->sequence << 16 | record->entry;
}

/* Returns the number of bytes written. */
size_t voting_record_encode(uint8_t out[static VOTING_RECORD_BYTES_MAX], const struct voting_record *record);

/* Returns 0 or ERR_CORRUPT (the hash or the form is wrong); *out is written only on success. */
MUST_USE int voting_record_decode(struct voting_record *out, struct span value);
