/* safety_store_open.c - may this store be used by this validator's key? If not, it says why and what to do. */
#include "services/consensusd/safety_store.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/err.h"
#include "common/edge/log.h"
#include "services/consensusd/safety_codec.h"
#include "services/consensusd/safety_journal.h"
#include "services/consensusd/safety_store_state.h"

enum { MAP_BYTES_START = 64 << 20 };

#define DO_RECREATE                                                                                                    \
    "keep the directory for inspection and never put an older copy in its place; docs/operations.md, A validator "     \
    "that "                                                                                                            \
    "lost its voting state, tells how it may come back"

static int refuse(const struct safety_store_options *options, int rc, const char *why, const char *what_to_do)
{
    log_error("safety.refused", "file=%s/data.mdb error=\"%s\" do=\"%s\"", options->path, why, what_to_do);
    return rc;
}

static int check_identity(const struct safety_store_options *options, const struct hash *chain_id,
                          const struct sign_public *key, const char *file)
{
    bool same_chain = hash_equal(chain_id, &options->chain_id);
    if (same_chain && memcmp(key->bytes, options->key.bytes, SIGN_PUBLIC_BYTES) == 0)
        return 0;
    log_error("safety.refused", "file=%s error=\"it belongs to another %s\" do=\"%s\"", LOG_QUOTE_TEXT(file),
              same_chain ? "validator's key" : "genesis file",
              "look at DATA_DIR, SIGN_KEY_FILE, VOTED_MARK_FILE and GENESIS_FILE: they are of different validators");
    return ERR_CONFIG;
}

#define DO_LOOK_AT_DATA_DIR "see that DATA_DIR can be written by this process alone and has room"

static int load_journal(struct journal_content *out, const struct safety_store_options *options)
{
    int rc = voting_store_load_journal(out, options->path);
    if (rc < 0)
        log_error("safety.journal", "file=%s/journal error=\"%s\" do=\"%s\"", options->path, err_text(rc),
                  DO_LOOK_AT_DATA_DIR);
    return rc;
}

static int open_tables(struct safety_store *self)
{
    int rc = store_table_open(self->store, "blocks", STORE_KEYS_HEIGHT, &self->blocks);
    rc = rc == 0 ? store_table_open(self->store, "bodies", STORE_KEYS_BYTES, &self->bodies) : rc;
    rc = rc == 0 ? store_table_open(self->store, "open", STORE_KEYS_BYTES, &self->open) : rc;
    return rc == 0 ? store_table_open(self->store, "evidence", STORE_KEYS_BYTES, &self->evidence) : rc;
}

static int see_any(void *context, const struct store_entry *entry)
{
    (void)context;
    (void)entry;
    return ERR_CORRUPT;
}

static int see_open(void *context, const struct store_entry *entry)
{
    (void)context;
    return entry->key.bytes.size == SAFETY_CODEC_OPEN_KEY_BYTES ? 0 : ERR_CORRUPT;
}

/* What a start reads, in a process of its own: see store_open(). */
static int probe(struct store *store)
{
    struct store_table blocks, open;
    uint64_t height;
    int rc = voting_store_probe(store);
    rc = rc == 0 ? store_table_open(store, "blocks", STORE_KEYS_HEIGHT, &blocks) : rc;
    rc = rc == 0 ? store_last_height(store, blocks, &height) : rc;
    rc = rc == 0 || rc == ERR_NOT_FOUND ? store_table_open(store, "open", STORE_KEYS_BYTES, &open) : rc;
    rc = rc == 0 ? store_each_bytes(store, open, span_of(NULL, 0), see_open, NULL) : rc;
    return rc == ERR_NOT_FOUND ? 0 : rc;
}

/* Void of entries: what they say is in the store, or of no use. */
static int open_journal(struct safety_store *self, const struct safety_store_options *options)
{
    char path[PATH_MAX];
    int rc = voting_store_journal_path(path, options->path);
    journal_close(&self->journal);
    rc = rc == 0 ? journal_open(&self->journal, path) : rc;
    if (rc < 0)
        log_error("safety.journal", "file=%s/journal error=\"%s\" do=\"%s\"", options->path, err_text(rc),
                  DO_LOOK_AT_DATA_DIR);
    return rc;
}

