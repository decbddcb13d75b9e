/* json.h - JSON from outside, read strictly (docs/protocol.md, section 2, "JSON"). The adapter of Jansson.
 *
 * Not pure: the heap. Threads: no state of ours; Jansson seeds its hash tables once, by itself.
 * Ownership: a value belongs to the caller, who ends it with json_decref() or declares it with CLEANUP(json_cleanup).
 *
 * Values are read with Jansson's own functions (json_object_get, json_is_integer, ...): its type is the one foreign
 * type that leaves its adapter, but it never enters a core.
 */
#pragma once

#include <stdint.h>

#include <jansson.h>

#include "common/base/attr.h"
#include "common/base/span.h"

enum { JSON_DEPTH_MAX = 32 }; /* of payload, params and the genesis file */

DEFINE_CLEANUP(json_cleanup, json_t, json_decref)

/* Where a text stopped being good, for a log line. The text never holds a piece of the input. */
struct json_fault {
    int line;         /* from 1; 0 when it is not about a place */
    int column;       /* in characters */
    const char *what; /* constant text */
};

/* Read one JSON object, RFC 8259 in UTF-8, and nothing after it but white space. Refused with ERR_MALFORMED are:
 * anything else than an object at the top; two members of one name (after escapes); depth above depth_max (the object
 * itself is 1, every object or array inside adds 1; judged before Jansson recurses); a byte order mark; U+0000, raw or
 * escaped; unpaired surrogates; bad UTF-8; an integer outside 64 bits signed; a number outside a double. depth_max is
 * at most JSON_DEPTH_MAX. The caller bounds the size of the text before. *out is written only on success. fault may be
 * NULL, is written only on ERR_MALFORMED. Returns 0, ERR_MALFORMED or -ENOMEM. */
MUST_USE int json_parse_strict(json_t **out, struct span text, uint32_t depth_max);
MUST_USE int json_parse_explained(json_t **out, struct span text, uint32_t depth_max, struct json_fault *fault);
