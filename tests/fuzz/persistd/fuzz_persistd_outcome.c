/* fuzz_persistd_outcome.c - a frame from executord: decode it, and make rows of it as far as it can be read.
 *
 * The roots of its headers are made to fit, so that what lies behind them is reached.
 */
#include <stdint.h>
#include <stdlib.h>

#include "common/base/merkle.h"
#include "common/base/tx.h"
#include "services/persistd/outcome_codec.h"
#include "services/persistd/rows.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void fit_roots(struct outcome *outcome)
{
    size_t count = outcome->tx_count;
    struct hash *hashes = calloc(2 * count + 1, sizeof *hashes);
    if (!hashes)
        abort();
    for (size_t i = 0; i < count; i++)
        hashes[i] = tx_id(outcome->bodies[i]);
    outcome->header.tx_root = merkle_root(hashes, count, hashes + count);
    for (size_t i = 0; i < count; i++)
        hashes[i] = hash_of(outcome->receipts[i]);
    outcome->header.receipt_root = merkle_root(hashes, count, hashes + count);
    free(hashes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct outcome_codec_frame frame;
    if (outcome_codec_decode(&frame, span_of(data, size)) != 0)
        return 0;
    const struct outcome *outcomes[OUTCOME_CODEC_BLOCKS_MAX];
    const char *why = NULL;
    for (uint32_t i = 0; i < frame.count; i++) {
        fit_roots(&frame.outcomes[i]);
        outcomes[i] = &frame.outcomes[i];
        (void)!outcome_check(outcomes[i], &frame.outcomes[i].header.chain_id, &why);
    }
    struct rows rows;
    rows_init(&rows, 1);
    int rc = rows_build(&rows, outcomes, frame.count, &why);
    size_t txs = 0;
    for (uint32_t i = 0; i < frame.count; i++)
        txs += outcomes[i]->tx_count;
    if (rc == 0 && (rows.txs.count != txs || rows.anomalies.count + rows.evidence.count + rows.policies.count != txs))
        abort();
    rows_deinit(&rows);
    outcome_codec_deinit(&frame);
    return 0;
}
