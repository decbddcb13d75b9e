/* block_cache.c - one buffer per block, a map and a list. */
#include "services/consensusd/block_cache.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/err.h"
#include "common/base/map.h"

struct block_cache {
    struct map *by_id;
    struct block_cache_entry *all;
};

int block_cache_new(struct block_cache **out, uint64_t seed)
{
    CLEANUP(block_cache_destroy) struct block_cache *self = calloc(1, sizeof *self);
    if (!self)
        return -ENOMEM;
    int rc = map_new(&self->by_id, BLOCK_CACHE_COUNT_MAX, seed);
    if (rc < 0)
        return rc;
    *out = TAKE(self);
    return 0;
}

static void entry_free(struct block_cache_entry *entry)
{
    free(entry->bodies);
    free(entry->data_);
    free(entry);
}

void block_cache_destroy(struct block_cache **self)
{
    if (!self || !*self)
        return;
    while ((*self)->all) {
        struct block_cache_entry *entry = (*self)->all;
        (*self)->all = entry->next_;
        entry_free(entry);
    }
    map_destroy(&(*self)->by_id);
    free(*self);
    *self = NULL;
}

struct block_cache_entry *block_cache_find(const struct block_cache *self, const struct hash *id)
{
    return map_find(self->by_id, id);
}

static struct block_cache_entry *entry_new(const struct span *bodies, size_t body_count)
{
    size_t size = 0;
    for (size_t i = 0; i < body_count; i++)
        size += bodies[i].size;
    struct block_cache_entry *entry = calloc(1, sizeof *entry);
    if (!entry)
        return NULL;
    entry->data_ = malloc(size + 1);
    entry->bodies = calloc(body_count + 1, sizeof entry->bodies[0]);
    if (!entry->data_ || !entry->bodies) {
        entry_free(entry);
        return NULL;
    }
    entry->body_count = body_count;
    uint8_t *at = entry->data_;
    for (size_t i = 0; i < body_count; i++) {
        memcpy(at, bodies[i].data, bodies[i].size);
        entry->bodies[i] = span_of(at, bodies[i].size);
        at += bodies[i].size;
    }
    return entry;
}

int block_cache_put(struct block_cache *self, const struct hash *id, uint64_t height, const struct span *bodies,
                    size_t body_count)
{
    if (block_cache_find(self, id))
        return 0;
    if (map_count(self->by_id) >= BLOCK_CACHE_COUNT_MAX)
        return ERR_FULL;
    struct block_cache_entry *entry = entry_new(bodies, body_count);
    if (!entry)
        return -ENOMEM;
    entry->id = *id;
    entry->height = height;
    int rc = map_put(self->by_id, id, entry);
    if (rc < 0) {
        entry_free(entry);
        return rc;
    }
    entry->next_ = self->all;
    self->all = entry;
    return 0;
}

static void unlink_and_free(struct block_cache *self, struct block_cache_entry **link)
{
    struct block_cache_entry *entry = *link;
    *link = entry->next_;
    map_remove(self->by_id, &entry->id);
    entry_free(entry);
}

void block_cache_remove(struct block_cache *self, const struct hash *id)
{
    for (struct block_cache_entry **link = &self->all; *link; link = &(*link)->next_) {
        if (hash_equal(&(*link)->id, id)) {
            unlink_and_free(self, link);
            return;
        }
    }
}

void block_cache_prune(struct block_cache *self, uint64_t height)
{
    struct block_cache_entry **link = &self->all;
    while (*link) {
        if ((*link)->height <= height)
            unlink_and_free(self, link);
        else
            link = &(*link)->next_;
    }
}
