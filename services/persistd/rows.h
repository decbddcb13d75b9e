/* rows.h - the rows of a run of blocks.
 *
 * What a block did, as rows of the tables in schemas/sql. Nothing is told twice: what a transaction's row says is in no
 * other one, so nonce records are left out of state_kv (the body has producer and nonce, its time tells the expiry).
 * When blocks of a run change the same key, only the last value becomes a row.
 *
 * Pure but for memory: it grows to the largest run and is kept for the next, so that in steady state a run costs a
 * constant number of allocations. Ownership: rows borrow from the outcomes they were built of. Threads: one owner.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/attr.h"
#include "common/base/equivocation.h"
#include "common/base/hash.h"
#include "common/base/span.h"
#include "common/base/tx.h"
#include "services/persistd/outcome.h"
#include "services/persistd/record.h"

struct rows_block {
    const struct outcome *outcome;
    uint32_t tx_first;              /* its transactions in rows->txs */
    uint32_t counts[TX_KIND_COUNT]; /* by kind */
    uint64_t size_bytes;            /* header and bodies */
};

struct rows_tx {
    uint64_t height;
    uint32_t index; /* position in the block */
    enum tx_kind kind;
    struct hash tx_id;
    struct span event_id;        /* of validator evidence: the offender's id, in hexadecimal */
    struct sign_public producer; /* validator evidence has none */
    int64_t ts;                  /* unix s; of validator evidence: the block's */
    struct span body;
    struct span receipt;
};

/* A record with the position of the transaction that created it. */
struct rows_anomaly {
    const struct rows_tx *tx;
    struct record_anomaly record;
};

struct rows_evidence {
    const struct rows_tx *tx;
    struct record_evidence record;
    struct span refs; /* 32 bytes each */
};

struct rows_policy {
    const struct rows_tx *tx;
    struct record_policy record;
    struct span targets; /* one a line */
};

struct rows_validator_evidence {
    const struct rows_tx *tx;
    struct hash offender;
    enum equivocation_kind kind;
    uint64_t view;
};

struct rows_producer {
    uint8_t key[SIGN_PUBLIC_BYTES];
    struct record_producer record;
    uint64_t height;
};

struct rows_validator {
    uint8_t id[HASH_BYTES];
    struct record_validator record;
    uint64_t height;
};

struct rows_state {
    struct span key;
    struct span value;
    bool deleted;
    uint64_t height;
};

/* Items of one table. */
#define ROWS_TABLE(type)                                                                                               \
    struct {                                                                                                           \
        struct type *items;                                                                                            \
        size_t count;                                                                                                  \
        size_t capacity;                                                                                               \
    }

struct rows {
    ROWS_TABLE(rows_block) blocks;
    ROWS_TABLE(rows_tx) txs; /* by height and index; also the receipts */
    ROWS_TABLE(rows_anomaly) anomalies;
    ROWS_TABLE(rows_evidence) evidence;
    ROWS_TABLE(rows_policy) policies;
    ROWS_TABLE(rows_validator_evidence) validator_evidence;
    ROWS_TABLE(rows_producer) producers;
    ROWS_TABLE(rows_validator) validators;
    ROWS_TABLE(rows_state) states;
    ROWS_TABLE(hash) hashes_;
    uint8_t *lists_; /* refs and targets */
    size_t lists_capacity_;
    size_t lists_size_;
    uint64_t seed;
};

/* seed: see map.h. All memory is allocated by rows_build(). */
void rows_init(struct rows *self, uint64_t seed);
void rows_deinit(struct rows *self);

/* Replace the rows by those of these outcomes, which passed outcome_check() and follow each other.
 * Returns 0; ERR_MALFORMED (*why says what is wrong: static text); -ENOMEM. After a failure the rows are empty. */
MUST_USE int rows_build(struct rows *self, const struct outcome *const *outcomes, size_t count, const char **why);
