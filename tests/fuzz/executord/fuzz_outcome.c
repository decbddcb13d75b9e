/* fuzz_outcome.c - what persistd says, and what the store holds. */
#include <assert.h>
#include <stdint.h>

#include "services/executord/outcome_codec.h"

enum { ENTRIES_MAX = 64 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span bytes = span_of(data, size);
    struct outcome_codec_request request;
    if (outcome_codec_decode(&request, bytes) == 0)
        assert(request.kind == OUTCOME_CODEC_ASK || request.kind == OUTCOME_CODEC_ACK);
    struct outcome_codec_head head;
    if (outcome_codec_read_head(&head, bytes) == 0)
        assert(head.header_bytes.size == BLOCK_HEADER_BYTES);
    struct executor_entry entries[ENTRIES_MAX];
    size_t count;
    if (outcome_codec_read_changes(bytes, entries, ENTRIES_MAX, &count) == 0)
        assert(count <= ENTRIES_MAX);
    return 0;
}
