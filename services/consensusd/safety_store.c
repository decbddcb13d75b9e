/* safety_store.c - four tables.
 *
 * meta    "voting" (common/base/voting.h), "genesis"
 * blocks  height -> id, header, own certificate, proof; the committed ones, appended
 * bodies  block id -> parent's certificate, header, bodies; of voted and committed blocks
 * open    height || block id -> nothing; which of `bodies` are voted for and not committed
 *
 * Every write renews the voting record, with the number of the write in it: a file whose parts are of different writes
 * is found at the start. The mark beside the key follows each write, so an older copy of the file is found too.
 */
#include "services/consensusd/safety_store.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/bytes.h"
#include "common/base/cert_codec.h"
#include "common/base/err.h"
#include "common/edge/log.h"
#include "common/edge/store.h"
#include "common/edge/voted_mark.h"
#include "common/edge/voting_store.h"

enum {
    FORMAT = 1,
    COMMIT_FORMAT = 2,
    OPS_MAX = 4096,
    MAP_BYTES_START = 64 << 20,
    OPEN_KEY_BYTES = 8 + HASH_BYTES,
    BODY_COUNT_MAX = 1 << 20,
};

struct safety_store {
    struct store *store;
    struct store_table meta, blocks, bodies, open;
    struct store_op ops[OPS_MAX + 1]; /* queued; keys and values in memory of their own; room for the voting record */
    uint8_t *memory[OPS_MAX];
    size_t op_count;
    uint64_t height;
    struct voting_record record; /* as it is on disk */
    uint8_t record_bytes[VOTING_RECORD_BYTES_MAX];
    struct voted_mark_file mark; /* fd -1: none */
    bool mark_is_void;           /* it is of a state that was lost, as the operator says */
};

/* Encodings. */

static void put_hash(struct bytes_writer *writer, const struct hash *hash)
{
    bytes_put(writer, hash->bytes, HASH_BYTES);
}

static void put_header(struct bytes_writer *writer, const struct block_header *header)
{
    uint8_t bytes[BLOCK_HEADER_BYTES];
    block_header_encode(bytes, header);
    bytes_put(writer, bytes, sizeof bytes);
}

static void get_hash(struct bytes_reader *reader, struct hash *out)
{
    bytes_get_copy(reader, out->bytes, HASH_BYTES);
}

static void get_header(struct bytes_reader *reader, struct block_header *out)
{
    if (block_header_decode(out, bytes_get_span(reader, BLOCK_HEADER_BYTES)) < 0)
        reader->failed = true;
}

/* What is written together: a function that writes it, called twice, first to count. */
typedef void put_fn(struct bytes_writer *writer, const void *value);

/* The queue. */

static int queue_add(struct safety_store *self, struct store_op op, uint8_t *memory)
{
    if (self->op_count == OPS_MAX) {
        int rc = safety_store_flush(self);
        if (rc < 0) {
            free(memory);
            return rc;
        }
    }
    self->ops[self->op_count] = op;
    self->memory[self->op_count++] = memory;
    return 0;
}

static int queue_put(struct safety_store *self, struct store_table table, struct span key, uint64_t height, put_fn *put,
                     const void *value)
{
    /* One allocation for the encoded value, with the key behind it. */
    struct bytes_writer counter = bytes_writer_of(NULL, 0);
    if (put)
        put(&counter, value);
    uint8_t *memory = malloc(counter.size + key.size + 1);
    if (!memory)
        return -ENOMEM;
    struct bytes_writer writer = bytes_writer_of(memory, counter.size);
    if (put)
        put(&writer, value);
    assert(!writer.failed);
    if (key.size)
        memcpy(memory + counter.size, key.data, key.size);
    struct store_op op = {.kind = STORE_PUT, .table = table, .value = bytes_written(&writer)};
    op.key.height = height;
    op.key.bytes = span_of(memory + counter.size, key.size);
    return queue_add(self, op, memory);
}

