/* sync_check.c - bodies are kept for certified blocks only. A certificate cannot be made up, so one peer's inventions
 * cannot fill the block cache. The core verifies the certificates, and remembers them for the step that brings the
 * blocks.
 */
#include "services/consensusd/sync_check.h"

#include <stdlib.h>

#include "common/base/cert.h"
#include "common/base/merkle.h"
#include "common/base/tx.h"

static bool bodies_fit(const struct consensus_codec_block *block)
{
    struct hash *ids = calloc(2 * block->body_count + 2, sizeof *ids);
    if (!ids)
        return false;
    for (size_t k = 0; k < block->body_count; k++)
        ids[k] = tx_id(block->bodies[k]);
    struct hash root = merkle_root(ids, block->body_count, ids + block->body_count + 1);
    free(ids);
    return block->body_count == block->header.tx_count && hash_equal(&root, &block->header.tx_root);
}

static bool is_certified(struct consensus *core, const struct consensus_codec_block *block)
{
    struct hash id = block_id(&block->header);
    return hash_equal(&block->qc.block_id, &id) && block->qc.view == block->header.view &&
           block->qc.height == block->header.height && block->qc.signature_count > 0 &&
           consensus_certificate_valid(core, &block->qc);
}

size_t sync_check_good(struct consensus *core, const struct consensus_codec_sync *response)
{
    size_t count = 0;
    while (count < response->block_count && bodies_fit(&response->blocks[count]) &&
           is_certified(core, &response->blocks[count]))
        count++;
    return count;
}
