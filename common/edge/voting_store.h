/* voting_store.h - where the voting record is in consensusd's store and its journal, and how it is read and judged: by
 * consensusd at its start, and by cybermeshctl at any time.
 *
 * Not pure: files. Threads: as store.h.
 */
#pragma once

#include <limits.h>

#include "common/base/attr.h"
#include "common/base/bytes.h"
#include "common/base/voting.h"
#include "common/edge/journal.h"
#include "common/edge/store.h"

#define VOTING_STORE_META "meta"  /* table, byte keys */
#define VOTING_STORE_KEY "voting" /* the record's key in it */
enum { VOTING_STORE_TABLES_MAX = 8 };

/* Every write of the store renews the record, so the record's sequence is that of the write that is read: another one
 * means that parts of the file are of different writes. Returns 0; ERR_NOT_FOUND (no record: a new store); ERR_CORRUPT
 * (*why says what is wrong: static text). */
MUST_USE int voting_store_read(struct voting_record *out, struct store *store, struct store_table meta,
                               const char **why);

/* Load the journal in the store's directory. Returns 0, -ENAMETOOLONG or the errors of journal_load(). */
MUST_USE int voting_store_load_journal(struct journal_content *out, const char *path);
/* The journal's path. Returns 0 or -ENAMETOOLONG. */
MUST_USE int voting_store_journal_path(char out[static PATH_MAX], const char *path);

/* An entry of the journal begins with the record; its owner may put more behind it. Reading one returns 0 or
 * ERR_CORRUPT. */
void voting_store_put_entry(struct bytes_writer *writer, const struct voting_record *record);
MUST_USE int voting_store_get_entry(struct voting_record *out, struct bytes_reader *entry, uint32_t index);

/* Take the record of the last entry behind the store's write that *record is of, if there is one. Returns 0 or
 * ERR_CORRUPT (*why: an entry is damaged or of another store). */
MUST_USE int voting_store_follow(struct voting_record *record, const struct journal_content *journal, const char **why);

/* For store_options.probe: reads the record and where it stands. */
int voting_store_probe(struct store *store);

/* The record of a store that a daemon may be using now: opened read-only, tried again while it is being written.
 * Returns the same and the errors of store_open(). */
MUST_USE int voting_store_look(struct voting_record *out, const char *path, const char **why);
