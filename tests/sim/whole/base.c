/* base.c - services/persistd/{database,feed_store}.h in memory: a validator's database.
 *
 * A transaction takes effect whole, or not, or nobody knows. Of all rows a sum is kept that does not depend on the
 * order in which they came, nor on how blocks were put together into transactions: databases of one height have one
 * sum.
 */
#include <errno.h>

#include "common/base/bytes.h"
#include "common/base/err.h"
#include "services/persistd/database.h"
#include "services/persistd/feed_store.h"
#include "tests/sim/whole/base.h"
#include "tests/sim/whole/world.h"

struct base_producer {
    uint8_t key[SIGN_PUBLIC_BYTES];
    char name[GENESIS_NAME_BYTES_MAX + 1];
    uint32_t roles;
    bool active;
    uint64_t height;
};

struct base {
    struct base_block *blocks; /* by height */
    size_t count, capacity;
    struct map *txs;  /* tx id -> height + 1 */
    struct map *rows; /* table and key -> what the row adds to the sum, plus 1 */
    struct base_producer *producers;
    size_t producer_count;
    uint64_t sum;
    struct genesis_store_certificate certificate;
};

struct database {
    struct base *base;
    bool open;
};

struct feed_store {
    struct base *base;
};

const struct migrate_step migrate_steps[1];
const size_t migrate_step_count = 0;

struct base *base_new(void)
{
    struct base *self = must(calloc(1, sizeof *self));
    if (map_new(&self->txs, 256, 1) < 0 || map_new(&self->rows, 256, 2) < 0)
        abort();
    return self;
}

static void free_block(struct base_block *block)
{
    for (uint32_t i = 0; i < block->tx_count; i++)
        free(block->txs[i].receipt);
    free(block->txs);
    free(block->proof);
}

void base_free(struct base **base)
{
    struct base *self = *base;
    if (!self)
        return;
    for (size_t i = 0; i < self->count; i++)
        free_block(&self->blocks[i]);
    free(self->blocks);
    free(self->producers);
    map_destroy(&self->txs);
    map_destroy(&self->rows);
    free(self);
    *base = NULL;
}

bool base_has_tx(const struct base *base, const struct hash *tx_id)
{
    return map_find(base->txs, tx_id) != NULL;
}

int64_t base_height(const struct base *base)
{
    return (int64_t)base->count - 1;
}

const struct base_block *base_block_at(const struct base *base, uint64_t height)
{
    return height < base->count ? &base->blocks[height] : NULL;
}

const struct base_block *base_block_of(const struct base *base, const struct hash *tx_id, uint32_t *index)
{
    uint64_t place = (uint64_t)(uintptr_t)map_find(base->txs, tx_id);
    const struct base_block *block = place ? &base->blocks[place - 1] : NULL;
    for (uint32_t i = 0; block && i < block->tx_count; i++) {
        if (hash_equal(&block->txs[i].id, tx_id))
            *index = i;
    }
    return block;
}

/* --- rows --------------------------------------------------------------------------------------------------------- */

struct row {
    uint8_t bytes[512];
    struct bytes_writer writer;
};

static struct row *row_begin(struct row *row, const char *table)
{
    row->writer = bytes_writer_of(row->bytes, sizeof row->bytes);
    bytes_put_sized(&row->writer, span_text(table));
    return row;
}

static void row_long(struct row *row, struct span value)
{
    struct hash hash = hash_of(value);
    bytes_put(&row->writer, hash.bytes, HASH_BYTES);
}

static uint64_t row_sum(const struct row *row)
{
    if (row->writer.failed)
        abort();
    struct hash hash = hash_of(bytes_written(&row->writer));
    return hash_table_key(&hash) >> 1; /* so that 1 can be added */
}

/* Insert, replace or, without a row, delete. */
static void upsert(struct base *self, const char *table, struct span key, const struct row *row)
{
    struct hash place = hash_of2(span_text(table), key);
    uint64_t before = (uint64_t)(uintptr_t)map_find(self->rows, &place);
    self->sum -= before ? before - 1 : 0;
    uint64_t sum = row ? row_sum(row) : 0;
    self->sum += sum;
    if (!row)
        (void)map_remove(self->rows, &place);
    else if (map_put(self->rows, &place, (void *)(uintptr_t)(sum + 1)) < 0)
        abort();
}