static int queue_delete(struct safety_store *self, struct store_table table, struct span key)
{
    uint8_t *memory = malloc(key.size);
    if (!memory)
        return -ENOMEM;
    memcpy(memory, key.data, key.size);
    struct store_op op = {.kind = STORE_DELETE, .table = table};
    op.key.bytes = span_of(memory, key.size);
    return queue_add(self, op, memory);
}

static struct voted_mark mark_of(const struct voting_record *record)
{
    uint64_t voted_view = record->has_voting ? record->voting.last_voted_view : 0;
    return (struct voted_mark){.chain_id = record->chain_id,
                               .key = record->key,
                               .starts = record->starts,
                               .sequence = record->sequence,
                               .last_voted_view = voted_view > record->floor_view ? voted_view : record->floor_view};
}

/* Write what is queued and the record, which takes the number of this write. */
static int write_with(struct safety_store *self, struct voting_record *record)
{
    record->sequence = store_sequence(self->store) + 1;
    size_t size = voting_record_encode(self->record_bytes, record);
    self->ops[self->op_count] = (struct store_op){.kind = STORE_PUT,
                                                  .table = self->meta,
                                                  .key = store_key_text(VOTING_STORE_KEY),
                                                  .value = span_of(self->record_bytes, size)};
    int rc = store_write(self->store, self->ops, self->op_count + 1);
    if (rc < 0)
        return rc;
    self->record = *record;
    for (size_t i = 0; i < self->op_count; i++)
        free(self->memory[i]);
    self->op_count = 0;
    struct voted_mark mark = mark_of(record);
    return self->mark.fd >= 0 ? voted_mark_write(&self->mark, &mark, /* sync= */ false) : 0;
}

int safety_store_flush(struct safety_store *self)
{
    if (self->op_count == 0)
        return 0;
    struct voting_record record = self->record;
    return write_with(self, &record);
}

static void open_key(uint8_t out[static OPEN_KEY_BYTES], uint64_t height, const struct hash *id)
{
    struct bytes_writer writer = bytes_writer_of(out, OPEN_KEY_BYTES);
    bytes_put_u64(&writer, height);
    put_hash(&writer, id);
}

struct stored_bodies {
    const struct block_header *header;
    const struct qc *justify;
    const struct span *bodies;
    size_t body_count;
};

static void put_bodies(struct bytes_writer *writer, const void *value)
{
    const struct stored_bodies *stored = value;
    static const struct qc none;
    bytes_put_u8(writer, FORMAT);
    put_header(writer, stored->header);
    cert_codec_put_qc(writer, stored->justify ? stored->justify : &none);
    bytes_put_u32(writer, (uint32_t)stored->body_count);
    for (size_t i = 0; i < stored->body_count; i++)
        bytes_put_sized(writer, stored->bodies[i]);
}

/* NULL: not known. */
static void put_schedule(struct bytes_writer *writer, const struct schedule *schedule)
{
    static const struct schedule unknown;
    schedule = schedule ? schedule : &unknown;
    bytes_put_u8(writer, (uint8_t)schedule->count);
    bytes_put(writer, schedule->leaders, schedule->count);
}

static void get_schedule(struct bytes_reader *reader, struct schedule *out)
{
    uint8_t count = bytes_get_u8(reader);
    if (count > GENESIS_VALIDATORS_MAX)
        reader->failed = true;
    out->count = reader->failed ? 0 : count;
    bytes_get_copy(reader, out->leaders, out->count);
}

static void put_commit(struct bytes_writer *writer, const void *value)
{
    const struct consensus_commit *commit = value;
    static const struct qc none;
    bytes_put_u8(writer, COMMIT_FORMAT);
    put_hash(writer, &commit->block_id);
    put_header(writer, &commit->header);
    cert_codec_put_qc(writer, commit->qc ? commit->qc : &none);
    bytes_put_u32(writer, (uint32_t)commit->proof_header_count);
    for (size_t i = 0; i < commit->proof_header_count; i++)
        put_header(writer, &commit->proof_headers[i]);
    cert_codec_put_qc(writer, commit->proof_qc);
    put_schedule(writer, commit->schedule);
}

