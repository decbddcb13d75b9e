/* safety_store.c - five tables.
 *
 * meta    "voting" (common/base/voting.h), "genesis" (the block's header), "certificate" (of its ceremony)
 * blocks  height -> id, header, own certificate, proof; the committed ones, appended
 * bodies  block id -> parent's certificate, header, bodies; of voted and committed blocks
 * open    height || block id -> nothing; which of `bodies` are voted for and not committed
 * evidence  validator id -> the proof that it equivocated, until a committed block has one
 *
 * Every write renews the voting record, with the number of the write in it: a file whose parts are of different writes
 * is found at the start. Between two writes votes go to the journal (safety_journal.c); what they queued stays queued.
 * The mark beside the key follows each write of either, so an older copy of the files is found too.
 *
 * Old blocks leave from the bottom, a few with each write and in the same transaction: a block's bodies lie wherever
 * its id falls, so removing many at once would hold up the vote that waits for the disk.
 */
#include "services/consensusd/safety_store.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/bytes.h"
#include "common/base/err.h"
#include "services/consensusd/safety_codec.h"
#include "services/consensusd/safety_journal.h"
#include "services/consensusd/safety_store_state.h"

/* What is written together: a function that writes it, called twice, first to count. */
typedef void put_fn(struct bytes_writer *writer, const void *value);

/* The queue. */

