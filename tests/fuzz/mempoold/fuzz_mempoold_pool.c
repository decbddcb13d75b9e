/* What anybody may send on the pool arrow, up to and through a step of the pool. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "services/mempoold/pool_codec.h"
#include "tests/fuzz/mempoold/fuzz_pool.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pool_codec_frame frame;
    if (pool_codec_decode(&frame, span_of(data, size)) < 0)
        return 0;
    fuzz_pool_step(&frame.event);
    pool_codec_deinit(&frame);
    return 0;
}
