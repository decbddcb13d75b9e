/* model_pool.c - the fake pools: transactions are nothing but an id and a nonce, and every pool has all of them, but
 * for those that its executor refused. Of two transactions with one nonce the first that is executed makes the other
 * dead; pools do not know that (the executor judges), and a validator with an odd number takes the second of a pair
 * first.
 */
#include "tests/sim/cluster_state.h"

enum { RECHECK_TXS = 64 };

uint32_t pool_number(const struct cluster *self, const struct hash *tx)
{
    size_t number = (size_t)map_find(self->tx_index, tx);
    return number == 0 ? TXS_MAX : (uint32_t)number - 1;
}

uint32_t pool_waiting(const struct cluster *self, uint32_t index)
{
    const struct node *node = &self->nodes[index];
    return self->tx_count - (uint32_t)node->committed_txs - (uint32_t)node->gone_txs;
}

static bool waits(const struct node *node, uint32_t tx)
{
    return !node->done[tx] && !node->gone[tx];
}

/* The executor refused it. It leaves the pool when the committed state refuses it, too: a block may still be abandoned.
 * Returns true when it did. */
static bool refuse(struct cluster *self, uint32_t index, uint32_t tx)
{
    struct node *node = &self->nodes[index];
    uint32_t twin = self->twins[tx];
    if (twin == 0 && !node->liar)
        violate(self, "a transaction was refused that nothing forbids", index, tx);
    if (twin == 0 || !node->done[twin - 1])
        return false;
    node->gone[tx] = 1;
    node->gone_txs++;
    return true;
}

static bool is_excluded(const struct cluster *self, const struct consensus_build *build, const struct hash *tx)
{
    for (size_t i = 0; i < build->excluded_count; i++) {
        const struct stored *block = model_find(self, &build->excluded[i]);
        for (uint32_t k = 0; block && k < block->header.tx_count; k++) {
            if (hash_equal(&block->tx_ids[k], tx))
                return true;
        }
    }
    return false;
}

/* Of a pair, an odd validator sees the second in the first's place. */
static uint32_t in_order(const struct cluster *self, uint32_t index, uint32_t place)
{
    uint32_t twin = self->twins[place];
    return twin > 0 && index % 2 == 1 ? twin - 1 : place;
}

static bool has_nonce(const struct cluster *self, const struct hash *txs, uint32_t count, uint32_t tx)
{
    for (uint32_t i = 0; self->twins[tx] > 0 && i < count; i++) {
        if (hash_equal(&txs[i], &self->txs[self->twins[tx] - 1]))
            return true;
    }
    return false;
}

uint32_t pool_candidates(struct cluster *self, uint32_t index, const struct consensus_build *build, struct hash *out)
{
    struct node *node = &self->nodes[index];
    const struct stored *parent = model_find(self, &build->parent_id);
    uint32_t count = 0, dropped = 0;
    for (uint32_t i = node->gone_prefix; build->with_txs && i < self->tx_count && count < BLOCK_TXS_MAX; i++) {
        uint32_t tx = in_order(self, index, i);
        if (!waits(node, tx) || is_excluded(self, build, &self->txs[tx]))
            continue;
        if (model_is_spent(self, index, parent, tx) || has_nonce(self, out, count, tx)) {
            dropped += refuse(self, index, tx);
        } else {
            out[count++] = self->txs[tx];
        }
    }
    if (dropped > 0)
        pool_tell(self, index);
    return count;
}

uint32_t pool_recheck(struct cluster *self, uint32_t index, const struct stored *parent)
{
    struct node *node = &self->nodes[index];
    uint32_t asked = 0, dropped = 0, live = 0;
    for (uint32_t i = node->gone_prefix; i < self->tx_count && asked < RECHECK_TXS; i++) {
        if (!waits(node, i))
            continue;
        asked++;
        /* Without a twin it is in a block under the parent that is not committed yet: neither live nor refused. */
        if (!model_is_spent(self, index, parent, i))
            live++;
        else if (self->twins[i] > 0)
            dropped += refuse(self, index, i);
    }
    if (dropped > 0)
        pool_tell(self, index);
    return live;
}

void pool_on_commit(struct cluster *self, uint32_t index, const struct consensus_commit *commit)
{
    struct node *node = &self->nodes[index];
    for (uint32_t i = 0; i < commit->header.tx_count; i++) {
        uint32_t tx = pool_number(self, &commit->tx_ids[i]);
        if (tx == TXS_MAX || node->done[tx]) {
            violate(self, "a transaction committed twice", index, commit->header.height);
            return;
        }
        uint32_t twin = self->twins[tx];
        if (twin > 0 && node->done[twin - 1])
            violate(self, "a nonce used twice", index, commit->header.height);
        node->done[tx] = 1;
        node->committed_txs++;
        node->gone_txs -= node->gone[tx];
    }
    while (node->gone_prefix < self->tx_count && !waits(node, node->gone_prefix))
        node->gone_prefix++;
    if (commit->header.tx_count > 0)
        pool_tell(self, index);
}

void pool_roll_back(struct cluster *self, uint32_t index, uint64_t height)
{
    struct node *node = &self->nodes[index];
    const struct stored *block = node->committed[height - 1].block;
    for (uint32_t i = 0; i < block->header.tx_count; i++) {
        uint32_t tx = pool_number(self, &block->tx_ids[i]);
        node->done[tx] = 0;
        node->committed_txs--;
        node->gone_txs += node->gone[tx];
    }
    node->gone_prefix = 0;
}

void pool_refill(struct cluster *self, uint32_t index)
{
    struct node *node = &self->nodes[index];
    memset(node->gone, 0, TXS_MAX);
    node->gone_txs = 0;
    node->gone_prefix = 0;
}

void pool_tell(struct cluster *self, uint32_t index)
{
    struct node *node = &self->nodes[index];
    struct consensus_event event = {.type = CONSENSUS_POOL};
    event.u.pool.tx_count = pool_waiting(self, index);
    if (event.u.pool.tx_count > 0) {
        uint32_t oldest = node->gone_prefix;
        while (!waits(node, oldest))
            oldest++;
        uint64_t since_ms = self->submitted_ms[oldest];
        event.u.pool.oldest_age_ms = self->now_ms - (since_ms > node->pooled_from_ms ? since_ms : node->pooled_from_ms);
    }
    mail_self(self, MAIL_POOL, index, 0, parcel_new(&event));
}
