/* fuzz_json.c - any bytes as JSON: what is accepted is written and read again to the same value, and so is its
 * canonical form.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/err.h"
#include "common/edge/json.h"
#include "common/edge/json_canonical.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP(json_cleanup) json_t *value = NULL;
    CLEANUP(json_cleanup) json_t *again = NULL;
    int rc = json_parse_strict(&value, span_of(data, size), JSON_DEPTH_MAX);
    assert(rc == 0 || rc == ERR_MALFORMED);
    if (rc < 0)
        return 0;
    char *text = json_dumps(value, JSON_REAL_PRECISION(17));
    assert(text);
    rc = json_parse_strict(&again, span_text(text), JSON_DEPTH_MAX);
    assert(rc == 0 && json_equal(value, again));
    free(text);
    json_cleanup(&again);

    size_t canonical_size = 0;
    rc = json_canonical(&text, &canonical_size, value);
    assert(rc == 0 || rc == ERR_MALFORMED);
    if (rc < 0)
        return 0;
    rc = json_parse_strict(&again, span_of(text, canonical_size), JSON_DEPTH_MAX);
    assert(rc == 0 && json_equal(value, again));
    free(text);
    return 0;
}
