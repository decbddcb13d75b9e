/* answers.h - facts to JSON, as docs/protocol.md says.
 *
 * Not pure: the heap (Jansson). Ownership: a returned value is the caller's; NULL when there is no memory. Threads: no
 * state.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/base/attr.h"
#include "common/base/hash.h"
#include "common/base/span.h"
#include "common/edge/json.h"
#include "proto/query.pb-c.h"

struct answers_block {
    uint64_t height, view, timestamp_ms, size_bytes;
    struct span hash, parent_hash, proposer, state_root, tx_root;
    uint32_t transaction_count, anomaly_count, evidence_count, policy_count;
};

struct answers_transaction {
    struct span tx_id, event_id, receipt;
    struct span producer; /* empty: none */
    uint64_t height;
    uint32_t index;
    int kind;
    int64_t timestamp;
};

struct answers_validator {
    struct span id, name, public_key;
    bool active;
    uint64_t reputation_ppm, proposed_blocks, committed_blocks, missed_views, last_active_height;
};

struct answers_anomaly {
    struct span id, type, source, status, producer, tx_id;
    uint32_t severity, confidence_ppm;
    uint64_t height;
    int64_t timestamp;
};

struct answers_consensus_evidence {
    struct span offender, name, tx_id;
    int kind; /* 1 votes, 2 proposals */
    uint64_t view, height;
    int64_t timestamp;
};

/* The list with one item more; NULL, and both ended, when either is NULL. */
json_t *answers_append_take(json_t *list, json_t *item);

json_t *answers_hex(struct span bytes);
json_t *answers_base64(struct span bytes);
json_t *answers_block(const struct answers_block *block);
json_t *answers_transaction(const struct answers_transaction *transaction);
json_t *answers_validator(const struct answers_validator *validator);
json_t *answers_anomaly(const struct answers_anomaly *anomaly);
json_t *answers_consensus_evidence(const struct answers_consensus_evidence *evidence);

/* A commit proof (protobuf CommitProof) in its JSON form; NULL also when it is malformed. */
json_t *answers_commit_proof(struct span proof);

/* {"tx_id", "index", "tx_count", "path", "receipt", "receipt_path", "commit"}; ids and receipts are the block's, in
 * order. */
struct answers_transaction_proof {
    const struct hash *tx_ids;
    const struct hash *receipt_hashes;
    size_t tx_count;
    size_t index;
    struct span receipt;
    struct span commit_proof;
};
json_t *answers_transaction_proof(const struct answers_transaction_proof *proof);

/* An answer of executord, read by query_codec_read(). with_proof: the state proof, else key, height and value alone.
 * Returns 200 (*out is the caller's), 404 or 500 (*why, a constant text, says what is wrong). */
MUST_USE int answers_state(const Cybermesh__Query__V1__State *state, const char *key, bool with_proof, json_t **out,
                           const char **why);

/* {"root", "height"} of a block. */
json_t *answers_state_root(struct span root, uint64_t height);

/* RFC 9457; status is one of docs/protocol.md, section 15. */
json_t *answers_problem(int status, const char *detail);
