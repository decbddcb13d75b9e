/* persist.c - what is to be written next. */
#include "services/persistd/persist.h"

#include <assert.h>
#include <string.h>

/* --- states ------------------------------------------------------------------------------------------------------- */

#define BIT(state) (1u << (state))

static const struct {
    const char *name;
    unsigned next;
} rules[PERSIST_STATE_COUNT] = {
    [PERSIST_CLOSED] = {"closed", BIT(PERSIST_OPENING) | BIT(PERSIST_ENDED)},
    [PERSIST_OPENING] = {"opening", BIT(PERSIST_IDLE) | BIT(PERSIST_CLOSED) | BIT(PERSIST_ENDED)},
    [PERSIST_IDLE] = {"idle", BIT(PERSIST_WRITING) | BIT(PERSIST_ENDED)},
    [PERSIST_WRITING] = {"writing",
                         BIT(PERSIST_IDLE) | BIT(PERSIST_WAITING) | BIT(PERSIST_CLOSED) | BIT(PERSIST_ENDED)},
    [PERSIST_WAITING] = {"waiting", BIT(PERSIST_WRITING) | BIT(PERSIST_ENDED)},
    [PERSIST_ENDED] = {"ended", 0},
};

static void check_invariant(const struct persist *self)
{
    bool has_run = self->state == PERSIST_WRITING || self->state == PERSIST_WAITING;
    assert(has_run == (self->run_count > 0));
    assert(self->run_count <= self->queue_count && self->queue_count <= PERSIST_QUEUE_BLOCKS_MAX);
    assert(self->state != PERSIST_IDLE || self->tip_known);
}

static void move(struct persist *self, enum persist_state next)
{
    assert(rules[self->state].next & BIT(next));
    self->state = next;
}

const char *persist_state_text(const struct persist *self)
{
    return rules[self->state].name;
}

/* --- helpers ------------------------------------------------------------------------------------------------------ */

static void add(struct persist_effects *effects, struct persist_effect effect)
{
    assert(effects->count < PERSIST_EFFECTS_MAX);
    effects->items[effects->count++] = effect;
}

static uint64_t random_next(struct persist *self)
{
    self->random ^= self->random << 13;
    self->random ^= self->random >> 7;
    self->random ^= self->random << 17;
    return self->random;
}

/* min * 2^failures, at most max, of which the upper half is chance. */
static uint64_t backoff_ms(struct persist *self, uint64_t min_ms, uint64_t max_ms)
{
    uint64_t ms = self->failures < 16 ? min_ms << self->failures : max_ms;
    if (ms > max_ms)
        ms = max_ms;
    self->failures++;
    return ms / 2 + random_next(self) % (ms / 2 + 1);
}

static void conflict(struct persist *self, uint64_t height, struct persist_effects *effects)
{
    self->run_count = 0;
    move(self, PERSIST_ENDED);
    add(effects, (struct persist_effect){.kind = PERSIST_CONFLICT, .height = height});
}

/* Take the first blocks out of the queue: they are given back as `kind`. */
static void shift(struct persist *self, size_t count, enum persist_effect_kind kind, struct persist_effects *effects)
{
    for (size_t i = 0; i < count; i++) {
        self->queue_bytes -= self->queue[i].size_bytes;
        add(effects,
            (struct persist_effect){.kind = kind, .height = self->queue[i].height, .handle = self->queue[i].handle});
    }
    self->queue_count -= count;
    memmove(self->queue, self->queue + count, self->queue_count * sizeof self->queue[0]);
}

/* What the next block to arrive must have as its parent. */
static struct persist_tip last_block(const struct persist *self)
{
    if (self->queue_count == 0)
        return self->tip;
    const struct persist_block *last = &self->queue[self->queue_count - 1];
    return (struct persist_tip){.exists = true, .height = last->height, .id = last->id};
}

static bool follows(const struct persist_block *block, const struct persist_tip *tip)
{
    return tip->exists ? hash_equal(&block->parent_id, &tip->id) : hash_is_zero(&block->parent_id);
}

static uint64_t height_after(const struct persist_tip *tip)
{
    return tip->exists ? tip->height + 1 : 0;
}

/* --- events ------------------------------------------------------------------------------------------------------- */

