/* tx.h - the transaction envelope (docs/protocol.md, "Canonical form, body, transaction id").
 *
 * A transaction's body is: u8 kind || canonical form with the signature. Its id is H("cybermesh/tx/v1\0" || body), so a
 * body vouches for its own id. The canonical form is, for each field in number order, present or not:
 * u8 field number || u32 length || value.
 *
 * Pure. Ownership: a parsed struct tx borrows from the body it was parsed from.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/attr.h"
#include "common/base/hash.h"
#include "common/base/reason.h"
#include "common/base/sign.h"
#include "common/base/span.h"

/* The first three are events, which producers send: what this file is about. Proof of a validator's equivocation comes
 * from validators and has a form of its own (equivocation.h). */
enum tx_kind {
    TX_ANOMALY = 1,
    TX_EVIDENCE = 2,
    TX_POLICY = 3,
    TX_EVENT_KIND_COUNT,
    TX_VALIDATOR_EVIDENCE = TX_EVENT_KIND_COUNT,
    TX_KIND_COUNT,
};

enum tx_alg { TX_ALG_V1 = 1, TX_ALG_V2 = 2 };

enum {
    TX_RECORD_BYTES_MAX = 1 << 20,    /* the Kafka record */
    TX_CONTENT_BYTES_MAX = 512 << 10, /* payload, params */
    TX_PROOF_BLOB_BYTES_MAX = 256 << 10,
    TX_ID_BYTES_MAX = 128,
    TX_TEXT_BYTES_MAX = 256, /* type, rule, source, action, model_version */
    TX_REFS_MAX = 1000,
    TX_CUSTODY_MAX = 64,
    TX_NONCE_BYTES = 16,
    TX_CUSTODY_BYTES = 4 * 5 + 32 + 32 + 8 + 64, /* a custody entry's canonical form */
    /* The largest body a record within its limits can give. */
    TX_BODY_BYTES_MAX = TX_RECORD_BYTES_MAX + 4096,
};

struct tx_custody {
    struct hash ref_hash;
    uint8_t actor_id[32];
    int64_t ts; /* unix s */
    struct signature signature;
};

/* One parsed transaction. Text spans are valid UTF-8 without control characters and within their limits. */
struct tx {
    enum tx_kind kind;
    enum tx_alg alg;
    struct span body;       /* the whole body */
    struct span unsigned_a; /* the canonical form without the signature field is unsigned_a || unsigned_b */
    struct span unsigned_b;
    struct span id; /* event id, text */
    int64_t ts;     /* unix s */
    struct hash content_hash;
    struct sign_public producer; /* producer_id = pubkey */
    uint8_t nonce[TX_NONCE_BYTES];
    struct signature signature;
    struct span content; /* payload, proof_blob or params */
    struct span type;    /* anomaly type, evidence_type or the policy's rule */
    /* anomaly */
    struct span source;
    struct span model_version; /* may be empty */
    uint32_t severity;         /* 1..10 */
    uint64_t confidence_bits;  /* IEEE-754 */
    uint32_t confidence_ppm;   /* round half up of confidence * 10^6 */
    /* evidence */
    uint32_t ref_count;
    struct span refs; /* ref_count items, each u32 32 || 32 bytes: see tx_ref() */
    uint32_t custody_count;
    struct span custody; /* custody_count items: see tx_custody_at() */
    /* policy */
    struct span action;
};

/* The fields of an event that is not yet a body: what an encoder is given. Unused fields of a kind stay empty. */
struct tx_fields {
    enum tx_kind kind;
    struct span id, type, source, model_version, action, alg;
    struct span content;
    uint32_t severity;
    double confidence;
    int64_t ts;
    struct span content_hash, producer_id, nonce, signature, pubkey; /* any length: the parser judges them */
    const struct span *refs;
    size_t ref_count;
    const struct tx_custody_fields {
        struct span ref_hash, actor_id, signature;
        int64_t ts;
    } * custody;
    size_t custody_count;
};

/* Bytes tx_encode() writes for these fields. */
size_t tx_encoded_size(const struct tx_fields *fields);

/* Write the body (kind || canonical form); out has tx_encoded_size() bytes. The fields need not be valid. */
void tx_encode(uint8_t *out, const struct tx_fields *fields);

/* Parse the body of an event and check every limit and form rule of the page; another kind is malformed. Returns 0 or
 * the verdict REASON_MALFORMED or REASON_TOO_LARGE; *why then says what was wrong and what is expected (static text).
 */
MUST_USE int tx_parse(struct tx *out, struct span body, const char **why);

/* Does the body say that it is proof of a validator's equivocation? */
bool tx_is_validator_evidence(struct span body);

/* H("cybermesh/tx/v1\0" || body), of a body of any kind */
struct hash tx_id(struct span body);

/* The i-th ref; i < ref_count. */
struct hash tx_ref(const struct tx *tx, uint32_t index);
/* The i-th custody entry; i < custody_count. */
struct tx_custody tx_custody_at(const struct tx *tx, uint32_t index);

/* The bytes that the producer signs, for tx->alg. Returns the size, or 0 if it does not fit capacity
 * (tx->body.size + 64 always fits). */
size_t tx_signing_bytes(const struct tx *tx, uint8_t *out, size_t capacity);

/* Signature of the producer. scratch has at least tx->body.size + 64 bytes. Returns 0 or REASON_BAD_SIGNATURE. */
MUST_USE int tx_check_signature(const struct tx *tx, uint8_t *scratch, size_t scratch_size);

/* content_hash = SHA-256 of the content. Returns 0 or REASON_BAD_CONTENT_HASH. */
MUST_USE int tx_check_content_hash(const struct tx *tx);

/* Every custody entry's signature: v1 by the event's producer, v2 by actor_id. Returns 0 or REASON_BAD_CUSTODY. */
MUST_USE int tx_check_custody(const struct tx *tx);

/* |ts - reference| <= skew, all in seconds. Returns 0 or REASON_TIMESTAMP_SKEW. */
MUST_USE int tx_check_timestamp(const struct tx *tx, int64_t reference_s, int64_t skew_s);

/* The role a producer needs to send events of this kind: one bit of enum producer_role (genesis.h). */
uint32_t tx_role(enum tx_kind kind);

/* Mempool class: 0 policy that acts now (drop, reject, block, quarantine, rate_limit), 1 other policy, 2 the rest. */
uint32_t tx_class(const struct tx *tx);
