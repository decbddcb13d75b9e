/* blocktree.c - a list and a map of blocks: there are few at a time, and walks follow the parent pointers. */
#include "services/consensusd/blocktree.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/err.h"
#include "common/base/map.h"

struct blocktree {
    struct map *by_id;
    struct block *root;
    struct block *all;
    struct block *removed;
    size_t count;
    size_t count_max;
};

static void block_free(struct block *block)
{
    free(block->tx_ids);
    free(block);
}

static void list_free(struct block **list)
{
    while (*list) {
        struct block *block = *list;
        *list = block->next;
        block_free(block);
    }
}

static int block_new(struct block **out, const struct block_header *header, const struct hash *id,
                     const struct hash *tx_ids)
{
    struct block *block = calloc(1, sizeof *block);
    if (!block)
        return -ENOMEM;
    block->header = *header;
    block->id = *id;
    if (header->tx_count > 0 && tx_ids) {
        block->tx_ids = malloc(header->tx_count * sizeof block->tx_ids[0]);
        if (!block->tx_ids) {
            free(block);
            return -ENOMEM;
        }
        memcpy(block->tx_ids, tx_ids, header->tx_count * sizeof block->tx_ids[0]);
    }
    *out = block;
    return 0;
}

int blocktree_new(struct blocktree **out, const struct block_header *root, const struct hash *root_id,
                  size_t block_count_max, uint64_t seed)
{
    CLEANUP(blocktree_destroy) struct blocktree *self = calloc(1, sizeof *self);
    if (!self)
        return -ENOMEM;
    self->count_max = block_count_max;
    int rc = map_new(&self->by_id, block_count_max, seed);
    if (rc < 0)
        return rc;
    rc = block_new(&self->root, root, root_id, NULL);
    if (rc < 0)
        return rc;
    self->all = self->root;
    self->root->state = BLOCK_VALID;
    rc = map_put(self->by_id, root_id, self->root);
    if (rc < 0)
        return rc;
    self->count = 1;
    *out = TAKE(self);
    return 0;
}

void blocktree_destroy(struct blocktree **self)
{
    if (!self || !*self)
        return;
    list_free(&(*self)->all);
    list_free(&(*self)->removed);
    map_destroy(&(*self)->by_id);
    free(*self);
    *self = NULL;
}

struct block *blocktree_root(const struct blocktree *self)
{
    return self->root;
}

struct block *blocktree_find(const struct blocktree *self, const struct hash *id)
{
    return map_find(self->by_id, id);
}

size_t blocktree_count(const struct blocktree *self)
{
    return self->count;
}

struct block *blocktree_first(const struct blocktree *self)
{
    return self->all;
}

bool blocktree_descends(const struct block *block, const struct block *ancestor)
{
    while (block && block->header.height > ancestor->header.height)
        block = block->parent;
    return block == ancestor;
}

static bool has_child(const struct blocktree *self, const struct block *block)
{
    for (const struct block *other = self->all; other; other = other->next) {
        if (other->parent == block)
            return true;
    }
    return false;
}

static void list_remove(struct blocktree *self, struct block *block)
{
    struct block **link = &self->all;
    while (*link != block)
        link = &(*link)->next;
    *link = block->next;
    map_remove(self->by_id, &block->id);
    self->count--;
    block->next = self->removed;
    self->removed = block;
}

static struct block *evictable(const struct blocktree *self, const struct block *keep)
{
    struct block *best = NULL;
    for (struct block *block = self->all; block; block = block->next) {
        if (block == self->root || block == keep || block->has_qc || has_child(self, block))
            continue;
        if (!best || block->header.view < best->header.view)
            best = block;
    }
    return best;
}

int blocktree_insert(struct blocktree *self, struct block **out, struct block **evicted, struct block *parent,
                     const struct block_header *header, const struct hash *id, const struct hash *tx_ids)
{
    assert(parent && !blocktree_find(self, id));
    assert(header->height == parent->header.height + 1);
    *evicted = NULL;
    struct block *victim = NULL;
    if (self->count >= self->count_max) {
        victim = evictable(self, parent);
        if (!victim)
            return ERR_FULL;
    }
    struct block *block = NULL;
    int rc = block_new(&block, header, id, tx_ids);
    if (rc < 0)
        return rc;
    rc = map_put(self->by_id, id, block);
    if (rc < 0) {
        block_free(block);
        return rc;
    }
    if (victim)
        list_remove(self, victim);
    block->parent = parent;
    block->next = self->all;
    self->all = block;
    self->count++;
    *evicted = victim;
    *out = block;
    return 0;
}

enum { FATE_UNKNOWN, FATE_KEPT, FATE_LOST };

/* A block's fate is its parent's. Each block is looked at a few times at most, however long the branches are: a
 * validator that catches up advances through hundreds of blocks, once for each. */
static void decide_fates(struct blocktree *self, struct block *root)
{
    for (struct block *each = self->all; each; each = each->next)
        each->fate_ = FATE_UNKNOWN;
    self->root->fate_ = FATE_LOST;
    root->fate_ = FATE_KEPT;
    for (struct block *each = self->all; each; each = each->next) {
        const struct block *known = each;
        while (known->fate_ == FATE_UNKNOWN)
            known = known->parent;
        uint8_t fate = known->fate_;
        for (struct block *block = each; block->fate_ == FATE_UNKNOWN; block = block->parent)
            block->fate_ = fate;
    }
}

struct block *blocktree_advance(struct blocktree *self, struct block *block)
{
    assert(block->parent == self->root);
    struct block *old_root = self->root;
    decide_fates(self, block);
    struct block *dead = NULL;
    struct block **link = &self->all;
    while (*link) {
        struct block *each = *link;
        if (each->fate_ == FATE_KEPT) {
            link = &each->next;
            continue;
        }
        *link = each->next;
        map_remove(self->by_id, &each->id);
        self->count--;
        each->next = dead;
        dead = each;
    }
    block->parent = NULL;
    self->root = block;
    /* The old root goes first, so that the caller can tell it from the abandoned ones. */
    struct block **at = &dead;
    while (*at != old_root) {
        assert(*at);
        at = &(*at)->next;
    }
    assert(old_root);
    *at = old_root->next;
    old_root->next = dead;
    /* Appended, so that the list from old_root on is this advance alone. */
    if (self->removed) {
        struct block *tail = self->removed;
        while (tail->next)
            tail = tail->next;
        tail->next = old_root;
    } else {
        self->removed = old_root;
    }
    assert(self->count >= 1);
    return old_root;
}

void blocktree_bury(struct blocktree *self)
{
    list_free(&self->removed);
}
