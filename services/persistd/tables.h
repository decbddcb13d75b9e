/* tables.h - the tables that persistd writes: the statement of each, and how a row becomes columns.
 *
 * Pure but for memory. Ownership: nothing is kept.
 */
#pragma once

#include "common/edge/pg.h"
#include "services/persistd/rows.h"

enum { TABLES_COLUMNS_MAX = 16 };

/* All but blocks, in the order in which they are written. */
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

struct table {
    const struct pg_statement *statement; /* one array per column */
    uint32_t column_count;
    enum pg_type types[TABLES_COLUMNS_MAX];
};

extern const struct table tables[TABLE_COUNT];

/* How many rows are to be written to the table. */
size_t tables_row_count(const struct rows *rows, enum table_index table);

/* Add one of them to the table's columns. One that is nothing to the table adds nothing. */
void tables_add_row(enum table_index table, struct pg_array *columns, const struct rows *rows, size_t index);

/* Blocks have all TABLES_COLUMNS_MAX columns, and two parameters more: the height and hash that must be the last. */
extern const struct pg_statement tables_insert_blocks;
extern const enum pg_type tables_block_types[TABLES_COLUMNS_MAX];
void tables_add_block(struct pg_array *columns, const struct rows_block *block);
