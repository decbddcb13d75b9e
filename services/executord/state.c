/* state.c - the versioned state tree.
 *
 * The shape is the protocol's (docs/protocol.md, "Trees"): a subtree without leaves is nothing, with one leaf it
 * is that leaf, with more it is a node over the next bit of the key hash, even when all are on one side. So a set of
 * keys has one shape only and the root hash depends on nothing else.
 *
 * An update walks down once with the sorted changes, split by the next bit at every node, and makes new nodes on the
 * way up. Subtrees without a change are shared by one more reference. Recursion follows the bits of a hash:
 * STATEPROOF_DEPTH_MAX levels at most, whatever comes from outside.
 */
#include "services/executord/state.h"

#include <assert.h>
#include <errno.h>

struct state_item {
    uint32_t references;
    bool is_leaf;
    struct hash hash;
};

struct leaf {
    struct state_item item;
    struct stateproof_leaf hashes;
    uint32_t key_bytes;
    uint32_t value_bytes;
    uint8_t bytes[]; /* key, value */
};

struct node {
    struct state_item item;
    struct state_item *sides[2];
};

static_assert(sizeof(struct leaf) + STATE_KEY_BYTES_MAX + STATE_VALUE_BYTES_MAX <= SLAB_PIECE_BYTES_MAX,
              "every leaf fits a slab piece");

static const struct leaf *leaf_of(const struct state_item *item)
{
    assert(item->is_leaf);
    return (const struct leaf *)item;
}

static const struct node *node_of(const struct state_item *item)
{
    assert(!item->is_leaf);
    return (const struct node *)item;
}

/* --- leaves ------------------------------------------------------------------------------------------------------- */

int state_leaf_new(struct state_item **out, struct slab *slab, struct span key, struct span value,
                   const struct hash *key_hash)
{
    if (key.size == 0 || key.size > STATE_KEY_BYTES_MAX || value.size > STATE_VALUE_BYTES_MAX)
        return -EINVAL;
    struct leaf *leaf = slab_alloc(slab, sizeof *leaf + key.size + value.size);
    if (!leaf)
        return -ENOMEM;
    leaf->item.references = 1;
    leaf->item.is_leaf = true;
    leaf->hashes.key_hash = *key_hash;
    leaf->hashes.value_hash = hash_of(value);
    leaf->item.hash = stateproof_leaf_hash(&leaf->hashes);
    leaf->key_bytes = (uint32_t)key.size;
    leaf->value_bytes = (uint32_t)value.size;
    memcpy(leaf->bytes, key.data, key.size);
    if (value.size > 0)
        memcpy(leaf->bytes + key.size, value.data, value.size);
    *out = &leaf->item;
    return 0;
}

struct span state_leaf_key(const struct state_item *item)
{
    const struct leaf *leaf = leaf_of(item);
    return span_of(leaf->bytes, leaf->key_bytes);
}

struct span state_leaf_value(const struct state_item *item)
{
    const struct leaf *leaf = leaf_of(item);
    return span_of(leaf->bytes + leaf->key_bytes, leaf->value_bytes);
}

const struct hash *state_leaf_key_hash(const struct state_item *item)
{
    return &leaf_of(item)->hashes.key_hash;
}

struct hash state_leaf_value_hash(const struct state_item *item)
{
    return leaf_of(item)->hashes.value_hash;
}

/* --- references --------------------------------------------------------------------------------------------------- */

struct state_item *state_keep(struct state_item *item)
{
    if (item) {
        assert(item->references > 0 && item->references < UINT32_MAX);
        item->references++;
    }
    return item;
}

void state_release(struct slab *slab, struct state_item *item)
{
    if (!item)
        return;
    assert(item->references > 0);
    if (--item->references > 0)
        return;
    if (item->is_leaf) {
        struct leaf *leaf = (struct leaf *)item;
        slab_free(slab, leaf, sizeof *leaf + leaf->key_bytes + leaf->value_bytes);
        return;
    }
    struct node *node = (struct node *)item;
    state_release(slab, node->sides[0]);
    state_release(slab, node->sides[1]);
    slab_free(slab, node, sizeof *node);
}

/* --- reading ------------------------------------------------------------------------------------------------------ */

struct hash state_hash(const struct state_item *root)
{
    return root ? root->hash : (struct hash){{0}};
}

uint64_t state_count(const struct state_item *root)
{
    if (!root)
        return 0;
    if (root->is_leaf)
        return 1;
    const struct node *node = node_of(root);
    return state_count(node->sides[0]) + state_count(node->sides[1]);
}

struct state_item *state_find(const struct state_item *root, const struct hash *key_hash)
{
    const struct state_item *item = root;
    for (uint32_t depth = 0; item && !item->is_leaf; depth++) {
        assert(depth < STATEPROOF_DEPTH_MAX);
        item = node_of(item)->sides[stateproof_bit(key_hash, depth)];
    }
    if (!item || !hash_equal(state_leaf_key_hash(item), key_hash))
        return NULL;
    return (struct state_item *)(uintptr_t)item;
}

