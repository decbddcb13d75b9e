/* blocks.c - who misses what.
 *
 * One table maps each missing id to a set of bits: which of the remembered blocks miss it, whether its body is being
 * verified, and whether it turned out to be no transaction. The set is kept in the table's value itself, so a missing
 * transaction costs no allocation.
 */
#include "services/mempoold/blocks.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "common/base/err.h"
#include "common/base/map.h"

enum want_bit {
    WANT_BLOCKS = (1 << BLOCKS_REMEMBERED_MAX) - 1, /* bit i: block i misses it */
    WANT_VERIFYING = 1 << 16,
    WANT_BAD = 1 << 17,
};
static_assert(BLOCKS_REMEMBERED_MAX <= 16, "the bits of blocks are below WANT_VERIFYING");

struct blocks {
    struct blocks_limits limits;
    uint32_t peer_count;
    struct bodies *bodies;
    struct block places[BLOCKS_REMEMBERED_MAX];
    uint64_t sequence;         /* of the newest block */
    uint64_t resolve_sequence; /* of the newest resolve */
    uint64_t fetch_request;    /* of the newest question */
    struct map *wants;
    struct blocks_counters counters;
};

void blocks_set_peers(struct blocks *self, uint64_t peers)
{
    if (self->limits.validator_count < BLOCKS_VALIDATORS_MAX)
        peers &= (UINT64_C(1) << self->limits.validator_count) - 1;
    self->limits.peers = peers;
    self->peer_count = 0;
    for (uint32_t i = 0; i < self->limits.validator_count; i++)
        self->peer_count += (peers >> i & 1) != 0;
}

int blocks_new(struct blocks **out, const struct blocks_limits *limits, struct bodies *bodies)
{
    if (limits->validator_count == 0 || limits->validator_count > BLOCKS_VALIDATORS_MAX || limits->tx_count_max == 0)
        return -EINVAL;
    if (limits->validator_count < BLOCKS_VALIDATORS_MAX && limits->peers >> limits->validator_count != 0)
        return -EINVAL;
    CLEANUP(blocks_destroy) struct blocks *self = calloc(1, sizeof *self);
    if (!self)
        return -ENOMEM;
    self->limits = *limits;
    blocks_set_peers(self, limits->peers);
    self->bodies = bodies;
    int rc = map_new(&self->wants, limits->tx_count_max, limits->seed);
    if (rc < 0)
        return rc;
    *out = TAKE(self);
    return 0;
}

void blocks_destroy(struct blocks **self)
{
    if (!self || !*self)
        return;
    for (size_t i = 0; i < BLOCKS_REMEMBERED_MAX; i++)
        free((*self)->places[i].tx_ids);
    map_destroy(&(*self)->wants);
    free(*self);
    *self = NULL;
}

/* --- wants -------------------------------------------------------------------------------------------------------- */

static uintptr_t want_get(const struct blocks *self, const struct hash *id)
{
    return (uintptr_t)map_find(self->wants, id);
}

/* Zero removes the entry. Only a new entry can fail. */
static int want_set(struct blocks *self, const struct hash *id, uintptr_t bits)
{
    if (bits == 0) {
        map_remove(self->wants, id);
        return 0;
    }
    return map_put(self->wants, id, (void *)bits);
}

static void want_update(struct blocks *self, const struct hash *id, uintptr_t bits)
{
    int rc = want_set(self, id, bits);
    assert(rc == 0); /* an entry that exists is replaced in place */
    (void)rc;
}

static uintptr_t block_bit(const struct blocks *self, const struct block *block)
{
    return (uintptr_t)1 << (block - self->places);
}

/* The block misses this id. Returns 0 or -ENOMEM. */
static int want_add(struct blocks *self, struct block *block, const struct hash *id)
{
    uintptr_t bits = want_get(self, id);
    uintptr_t bit = block_bit(self, block);
    if (bits & bit)
        return 0;
    int rc = want_set(self, id, bits | bit);
    if (rc < 0)
        return rc;
    block->missing_count++;
    return 0;
}

static void resolve_end(struct blocks *self, struct block *block)
{
    uintptr_t bit = block_bit(self, block);
    for (uint32_t i = 0; i < block->tx_count && block->missing_count > 0; i++) {
        uintptr_t bits = want_get(self, &block->tx_ids[i]);
        if (!(bits & bit))
            continue;
        bits &= ~bit;
        want_update(self, &block->tx_ids[i], bits & WANT_BLOCKS ? bits : 0);
        block->missing_count--;
    }
    assert(block->missing_count == 0);
    block->resolving = false;
}

static void give_up(struct blocks *self, struct block *block)
{
    resolve_end(self, block);
    self->counters.given_up++;
}

/* --- remembering -------------------------------------------------------------------------------------------------- */

struct block *blocks_find(struct blocks *self, const struct hash *id)
{
    for (size_t i = 0; i < BLOCKS_REMEMBERED_MAX; i++) {
        if (self->places[i].sequence != 0 && hash_equal(&self->places[i].id, id))
            return &self->places[i];
    }
    return NULL;
}

