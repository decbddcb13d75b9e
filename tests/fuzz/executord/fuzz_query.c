/* fuzz_query.c - requests of the query arrow. */
#include <assert.h>
#include <stdint.h>

#include "services/executord/query_codec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct query_codec_request request;
    if (query_codec_decode(&request, span_of(data, size)) == 0)
        assert(request.key.size <= size);
    return 0;
}
