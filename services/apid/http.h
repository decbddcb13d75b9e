/* http.h - apid's HTTP listener: what every request passes, and its answer.
 *
 * The order is fixed: request log, request id, concurrency limit (API_THREADS; further connections wait in the
 * listener's queue), security headers, no CORS (no header allows another origin anything), form and size of the
 * request, method, path and parameters, the answer. A connection carries one request, so what a body would smuggle in
 * is never read, and an idle client holds no thread.
 *
 * Not pure: civetweb and its threads. Ownership: what the options point to outlives the listener. Threads: owner's, but
 * for the handlers, which run on civetweb's.
 */
#pragma once

#include <stdint.h>

#include "common/base/attr.h"
#include "common/edge/admin.h"
#include "common/edge/metrics.h"
#include "services/apid/database.h"
#include "services/apid/query_client.h"

struct http; /* opaque */

struct http_options {
    const char *listen; /* host:port */
    uint32_t threads;
    struct database *database;
    struct query_client *query;
    struct metrics *metrics;
    struct admin *admin; /* whose readiness /api/v1/ready tells */
};

/* Returns 0, -EADDRINUSE (cannot listen there: logged) or -ENOMEM. */
MUST_USE int http_new(struct http **out, const struct http_options *options);
void http_destroy(struct http **self);
