/* record.h - records of the state and receipts (proto/record.proto) as values.
 *
 * Texts are checked to be UTF-8 without control characters, numbers to fit the database's columns.
 *
 * Pure. Ownership: spans borrow from the bytes read. Threads: no state.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/base/attr.h"
#include "common/base/span.h"

struct record_anomaly {
    struct span type;
    uint32_t severity;
    uint32_t confidence_ppm;
    struct span source;
    int64_t ts; /* unix s */
    struct span status;
    struct span producer;
    struct span tx_id;
};

struct record_evidence {
    struct span type;
    struct span refs; /* where the record's refs are: see record_refs_join() */
    struct span content_hash;
    uint32_t custody_count;
    int64_t ts; /* unix s */
    struct span status;
    struct span producer;
    struct span tx_id;
};

struct record_policy {
    struct span rule;
    struct span action;
    struct span policy_id;
    struct span targets; /* where the record's targets are: see record_targets_join() */
    int64_t ttl_s;
    int64_t expires_at_s; /* unix s; 0: never */
    bool active;
    int64_t ts; /* unix s */
    struct span content_hash;
    struct span producer;
    struct span tx_id;
};

struct record_producer {
    struct span name;
    uint32_t roles;
    bool active;
};

struct record_validator {
    struct span name;
    struct span sign_key;
    bool active;
    uint32_t index; /* in the genesis file */
    uint32_t reputation_ppm;
    int64_t blocks_proposed, blocks_committed, views_missed, last_active_height;
};

struct record_receipt {
    struct span tx_id;
    struct span key; /* of the record that the transaction created */
};

/* Return 0 or ERR_MALFORMED. */
MUST_USE int record_anomaly_decode(struct record_anomaly *out, struct span value);
MUST_USE int record_evidence_decode(struct record_evidence *out, struct span value);
MUST_USE int record_policy_decode(struct record_policy *out, struct span value);
MUST_USE int record_producer_decode(struct record_producer *out, struct span value);
MUST_USE int record_validator_decode(struct record_validator *out, struct span value);
MUST_USE int record_receipt_decode(struct record_receipt *out, struct span value);

/* An evidence record's refs one after the other; a policy's targets, one a line. out has room for the record's size.
 * Returns the size. */
size_t record_refs_join(uint8_t *out, const struct record_evidence *record);
size_t record_targets_join(uint8_t *out, const struct record_policy *record);
