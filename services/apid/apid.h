/* apid.h - the shell of apid: answers readers over HTTP, changes nothing.
 *
 * Not pure. Ownership: see each function. Threads: one loop, and the HTTP listener's.
 */
#pragma once

#include "common/base/attr.h"
#include "services/apid/apid_config.h"

struct apid; /* opaque */

MUST_USE int apid_new(struct apid **out, const struct apid_config *config);
void apid_destroy(struct apid **self);

/* Until SIGTERM. Returns 0 or why it could not go on. */
MUST_USE int apid_run(struct apid *self);