void state_prove(struct stateproof *out, const struct state_item *root, const struct hash *key_hash)
{
    const struct state_item *item = root;
    uint32_t depth = 0;
    struct hash from_root[STATEPROOF_DEPTH_MAX];
    for (; item && !item->is_leaf; depth++) {
        assert(depth < STATEPROOF_DEPTH_MAX);
        unsigned side = stateproof_bit(key_hash, depth);
        from_root[depth] = state_hash(node_of(item)->sides[!side]);
        item = node_of(item)->sides[side];
    }
    out->has_leaf = item != NULL;
    out->leaf = item ? leaf_of(item)->hashes : (struct stateproof_leaf){{{0}}, {{0}}};
    out->sibling_count = depth;
    for (uint32_t i = 0; i < depth; i++)
        out->siblings[i] = from_root[depth - 1 - i];
}

/* --- updating ----------------------------------------------------------------------------------------------------- */

/* One subtree's work: what stands there now, its depth, and the changes under it. */
struct task {
    struct state_item *item;
    uint32_t depth;
    const struct state_change *changes;
    size_t count;
};

/* How many of the task's changes go left. */
static size_t split(const struct task *task)
{
    size_t low = 0;
    size_t high = task->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (stateproof_bit(state_leaf_key_hash(task->changes[middle].leaf), task->depth))
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

/* A subtree of two sides, whose references are taken, also on failure. `was` is what stood there. */
static int join(struct state_item **out, struct slab *slab, struct state_item *was, struct state_item *sides[2])
{
    if (was && !was->is_leaf && node_of(was)->sides[0] == sides[0] && node_of(was)->sides[1] == sides[1]) {
        state_release(slab, sides[0]);
        state_release(slab, sides[1]);
        *out = state_keep(was);
        return 0;
    }
    for (unsigned side = 0; side < 2; side++) {
        if (!sides[side] && (!sides[!side] || sides[!side]->is_leaf)) {
            *out = sides[!side];
            return 0;
        }
    }
    struct node *node = slab_alloc(slab, sizeof *node);
    if (!node) {
        state_release(slab, sides[0]);
        state_release(slab, sides[1]);
        return -ENOMEM;
    }
    struct hash hashes[2] = {state_hash(sides[0]), state_hash(sides[1])};
    node->item.references = 1;
    node->item.is_leaf = false;
    node->item.hash = stateproof_node_hash(&hashes[0], &hashes[1]);
    node->sides[0] = sides[0];
    node->sides[1] = sides[1];
    *out = &node->item;
    return 0;
}

/* No node stands here and one key changes: the result is a leaf or nothing, when no other leaf is in the way. */
static bool settles(const struct task *task, struct state_item **out)
{
    if (task->count == 0) {
        *out = state_keep(task->item);
        return true;
    }
    if (task->count > 1 || (task->item && !task->item->is_leaf))
        return false;
    const struct state_change *change = task->changes;
    bool same = task->item && hash_equal(state_leaf_key_hash(task->item), state_leaf_key_hash(change->leaf));
    if (task->item && !same) {
        if (!change->deleted)
            return false;
        *out = state_keep(task->item);
        return true;
    }
    *out = change->deleted ? NULL : state_keep(change->leaf);
    return true;
}

static int update(struct state_item **out, struct slab *slab, const struct task *task)
{
    if (settles(task, out))
        return 0;
    assert(task->depth < STATEPROOF_DEPTH_MAX);
    size_t left_count = split(task);
    struct task tasks[2] = {
        {.depth = task->depth + 1, .changes = task->changes, .count = left_count},
        {.depth = task->depth + 1, .changes = task->changes + left_count, .count = task->count - left_count},
    };
    if (task->item && task->item->is_leaf) {
        tasks[stateproof_bit(state_leaf_key_hash(task->item), task->depth)].item = task->item;
    } else if (task->item) {
        tasks[0].item = node_of(task->item)->sides[0];
        tasks[1].item = node_of(task->item)->sides[1];
    }
    struct state_item *sides[2] = {NULL, NULL};
    int rc = update(&sides[0], slab, &tasks[0]);
    if (rc < 0)
        return rc;
    rc = update(&sides[1], slab, &tasks[1]);
    if (rc < 0) {
        state_release(slab, sides[0]);
        return rc;
    }
    return join(out, slab, task->item, sides);
}

int state_update(struct state_item **out, struct slab *slab, struct state_item *root,
                 const struct state_change *changes, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        assert(memcmp(state_leaf_key_hash(changes[i - 1].leaf), state_leaf_key_hash(changes[i].leaf), HASH_BYTES) < 0 &&
               "changes are sorted and distinct");
    }
    struct task task = {.item = root, .changes = changes, .count = count};
    return update(out, slab, &task);
}
