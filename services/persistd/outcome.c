/* outcome.c - checks on outcomes: the database never holds a block whose rows are not those of its header. */
#include "services/persistd/outcome.h"

#include "common/base/err.h"
#include "common/base/merkle.h"

static int bad(const char **why, const char *text)
{
    *why = text;
    return ERR_MALFORMED;
}

int outcome_check(const struct outcome *outcome, const struct hash *chain_id, const char **why)
{
    const struct block_header *header = &outcome->header;
    struct hash id = hash_of(outcome->header_bytes);
    if (!hash_equal(&id, &outcome->block_id))
        return bad(why, "block id is not the header's hash");
    if (!hash_equal(&header->chain_id, chain_id))
        return bad(why, "block of another chain");
    if (header->height != outcome->height)
        return bad(why, "height is not the header's");
    if (header->tx_count != outcome->tx_count)
        return bad(why, "transactions are not as many as the header says");
    if (outcome->height > INT64_MAX || header->view > INT64_MAX || header->timestamp_ms > INT64_MAX)
        return bad(why, "number above 2^63 - 1");
    if (outcome->tx_count > INT32_MAX)
        return bad(why, "too many transactions");
    if ((outcome->height == 0) != (outcome->proof.size == 0))
        return bad(why, "a commit proof, except for genesis, is missing");
    return 0;
}

int outcome_check_roots(const struct outcome *outcome, const struct hash *tx_ids, struct hash *scratch,
                        const char **why)
{
    uint32_t count = outcome->tx_count;
    struct hash root = merkle_root(tx_ids, count, scratch);
    if (!hash_equal(&root, &outcome->header.tx_root))
        return bad(why, "bodies are not those of the header's tx_root");
    for (uint32_t i = 0; i < count; i++)
        scratch[count + i] = hash_of(outcome->receipts[i]);
    root = merkle_root(count > 0 ? scratch + count : NULL, count, scratch);
    if (!hash_equal(&root, &outcome->header.receipt_root))
        return bad(why, "receipts are not those of the header's receipt_root");
    return 0;
}