/* The tip tells what became of the blocks in the queue. */
static void on_opened(struct persist *self, const struct persist_tip *tip, struct persist_effects *effects)
{
    uint64_t next = height_after(tip);
    self->tip = *tip;
    self->tip_known = true;
    if (self->queue_count == 0)
        self->failures = 0; /* else the next write tells whether the trouble is over */
    size_t there = 0;
    while (there < self->queue_count && self->queue[there].height < next)
        there++;
    const struct persist_block *last = there > 0 ? &self->queue[there - 1] : NULL;
    if (last && last->height == tip->height && !hash_equal(&last->id, &tip->id)) {
        conflict(self, tip->height, effects);
        return;
    }
    bool ours = last && last->height == tip->height; /* then all before it are the database's too */
    shift(self, there, ours ? PERSIST_PUBLISH : PERSIST_DROP, effects);
    if (self->queue_count > 0 && self->queue[0].height != next)
        shift(self, self->queue_count, PERSIST_DROP, effects);
    if (self->queue_count > 0 && !follows(&self->queue[0], tip)) {
        conflict(self, next, effects);
        return;
    }
    if (tip->exists)
        add(effects, (struct persist_effect){.kind = PERSIST_ACK, .height = tip->height});
    move(self, PERSIST_IDLE);
}

/* A block that is not the next one: one the database or the queue has is compared where its id is known. */
static bool contradicts(const struct persist *self, const struct persist_block *block)
{
    if (self->tip.exists && block->height == self->tip.height)
        return !hash_equal(&block->id, &self->tip.id);
    for (size_t i = 0; i < self->queue_count; i++) {
        if (self->queue[i].height == block->height)
            return !hash_equal(&block->id, &self->queue[i].id);
    }
    return false;
}

static void drop(const struct persist_block *block, struct persist_effects *effects)
{
    add(effects, (struct persist_effect){.kind = PERSIST_DROP, .height = block->height, .handle = block->handle});
}

/* Returns whether the next ones may be looked at. */
static bool arrive(struct persist *self, const struct persist_block *block, struct persist_effects *effects)
{
    struct persist_tip last = last_block(self);
    bool is_next = block->height == height_after(&last);
    if ((is_next && !follows(block, &last)) || (!is_next && contradicts(self, block))) {
        drop(block, effects);
        conflict(self, block->height, effects);
        return false;
    }
    if (!is_next || self->queue_count == PERSIST_QUEUE_BLOCKS_MAX) {
        drop(block, effects);
        return true;
    }
    self->queue[self->queue_count++] = *block;
    self->queue_bytes += block->size_bytes;
    return true;
}

static void on_arrived(struct persist *self, const struct persist_event *event, struct persist_effects *effects)
{
    assert(event->block_count <= PERSIST_ARRIVED_BLOCKS_MAX);
    bool wanted = self->tip_known;
    for (size_t i = 0; i < event->block_count; i++) {
        if (wanted)
            wanted = arrive(self, &event->blocks[i], effects);
        else
            drop(&event->blocks[i], effects);
    }
}

static void on_written(struct persist *self, struct persist_effects *effects)
{
    const struct persist_block *last = &self->queue[self->run_count - 1];
    self->tip = (struct persist_tip){.exists = true, .height = last->height, .id = last->id};
    self->failures = 0;
    size_t count = self->run_count;
    self->run_count = 0;
    shift(self, count, PERSIST_PUBLISH, effects);
    add(effects, (struct persist_effect){.kind = PERSIST_ACK, .height = self->tip.height});
    move(self, PERSIST_IDLE);
}

static void close_until(struct persist *self, uint64_t due_ms)
{
    self->run_count = 0;
    self->due_ms = due_ms;
    move(self, PERSIST_CLOSED);
}

/* The queue is what cannot be written: ask for it anew, but not at once. */
static void on_bad(struct persist *self, uint64_t now_ms, struct persist_effects *effects)
{
    self->run_count = 0;
    shift(self, self->queue_count, PERSIST_DROP, effects);
    self->ask_after_ms = now_ms + PERSIST_BAD_MS;
    move(self, PERSIST_IDLE);
}

/* --- what follows ------------------------------------------------------------------------------------------------- */