int safety_store_vote(struct safety_store *self, const struct safety_store_vote *vote)
{
    int rc = 0;
    if (vote->header) {
        struct stored_bodies stored = {vote->header, vote->justify, vote->bodies, vote->body_count};
        uint8_t key[OPEN_KEY_BYTES];
        open_key(key, vote->header->height, vote->id);
        rc = queue_put(self, self->bodies, span_of(vote->id->bytes, HASH_BYTES), 0, put_bodies, &stored);
        rc = rc == 0 ? queue_put(self, self->open, span_of(key, sizeof key), 0, NULL, NULL) : rc;
    }
    if (rc < 0)
        return rc;
    struct voting_record record = self->record;
    record.has_voting = true;
    record.voting = *vote->voting;
    return write_with(self, &record);
}

int safety_store_commit(struct safety_store *self, const struct consensus_commit *commit, const struct span *bodies,
                        size_t body_count)
{
    uint8_t key[OPEN_KEY_BYTES];
    open_key(key, commit->header.height, &commit->block_id);
    int rc = 0;
    if (bodies) {
        struct stored_bodies stored = {&commit->header, NULL, bodies, body_count};
        rc = queue_put(self, self->bodies, span_of(commit->block_id.bytes, HASH_BYTES), 0, put_bodies, &stored);
    }
    rc = rc == 0 ? queue_put(self, self->blocks, span_of(NULL, 0), commit->header.height, put_commit, commit) : rc;
    rc = rc == 0 ? queue_delete(self, self->open, span_of(key, sizeof key)) : rc;
    if (rc == 0 && commit->header.height > self->height)
        self->height = commit->header.height;
    return rc;
}

int safety_store_forget(struct safety_store *self, const struct hash *id, uint64_t height)
{
    uint8_t key[OPEN_KEY_BYTES];
    open_key(key, height, id);
    int rc = queue_delete(self, self->open, span_of(key, sizeof key));
    return rc == 0 ? queue_delete(self, self->bodies, span_of(id->bytes, HASH_BYTES)) : rc;
}

uint64_t safety_store_height(const struct safety_store *self)
{
    return self->height;
}

/* Reading. */

void safety_store_block_deinit(struct safety_store_block *block)
{
    free(block->bodies);
    free(block->proof_headers);
    free(block->memory_[0]);
    free(block->memory_[1]);
    *block = (struct safety_store_block){0};
}

static int read_bodies(struct safety_store *self, const struct hash *id, struct safety_store_block *out,
                       bool take_justify)
{
    size_t size = 0;
    int rc = store_get_copy(self->store, self->bodies, store_key_bytes(span_of(id->bytes, HASH_BYTES)),
                            &out->memory_[0], &size);
    if (rc < 0)
        return rc;
    struct bytes_reader reader = bytes_reader_of(span_of(out->memory_[0], size));
    struct qc justify;
    uint8_t format = bytes_get_u8(&reader);
    get_header(&reader, &out->header);
    cert_codec_get_qc(&reader, &justify);
    uint32_t count = bytes_get_u32(&reader);
    if (format != FORMAT || reader.failed || count > BODY_COUNT_MAX || count != out->header.tx_count)
        return ERR_CORRUPT;
    out->bodies = calloc(count + 1, sizeof out->bodies[0]);
    if (!out->bodies)
        return -ENOMEM;
    out->body_count = count;
    for (uint32_t i = 0; i < count; i++)
        out->bodies[i] = bytes_get_span(&reader, bytes_get_u32(&reader));
    if (take_justify)
        out->qc = justify;
    out->id = *id;
    return bytes_reader_end(&reader) == 0 ? 0 : ERR_CORRUPT;
}

