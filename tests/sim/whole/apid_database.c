/* apid_database.c - services/apid/database.h in memory: reads of what the validator's database has (base.c). Lists of
 * validators, anomalies and evidence are not kept there, and not answered. */
#include "services/apid/database.h"

#include <errno.h>

#include "common/base/err.h"
#include "services/apid/answers.h"
#include "tests/sim/whole/base.h"
#include "tests/sim/whole/world.h"

struct database {
    uint32_t connection_count;
};

int database_new(struct database **out, const struct database_options *options)
{
    struct database *self = must(calloc(1, sizeof *self));
    self->connection_count = options->connection_count;
    *out = self;
    return 0;
}

void database_destroy(struct database **self)
{
    if (!self || !*self)
        return;
    free(*self);
    *self = NULL;
}

int database_height(struct database *self, int64_t *out)
{
    const struct base *base = base_reached();
    if (!base)
        return ERR_PEER_GONE;
    *out = base_height(base);
    return 0;
}

static int not_found(const char **why, const char *text)
{
    *why = text;
    return ERR_NOT_FOUND;
}

static int done(json_t **out, json_t *value)
{
    *out = must(value);
    return 0;
}

static struct span hash_span(const struct hash *hash)
{
    return span_of(hash->bytes, HASH_BYTES);
}

static struct block_header header_of(const struct base_block *block)
{
    struct block_header header;
    if (block_header_decode(&header, span_of(block->header, sizeof block->header)) < 0)
        abort();
    return header;
}

static json_t *block_document(const struct base_block *block)
{
    struct block_header header = header_of(block);
    struct answers_block answer = {
        .height = header.height,
        .hash = hash_span(&block->id),
        .parent_hash = hash_span(&header.parent_id),
        .view = header.view,
        .proposer = hash_span(&header.proposer),
        .timestamp_ms = header.timestamp_ms,
        .state_root = hash_span(&header.state_root),
        .tx_root = hash_span(&header.tx_root),
        .transaction_count = block->tx_count,
        .anomaly_count = block->counts[TX_ANOMALY],
        .evidence_count = block->counts[TX_EVIDENCE],
        .policy_count = block->counts[TX_POLICY],
        .size_bytes = block->size_bytes,
    };
    return answers_block(&answer);
}

static json_t *transaction_document(const struct base_block *block, uint32_t index)
{
    const struct base_tx *tx = &block->txs[index];
    struct answers_transaction answer = {
        .tx_id = hash_span(&tx->id),
        .event_id = span_text(tx->event_id),
        .receipt = span_of(tx->receipt, tx->receipt_size),
        .producer = tx->kind < TX_EVENT_KIND_COUNT ? span_of(tx->producer.bytes, SIGN_PUBLIC_BYTES) : (struct span){0},
        .height = header_of(block).height,
        .index = index,
        .kind = (int)tx->kind,
        .timestamp = tx->ts,
    };
    return answers_transaction(&answer);
}

static json_t *proof_document(const struct base_block *block, uint32_t index)
{
    struct hash *ids = must(calloc(2 * (size_t)block->tx_count, sizeof *ids));
    struct hash *receipts = ids + block->tx_count;
    for (uint32_t i = 0; i < block->tx_count; i++) {
        ids[i] = block->txs[i].id;
        receipts[i] = hash_of(span_of(block->txs[i].receipt, block->txs[i].receipt_size));
    }
    struct answers_transaction_proof proof = {.tx_ids = ids,
                                              .receipt_hashes = receipts,
                                              .tx_count = block->tx_count,
                                              .index = index,
                                              .receipt =
                                                  span_of(block->txs[index].receipt, block->txs[index].receipt_size),
                                              .commit_proof = span_of(block->proof, block->proof_size)};
    json_t *value = answers_transaction_proof(&proof);
    free(ids);
    return value;
}

static int answer_block(const struct base *base, const struct route_request *request, json_t **out, const char **why)
{
    bool latest = request->route != ROUTE_BLOCK;
    uint64_t height = latest ? (uint64_t)base_height(base) : request->height;
    const struct base_block *block = base_block_at(base, height);
    if (!block)
        return not_found(why, "no such block");
    if (request->route == ROUTE_STATE_ROOT) {
        struct block_header header = header_of(block);
        return done(out, answers_state_root(hash_span(&header.state_root), height));
    }
    return done(out, block_document(block));
}

static int answer_transaction(const struct base *base, const struct route_request *request, json_t **out,
                              const char **why)
{
    uint32_t index = 0;
    const struct base_block *block = base_block_of(base, &request->id, &index);
    if (!block)
        return not_found(why, "no such transaction");
    return done(out, request->route == ROUTE_TRANSACTION ? transaction_document(block, index)
                                                         : proof_document(block, index));
}

int database_answer(struct database *self, const struct route_request *request, json_t **out, const char **why)
{
    const struct base *base = base_reached();
    if (!base)
        return ERR_PEER_GONE;
    switch (request->route) {
    case ROUTE_BLOCK_LATEST:
    case ROUTE_BLOCK:
    case ROUTE_STATE_ROOT:
        return answer_block(base, request, out, why);
    case ROUTE_TRANSACTION:
    case ROUTE_TRANSACTION_PROOF:
        return answer_transaction(base, request, out, why);
    case ROUTE_HEALTH:
    case ROUTE_READY:
    case ROUTE_METRICS:
    case ROUTE_BLOCKS:
    case ROUTE_BLOCK_PROOF:
    case ROUTE_STATE:
    case ROUTE_VALIDATORS:
    case ROUTE_VALIDATOR:
    case ROUTE_ANOMALIES:
    case ROUTE_CONSENSUS_EVIDENCE:
    case ROUTE_COUNT:
        break;
    }
    return -EINVAL;
}
