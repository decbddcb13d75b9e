/* overlay.h - the changes of the block being executed, over the state it started from.
 *
 * Pure. Ownership: holds a reference to every leaf it was given until overlay_clear(). Allocates only in overlay_new()
 * (leaves come from the slab). Threads: one owner.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "common/base/attr.h"
#include "common/base/hash.h"
#include "services/executord/state.h"

struct overlay; /* opaque */

/* For at most change_count_max changed keys. Returns 0 or -ENOMEM. */
MUST_USE int overlay_new(struct overlay **out, struct slab *slab, size_t change_count_max, uint64_t seed);
void overlay_destroy(struct overlay **self);

/* Forget every change, and start over root (a loan until the next clear; may be NULL). */
void overlay_clear(struct overlay *self, struct state_item *root);

/* What the key holds now: of the changes, else of the root. A loan; NULL when absent. */
struct state_item *overlay_find(const struct overlay *self, const struct hash *key_hash);

/* The key holds this leaf from now on; takes a reference of its own. At most change_count_max keys (asserted). */
void overlay_put(struct overlay *self, struct state_item *leaf);
/* The key of this leaf, which the root holds, is absent from now on. */
void overlay_delete(struct overlay *self, struct state_item *leaf);

/* The changes, sorted by key hash; valid until the next clear. Nothing else is called in between. */
const struct state_change *overlay_changes(struct overlay *self, size_t *count);
