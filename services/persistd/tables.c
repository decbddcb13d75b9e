/* tables.c - what goes into which column.
 *
 * That a run of blocks is what comes next is a condition inside the INSERT of its blocks: when it does not hold, the
 * height becomes NULL, which the table refuses.
 */
#include "services/persistd/tables.h"

/* --- statements --------------------------------------------------------------------------------------------------- */

const struct pg_statement tables_insert_blocks = {
    .name = "insert_blocks",
    .sql = "INSERT INTO blocks (height, hash, parent_hash, view, proposer, timestamp_ms, state_root, tx_root, "
           "receipt_root, "
           "transaction_count, anomaly_count, evidence_count, policy_count, size_bytes, header, proof) "
           "SELECT CASE WHEN (SELECT max(height) FROM blocks) IS NOT DISTINCT FROM $17::int8 "
           "AND (SELECT hash FROM blocks WHERE height = $17::int8) IS NOT DISTINCT FROM $18::bytea THEN b.height END, "
           "b.hash, b.parent_hash, b.view, b.proposer, b.timestamp_ms, b.state_root, b.tx_root, b.receipt_root, "
           "b.transaction_count, b.anomaly_count, b.evidence_count, b.policy_count, b.size_bytes, b.header, b.proof "
           "FROM unnest($1::int8[], $2::bytea[], $3::bytea[], $4::int8[], $5::bytea[], $6::int8[], $7::bytea[], "
           "$8::bytea[], $9::bytea[], $10::int4[], $11::int4[], $12::int4[], $13::int4[], $14::int8[], $15::bytea[], "
           "$16::bytea[]) AS b (height, hash, parent_hash, view, proposer, timestamp_ms, state_root, tx_root, "
           "receipt_root, transaction_count, anomaly_count, evidence_count, policy_count, size_bytes, header, proof)"};

const enum pg_type tables_block_types[TABLES_COLUMNS_MAX] = {PG_INT8,  PG_BYTEA, PG_BYTEA, PG_INT8, PG_BYTEA, PG_INT8,
                                                             PG_BYTEA, PG_BYTEA, PG_BYTEA, PG_INT4, PG_INT4,  PG_INT4,
                                                             PG_INT4,  PG_INT8,  PG_BYTEA, PG_BYTEA};

static const struct pg_statement insert_transactions = {
    .name = "insert_transactions",
    .sql = "INSERT INTO transactions (height, idx, tx_id, kind, event_id, producer, ts, body) SELECT * FROM "
           "unnest($1::int8[], $2::int4[], $3::bytea[], $4::int4[], $5::text[], $6::bytea[], $7::int8[], $8::bytea[])"};

static const struct pg_statement insert_receipts = {
    .name = "insert_receipts",
    .sql = "INSERT INTO receipts (height, idx, receipt) SELECT * FROM unnest($1::int8[], $2::int4[], $3::bytea[])"};

static const struct pg_statement insert_anomalies = {
    .name = "insert_anomalies",
    .sql =
        "INSERT INTO anomalies (height, idx, id, type, severity, confidence_ppm, source, ts, status, producer, tx_id) "
        "SELECT * FROM unnest($1::int8[], $2::int4[], $3::text[], $4::text[], $5::int4[], $6::int4[], $7::text[], "
        "$8::int8[], $9::text[], $10::bytea[], $11::bytea[])"};

static const struct pg_statement insert_evidence = {
    .name = "insert_evidence",
    .sql =
        "INSERT INTO evidence (height, idx, id, type, refs, content_hash, custody_count, ts, status, producer, tx_id) "
        "SELECT * FROM unnest($1::int8[], $2::int4[], $3::text[], $4::text[], $5::bytea[], $6::bytea[], $7::int4[], "
        "$8::int8[], $9::text[], $10::bytea[], $11::bytea[])"};

static const struct pg_statement insert_policies = {
    .name = "insert_policies",
    .sql = "INSERT INTO policies (height, idx, id, rule, action, policy_id, targets, ttl_s, expires_at_s, active, ts, "
           "content_hash, producer, tx_id) SELECT * FROM unnest($1::int8[], $2::int4[], $3::text[], $4::text[], "
           "$5::text[], $6::text[], $7::text[], $8::int8[], $9::int8[], $10::bool[], $11::int8[], $12::bytea[], "
           "$13::bytea[], $14::bytea[])"};

