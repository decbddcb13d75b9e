/* pending.h - verified transactions that are not persisted yet: what is to be submitted to mempoold, and when to ask
 * persistd about it.
 *
 * A transaction is QUEUED, then SENT in a batch, then by its verdict WAITING (it is in the pool), LATER (its producer
 * is above its rate) or QUEUED again (no room). One that waited for PENDING_LOOKUP_AGE_MS is ASKED about: what persistd
 * does not know is QUEUED again, because whoever had it may have been restarted. One batch and one lookup are on their
 * way at a time.
 *
 * Several records may hold the same transaction. A record is a number below record_capacity.
 *
 * Pure. Bounded: at most one transaction per record. Threads: one owner.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/attr.h"
#include "common/base/hash.h"

enum {
    PENDING_BATCH_COUNT_MAX = 512,
    PENDING_BATCH_BYTES_MAX = 4 << 20, /* bodies; a single larger one may stand alone */
    PENDING_LOOKUP_COUNT_MAX = 5000,
    PENDING_LOOKUP_AGE_MS = 2000,     /* so long without news, and persistd is asked */
    PENDING_LOOKUP_INTERVAL_MS = 500, /* between two questions */
    PENDING_LOOKUP_SILENCE_MS = 5000, /* a question without an answer is forgotten */
    PENDING_BATCH_SILENCE_MS = 1000,  /* a batch without verdicts is queued again */
    PENDING_LATER_MS = 100,           /* after the verdict RATE */
};

#define PENDING_NONE UINT32_MAX

struct pending; /* opaque */

/* As enum Verdict of admission.proto. */
enum pending_verdict {
    PENDING_POOLED = 1,
    PENDING_DUPLICATE,
    PENDING_FULL,
    PENDING_RATE,
    PENDING_BAD,
    PENDING_VERDICT_COUNT,
};

/* seed: secret, against chosen collisions. Returns 0 or -ENOMEM. */
MUST_USE int pending_new(struct pending **out, uint32_t record_capacity, uint64_t seed);
/* Accepts NULL and pointer to NULL; leaves *self NULL. */
void pending_destroy(struct pending **self);

/* A verified record with this transaction, which is queued unless it is there already. Returns 0 or -ENOMEM. */
MUST_USE int pending_add(struct pending *self, uint32_t record, const struct hash *tx_id, uint32_t body_bytes);

/* The record is gone; with its last record the transaction is, too. */
void pending_remove(struct pending *self, uint32_t record);

/* Take one record of this transaction; PENDING_NONE when there is none (any more). */
MUST_USE uint32_t pending_take(struct pending *self, const struct hash *tx_id);

/* --- mempoold ----------------------------------------------------------------------------------------------------- */

struct pending_batch {
    uint64_t batch;
    uint32_t count;                            /* 0: nothing to send now */
    uint32_t records[PENDING_BATCH_COUNT_MAX]; /* one of each transaction: its body is to be sent */
};

/* What is to be submitted now, within credit. It is SENT afterwards. */
void pending_submit(struct pending *self, uint64_t now_ms, struct pending_batch *out);

/* The last batch could not be sent: it is queued again, and credit is to be asked for. */
void pending_unsent(struct pending *self);

struct pending_verdicts {
    uint64_t batch;
    const enum pending_verdict *verdicts;
    size_t count;
    uint32_t free_txs;
    uint64_t free_bytes;
    uint64_t epoch;
};

/* Answer of mempoold, of a batch or only credit. bad has room for PENDING_BATCH_COUNT_MAX: the transactions with the
 * verdict BAD, which stay until they are taken. Another epoch than before queues everything again. Returns the number
 * of bad ones, or ERR_MALFORMED (not a verdict per transaction of the batch: the answer is ignored). */
MUST_USE int pending_verdicts(struct pending *self, uint64_t now_ms, const struct pending_verdicts *verdicts,
                              struct hash *bad);

/* --- persistd ----------------------------------------------------------------------------------------------------- */

/* Fill ids (PENDING_LOOKUP_COUNT_MAX) with what is to be asked about now, and *request. Returns how many. */
size_t pending_lookup(struct pending *self, uint64_t now_ms, struct hash *ids, uint64_t *request);

/* The answer came, and what it found was taken: the rest is queued again. An answer to another question is ignored. */
void pending_looked_up(struct pending *self, uint64_t request);

/* Ask about this transaction with the next lookup, whatever its age: mempoold says that it is committed. */
void pending_doubt(struct pending *self, const struct hash *tx_id);

/* --- time and looking in ------------------------------------------------------------------------------------------ */

/* Time passes: every 50 ms or so. */
void pending_tick(struct pending *self, uint64_t now_ms);

struct pending_usage {
    uint32_t tx_count;
    uint32_t queued; /* QUEUED and LATER */
    uint32_t sent;
    uint32_t waiting; /* WAITING and ASKED */
    uint32_t credit_txs;
    uint64_t submitted_total; /* of all batches */
    uint64_t requeued_total;  /* not found by a lookup, or because of a new epoch */
};
struct pending_usage pending_usage(const struct pending *self);
