/* database.h - the database as persistd writes it.
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
#include "services/persistd/genesis_store.h"
#include "services/persistd/migrate.h"
#include "services/persistd/persist.h"
#include "services/persistd/rows.h"

enum {
    DATABASE_CHUNK_ROWS_MAX = 2000,     /* of one statement ... */
    DATABASE_CHUNK_BYTES_MAX = 4 << 20, /* ... but for a single larger row: CockroachDB takes 16 MiB at once */
    DATABASE_REPLY_MS_MAX = 60000,      /* then the connection counts as lost */
    DATABASE_STATEMENT_MS_MAX = 30000,
};

struct database;

struct database_options {
    const char *dsn;
    const char *password_file; /* may be NULL */
    const char *reader_role;   /* may read all tables; may be NULL. Letters, digits, `.`, `-`, `_` */
    const struct migrate_step *steps;
    size_t step_count;
    struct hash chain_id;
};

/* Does not connect. The texts must outlive it. Returns 0 or -ENOMEM. */
MUST_USE int database_new(struct database **out, const struct database_options *options);
void database_destroy(struct database **self);

/* Connect (anew), migrate, let the reader read, and say what the newest block is. Returns 0; ERR_PEER_GONE, ERR_RETRY
 * or -ETIMEDOUT (try again later); ERR_CONFLICT (the database is of another chain, or migrate_apply() refused: logged);
 * another failure that will not pass by itself. */
MUST_USE int database_open(struct database *self, struct persist_tip *tip);

/* genesis_store_exchange() with this database and its chain. Returns 0, ERR_PEER_GONE (it is not open), ERR_TOO_LARGE,
 * ERR_RETRY or another failure. */
MUST_USE int database_exchange_certificate(struct database *self, struct span offered,
                                           struct genesis_store_certificate *out);

enum database_verdict {
    DATABASE_RETRY = 1, /* nothing was written: do the same again, a little later */
    DATABASE_UNKNOWN,   /* written or not: database_open() and look at the tip */
};

/* Write the rows on top of this tip. Returns 0 (they are in the database, also when they were before); a verdict; or
 * ERR_CONFLICT (the database has another block at one of the heights, or one of the transactions already: logged). */
MUST_USE int database_write(struct database *self, const struct rows *rows, const struct persist_tip *tip);
