/* expiry.c - the versioned priority queue of nonce records.
 *
 * A leftist heap (Okasaki, Purely Functional Data Structures, 3.1): merging walks down two right spines, which are
 * short by construction (log2 of the count), and copies what it passes. That is all a version needs of its own.
 */
#include "services/executord/expiry.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>

enum { SPINE_MAX = 64 }; /* a right spine of n nodes needs 2^n - 1 entries */

struct expiry {
    uint32_t references;
    uint32_t rank; /* nodes on the right spine from here */
    int64_t expires_at_s;
    union {
        struct state_item *leaf;
        struct expiry *next_freed; /* in expiry_release() only */
    };
    struct expiry *left;
    struct expiry *right;
};

struct expiry *expiry_keep(struct expiry *queue)
{
    if (queue) {
        assert(queue->references > 0 && queue->references < UINT32_MAX);
        queue->references++;
    }
    return queue;
}

/* One reference less; when it was the last, the node goes onto the list of those to free. */
static void drop(struct slab *slab, struct expiry *node, struct expiry **freed)
{
    if (!node)
        return;
    assert(node->references > 0);
    if (--node->references > 0)
        return;
    state_release(slab, node->leaf);
    node->next_freed = *freed;
    *freed = node;
}

/* Left sides may be long chains: a list instead of recursion. */
void expiry_release(struct slab *slab, struct expiry *queue)
{
    struct expiry *freed = NULL;
    drop(slab, queue, &freed);
    while (freed) {
        struct expiry *node = freed;
        freed = node->next_freed;
        drop(slab, node->left, &freed);
        drop(slab, node->right, &freed);
        slab_free(slab, node, sizeof *node);
    }
}

int expiry_new(struct expiry **out, struct slab *slab, struct state_item *leaf, int64_t expires_at_s)
{
    struct expiry *node = slab_alloc(slab, sizeof *node);
    if (!node)
        return -ENOMEM;
    *node = (struct expiry){.references = 1, .rank = 1, .expires_at_s = expires_at_s, .leaf = state_keep(leaf)};
    *out = node;
    return 0;
}

struct state_item *expiry_first(const struct expiry *queue, int64_t *expires_at_s)
{
    if (!queue)
        return NULL;
    *expires_at_s = queue->expires_at_s;
    return queue->leaf;
}

static bool before(const struct expiry *a, const struct expiry *b)
{
    if (a->expires_at_s != b->expires_at_s)
        return a->expires_at_s < b->expires_at_s;
    return memcmp(state_leaf_key_hash(a->leaf), state_leaf_key_hash(b->leaf), HASH_BYTES) < 0;
}

/* A copy of top over its left side and `right`, whose reference is taken, also on failure. */
static int put_on(struct expiry **out, struct slab *slab, const struct expiry *top, struct expiry *right)
{
    struct expiry *node = slab_alloc(slab, sizeof *node);
    if (!node) {
        expiry_release(slab, right);
        return -ENOMEM;
    }
    struct expiry *left = expiry_keep(top->left);
    bool swap = !left || (right && left->rank < right->rank);
    struct expiry *shorter = swap ? left : right;
    *node = (struct expiry){
        .references = 1,
        .rank = (shorter ? shorter->rank : 0) + 1,
        .expires_at_s = top->expires_at_s,
        .leaf = state_keep(top->leaf),
        .left = swap ? right : left,
        .right = shorter,
    };
    *out = node;
    return 0;
}

int expiry_merge(struct expiry **out, struct slab *slab, struct expiry *a, struct expiry *b)
{
    const struct expiry *passed[2 * SPINE_MAX];
    size_t passed_count = 0;
    while (a && b) {
        struct expiry **top = before(a, b) ? &a : &b;
        assert(passed_count < 2 * SPINE_MAX);
        passed[passed_count++] = *top;
        *top = (*top)->right;
    }
    struct expiry *merged = expiry_keep(a ? a : b);
    while (passed_count > 0) {
        int rc = put_on(&merged, slab, passed[--passed_count], merged);
        if (rc < 0)
            return rc;
    }
    *out = merged;
    return 0;
}

int expiry_rest(struct expiry **out, struct slab *slab, struct expiry *queue)
{
    assert(queue);
    return expiry_merge(out, slab, queue->left, queue->right);
}
