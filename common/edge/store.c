/* store.c - the adapter of LMDB.
 *
 * A write is a list of operations, not a handle, because a full map can be grown only while no transaction is open: the
 * list is simply carried out again. The directory lock makes us the only process and the owner's thread the only user,
 * so LMDB's own locks are off (MDB_NOLOCK) and no dead reader can keep pages from being used again; in return a write
 * inside a visitor is a bug, and asserted.
 *
 * LMDB has no checksums. Each value is followed by 8 bytes of SipHash over it, keyed by its key, so a value that rotted
 * or was swapped with another is found when it is read.
 */
#include "common/edge/store.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <lmdb.h>
#include <sodium.h>

#include "common/base/err.h"
#include "common/edge/dirsync.h"
#include "common/edge/log.h"

enum {
    CHECKSUM_BYTES = crypto_shorthash_BYTES,
    MAP_BYTES_MIN = 1024 * 1024,
};

static_assert(crypto_shorthash_KEYBYTES == 2 * sizeof(uint64_t), "a checksum's key is two words");
static_assert(sizeof(size_t) == sizeof(uint64_t), "MDB_INTEGERKEY keys are size_t");

struct store {
    MDB_env *env;
    int lock_fd;
    uint64_t map_bytes;
    uint64_t map_bytes_max;
    unsigned reader_count; /* visitors that run now */
    uint64_t snapshot;     /* sequence of what they see */
    bool read_only;
    char path[PATH_MAX];
};

/* --- errors ------------------------------------------------------------------------------------------------------- */

/* LMDB says positive errno values or its own negative codes. */
static int error_of(const struct store *self, int mdb_rc, const char *what)
{
    switch (mdb_rc) {
    case MDB_SUCCESS:
        return 0;
    case MDB_NOTFOUND:
        return ERR_NOT_FOUND;
    case MDB_KEYEXIST:
        return -EEXIST;
    case MDB_MAP_FULL:
    case MDB_DBS_FULL:
        return ERR_FULL;
    case MDB_INCOMPATIBLE:
    case MDB_BAD_VALSIZE:
        return -EINVAL;
    default:
        break;
    }
    log_error("store.failed", "path=%s action=%s error=%s", LOG_QUOTE_TEXT(self->path), what,
              LOG_QUOTE_TEXT(mdb_strerror(mdb_rc)));
    return mdb_rc > 0 ? -mdb_rc : ERR_CORRUPT;
}

/* LMDB found something impossible in its file; it aborts after this. */
static void env_broken(MDB_env *env, const char *text)
{
    const struct store *self = mdb_env_get_userctx(env);
    log_error("store.corrupt", "path=%s error=%s", LOG_QUOTE_TEXT(self->path), LOG_QUOTE_TEXT(text));
}

static int corrupt(const struct store *self, const char *what)
{
    log_error("store.corrupt", "path=%s error=\"%s\"", LOG_QUOTE_TEXT(self->path), what);
    return ERR_CORRUPT;
}

/* --- keys and values ---------------------------------------------------------------------------------------------- */

static bool key_is_valid(struct store_table table, const struct store_key *key)
{
    if (table.keys == STORE_KEYS_HEIGHT)
        return true;
    return key->bytes.data && key->bytes.size > 0 && key->bytes.size <= STORE_KEY_BYTES_MAX;
}

/* LMDB takes pointers without const and does not write through them. */
static MDB_val val_of(const void *data, size_t size)
{
    union {
        const void *in;
        void *out;
    } pointer = {.in = data};
    return (MDB_val){.mv_data = pointer.out, .mv_size = size};
}

/* The result points into *key. */
static MDB_val val_of_key(struct store_table table, const struct store_key *key)
{
    if (table.keys == STORE_KEYS_HEIGHT)
        return val_of(&key->height, sizeof key->height);
    return val_of(key->bytes.data, key->bytes.size);
}

static void checksum(uint8_t out[static CHECKSUM_BYTES], const MDB_val *key, struct span value)
{
    static const uint8_t domain[crypto_shorthash_KEYBYTES] = "cybermesh/store";
    uint8_t value_key[crypto_shorthash_KEYBYTES] = {0};
    crypto_shorthash(value_key, key->mv_data, key->mv_size, domain);
    crypto_shorthash(out, value.data, value.size, value_key);
}