static uint8_t *copy_of(struct span bytes)
{
    uint8_t *copy = must(malloc(bytes.size + 1));
    if (bytes.size > 0)
        memcpy(copy, bytes.data, bytes.size);
    return copy;
}

static void put_tx(struct base_tx *out, const struct rows_tx *tx)
{
    *out = (struct base_tx){.id = tx->tx_id,
                            .kind = tx->kind,
                            .producer = tx->producer,
                            .ts = tx->ts,
                            .receipt = copy_of(tx->receipt),
                            .receipt_size = tx->receipt.size};
    memcpy(out->event_id, tx->event_id.data, tx->event_id.size);
}

static void put_block(struct base *self, const struct rows *rows, const struct rows_block *block)
{
    const struct outcome *outcome = block->outcome;
    if (self->count == self->capacity) {
        self->capacity = self->capacity ? 2 * self->capacity : 64;
        self->blocks = must(realloc(self->blocks, self->capacity * sizeof *self->blocks));
    }
    struct base_block *added = &self->blocks[self->count++];
    *added = (struct base_block){.id = outcome->block_id,
                                 .proof = copy_of(outcome->proof),
                                 .proof_size = outcome->proof.size,
                                 .size_bytes = block->size_bytes,
                                 .tx_count = outcome->tx_count};
    memcpy(added->header, outcome->header_bytes.data, BLOCK_HEADER_BYTES);
    memcpy(added->counts, block->counts, sizeof added->counts);
    added->txs = must(calloc(outcome->tx_count + 1, sizeof *added->txs));
    for (uint32_t i = 0; i < outcome->tx_count; i++) {
        put_tx(&added->txs[i], &rows->txs.items[block->tx_first + i]);
        if (map_put(self->txs, &added->txs[i].id, (void *)(uintptr_t)(outcome->height + 1)) < 0)
            abort();
    }
    struct row row;
    row_long(row_begin(&row, "blocks"), outcome->header_bytes);
    self->sum += row_sum(&row);
}

static void put_txs(struct base *self, const struct rows *rows)
{
    struct row row;
    for (size_t i = 0; i < rows->txs.count; i++) {
        const struct rows_tx *tx = &rows->txs.items[i];
        row_begin(&row, "transactions");
        bytes_put_u64(&row.writer, tx->height);
        bytes_put_u32(&row.writer, tx->index);
        bytes_put_sized(&row.writer, tx->event_id);
        row_long(&row, tx->body);
        row_long(&row, tx->receipt);
        self->sum += row_sum(&row);
    }
}

static void add_event(struct base *self, const char *table, const struct rows_tx *tx, struct span status, int64_t ts)
{
    struct row row;
    row_begin(&row, table);
    bytes_put(&row.writer, tx->tx_id.bytes, HASH_BYTES);
    bytes_put_sized(&row.writer, status);
    bytes_put_u64(&row.writer, (uint64_t)ts);
    self->sum += row_sum(&row);
}

static void put_events(struct base *self, const struct rows *rows)
{
    for (size_t i = 0; i < rows->anomalies.count; i++)
        add_event(self, "anomalies", rows->anomalies.items[i].tx, rows->anomalies.items[i].record.status,
                  rows->anomalies.items[i].record.ts);
    for (size_t i = 0; i < rows->evidence.count; i++)
        add_event(self, "evidence", rows->evidence.items[i].tx, rows->evidence.items[i].record.status,
                  rows->evidence.items[i].record.ts);
    for (size_t i = 0; i < rows->policies.count; i++)
        add_event(self, "policies", rows->policies.items[i].tx, rows->policies.items[i].record.policy_id,
                  rows->policies.items[i].record.expires_at_s);
    for (size_t i = 0; i < rows->validator_evidence.count; i++) {
        const struct rows_validator_evidence *proof = &rows->validator_evidence.items[i];
        add_event(self, "validator_evidence", proof->tx, span_of(proof->offender.bytes, HASH_BYTES),
                  (int64_t)proof->view << 2 | (int64_t)proof->kind);
    }
}