static void forget(struct blocks *self, struct block *block, uint64_t now_ms)
{
    if (block->resolving)
        give_up(self, block);
    for (uint32_t i = 0; i < block->tx_count; i++) {
        struct body *body = bodies_find(self->bodies, &block->tx_ids[i]);
        if (body && body->state == BODY_HELD && body->held_block == block->sequence)
            bodies_release(self->bodies, body, now_ms);
    }
    free(block->tx_ids);
    *block = (struct block){0};
}

void blocks_forget(struct blocks *self, const struct hash *id, uint64_t now_ms)
{
    struct block *block = blocks_find(self, id);
    if (block)
        forget(self, block, now_ms);
}

/* A free place, or the oldest block's. */
static struct block *place_get(struct blocks *self, uint64_t now_ms)
{
    struct block *oldest = &self->places[0];
    for (size_t i = 1; i < BLOCKS_REMEMBERED_MAX; i++) {
        if (self->places[i].sequence < oldest->sequence)
            oldest = &self->places[i];
    }
    if (oldest->sequence != 0)
        forget(self, oldest, now_ms);
    return oldest;
}

int blocks_remember(struct blocks *self, const struct blocks_block *what, struct block **out)
{
    if (what->tx_count > self->limits.tx_count_max)
        return ERR_TOO_LARGE;
    *out = blocks_find(self, what->id);
    if (*out)
        return 0;
    struct hash *tx_ids = malloc(what->tx_count ? what->tx_count * sizeof *tx_ids : 1);
    if (!tx_ids)
        return -ENOMEM;
    if (what->tx_count > 0)
        memcpy(tx_ids, what->tx_ids, what->tx_count * sizeof *tx_ids);

    struct block *block = place_get(self, what->now_ms);
    *block = (struct block){
        .id = *what->id,
        .sequence = ++self->sequence,
        .tx_ids = tx_ids,
        .tx_count = (uint32_t)what->tx_count,
    };
    for (uint32_t i = 0; i < block->tx_count; i++) {
        struct body *body = bodies_find(self->bodies, &tx_ids[i]);
        if (body && body->state == BODY_HELD)
            body->held_block = block->sequence;
    }
    *out = block;
    return 0;
}

/* --- resolving ---------------------------------------------------------------------------------------------------- */

static void make_room_for_resolve(struct blocks *self)
{
    struct block *oldest = NULL;
    size_t count = 0;
    for (size_t i = 0; i < BLOCKS_REMEMBERED_MAX; i++) {
        struct block *block = &self->places[i];
        if (!block->resolving)
            continue;
        count++;
        if (!oldest || block->resolve_sequence < oldest->resolve_sequence)
            oldest = block;
    }
    if (count >= BLOCKS_RESOLVING_MAX)
        give_up(self, oldest);
}

int blocks_resolve_begin(struct blocks *self, struct block *block, const struct blocks_resolve *what)
{
    if (block->resolving) {
        block->request = what->request;
        return 0;
    }
    make_room_for_resolve(self);
    block->resolving = true;
    block->request = what->request;
    block->resolve_sequence = ++self->resolve_sequence;
    block->proposer = what->proposer;
    block->missing_count = 0;
    block->fetched_bytes = 0;
    block->begun_ms = what->now_ms;
    block->ask_at_ms = what->now_ms;
    block->ask_interval_ms = BLOCKS_ASK_FIRST_MS;
    block->ask_count = 0;
    block->ask_same = false;
    block->fetch_request = 0;
    for (uint32_t i = 0; i < block->tx_count; i++) {
        if (bodies_find(self->bodies, &block->tx_ids[i]))
            continue;
        int rc = want_add(self, block, &block->tx_ids[i]);
        if (rc < 0) {
            give_up(self, block);
            return rc;
        }
    }
    return 0;
}

struct block *blocks_complete(struct blocks *self)
{
    for (size_t i = 0; i < BLOCKS_REMEMBERED_MAX; i++) {
        if (self->places[i].resolving && self->places[i].missing_count == 0)
            return &self->places[i];
    }
    return NULL;
}

bool blocks_collect(struct blocks *self, struct block *block, struct span *out)
{
    assert(block->resolving && block->missing_count == 0);
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < block->tx_count; i++) {
        struct body *body = bodies_find(self->bodies, &block->tx_ids[i]);
        if (!body) {
            if (want_add(self, block, &block->tx_ids[i]) < 0) {
                give_up(self, block);
                return false;
            }
            continue;
        }
        out[i] = body_span(body);
        bytes += body->size;
    }
    if (block->missing_count > 0)
        return false;
    if (bytes > self->limits.bytes_max) {
        give_up(self, block);
        return false;
    }
    resolve_end(self, block);
    return true;
}

void blocks_expire(struct blocks *self, uint64_t now_ms)
{
    for (size_t i = 0; i < BLOCKS_REMEMBERED_MAX; i++) {
        struct block *block = &self->places[i];
        if (block->resolving && now_ms >= block->begun_ms + BLOCKS_RESOLVE_MS_MAX)
            give_up(self, block);
    }
}

