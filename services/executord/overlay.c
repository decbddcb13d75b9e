/* overlay.c - the changes of the block being executed.
 *
 * The changes stand in an array in the order they were made; a table of open addressing finds them. Its seed keeps
 * chosen keys from colliding; nothing that leaves depends on it, because changes leave sorted.
 */
#include "services/executord/overlay.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

struct overlay {
    struct slab *slab;
    struct state_item *root;
    uint64_t seed;
    size_t count;
    size_t count_max;
    size_t slot_mask;
    struct state_change *changes; /* count_max */
    uint32_t *slots;              /* slot_mask + 1: index of a change + 1, or 0 */
    uint32_t *taken;              /* count_max: the slots in use, so that clearing costs what was used */
};

int overlay_new(struct overlay **out, struct slab *slab, size_t change_count_max, uint64_t seed)
{
    CLEANUP(overlay_destroy) struct overlay *self = calloc(1, sizeof *self);
    if (!self)
        return -ENOMEM;
    size_t slot_count = 64;
    while (slot_count < 2 * change_count_max)
        slot_count *= 2;
    self->slab = slab;
    self->seed = seed;
    self->count_max = change_count_max;
    self->slot_mask = slot_count - 1;
    self->changes = calloc(change_count_max, sizeof self->changes[0]);
    self->slots = calloc(slot_count, sizeof self->slots[0]);
    self->taken = calloc(change_count_max, sizeof self->taken[0]);
    if (!self->changes || !self->slots || !self->taken)
        return -ENOMEM;
    *out = TAKE(self);
    return 0;
}

void overlay_destroy(struct overlay **self)
{
    if (!self || !*self)
        return;
    for (size_t i = 0; i < (*self)->count; i++)
        state_release((*self)->slab, (*self)->changes[i].leaf);
    free((*self)->changes);
    free((*self)->slots);
    free((*self)->taken);
    free(*self);
    *self = NULL;
}

static size_t slot_first(const struct overlay *self, const struct hash *key_hash)
{
    uint64_t mixed = (hash_table_key(key_hash) ^ self->seed) * UINT64_C(0x9e3779b97f4a7c15);
    return (size_t)(mixed >> 20) & self->slot_mask;
}

/* The slot that holds the key, or the empty one where it would go. */
static size_t slot_of(const struct overlay *self, const struct hash *key_hash)
{
    size_t slot = slot_first(self, key_hash);
    while (self->slots[slot] != 0) {
        const struct state_change *change = &self->changes[self->slots[slot] - 1];
        if (hash_equal(state_leaf_key_hash(change->leaf), key_hash))
            break;
        slot = (slot + 1) & self->slot_mask;
    }
    return slot;
}

void overlay_clear(struct overlay *self, struct state_item *root)
{
    for (size_t i = 0; i < self->count; i++) {
        state_release(self->slab, self->changes[i].leaf);
        self->slots[self->taken[i]] = 0;
    }
    self->count = 0;
    self->root = root;
}

struct state_item *overlay_find(const struct overlay *self, const struct hash *key_hash)
{
    uint32_t index = self->slots[slot_of(self, key_hash)];
    if (index == 0)
        return state_find(self->root, key_hash);
    const struct state_change *change = &self->changes[index - 1];
    return change->deleted ? NULL : change->leaf;
}

static void set(struct overlay *self, struct state_item *leaf, bool deleted)
{
    size_t slot = slot_of(self, state_leaf_key_hash(leaf));
    if (self->slots[slot] == 0) {
        assert(self->count < self->count_max);
        self->changes[self->count] = (struct state_change){0};
        self->taken[self->count] = (uint32_t)slot;
        self->slots[slot] = (uint32_t)++self->count;
    }
    struct state_change *change = &self->changes[self->slots[slot] - 1];
    struct state_item *was = change->leaf;
    change->leaf = state_keep(leaf);
    change->deleted = deleted;
    state_release(self->slab, was);
}

void overlay_put(struct overlay *self, struct state_item *leaf)
{
    set(self, leaf, false);
}

void overlay_delete(struct overlay *self, struct state_item *leaf)
{
    set(self, leaf, true);
}

static int by_key_hash(const void *a, const void *b)
{
    const struct state_change *first = a;
    const struct state_change *second = b;
    return memcmp(state_leaf_key_hash(first->leaf), state_leaf_key_hash(second->leaf), HASH_BYTES);
}

const struct state_change *overlay_changes(struct overlay *self, size_t *count)
{
    qsort(self->changes, self->count, sizeof self->changes[0], by_key_hash);
    *count = self->count;
    return self->changes;
}
