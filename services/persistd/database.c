/* database.c - the database as persistd writes it.
 *
 * Rows go in as arrays, one per column, in chunks. There is no question before a write: that the run is what comes next
 * is a condition inside the INSERT of its blocks. When it does not hold, the height becomes NULL, which the table
 * refuses, and with it the whole transaction. Only then is the database asked what it has.
 */
#include "services/persistd/database.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/base/err.h"
#include "common/edge/log.h"

enum { COLUMNS_MAX = 16, ROLE_BYTES_MAX = 255 };

enum table_index {
    TABLE_TRANSACTIONS,
    TABLE_RECEIPTS,
    TABLE_ANOMALIES,
    TABLE_EVIDENCE,
    TABLE_POLICIES,
    TABLE_CONSENSUS_EVIDENCE,
    TABLE_PRODUCERS,
    TABLE_VALIDATORS,
    TABLE_STATE,
    TABLE_STATE_DELETED,
    TABLE_COUNT
};

struct database {
    struct database_options options;
    struct pg *pg;
    struct pg_array columns[TABLE_COUNT][COLUMNS_MAX];
    struct pg_array block_columns[COLUMNS_MAX];
};

/* --- statements --------------------------------------------------------------------------------------------------- */

static const struct pg_statement insert_blocks = {
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

static const enum pg_type block_types[COLUMNS_MAX] = {PG_INT8,  PG_BYTEA, PG_BYTEA, PG_INT8, PG_BYTEA, PG_INT8,
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

static const struct pg_statement read_tip = {
    .name = "read_tip", .sql = "SELECT height::int8, hash::bytea FROM blocks ORDER BY height DESC LIMIT 1"};

static const struct pg_statement read_genesis = {.name = "read_genesis",
                                                 .sql = "SELECT header::bytea FROM blocks WHERE height = 0"};

static const struct pg_statement read_hashes = {
    .name = "read_hashes",
    .sql =
        "SELECT height::int8, hash::bytea FROM blocks WHERE height >= $1::int8 AND height <= $2::int8 ORDER BY height"};

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

static void add_block(struct cursor *row, const struct rows_block *block)
{
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

struct table {
    const struct pg_statement *statement;
    void (*add)(struct cursor *row, const struct rows *rows, size_t index);
    uint32_t column_count;
    enum pg_type types[COLUMNS_MAX];
};

static const struct table tables[TABLE_COUNT] = {
    [TABLE_TRANSACTIONS] = {&insert_transactions,
                            add_transaction,
                            8,
                            {PG_INT8, PG_INT4, PG_BYTEA, PG_INT4, PG_TEXT, PG_BYTEA, PG_INT8, PG_BYTEA}},
    [TABLE_RECEIPTS] = {&insert_receipts, add_receipt, 3, {PG_INT8, PG_INT4, PG_BYTEA}},
    [TABLE_ANOMALIES] = {&insert_anomalies,
                         add_anomaly,
                         11,
                         {PG_INT8, PG_INT4, PG_TEXT, PG_TEXT, PG_INT4, PG_INT4, PG_TEXT, PG_INT8, PG_TEXT, PG_BYTEA,
                          PG_BYTEA}},
    [TABLE_EVIDENCE] = {&insert_evidence,
                        add_evidence,
                        11,
                        {PG_INT8, PG_INT4, PG_TEXT, PG_TEXT, PG_BYTEA, PG_BYTEA, PG_INT4, PG_INT8, PG_TEXT, PG_BYTEA,
                         PG_BYTEA}},
    [TABLE_POLICIES] = {&insert_policies,
                        add_policy,
                        14,
                        {PG_INT8, PG_INT4, PG_TEXT, PG_TEXT, PG_TEXT, PG_TEXT, PG_TEXT, PG_INT8, PG_INT8, PG_BOOL,
                         PG_INT8, PG_BYTEA, PG_BYTEA, PG_BYTEA}},
    [TABLE_CONSENSUS_EVIDENCE] = {&insert_consensus_evidence,
                                  add_consensus_evidence,
                                  7,
                                  {PG_BYTEA, PG_INT4, PG_INT8, PG_INT8, PG_INT4, PG_INT8, PG_BYTEA}},
    [TABLE_PRODUCERS] = {&put_producers, add_producer, 5, {PG_BYTEA, PG_TEXT, PG_INT4, PG_BOOL, PG_INT8}},
    [TABLE_VALIDATORS] = {&put_validators,
                          add_validator,
                          11,
                          {PG_BYTEA, PG_INT4, PG_TEXT, PG_BYTEA, PG_BOOL, PG_INT8, PG_INT4, PG_INT8, PG_INT8, PG_INT8,
                           PG_INT8}},
    [TABLE_STATE] = {&put_state, add_state, 3, {PG_TEXT, PG_BYTEA, PG_INT8}},
    [TABLE_STATE_DELETED] = {&delete_state, add_state_deleted, 1, {PG_TEXT}},
};

static size_t row_count(const struct rows *rows, enum table_index table)
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

/* --- life --------------------------------------------------------------------------------------------------------- */

int database_new(struct database **out, const struct database_options *options)
{
    struct database *self = calloc(1, sizeof *self);
    if (!self)
        return -ENOMEM;
    self->options = *options;
    for (size_t i = 0; i < TABLE_COUNT; i++) {
        for (uint32_t j = 0; j < tables[i].column_count; j++)
            pg_array_init(&self->columns[i][j], tables[i].types[j]);
    }
    for (size_t i = 0; i < COLUMNS_MAX; i++)
        pg_array_init(&self->block_columns[i], block_types[i]);
    *out = self;
    return 0;
}

void database_destroy(struct database **self)
{
    if (!self || !*self)
        return;
    pg_destroy(&(*self)->pg);
    for (size_t i = 0; i < TABLE_COUNT; i++) {
        for (uint32_t j = 0; j < tables[i].column_count; j++)
            pg_array_deinit(&(*self)->columns[i][j]);
    }
    for (size_t i = 0; i < COLUMNS_MAX; i++)
        pg_array_deinit(&(*self)->block_columns[i]);
    free(*self);
    *self = NULL;
}

/* --- opening ------------------------------------------------------------------------------------------------------ */

static int retry_of(int rc)
{
    return rc > 0 ? ERR_RETRY : rc;
}

static int grant(struct database *self)
{
    char sql[64 + ROLE_BYTES_MAX];
    if (!self->options.reader_role)
        return 0;
    int size =
        snprintf(sql, sizeof sql, "GRANT SELECT ON ALL TABLES IN SCHEMA public TO \"%s\"", self->options.reader_role);
    if (size < 0 || (size_t)size >= sizeof sql)
        return -EINVAL;
    return retry_of(pg_command(self->pg, "grant_reader", sql));
}

static int check_chain(struct database *self)
{
    CLEANUP(pg_result_destroy) struct pg_result *result = NULL;
    int rc = retry_of(pg_exec(self->pg, &read_genesis, NULL, &result));
    if (rc < 0 || pg_result_rows(result) == 0)
        return rc;
    struct block_header header;
    if (block_header_decode(&header, pg_result_span(result, 0, 0)) == 0 &&
        hash_equal(&header.chain_id, &self->options.chain_id))
        return 0;
    log_error("database.conflict", "chain_id=%s why=\"the database holds blocks of another genesis file\"",
              LOG_HASH(&self->options.chain_id));
    return ERR_CONFLICT;
}

static int get_tip(struct pg *pg, struct persist_tip *out)
{
    CLEANUP(pg_result_destroy) struct pg_result *result = NULL;
    int rc = retry_of(pg_exec(pg, &read_tip, NULL, &result));
    if (rc < 0)
        return rc;
    struct persist_tip tip = {0};
    if (pg_result_rows(result) > 0) {
        struct span hash = pg_result_span(result, 0, 1);
        if (hash.size != HASH_BYTES)
            return ERR_CORRUPT;
        tip.exists = true;
        tip.height = (uint64_t)pg_result_int(result, 0, 0);
        memcpy(tip.id.bytes, hash.data, HASH_BYTES);
    }
    *out = tip;
    return 0;
}

int database_exchange_certificate(struct database *self, struct span offered, struct genesis_store_certificate *out)
{
    return self->pg ? retry_of(genesis_store_exchange(self->pg, &self->options.chain_id, offered, out)) : ERR_PEER_GONE;
}

int database_open(struct database *self, struct persist_tip *tip)
{
    const struct database_options *options = &self->options;
    pg_destroy(&self->pg);
    int rc = pg_connect(&self->pg, &(struct pg_options){.dsn = options->dsn,
                                                        .password_file = options->password_file,
                                                        .application_name = "persistd",
                                                        .reply_timeout_ms = DATABASE_REPLY_MS_MAX,
                                                        .statement_timeout_ms = DATABASE_STATEMENT_MS_MAX});
    if (rc == 0)
        rc = migrate_apply(self->pg, options->steps, options->step_count);
    if (rc == 0)
        rc = grant(self);
    if (rc == 0)
        rc = check_chain(self);
    if (rc == 0)
        rc = get_tip(self->pg, tip);
    if (rc < 0)
        pg_destroy(&self->pg);
    return rc;
}

/* --- writing ------------------------------------------------------------------------------------------------------ */

static int send_columns(struct pg *pg, const struct pg_statement *statement, struct pg_array *columns, uint32_t count)
{
    if (columns[0].count == 0)
        return 0;
    struct pg_params params;
    pg_params_init(&params);
    for (uint32_t i = 0; i < count; i++)
        pg_param_array(&params, &columns[i]);
    int rc = pg_pipeline_add(pg, statement, &params);
    for (uint32_t i = 0; i < count; i++)
        pg_array_reset(&columns[i]);
    return rc;
}

static size_t columns_bytes(const struct pg_array *columns, uint32_t count)
{
    size_t bytes = 0;
    for (uint32_t i = 0; i < count; i++)
        bytes += columns[i].size;
    return bytes;
}

static int send_table(struct database *self, enum table_index index, const struct rows *rows)
{
    const struct table *table = &tables[index];
    struct pg_array *columns = self->columns[index];
    size_t count = row_count(rows, index);
    for (size_t i = 0; i < count; i++) {
        table->add(&(struct cursor){columns}, rows, i);
        if (columns[0].count < DATABASE_CHUNK_ROWS_MAX &&
            columns_bytes(columns, table->column_count) < DATABASE_CHUNK_BYTES_MAX)
            continue;
        int rc = send_columns(self->pg, table->statement, columns, table->column_count);
        if (rc < 0)
            return rc;
    }
    return send_columns(self->pg, table->statement, columns, table->column_count);
}

static int send_blocks(struct database *self, const struct rows *rows, const struct persist_tip *tip)
{
    struct pg_params params;
    pg_params_init(&params);
    for (size_t i = 0; i < rows->blocks.count; i++)
        add_block(&(struct cursor){self->block_columns}, &rows->blocks.items[i]);
    for (size_t i = 0; i < COLUMNS_MAX; i++)
        pg_param_array(&params, &self->block_columns[i]);
    if (tip->exists) {
        pg_param_int8(&params, (int64_t)tip->height);
        pg_param_bytea(&params, hash_span(&tip->id));
    } else {
        pg_param_null(&params, PG_INT8);
        pg_param_null(&params, PG_BYTEA);
    }
    return pg_pipeline_add(self->pg, &insert_blocks, &params);
}

static void reset_columns(struct database *self)
{
    for (size_t i = 0; i < TABLE_COUNT; i++) {
        for (uint32_t j = 0; j < tables[i].column_count; j++)
            pg_array_reset(&self->columns[i][j]);
    }
    for (size_t i = 0; i < COLUMNS_MAX; i++)
        pg_array_reset(&self->block_columns[i]);
}

static int write_all(struct database *self, const struct rows *rows, const struct persist_tip *tip)
{
    reset_columns(self);
    int rc = pg_pipeline_begin(self->pg);
    if (rc < 0)
        return rc;
    rc = send_blocks(self, rows, tip);
    for (int i = 0; rc == 0 && i < TABLE_COUNT; i++)
        rc = send_table(self, (enum table_index)i, rows);
    if (rc < 0) {
        pg_pipeline_abort(self->pg);
        return rc;
    }
    return pg_pipeline_commit(self->pg);
}

/* --- after a refusal ---------------------------------------------------------------------------------------------- */

static int log_conflict(const struct rows_block *block, struct span there, const char *why)
{
    log_error("database.conflict", "height=%" PRIu64 " block=%s database=%s why=\"%s\"", block->outcome->height,
              LOG_HASH(&block->outcome->block_id), LOG_HEX(there), why);
    return ERR_CONFLICT;
}

/* What the database has at the run's heights: 0 and the number of blocks, all of them the run's, or ERR_CONFLICT. */
static int compare(struct database *self, const struct rows *rows, uint32_t *there)
{
    CLEANUP(pg_result_destroy) struct pg_result *result = NULL;
    uint64_t first = rows->blocks.items[0].outcome->height;
    struct pg_params params;
    pg_params_init(&params);
    pg_param_int8(&params, (int64_t)first);
    pg_param_int8(&params, (int64_t)(first + rows->blocks.count - 1));
    int rc = retry_of(pg_exec(self->pg, &read_hashes, &params, &result));
    if (rc < 0)
        return rc;
    uint32_t count = pg_result_rows(result);
    for (uint32_t i = 0; i < count; i++) {
        const struct rows_block *block = &rows->blocks.items[(uint64_t)pg_result_int(result, i, 0) - first];
        struct span hash = pg_result_span(result, i, 1);
        if (!span_equal(hash, hash_span(&block->outcome->block_id)))
            return log_conflict(block, hash, "the database has another block at this height");
    }
    *there = count;
    return 0;
}

/* The server refused the rows: because they are there, because others are, or because the tip is another one. */
static int explain(struct database *self, const struct rows *rows, const struct persist_tip *tip, int refusal)
{
    uint32_t there = 0;
    struct persist_tip now;
    int rc = compare(self, rows, &there);
    if (rc == ERR_CONFLICT)
        return rc;
    if (rc == 0 && there == rows->blocks.count)
        return 0;
    if (rc == 0)
        rc = get_tip(self->pg, &now);
    bool tip_is_same =
        rc == 0 && now.exists == tip->exists && now.height == tip->height && hash_equal(&now.id, &tip->id);
    if (!tip_is_same)
        return DATABASE_UNKNOWN;
    if (refusal == PG_DUPLICATE)
        return log_conflict(&rows->blocks.items[0], (struct span){0},
                            "the database has a transaction of this run in another block");
    return refusal;
}

int database_write(struct database *self, const struct rows *rows, const struct persist_tip *tip)
{
    assert(rows->blocks.count > 0);
    if (!self->pg)
        return DATABASE_UNKNOWN;
    int rc = write_all(self, rows, tip);
    switch (rc) {
    case 0:
    case -ENOMEM:
        return rc;
    case PG_RETRY:
        return DATABASE_RETRY;
    case PG_DUPLICATE:
    case -EIO:
        return explain(self, rows, tip, rc);
    case PG_UNKNOWN:
    case ERR_PEER_GONE:
    case ERR_RETRY:
    case -ETIMEDOUT:
        return DATABASE_UNKNOWN;
    default:
        return rc;
    }
}