static const struct pg_statement insert_consensus_evidence = {
    .name = "insert_consensus_evidence",
    .sql = "INSERT INTO consensus_evidence (offender, kind, view, height, idx, ts, tx_id) SELECT * FROM "
           "unnest($1::bytea[], $2::int4[], $3::int8[], $4::int8[], $5::int4[], $6::int8[], $7::bytea[])"};

static const struct pg_statement put_producers = {
    .name = "put_producers",
    .sql = "INSERT INTO producers (key, name, roles, active, height) SELECT * FROM unnest($1::bytea[], $2::text[], "
           "$3::int4[], $4::bool[], $5::int8[]) ON CONFLICT (key) DO UPDATE SET name = excluded.name, "
           "roles = excluded.roles, active = excluded.active, height = excluded.height"};

static const struct pg_statement put_validators = {
    .name = "put_validators",
    .sql =
        "INSERT INTO validators (id, idx, name, sign_key, active, height, reputation_ppm, blocks_proposed, "
        "blocks_committed, views_missed, last_active_height) SELECT * FROM unnest($1::bytea[], $2::int4[], $3::text[], "
        "$4::bytea[], $5::bool[], $6::int8[], $7::int4[], $8::int8[], $9::int8[], $10::int8[], $11::int8[]) "
        "ON CONFLICT (id) DO UPDATE SET idx = excluded.idx, name = excluded.name, sign_key = excluded.sign_key, "
        "active = excluded.active, height = excluded.height, reputation_ppm = excluded.reputation_ppm, "
        "blocks_proposed = excluded.blocks_proposed, blocks_committed = excluded.blocks_committed, "
        "views_missed = excluded.views_missed, last_active_height = excluded.last_active_height"};

static const struct pg_statement put_state = {
    .name = "put_state",
    .sql = "INSERT INTO state_kv (key, value, height) SELECT * FROM unnest($1::text[], $2::bytea[], $3::int8[]) "
           "ON CONFLICT (key) DO UPDATE SET value = excluded.value, height = excluded.height"};

static const struct pg_statement delete_state = {.name = "delete_state",
                                                 .sql = "DELETE FROM state_kv WHERE key = ANY($1::text[])"};

/* --- rows as columns ---------------------------------------------------------------------------------------------- */

static struct span hash_span(const struct hash *hash)
{
    return span_of(hash->bytes, HASH_BYTES);
}

/* The columns of one row, in order. */
struct cursor {
    struct pg_array *column;
};

static void add_int8(struct cursor *row, int64_t value)
{
    pg_array_add_int8(row->column++, value);
}

static void add_int4(struct cursor *row, uint32_t value)
{
    pg_array_add_int4(row->column++, (int32_t)value);
}

static void add_bool(struct cursor *row, bool value)
{
    pg_array_add_bool(row->column++, value);
}

static void add_bytea(struct cursor *row, struct span value)
{
    pg_array_add_bytea(row->column++, value);
}

static void add_text(struct cursor *row, struct span value)
{
    pg_array_add_text(row->column++, value);
}

static void add_position(struct cursor *row, const struct rows_tx *tx)
{
    add_int8(row, (int64_t)tx->height);
    add_int4(row, tx->index);
}

void tables_add_block(struct pg_array *columns, const struct rows_block *block)
{
    struct cursor *row = &(struct cursor){columns};
    const struct outcome *outcome = block->outcome;
    const struct block_header *header = &outcome->header;
    add_int8(row, (int64_t)outcome->height);
    add_bytea(row, hash_span(&outcome->block_id));
    add_bytea(row, hash_span(&header->parent_id));
    add_int8(row, (int64_t)header->view);
    add_bytea(row, hash_span(&header->proposer));
    add_int8(row, (int64_t)header->timestamp_ms);
    add_bytea(row, hash_span(&header->state_root));
    add_bytea(row, hash_span(&header->tx_root));
    add_bytea(row, hash_span(&header->receipt_root));
    add_int4(row, outcome->tx_count);
    add_int4(row, block->counts[TX_ANOMALY]);
    add_int4(row, block->counts[TX_EVIDENCE]);
    add_int4(row, block->counts[TX_POLICY]);
    add_int8(row, (int64_t)block->size_bytes);
    add_bytea(row, outcome->header_bytes);
    add_bytea(row, outcome->proof);
}

