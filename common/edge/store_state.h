/* store_state.h - what the files of the adapter of LMDB share. Private to them. */
#pragma once

#include <limits.h>
#include <stdbool.h>

#include <lmdb.h>

#include "common/edge/store.h"

enum { STORE_CHECKSUM_BYTES = 8 };

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

/* store.c */
/* LMDB says positive errno values or its own negative codes. Unexpected ones are logged. */
int store_error(const struct store *self, int mdb_rc, const char *what);
/* Logs what is corrupt. Returns ERR_CORRUPT. */
int store_corrupt(const struct store *self, const char *what);
bool store_key_is_valid(struct store_table table, const struct store_key *key);
/* LMDB takes pointers without const and does not write through them. */
MDB_val store_val(const void *data, size_t size);
/* The result points into *key. */
MDB_val store_val_of_key(struct store_table table, const struct store_key *key);
/* SipHash of the value, keyed by its key. */
void store_checksum(uint8_t out[static STORE_CHECKSUM_BYTES], const MDB_val *key, struct span value);
