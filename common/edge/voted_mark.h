/* voted_mark.h - how far a signing key was used: a small file beside the key, apart from the store.
 *
 * The store has the truth and is synced before each vote. The mark follows it: written after each write of the store,
 * without a sync, so it costs a microsecond; it survives the end of the process in any form, and after a power failure
 * it may lag, which is harmless. A store that is behind its mark is an older copy.
 *
 * Two slots in turn, each with a hash: a torn write leaves the slot before it.
 *
 * Not pure: a file. Threads: one owner.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/base/attr.h"
#include "common/base/hash.h"
#include "common/base/sign.h"

struct voted_mark {
    struct hash chain_id;
    struct sign_public key;
    uint64_t starts;
    uint64_t sequence; /* of the last write: see voting_record_number() */
    uint64_t last_voted_view;
};

/* Returns 0; ERR_NOT_FOUND; ERR_CORRUPT (neither slot is whole, or no mark file); ERR_PERMISSIONS; another -errno. */
MUST_USE int voted_mark_read(struct voted_mark *out, const char *path);

struct voted_mark_file {
    int fd;       /* -1: closed */
    uint8_t slot; /* to be written next */
};

/* Open for writing; created, and synced with its directory, with the given content if it is not there (mode 0600).
 * Returns 0 or -errno. */
MUST_USE int voted_mark_open(struct voted_mark_file *out, const char *path, const struct voted_mark *first);
/* Not synced unless `sync`. Returns 0 or -errno. */
MUST_USE int voted_mark_write(struct voted_mark_file *file, const struct voted_mark *mark, bool sync);
void voted_mark_close(struct voted_mark_file *file);
