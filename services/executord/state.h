/* state.h - the key-value state under a compact sparse Merkle tree, in versions that share what they have in common.
 *
 * A version is a root: an immutable subtree with a reference count. An update makes a new root from an old one and all
 * changed keys of a block in one pass; both stay valid. The empty state's root is NULL.
 *
 * Pure. Ownership: a root or leaf that a function hands out through ** is one reference of the caller's, ended with
 * state_release(). All memory comes from the slab. Threads: one owner per slab.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/attr.h"
#include "common/base/hash.h"
#include "common/base/span.h"
#include "common/base/stateproof.h"
#include "services/executord/slab.h"

enum {
    STATE_KEY_BYTES_MAX = 256,
    STATE_VALUE_BYTES_MAX = 128 * 1024,
};

/* A subtree: a leaf or a node with two sides. */
struct state_item;

/* One changed key. */
struct state_change {
    struct state_item *leaf; /* the new leaf; deleted: the leaf that goes (its key tells which) */
    bool deleted;
};

/* --- leaves ------------------------------------------------------------------------------------------------------- */

/* Make a leaf. Returns 0, -EINVAL (key empty or above its limit, value above its limit) or -ENOMEM. */
MUST_USE int state_leaf_new(struct state_item **out, struct slab *slab, struct span key, struct span value,
                            const struct hash *key_hash);

/* What a leaf holds; valid as long as a reference to it. */
struct span state_leaf_key(const struct state_item *leaf);
struct span state_leaf_value(const struct state_item *leaf);
const struct hash *state_leaf_key_hash(const struct state_item *leaf);
struct hash state_leaf_value_hash(const struct state_item *leaf);

/* --- versions ----------------------------------------------------------------------------------------------------- */

/* One more reference; accepts NULL. Returns item. */
struct state_item *state_keep(struct state_item *item);
/* One less; frees what nothing else refers to. Accepts NULL. */
void state_release(struct slab *slab, struct state_item *item);

/* The root hash; 32 zero bytes for the empty state. */
struct hash state_hash(const struct state_item *root);

/* Leaves under the root: counted by a walk of the whole tree; for tests. */
uint64_t state_count(const struct state_item *root);

/* The leaf of a key, a loan; NULL when absent. */
struct state_item *state_find(const struct state_item *root, const struct hash *key_hash);

/* Apply changes, sorted by key hash and distinct (asserted), to root: *out is the new root. Deleting an absent key
 * changes nothing. Each touched node is hashed once. The changes' leaves stay the caller's. Returns 0 or -ENOMEM, then
 * there is nothing new. */
MUST_USE int state_update(struct state_item **out, struct slab *slab, struct state_item *root,
                          const struct state_change *changes, size_t count);

/* Proof of what stands at the key's position. */
void state_prove(struct stateproof *out, const struct state_item *root, const struct hash *key_hash);
