/* producers.h - who may send what: a snapshot of the producer records, which never changes once it is made.
 *
 * Threads that verify hold one while the loop makes the next: so taking and releasing are for the loop's thread,
 * looking up for any.
 *
 * Pure. Ownership: counted holders. Threads: see above.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/attr.h"
#include "common/base/sign.h"

struct producers; /* opaque */

struct producers_record {
    struct sign_public key;
    uint32_t roles; /* bits of enum producer_role */
    bool active;
};

/* The snapshot `base` (NULL: nobody) with these records put in or replaced; of two with one key the last counts. The
 * caller holds the new one and still holds base. Returns 0 or -ENOMEM. */
MUST_USE int producers_make(struct producers **out, const struct producers *base,
                            const struct producers_record *records, size_t count);

struct producers *producers_hold(struct producers *self);
/* Accepts NULL and pointer to NULL; leaves *self NULL. */
void producers_release(struct producers **self);

size_t producers_count(const struct producers *self);

/* May this key send what needs this role? Returns 0, REASON_PRODUCER_UNKNOWN or REASON_PRODUCER_ROLE: the form that
 * txcheck.h wants, the context being the snapshot. */
int producers_check(void *context, const struct sign_public *key, uint32_t role);
