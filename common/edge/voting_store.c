/* voting_store.c - reads the voting record. */
#include "common/edge/voting_store.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/base/err.h"

enum { MAP_BYTES = 1 << 20, LOOKS_MAX = 20 };

struct reading {
    struct voting_record *out;
    const char *why;
};

static int decode(void *context, const struct store_entry *entry)
{
    struct reading *reading = context;
    struct voting_record record;
    if (voting_record_decode(&record, entry->value) < 0) {
        reading->why = "the voting record's checksum is wrong";
        return ERR_CORRUPT;
    }
    if (record.sequence != entry->sequence) {
        reading->why = "the voting record is of another write than the file: parts of the file are older or newer";
        return ERR_CORRUPT;
    }
    *reading->out = record;
    return 0;
}

int voting_store_read(struct voting_record *out, struct store *store, struct store_table meta, const char **why)
{
    struct reading reading = {.out = out, .why = "a page of the file is damaged"};
    int rc = store_get(store, meta, store_key_text(VOTING_STORE_KEY), decode, &reading);
    if (rc == ERR_CORRUPT)
        *why = reading.why;
    return rc;
}

/* --- the journal -------------------------------------------------------------------------------------------------- */

int voting_store_journal_path(char out[static PATH_MAX], const char *path)
{
    int size = snprintf(out, PATH_MAX, "%s/journal", path);
    return size > 0 && size < PATH_MAX ? 0 : -ENAMETOOLONG;
}

int voting_store_load_journal(struct journal_content *out, const char *path)
{
    char file[PATH_MAX];
    int rc = voting_store_journal_path(file, path);
    return rc == 0 ? journal_load(out, file) : rc;
}

void voting_store_put_entry(struct bytes_writer *writer, const struct voting_record *record)
{
    uint8_t bytes[VOTING_RECORD_BYTES_MAX];
    bytes_put_sized(writer, span_of(bytes, voting_record_encode(bytes, record)));
}

int voting_store_get_entry(struct voting_record *out, struct bytes_reader *entry, uint32_t index)
{
    struct span record = bytes_get_span(entry, bytes_get_u32(entry));
    if (entry->failed || voting_record_decode(out, record) < 0)
        return ERR_CORRUPT;
    out->entry = index;
    return 0;
}

static bool is_of_same_run(const struct voting_record *a, const struct voting_record *b)
{
    return hash_equal(&a->chain_id, &b->chain_id) && memcmp(a->key.bytes, b->key.bytes, SIGN_PUBLIC_BYTES) == 0 &&
           a->sequence == b->sequence && a->starts == b->starts;
}

static int follow_entry(void *context, uint32_t index, struct span payload)
{
    struct voting_record *record = context;
    struct voting_record next;
    struct bytes_reader reader = bytes_reader_of(payload);
    int rc = voting_store_get_entry(&next, &reader, index);
    if (rc < 0 || !is_of_same_run(&next, record))
        return ERR_CORRUPT;
    *record = next;
    return 0;
}

int voting_store_follow(struct voting_record *record, const struct journal_content *journal, const char **why)
{
    int rc = journal_each(journal, record->sequence, follow_entry, record);
    if (rc < 0)
        *why = "the journal beside the file is damaged or of another store";
    return rc;
}

/* --- looking ------------------------------------------------------------------------------------------------------ */

static int read_record(struct store *store, struct voting_record *out, const char **why)
{
    struct store_table meta;
    int rc = store_table_open(store, VOTING_STORE_META, STORE_KEYS_BYTES, &meta);
    return rc == 0 ? voting_store_read(out, store, meta, why) : rc;
}

int voting_store_probe(struct store *store)
{
    struct voting_record record;
    const char *why;
    int rc = read_record(store, &record, &why);
    return rc == ERR_NOT_FOUND ? 0 : rc;
}

/* A journal that is ahead of the record means that the store was written in between. */
static int look_at_journal(struct voting_record *record, const char *path, const char **why)
{
    struct journal_content journal = {0};
    int rc = voting_store_load_journal(&journal, path);
    if (rc < 0)
        return rc;
    rc = voting_store_follow(record, &journal, why);
    if (rc == 0 && journal_generation(&journal) > record->sequence) {
        *why = "the file is older than the journal beside it";
        rc = ERR_CORRUPT;
    }
    journal_content_deinit(&journal);
    return rc;
}

static int look_once(struct voting_record *out, const char *path, const char **why)
{
    CLEANUP(store_close) struct store *store = NULL;
    struct store_options options = {.path = path,
                                    .map_bytes = MAP_BYTES,
                                    .map_bytes_max = MAP_BYTES,
                                    .table_count_max = VOTING_STORE_TABLES_MAX,
                                    .read_only = true,
                                    .probe = voting_store_probe};
    *why = "a page of the file is damaged";
    int rc = store_open(&store, &options);
    rc = rc == 0 ? read_record(store, out, why) : rc;
    return rc == 0 ? look_at_journal(out, path, why) : rc;
}

int voting_store_look(struct voting_record *out, const char *path, const char **why)
{
    int rc = ERR_CORRUPT;
    for (int i = 0; i < LOOKS_MAX && rc == ERR_CORRUPT; i++)
        rc = look_once(out, path, why);
    return rc;
}
