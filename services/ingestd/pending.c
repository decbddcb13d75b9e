/* pending.c - a slab of transactions, each in the list of its state; lists keep the order of arrival, so that the first
 * of a list is the one that is there longest.
 */
#include "services/ingestd/pending.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "common/base/err.h"
#include "common/base/map.h"

enum state { QUEUED, SENT, LATER, WAITING, ASKED, STATE_COUNT };

struct tx {
    struct hash id;
    uint64_t since_ms;
    struct tx *previous;
    struct tx *next;
    uint32_t record_first; /* OFFSETS of the chain through pending.chain */
    uint32_t body_bytes;
    uint32_t batch_index; /* SENT: its place in the batch */
    enum state state;
};

struct list {
    struct tx *first;
    struct tx *last;
    uint32_t count;
};

/* Which transaction a record holds, and the next record of that transaction. */
struct link {
    struct tx *tx;
    uint32_t next;
};

struct pending {
    struct map *map;
    struct tx *txs;
    struct tx *free_first;
    struct link *links;
    uint32_t capacity;
    struct list lists[STATE_COUNT];
    struct tx *batch_txs[PENDING_BATCH_COUNT_MAX]; /* NULL: gone meanwhile */
    uint32_t batch_count;                          /* 0: no batch is on its way */
    uint64_t batch;
    uint64_t batch_sent_ms;
    uint32_t credit_txs;
    uint64_t credit_bytes;
    bool epoch_known;
    uint64_t epoch;
    bool asking;
    uint64_t request;
    uint64_t asked_ms;
    uint64_t submitted_total;
    uint64_t requeued_total;
};

/* --- lists -------------------------------------------------------------------------------------------------------- */

static void list_remove(struct list *list, struct tx *tx)
{
    *(tx->previous ? &tx->previous->next : &list->first) = tx->next;
    *(tx->next ? &tx->next->previous : &list->last) = tx->previous;
    tx->previous = tx->next = NULL;
    list->count--;
}

static void list_append(struct list *list, struct tx *tx)
{
    tx->previous = list->last;
    tx->next = NULL;
    *(list->last ? &list->last->next : &list->first) = tx;
    list->last = tx;
    list->count++;
}

static void list_prepend(struct list *list, struct tx *tx)
{
    tx->previous = NULL;
    tx->next = list->first;
    *(list->first ? &list->first->previous : &list->last) = tx;
    list->first = tx;
    list->count++;
}

static void leave(struct pending *self, struct tx *tx)
{
    list_remove(&self->lists[tx->state], tx);
    if (tx->state == SENT)
        self->batch_txs[tx->batch_index] = NULL;
}

static void move(struct pending *self, struct tx *tx, enum state state, uint64_t now_ms)
{
    leave(self, tx);
    tx->state = state;
    tx->since_ms = now_ms;
    list_append(&self->lists[state], tx);
}

static void move_to_front(struct pending *self, struct tx *tx)
{
    leave(self, tx);
    tx->state = QUEUED;
    list_prepend(&self->lists[QUEUED], tx);
}

/* --- life --------------------------------------------------------------------------------------------------------- */

int pending_new(struct pending **out, uint32_t record_capacity, uint64_t seed)
{
    CLEANUP(pending_destroy) struct pending *self = calloc(1, sizeof *self);
    if (!self)
        return -ENOMEM;
    self->capacity = record_capacity;
    self->txs = calloc(record_capacity, sizeof *self->txs);
    self->links = calloc(record_capacity, sizeof *self->links);
    if (!self->txs || !self->links)
        return -ENOMEM;
    int rc = map_new(&self->map, record_capacity, seed);
    if (rc < 0)
        return rc;
    for (uint32_t i = record_capacity; i > 0; i--) {
        self->txs[i - 1].next = self->free_first;
        self->free_first = &self->txs[i - 1];
    }
    *out = TAKE(self);
    return 0;
}

void pending_destroy(struct pending **self)
{
    if (!self || !*self)
        return;
    map_destroy(&(*self)->map);
    free((*self)->links);
    free((*self)->txs);
    free(*self);
    *self = NULL;
}

/* --- records ------------------------------------------------------------------------------------------------------ */

static int tx_new(struct pending *self, const struct hash *tx_id, uint32_t body_bytes, struct tx **out)
{
    struct tx *tx = self->free_first;
    assert(tx); /* never more transactions than records */
    int rc = map_put(self->map, tx_id, tx);
    if (rc < 0)
        return rc;
    self->free_first = tx->next;
    *tx = (struct tx){.id = *tx_id, .record_first = PENDING_NONE, .body_bytes = body_bytes, .state = QUEUED};
    list_append(&self->lists[QUEUED], tx);
    *out = tx;
    return 0;
}

