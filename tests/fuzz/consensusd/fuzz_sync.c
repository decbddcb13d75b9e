/* fuzz_sync.c - requests for blocks, and answers to them. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>

#include "services/consensusd/consensus_codec.h"

enum { TXS_MAX = 8 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct consensus_codec_sync sync, again;
    if (consensus_codec_decode_sync(&sync, span_of(data, size), TXS_MAX) < 0)
        return 0;
    assert(sync.block_count <= CONSENSUS_CODEC_SYNC_BLOCKS_MAX);
    for (size_t i = 0; i < sync.block_count; i++)
        assert(sync.blocks[i].body_count == sync.blocks[i].header.tx_count && sync.blocks[i].body_count <= TXS_MAX);
    uint8_t *bytes = NULL;
    size_t encoded = 0;
    int rc = sync.is_request
                 ? consensus_codec_encode_request(sync.request, sync.height_first, sync.count_max, &bytes, &encoded)
                 : consensus_codec_encode_response(&sync, &bytes, &encoded);
    if (rc == 0) {
        assert(consensus_codec_decode_sync(&again, span_of(bytes, encoded), TXS_MAX) == 0);
        assert(again.block_count == sync.block_count && again.request == sync.request);
        consensus_codec_sync_deinit(&again);
    }
    free(bytes);
    consensus_codec_sync_deinit(&sync);
    return 0;
}
