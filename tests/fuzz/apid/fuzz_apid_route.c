/* fuzz_apid_route.c - a request's path and parameters. Input: the URI, and after the first `?` the query. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/text.h"
#include "services/apid/request.h"
#include "services/apid/route.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct route_request *request)
{
    size_t key_size = strnlen(request->key, sizeof request->key);
    if (request->route >= ROUTE_COUNT || request->limit < 1 || request->limit > ROUTE_LIMIT_MAX)
        abort();
    if (request->height > UINT64_C(1) << 53 || request->start > UINT64_C(1) << 53)
        abort();
    if (key_size == sizeof request->key || (request->route == ROUTE_STATE) != (key_size > 0))
        abort();
    if (!text_is_clean(span_of(request->key, key_size)))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *uri = malloc(size + 1);
    if (!uri)
        return 0;
    if (size > 0)
        memcpy(uri, data, size);
    uri[size] = '\0';
    request_knows(uri, "0123456789abcdef");
    char *query = strchr(uri, '?');
    if (query)
        *query++ = '\0';
    struct route_request request = {0};
    const char *why = NULL;
    int rc = route_parse(&request, uri, query, &why);
    if (rc == 0)
        check(&request);
    else if (!why || (rc != ROUTE_BAD && rc != ROUTE_NOT_FOUND))
        abort();
    free(uri);
    return 0;
}
