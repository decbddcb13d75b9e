/* respond.h - from a request to the status and document of its answer: what lies between a listener and those who know.
 *
 * A status is one of docs/protocol.md, section 15; with any other than 200, *why is a constant text that says what is
 * wrong.
 *
 * Not pure: the database, the heap. Ownership: a document is the caller's. Threads: no state.
 */
#pragma once

#include "common/base/attr.h"
#include "common/edge/json.h"
#include "services/apid/database.h"
#include "services/apid/query_codec.h"
#include "services/apid/request.h"
#include "services/apid/route.h"

/* Is it a request that is answered here? *out is written only then. Returns 0, 400, 404 or 405. */
MUST_USE int respond_route(struct route_request *out, const struct request_form *form, const char *uri,
                           const char *query, const char **why);

/* A request of the database's routes. Returns 200, 404, 500 or 503. */
MUST_USE int respond_from_database(struct database *database, const struct route_request *request, json_t **out,
                                   const char **why);

/* What is to be asked for ROUTE_STATE; the key is the request's. */
struct query_codec_question respond_question(const struct route_request *request);

/* rc and frame: what the question came to. Returns 200, 404, 500 or 503. */
MUST_USE int respond_from_executord(int rc, const Cybermesh__Query__V1__QueryFrame *frame,
                                    const struct route_request *request, json_t **out, const char **why);
