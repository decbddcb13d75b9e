/* order.c - a skip list whose levels are drawn from the transaction's id and a secret seed.
 *
 * A tree would need rebalancing and a heap cannot be walked in order without taking it apart; a batch is taken by
 * walking, so the bottom list is what matters and the upper levels only find the place.
 */
#include "services/mempoold/order.h"

#include <assert.h>

static uint64_t mix(uint64_t value)
{
    value ^= value >> 30;
    value *= 0xbf58476d1ce4e5b9u;
    value ^= value >> 27;
    value *= 0x94d049bb133111ebu;
    return value ^ (value >> 31);
}

static uint32_t level_count_of(const struct order *self, const struct hash *id)
{
    uint64_t random = mix(hash_table_key(id) ^ self->seed);
    uint32_t count = 1;
    while (count < ORDER_LEVELS_MAX && (random & 3) == 0) {
        count++;
        random >>= 2;
    }
    return count;
}

struct order_key order_key_of(const struct tx *tx, const struct hash *id)
{
    return (struct order_key){
        .tx_class = ORDER_CLASS_EVENTS + tx_class(tx),
        .severity = tx->kind == TX_ANOMALY ? tx->severity : 0,
        .confidence_ppm = tx->kind == TX_ANOMALY ? tx->confidence_ppm : 0,
        .ts = tx->ts,
        .id = *id,
    };
}

struct order_key order_key_of_proof(const struct hash *id)
{
    return (struct order_key){.tx_class = ORDER_CLASS_PROOF, .id = *id};
}

int order_compare(const struct order_key *a, const struct order_key *b)
{
    if (a->tx_class != b->tx_class)
        return a->tx_class < b->tx_class ? -1 : 1;
    if (a->severity != b->severity)
        return a->severity > b->severity ? -1 : 1;
    if (a->confidence_ppm != b->confidence_ppm)
        return a->confidence_ppm > b->confidence_ppm ? -1 : 1;
    if (a->ts != b->ts)
        return a->ts < b->ts ? -1 : 1;
    return memcmp(a->id.bytes, b->id.bytes, HASH_BYTES);
}

void order_init(struct order *self, uint64_t seed)
{
    *self = (struct order){.seed = seed, .head.level_count = ORDER_LEVELS_MAX};
}

/* For each level, the last node that goes before key. */
static void find_before(struct order *self, const struct order_key *key, struct order_node *before[ORDER_LEVELS_MAX])
{
    struct order_node *node = &self->head;
    for (size_t level = ORDER_LEVELS_MAX; level-- > 0;) {
        while (node->next[level] && order_compare(&node->next[level]->key, key) < 0)
            node = node->next[level];
        before[level] = node;
    }
}

void order_insert(struct order *self, struct order_node *node)
{
    struct order_node *before[ORDER_LEVELS_MAX];
    find_before(self, &node->key, before);
    assert(!before[0]->next[0] || order_compare(&before[0]->next[0]->key, &node->key) != 0);

    node->level_count = level_count_of(self, &node->key.id);
    for (size_t level = 0; level < node->level_count; level++) {
        node->next[level] = before[level]->next[level];
        before[level]->next[level] = node;
    }
    self->count++;
}

void order_remove(struct order *self, struct order_node *node)
{
    struct order_node *before[ORDER_LEVELS_MAX];
    find_before(self, &node->key, before);
    assert(before[0]->next[0] == node);

    for (size_t level = 0; level < node->level_count; level++) {
        assert(before[level]->next[level] == node);
        before[level]->next[level] = node->next[level];
        node->next[level] = NULL;
    }
    self->count--;
}
