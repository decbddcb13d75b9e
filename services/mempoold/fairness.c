/* fairness.c - token buckets and max-min quotas.
 *
 * The places are one array, allocated at start; those in use are its front part. A place is given up lazily, when a new
 * producer needs one: then every idle place goes at once.
 */
#include "services/mempoold/fairness.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "common/base/map.h"

enum { TOKEN_MILLI = 1000 };

struct fairness {
    struct fairness_limits limits;
    struct map *by_key;                /* key -> place */
    struct fairness_producer **in_use; /* the first `count` are in use, the rest are free */
    size_t count;
    struct fairness_producer *places;
};

static int places_new(struct fairness *self)
{
    size_t count = self->limits.producer_count_max;
    self->places = calloc(count, sizeof *self->places);
    self->in_use = calloc(count, sizeof(struct fairness_producer *));
    if (!self->places || !self->in_use)
        return -ENOMEM;
    for (size_t i = 0; i < count; i++)
        self->in_use[i] = &self->places[i];
    return map_new(&self->by_key, count, self->limits.seed);
}

int fairness_new(struct fairness **out, const struct fairness_limits *limits)
{
    if (limits->producer_count_max == 0 || limits->rate_per_second == 0)
        return -EINVAL;
    CLEANUP(fairness_destroy) struct fairness *self = calloc(1, sizeof *self);
    if (!self)
        return -ENOMEM;
    self->limits = *limits;
    int rc = places_new(self);
    if (rc < 0)
        return rc;
    *out = TAKE(self);
    return 0;
}

void fairness_destroy(struct fairness **self)
{
    if (!self || !*self)
        return;
    map_destroy(&(*self)->by_key);
    free((*self)->in_use);
    free((*self)->places);
    free(*self);
    *self = NULL;
}

static uint64_t tokens_max(const struct fairness *self)
{
    return (uint64_t)self->limits.rate_per_second * TOKEN_MILLI;
}

static void refill(const struct fairness *self, struct fairness_producer *producer, uint64_t now_ms)
{
    uint64_t elapsed_ms = now_ms > producer->refilled_ms ? now_ms - producer->refilled_ms : 0;
    /* One millisecond brings rate thousandths of a token. */
    uint64_t added = elapsed_ms >= TOKEN_MILLI ? tokens_max(self) : elapsed_ms * self->limits.rate_per_second;
    uint64_t tokens = producer->tokens_milli + added;
    producer->tokens_milli = tokens < tokens_max(self) ? tokens : tokens_max(self);
    producer->refilled_ms = now_ms;
}

static void give_up(struct fairness *self, struct fairness_producer *producer)
{
    size_t last = --self->count;
    struct fairness_producer *moved = self->in_use[last];
    self->in_use[producer->index] = moved;
    moved->index = producer->index;
    self->in_use[last] = producer;
    map_remove(self->by_key, &producer->key);
}

static void give_up_idle(struct fairness *self, uint64_t now_ms)
{
    for (size_t i = self->count; i-- > 0;) {
        struct fairness_producer *producer = self->in_use[i];
        refill(self, producer, now_ms);
        if (producer->tx_count == 0 && producer->tokens_milli == tokens_max(self))
            give_up(self, producer);
    }
}

struct fairness_producer *fairness_producer_get(struct fairness *self, const struct hash *key, uint64_t now_ms)
{
    struct fairness_producer *producer = map_find(self->by_key, key);
    if (producer)
        return producer;
    if (self->count == self->limits.producer_count_max)
        give_up_idle(self, now_ms);
    if (self->count == self->limits.producer_count_max)
        return NULL;
    producer = self->in_use[self->count];
    if (map_put(self->by_key, key, producer) < 0)
        return NULL;
    *producer = (struct fairness_producer){
        .key = *key,
        .tokens_milli = tokens_max(self),
        .refilled_ms = now_ms,
        .index = self->count++,
    };
    return producer;
}

bool fairness_admit(struct fairness *self, struct fairness_producer *producer, uint64_t now_ms)
{
    refill(self, producer, now_ms);
    if (producer->tokens_milli < TOKEN_MILLI)
        return false;
    producer->tokens_milli -= TOKEN_MILLI;
    return true;
}

void fairness_enter(struct fairness_producer *producer, size_t bytes)
{
    producer->tx_count++;
    producer->tx_bytes += bytes;
}

void fairness_leave(struct fairness_producer *producer, size_t bytes)
{
    assert(producer->tx_count > 0);
    assert(producer->tx_bytes >= bytes);
    producer->tx_count--;
    producer->tx_bytes -= bytes;
}

void fairness_batch_begin(struct fairness *self)
{
    for (size_t i = 0; i < self->count; i++) {
        struct fairness_producer *producer = self->in_use[i];
        producer->eligible_count = producer->tx_count;
        producer->eligible_bytes = producer->tx_bytes;
        producer->taken_count = 0;
        producer->taken_bytes = 0;
    }
}

void fairness_batch_exclude(struct fairness_producer *producer, size_t bytes)
{
    assert(producer->eligible_count > 0);
    assert(producer->eligible_bytes >= bytes);
    producer->eligible_count--;
    producer->eligible_bytes -= bytes;
}

static uint64_t min_u64(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* What all producers take together when each may take at most this. */
static struct fairness_room taken_with(const struct fairness *self, uint64_t quota)
{
    struct fairness_room total = {0};
    for (size_t i = 0; i < self->count; i++) {
        total.tx_count += min_u64(self->in_use[i]->eligible_count, quota);
        total.tx_bytes += min_u64(self->in_use[i]->eligible_bytes, quota);
    }
    return total;
}

struct fairness_room fairness_batch_quota(const struct fairness *self, struct fairness_room room)
{
    struct fairness_room all = taken_with(self, UINT64_MAX);
    struct fairness_room quota = {
        .tx_count = all.tx_count <= room.tx_count ? UINT64_MAX : 0,
        .tx_bytes = all.tx_bytes <= room.tx_bytes ? UINT64_MAX : 0,
    };
    /* The greatest quota that still fits, found bit by bit: what is taken grows with the quota. */
    for (uint64_t bit = (uint64_t)1 << 40; bit > 0; bit >>= 1) {
        if (quota.tx_count != UINT64_MAX && taken_with(self, quota.tx_count | bit).tx_count <= room.tx_count)
            quota.tx_count |= bit;
        if (quota.tx_bytes != UINT64_MAX && taken_with(self, quota.tx_bytes | bit).tx_bytes <= room.tx_bytes)
            quota.tx_bytes |= bit;
    }
    return quota;
}

bool fairness_batch_fits(const struct fairness_producer *producer, struct fairness_room quota, size_t bytes)
{
    if (producer->taken_count == 0)
        return true;
    return producer->taken_count < quota.tx_count && bytes <= quota.tx_bytes &&
           producer->taken_bytes <= quota.tx_bytes - bytes;
}

void fairness_batch_take(struct fairness_producer *producer, size_t bytes)
{
    producer->taken_count++;
    producer->taken_bytes += bytes;
}

size_t fairness_producer_count(const struct fairness *self)
{
    return self->count;
}