static int see_voted_view(void *context, uint32_t index, struct span payload)
{
    uint64_t *view = context;
    struct voting_record record;
    struct bytes_reader reader = bytes_reader_of(payload);
    int rc = voting_store_get_entry(&record, &reader, index);
    if (rc == 0 && safety_store_mark_of(&record).last_voted_view > *view)
        *view = safety_store_mark_of(&record).last_voted_view;
    return rc;
}

static bool floor_is_above(uint64_t floor_view, const struct journal_content *journal)
{
    uint64_t view = 0;
    int rc = journal_each(journal, journal_generation(journal), see_voted_view, &view);
    return rc == 0 && floor_view > 0 && floor_view >= view;
}

/* Of a later write than the store's last one: the store is an older copy, or a new one in the place of one that was
 * used. */
static bool journal_is_ahead(const struct safety_store *self, const struct journal_content *journal)
{
    return journal_generation(journal) > self->record.sequence;
}

/* The journal says what was voted for behind the store's last write. One that is ahead is refused, unless the operator
 * has said with a floor at or above every view of it that the store was lost. */
static int follow_journal(struct safety_store *self, const struct safety_store_options *options,
                          const struct journal_content *journal)
{
    const char *why = "";
    int rc = voting_store_follow(&self->record, journal, &why);
    if (rc < 0)
        return refuse(options, rc, why, DO_RECREATE);
    if (!journal_is_ahead(self, journal) || floor_is_above(options->floor_view, journal))
        return 0;
    return refuse(options, ERR_CONFIG, "it is older than the journal beside it", DO_RECREATE);
}

/* Without a record there is nothing else either: it is part of the first write. */
static int read_record(struct safety_store *self, const struct safety_store_options *options)
{
    const char *why = "a page of the file is damaged";
    int rc = store_table_open(self->store, VOTING_STORE_META, STORE_KEYS_BYTES, &self->meta);
    rc = rc == 0 ? voting_store_read(&self->record, self->store, self->meta, &why) : rc;
    if (rc == 0)
        return check_identity(options, &self->record.chain_id, &self->record.key, options->path);
    if (rc == ERR_NOT_FOUND) {
        self->record = (struct voting_record){.chain_id = options->chain_id, .key = options->key};
        why = "the voting record is gone and other data is not";
        rc = store_each_bytes(self->store, self->meta, span_of(NULL, 0), see_any, NULL);
    }
    return rc == ERR_CORRUPT ? refuse(options, rc, why, DO_RECREATE) : rc;
}

/* A store that is behind the mark is an older copy, or a new one in the place of one that was used. With a floor at or
 * above every view of the mark the operator has said so. */
static int compare_mark(struct safety_store *self, const struct safety_store_options *options)
{
    struct voted_mark mark;
    uint64_t voted_view = safety_store_mark_of(&self->record).last_voted_view;
    int rc = voted_mark_read(&mark, options->mark_path);
    if (rc == ERR_NOT_FOUND) {
        if (self->record.starts == 0 || options->floor_view > voted_view)
            return 0;
        return refuse(options, ERR_CONFIG, "the store was used and its mark (VOTED_MARK_FILE) is gone",
                      "bring the mark from where this validator ran last; if it is lost, " DO_RECREATE);
    }
    if (rc == ERR_CORRUPT && options->floor_view <= voted_view)
        return refuse(options, rc, "the mark (VOTED_MARK_FILE) is damaged, so the store's age is not known",
                      DO_RECREATE);
    self->mark_is_void = rc == ERR_CORRUPT;
    if (rc == ERR_CORRUPT)
        return 0;
    rc = rc == 0 ? check_identity(options, &mark.chain_id, &mark.key, options->mark_path) : rc;
    if (rc < 0)
        return rc;
    bool older = mark.last_voted_view > voted_view || mark.sequence > voting_record_number(&self->record);
    self->mark_is_void = older;
    if (!older || mark.last_voted_view == 0 || options->floor_view >= mark.last_voted_view)
        return 0;
    log_error("safety.older",
              "mark=%s mark_voted_view=%" PRIu64 " store_voted_view=%" PRIu64 " mark_sequence=%" PRIu64
              " store_sequence=%" PRIu64,
              LOG_QUOTE_TEXT(options->mark_path), mark.last_voted_view, voted_view, mark.sequence,
              voting_record_number(&self->record));
    return refuse(options, ERR_CONFIG, "it, with the journal beside it, is older than the last use of the key",
                  DO_RECREATE);
}

