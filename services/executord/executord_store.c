/* executord_store.c - the log of outcomes in the store.
 *
 * Records are kept for ever in this form: a restart needs the changes of every height, and persistd may ask for any.
 */
#include "services/executord/executord_store.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/err.h"
#include "common/edge/log.h"
#include "common/edge/store.h"
#include "services/executord/outcome_codec.h"

enum {
    MAP_BYTES_AT_START = 64 << 20,
    HEAD_ROOM_BYTES = 64, /* in front of the outcomes, for the frame's head */
    CERTIFICATE_BYTES_MAX = 16384,
};

#define CERTIFICATE_KEY "certificate"

/* A piece of memory that grows and is used again. */
struct buffer {
    uint8_t *data;
    size_t size; /* used */
    size_t capacity;
};

struct executord_store {
    struct store *store;
    struct store_table outcomes;
    struct buffer buffer;  /* of frames made */
    struct buffer records; /* appended, one behind the other */
    struct appended {
        uint64_t height;
        size_t end; /* in records */
    } appended[EXECUTORD_STORE_APPENDED_MAX];
    size_t appended_count;
    struct buffer proof; /* of executord_store_head() */
    struct store_table genesis;
    uint8_t *certificate;
    size_t certificate_size;
};

static int buffer_reserve(struct buffer *buffer, size_t capacity)
{
    if (capacity <= buffer->capacity)
        return 0;
    size_t larger = buffer->capacity ? buffer->capacity : 4096;
    while (larger < capacity)
        larger *= 2;
    uint8_t *data = realloc(buffer->data, larger);
    if (!data)
        return -ENOMEM;
    buffer->data = data;
    buffer->capacity = larger;
    return 0;
}

static int certificate_read(struct executord_store *self)
{
    int rc = store_get_copy(self->store, self->genesis, store_key_text(CERTIFICATE_KEY), &self->certificate,
                            &self->certificate_size);
    return rc == ERR_NOT_FOUND ? 0 : rc;
}

int executord_store_open(struct executord_store **out, const struct executord_store_options *options)
{
    CLEANUP(executord_store_close) struct executord_store *self = calloc(1, sizeof *self);
    if (!self)
        return -ENOMEM;
    int rc = store_open(&self->store, &(struct store_options){
                                          .path = options->path,
                                          .map_bytes = MAP_BYTES_AT_START,
                                          .map_bytes_max = options->map_bytes_max,
                                          .table_count_max = 4,
                                      });
    if (rc < 0)
        return rc;
    rc = store_table_open(self->store, "outcomes", STORE_KEYS_HEIGHT, &self->outcomes);
    rc = rc == 0 ? store_table_open(self->store, "genesis", STORE_KEYS_BYTES, &self->genesis) : rc;
    rc = rc == 0 ? certificate_read(self) : rc;
    if (rc < 0)
        return rc;
    *out = TAKE(self);
    return 0;
}

void executord_store_close(struct executord_store **self)
{
    if (!self || !*self)
        return;
    store_close(&(*self)->store);
    free((*self)->buffer.data);
    free((*self)->records.data);
    free((*self)->proof.data);
    free((*self)->certificate);
    free(*self);
    *self = NULL;
}

/* --- writing ------------------------------------------------------------------------------------------------------ */

int executord_store_append(struct executord_store *self, const struct version *version, struct span proof)
{
    assert(self->appended_count < EXECUTORD_STORE_APPENDED_MAX);
    struct bytes_writer counter = bytes_writer_of(NULL, 0);
    outcome_codec_put(&counter, version, proof);
    struct buffer *records = &self->records;
    int rc = buffer_reserve(records, records->size + counter.size);
    if (rc < 0)
        return rc;
    struct bytes_writer writer = bytes_writer_of(records->data + records->size, counter.size);
    outcome_codec_put(&writer, version, proof);
    records->size += writer.size;
    self->appended[self->appended_count++] = (struct appended){.height = version->header.height, .end = records->size};
    return 0;
}