static int queue_add(struct safety_store *self, struct store_op op, uint8_t *memory)
{
    if (self->op_count == SAFETY_STORE_OPS_MAX) {
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

struct voted_mark safety_store_mark_of(const struct voting_record *record)
{
    uint64_t voted_view = record->has_voting ? record->voting.last_voted_view : 0;
    return (struct voted_mark){.chain_id = record->chain_id,
                               .key = record->key,
                               .starts = record->starts,
                               .sequence = voting_record_number(record),
                               .last_voted_view = voted_view > record->floor_view ? voted_view : record->floor_view};
}

static int write_mark(struct safety_store *self)
{
    struct voted_mark mark = safety_store_mark_of(&self->record);
    return self->mark.fd >= 0 ? voted_mark_write(&self->mark, &mark, /* sync= */ false) : 0;
}

int safety_store_write_with(struct safety_store *self, struct voting_record *record)
{
    record->sequence = store_sequence(self->store) + 1;
    record->entry = 0;
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
    self->op_count = self->journaled_count = 0;
    return write_mark(self);
}

int safety_store_flush(struct safety_store *self)
{
    if (self->op_count == 0)
        return 0;
    struct voting_record record = self->record;
    return safety_store_write_with(self, &record);
}

int safety_store_vote(struct safety_store *self, const struct safety_store_vote *vote)
{
    int rc = 0;
    if (vote->header) {
        struct safety_codec_bodies stored = {vote->header, vote->justify, vote->bodies, vote->body_count};
        uint8_t key[SAFETY_CODEC_OPEN_KEY_BYTES];
        safety_codec_open_key(key, vote->header->height, vote->id);
        rc = queue_put(self, self->bodies, span_of(vote->id->bytes, HASH_BYTES), 0, safety_codec_put_bodies, &stored);
        rc = rc == 0 ? queue_put(self, self->open, span_of(key, sizeof key), 0, NULL, NULL) : rc;
    }
    if (rc < 0)
        return rc;
    struct voting_record record = self->record;
    record.has_voting = true;
    record.voting = *vote->voting;
    rc = safety_journal_append(self, &record);
    if (rc == ERR_FULL)
        return safety_store_write_with(self, &record);
    return rc == 0 ? write_mark(self) : rc;
}

int safety_store_commit(struct safety_store *self, const struct consensus_commit *commit, const struct span *bodies,
                        size_t body_count)
{
    uint8_t key[SAFETY_CODEC_OPEN_KEY_BYTES];
    safety_codec_open_key(key, commit->header.height, &commit->block_id);
    int rc = 0;
    if (bodies) {
        struct safety_codec_bodies stored = {&commit->header, NULL, bodies, body_count};
        rc = queue_put(self, self->bodies, span_of(commit->block_id.bytes, HASH_BYTES), 0, safety_codec_put_bodies,
                       &stored);
    }
    rc = rc == 0
             ? queue_put(self, self->blocks, span_of(NULL, 0), commit->header.height, safety_codec_put_commit, commit)
             : rc;
    rc = rc == 0 ? queue_delete(self, self->open, span_of(key, sizeof key)) : rc;
    if (rc == 0 && commit->header.height > self->height)
        self->height = commit->header.height;
    if (rc == 0 && self->height_first == 0)
        self->height_first = commit->header.height;
    return rc;
}

int safety_store_forget(struct safety_store *self, const struct hash *id, uint64_t height)
{
    uint8_t key[SAFETY_CODEC_OPEN_KEY_BYTES];
    safety_codec_open_key(key, height, id);
    int rc = queue_delete(self, self->open, span_of(key, sizeof key));
    return rc == 0 ? queue_delete(self, self->bodies, span_of(id->bytes, HASH_BYTES)) : rc;
}

static void put_span(struct bytes_writer *writer, const void *value)
{
    bytes_put_span(writer, *(const struct span *)value);
}

int safety_store_put_evidence(struct safety_store *self, const struct hash *offender, struct span body)
{
    int rc = queue_put(self, self->evidence, span_of(offender->bytes, HASH_BYTES), 0, put_span, &body);
    return rc == 0 ? safety_store_flush(self) : rc;
}

int safety_store_drop_evidence(struct safety_store *self, const struct hash *offender)
{
    return queue_delete(self, self->evidence, span_of(offender->bytes, HASH_BYTES));
}

uint64_t safety_store_height(const struct safety_store *self)
{
    return self->height;
}

uint64_t safety_store_height_first(const struct safety_store *self)
{
    return self->height_first;
}

static int queue_delete_bodies(void *context, const struct store_entry *entry)
{
    struct safety_store *self = context;
    struct hash id;
    int rc = safety_codec_commit_id(entry->value, &id);
    return rc == 0 ? queue_delete(self, self->bodies, span_of(id.bytes, HASH_BYTES)) : rc;
}

int safety_store_prune(struct safety_store *self, uint64_t height, size_t count_max)
{
    if (height > self->height)
        height = self->height; /* a restart begins at the last one */
    if (self->height_first == 0 || self->height_first >= height)
        return 0;
    uint64_t end = height - self->height_first < count_max ? height : self->height_first + count_max;
    assert(count_max < SAFETY_STORE_OPS_MAX);
    /* All in one write: a block without its bodies would be a damaged one. What is queued may be about these heights.
     */
    int rc = safety_store_flush(self);
    struct store_range range = {self->height_first, end - 1};
    rc = rc == 0 ? store_each_height(self->store, self->blocks, range, queue_delete_bodies, self) : rc;
    struct store_op below = {.kind = STORE_DELETE_BELOW, .table = self->blocks, .key = store_key_height(end)};
    rc = rc == 0 ? queue_add(self, below, NULL) : rc;
    if (rc == 0)
        self->height_first = end;
    return rc;
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
    rc = rc == 0 ? safety_codec_get_bodies(span_of(out->memory_[0], size), out, take_justify) : rc;
    out->id = *id;
    return rc;
}

static int read_commit(struct safety_store *self, uint64_t height, struct safety_store_block *out)
{
    size_t size = 0;
    int rc = store_get_copy(self->store, self->blocks, store_key_height(height), &out->memory_[1], &size);
    return rc == 0 ? safety_codec_get_commit(span_of(out->memory_[1], size), out) : rc;
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
    if (entry->key.bytes.size != SAFETY_CODEC_OPEN_KEY_BYTES)
        return ERR_CORRUPT;
    if (keys->count == keys->capacity && grow(keys) < 0)
        return -ENOMEM;
    struct bytes_reader reader = bytes_reader_of(entry->key.bytes);
    keys->heights[keys->count] = bytes_get_u64(&reader);
    bytes_get_copy(&reader, keys->ids[keys->count++].bytes, HASH_BYTES);
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
    int rc = safety_store_flush(self);
    rc = rc < 0 ? rc : store_each_bytes(self->store, self->open, span_of(NULL, 0), collect_open, &keys);
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

int safety_store_set_genesis(struct safety_store *self, const struct block_header *header)
{
    int rc = queue_put(self, self->meta, span_text("genesis"), 0, safety_codec_put_header, header);
    return rc == 0 ? safety_store_flush(self) : rc;
}

int safety_store_certificate(struct safety_store *self, uint8_t out[static GENESIS_CERTIFICATE_BYTES_MAX], size_t *size)
{
    uint8_t *value = NULL;
    size_t found = 0;
    int rc = store_get_copy(self->store, self->meta, store_key_text("certificate"), &value, &found);
    if (rc == 0 && found > GENESIS_CERTIFICATE_BYTES_MAX)
        rc = ERR_CORRUPT;
    if (rc == 0) {
        memcpy(out, value, found);
        *size = found;
    }
    free(value);
    return rc;
}

static void put_span_value(struct bytes_writer *writer, const void *value)
{
    bytes_put_span(writer, *(const struct span *)value);
}

int safety_store_set_certificate(struct safety_store *self, struct span certificate)
{
    int rc = queue_put(self, self->meta, span_text("certificate"), 0, put_span_value, &certificate);
    return rc == 0 ? safety_store_flush(self) : rc;
}

void safety_store_close(struct safety_store **self)
{
    if (!self || !*self)
        return;
    for (size_t i = 0; i < (*self)->op_count; i++)
        free((*self)->memory[i]);
    voted_mark_close(&(*self)->mark);
    journal_close(&(*self)->journal);
    store_close(&(*self)->store);
    free(*self);
    *self = NULL;
}

uint64_t safety_store_bytes(const struct safety_store *self)
{
    return store_usage(self->store).used_bytes;
}

struct evidence_visit {
    safety_store_evidence_fn *visit;
    void *context;
};

static int visit_evidence(void *context, const struct store_entry *entry)
{
    const struct evidence_visit *visit = context;
    return visit->visit(visit->context, entry->value);
}

int safety_store_each_evidence(struct safety_store *self, safety_store_evidence_fn *visit, void *context)
{
    struct evidence_visit each = {visit, context};
    return store_each_bytes(self->store, self->evidence, span_of(NULL, 0), visit_evidence, &each);
}
