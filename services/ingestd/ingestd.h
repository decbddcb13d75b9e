/* ingestd.h - the shell of ingestd: Kafka, sockets, threads and metrics around its cores.
 *
 * Not pure. Ownership: the configuration outlives the daemon. Threads: one loop, and one pool that verifies.
 */
#pragma once

#include "common/base/attr.h"
#include "services/ingestd/ingestd_config.h"

struct ingestd; /* opaque */

/* Open everything. Kafka, mempoold and persistd may come later. Returns 0, ERR_CONFIG or another failure; the detail is
 * logged. */
MUST_USE int ingestd_new(struct ingestd **out, const struct ingestd_config *config);
/* Commits what is final. Accepts NULL and pointer to NULL; leaves *self NULL. */
void ingestd_destroy(struct ingestd **self);

/* Serve until stopped. Returns 0 or the failure that ended it. */
MUST_USE int ingestd_run(struct ingestd *self);
