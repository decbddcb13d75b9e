/* request.h - is a request of a form that is answered here?
 *
 * Pure. Ownership: texts are borrowed. Threads: no state.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/attr.h"

enum { REQUEST_HEADERS_MAX = 64 };

/* What the listener saw of a request's head. */
struct request_form {
    const char *method;
    const char *version;    /* "1.0", "1.1" */
    int64_t content_length; /* -1: none */
    size_t header_count;
    size_t host_count; /* headers of this name */
    size_t content_length_count;
    size_t transfer_encoding_count;
};

/* First what makes a request ambiguous (request smuggling: two lengths, no single Host), then the method, then a body.
 * Returns 0 or the status of the refusal, 400 or 405, with *why (a constant text). */
MUST_USE int request_judge(const struct request_form *form, const char **why);

/* Does If-None-Match name this entity tag (given without quotes)? header may be NULL. RFC 9110, 13.1.2. */
bool request_knows(const char *header, const char *etag);
