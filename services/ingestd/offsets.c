/* offsets.c - a slab of records; a window is a list through it, in offset order.
 *
 * Only the first record of a window decides what may be committed, so a window is looked at when its first record
 * becomes final, and then all final ones at its beginning go.
 */
#include "services/ingestd/offsets.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "common/base/err.h"

enum { RECORD_COUNT_MAX = 1 << 24 };

struct record {
    int64_t offset;
    uint64_t bytes;
    uint32_t window; /* index; OFFSETS_NONE: its partition was revoked */
    uint32_t next;   /* of its window, or of the free ones */
    enum offsets_state state;
};

struct window {
    struct offsets_partition id;
    bool assigned;
    uint32_t first; /* OFFSETS_NONE: none */
    uint32_t last;
    int64_t offset_next;    /* behind the last record read; -1: none yet */
    int64_t offset_told;    /* by offsets_commits(); -1: none */
    int64_t offset_settled; /* behind the last record that went; -1: none */
};

struct offsets {
    struct offsets_limits limits;
    struct offsets_usage usage;
    struct record *records;
    uint32_t capacity;
    uint32_t free_first;
    struct window windows[OFFSETS_PARTITION_COUNT_MAX];
    size_t window_count; /* used, assigned or not */
};

/* --- life --------------------------------------------------------------------------------------------------------- */

int offsets_new(struct offsets **out, const struct offsets_limits *limits)
{
    if (limits->record_count_max == 0 || limits->record_count_max > RECORD_COUNT_MAX ||
        limits->extra_count > RECORD_COUNT_MAX)
        return -EINVAL;
    CLEANUP(offsets_destroy) struct offsets *self = calloc(1, sizeof *self);
    if (!self)
        return -ENOMEM;
    self->limits = *limits;
    self->capacity = limits->record_count_max + limits->extra_count;
    self->records = calloc(self->capacity, sizeof *self->records);
    if (!self->records)
        return -ENOMEM;
    for (uint32_t i = 0; i < self->capacity; i++)
        self->records[i].next = i + 1 < self->capacity ? i + 1 : OFFSETS_NONE;
    *out = TAKE(self);
    return 0;
}

void offsets_destroy(struct offsets **self)
{
    if (!self || !*self)
        return;
    free((*self)->records);
    free(*self);
    *self = NULL;
}

uint32_t offsets_capacity(const struct offsets *self)
{
    return self->capacity;
}

/* --- records ------------------------------------------------------------------------------------------------------ */

static void record_free(struct offsets *self, uint32_t index)
{
    struct record *record = &self->records[index];
    if (record->state != OFFSETS_FINAL)
        self->usage.bytes -= record->bytes;
    assert(self->usage.count > 0 && self->usage.counts[record->state] > 0);
    self->usage.count--;
    self->usage.counts[record->state]--;
    record->next = self->free_first;
    self->free_first = index;
}

static uint32_t record_new(struct offsets *self, const struct offsets_position *position, uint64_t bytes)
{
    uint32_t index = self->free_first;
    if (index == OFFSETS_NONE)
        return OFFSETS_NONE;
    struct record *record = &self->records[index];
    self->free_first = record->next;
    *record =
        (struct record){.offset = position->offset, .bytes = bytes, .next = OFFSETS_NONE, .state = OFFSETS_VERIFYING};
    self->usage.count++;
    self->usage.counts[OFFSETS_VERIFYING]++;
    self->usage.bytes += bytes;
    return index;
}

/* --- windows ------------------------------------------------------------------------------------------------------ */

static bool partition_equal(struct offsets_partition a, struct offsets_partition b)
{
    return a.topic == b.topic && a.partition == b.partition;
}

static struct window *window_find(struct offsets *self, struct offsets_partition partition)
{
    for (size_t i = 0; i < self->window_count; i++) {
        if (self->windows[i].assigned && partition_equal(self->windows[i].id, partition))
            return &self->windows[i];
    }
    return NULL;
}

static struct window *window_unused(struct offsets *self)
{
    for (size_t i = 0; i < self->window_count; i++) {
        if (!self->windows[i].assigned)
            return &self->windows[i];
    }
    return self->window_count < OFFSETS_PARTITION_COUNT_MAX ? &self->windows[self->window_count++] : NULL;
}

int offsets_assign(struct offsets *self, struct offsets_partition partition)
{
    if (window_find(self, partition))
        return 0;
    struct window *window = window_unused(self);
    if (!window)
        return ERR_FULL;
    *window = (struct window){.id = partition,
                              .assigned = true,
                              .first = OFFSETS_NONE,
                              .last = OFFSETS_NONE,
                              .offset_next = -1,
                              .offset_told = -1,
                              .offset_settled = -1};
    self->usage.partitions++;
    return 0;
}