/* --- asking ------------------------------------------------------------------------------------------------------- */

/* Missing and neither being verified nor bad; at most BLOCKS_FETCH_IDS_MAX. */
static uint32_t ids_to_ask(const struct blocks *self, const struct block *block, struct hash *ids)
{
    uintptr_t bit = block_bit(self, block);
    uint32_t count = 0;
    for (uint32_t i = 0; i < block->tx_count && count < BLOCKS_FETCH_IDS_MAX; i++) {
        uintptr_t bits = want_get(self, &block->tx_ids[i]);
        if ((bits & bit) && !(bits & (WANT_VERIFYING | WANT_BAD)))
            ids[count++] = block->tx_ids[i];
    }
    return count;
}

/* The proposer first, then round robin behind it: the first that can be asked at or after `from`. */
static uint32_t peer_from(const struct blocks *self, uint32_t from)
{
    uint32_t peer = from % self->limits.validator_count;
    while (!(self->limits.peers >> peer & 1))
        peer = (peer + 1) % self->limits.validator_count;
    return peer;
}

static uint32_t peer_choose(const struct blocks *self, const struct block *block)
{
    if (block->ask_count == 0)
        return peer_from(self, block->proposer);
    if (block->ask_same)
        return block->fetch_peer;
    return peer_from(self, block->fetch_peer + 1);
}

static void ask_later(struct block *block, uint64_t now_ms)
{
    block->ask_at_ms = now_ms + block->ask_interval_ms;
    uint32_t doubled = block->ask_interval_ms * 2;
    block->ask_interval_ms = doubled < BLOCKS_ASK_MS_MAX ? doubled : BLOCKS_ASK_MS_MAX;
}

bool blocks_fetch_due(struct blocks *self, uint64_t now_ms, struct blocks_fetch *out, struct hash *ids)
{
    if (self->peer_count == 0)
        return false;
    for (size_t i = 0; i < BLOCKS_REMEMBERED_MAX; i++) {
        struct block *block = &self->places[i];
        if (!block->resolving || block->missing_count == 0 || now_ms < block->ask_at_ms)
            continue;
        uint32_t id_count = ids_to_ask(self, block, ids);
        if (id_count == 0) {
            ask_later(block, now_ms);
            continue;
        }
        block->fetch_peer = peer_choose(self, block);
        block->fetch_request = ++self->fetch_request;
        block->ask_count++;
        block->ask_same = false;
        ask_later(block, now_ms);
        self->counters.fetches++;
        *out = (struct blocks_fetch){.request = block->fetch_request, .peer = block->fetch_peer, .id_count = id_count};
        return true;
    }
    return false;
}

void blocks_answered(struct blocks *self, uint64_t fetch_request, uint32_t useful_count, uint64_t now_ms)
{
    if (useful_count == 0)
        self->counters.misses++;
    for (size_t i = 0; i < BLOCKS_REMEMBERED_MAX; i++) {
        struct block *block = &self->places[i];
        if (!block->resolving || block->fetch_request != fetch_request)
            continue;
        block->ask_same = useful_count > 0;
        /* Who has some is asked for the rest at once. Who has none: the next at once, but once round only. */
        if (useful_count > 0 || block->ask_count < self->peer_count)
            block->ask_at_ms = now_ms;
    }
}

/* --- arriving ----------------------------------------------------------------------------------------------------- */

bool blocks_verify_begin(struct blocks *self, const struct hash *id)
{
    uintptr_t bits = want_get(self, id);
    if (bits == 0 || bits & (WANT_VERIFYING | WANT_BAD))
        return false;
    want_update(self, id, bits | WANT_VERIFYING);
    return true;
}

void blocks_verify_end(struct blocks *self, const struct hash *id, bool bad)
{
    uintptr_t bits = want_get(self, id);
    if (bits != 0)
        want_update(self, id, (bits & ~(uintptr_t)WANT_VERIFYING) | (bad ? WANT_BAD : 0));
}

uint64_t blocks_charge(struct blocks *self, const struct hash *id, size_t bytes)
{
    uintptr_t bits = want_get(self, id);
    uint64_t newest = 0;
    for (size_t i = 0; i < BLOCKS_REMEMBERED_MAX; i++) {
        struct block *block = &self->places[i];
        if (!(bits >> i & 1))
            continue;
        block->fetched_bytes += bytes;
        if (block->fetched_bytes > self->limits.bytes_max)
            give_up(self, block);
        else if (block->sequence > newest)
            newest = block->sequence;
    }
    return newest;
}

void blocks_arrived(struct blocks *self, const struct hash *id)
{
    uintptr_t bits = want_get(self, id);
    for (size_t i = 0; i < BLOCKS_REMEMBERED_MAX; i++) {
        struct block *block = &self->places[i];
        if (!(bits >> i & 1))
            continue;
        assert(block->resolving && block->missing_count > 0);
        block->missing_count--;
    }
    if (bits != 0)
        want_update(self, id, 0);
}

struct blocks_counters blocks_counters(const struct blocks *self)
{
    return self->counters;
}