static int read_commit(struct safety_store *self, uint64_t height, struct safety_store_block *out)
{
    size_t size = 0;
    int rc = store_get_copy(self->store, self->blocks, store_key_height(height), &out->memory_[1], &size);
    if (rc < 0)
        return rc;
    struct bytes_reader reader = bytes_reader_of(span_of(out->memory_[1], size));
    uint8_t format = bytes_get_u8(&reader);
    get_hash(&reader, &out->id);
    get_header(&reader, &out->header);
    cert_codec_get_qc(&reader, &out->qc);
    uint32_t count = bytes_get_u32(&reader);
    if (format != COMMIT_FORMAT || reader.failed || count > CERT_PROOF_HEADERS_MAX)
        return ERR_CORRUPT;
    out->proof_headers = calloc(count + 1, sizeof out->proof_headers[0]);
    if (!out->proof_headers)
        return -ENOMEM;
    out->proof_header_count = count;
    for (uint32_t i = 0; i < count; i++)
        get_header(&reader, &out->proof_headers[i]);
    cert_codec_get_qc(&reader, &out->proof_qc);
    get_schedule(&reader, &out->schedule);
    return bytes_reader_end(&reader) == 0 ? 0 : ERR_CORRUPT;
}

int safety_store_read(struct safety_store *self, uint64_t height, struct safety_store_block *out)
{
    *out = (struct safety_store_block){0};
    int rc = safety_store_flush(self);
    rc = rc == 0 ? read_commit(self, height, out) : rc;
    if (rc == 0) {
        struct hash id = out->id;
        rc = read_bodies(self, &id, out, /* take_justify= */ false);
        if (rc == ERR_NOT_FOUND)
            rc = ERR_CORRUPT;
    }
    if (rc < 0)
        safety_store_block_deinit(out);
    return rc;
}

/* Keys of `open` are collected first: a visitor may not call the store. */
struct open_keys {
    struct hash *ids;
    uint64_t *heights;
    size_t count, capacity;
};

static int grow(struct open_keys *keys)
{
    size_t capacity = keys->capacity ? 2 * keys->capacity : 64;
    struct hash *ids = realloc(keys->ids, capacity * sizeof ids[0]);
    if (!ids)
        return -ENOMEM;
    keys->ids = ids;
    uint64_t *heights = realloc(keys->heights, capacity * sizeof heights[0]);
    if (!heights)
        return -ENOMEM;
    keys->heights = heights;
    keys->capacity = capacity;
    return 0;
}

static int collect_open(void *context, const struct store_entry *entry)
{
    struct open_keys *keys = context;
    if (entry->key.bytes.size != OPEN_KEY_BYTES)
        return ERR_CORRUPT;
    if (keys->count == keys->capacity && grow(keys) < 0)
        return -ENOMEM;
    struct bytes_reader reader = bytes_reader_of(entry->key.bytes);
    keys->heights[keys->count] = bytes_get_u64(&reader);
    get_hash(&reader, &keys->ids[keys->count++]);
    return 0;
}

static int visit_open(struct safety_store *self, const struct open_keys *keys, safety_store_visit_fn *visit,
                      void *context)
{
    for (size_t i = 0; i < keys->count; i++) {
        if (keys->heights[i] <= self->height) {
            int rc = safety_store_forget(self, &keys->ids[i], keys->heights[i]);
            if (rc < 0)
                return rc;
            continue;
        }
        struct safety_store_block block = {0};
        int rc = read_bodies(self, &keys->ids[i], &block, /* take_justify= */ true);
        rc = rc == 0 ? visit(context, &block) : rc;
        safety_store_block_deinit(&block);
        if (rc != 0)
            return rc;
    }
    return 0;
}

int safety_store_each_open(struct safety_store *self, safety_store_visit_fn *visit, void *context)
{
    struct open_keys keys = {0};
    int rc = store_each_bytes(self->store, self->open, span_of(NULL, 0), collect_open, &keys);
    rc = rc == 0 ? visit_open(self, &keys, visit, context) : rc;
    free(keys.ids);
    free(keys.heights);
    return rc;
}

const struct consensus_voting *safety_store_voting(const struct safety_store *self)
{
    return self->record.has_voting ? &self->record.voting : NULL;
}

uint64_t safety_store_floor_view(const struct safety_store *self)
{
    return self->record.floor_view;
}

