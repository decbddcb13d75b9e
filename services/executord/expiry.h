/* expiry.h - which nonce records end next: a priority queue in versions, like the state.
 *
 * Order: by the second a record expires at, then by key hash; so what leaves first depends on the set alone, never on
 * how the queue was built.
 *
 * Pure. Ownership: a queue (NULL is the empty one) is one reference of the caller's, ended with expiry_release(). It
 * holds a reference to each leaf. Memory comes from the slab. Threads: one owner per slab.
 */
#pragma once

#include <stdint.h>

#include "common/base/attr.h"
#include "services/executord/slab.h"
#include "services/executord/state.h"

struct expiry; /* one version of the queue */

/* A queue of one leaf. Returns 0 or -ENOMEM. */
MUST_USE int expiry_new(struct expiry **out, struct slab *slab, struct state_item *leaf, int64_t expires_at_s);

/* A queue of what is in a and b, which stay as they are. Returns 0 or -ENOMEM. */
MUST_USE int expiry_merge(struct expiry **out, struct slab *slab, struct expiry *a, struct expiry *b);

/* queue, which is not empty, without its first; queue stays as it is. Returns 0 or -ENOMEM. */
MUST_USE int expiry_rest(struct expiry **out, struct slab *slab, struct expiry *queue);

/* The first leaf, a loan, and its second; NULL when empty. */
struct state_item *expiry_first(const struct expiry *queue, int64_t *expires_at_s);

struct expiry *expiry_keep(struct expiry *queue);
void expiry_release(struct slab *slab, struct expiry *queue);
