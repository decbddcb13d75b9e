/* migrate.h - brings a database to the schema of schemas/sql.
 *
 * Steps are applied in order, each in a transaction of its own that also notes it in schema_migrations. The row of step
 * 1 is the lock, so two processes never apply one step. A step that is already noted must have the same text: a changed
 * step, or one from a newer program, is refused.
 *
 * Not pure: the database. Ownership: steps are constants. Threads: the connection's.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "common/base/attr.h"
#include "common/edge/pg.h"

struct migrate_step {
    uint32_t version; /* 1, 2, ... */
    const char *name;
    const char *sql; /* one statement */
};

/* Those of schemas/sql, embedded when the program is built. */
extern const struct migrate_step migrate_steps[];
extern const size_t migrate_step_count;

/* Apply what is missing of steps[0..count). Step 1 makes schema_migrations and may be repeated.
 * Returns 0; ERR_CONFLICT (a step was changed, or the database is newer: logged); ERR_RETRY (somebody else is at it, or
 * the server wants it again); ERR_PEER_GONE, -ETIMEDOUT, -EIO, -ENOMEM as pg_exec(). */
MUST_USE int migrate_apply(struct pg *pg, const struct migrate_step *steps, size_t count);
