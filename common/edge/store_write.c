/* store_write.c - tables and writes of the adapter of LMDB: lists of operations, each in one synced transaction. */
#include "common/edge/store_state.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/err.h"
#include "common/edge/log.h"

/* Double the map up to its limit. No transaction may be open. Returns 0, ERR_FULL or -errno. */
static int map_grow(struct store *self)
{
    uint64_t map_bytes = self->map_bytes > self->map_bytes_max / 2 ? self->map_bytes_max : self->map_bytes * 2;
    if (map_bytes <= self->map_bytes) {
        log_error("store.full", "path=%s map_bytes=%" PRIu64, LOG_QUOTE_TEXT(self->path), self->map_bytes);
        return ERR_FULL;
    }
    int rc = mdb_env_set_mapsize(self->env, map_bytes);
    if (rc != 0)
        return store_error(self, rc, "grow");
    self->map_bytes = map_bytes;
    log_info("store.grown", "path=%s map_bytes=%" PRIu64, LOG_QUOTE_TEXT(self->path), map_bytes);
    return 0;
}

/* Returns LMDB's code; the transaction is over in any case. */
static int transaction_once(struct store *self, int (*fill)(MDB_txn *txn, void *argument), void *argument)
{
    MDB_txn *txn;
    int rc = mdb_txn_begin(self->env, NULL, self->read_only ? MDB_RDONLY : 0, &txn);
    if (rc != 0)
        return rc;
    rc = fill(txn, argument);
    if (rc == 0)
        return mdb_txn_commit(txn);
    mdb_txn_abort(txn);
    return rc;
}

/* Run fill() in a write transaction and sync it; again with a larger map while the map is full. */
static int transaction_run(struct store *self, int (*fill)(MDB_txn *txn, void *argument), void *argument)
{
    assert(self->reader_count == 0); /* no writing inside a visitor */
    int rc = transaction_once(self, fill, argument);
    while (rc == MDB_MAP_FULL) {
        int grown = map_grow(self);
        if (grown < 0)
            return grown;
        rc = transaction_once(self, fill, argument);
    }
    return store_error(self, rc, "write");
}

struct table_wanted {
    const char *name;
    unsigned flags;
    unsigned create;
    MDB_dbi dbi;
};

static int table_fill(MDB_txn *txn, void *argument)
{
    struct table_wanted *wanted = argument;
    unsigned flags;
    int rc = mdb_dbi_open(txn, wanted->name, wanted->create | wanted->flags, &wanted->dbi);
    if (rc == 0)
        rc = mdb_dbi_flags(txn, wanted->dbi, &flags);
    if (rc == 0 && (flags & MDB_INTEGERKEY) != wanted->flags)
        rc = MDB_INCOMPATIBLE;
    return rc;
}

int store_table_open(struct store *self, const char *name, enum store_keys keys, struct store_table *out)
{
    if (name[0] == '\0' || strlen(name) >= STORE_NAME_BYTES_MAX)
        return -EINVAL;
    struct table_wanted wanted = {.name = name,
                                  .flags = keys == STORE_KEYS_HEIGHT ? MDB_INTEGERKEY : 0,
                                  .create = self->read_only ? 0 : MDB_CREATE};
    int rc = transaction_run(self, table_fill, &wanted);
    if (rc == 0)
        *out = (struct store_table){.id_ = wanted.dbi, .keys = keys};
    return rc;
}

static bool op_is_valid(const struct store_op *op)
{
    switch (op->kind) {
    case STORE_PUT:
        return store_key_is_valid(op->table, &op->key) && op->value.size <= STORE_VALUE_BYTES_MAX;
    case STORE_APPEND:
        return op->table.keys == STORE_KEYS_HEIGHT && op->value.size <= STORE_VALUE_BYTES_MAX;
    case STORE_DELETE:
        return store_key_is_valid(op->table, &op->key);
    case STORE_DELETE_BELOW:
    case STORE_DELETE_FROM:
        return op->table.keys == STORE_KEYS_HEIGHT;
    }
    return false;
}

static int value_put(MDB_txn *txn, const struct store_op *op, unsigned flags)
{
    MDB_val key = store_val_of_key(op->table, &op->key);
    MDB_val value = {.mv_size = op->value.size + STORE_CHECKSUM_BYTES};
    int rc = mdb_put(txn, op->table.id_, &key, &value, MDB_RESERVE | flags);
    if (rc != 0)
        return rc;
    uint8_t *bytes = value.mv_data;
    if (op->value.size > 0)
        memcpy(bytes, op->value.data, op->value.size);
    store_checksum(bytes + op->value.size, &key, op->value);
    return 0;
}

static int value_delete(MDB_txn *txn, const struct store_op *op)
{
    MDB_val key = store_val_of_key(op->table, &op->key);
    int rc = mdb_del(txn, op->table.id_, &key, NULL);
    return rc == MDB_NOTFOUND ? 0 : rc;
}

/* Remove from one end of the table while the height there is in the range of the operation. */
static int range_delete(MDB_txn *txn, const struct store_op *op)
{
    bool below = op->kind == STORE_DELETE_BELOW;
    MDB_cursor *cursor;
    int rc = mdb_cursor_open(txn, op->table.id_, &cursor);
    if (rc != 0)
        return rc;
    for (;;) {
        MDB_val key, value;
        uint64_t height;
        rc = mdb_cursor_get(cursor, &key, &value, below ? MDB_FIRST : MDB_LAST);
        if (rc != 0)
            break;
        if (key.mv_size != sizeof height) {
            rc = MDB_CORRUPTED;
            break;
        }
        memcpy(&height, key.mv_data, sizeof height);
        if (below ? height >= op->key.height : height < op->key.height)
            break;
        rc = mdb_cursor_del(cursor, 0);
        if (rc != 0)
            break;
    }
    mdb_cursor_close(cursor);
    return rc == MDB_NOTFOUND ? 0 : rc;
}

struct ops {
    const struct store_op *items;
    size_t count;
};

static int op_apply(MDB_txn *txn, const struct store_op *op)
{
    switch (op->kind) {
    case STORE_PUT:
        return value_put(txn, op, 0);
    case STORE_APPEND:
        return value_put(txn, op, MDB_APPEND);
    case STORE_DELETE:
        return value_delete(txn, op);
    case STORE_DELETE_BELOW:
    case STORE_DELETE_FROM:
        return range_delete(txn, op);
    }
    return EINVAL;
}

static int ops_fill(MDB_txn *txn, void *argument)
{
    const struct ops *ops = argument;
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < ops->count; i++)
        rc = op_apply(txn, &ops->items[i]);
    return rc;
}

int store_write(struct store *self, const struct store_op *ops, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!op_is_valid(&ops[i]))
            return -EINVAL;
    }
    struct ops all = {.items = ops, .count = count};
    return transaction_run(self, ops_fill, &all);
}