static struct base_producer *producer_place(struct base *self, const uint8_t key[static SIGN_PUBLIC_BYTES])
{
    for (size_t i = 0; i < self->producer_count; i++) {
        if (memcmp(self->producers[i].key, key, SIGN_PUBLIC_BYTES) == 0)
            return &self->producers[i];
    }
    self->producers = must(realloc(self->producers, (self->producer_count + 1) * sizeof *self->producers));
    return &self->producers[self->producer_count++];
}

static void put_producers(struct base *self, const struct rows *rows)
{
    struct row row;
    for (size_t i = 0; i < rows->producers.count; i++) {
        const struct rows_producer *producer = &rows->producers.items[i];
        struct base_producer *place = producer_place(self, producer->key);
        *place = (struct base_producer){
            .roles = producer->record.roles, .active = producer->record.active, .height = producer->height};
        memcpy(place->key, producer->key, sizeof place->key);
        memcpy(place->name, producer->record.name.data, producer->record.name.size);
        row_begin(&row, "producers");
        bytes_put(&row.writer, place->key, sizeof place->key);
        bytes_put_u32(&row.writer, place->roles);
        bytes_put_u8(&row.writer, place->active);
        bytes_put_u64(&row.writer, place->height);
        upsert(self, "producers", span_of(place->key, sizeof place->key), &row);
    }
}

static void put_validators(struct base *self, const struct rows *rows)
{
    struct row row;
    for (size_t i = 0; i < rows->validators.count; i++) {
        const struct rows_validator *validator = &rows->validators.items[i];
        const struct record_validator *record = &validator->record;
        row_begin(&row, "validators");
        bytes_put(&row.writer, validator->id, sizeof validator->id);
        bytes_put_u64(&row.writer, validator->height);
        bytes_put_u32(&row.writer, record->reputation_ppm);
        bytes_put_u8(&row.writer, record->active);
        bytes_put_u64(&row.writer, (uint64_t)record->blocks_proposed);
        bytes_put_u64(&row.writer, (uint64_t)record->blocks_committed);
        bytes_put_u64(&row.writer, (uint64_t)record->views_missed);
        bytes_put_u64(&row.writer, (uint64_t)record->last_active_height);
        upsert(self, "validators", span_of(validator->id, sizeof validator->id), &row);
    }
}

static void put_states(struct base *self, const struct rows *rows)
{
    struct row row;
    for (size_t i = 0; i < rows->states.count; i++) {
        const struct rows_state *state = &rows->states.items[i];
        row_long(row_begin(&row, "state_kv"), state->key);
        row_long(&row, state->value);
        bytes_put_u64(&row.writer, state->height);
        upsert(self, "state_kv", state->key, state->deleted ? NULL : &row);
    }
}

static void put_rows(struct base *self, const struct rows *rows)
{
    for (size_t i = 0; i < rows->blocks.count; i++)
        put_block(self, rows, &rows->blocks.items[i]);
    put_txs(self, rows);
    put_events(self, rows);
    put_producers(self, rows);
    put_validators(self, rows);
    put_states(self, rows);
    judge_base(world.current->validator, self->count - 1, self->sum);
}

/* --- writing ------------------------------------------------------------------------------------------------------ */

static bool is_away(void)
{
    return world_now_us() < world.validators[world.current->validator].base_away_until_us;
}

static bool fails(void)
{
    return world_chance(world.validators[world.current->validator].base_fail_ppm);
}

struct base *base_reached(void)
{
    if (!world_point() || is_away() || fails())
        return NULL;
    return world.validators[world.current->validator].base;
}

int database_new(struct database **out, const struct database_options *options)
{
    struct database *self = must(calloc(1, sizeof *self));
    self->base = world.validators[world.current->validator].base;
    *out = self;
    return 0;
}

void database_destroy(struct database **self)
{
    if (!self || !*self)
        return;
    free(*self);
    *self = NULL;
}

static struct persist_tip tip_of(const struct base *base)
{
    struct persist_tip tip = {.exists = base->count > 0};
    if (tip.exists) {
        tip.height = base->count - 1;
        tip.id = base->blocks[tip.height].id;
    }
    return tip;
}

