/* rows.c - outcomes become rows.
 *
 * First the changes of all blocks are gathered by key, the last one wins. Then each transaction finds, by the key in
 * its receipt, the record it created: that gives the record its position.
 */
#include "services/persistd/rows.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "common/base/err.h"
#include "common/base/hex.h"
#include "common/base/map.h"
#include "common/base/stateproof.h"
#include "common/base/text.h"

static int bad(const char **why, const char *text)
{
    *why = text;
    return ERR_MALFORMED;
}

/* --- memory ------------------------------------------------------------------------------------------------------- */

static int reserve(void **items, size_t *capacity, size_t count, size_t item_size)
{
    if (count <= *capacity)
        return 0;
    void *grown = calloc(count, item_size);
    if (!grown)
        return -ENOMEM;
    free(*items);
    *items = grown;
    *capacity = count;
    return 0;
}

/* Empty a table and give it room. */
#define RESERVE(table, wanted)                                                                                         \
    ((table).count = 0, reserve((void **)&(table).items, &(table).capacity, (wanted), sizeof *(table).items))

#define ADD(table) (assert((table).count < (table).capacity), &(table).items[(table).count++])

void rows_init(struct rows *self, uint64_t seed)
{
    *self = (struct rows){.seed = seed};
}

void rows_deinit(struct rows *self)
{
    free(self->blocks.items);
    free(self->txs.items);
    free(self->anomalies.items);
    free(self->evidence.items);
    free(self->policies.items);
    free(self->validator_evidence.items);
    free(self->producers.items);
    free(self->validators.items);
    free(self->states.items);
    free(self->hashes_.items);
    free(self->lists_);
    *self = (struct rows){0};
}

static bool has_prefix(struct span key, const char *prefix)
{
    size_t size = strlen(prefix);
    return key.size >= size && memcmp(key.data, prefix, size) == 0;
}

/* How many rows there will be at most. */
struct sizes {
    size_t txs;
    size_t validator_evidence;
    size_t block_txs; /* of the largest block */
    size_t changes;   /* but for nonces */
    size_t producers;
    size_t validators;
    size_t list_bytes; /* of all records */
};

static struct sizes sizes_of(const struct outcome *const *outcomes, size_t count)
{
    struct sizes sizes = {0};
    for (size_t i = 0; i < count; i++) {
        sizes.txs += outcomes[i]->tx_count;
        if (outcomes[i]->tx_count > sizes.block_txs)
            sizes.block_txs = outcomes[i]->tx_count;
        for (uint32_t j = 0; j < outcomes[i]->tx_count; j++)
            sizes.validator_evidence += tx_is_validator_evidence(outcomes[i]->bodies[j]);
        for (uint32_t j = 0; j < outcomes[i]->change_count; j++) {
            const struct outcome_change *change = &outcomes[i]->changes[j];
            if (has_prefix(change->key, "nonce/"))
                continue;
            sizes.changes++;
            sizes.list_bytes += change->value.size;
            sizes.producers += has_prefix(change->key, "producer/");
            sizes.validators += has_prefix(change->key, "validator/");
        }
    }
    return sizes;
}

static int make_room(struct rows *self, size_t block_count, const struct sizes *sizes)
{
    self->lists_size_ = 0;
    if (RESERVE(self->blocks, block_count) < 0 || RESERVE(self->txs, sizes->txs) < 0 ||
        RESERVE(self->anomalies, sizes->txs) < 0 || RESERVE(self->evidence, sizes->txs) < 0 ||
        RESERVE(self->policies, sizes->txs) < 0 || RESERVE(self->validator_evidence, sizes->validator_evidence) < 0 ||
        RESERVE(self->producers, sizes->producers) < 0 || RESERVE(self->validators, sizes->validators) < 0 ||
        RESERVE(self->states, sizes->changes) < 0 || RESERVE(self->hashes_, 3 * sizes->block_txs) < 0)
        return -ENOMEM;
    return reserve((void **)&self->lists_, &self->lists_capacity_, sizes->list_bytes, 1);
}

/* --- changes ------------------------------------------------------------------------------------------------------ */

static int gather_change(struct rows *self, struct map *by_key, const struct outcome_change *change, uint64_t height)
{
    struct hash key_hash = stateproof_key_hash(change->key);
    struct rows_state *row = map_find(by_key, &key_hash);
    if (!row) {
        row = ADD(self->states);
        if (map_put(by_key, &key_hash, row) < 0)
            return -ENOMEM;
    }
    *row =
        (struct rows_state){.key = change->key, .value = change->value, .deleted = change->deleted, .height = height};
    return 0;
}