static void start_run(struct persist *self, struct persist_effects *effects)
{
    size_t txs = 0;
    size_t bytes = 0;
    size_t count = 0;
    while (count < self->queue_count && count < PERSIST_RUN_BLOCKS_MAX) {
        const struct persist_block *block = &self->queue[count];
        txs += block->tx_count;
        bytes += block->size_bytes;
        if (count > 0 && (txs > PERSIST_RUN_TXS_MAX || bytes > PERSIST_RUN_BYTES_MAX))
            break;
        count++;
    }
    self->run_count = count;
    move(self, PERSIST_WRITING);
    add(effects, (struct persist_effect){.kind = PERSIST_WRITE});
}

/* Ask for the next block, whatever is being written, as long as there is room. */
static void ask(struct persist *self, uint64_t now_ms, struct persist_effects *effects)
{
    if (!self->tip_known || now_ms < self->ask_after_ms ||
        self->queue_count + PERSIST_ASK_BLOCKS > PERSIST_QUEUE_BLOCKS_MAX ||
        self->queue_bytes >= PERSIST_QUEUE_BYTES_MAX)
        return;
    struct persist_tip last = last_block(self);
    uint64_t next = height_after(&last);
    bool same = self->asked && self->asked_height == next;
    if (same && now_ms - self->asked_ms < PERSIST_ASK_AGAIN_MS)
        return;
    self->asked = true;
    self->asked_height = next;
    self->asked_ms = now_ms;
    add(effects, (struct persist_effect){
                     .kind = PERSIST_ASK, .height = next, .request = ++self->request, .count = PERSIST_ASK_BLOCKS});
}

static void go_on(struct persist *self, uint64_t now_ms, struct persist_effects *effects)
{
    switch (self->state) {
    case PERSIST_CLOSED:
        if (now_ms >= self->due_ms) {
            move(self, PERSIST_OPENING);
            add(effects, (struct persist_effect){.kind = PERSIST_OPEN});
        }
        break;
    case PERSIST_IDLE:
        if (self->queue_count > 0)
            start_run(self, effects);
        break;
    case PERSIST_WAITING:
        if (now_ms >= self->due_ms) {
            move(self, PERSIST_WRITING);
            add(effects, (struct persist_effect){.kind = PERSIST_WRITE});
        }
        break;
    case PERSIST_OPENING:
    case PERSIST_WRITING:
    case PERSIST_ENDED:
    case PERSIST_STATE_COUNT:
        break;
    }
    if (self->state != PERSIST_ENDED)
        ask(self, now_ms, effects);
}

static void apply(struct persist *self, const struct persist_event *event, struct persist_effects *effects)
{
    switch (event->kind) {
    case PERSIST_TICK:
        break;
    case PERSIST_OPENED:
        on_opened(self, &event->tip, effects);
        break;
    case PERSIST_AWAY:
        close_until(self, event->now_ms + backoff_ms(self, PERSIST_OPEN_MS_MIN, PERSIST_OPEN_MS_MAX));
        break;
    case PERSIST_ARRIVED:
        on_arrived(self, event, effects);
        break;
    case PERSIST_WRITTEN:
        on_written(self, effects);
        break;
    case PERSIST_RETRIED:
        move(self, PERSIST_WAITING);
        self->due_ms = event->now_ms + backoff_ms(self, PERSIST_RETRY_MS_MIN, PERSIST_RETRY_MS_MAX);
        break;
    case PERSIST_UNKNOWN:
        close_until(self, event->now_ms + backoff_ms(self, PERSIST_RETRY_MS_MIN, PERSIST_OPEN_MS_MAX));
        break;
    case PERSIST_BAD:
        on_bad(self, event->now_ms, effects);
        break;
    }
}

void persist_init(struct persist *self, uint64_t seed)
{
    *self = (struct persist){.state = PERSIST_CLOSED, .random = seed | 1};
}

void persist_step(struct persist *self, const struct persist_event *event, struct persist_effects *effects)
{
    effects->count = 0;
    if (self->state == PERSIST_ENDED) {
        for (size_t i = 0; event->kind == PERSIST_ARRIVED && i < event->block_count; i++)
            drop(&event->blocks[i], effects);
        return;
    }
    apply(self, event, effects);
    go_on(self, event->now_ms, effects);
    check_invariant(self);
}

const struct persist_block *persist_run(const struct persist *self, size_t *count)
{
    *count = self->run_count;
    return self->queue;
}

void *persist_release(struct persist *self)
{
    if (self->queue_count == 0)
        return NULL;
    self->run_count = 0;
    return self->queue[--self->queue_count].handle;
}