/* Check what was read and take it apart. Returns 0 or ERR_CORRUPT. */
static int entry_of(const struct store *self, struct store_table table, const MDB_val *key, const MDB_val *value,
                    struct store_entry *out)
{
    struct store_entry entry = {.sequence = self->snapshot};
    if (value->mv_size < CHECKSUM_BYTES)
        return corrupt(self, "a value is too short");
    entry.value = span_of(value->mv_data, value->mv_size - CHECKSUM_BYTES);
    uint8_t wanted[CHECKSUM_BYTES];
    checksum(wanted, key, entry.value);
    if (memcmp(wanted, entry.value.data + entry.value.size, CHECKSUM_BYTES) != 0)
        return corrupt(self, "a value's checksum is wrong");
    if (table.keys == STORE_KEYS_BYTES)
        entry.key.bytes = span_of(key->mv_data, key->mv_size);
    else if (key->mv_size == sizeof entry.key.height)
        memcpy(&entry.key.height, key->mv_data, sizeof entry.key.height);
    else
        return corrupt(self, "a height has a wrong size");
    *out = entry;
    return 0;
}

/* --- opening ------------------------------------------------------------------------------------------------------ */

/* Make one directory and its entry durable. Returns 0 also when it exists. */
static int directory_make(const char *path)
{
    if (mkdir(path, S_IRWXU) < 0)
        return errno == EEXIST ? 0 : -errno;
    char parent[PATH_MAX + 4];
    snprintf(parent, sizeof parent, "%s/..", path);
    return dirsync(parent);
}

static int directories_make(const char *path)
{
    char part[PATH_MAX];
    size_t size = strlen(path);
    for (size_t i = 1; i <= size; i++) {
        if (path[i] != '/' && path[i] != '\0')
            continue;
        memcpy(part, path, i);
        part[i] = '\0';
        int rc = directory_make(part);
        if (rc < 0)
            return rc;
    }
    return 0;
}

static int directory_check(const char *path)
{
    struct stat status;
    if (stat(path, &status) < 0)
        return -errno;
    if (!S_ISDIR(status.st_mode))
        return -ENOTDIR;
    return status.st_uid == geteuid() && !(status.st_mode & (S_IWGRP | S_IWOTH)) ? 0 : ERR_PERMISSIONS;
}

/* The lock ends with our process, however it ends. */
static int directory_lock(struct store *self)
{
    char path[PATH_MAX + 8];
    snprintf(path, sizeof path, "%s/lock", self->path);
    self->lock_fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, S_IRUSR | S_IWUSR);
    if (self->lock_fd < 0)
        return -errno;
    if (flock(self->lock_fd, LOCK_EX | LOCK_NB) < 0)
        return errno == EWOULDBLOCK ? -EBUSY : -errno;
    return 0;
}

/* The bytes that the file should have, and has. */
static int file_sizes(struct store *self, int *fd, off_t *wanted, off_t *size)
{
    MDB_envinfo info;
    MDB_stat stat;
    struct stat status;
    int rc = mdb_env_info(self->env, &info);
    if (rc == 0)
        rc = mdb_env_stat(self->env, &stat);
    if (rc == 0)
        rc = mdb_env_get_fd(self->env, fd);
    if (rc != 0)
        return error_of(self, rc, "open");
    if (fstat(*fd, &status) < 0)
        return -errno;
    *wanted = (off_t)((info.me_last_pgno + 1) * stat.ms_psize);
    *size = status.st_size;
    return 0;
}

/* A file cut short would end us by SIGBUS. Zeros in place of what is missing are found as damage instead. */
static int file_extend(struct store *self)
{
    int fd = -1;
    off_t wanted = 0, size = 0;
    int rc = file_sizes(self, &fd, &wanted, &size);
    if (rc < 0 || size >= wanted)
        return rc;
    log_warn("store.short", "path=%s bytes=%lld wanted=%lld", LOG_QUOTE_TEXT(self->path), (long long)size,
             (long long)wanted);
    return ftruncate(fd, wanted) < 0 ? -errno : 0;
}

