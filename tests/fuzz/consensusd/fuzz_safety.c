/* fuzz_safety.c - blocks as consensusd's store keeps them: bodies, and commits with their proofs. */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "services/consensusd/safety_codec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void look_at(const struct safety_store_block *block, size_t size)
{
    assert(block->qc.signature_count <= CERT_SIGNERS_MAX && block->proof_qc.signature_count <= CERT_SIGNERS_MAX);
    assert(block->schedule.count <= GENESIS_VALIDATORS_MAX);
    assert(block->proof_header_count * BLOCK_HEADER_BYTES <= size);
    size_t sum = 0;
    for (size_t i = 0; i < block->body_count; i++)
        sum += block->bodies[i].size;
    assert(sum <= size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct safety_store_block block;
    for (int as_bodies = 0; as_bodies < 2; as_bodies++) {
        memset(&block, 0, sizeof block);
        int rc = as_bodies ? safety_codec_get_bodies(span_of(data, size), &block, true)
                           : safety_codec_get_commit(span_of(data, size), &block);
        struct hash id;
        if (rc == 0)
            look_at(&block, size);
        if (rc == 0 && !as_bodies)
            assert(safety_codec_commit_id(span_of(data, size), &id) == 0 && hash_equal(&id, &block.id));
        safety_store_block_deinit(&block);
    }
    return 0;
}
