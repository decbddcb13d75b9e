/* voting_store.c - reads the voting record. */
#include "common/edge/voting_store.h"

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
    return rc == 0 ? read_record(store, out, why) : rc;
}

int voting_store_look(struct voting_record *out, const char *path, const char **why)
{
    int rc = ERR_CORRUPT;
    for (int i = 0; i < LOOKS_MAX && rc == ERR_CORRUPT; i++)
        rc = look_once(out, path, why);
    return rc;
}
