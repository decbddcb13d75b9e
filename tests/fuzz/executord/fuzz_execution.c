/* fuzz_execution.c - requests of the execution arrow. What is read stays within the frame. */
#include <assert.h>
#include <stdint.h>

#include "services/executord/execution_codec.h"

enum { BODIES_MAX = 64 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span spans[BODIES_MAX];
    struct execution_codec_request request;
    if (execution_codec_decode(&request, span_of(data, size), spans, BODIES_MAX) < 0)
        return 0;
    assert(request.bodies.count <= BODIES_MAX);
    for (size_t i = 0; i < request.bodies.count; i++) {
        struct span body = request.bodies.items[i];
        assert(body.size == 0 || (body.data >= data && body.data + body.size <= data + size));
    }
    return 0;
}