static int gather_changes(struct rows *self, struct map *by_key, const struct outcome *outcome, const char **why)
{
    for (uint32_t i = 0; i < outcome->change_count; i++) {
        const struct outcome_change *change = &outcome->changes[i];
        if (has_prefix(change->key, "nonce/"))
            continue;
        if (!text_is_clean(change->key))
            return bad(why, "a key of the state is no text");
        int rc = gather_change(self, by_key, change, outcome->height);
        if (rc < 0)
            return rc;
    }
    return 0;
}

/* --- transactions ------------------------------------------------------------------------------------------------- */

static int add_anomaly(struct rows *self, const struct rows_tx *tx, struct span value)
{
    struct rows_anomaly *row = ADD(self->anomalies);
    row->tx = tx;
    return record_anomaly_decode(&row->record, value);
}

/* There is, unless two receipts name one record. */
static bool has_list_room(const struct rows *self, struct span value)
{
    return self->lists_capacity_ - self->lists_size_ >= value.size;
}

static int add_evidence(struct rows *self, const struct rows_tx *tx, struct span value)
{
    struct rows_evidence *row = ADD(self->evidence);
    row->tx = tx;
    if (record_evidence_decode(&row->record, value) < 0 || !has_list_room(self, value))
        return ERR_MALFORMED;
    uint8_t *list = self->lists_ + self->lists_size_;
    row->refs = span_of(list, record_refs_join(list, &row->record));
    self->lists_size_ += row->refs.size;
    return 0;
}

static int add_policy(struct rows *self, const struct rows_tx *tx, struct span value)
{
    struct rows_policy *row = ADD(self->policies);
    row->tx = tx;
    if (record_policy_decode(&row->record, value) < 0 || !has_list_room(self, value))
        return ERR_MALFORMED;
    uint8_t *list = self->lists_ + self->lists_size_;
    row->targets = span_of(list, record_targets_join(list, &row->record));
    self->lists_size_ += row->targets.size;
    return 0;
}

static int add_validator_evidence(struct rows *self, const struct rows_tx *tx)
{
    struct equivocation proof;
    if (equivocation_decode(&proof, tx->body) != 0)
        return ERR_MALFORMED;
    *ADD(self->validator_evidence) =
        (struct rows_validator_evidence){.tx = tx, .offender = proof.offender, .kind = proof.kind, .view = proof.view};
    return 0;
}

/* The record that a transaction created, as it is at the end of the run. */
static int add_record(struct rows *self, const struct map *by_key, const struct rows_tx *tx, const char **why)
{
    struct record_receipt receipt;
    if (record_receipt_decode(&receipt, tx->receipt) < 0 ||
        !span_equal(receipt.tx_id, span_of(tx->tx_id.bytes, HASH_BYTES)))
        return bad(why, "a receipt is not its transaction's");
    struct hash key_hash = stateproof_key_hash(receipt.key);
    const struct rows_state *state = map_find(by_key, &key_hash);
    if (!state || state->deleted)
        return bad(why, "a receipt names a record that is not among the changes");
    int rc = ERR_MALFORMED;
    switch (tx->kind) {
    case TX_ANOMALY:
        rc = add_anomaly(self, tx, state->value);
        break;
    case TX_EVIDENCE:
        rc = add_evidence(self, tx, state->value);
        break;
    case TX_POLICY:
        rc = add_policy(self, tx, state->value);
        break;
    case TX_VALIDATOR_EVIDENCE:
        rc = add_validator_evidence(self, tx);
        break;
    case TX_KIND_COUNT:
        break;
    }
    return rc < 0 ? bad(why, "a record cannot be read") : 0;
}

/* It has no producer, id and time of its own: its record's key and its block have. */
static int add_proof_tx(struct rows *self, const struct outcome *outcome, uint32_t index, const char **why)
{
    static const char prefix[] = "validator_evidence/";
    struct record_receipt receipt;
    if (record_receipt_decode(&receipt, outcome->receipts[index]) < 0 || !has_prefix(receipt.key, prefix))
        return bad(why, "a receipt is not its transaction's");
    size_t prefix_size = strlen(prefix);
    struct span offender = span_of(receipt.key.data + prefix_size, receipt.key.size - prefix_size);
    *ADD(self->txs) = (struct rows_tx){
        .height = outcome->height,
        .index = index,
        .kind = TX_VALIDATOR_EVIDENCE,
        .tx_id = tx_id(outcome->bodies[index]),
        .event_id = offender,
        .ts = (int64_t)(outcome->header.timestamp_ms / 1000),
        .body = outcome->bodies[index],
        .receipt = outcome->receipts[index],
    };
    return 0;
}

