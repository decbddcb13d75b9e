/* blocktree.h - the blocks above the last committed one, linked to their parents.
 *
 * Pure. Ownership: the tree owns its blocks; a removed block stays readable until blocktree_bury(), so that effects may
 * point to it. Threads: one owner.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/attr.h"
#include "common/base/block.h"
#include "common/base/cert.h"
#include "common/base/hash.h"
#include "common/base/schedule.h"

enum block_state {
    BLOCK_WAITING,  /* for its parent to be executed */
    BLOCK_CHECKING, /* with the executor */
    BLOCK_VALID,    /* executed here, equal roots */
    BLOCK_REFUSED,  /* a rule is broken: neither it nor a descendant gets our vote */
};

struct block {
    struct hash id;
    struct block_header header;
    struct hash *tx_ids;  /* header.tx_count */
    struct block *parent; /* NULL: the root */
    enum block_state state;
    uint32_t proposer; /* validator index */
    /* Who leads its children; count 0: not known. An epoch's schedule is inherited from the parent, a new epoch's comes
     * with the block's execution. */
    struct schedule schedule;
    bool voteable; /* came as a proposal that satisfied the voting rule's static part */
    bool stored;   /* on disk, or asked to be */
    bool has_qc;
    struct qc qc;
    struct block *next; /* list of all, or of the removed */
    uint8_t fate_;      /* blocktree_advance(): 0 not known yet, else kept or lost */
};

struct blocktree; /* opaque */

/* The tree with its root, which counts as executed. Returns 0 or -ENOMEM. */
MUST_USE int blocktree_new(struct blocktree **out, const struct block_header *root, const struct hash *root_id,
                           size_t block_count_max, uint64_t seed);
void blocktree_destroy(struct blocktree **self);

struct block *blocktree_root(const struct blocktree *self);
struct block *blocktree_find(const struct blocktree *self, const struct hash *id);
size_t blocktree_count(const struct blocktree *self);

/* Add a block under its parent; tx_ids are copied. When the tree is full the uncertified block of the lowest view
 * without children makes room (*evicted is set, else NULL). Returns 0, ERR_FULL or -ENOMEM. */
MUST_USE int blocktree_insert(struct blocktree *self, struct block **out, struct block **evicted, struct block *parent,
                              const struct block_header *header, const struct hash *id, const struct hash *tx_ids);

/* First of all blocks, then ->next; the root is among them. */
struct block *blocktree_first(const struct blocktree *self);

/* Is the ancestor the block itself or above it? */
bool blocktree_descends(const struct block *block, const struct block *ancestor);

/* Make block, a child of the root, the root. Blocks that do not descend from it are removed; they are listed from the
 * result by ->next (the old root first), until blocktree_bury(). */
struct block *blocktree_advance(struct blocktree *self, struct block *block);

/* Free what was removed. */
void blocktree_bury(struct blocktree *self);
