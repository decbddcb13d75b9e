/* store.h - a daemon's own store: tables of values in one LMDB environment.
 *
 * Tables are keyed by height (u64; logs that are appended in order, cheap) or by bytes (a few small records, as the
 * voting state). All operations of one store_write() become durable together, or none does: it returns after the data
 * is on disk. Every value carries a checksum, so a damaged one is ERR_CORRUPT, never wrong data.
 *
 * Not pure: files. The directory is used by one process at a time (an exclusive lock on <path>/lock).
 * Ownership: spans given to visitors are valid during the call only; keys and values given to store_write() are copied.
 * Threads:   one owner.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/attr.h"
#include "common/base/span.h"

enum {
    STORE_KEY_BYTES_MAX = 511,  /* of a byte key */
    STORE_TABLE_COUNT_MAX = 32, /* tables of one store */
    STORE_NAME_BYTES_MAX = 32,  /* of a table, with the zero byte */
};
#define STORE_VALUE_BYTES_MAX ((size_t)1 << 30)

struct store;

/* Read what the daemon cannot do without. Returns 0 or the error found (logged). */
typedef int store_probe_fn(struct store *store);

struct store_options {
    const char *path;         /* directory; created with missing parents, mode 0700 */
    uint64_t map_bytes;       /* size of the map at start, at least 1 MiB; the file grows only as it is filled */
    uint64_t map_bytes_max;   /* the map is doubled up to this, then writes are ERR_FULL; >= map_bytes */
    uint32_t table_count_max; /* 1..STORE_TABLE_COUNT_MAX */
    bool read_only;           /* no lock, nothing is created or written; see store_open() */
    store_probe_fn *probe;    /* NULL; or called first in a child process, see store_open() */
};

enum store_keys {
    STORE_KEYS_HEIGHT = 1,
    STORE_KEYS_BYTES,
};

/* A table's handle: a value, valid as long as its store. */
struct store_table {
    uint32_t id_;
    enum store_keys keys;
};

static inline bool store_table_equal(struct store_table a, struct store_table b)
{
    return a.id_ == b.id_;
}

/* A key: which member counts is the table's affair. */
struct store_key {
    uint64_t height;
    struct span bytes; /* 1..STORE_KEY_BYTES_MAX */
};

static inline struct store_key store_key_height(uint64_t height)
{
    return (struct store_key){.height = height};
}

static inline struct store_key store_key_bytes(struct span bytes)
{
    return (struct store_key){.bytes = bytes};
}

static inline struct store_key store_key_text(const char *text)
{
    return (struct store_key){.bytes = span_text(text)};
}

/* --- opening ------------------------------------------------------------------------------------------------------ */

/* On success *out belongs to the caller. LMDB does not check its own pages, and a damaged one can end the process that
 * reads it; so with a probe a child process reads first, and how it ends tells: ERR_CORRUPT if the probe returns
 * ERR_CORRUPT or a signal ends it. Call it before threads that hold locks are started.
 *
 * A read-only store may be opened beside the daemon that writes it. A walk or get sees one write's data; while the
 * daemon goes on writing, what is read may be torn after two more writes, which the checksums find: try again.
 *
 * Returns 0; -ENOENT (read only); -EBUSY (another process has it open: logged); ERR_PERMISSIONS (the
 * directory is writable by others, or not ours); ERR_CORRUPT; -EINVAL (options); another -errno. The detail is logged.
 */
MUST_USE int store_open(struct store **out, const struct store_options *options);

/* Accepts NULL and pointer to NULL; leaves *self NULL. */
void store_close(struct store **self);

/* Open a table, creating it when missing (read only: ERR_NOT_FOUND). Returns 0, -EINVAL (name; or it exists with other
 * keys), ERR_FULL (table_count_max) or the errors of store_write(). */
MUST_USE int store_table_open(struct store *self, const char *name, enum store_keys keys, struct store_table *out);

/* --- writing ------------------------------------------------------------------------------------------------------ */

enum store_op_kind {
    STORE_PUT = 1,      /* write or replace */
    STORE_APPEND,       /* height tables: write behind the last key; else the whole write is -EEXIST */
    STORE_DELETE,       /* remove; a missing key is no error */
    STORE_DELETE_BELOW, /* height tables: remove every key < key.height */
    STORE_DELETE_FROM,  /* height tables: remove every key >= key.height */
};

struct store_op {
    enum store_op_kind kind;
    struct store_table table;
    struct store_key key;
    struct span value; /* PUT, APPEND: may be empty */
};

/* Carry out all operations in their order as one transaction, synced to disk. A full map is grown and the write done
 * again. On failure nothing has changed. Returns 0; -EEXIST (APPEND); -EINVAL (a key or value out of range, an
 * operation that does not fit the table); ERR_FULL (map_bytes_max; a deletion needs room too: the limit must be
 * raised); ERR_CORRUPT; -ENOSPC, -EIO, -ENOMEM. Not from inside a visitor. */
MUST_USE int store_write(struct store *self, const struct store_op *ops, size_t count);

/* The number of the last write; every write that changes anything adds one, and no other does. */
uint64_t store_sequence(const struct store *self);

/* --- reading ------------------------------------------------------------------------------------------------------ */

struct store_entry {
    struct store_key key;
    struct span value;
    uint64_t sequence; /* of the write that this reading sees: see store_sequence() */
};

/* A visitor returns 0 to go on; anything else ends the walk and is what the walk returns. */
typedef int store_visit_fn(void *context, const struct store_entry *entry);

/* Show one value to the visitor. Returns what the visitor returned; ERR_NOT_FOUND; ERR_CORRUPT; -EINVAL (key). */
MUST_USE int store_get(struct store *self, struct store_table table, struct store_key key, store_visit_fn *visit,
                       void *context);

/* One value as a copy: *out (NULL when *size is 0) is the caller's to free(). Returns 0, ERR_NOT_FOUND, ERR_CORRUPT,
 * -EINVAL or -ENOMEM. */
MUST_USE int store_get_copy(struct store *self, struct store_table table, struct store_key key, uint8_t **out,
                            size_t *size);

/* Heights in range, both ends included. */
struct store_range {
    uint64_t first;
    uint64_t last;
};

/* Show every value in the range, by rising height. Returns 0 (all shown; also when there is none), what the visitor
 * returned, or ERR_CORRUPT. */
MUST_USE int store_each_height(struct store *self, struct store_table table, struct store_range range,
                               store_visit_fn *visit, void *context);

/* The same for a byte table: every key that begins with the prefix (empty for all), in byte order. */
MUST_USE int store_each_bytes(struct store *self, struct store_table table, struct span prefix, store_visit_fn *visit,
                              void *context);

/* The lowest and the highest height of a table. Returns 0, ERR_NOT_FOUND (empty) or ERR_CORRUPT. */
MUST_USE int store_first_height(struct store *self, struct store_table table, uint64_t *out);
MUST_USE int store_last_height(struct store *self, struct store_table table, uint64_t *out);

struct store_usage {
    uint64_t map_bytes;  /* of the map now */
    uint64_t used_bytes; /* of it ever used (freed pages are used again before the rest) */
};

/* For metrics. */
struct store_usage store_usage(const struct store *self);