/* Take the first record out of the window. */
static uint32_t window_shift(struct offsets *self, struct window *window)
{
    uint32_t index = window->first;
    struct record *record = &self->records[index];
    window->first = record->next;
    if (window->first == OFFSETS_NONE)
        window->last = OFFSETS_NONE;
    record->window = OFFSETS_NONE;
    record->next = OFFSETS_NONE;
    return index;
}

static void window_settle(struct offsets *self, struct window *window)
{
    while (window->first != OFFSETS_NONE && self->records[window->first].state == OFFSETS_FINAL) {
        uint32_t index = window_shift(self, window);
        window->offset_settled = self->records[index].offset + 1;
        record_free(self, index);
    }
}

uint32_t offsets_revoke(struct offsets *self, struct offsets_partition partition)
{
    struct window *window = window_find(self, partition);
    if (!window)
        return OFFSETS_NONE;
    while (window->first != OFFSETS_NONE) {
        uint32_t index = window_shift(self, window);
        enum offsets_state state = self->records[index].state;
        if (state == OFFSETS_FINAL || state == OFFSETS_PENDING)
            record_free(self, index);
        if (state == OFFSETS_PENDING)
            return index;
    }
    window->assigned = false;
    self->usage.partitions--;
    return OFFSETS_NONE;
}

int offsets_read(struct offsets *self, const struct offsets_position *position, uint64_t bytes, uint32_t *record)
{
    struct window *window = window_find(self, position->of);
    if (!window)
        return ERR_NOT_FOUND;
    if (position->offset < window->offset_next)
        return ERR_CONFLICT;
    uint32_t index = record_new(self, position, bytes);
    if (index == OFFSETS_NONE)
        return ERR_FULL;
    self->records[index].window = (uint32_t)(window - self->windows);
    if (window->last == OFFSETS_NONE)
        window->first = index;
    else
        self->records[window->last].next = index;
    window->last = index;
    window->offset_next = position->offset + 1;
    *record = index;
    return 0;
}

static bool may_move(enum offsets_state from, enum offsets_state to)
{
    static const bool allowed[OFFSETS_STATE_COUNT][OFFSETS_STATE_COUNT] = {
        [OFFSETS_VERIFYING] = {[OFFSETS_PENDING] = true, [OFFSETS_DEAD_LETTERING] = true},
        [OFFSETS_PENDING] = {[OFFSETS_DEAD_LETTERING] = true, [OFFSETS_FINAL] = true},
        [OFFSETS_DEAD_LETTERING] = {[OFFSETS_FINAL] = true},
    };
    return allowed[from][to];
}

int offsets_move(struct offsets *self, uint32_t index, enum offsets_state state)
{
    assert(index < self->capacity);
    struct record *record = &self->records[index];
    assert(may_move(record->state, state));
    if (record->window == OFFSETS_NONE) {
        record_free(self, index);
        return OFFSETS_GONE;
    }
    self->usage.counts[record->state]--;
    self->usage.counts[state]++;
    record->state = state;
    if (state == OFFSETS_FINAL) {
        self->usage.bytes -= record->bytes;
        window_settle(self, &self->windows[record->window]);
    }
    return 0;
}

enum offsets_state offsets_state(const struct offsets *self, uint32_t record)
{
    assert(record < self->capacity);
    return self->records[record].state;
}

size_t offsets_commits(struct offsets *self, bool again, struct offsets_position *out, size_t count_max)
{
    size_t count = 0;
    for (size_t i = 0; i < self->window_count && count < count_max; i++) {
        struct window *window = &self->windows[i];
        if (!window->assigned || window->offset_settled < 0)
            continue;
        if (!again && window->offset_told == window->offset_settled)
            continue;
        window->offset_told = window->offset_settled;
        out[count++] = (struct offsets_position){.of = window->id, .offset = window->offset_settled};
    }
    return count;
}

bool offsets_has_room(const struct offsets *self)
{
    return self->usage.count < self->limits.record_count_max && self->usage.bytes < self->limits.record_bytes_max;
}

bool offsets_is_half_free(const struct offsets *self)
{
    return self->usage.count <= self->limits.record_count_max / 2 &&
           self->usage.bytes <= self->limits.record_bytes_max / 2;
}

struct offsets_usage offsets_usage(const struct offsets *self)
{
    return self->usage;
}
