/* persistd.h - the shell of persistd: sockets, threads and metrics around what is to be written next.
 *
 * Not pure. Ownership: the configuration outlives the daemon. Threads: one loop; the writer and the responder have a
 * thread each.
 */
#pragma once

#include "common/base/attr.h"
#include "services/persistd/persistd_config.h"

struct persistd;

/* Open everything but the database, which is opened (and waited for) while running. Returns 0, ERR_CONFIG or another
 * failure; the detail is logged. */
MUST_USE int persistd_new(struct persistd **out, const struct persistd_config *config);
void persistd_destroy(struct persistd **self);

/* Serve until stopped. Returns 0 or the failure that ended it: ERR_CONFLICT when the database holds what it must not.
 */
MUST_USE int persistd_run(struct persistd *self);
