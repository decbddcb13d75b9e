/* journal.h - a file in which an owner notes what must be on disk at once, until its store has it.
 *
 * A synced write of a store touches a dozen pages, and the disk twice; an entry here is one write of a file whose size
 * never changes. Entries follow one write of the store and are numbered from 1; the store's next write holds all they
 * say and makes them void. So an entry is of a generation, the number of the store's write before it.
 *
 * A last entry that is damaged counts as not written: the process or the power ended meanwhile, and nobody was told of
 * it. (That a disk lost one that was told, the owner must find out elsewhere.) A damaged one with a whole one of its
 * generation behind it is ERR_CORRUPT.
 *
 * Not pure: a file. Ownership: see each function. Threads: one owner; journal_load() may be called beside it, and then
 * may miss the newest entries.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "common/base/attr.h"
#include "common/base/span.h"

enum {
    JOURNAL_ENTRY_COUNT_MAX = 32, /* of one generation */
    JOURNAL_SLOT_BYTES = 32 << 10,
    JOURNAL_PAGE_BYTES = 4096, /* whole pages are written */
    JOURNAL_HEADER_BYTES = 64,
    JOURNAL_ENTRY_BYTES_MAX = JOURNAL_SLOT_BYTES - JOURNAL_HEADER_BYTES,
    JOURNAL_BYTES = JOURNAL_ENTRY_COUNT_MAX * JOURNAL_SLOT_BYTES, /* of the file */
};

/* --- writing ------------------------------------------------------------------------------------------------------ */

struct journal {
    int fd; /* -1: closed */
    uint8_t *slot_;
    uint64_t generation_;
    uint32_t count_;
};

/* Open for writing, void of entries; created (mode 0600) if it is not there, and synced with its directory. Nothing
 * that was in it is read any more: see journal_load(). Returns 0, ERR_PERMISSIONS (others may write it, or not a file),
 * -ENOMEM or another -errno. */
MUST_USE int journal_open(struct journal *out, const char *path);

/* Write the next entry of the generation: the first, if the last one was of another generation. When it returns 0 the
 * entry is on disk and *index its number. ERR_FULL: no room, or too large, and nothing was written; another -errno: it
 * may be there or not. */
MUST_USE int journal_append(struct journal *self, uint64_t generation, struct span payload, uint32_t *index);

/* A closed one, or {.fd = -1}, is accepted. */
void journal_close(struct journal *self);

/* --- reading ------------------------------------------------------------------------------------------------------ */

/* A file's content: JOURNAL_BYTES from malloc, or NULL. */
struct journal_content {
    uint8_t *bytes;
};

/* A missing or shorter file has no entries where it ends. Returns 0, ERR_PERMISSIONS (as above), -ENOMEM or another
 * -errno. */
MUST_USE int journal_load(struct journal_content *out, const char *path);
void journal_content_deinit(struct journal_content *content);

/* A visitor returns 0 to go on; anything else ends the walk and is what the walk returns. */
typedef int journal_visit_fn(void *context, uint32_t index, struct span payload);

/* Show the entries of a generation in their order. Returns 0, what the visitor returned, or ERR_CORRUPT: an entry is
 * damaged and was not the last one. */
MUST_USE int journal_each(const struct journal_content *content, uint64_t generation, journal_visit_fn *visit,
                          void *context);

/* The greatest generation of any whole entry; 0: there is none. */
uint64_t journal_generation(const struct journal_content *content);