int safety_store_genesis(struct safety_store *self, struct block_header *out)
{
    uint8_t *value = NULL;
    size_t size = 0;
    int rc = store_get_copy(self->store, self->meta, store_key_text("genesis"), &value, &size);
    if (rc == 0 && block_header_decode(out, span_of(value, size)) < 0)
        rc = ERR_CORRUPT;
    free(value);
    return rc;
}

static void put_header_value(struct bytes_writer *writer, const void *value)
{
    put_header(writer, value);
}

int safety_store_set_genesis(struct safety_store *self, const struct block_header *header)
{
    int rc = queue_put(self, self->meta, span_text("genesis"), 0, put_header_value, header);
    return rc == 0 ? safety_store_flush(self) : rc;
}

/* Opening. */

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

static int open_tables(struct safety_store *self)
{
    int rc = store_table_open(self->store, "blocks", STORE_KEYS_HEIGHT, &self->blocks);
    rc = rc == 0 ? store_table_open(self->store, "bodies", STORE_KEYS_BYTES, &self->bodies) : rc;
    return rc == 0 ? store_table_open(self->store, "open", STORE_KEYS_BYTES, &self->open) : rc;
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
    return entry->key.bytes.size == OPEN_KEY_BYTES ? 0 : ERR_CORRUPT;
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
    uint64_t voted_view = mark_of(&self->record).last_voted_view;
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
    bool older = mark.last_voted_view > voted_view || mark.sequence > self->record.sequence;
    self->mark_is_void = older;
    if (!older || mark.last_voted_view == 0 || options->floor_view >= mark.last_voted_view)
        return 0;
    log_error("safety.older",
              "mark=%s mark_voted_view=%" PRIu64 " store_voted_view=%" PRIu64 " mark_sequence=%" PRIu64
              " store_sequence=%" PRIu64,
              LOG_QUOTE_TEXT(options->mark_path), mark.last_voted_view, voted_view, mark.sequence,
              self->record.sequence);
    return refuse(options, ERR_CONFIG, "it is older than the last use of the key", DO_RECREATE);
}

static int open_mark(struct safety_store *self, const struct safety_store_options *options)
{
    if (!options->mark_path)
        return 0;
    struct voted_mark first = mark_of(&self->record);
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
    rc = rc == 0 ? write_with(self, &record) : rc;
    rc = rc == 0 && self->mark_is_void ? open_mark(self, options) : rc;
    struct voted_mark mark = mark_of(&self->record);
    return rc == 0 && self->mark.fd >= 0 ? voted_mark_write(&self->mark, &mark, /* sync= */ true) : rc;
}

int safety_store_open(struct safety_store **out, const struct safety_store_options *options)
{
    CLEANUP(safety_store_close) struct safety_store *self = calloc(1, sizeof *self);
    if (!self)
        return -ENOMEM;
    self->mark.fd = -1;
    struct store_options store = {.path = options->path,
                                  .map_bytes = MAP_BYTES_START,
                                  .map_bytes_max = options->map_bytes_max,
                                  .table_count_max = VOTING_STORE_TABLES_MAX,
                                  .probe = probe};
    int rc = store_open(&self->store, &store);
    if (rc == ERR_CORRUPT)
        return refuse(options, rc, "it is damaged", DO_RECREATE);
    rc = rc == 0 ? read_record(self, options) : rc;
    rc = rc == 0 && options->mark_path ? compare_mark(self, options) : rc;
    rc = rc == 0 ? open_tables(self) : rc;
    rc = rc == 0 ? begin(self, options) : rc;
    if (rc < 0)
        return rc;
    rc = store_last_height(self->store, self->blocks, &self->height);
    if (rc < 0 && rc != ERR_NOT_FOUND)
        return rc;
    *out = TAKE(self);
    return 0;
}

void safety_store_close(struct safety_store **self)
{
    if (!self || !*self)
        return;
    for (size_t i = 0; i < (*self)->op_count; i++)
        free((*self)->memory[i]);
    voted_mark_close(&(*self)->mark);
    store_close(&(*self)->store);
    free(*self);
    *self = NULL;
}

uint64_t safety_store_bytes(const struct safety_store *self)
{
    return store_usage(self->store).used_bytes;
}