int executord_store_write(struct executord_store *self)
{
    struct store_op ops[EXECUTORD_STORE_APPENDED_MAX];
    size_t begin = 0;
    for (size_t i = 0; i < self->appended_count; i++) {
        const struct appended *each = &self->appended[i];
        ops[i] = (struct store_op){
            .kind = STORE_APPEND,
            .table = self->outcomes,
            .key = store_key_height(each->height),
            .value = span_of(self->records.data + begin, each->end - begin),
        };
        begin = each->end;
    }
    size_t count = self->appended_count;
    self->appended_count = 0;
    self->records.size = 0;
    return count == 0 ? 0 : store_write(self->store, ops, count);
}

struct span executord_store_certificate(const struct executord_store *self)
{
    return span_of(self->certificate, self->certificate_size);
}

int executord_store_put_certificate(struct executord_store *self, struct span certificate)
{
    if (certificate.size == 0 || certificate.size > CERTIFICATE_BYTES_MAX)
        return ERR_TOO_LARGE;
    uint8_t *copy = malloc(certificate.size);
    if (!copy)
        return -ENOMEM;
    memcpy(copy, certificate.data, certificate.size);
    struct store_op op = {
        .kind = STORE_PUT, .table = self->genesis, .key = store_key_text(CERTIFICATE_KEY), .value = certificate};
    int rc = store_write(self->store, &op, 1);
    if (rc < 0) {
        free(copy);
        return rc;
    }
    free(self->certificate);
    self->certificate = copy;
    self->certificate_size = certificate.size;
    return 0;
}

/* --- loading ------------------------------------------------------------------------------------------------------ */

struct replay {
    struct executor *executor;
    struct executor_entry *entries;
    size_t entries_max;
};

static int corrupt(uint64_t height, const char *what)
{
    log_error("store.corrupt", "height=%" PRIu64 " what=%s", height, LOG_QUOTE_TEXT(what));
    return ERR_CORRUPT;
}

static int check_genesis(const struct replay *replay, const struct outcome_codec_head *head)
{
    struct hash stored = block_id(&head->header);
    const struct hash *ours = &executor_committed(replay->executor)->id;
    if (hash_equal(&stored, ours))
        return 0;
    log_error("store.other_genesis", "stored=%s configured=%s", LOG_HASH(&stored), LOG_HASH(ours));
    return ERR_CONFIG;
}

static int replay_one(void *context, const struct store_entry *entry)
{
    struct replay *replay = context;
    struct outcome_codec_head head;
    size_t count;
    uint64_t height = entry->key.height;
    if (outcome_codec_read_head(&head, entry->value) < 0)
        return corrupt(height, "no outcome");
    if (height == 0)
        return check_genesis(replay, &head);
    if (outcome_codec_read_changes(entry->value, replay->entries, replay->entries_max, &count) < 0)
        return corrupt(height, "no list of changes");
    struct executor_stored stored = {.header = &head.header, .entries = replay->entries, .count = count};
    int rc = executor_replay(replay->executor, &stored);
    return rc == ERR_CORRUPT ? corrupt(height, "does not give the state root of its header") : rc;
}

static int replay_all(struct executord_store *self, struct executor *executor)
{
    struct replay replay = {.executor = executor, .entries_max = executor_change_count_max(executor)};
    replay.entries = calloc(replay.entries_max, sizeof replay.entries[0]);
    if (!replay.entries)
        return -ENOMEM;
    int rc = store_each_height(self->store, self->outcomes, (struct store_range){0, UINT64_MAX}, replay_one, &replay);
    free(replay.entries);
    return rc;
}

int executord_store_load(struct executord_store *self, struct executor *executor)
{
    uint64_t last;
    int rc = store_last_height(self->store, self->outcomes, &last);
    if (rc == ERR_NOT_FOUND) {
        rc = executord_store_append(self, executor_committed(executor), (struct span){0});
        return rc < 0 ? rc : executord_store_write(self);
    }
    if (rc < 0)
        return rc;
    rc = replay_all(self, executor);
    if (rc < 0)
        return rc;
    uint64_t height = executor_committed(executor)->header.height;
    return height == last ? 0 : corrupt(last, "heights before it are missing");
}

