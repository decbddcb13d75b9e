/* map.c - a hash table from 32-byte keys to pointers.
 *
 * Linear probing in a power-of-two array that is at most 3/4 full. Removal shifts the entries behind the hole back
 * (Knuth 6.4, algorithm R), so there are no tombstones and a probe is never longer than a run of live entries.
 * Positions come from SipHash keyed by the seed: who chooses keys cannot choose collisions.
 */
#include "common/base/map.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

enum { MAP_CAPACITY_MIN = 16 };

struct map_slot {
    struct hash key;
    void *value; /* NULL: free */
};

struct map {
    struct map_slot *slots;
    size_t capacity; /* a power of two */
    size_t count;
    uint8_t seed[crypto_shorthash_KEYBYTES];
};

static size_t map_home(const struct map *self, const struct hash *key)
{
    uint64_t position;
    static_assert(sizeof position == crypto_shorthash_BYTES, "SipHash gives 64 bits");
    crypto_shorthash((unsigned char *)&position, key->bytes, HASH_BYTES, self->seed);
    return (size_t)position & (self->capacity - 1);
}

/* The slot that holds key, or the free one where it belongs. There is always a free slot. */
static size_t map_slot_of(const struct map *self, const struct hash *key)
{
    size_t i = map_home(self, key);
    while (self->slots[i].value && !hash_equal(&self->slots[i].key, key))
        i = (i + 1) & (self->capacity - 1);
    return i;
}

static bool map_is_full(size_t count, size_t capacity)
{
    return count > capacity / 4 * 3;
}

int map_new(struct map **out, size_t size_hint, uint64_t seed)
{
    size_t capacity = MAP_CAPACITY_MIN;
    while (map_is_full(size_hint, capacity)) {
        if (capacity > SIZE_MAX / 2 / sizeof(struct map_slot))
            return -ENOMEM;
        capacity *= 2;
    }
    struct map *self = calloc(1, sizeof *self);
    if (!self)
        return -ENOMEM;
    self->slots = calloc(capacity, sizeof *self->slots);
    if (!self->slots) {
        free(self);
        return -ENOMEM;
    }
    self->capacity = capacity;
    memcpy(self->seed, &seed, sizeof seed);
    *out = self;
    return 0;
}

void map_destroy(struct map **self)
{
    if (!self || !*self)
        return;
    free((*self)->slots);
    free(*self);
    *self = NULL;
}

void *map_find(const struct map *self, const struct hash *key)
{
    return self->slots[map_slot_of(self, key)].value;
}

static int map_grow(struct map *self)
{
    if (self->capacity > SIZE_MAX / 2 / sizeof(struct map_slot))
        return -ENOMEM;
    struct map grown = *self;
    grown.capacity = self->capacity * 2;
    grown.slots = calloc(grown.capacity, sizeof *grown.slots);
    if (!grown.slots)
        return -ENOMEM;
    for (size_t i = 0; i < self->capacity; i++) {
        if (self->slots[i].value)
            grown.slots[map_slot_of(&grown, &self->slots[i].key)] = self->slots[i];
    }
    free(self->slots);
    *self = grown;
    return 0;
}

int map_put(struct map *self, const struct hash *key, void *value)
{
    assert(value);
    size_t i = map_slot_of(self, key);
    if (self->slots[i].value) {
        self->slots[i].value = value;
        return 0;
    }
    if (map_is_full(self->count + 1, self->capacity)) {
        int rc = map_grow(self);
        if (rc < 0)
            return rc;
        i = map_slot_of(self, key);
    }
    self->slots[i] = (struct map_slot){.key = *key, .value = value};
    self->count++;
    return 0;
}

/* Close the hole: an entry behind it moves in when its home is not between the hole (exclusive) and itself. */
static void map_close_hole(struct map *self, size_t hole)
{
    size_t mask = self->capacity - 1;
    for (size_t i = (hole + 1) & mask; self->slots[i].value; i = (i + 1) & mask) {
        size_t home = map_home(self, &self->slots[i].key);
        if (((i - home) & mask) >= ((i - hole) & mask)) {
            self->slots[hole] = self->slots[i];
            hole = i;
        }
    }
    self->slots[hole] = (struct map_slot){0};
}

void *map_remove(struct map *self, const struct hash *key)
{
    size_t i = map_slot_of(self, key);
    void *value = self->slots[i].value;
    if (!value)
        return NULL;
    map_close_hole(self, i);
    self->count--;
    return value;
}

size_t map_count(const struct map *self)
{
    return self->count;
}

void *map_next(const struct map *self, size_t *cursor, struct hash *key)
{
    while (*cursor < self->capacity) {
        const struct map_slot *slot = &self->slots[(*cursor)++];
        if (slot->value) {
            *key = slot->key;
            return slot->value;
        }
    }
    return NULL;
}