static void tx_end(struct pending *self, struct tx *tx)
{
    assert(tx->record_first == PENDING_NONE);
    map_remove(self->map, &tx->id);
    leave(self, tx);
    tx->next = self->free_first;
    self->free_first = tx;
}

int pending_add(struct pending *self, uint32_t record, const struct hash *tx_id, uint32_t body_bytes)
{
    assert(record < self->capacity && !self->links[record].tx);
    struct tx *tx = map_find(self->map, tx_id);
    int rc = tx ? 0 : tx_new(self, tx_id, body_bytes, &tx);
    if (rc < 0)
        return rc;
    self->links[record] = (struct link){.tx = tx, .next = tx->record_first};
    tx->record_first = record;
    return 0;
}

void pending_remove(struct pending *self, uint32_t record)
{
    assert(record < self->capacity && self->links[record].tx);
    struct tx *tx = self->links[record].tx;
    uint32_t *at = &tx->record_first;
    while (*at != record)
        at = &self->links[*at].next;
    *at = self->links[record].next;
    self->links[record] = (struct link){0};
    if (tx->record_first == PENDING_NONE)
        tx_end(self, tx);
}

uint32_t pending_take(struct pending *self, const struct hash *tx_id)
{
    struct tx *tx = map_find(self->map, tx_id);
    if (!tx)
        return PENDING_NONE;
    uint32_t record = tx->record_first;
    pending_remove(self, record);
    return record;
}

/* --- mempoold ----------------------------------------------------------------------------------------------------- */

void pending_submit(struct pending *self, uint64_t now_ms, struct pending_batch *out)
{
    out->count = 0;
    if (self->batch_count > 0)
        return;
    uint64_t bytes = 0;
    for (struct tx *tx = self->lists[QUEUED].first; tx && out->count < PENDING_BATCH_COUNT_MAX;
         tx = self->lists[QUEUED].first) {
        if (self->credit_txs == 0 || self->credit_bytes < tx->body_bytes)
            break;
        if (out->count > 0 && bytes + tx->body_bytes > PENDING_BATCH_BYTES_MAX)
            break;
        bytes += tx->body_bytes;
        self->credit_txs--;
        self->credit_bytes -= tx->body_bytes;
        move(self, tx, SENT, now_ms);
        tx->batch_index = out->count;
        self->batch_txs[out->count] = tx;
        out->records[out->count++] = tx->record_first;
    }
    if (out->count == 0)
        return;
    self->batch_count = out->count;
    self->batch_sent_ms = now_ms;
    self->submitted_total += out->count;
    out->batch = ++self->batch;
}

/* Forget the batch; its transactions stand at the front of the queue again, in their order. */
static void batch_requeue(struct pending *self)
{
    for (uint32_t i = self->batch_count; i > 0; i--) {
        if (self->batch_txs[i - 1])
            move_to_front(self, self->batch_txs[i - 1]);
    }
    self->batch_count = 0;
    self->credit_txs = 0;
}

void pending_unsent(struct pending *self)
{
    batch_requeue(self);
}

static void requeue_all(struct pending *self, enum state state, uint64_t now_ms)
{
    self->requeued_total += self->lists[state].count;
    while (self->lists[state].first)
        move(self, self->lists[state].first, QUEUED, now_ms);
}

static void epoch_take(struct pending *self, uint64_t epoch, uint64_t now_ms)
{
    if (self->epoch_known && self->epoch != epoch) {
        requeue_all(self, ASKED, now_ms);
        requeue_all(self, WAITING, now_ms);
        requeue_all(self, LATER, now_ms);
    }
    self->epoch_known = true;
    self->epoch = epoch;
}

static void tx_settle(struct pending *self, struct tx *tx, enum pending_verdict verdict, uint64_t now_ms)
{
    switch (verdict) {
    case PENDING_POOLED:
    case PENDING_DUPLICATE:
        move(self, tx, WAITING, now_ms);
        break;
    case PENDING_RATE:
    case PENDING_BAD:
        move(self, tx, LATER, now_ms);
        break;
    case PENDING_FULL: /* all of them together, see below */
    case PENDING_VERDICT_COUNT:
        break;
    }
}

