/* mempoold.h - the shell of mempoold: sockets, timers and threads around the pool.
 *
 * Not pure. Ownership: the configuration and genesis outlive the daemon. Threads: one loop; fetched bodies are verified
 * on a pool of threads (verify.h).
 */
#pragma once

#include "common/base/attr.h"
#include "services/mempoold/mempoold_config.h"

struct mempoold;

/* Open every socket and allocate everything. On success *out belongs to the caller. Returns 0 or an error, which is
 * logged. */
MUST_USE int mempoold_new(struct mempoold **out, const struct mempoold_config *config);

/* Accepts NULL and pointer to NULL; leaves *self NULL. */
void mempoold_destroy(struct mempoold **self);

/* Until SIGTERM. Returns 0 or -errno. */
MUST_USE int mempoold_run(struct mempoold *self);
