/* map.h - a hash table from 32-byte keys to pointers: open addressing, grows by doubling, no order that could leak into
 * results (iteration order is for memory management only).
 *
 * Pure. Ownership: keys are copied, values are the caller's. Threads: one owner.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "common/base/attr.h"
#include "common/base/hash.h"

struct map; /* opaque */

/* size_hint: entries to have room for from the start. seed: keys the table against chosen collisions. Returns 0 or
 * -ENOMEM. */
MUST_USE int map_new(struct map **out, size_t size_hint, uint64_t seed);
void map_destroy(struct map **self);

/* NULL when absent. */
void *map_find(const struct map *self, const struct hash *key);
/* Insert or replace; value is not NULL. Returns 0 or -ENOMEM (then nothing changed). */
MUST_USE int map_put(struct map *self, const struct hash *key, void *value);
/* Remove and return the value; NULL when absent. */
void *map_remove(struct map *self, const struct hash *key);
size_t map_count(const struct map *self);

/* Visit every entry: *cursor starts at 0; returns NULL at the end. The table must not change between calls, except that
 * the entry just returned may be removed only with map_remove after the walk. */
void *map_next(const struct map *self, size_t *cursor, struct hash *key);
