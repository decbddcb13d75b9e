/* order.h - the mempool's order: proof of equivocation, then class, severity down, confidence down, time up, id up; and
 * a set kept in that order.
 *
 * The set is a skip list of nodes that live inside the caller's objects: insert and remove are O(log n), the walk is a
 * linked list.
 *
 * Pure. Ownership: nodes are the caller's and stay put while they are in a set. Threads: one owner.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "common/base/hash.h"
#include "common/base/tx.h"

enum { ORDER_LEVELS_MAX = 10 }; /* one in four nodes reaches the next level: good for 4^10 nodes */

enum { ORDER_CLASS_PROOF, ORDER_CLASS_EVENTS };

struct order_key {
    uint32_t tx_class; /* ORDER_CLASS_PROOF goes first; of events ORDER_CLASS_EVENTS + tx_class() */
    uint32_t severity;
    uint32_t confidence_ppm;
    int64_t ts; /* unix s */
    struct hash id;
};

struct order_node {
    struct order_key key;
    uint32_t level_count;
    struct order_node *next[ORDER_LEVELS_MAX];
};

struct order {
    struct order_node head;
    uint64_t seed; /* so that nobody can choose ids that make the list slow */
    size_t count;
};

struct order_key order_key_of(const struct tx *tx, const struct hash *id);
/* Of proof of equivocation. */
struct order_key order_key_of_proof(const struct hash *id);

/* Below 0: a goes first; 0: the same id and the same rank. */
int order_compare(const struct order_key *a, const struct order_key *b);

void order_init(struct order *self, uint64_t seed);

/* node->key is set and its id is not in the set. */
void order_insert(struct order *self, struct order_node *node);

/* node is in the set. */
void order_remove(struct order *self, struct order_node *node);

/* The first node, and the one behind a node; NULL at the end. */
static inline struct order_node *order_first(const struct order *self)
{
    return self->head.next[0];
}

static inline struct order_node *order_next(const struct order_node *node)
{
    return node->next[0];
}
