/* watch.h - looks at the database's height once a second, in a thread of its own: a database that hangs must not stop
 * the loop.
 *
 * Not pure: a thread. Ownership: the database outlives the watch. Threads: every function from the owner's.
 */
#pragma once

#include <stdint.h>

#include "common/base/attr.h"
#include "services/apid/database.h"

struct watch; /* opaque */

/* Looks once, then starts the thread. Returns 0, -ENOMEM or -EAGAIN (no thread). */
MUST_USE int watch_new(struct watch **out, struct database *database);

/* Waits for a look that is under way. Accepts NULL and pointer to NULL; leaves *self NULL. */
void watch_destroy(struct watch **self);

/* The last look: 0 and the height (-1: no block), or why it failed (*height untouched). */
MUST_USE int watch_height(struct watch *self, int64_t *height);