static int env_open(struct store *self, const struct store_options *options)
{
    int rc = mdb_env_create(&self->env);
    if (rc != 0)
        return error_of(self, rc, "create");
    mdb_env_set_userctx(self->env, self);
    mdb_env_set_assert(self->env, env_broken);
    rc = mdb_env_set_maxdbs(self->env, options->table_count_max);
    if (rc == 0)
        rc = mdb_env_set_mapsize(self->env, self->map_bytes);
    if (rc == 0)
        rc = mdb_env_open(self->env, self->path, MDB_NOLOCK | MDB_NOTLS | (self->read_only ? MDB_RDONLY : 0),
                          S_IRUSR | S_IWUSR);
    if (rc != 0)
        return error_of(self, rc, "open");
    MDB_envinfo info;
    rc = mdb_env_info(self->env, &info);
    if (rc != 0)
        return error_of(self, rc, "open");
    self->map_bytes = info.me_mapsize; /* a file that holds more has a larger map */
    return self->read_only ? 0 : file_extend(self);
}

static int options_check(const struct store_options *options)
{
    if (!options->path || options->path[0] == '\0' || strlen(options->path) >= PATH_MAX)
        return -EINVAL;
    if (options->map_bytes < MAP_BYTES_MIN || options->map_bytes_max < options->map_bytes)
        return -EINVAL;
    return options->table_count_max >= 1 && options->table_count_max <= STORE_TABLE_COUNT_MAX ? 0 : -EINVAL;
}

enum { PROBE_CORRUPT = 1, PROBE_FAILED };

/* In the child: nothing is written, and no destructor runs. */
static _Noreturn void probe_child(struct store *self, const struct store_options *options)
{
    static const int deadly[] = {SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL};
    for (size_t i = 0; i < ARRAY_COUNT(deadly); i++)
        signal(deadly[i], SIG_DFL);
    self->read_only = true;
    int rc = env_open(self, options);
    rc = rc == 0 ? options->probe(self) : rc;
    _exit(rc == 0 ? 0 : rc == ERR_CORRUPT ? PROBE_CORRUPT : PROBE_FAILED);
}

static bool file_exists(const struct store *self)
{
    char path[PATH_MAX + 16];
    snprintf(path, sizeof path, "%s/data.mdb", self->path);
    return access(path, F_OK) == 0;
}

/* Let a child process read first. Other failures than damage are left to us to meet. */
static int probe(struct store *self, const struct store_options *options)
{
    if (!options->probe || !file_exists(self))
        return 0;
    pid_t child = fork();
    if (child < 0)
        return -errno;
    if (child == 0)
        probe_child(self, options);
    int status = 0;
    while (waitpid(child, &status, 0) < 0) {
        if (errno != EINTR)
            return -errno;
    }
    if (WIFSIGNALED(status))
        return corrupt(self, "a page is damaged: the process that read it was ended by a signal");
    return WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == PROBE_FAILED ? 0 : ERR_CORRUPT;
}

static int store_open_all(struct store *self, const struct store_options *options)
{
    if (options->read_only) {
        int rc = file_exists(self) ? probe(self, options) : -ENOENT;
        return rc == 0 ? env_open(self, options) : rc;
    }
    int rc = directories_make(self->path);
    if (rc == 0)
        rc = directory_check(self->path);
    if (rc == 0)
        rc = directory_lock(self);
    if (rc == 0)
        rc = probe(self, options);
    if (rc == 0)
        rc = env_open(self, options);
    return rc == 0 ? dirsync(self->path) : rc;
}

int store_open(struct store **out, const struct store_options *options)
{
    int rc = options_check(options);
    if (rc < 0)
        return rc;
    CLEANUP(store_close) struct store *self = calloc(1, sizeof *self);
    if (!self)
        return -ENOMEM;
    self->lock_fd = -1;
    self->map_bytes = options->map_bytes;
    self->map_bytes_max = options->map_bytes_max;
    self->read_only = options->read_only;
    memcpy(self->path, options->path, strlen(options->path) + 1);
    rc = store_open_all(self, options);
    if (rc < 0) {
        log_error("store.open_failed", "path=%s error=\"%s\"", LOG_QUOTE_TEXT(self->path),
                  rc == -EBUSY ? "another process has this directory open" : err_text(rc));
        return rc;
    }
    *out = TAKE(self);
    return 0;
}

