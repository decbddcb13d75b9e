/* record.h - values of the state tree and receipts as bytes (proto/record.proto).
 *
 * One encoder for each, by hand: fields in number order, zero values left out; so equal facts have equal bytes, which
 * the state root needs. Decoders only for what execution reads back. Keys of the state as well.
 *
 * Pure. Ownership: spans are borrowed. A writer that is too small fails (bytes.h): callers give RECORD_BYTES_MAX.
 */
#pragma once

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/base/attr.h"
#include "common/base/bytes.h"
#include "common/base/equivocation.h"
#include "common/base/genesis.h"
#include "common/base/hash.h"
#include "common/base/schedule.h"
#include "common/base/tx.h"
#include "services/executord/state.h"

enum {
    RECORD_TARGETS_MAX = 1000,    /* of a policy */
    RECORD_TARGET_BYTES_MAX = 64, /* an address or a prefix */
    RECORD_POLICY_ID_BYTES_MAX = 128,
    RECORD_BYTES_MAX = STATE_VALUE_BYTES_MAX,
    RECORD_STATUS_BYTES_MAX = 16,
    /* tx_id, kind, key, value_hash, status with their heads; checked by the unit test */
    RECORD_RECEIPT_BYTES_MAX = 34 + 2 + (3 + 9 + TX_ID_BYTES_MAX) + 34 + (2 + RECORD_STATUS_BYTES_MAX),
};

static_assert(TX_REFS_MAX * (HASH_BYTES + 2) + 4096 <= RECORD_BYTES_MAX, "an evidence record fits");
static_assert(RECORD_TARGETS_MAX * (RECORD_TARGET_BYTES_MAX + 2) + 4096 <= RECORD_BYTES_MAX, "a policy record fits");

/* --- keys --------------------------------------------------------------------------------------------------------- */

/* A key of the state as text (with a zero byte) and its hash. */
struct record_key {
    char text[STATE_KEY_BYTES_MAX];
    size_t size; /* without the zero byte */
    struct hash hash;
};

/* "anomaly/<id>", "evidence/<id>", "policy/<id>"; kind is an event's */
struct record_key record_key_event(enum tx_kind kind, struct span id);
/* "producer/<hex key>" */
struct record_key record_key_producer(const struct sign_public *key);
/* "validator/<hex id>" */
struct record_key record_key_validator(const struct hash *id);
/* "validator_evidence/<hex id>" */
struct record_key record_key_validator_evidence(const struct hash *offender);
/* "schedule/<height>", decimal */
struct record_key record_key_schedule(uint64_t height);
/* "nonce/<hex producer>/<hex nonce>" */
struct record_key record_key_nonce(const struct sign_public *producer, const uint8_t nonce[static TX_NONCE_BYTES]);

/* Does this key name a nonce record? */
bool record_key_is_nonce(struct span key);

static inline struct span record_key_span(const struct record_key *key)
{
    return span_of(key->text, key->size);
}

/* --- values ------------------------------------------------------------------------------------------------------- */

struct record_anomaly {
    struct span type;
    uint32_t severity;
    uint32_t confidence_ppm;
    struct span source;
    int64_t ts; /* unix s */
    struct span status;
    struct span producer;
    struct span tx_id;
    uint64_t height;
};

struct record_evidence {
    struct span type;
    const struct tx *refs_of; /* its refs */
    struct span content_hash;
    uint32_t custody_count;
    int64_t ts; /* unix s */
    struct span status;
    struct span producer;
    struct span tx_id;
    uint64_t height;
};

struct record_policy {
    struct span rule;
    struct span action;
    struct span policy_id;
    const struct span *targets;
    size_t target_count;
    uint64_t ttl_s;
    uint64_t expires_at_s; /* unix s; 0: never */
    bool active;
    int64_t ts; /* unix s */
    struct span content_hash;
    struct span producer;
    struct span tx_id;
    uint64_t height;
};

struct record_producer {
    struct span name;
    uint32_t roles; /* bits of enum producer_role */
    bool active;
};

struct record_validator {
    struct span name;
    struct span sign_key;
    uint32_t index; /* in the genesis file */
    struct schedule_standing standing;
};

struct record_validator_evidence {
    enum equivocation_kind kind;
    uint64_t view;
    struct hash tx_id;
    uint64_t height;
    struct span status;
};

struct record_nonce {
    struct hash tx_id;
    int64_t expires_at_s; /* unix s */
};

struct record_receipt {
    struct span tx_id;
    enum tx_kind kind;
    struct span key;
    struct span value_hash;
    struct span status; /* RECORD_STATUS_BYTES_MAX at most */
};

void record_anomaly_encode(struct bytes_writer *writer, const struct record_anomaly *record);
void record_evidence_encode(struct bytes_writer *writer, const struct record_evidence *record);
void record_policy_encode(struct bytes_writer *writer, const struct record_policy *record);
void record_producer_encode(struct bytes_writer *writer, const struct record_producer *record);
void record_validator_encode(struct bytes_writer *writer, const struct record_validator *record);
void record_validator_evidence_encode(struct bytes_writer *writer, const struct record_validator_evidence *record);
void record_schedule_encode(struct bytes_writer *writer, const struct schedule *schedule);
void record_nonce_encode(struct bytes_writer *writer, const struct record_nonce *record);
void record_receipt_encode(struct bytes_writer *writer, const struct record_receipt *record);

/* What was encoded above. Return 0 or ERR_MALFORMED. */
MUST_USE int record_producer_decode(struct record_producer *out, struct span value);
MUST_USE int record_validator_decode(struct record_validator *out, struct span value);
MUST_USE int record_validator_evidence_decode(struct record_validator_evidence *out, struct span value);
MUST_USE int record_schedule_decode(struct schedule *out, struct span value);
MUST_USE int record_nonce_decode(struct record_nonce *out, struct span value);
