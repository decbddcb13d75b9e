/* safety_store.c - four tables.
 *
 * meta    "identity", "genesis", "voting"
 * blocks  height -> id, header, own certificate, proof; the committed ones, appended
 * bodies  block id -> parent's certificate, header, bodies; of voted and committed blocks
 * open    height || block id -> nothing; which of `bodies` are voted for and not committed
 */
#include "services/consensusd/safety_store.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/bytes.h"
#include "common/base/err.h"
#include "common/edge/log.h"
#include "common/edge/store.h"

enum {
    FORMAT = 1,
    COMMIT_FORMAT = 2,
    TABLES_MAX = 8,
    OPS_MAX = 4096,
    MAP_BYTES_START = 64 << 20,
    OPEN_KEY_BYTES = 8 + HASH_BYTES,
    BODY_COUNT_MAX = 1 << 20,
};

struct safety_store {
    struct store *store;
    struct store_table meta, blocks, bodies, open;
    struct store_op ops[OPS_MAX]; /* queued; keys and values in memory of their own */
    uint8_t *memory[OPS_MAX];
    size_t op_count;
    uint64_t height;
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

static void put_qc(struct bytes_writer *writer, const struct qc *qc)
{
    bytes_put_u64(writer, qc->view);
    bytes_put_u64(writer, qc->height);
    put_hash(writer, &qc->block_id);
    bytes_put_u32(writer, qc->signature_count);
    for (uint32_t i = 0; i < qc->signature_count; i++) {
        bytes_put_u32(writer, qc->signatures[i].validator);
        bytes_put(writer, qc->signatures[i].signature.bytes, SIGN_BYTES);
    }
}

static void put_tc(struct bytes_writer *writer, const struct tc *tc)
{
    bytes_put_u64(writer, tc->view);
    bytes_put_u32(writer, tc->signature_count);
    for (uint32_t i = 0; i < tc->signature_count; i++) {
        bytes_put_u32(writer, tc->signatures[i].validator);
        bytes_put_u64(writer, tc->signatures[i].high_qc_view);
        bytes_put(writer, tc->signatures[i].signature.bytes, SIGN_BYTES);
    }
    put_qc(writer, &tc->high_qc);
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

static void get_qc(struct bytes_reader *reader, struct qc *out)
{
    out->view = bytes_get_u64(reader);
    out->height = bytes_get_u64(reader);
    get_hash(reader, &out->block_id);
    uint32_t count = bytes_get_u32(reader);
    if (count > CERT_SIGNERS_MAX)
        reader->failed = true;
    out->signature_count = reader->failed ? 0 : count;
    for (uint32_t i = 0; i < out->signature_count; i++) {
        out->signatures[i].validator = bytes_get_u32(reader);
        bytes_get_copy(reader, out->signatures[i].signature.bytes, SIGN_BYTES);
    }
}

static void get_tc(struct bytes_reader *reader, struct tc *out)
{
    out->view = bytes_get_u64(reader);
    uint32_t count = bytes_get_u32(reader);
    if (count > CERT_SIGNERS_MAX)
        reader->failed = true;
    out->signature_count = reader->failed ? 0 : count;
    for (uint32_t i = 0; i < out->signature_count; i++) {
        out->signatures[i].validator = bytes_get_u32(reader);
        out->signatures[i].high_qc_view = bytes_get_u64(reader);
        bytes_get_copy(reader, out->signatures[i].signature.bytes, SIGN_BYTES);
    }
    get_qc(reader, &out->high_qc);
}

static void put_voting(struct bytes_writer *writer, const struct consensus_voting *voting)
{
    bytes_put_u8(writer, FORMAT);
    bytes_put_u64(writer, voting->last_voted_view);
    bytes_put_u8(writer, voting->has_vote);
    bytes_put_u64(writer, voting->vote_view);
    bytes_put_u64(writer, voting->vote_height);
    put_hash(writer, &voting->vote_block_id);
    bytes_put(writer, voting->vote_signature.bytes, SIGN_BYTES);
    bytes_put_u8(writer, voting->has_timeout);
    bytes_put_u64(writer, voting->timeout_view);
    bytes_put_u64(writer, voting->timeout_high_qc_view);
    put_qc(writer, &voting->high_qc);
    bytes_put_u8(writer, voting->has_tc);
    if (voting->has_tc)
        put_tc(writer, &voting->high_tc);
}

static int get_voting(struct consensus_voting *out, struct span value)
{
    struct bytes_reader reader = bytes_reader_of(value);
    memset(out, 0, sizeof *out);
    uint8_t format = bytes_get_u8(&reader);
    out->last_voted_view = bytes_get_u64(&reader);
    out->has_vote = bytes_get_u8(&reader) != 0;
    out->vote_view = bytes_get_u64(&reader);
    out->vote_height = bytes_get_u64(&reader);
    get_hash(&reader, &out->vote_block_id);
    bytes_get_copy(&reader, out->vote_signature.bytes, SIGN_BYTES);
    out->has_timeout = bytes_get_u8(&reader) != 0;
    out->timeout_view = bytes_get_u64(&reader);
    out->timeout_high_qc_view = bytes_get_u64(&reader);
    get_qc(&reader, &out->high_qc);
    out->has_tc = bytes_get_u8(&reader) != 0;
    if (out->has_tc)
        get_tc(&reader, &out->high_tc);
    return format == FORMAT && bytes_reader_end(&reader) == 0 ? 0 : ERR_CORRUPT;
}

/* What is written together: a function that writes it, called twice, first to count. */
typedef void put_fn(struct bytes_writer *writer, const void *value);

static int encode(struct span *out, uint8_t **memory, put_fn *put, const void *value)
{
    struct bytes_writer counter = bytes_writer_of(NULL, 0);
    put(&counter, value);
    *memory = malloc(counter.size ? counter.size : 1);
    if (!*memory)
        return -ENOMEM;
    struct bytes_writer writer = bytes_writer_of(*memory, counter.size);
    put(&writer, value);
    assert(!writer.failed);
    *out = bytes_written(&writer);
    return 0;
}

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

int safety_store_flush(struct safety_store *self)
{
    if (self->op_count == 0)
        return 0;
    int rc = store_write(self->store, self->ops, self->op_count);
    if (rc < 0)
        return rc;
    for (size_t i = 0; i < self->op_count; i++)
        free(self->memory[i]);
    self->op_count = 0;
    return 0;
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
    put_qc(writer, stored->justify ? stored->justify : &none);
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
    put_qc(writer, commit->qc ? commit->qc : &none);
    bytes_put_u32(writer, (uint32_t)commit->proof_header_count);
    for (size_t i = 0; i < commit->proof_header_count; i++)
        put_header(writer, &commit->proof_headers[i]);
    put_qc(writer, commit->proof_qc);
    put_schedule(writer, commit->schedule);
}

static void put_voting_value(struct bytes_writer *writer, const void *value)
{
    put_voting(writer, value);
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
    rc = rc == 0 ? queue_put(self, self->meta, span_text("voting"), 0, put_voting_value, vote->voting) : rc;
    return rc == 0 ? safety_store_flush(self) : rc;
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
    get_qc(&reader, &justify);
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
    get_qc(&reader, &out->qc);
    uint32_t count = bytes_get_u32(&reader);
    if (format != COMMIT_FORMAT || reader.failed || count > CERT_PROOF_HEADERS_MAX)
        return ERR_CORRUPT;
    out->proof_headers = calloc(count + 1, sizeof out->proof_headers[0]);
    if (!out->proof_headers)
        return -ENOMEM;
    out->proof_header_count = count;
    for (uint32_t i = 0; i < count; i++)
        get_header(&reader, &out->proof_headers[i]);
    get_qc(&reader, &out->proof_qc);
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

int safety_store_voting(struct safety_store *self, struct consensus_voting *out)
{
    uint8_t *value = NULL;
    size_t size = 0;
    int rc = store_get_copy(self->store, self->meta, store_key_text("voting"), &value, &size);
    if (rc == 0)
        rc = get_voting(out, span_of(value, size));
    free(value);
    return rc;
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

static void put_identity(struct bytes_writer *writer, const void *value)
{
    const struct safety_store_options *options = value;
    put_hash(writer, &options->chain_id);
    bytes_put(writer, options->key.bytes, SIGN_PUBLIC_BYTES);
}

static int check_identity(struct safety_store *self, const struct safety_store_options *options)
{
    struct span wanted;
    uint8_t *memory = NULL, *value = NULL;
    size_t size = 0;
    int rc = encode(&wanted, &memory, put_identity, options);
    if (rc < 0)
        return rc;
    rc = store_get_copy(self->store, self->meta, store_key_text("identity"), &value, &size);
    if (rc == ERR_NOT_FOUND) {
        rc = queue_put(self, self->meta, span_text("identity"), 0, put_identity, options);
        rc = rc == 0 ? safety_store_flush(self) : rc;
    } else if (rc == 0 && !span_equal(wanted, span_of(value, size))) {
        bool same_chain = size == wanted.size && memcmp(value, wanted.data, HASH_BYTES) == 0;
        log_error("store.foreign", "path=%s error=\"it belongs to another %s\"", LOG_QUOTE_TEXT(options->path),
                  same_chain ? "validator's key" : "genesis file");
        rc = ERR_CONFIG;
    }
    free(memory);
    free(value);
    return rc;
}

static int open_tables(struct safety_store *self)
{
    int rc = store_table_open(self->store, "meta", STORE_KEYS_BYTES, &self->meta);
    rc = rc == 0 ? store_table_open(self->store, "blocks", STORE_KEYS_HEIGHT, &self->blocks) : rc;
    rc = rc == 0 ? store_table_open(self->store, "bodies", STORE_KEYS_BYTES, &self->bodies) : rc;
    return rc == 0 ? store_table_open(self->store, "open", STORE_KEYS_BYTES, &self->open) : rc;
}

int safety_store_open(struct safety_store **out, const struct safety_store_options *options)
{
    CLEANUP(safety_store_close) struct safety_store *self = calloc(1, sizeof *self);
    if (!self)
        return -ENOMEM;
    struct store_options store = {.path = options->path,
                                  .map_bytes = MAP_BYTES_START,
                                  .map_bytes_max = options->map_bytes_max,
                                  .table_count_max = TABLES_MAX};
    int rc = store_open(&self->store, &store);
    rc = rc == 0 ? open_tables(self) : rc;
    rc = rc == 0 ? check_identity(self, options) : rc;
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
    store_close(&(*self)->store);
    free(*self);
    *self = NULL;
}

uint64_t safety_store_bytes(const struct safety_store *self)
{
    return store_usage(self->store).used_bytes;
}