int database_open(struct database *self, struct persist_tip *tip)
{
    self->open = false;
    if (!base_reached())
        return ERR_PEER_GONE;
    self->open = true;
    *tip = tip_of(self->base);
    return 0;
}

int database_exchange_certificate(struct database *self, struct span offered, struct genesis_store_certificate *out)
{
    if (!self->open || !base_reached())
        return ERR_PEER_GONE;
    struct genesis_store_certificate *stored = &self->base->certificate;
    if (stored->size == 0 && offered.size > 0 && offered.size <= sizeof stored->bytes) {
        memcpy(stored->bytes, offered.data, offered.size);
        stored->size = offered.size;
    }
    *out = *stored;
    return 0;
}

static bool is_tip(const struct base *base, const struct persist_tip *tip)
{
    struct persist_tip now = tip_of(base);
    return now.exists == tip->exists && now.height == tip->height && hash_equal(&now.id, &tip->id);
}

/* As the statements of database.c see it: the run is there, another one is, or the tip has moved. */
static int compare(const struct base *base, const struct rows *rows)
{
    size_t there = 0;
    for (size_t i = 0; i < rows->blocks.count; i++) {
        const struct outcome *outcome = rows->blocks.items[i].outcome;
        if (outcome->height >= base->count)
            continue;
        if (!hash_equal(&outcome->block_id, &base->blocks[outcome->height].id))
            return ERR_CONFLICT;
        there++;
    }
    return there == rows->blocks.count ? 0 : DATABASE_UNKNOWN;
}

int database_write(struct database *self, const struct rows *rows, const struct persist_tip *tip)
{
    if (!self->open)
        return DATABASE_UNKNOWN;
    bool was_dead = world.current->dead;
    bool alive = world_point();
    bool lost = !alive || is_away() || fails();
    if (was_dead || (lost && world_below(2) == 0)) {
        self->open = false;
        return DATABASE_UNKNOWN;
    }
    if (fails())
        return DATABASE_RETRY;
    if (!is_tip(self->base, tip))
        return compare(self->base, rows);
    for (size_t i = 0; i < rows->txs.count; i++) {
        if (base_has_tx(self->base, &rows->txs.items[i].tx_id))
            return ERR_CONFLICT;
    }
    uint64_t next = self->base->count;
    for (size_t i = 0; i < rows->blocks.count; i++) {
        if (rows->blocks.items[i].outcome->height != next + i)
            violate("v%" PRIu32 ".persistd writes height %" PRIu64 " where %" PRIu64 " comes next",
                    world.current->validator, rows->blocks.items[i].outcome->height, next + i);
    }
    put_rows(self->base, rows);
    self->open = !lost;
    return lost ? DATABASE_UNKNOWN : 0;
}

/* --- answering the feed ------------------------------------------------------------------------------------------- */

int feed_store_new(struct feed_store **out, const char *dsn, const char *password_file)
{
    struct feed_store *self = must(calloc(1, sizeof *self));
    self->base = world.validators[world.current->validator].base;
    *out = self;
    return 0;
}

void feed_store_destroy(struct feed_store **self)
{
    if (!self || !*self)
        return;
    free(*self);
    *self = NULL;
}

#define WRITE_FRAME(put, value, out_bytes, out_size)                                                                   \
    do {                                                                                                               \
        struct bytes_writer counter_ = bytes_writer_of(NULL, 0);                                                       \
        put(&counter_, (value));                                                                                       \
        *(out_bytes) = must(malloc(counter_.size + 1));                                                                \
        *(out_size) = counter_.size;                                                                                   \
        struct bytes_writer writer_ = bytes_writer_of(*(out_bytes), counter_.size);                                    \
        put(&writer_, (value));                                                                                        \
    } while (0)

static struct feed_codec_producer producer_of(const struct base_producer *producer)
{
    return (struct feed_codec_producer){.key = span_of(producer->key, sizeof producer->key),
                                        .name = span_text(producer->name),
                                        .roles = producer->roles,
                                        .active = producer->active};
}