void store_close(struct store **self)
{
    if (!self || !*self)
        return;
    if ((*self)->env)
        mdb_env_close((*self)->env);
    if ((*self)->lock_fd >= 0)
        close((*self)->lock_fd);
    free(*self);
    *self = NULL;
}

/* --- transactions ------------------------------------------------------------------------------------------------- */

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
        return error_of(self, rc, "grow");
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
    return error_of(self, rc, "write");
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

/* --- writing ------------------------------------------------------------------------------------------------------ */

static bool op_is_valid(const struct store_op *op)
{
    switch (op->kind) {
    case STORE_PUT:
        return key_is_valid(op->table, &op->key) && op->value.size <= STORE_VALUE_BYTES_MAX;
    case STORE_APPEND:
        return op->table.keys == STORE_KEYS_HEIGHT && op->value.size <= STORE_VALUE_BYTES_MAX;
    case STORE_DELETE:
        return key_is_valid(op->table, &op->key);
    case STORE_DELETE_BELOW:
    case STORE_DELETE_FROM:
        return op->table.keys == STORE_KEYS_HEIGHT;
    }
    return false;
}

static int value_put(MDB_txn *txn, const struct store_op *op, unsigned flags)
{
    MDB_val key = val_of_key(op->table, &op->key);
    MDB_val value = {.mv_size = op->value.size + CHECKSUM_BYTES};
    int rc = mdb_put(txn, op->table.id_, &key, &value, MDB_RESERVE | flags);
    if (rc != 0)
        return rc;
    uint8_t *bytes = value.mv_data;
    if (op->value.size > 0)
        memcpy(bytes, op->value.data, op->value.size);
    checksum(bytes + op->value.size, &key, op->value);
    return 0;
}

static int value_delete(MDB_txn *txn, const struct store_op *op)
{
    MDB_val key = val_of_key(op->table, &op->key);
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

/* --- reading ------------------------------------------------------------------------------------------------------ */

static int read_begin(struct store *self, MDB_txn **out)
{
    int rc = mdb_txn_begin(self->env, NULL, MDB_RDONLY, out);
    if (rc == 0) {
        self->reader_count++;
        self->snapshot = mdb_txn_id(*out);
    }
    return error_of(self, rc, "read");
}

static void read_end(struct store *self, MDB_txn *txn)
{
    mdb_txn_abort(txn);
    self->reader_count--;
}

int store_get(struct store *self, struct store_table table, struct store_key key, store_visit_fn *visit, void *context)
{
    if (!key_is_valid(table, &key))
        return -EINVAL;
    MDB_txn *txn;
    int rc = read_begin(self, &txn);
    if (rc < 0)
        return rc;
    MDB_val wanted = val_of_key(table, &key);
    MDB_val value;
    struct store_entry entry;
    rc = error_of(self, mdb_get(txn, table.id_, &wanted, &value), "get");
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
        int rc = error_of(self, mdb_cursor_get(cursor, &key, &value, move), "walk");
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
    rc = error_of(self, mdb_cursor_open(txn, walk->table.id_, &cursor), "walk");
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
                        .first = val_of(&range.first, sizeof range.first),
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
                        .first = val_of(prefix.data, prefix.size),
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
    rc = error_of(self, rc, "end");
    if (rc == 0 && key.mv_size != sizeof *out)
        rc = corrupt(self, "a height has a wrong size");
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

uint64_t store_sequence(const struct store *self)
{
    MDB_envinfo info = {0};
    (void)mdb_env_info(self->env, &info);
    return info.me_last_txnid;
}

struct store_usage store_usage(const struct store *self)
{
    MDB_envinfo info = {0};
    MDB_stat stat = {0};
    (void)mdb_env_info(self->env, &info);
    (void)mdb_env_stat(self->env, &stat);
    return (struct store_usage){.map_bytes = info.me_mapsize,
                                .used_bytes = (uint64_t)(info.me_last_pgno + 1) * stat.ms_psize};
}