/* Each adds row `index` to the columns of its table, if it belongs there. */
static void add_transaction(struct cursor *row, const struct rows *rows, size_t index)
{
    const struct rows_tx *tx = &rows->txs.items[index];
    add_position(row, tx);
    add_bytea(row, hash_span(&tx->tx_id));
    add_int4(row, tx->kind);
    add_text(row, tx->event_id);
    bool has_producer = tx->kind != TX_VALIDATOR_EVIDENCE;
    add_bytea(row, span_of(tx->producer.bytes, has_producer ? SIGN_PUBLIC_BYTES : 0));
    add_int8(row, tx->ts);
    add_bytea(row, tx->body);
}

static void add_receipt(struct cursor *row, const struct rows *rows, size_t index)
{
    const struct rows_tx *tx = &rows->txs.items[index];
    add_position(row, tx);
    add_bytea(row, tx->receipt);
}

static void add_anomaly(struct cursor *row, const struct rows *rows, size_t index)
{
    const struct rows_anomaly *anomaly = &rows->anomalies.items[index];
    const struct record_anomaly *record = &anomaly->record;
    add_position(row, anomaly->tx);
    add_text(row, anomaly->tx->event_id);
    add_text(row, record->type);
    add_int4(row, record->severity);
    add_int4(row, record->confidence_ppm);
    add_text(row, record->source);
    add_int8(row, record->ts);
    add_text(row, record->status);
    add_bytea(row, record->producer);
    add_bytea(row, record->tx_id);
}

static void add_evidence(struct cursor *row, const struct rows *rows, size_t index)
{
    const struct rows_evidence *evidence = &rows->evidence.items[index];
    const struct record_evidence *record = &evidence->record;
    add_position(row, evidence->tx);
    add_text(row, evidence->tx->event_id);
    add_text(row, record->type);
    add_bytea(row, evidence->refs);
    add_bytea(row, record->content_hash);
    add_int4(row, record->custody_count);
    add_int8(row, record->ts);
    add_text(row, record->status);
    add_bytea(row, record->producer);
    add_bytea(row, record->tx_id);
}

static void add_policy(struct cursor *row, const struct rows *rows, size_t index)
{
    const struct rows_policy *policy = &rows->policies.items[index];
    const struct record_policy *record = &policy->record;
    add_position(row, policy->tx);
    add_text(row, policy->tx->event_id);
    add_text(row, record->rule);
    add_text(row, record->action);
    add_text(row, record->policy_id);
    add_text(row, policy->targets);
    add_int8(row, record->ttl_s);
    add_int8(row, record->expires_at_s);
    add_bool(row, record->active);
    add_int8(row, record->ts);
    add_bytea(row, record->content_hash);
    add_bytea(row, record->producer);
    add_bytea(row, record->tx_id);
}

static void add_consensus_evidence(struct cursor *row, const struct rows *rows, size_t index)
{
    const struct rows_validator_evidence *evidence = &rows->validator_evidence.items[index];
    add_bytea(row, hash_span(&evidence->offender));
    add_int4(row, evidence->kind);
    add_int8(row, (int64_t)evidence->view);
    add_position(row, evidence->tx);
    add_int8(row, evidence->tx->ts);
    add_bytea(row, hash_span(&evidence->tx->tx_id));
}

static void add_producer(struct cursor *row, const struct rows *rows, size_t index)
{
    const struct rows_producer *producer = &rows->producers.items[index];
    add_bytea(row, span_of(producer->key, sizeof producer->key));
    add_text(row, producer->record.name);
    add_int4(row, producer->record.roles);
    add_bool(row, producer->record.active);
    add_int8(row, (int64_t)producer->height);
}

static void add_validator(struct cursor *row, const struct rows *rows, size_t index)
{
    const struct rows_validator *validator = &rows->validators.items[index];
    const struct record_validator *record = &validator->record;
    add_bytea(row, span_of(validator->id, sizeof validator->id));
    add_int4(row, record->index);
    add_text(row, record->name);
    add_bytea(row, record->sign_key);
    add_bool(row, record->active);
    add_int8(row, (int64_t)validator->height);
    add_int4(row, record->reputation_ppm);
    add_int8(row, record->blocks_proposed);
    add_int8(row, record->blocks_committed);
    add_int8(row, record->views_missed);
    add_int8(row, record->last_active_height);
}

static void add_state(struct cursor *row, const struct rows *rows, size_t index)
{
    const struct rows_state *state = &rows->states.items[index];
    if (state->deleted)
        return;
    add_text(row, state->key);
    add_bytea(row, state->value);
    add_int8(row, (int64_t)state->height);
}

