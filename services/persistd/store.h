/* store.h - the database as persistd writes it.
 *
 * A run of blocks is one SERIALIZABLE transaction, sent as one pipeline. Inside it the blocks' rows are made only if
 * the newest block of the database is the one that the run was built on, so heights stay contiguous and each block is
 * the child of the one before it, whoever else writes. Nothing is ever overwritten but the state's current values.
 *
 * Not pure: the database, the log. Ownership: rows are borrowed for the call. Threads: one owner.
 */
#pragma once

#include <stdint.h>

#include "common/base/attr.h"
#include "common/base/hash.h"
#include "common/edge/pg.h"
#include "services/persistd/migrate.h"
#include "services/persistd/persist.h"
#include "services/persistd/rows.h"

enum {
    STORE_CHUNK_ROWS_MAX = 2000,     /* of one statement ... */
    STORE_CHUNK_BYTES_MAX = 4 << 20, /* ... but for a single larger row: CockroachDB takes 16 MiB at once */
    STORE_REPLY_MS_MAX = 60000,      /* then the connection counts as lost */
    STORE_STATEMENT_MS_MAX = 30000,
};

struct store;

struct store_options {
    const char *dsn;
    const char *password_file; /* may be NULL */
    const char *reader_role;   /* may read all tables; may be NULL. Letters, digits, `.`, `-`, `_` */
    const struct migrate_step *steps;
    size_t step_count;
    struct hash chain_id;
};

/* Does not connect. The texts must outlive the store. Returns 0 or -ENOMEM. */
MUST_USE int store_new(struct store **out, const struct store_options *options);
void store_destroy(struct store **self);

/* Connect (anew), migrate, let the reader read, and say what the newest block is. Returns 0; ERR_PEER_GONE, ERR_RETRY
 * or -ETIMEDOUT (try again later); ERR_CONFLICT (the database is of another chain, or migrate_apply() refused: logged);
 * another failure that will not pass by itself. */
MUST_USE int store_open(struct store *self, struct persist_tip *tip);

enum store_verdict {
    STORE_RETRY = 1, /* nothing was written: do the same again, a little later */
    STORE_UNKNOWN,   /* written or not: store_open() and look at the tip */
};

/* Write the rows on top of this tip. Returns 0 (they are in the database, also when they were before); a verdict; or
 * ERR_CONFLICT (the database has another block at one of the heights, or one of the transactions already: logged). */
MUST_USE int store_write(struct store *self, const struct rows *rows, const struct persist_tip *tip);