/* Returns whether there was no room for one. */
static bool batch_settle(struct pending *self, uint64_t now_ms, const struct pending_verdicts *verdicts,
                         struct hash *bad, int *bad_count)
{
    for (uint32_t i = 0; i < self->batch_count; i++) {
        struct tx *tx = self->batch_txs[i];
        if (tx && verdicts->verdicts[i] == PENDING_BAD)
            bad[(*bad_count)++] = tx->id;
        if (tx)
            tx_settle(self, tx, verdicts->verdicts[i], now_ms);
    }
    bool full = self->lists[SENT].count > 0;
    for (uint32_t i = self->batch_count; i > 0; i--) { /* backwards: at the front of the queue, in the old order */
        if (self->batch_txs[i - 1])
            move_to_front(self, self->batch_txs[i - 1]);
    }
    self->batch_count = 0;
    return full;
}

int pending_verdicts(struct pending *self, uint64_t now_ms, const struct pending_verdicts *verdicts, struct hash *bad)
{
    bool ours = verdicts->batch != 0 && verdicts->batch == self->batch && self->batch_count > 0;
    if (ours && verdicts->count != self->batch_count)
        return ERR_MALFORMED;
    epoch_take(self, verdicts->epoch, now_ms);
    int bad_count = 0;
    bool full = ours && batch_settle(self, now_ms, verdicts, bad, &bad_count);
    if (self->batch_count > 0) /* credit from before the batch that is on its way */
        return bad_count;
    self->credit_txs = full ? 0 : verdicts->free_txs; /* after FULL: wait for the next word */
    self->credit_bytes = verdicts->free_bytes;
    return bad_count;
}

/* --- persistd ----------------------------------------------------------------------------------------------------- */

size_t pending_lookup(struct pending *self, uint64_t now_ms, struct hash *ids, uint64_t *request)
{
    if (self->asking || (self->request > 0 && now_ms < self->asked_ms + PENDING_LOOKUP_INTERVAL_MS))
        return 0;
    size_t count = 0;
    for (struct tx *tx = self->lists[WAITING].first;
         tx && count < PENDING_LOOKUP_COUNT_MAX && now_ms >= tx->since_ms + PENDING_LOOKUP_AGE_MS;
         tx = self->lists[WAITING].first) {
        ids[count++] = tx->id;
        move(self, tx, ASKED, tx->since_ms);
    }
    if (count == 0)
        return 0;
    self->asking = true;
    self->asked_ms = now_ms;
    *request = ++self->request;
    return count;
}

void pending_looked_up(struct pending *self, uint64_t request)
{
    if (!self->asking || request != self->request)
        return;
    self->asking = false;
    requeue_all(self, ASKED, 0);
}

void pending_doubt(struct pending *self, const struct hash *tx_id)
{
    struct tx *tx = map_find(self->map, tx_id);
    if (!tx || tx->state == SENT || tx->state == ASKED)
        return;
    leave(self, tx);
    tx->state = WAITING;
    tx->since_ms = 0;
    list_prepend(&self->lists[WAITING], tx);
}

/* A question without an answer: those transactions wait on, at the front because they are the oldest. */
static void lookup_forget(struct pending *self)
{
    self->asking = false;
    for (struct tx *tx = self->lists[ASKED].last; tx; tx = self->lists[ASKED].last) {
        leave(self, tx);
        tx->state = WAITING;
        list_prepend(&self->lists[WAITING], tx);
    }
}

/* --- time and looking in ------------------------------------------------------------------------------------------ */

void pending_tick(struct pending *self, uint64_t now_ms)
{
    if (self->batch_count > 0 && now_ms >= self->batch_sent_ms + PENDING_BATCH_SILENCE_MS)
        batch_requeue(self);
    if (self->asking && now_ms >= self->asked_ms + PENDING_LOOKUP_SILENCE_MS)
        lookup_forget(self);
    for (struct tx *tx = self->lists[LATER].first; tx && now_ms >= tx->since_ms + PENDING_LATER_MS;
         tx = self->lists[LATER].first)
        move(self, tx, QUEUED, now_ms);
}

struct pending_usage pending_usage(const struct pending *self)
{
    return (struct pending_usage){
        .tx_count = (uint32_t)map_count(self->map),
        .queued = self->lists[QUEUED].count + self->lists[LATER].count,
        .sent = self->lists[SENT].count,
        .waiting = self->lists[WAITING].count + self->lists[ASKED].count,
        .credit_txs = self->credit_txs,
        .submitted_total = self->submitted_total,
        .requeued_total = self->requeued_total,
    };
}