static int add_event_tx(struct rows *self, const struct outcome *outcome, uint32_t index, const char **why)
{
    struct tx tx;
    const char *detail;
    if (tx_parse(&tx, outcome->bodies[index], &detail) != 0)
        return bad(why, "a body cannot be read");
    *ADD(self->txs) = (struct rows_tx){
        .height = outcome->height,
        .index = index,
        .kind = tx.kind,
        .tx_id = tx_id(outcome->bodies[index]),
        .event_id = tx.id,
        .producer = tx.producer,
        .ts = tx.ts,
        .body = outcome->bodies[index],
        .receipt = outcome->receipts[index],
    };
    return 0;
}

static int add_block(struct rows *self, const struct map *by_key, const struct outcome *outcome, const char **why)
{
    struct rows_block *block = ADD(self->blocks);
    *block = (struct rows_block){
        .outcome = outcome, .tx_first = (uint32_t)self->txs.count, .size_bytes = outcome->header_bytes.size};
    struct hash *ids = self->hashes_.items;
    for (uint32_t i = 0; i < outcome->tx_count; i++) {
        int rc = tx_is_validator_evidence(outcome->bodies[i]) ? add_proof_tx(self, outcome, i, why)
                                                              : add_event_tx(self, outcome, i, why);
        if (rc < 0)
            return rc;
        const struct rows_tx *tx = &self->txs.items[block->tx_first + i];
        ids[i] = tx->tx_id;
        block->counts[tx->kind]++;
        block->size_bytes += tx->body.size;
    }
    int rc = outcome_check_roots(outcome, ids, outcome->tx_count > 0 ? ids + outcome->tx_count : NULL, why);
    for (uint32_t i = 0; rc == 0 && i < outcome->tx_count; i++)
        rc = add_record(self, by_key, &self->txs.items[block->tx_first + i], why);
    return rc;
}

/* --- producers and validators ------------------------------------------------------------------------------------- */

/* The 32 bytes whose hexadecimal digits follow the prefix. */
static int key_bytes(uint8_t out[static 32], struct span key, size_t prefix_size)
{
    char text[65];
    if (key.size != prefix_size + 64)
        return ERR_MALFORMED;
    memcpy(text, key.data + prefix_size, 64);
    text[64] = '\0';
    return hex_decode(out, 32, text);
}

static int add_member(struct rows *self, const struct rows_state *state)
{
    if (state->deleted)
        return 0;
    if (has_prefix(state->key, "producer/")) {
        struct rows_producer *row = ADD(self->producers);
        row->height = state->height;
        int rc = key_bytes(row->key, state->key, strlen("producer/"));
        return rc < 0 ? rc : record_producer_decode(&row->record, state->value);
    }
    if (has_prefix(state->key, "validator/")) {
        struct rows_validator *row = ADD(self->validators);
        row->height = state->height;
        int rc = key_bytes(row->id, state->key, strlen("validator/"));
        return rc < 0 ? rc : record_validator_decode(&row->record, state->value);
    }
    return 0;
}

/* --- the whole ---------------------------------------------------------------------------------------------------- */

static int build(struct rows *self, const struct outcome *const *outcomes, size_t count, const char **why)
{
    struct sizes sizes = sizes_of(outcomes, count);
    int rc = make_room(self, count, &sizes);
    if (rc < 0)
        return rc;
    CLEANUP(map_destroy) struct map *by_key = NULL;
    rc = map_new(&by_key, sizes.changes, self->seed);
    for (size_t i = 0; rc == 0 && i < count; i++)
        rc = gather_changes(self, by_key, outcomes[i], why);
    for (size_t i = 0; rc == 0 && i < count; i++)
        rc = add_block(self, by_key, outcomes[i], why);
    for (size_t i = 0; rc == 0 && i < self->states.count; i++) {
        if (add_member(self, &self->states.items[i]) < 0)
            rc = bad(why, "a producer or validator cannot be read");
    }
    return rc;
}

int rows_build(struct rows *self, const struct outcome *const *outcomes, size_t count, const char **why)
{
    *why = "";
    int rc = build(self, outcomes, count, why);
    if (rc < 0) {
        self->blocks.count = self->txs.count = self->states.count = 0;
        self->anomalies.count = self->evidence.count = self->policies.count = 0;
        self->validator_evidence.count = self->producers.count = self->validators.count = 0;
    }
    return rc;
}