static void add_state_deleted(struct cursor *row, const struct rows *rows, size_t index)
{
    if (rows->states.items[index].deleted)
        add_text(row, rows->states.items[index].key);
}

const struct table tables[TABLE_COUNT] = {
    [TABLE_TRANSACTIONS] = {&insert_transactions,
                            8,
                            {PG_INT8, PG_INT4, PG_BYTEA, PG_INT4, PG_TEXT, PG_BYTEA, PG_INT8, PG_BYTEA}},
    [TABLE_RECEIPTS] = {&insert_receipts, 3, {PG_INT8, PG_INT4, PG_BYTEA}},
    [TABLE_ANOMALIES] = {&insert_anomalies,
                         11,
                         {PG_INT8, PG_INT4, PG_TEXT, PG_TEXT, PG_INT4, PG_INT4, PG_TEXT, PG_INT8, PG_TEXT, PG_BYTEA,
                          PG_BYTEA}},
    [TABLE_EVIDENCE] = {&insert_evidence,
                        11,
                        {PG_INT8, PG_INT4, PG_TEXT, PG_TEXT, PG_BYTEA, PG_BYTEA, PG_INT4, PG_INT8, PG_TEXT, PG_BYTEA,
                         PG_BYTEA}},
    [TABLE_POLICIES] = {&insert_policies,
                        14,
                        {PG_INT8, PG_INT4, PG_TEXT, PG_TEXT, PG_TEXT, PG_TEXT, PG_TEXT, PG_INT8, PG_INT8, PG_BOOL,
                         PG_INT8, PG_BYTEA, PG_BYTEA, PG_BYTEA}},
    [TABLE_CONSENSUS_EVIDENCE] = {&insert_consensus_evidence,
                                  7,
                                  {PG_BYTEA, PG_INT4, PG_INT8, PG_INT8, PG_INT4, PG_INT8, PG_BYTEA}},
    [TABLE_PRODUCERS] = {&put_producers, 5, {PG_BYTEA, PG_TEXT, PG_INT4, PG_BOOL, PG_INT8}},
    [TABLE_VALIDATORS] = {&put_validators,
                          11,
                          {PG_BYTEA, PG_INT4, PG_TEXT, PG_BYTEA, PG_BOOL, PG_INT8, PG_INT4, PG_INT8, PG_INT8, PG_INT8,
                           PG_INT8}},
    [TABLE_STATE] = {&put_state, 3, {PG_TEXT, PG_BYTEA, PG_INT8}},
    [TABLE_STATE_DELETED] = {&delete_state, 1, {PG_TEXT}},
};

static void (*const adders[TABLE_COUNT])(struct cursor *row, const struct rows *rows, size_t index) = {
    [TABLE_TRANSACTIONS] = add_transaction,
    [TABLE_RECEIPTS] = add_receipt,
    [TABLE_ANOMALIES] = add_anomaly,
    [TABLE_EVIDENCE] = add_evidence,
    [TABLE_POLICIES] = add_policy,
    [TABLE_CONSENSUS_EVIDENCE] = add_consensus_evidence,
    [TABLE_PRODUCERS] = add_producer,
    [TABLE_VALIDATORS] = add_validator,
    [TABLE_STATE] = add_state,
    [TABLE_STATE_DELETED] = add_state_deleted,
};

void tables_add_row(enum table_index table, struct pg_array *columns, const struct rows *rows, size_t index)
{
    adders[table](&(struct cursor){columns}, rows, index);
}

size_t tables_row_count(const struct rows *rows, enum table_index table)
{
    switch (table) {
    case TABLE_TRANSACTIONS:
    case TABLE_RECEIPTS:
        return rows->txs.count;
    case TABLE_ANOMALIES:
        return rows->anomalies.count;
    case TABLE_EVIDENCE:
        return rows->evidence.count;
    case TABLE_POLICIES:
        return rows->policies.count;
    case TABLE_CONSENSUS_EVIDENCE:
        return rows->validator_evidence.count;
    case TABLE_PRODUCERS:
        return rows->producers.count;
    case TABLE_VALIDATORS:
        return rows->validators.count;
    case TABLE_STATE:
    case TABLE_STATE_DELETED:
        return rows->states.count;
    case TABLE_COUNT:
        break;
    }
    return 0;
}