/* --- reading ------------------------------------------------------------------------------------------------------ */

struct head_read {
    struct executord_store *self;
    struct executord_store_head *out;
};

static int read_head(void *context, const struct store_entry *entry)
{
    struct head_read *read = context;
    struct outcome_codec_head head;
    if (outcome_codec_read_head(&head, entry->value) < 0)
        return corrupt(entry->key.height, "no outcome");
    struct buffer *proof = &read->self->proof;
    int rc = buffer_reserve(proof, head.proof.size);
    if (rc < 0)
        return rc;
    if (head.proof.size > 0)
        memcpy(proof->data, head.proof.data, head.proof.size);
    memcpy(read->out->header, head.header_bytes.data, BLOCK_HEADER_BYTES);
    read->out->proof = span_of(proof->data, head.proof.size);
    return 0;
}

int executord_store_head(struct executord_store *self, uint64_t height, struct executord_store_head *out)
{
    struct head_read read = {.self = self, .out = out};
    return store_get(self->store, self->outcomes, store_key_height(height), read_head, &read);
}

struct collect {
    struct buffer *buffer; /* outcomes as items, behind HEAD_ROOM_BYTES */
    uint32_t count;
    uint32_t count_max;
    size_t bytes_max;
    uint64_t height_next;
};

enum { COLLECT_FULL = 1 };

static int collect_one(void *context, const struct store_entry *entry)
{
    struct collect *collect = context;
    struct buffer *buffer = collect->buffer;
    if (entry->key.height != collect->height_next)
        return corrupt(entry->key.height, "heights before it are missing");
    if (collect->count > 0 && buffer->size + entry->value.size > collect->bytes_max)
        return COLLECT_FULL;
    size_t room = OUTCOME_CODEC_ITEM_HEAD_BYTES_MAX + entry->value.size;
    int rc = buffer_reserve(buffer, buffer->size + room);
    if (rc < 0)
        return rc;
    struct bytes_writer writer = bytes_writer_of(buffer->data + buffer->size, room);
    outcome_codec_put_item(&writer, entry->value);
    buffer->size += writer.size;
    collect->height_next++;
    return ++collect->count >= collect->count_max ? COLLECT_FULL : 0;
}

int executord_store_outcomes(struct executord_store *self, const struct executord_store_ask *ask, struct span *out)
{
    struct collect collect = {
        .buffer = &self->buffer,
        .count_max = ask->count_max,
        .bytes_max = ask->bytes_max,
        .height_next = ask->height_first,
    };
    static_assert((int)HEAD_ROOM_BYTES >= (int)OUTCOME_CODEC_FRAME_HEAD_BYTES_MAX, "the frame's head fits");
    int rc = buffer_reserve(&self->buffer, HEAD_ROOM_BYTES);
    if (rc < 0)
        return rc;
    self->buffer.size = HEAD_ROOM_BYTES;
    struct store_range range = {ask->height_first, UINT64_MAX};
    rc = store_each_height(self->store, self->outcomes, range, collect_one, &collect);
    if (rc < 0)
        return rc;
    if (collect.count == 0)
        return ERR_NOT_FOUND;
    uint8_t head[OUTCOME_CODEC_FRAME_HEAD_BYTES_MAX];
    struct bytes_writer writer = bytes_writer_of(head, sizeof head);
    outcome_codec_put_frame_head(&writer, ask->request, self->buffer.size - HEAD_ROOM_BYTES);
    uint8_t *frame = self->buffer.data + HEAD_ROOM_BYTES - writer.size;
    memcpy(frame, head, writer.size);
    *out = span_of(frame, self->buffer.size - HEAD_ROOM_BYTES + writer.size);
    return 0;
}

uint64_t executord_store_bytes(const struct executord_store *self)
{
    return store_usage(self->store).used_bytes;
}
