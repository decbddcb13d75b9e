/* json_canonical.h - canonical JSON, RFC 8785, of values whose numbers are integers.
 *
 * Not pure: the heap. Threads: no state.
 */
#pragma once

#include <stddef.h>

#include "common/base/attr.h"
#include "common/edge/json.h"

/* Write the value: no white space, members sorted by the UTF-16 code units of their names, the shortest escapes. The
 * value is one that json_parse_strict() gave (so its depth is bounded); it is not changed. *text is not ended by a zero
 * byte and is the caller's, for free(); it and *size are written only on success. Returns 0, ERR_MALFORMED (a number
 * that is no integer, or larger than 2^53 - 1 in size) or -ENOMEM. */
MUST_USE int json_canonical(char **text, size_t *size, json_t *value);
