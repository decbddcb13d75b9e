/* fuzz_block.c - any bytes as a block header: what is read, written again, is the same bytes. */
#include "tests/fuzz/base/fuzz.h"

#include <string.h>

#include "common/base/block.h"
#include "common/base/err.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct block_header header;
    int rc = block_header_decode(&header, span_of(data, size));
    if (rc != 0) {
        FUZZ_REQUIRE(rc == ERR_MALFORMED);
        return 0;
    }
    uint8_t bytes[BLOCK_HEADER_BYTES];
    block_header_encode(bytes, &header);
    FUZZ_REQUIRE(size == sizeof bytes && memcmp(bytes, data, size) == 0);
    struct hash id = block_id(&header), expected = hash_of(span_of(data, size));
    FUZZ_REQUIRE(hash_equal(&id, &expected));
    return 0;
}
