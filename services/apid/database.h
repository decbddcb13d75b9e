/* database.h - the reads behind the answers: a pool of connections, one per thread that is answering.
 *
 * Not pure: libpq. Ownership: returned JSON is the caller's. Threads: every function but new and destroy may be called
 * from any thread; a call waits when all connections are in use.
 *
 * Connections are read only and made when they are needed. After a failed attempt calls fail at once for a while.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/base/attr.h"
#include "common/edge/json.h"
#include "services/apid/route.h"

struct database; /* opaque */

struct database_options {
    const char *dsn;
    const char *password_file; /* NULL: none */
    uint32_t connection_count;
};

MUST_USE int database_new(struct database **out, const struct database_options *options);
void database_destroy(struct database **self);

/* The stored height, or -1 when there is no block. Returns 0 or ERR_PEER_GONE, -EIO, ... */
MUST_USE int database_height(struct database *self, int64_t *out);

/* Answer a request of the database's routes. On success *out is the document. Returns 0; ERR_NOT_FOUND (*why says
 * what); ERR_PEER_GONE (the database does not answer); another failure. */
MUST_USE int database_answer(struct database *self, const struct route_request *request, json_t **out,
                             const char **why);
