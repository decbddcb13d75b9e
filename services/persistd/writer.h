/* writer.h - the writer's thread: what takes long with the database, one thing at a time, off the loop.
 *
 * Not pure: a thread, the database. Ownership: held blocks stay the caller's; the writer's thread uses them until the
 * result is told. Threads: all functions and the handler on the loop's thread.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "common/base/attr.h"
#include "common/edge/loop.h"
#include "services/persistd/held.h"
#include "services/persistd/persist.h"
#include "services/persistd/database.h"
#include "services/persistd/genesis_store.h"

struct writer;

struct writer_result {
    enum { WRITER_OPENED, WRITER_WROTE, WRITER_CERTIFICATE } kind;
    int rc;                 /* of database_open(); database_write() or rows_build(); genesis_store_exchange() */
    struct persist_tip tip; /* OPENED, rc 0 */
    const char *why;        /* WROTE, ERR_MALFORMED: what is wrong with the outcomes; static text */
    uint64_t took_us;       /* WROTE: the transaction alone */
    const struct genesis_store_certificate *certificate; /* CERTIFICATE, rc 0: what the database has; a loan */
};

struct writer_options {
    struct loop *loop;
    struct database_options database;
    uint64_t seed; /* see map.h */
    void (*done)(void *context, const struct writer_result *result);
    void *context;
};

/* Returns 0, -ENOMEM or the errors of workers_new(). */
MUST_USE int writer_new(struct writer **out, const struct writer_options *options);

/* Waits for what is under way; its result is not told. */
void writer_destroy(struct writer **self);

/* Offer the certificate of the genesis ceremony (empty: none) and read what the database has; done() follows. Beside
 * the other two, but one of its kind at a time: returns false while one is under way. */
bool writer_exchange_certificate(struct writer *self, struct span offered);

/* Start one or the other; done() follows. One at a time (assert). */
void writer_open(struct writer *self);
/* blocks: 1..PERSIST_RUN_BLOCKS_MAX. Also makes their feed messages, unless a block has its own already. */
void writer_write(struct writer *self, struct held_block *const *blocks, size_t count, const struct persist_tip *tip);
