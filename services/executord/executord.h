/* executord.h - the shell of executord: sockets, store, metrics around the executor.
 *
 * Not pure. Ownership: the configuration outlives the daemon. Threads: one loop; see loop.h.
 */
#pragma once

#include "common/base/attr.h"
#include "services/executord/executord_config.h"

struct executord; /* opaque */

/* Open everything: genesis, store (its blocks are replayed), admin listener, sockets. Returns 0, ERR_CONFIG or another
 * failure; the detail is logged. */
MUST_USE int executord_new(struct executord **out, const struct executord_config *config);
void executord_destroy(struct executord **self);

/* Serve until stopped. Returns 0 or the failure that ended it. */
MUST_USE int executord_run(struct executord *self);
