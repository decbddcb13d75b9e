/* store_read.c - reads of the adapter of LMDB: every value is checked before it is shown. */
#include "common/edge/store_state.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/err.h"

/* Check what was read and take it apart. Returns 0 or ERR_CORRUPT. */
static int entry_of(const struct store *self, struct store_table table, const MDB_val *key, const MDB_val *value,
                    struct store_entry *out)
{
    struct store_entry entry = {.sequence = self->snapshot};
    if (value->mv_size < STORE_CHECKSUM_BYTES)
        return store_corrupt(self, "a value is too short");
    entry.value = span_of(value->mv_data, value->mv_size - STORE_CHECKSUM_BYTES);
    uint8_t wanted[STORE_CHECKSUM_BYTES];
    store_checksum(wanted, key, entry.value);
    if (memcmp(wanted, entry.value.data + entry.value.size, STORE_CHECKSUM_BYTES) != 0)
        return store_corrupt(self, "a value's checksum is wrong");
    if (table.keys == STORE_KEYS_BYTES)
        entry.key.bytes = span_of(key->mv_data, key->mv_size);
    else if (key->mv_size == sizeof entry.key.height)
        memcpy(&entry.key.height, key->mv_data, sizeof entry.key.height);
    else
        return store_corrupt(self, "a height has a wrong size");
    *out = entry;
    return 0;
}

static int read_begin(struct store *self, MDB_txn **out)
{
    int rc = mdb_txn_begin(self->env, NULL, MDB_RDONLY, out);
    if (rc == 0) {
        self->reader_count++;
        self->snapshot = mdb_txn_id(*out);
    }
    return store_error(self, rc, "read");
}

static void read_end(struct store *self, MDB_txn *txn)
{
    mdb_txn_abort(txn);
    self->reader_count--;
}

int store_get(struct store *self, struct store_table table, struct store_key key, store_visit_fn *visit, void *context)
{
    if (!store_key_is_valid(table, &key))
        return -EINVAL;
    MDB_txn *txn;
    int rc = read_begin(self, &txn);
    if (rc < 0)
        return rc;
    MDB_val wanted = store_val_of_key(table, &key);
    MDB_val value;
    struct store_entry entry = {0};
    rc = store_error(self, mdb_get(txn, table.id_, &wanted, &value), "get");
    if (rc == 0)
        rc = entry_of(self, table, &wanted, &value, &entry);
    if (rc == 0)
        rc = visit(context, &entry);
    read_end(self, txn);
    return rc;
}

struct copy {
    uint8_t *data;
    size_t size;
};

static int copy_visit(void *context, const struct store_entry *entry)
{
    struct copy *copy = context;
    copy->size = entry->value.size;
    if (copy->size == 0)
        return 0;
    copy->data = malloc(copy->size);
    if (!copy->data)
        return -ENOMEM;
    memcpy(copy->data, entry->value.data, copy->size);
    return 0;
}

int store_get_copy(struct store *self, struct store_table table, struct store_key key, uint8_t **out, size_t *size)
{
    struct copy copy = {0};
    int rc = store_get(self, table, key, copy_visit, &copy);
    if (rc == 0) {
        *out = copy.data;
        *size = copy.size;
    }
    return rc;
}

/* One walk: from the first key on, while the entry is wanted. */
struct walk {
    struct store_table table;
    MDB_val first; /* size 0: from the start */
    bool (*wanted)(const struct walk *walk, const struct store_entry *entry);
    uint64_t last;
    struct span prefix;
    store_visit_fn *visit;
    void *context;
};

static int walk_cursor(struct store *self, const struct walk *walk, MDB_cursor *cursor)
{
    MDB_val key = walk->first;
    MDB_val value;
    MDB_cursor_op move = key.mv_size > 0 ? MDB_SET_RANGE : MDB_FIRST;
    for (;;) {
        struct store_entry entry;
        int rc = store_error(self, mdb_cursor_get(cursor, &key, &value, move), "walk");
        if (rc == ERR_NOT_FOUND)
            return 0;
        if (rc == 0)
            rc = entry_of(self, walk->table, &key, &value, &entry);
        if (rc < 0)
            return rc;
        if (!walk->wanted(walk, &entry))
            return 0;
        rc = walk->visit(walk->context, &entry);
        if (rc != 0)
            return rc;
        move = MDB_NEXT;
    }
}

static int walk_run(struct store *self, const struct walk *walk)
{
    MDB_txn *txn;
    MDB_cursor *cursor;
    int rc = read_begin(self, &txn);
    if (rc < 0)
        return rc;
    rc = store_error(self, mdb_cursor_open(txn, walk->table.id_, &cursor), "walk");
    if (rc == 0) {
        rc = walk_cursor(self, walk, cursor);
        mdb_cursor_close(cursor);
    }
    read_end(self, txn);
    return rc;
}

static bool height_is_wanted(const struct walk *walk, const struct store_entry *entry)
{
    return entry->key.height <= walk->last;
}

int store_each_height(struct store *self, struct store_table table, struct store_range range, store_visit_fn *visit,
                      void *context)
{
    assert(table.keys == STORE_KEYS_HEIGHT);
    struct walk walk = {.table = table,
                        .first = store_val(&range.first, sizeof range.first),
                        .wanted = height_is_wanted,
                        .last = range.last,
                        .visit = visit,
                        .context = context};
    return walk_run(self, &walk);
}

static bool prefix_is_wanted(const struct walk *walk, const struct store_entry *entry)
{
    const struct span key = entry->key.bytes;
    return key.size >= walk->prefix.size && span_equal(span_of(key.data, walk->prefix.size), walk->prefix);
}

int store_each_bytes(struct store *self, struct store_table table, struct span prefix, store_visit_fn *visit,
                     void *context)
{
    assert(table.keys == STORE_KEYS_BYTES);
    if (prefix.size > STORE_KEY_BYTES_MAX)
        return 0;
    struct walk walk = {.table = table,
                        .first = store_val(prefix.data, prefix.size),
                        .wanted = prefix_is_wanted,
                        .prefix = prefix,
                        .visit = visit,
                        .context = context};
    return walk_run(self, &walk);
}

/* The height at one end of a table; values are not looked at. */
static int end_height(struct store *self, struct store_table table, MDB_cursor_op end, uint64_t *out)
{
    assert(table.keys == STORE_KEYS_HEIGHT);
    MDB_txn *txn;
    MDB_cursor *cursor;
    MDB_val key, value;
    int rc = read_begin(self, &txn);
    if (rc < 0)
        return rc;
    rc = mdb_cursor_open(txn, table.id_, &cursor);
    if (rc == 0) {
        rc = mdb_cursor_get(cursor, &key, &value, end);
        mdb_cursor_close(cursor);
    }
    rc = store_error(self, rc, "end");
    if (rc == 0 && key.mv_size != sizeof *out)
        rc = store_corrupt(self, "a height has a wrong size");
    if (rc == 0)
        memcpy(out, key.mv_data, sizeof *out);
    read_end(self, txn);
    return rc;
}

int store_first_height(struct store *self, struct store_table table, uint64_t *out)
{
    return end_height(self, table, MDB_FIRST, out);
}

int store_last_height(struct store *self, struct store_table table, uint64_t *out)
{
    return end_height(self, table, MDB_LAST, out);
}