static int open_mark(struct safety_store *self, const struct safety_store_options *options)
{
    if (!options->mark_path)
        return 0;
    struct voted_mark first = safety_store_mark_of(&self->record);
    int rc = self->mark_is_void && unlink(options->mark_path) < 0 && errno != ENOENT ? -errno : 0;
    rc = rc == 0 ? voted_mark_open(&self->mark, options->mark_path, &first) : rc;
    if (rc < 0)
        log_error("safety.mark", "file=%s error=\"%s\" do=\"%s\"", LOG_QUOTE_TEXT(options->mark_path), err_text(rc),
                  "name a file in a directory that this process may write as VOTED_MARK_FILE");
    return rc;
}

/* The mark is there before the store says that it was used; one of a lost state stays until the store has the floor. */
static int begin(struct safety_store *self, const struct safety_store_options *options)
{
    struct voting_record record = self->record;
    if (options->floor_view > record.floor_view)
        record.floor_view = options->floor_view;
    record.starts++;
    int rc = self->mark_is_void ? 0 : open_mark(self, options);
    rc = rc == 0 ? safety_store_write_with(self, &record) : rc;
    rc = rc == 0 && self->mark_is_void ? open_mark(self, options) : rc;
    struct voted_mark mark = safety_store_mark_of(&self->record);
    return rc == 0 && self->mark.fd >= 0 ? voted_mark_write(&self->mark, &mark, /* sync= */ true) : rc;
}

static int start(struct safety_store *self, const struct safety_store_options *options,
                 const struct journal_content *journal)
{
    int rc = read_record(self, options);
    rc = rc == 0 ? follow_journal(self, options, journal) : rc;
    rc = rc == 0 && options->mark_path ? compare_mark(self, options) : rc;
    /* Else the writes of a new store would reach its number, and make it the new one's. */
    rc = rc == 0 && journal_is_ahead(self, journal) ? open_journal(self, options) : rc;
    rc = rc == 0 ? open_tables(self) : rc;
    rc = rc == 0 ? safety_journal_replay(self, journal) : rc;
    rc = rc == 0 ? begin(self, options) : rc;
    return rc == 0 ? open_journal(self, options) : rc;
}

int safety_store_open(struct safety_store **out, const struct safety_store_options *options)
{
    CLEANUP(safety_store_close) struct safety_store *self = calloc(1, sizeof *self);
    if (!self)
        return -ENOMEM;
    self->mark.fd = self->journal.fd = -1;
    struct store_options store = {.path = options->path,
                                  .map_bytes = MAP_BYTES_START,
                                  .map_bytes_max = options->map_bytes_max,
                                  .table_count_max = VOTING_STORE_TABLES_MAX,
                                  .probe = probe};
    struct journal_content journal = {0};
    int rc = store_open(&self->store, &store);
    if (rc == ERR_CORRUPT)
        return refuse(options, rc, "it is damaged", DO_RECREATE);
    rc = rc == 0 ? load_journal(&journal, options) : rc;
    rc = rc == 0 ? start(self, options, &journal) : rc;
    journal_content_deinit(&journal);
    if (rc < 0)
        return rc;
    rc = store_last_height(self->store, self->blocks, &self->height);
    rc = rc == 0 ? store_first_height(self->store, self->blocks, &self->height_first) : rc;
    if (rc < 0 && rc != ERR_NOT_FOUND)
        return rc;
    *out = TAKE(self);
    return 0;
}
