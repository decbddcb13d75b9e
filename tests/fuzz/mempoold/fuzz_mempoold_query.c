/* Questions about mempoold's status. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>

#include "services/mempoold/query_codec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint64_t request = 0;
    if (query_codec_decode(&request, span_of(data, size)) < 0)
        return 0;
    struct query_codec_item item = {.name = "pending", .value = request};
    uint8_t *answer = NULL;
    size_t answer_size = 0;
    if (query_codec_encode_status(request, &item, 1, &answer, &answer_size) == 0) {
        assert(answer_size <= QUERY_CODEC_FRAME_BYTES_MAX);
        free(answer);
    }
    return 0;
}