static void block_message(const struct base *base, uint64_t height, uint8_t **out, size_t *size)
{
    const struct base_block *block = &base->blocks[height];
    struct feed_codec_tx *txs = must(calloc(block->tx_count + 1, sizeof *txs));
    struct feed_codec_producer *producers = must(calloc(base->producer_count + 1, sizeof *producers));
    struct feed_codec_block message = {.height = height,
                                       .block_id = span_of(block->id.bytes, HASH_BYTES),
                                       .header = span_of(block->header, sizeof block->header),
                                       .proof = span_of(block->proof, block->proof_size),
                                       .txs = txs,
                                       .tx_count = block->tx_count,
                                       .anomaly_count = block->counts[TX_ANOMALY],
                                       .evidence_count = block->counts[TX_EVIDENCE],
                                       .policy_count = block->counts[TX_POLICY],
                                       .producers = producers};
    for (uint32_t i = 0; i < block->tx_count; i++) {
        bool is_anomaly = block->txs[i].kind == TX_ANOMALY;
        txs[i] = (struct feed_codec_tx){.tx_id = span_of(block->txs[i].id.bytes, HASH_BYTES),
                                        .event_id = is_anomaly ? span_text(block->txs[i].event_id) : (struct span){0},
                                        .is_anomaly = is_anomaly};
    }
    for (size_t i = 0; i < base->producer_count; i++) {
        if (base->producers[i].height == height)
            producers[message.producer_count++] = producer_of(&base->producers[i]);
    }
    WRITE_FRAME(feed_codec_put_block, &message, out, size);
    free(txs);
    free(producers);
}

static void answer_range(const struct base *base, const struct feed_codec_question *question, uint8_t **frame,
                         size_t *size)
{
    uint8_t *messages[FEED_CODEC_RANGE_BLOCKS_MAX];
    struct span blocks[FEED_CODEC_RANGE_BLOCKS_MAX];
    struct feed_codec_range range = {
        .request = question->request, .blocks = blocks, .height_last = base->count ? base->count - 1 : 0};
    for (uint64_t height = question->height_first; height < base->count && range.block_count < question->count_max;
         height++) {
        size_t bytes;
        block_message(base, height, &messages[range.block_count], &bytes);
        blocks[range.block_count] = span_of(messages[range.block_count], bytes);
        range.block_count++;
    }
    WRITE_FRAME(feed_codec_put_range, &range, frame, size);
    for (size_t i = 0; i < range.block_count; i++)
        free(messages[i]);
}

static int answer_producers(const struct base *base, const struct feed_codec_question *question, uint8_t **frame,
                            size_t *size)
{
    if (base->count == 0)
        return ERR_RETRY;
    struct feed_codec_producer *list = must(calloc(base->producer_count + 1, sizeof *list));
    for (size_t i = 0; i < base->producer_count; i++)
        list[i] = producer_of(&base->producers[i]);
    struct feed_codec_producers answer = {.request = question->request,
                                          .height = base->count - 1,
                                          .producers = list,
                                          .producer_count = base->producer_count};
    WRITE_FRAME(feed_codec_put_producers, &answer, frame, size);
    free(list);
    return 0;
}

static void answer_lookup(const struct base *base, const struct feed_codec_question *question, uint8_t **frame,
                          size_t *size)
{
    struct span *found = must(calloc(question->id_count + 1, sizeof *found));
    struct feed_codec_lookup answer = {.request = question->request, .found = found};
    for (uint32_t i = 0; i < question->id_count; i++) {
        if (base_has_tx(base, &question->ids[i]))
            found[answer.found_count++] = span_of(question->ids[i].bytes, HASH_BYTES);
    }
    WRITE_FRAME(feed_codec_put_lookup, &answer, frame, size);
    free(found);
}

int feed_store_answer(struct feed_store *self, const struct feed_codec_question *question, uint8_t **frame,
                      size_t *size)
{
    if (!base_reached())
        return ERR_PEER_GONE;
    switch (question->kind) {
    case FEED_CODEC_RANGE:
        answer_range(self->base, question, frame, size);
        return 0;
    case FEED_CODEC_PRODUCERS:
        return answer_producers(self->base, question, frame, size);
    case FEED_CODEC_LOOKUP:
        answer_lookup(self->base, question, frame, size);
        return 0;
    }
    return -EINVAL;
}
