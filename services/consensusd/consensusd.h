/* consensusd.h - the shell of consensusd: sockets, store and clock around the consensus core.
 *
 * Not pure. Ownership: see each function. Threads: one loop.
 */
#pragma once

#include "common/base/attr.h"
#include "services/consensusd/consensusd_config.h"

struct consensusd; /* opaque */

/* Open the store and all sockets. On success *out belongs to the caller. Returns 0 or a failure (logged). */
MUST_USE int consensusd_new(struct consensusd **out, const struct consensusd_config *config);
void consensusd_destroy(struct consensusd **self);

/* Until SIGTERM. Returns 0 or why it could not go on (logged). */
MUST_USE int consensusd_run(struct consensusd *self);
