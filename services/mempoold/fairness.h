/* fairness.h - what each producer may do: a rate of admissions, and a fair share of one block.
 *
 * Rate: a token bucket per producer, one second deep.
 * Share: with more transactions waiting than a block takes, each producer gets the same quota, and what a producer does
 * not use goes to the others (max-min fairness), in transactions and in bytes.
 *
 * Pure. Bounded: producer_count_max buckets; one that is full and has nothing in the pool is the same as none, and its
 * place is used again. Ownership: producers belong to the table. Threads: one owner.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/attr.h"
#include "common/base/hash.h"

struct fairness;

/* A producer's place in the table; held while one of its transactions is in the pool. */
struct fairness_producer {
    struct hash key;   /* its public key */
    uint32_t tx_count; /* in the pool */
    uint64_t tx_bytes;
    uint64_t tokens_milli; /* thousandths of an admission */
    uint64_t refilled_ms;
    /* one TakeBatch: what is eligible, then what was taken */
    uint32_t eligible_count;
    uint64_t eligible_bytes;
    uint32_t taken_count;
    uint64_t taken_bytes;
    size_t index; /* in the table's list */
};

struct fairness_limits {
    uint32_t producer_count_max; /* 1 or more */
    uint32_t rate_per_second;    /* admissions of one producer; 1 or more */
    uint64_t seed;
};

/* Returns 0, -EINVAL or -ENOMEM. */
MUST_USE int fairness_new(struct fairness **out, const struct fairness_limits *limits);
/* Accepts NULL and pointer to NULL; leaves *self NULL. */
void fairness_destroy(struct fairness **self);

/* The producer's place, made when there is none. NULL: every place is in use, or no memory. */
struct fairness_producer *fairness_producer_get(struct fairness *self, const struct hash *key, uint64_t now_ms);

/* Take one token. false: the producer is above its rate. */
bool fairness_admit(struct fairness *self, struct fairness_producer *producer, uint64_t now_ms);

/* A transaction of this producer enters or leaves the pool. */
void fairness_enter(struct fairness_producer *producer, size_t bytes);
void fairness_leave(struct fairness_producer *producer, size_t bytes);

struct fairness_room {
    uint64_t tx_count;
    uint64_t tx_bytes;
};

/* Begin a batch: everything in the pool is eligible, nothing is taken. */
void fairness_batch_begin(struct fairness *self);
/* This transaction is not eligible. */
void fairness_batch_exclude(struct fairness_producer *producer, size_t bytes);
/* The quota of each producer for a batch with this room; UINT64_MAX where everything eligible fits. */
struct fairness_room fairness_batch_quota(const struct fairness *self, struct fairness_room room);
/* Within the quota? The first transaction of a producer always is, so that a large one cannot starve. */
bool fairness_batch_fits(const struct fairness_producer *producer, struct fairness_room quota, size_t bytes);
void fairness_batch_take(struct fairness_producer *producer, size_t bytes);

size_t fairness_producer_count(const struct fairness *self);
