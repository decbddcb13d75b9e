/* database.c - the database as persistd writes it.
 *
 * Rows go in as arrays, one per column (tables.c), in chunks. There is no question before a write: that the run is what
 * comes next is a condition inside the INSERT of its blocks. When it does not hold, the whole transaction is refused.
 * Only then is the database asked what it has.
 */
#include "services/persistd/database.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/base/err.h"
#include "common/edge/log.h"
#include "services/persistd/tables.h"

enum { ROLE_BYTES_MAX = 255 };

struct database {
    struct database_options options;
    struct pg *pg;
    struct pg_array columns[TABLE_COUNT][TABLES_COLUMNS_MAX];
    struct pg_array block_columns[TABLES_COLUMNS_MAX];
};

/* --- questions ---------------------------------------------------------------------------------------------------- */

static const struct pg_statement read_tip = {
    .name = "read_tip", .sql = "SELECT height::int8, hash::bytea FROM blocks ORDER BY height DESC LIMIT 1"};

static const struct pg_statement read_genesis = {.name = "read_genesis",
                                                 .sql = "SELECT header::bytea FROM blocks WHERE height = 0"};

static const struct pg_statement read_hashes = {
    .name = "read_hashes",
    .sql =
        "SELECT height::int8, hash::bytea FROM blocks WHERE height >= $1::int8 AND height <= $2::int8 ORDER BY height"};

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
    for (size_t i = 0; i < TABLES_COLUMNS_MAX; i++)
        pg_array_init(&self->block_columns[i], tables_block_types[i]);
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
    for (size_t i = 0; i < TABLES_COLUMNS_MAX; i++)
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
    size_t count = tables_row_count(rows, index);
    for (size_t i = 0; i < count; i++) {
        tables_add_row(index, columns, rows, i);
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
        tables_add_block(self->block_columns, &rows->blocks.items[i]);
    for (size_t i = 0; i < TABLES_COLUMNS_MAX; i++)
        pg_param_array(&params, &self->block_columns[i]);
    if (tip->exists) {
        pg_param_int8(&params, (int64_t)tip->height);
        pg_param_bytea(&params, span_of(tip->id.bytes, HASH_BYTES));
    } else {
        pg_param_null(&params, PG_INT8);
        pg_param_null(&params, PG_BYTEA);
    }
    return pg_pipeline_add(self->pg, &tables_insert_blocks, &params);
}

static void reset_columns(struct database *self)
{
    for (size_t i = 0; i < TABLE_COUNT; i++) {
        for (uint32_t j = 0; j < tables[i].column_count; j++)
            pg_array_reset(&self->columns[i][j]);
    }
    for (size_t i = 0; i < TABLES_COLUMNS_MAX; i++)
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
        if (!span_equal(hash, span_of(block->outcome->block_id.bytes, HASH_BYTES)))
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
