/* bodies.c - one allocation per body, which lives from admission until it is too old to be fetched.
 *
 * Everything that points at a body is inside the body or in the one table by id, so a body is moved from state to state
 * by unlinking and linking, never by copying.
 */
#include "services/mempoold/bodies.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "common/base/map.h"

struct age_list {
    struct body *oldest;
    struct body *newest;
};

struct bodies {
    struct bodies_limits limits;
    struct map *by_id;
    struct order order;
    struct age_list waiting;
    struct age_list recent;
    struct bodies_usage usage;
    struct fairness *fairness;
    struct map *finalized; /* id -> any pointer */
    struct hash *finalized_ring;
    uint64_t finalized_count; /* ever put; the ring holds the last finalized_count_max */
};

int bodies_new(struct bodies **out, const struct bodies_limits *limits)
{
    if (limits->finalized_count_max == 0 || limits->pooled_count_max == 0)
        return -EINVAL;
    CLEANUP(bodies_destroy) struct bodies *self = calloc(1, sizeof *self);
    if (!self)
        return -ENOMEM;
    self->limits = *limits;
    order_init(&self->order, limits->fairness.seed);
    self->finalized_ring = calloc(limits->finalized_count_max, sizeof *self->finalized_ring);
    if (!self->finalized_ring)
        return -ENOMEM;
    size_t known_count = (size_t)limits->pooled_count_max + limits->recent_count_max;
    int rc = map_new(&self->by_id, known_count, limits->fairness.seed);
    if (rc < 0)
        return rc;
    rc = map_new(&self->finalized, limits->finalized_count_max, limits->fairness.seed);
    if (rc < 0)
        return rc;
    rc = fairness_new(&self->fairness, &limits->fairness);
    if (rc < 0)
        return rc;
    *out = TAKE(self);
    return 0;
}

static void list_free(struct age_list *list)
{
    while (list->oldest) {
        struct body *body = list->oldest;
        list->oldest = body->newer;
        free(body);
    }
}

void bodies_destroy(struct bodies **self)
{
    if (!self || !*self)
        return;
    list_free(&(*self)->waiting);
    list_free(&(*self)->recent);
    map_destroy(&(*self)->by_id);
    map_destroy(&(*self)->finalized);
    free((*self)->finalized_ring);
    fairness_destroy(&(*self)->fairness);
    free(*self);
    *self = NULL;
}

static void list_append(struct age_list *list, struct body *body)
{
    body->older = list->newest;
    body->newer = NULL;
    if (list->newest)
        list->newest->newer = body;
    else
        list->oldest = body;
    list->newest = body;
}

static void list_remove(struct age_list *list, struct body *body)
{
    if (body->older)
        body->older->newer = body->newer;
    else
        list->oldest = body->newer;
    if (body->newer)
        body->newer->older = body->older;
    else
        list->newest = body->older;
    body->older = NULL;
    body->newer = NULL;
}

struct body *bodies_find(const struct bodies *self, const struct hash *id)
{
    return map_find(self->by_id, id);
}

static void usage_add(struct bodies *self, const struct body *body)
{
    struct bodies_usage *usage = &self->usage;
    switch (body->state) {
    case BODY_POOLED:
        usage->pooled_count++;
        usage->pooled_bytes += body->size;
        break;
    case BODY_HELD:
        usage->held_count++;
        usage->held_bytes += body->size;
        break;
    case BODY_PROOF:
        usage->proof_count++;
        usage->proof_bytes += body->size;
        break;
    case BODY_RECENT:
        usage->recent_count++;
        usage->recent_bytes += body->size;
        break;
    }
}

static void usage_remove(struct bodies *self, const struct body *body)
{
    struct bodies_usage *usage = &self->usage;
    switch (body->state) {
    case BODY_POOLED:
        assert(usage->pooled_count > 0 && usage->pooled_bytes >= body->size);
        usage->pooled_count--;
        usage->pooled_bytes -= body->size;
        break;
    case BODY_HELD:
        assert(usage->held_count > 0 && usage->held_bytes >= body->size);
        usage->held_count--;
        usage->held_bytes -= body->size;
        break;
    case BODY_PROOF:
        assert(usage->proof_count > 0 && usage->proof_bytes >= body->size);
        usage->proof_count--;
        usage->proof_bytes -= body->size;
        break;
    case BODY_RECENT:
        assert(usage->recent_count > 0 && usage->recent_bytes >= body->size);
        usage->recent_count--;
        usage->recent_bytes -= body->size;
        break;
    }
}

/* Into the lists of those that wait. */
static void wait_begin(struct bodies *self, struct body *body, enum body_state state, uint64_t now_ms)
{
    assert(state != BODY_RECENT && (state == BODY_HELD || (state == BODY_PROOF) == body_is_proof(body)));
    assert(!self->waiting.newest || self->waiting.newest->since_ms <= now_ms);
    body->state = state;
    body->since_ms = now_ms;
    usage_add(self, body);
    if (body->producer)
        fairness_enter(body->producer, body->size);
    order_insert(&self->order, &body->order);
    list_append(&self->waiting, body);
}

static void wait_end(struct bodies *self, struct body *body)
{
    assert(body->state != BODY_RECENT);
    list_remove(&self->waiting, body);
    order_remove(&self->order, &body->order);
    if (body->producer)
        fairness_leave(body->producer, body->size);
    usage_remove(self, body);
    body->producer = NULL;
}

static void recent_end(struct bodies *self, struct body *body)
{
    assert(body->state == BODY_RECENT);
    list_remove(&self->recent, body);
    usage_remove(self, body);
}

/* Allocate and enter into the table; nothing else yet. */
static int body_new(struct bodies *self, const struct bodies_new_body *what, struct body **out)
{
    struct span bytes = what->tx ? what->tx->body : what->proof;
    assert(bytes.size <= TX_BODY_BYTES_MAX);
    struct body *body = malloc(sizeof *body + bytes.size);
    if (!body)
        return -ENOMEM;
    *body = (struct body){.size = (uint32_t)bytes.size,
                          .order.key = what->tx ? order_key_of(what->tx, what->id) : order_key_of_proof(what->id)};
    memcpy(body->bytes, bytes.data, bytes.size);
    int rc = map_put(self->by_id, what->id, body);
    if (rc < 0) {
        free(body);
        return rc;
    }
    *out = body;
    return 0;
}

struct fairness_room bodies_room(const struct bodies *self)
{
    assert(self->usage.pooled_count <= self->limits.pooled_count_max);
    assert(self->usage.pooled_bytes <= self->limits.pooled_bytes_max);
    return (struct fairness_room){
        .tx_count = self->limits.pooled_count_max - self->usage.pooled_count,
        .tx_bytes = self->limits.pooled_bytes_max - self->usage.pooled_bytes,
    };
}

/* For one that waits in this state; HELD ones are bounded by their blocks. */
static bool has_room(const struct bodies *self, enum body_state state, size_t bytes)
{
    if (state == BODY_PROOF)
        return self->usage.proof_count < self->limits.proof_count_max;
    if (state == BODY_HELD)
        return true;
    struct fairness_room room = bodies_room(self);
    return room.tx_count > 0 && room.tx_bytes >= bytes;
}

static int charge_producer(struct bodies *self, const struct bodies_new_body *what, struct fairness_producer **out)
{
    struct hash key;
    memcpy(key.bytes, what->tx->producer.bytes, HASH_BYTES);
    *out = fairness_producer_get(self->fairness, &key, what->now_ms);
    if (!*out)
        return BODIES_FULL;
    return what->state != BODY_POOLED || fairness_admit(self->fairness, *out, what->now_ms) ? 0 : BODIES_RATE;
}

int bodies_add(struct bodies *self, const struct bodies_new_body *what, struct body **out)
{
    struct body *body = bodies_find(self, what->id);
    assert(!body || body->state == BODY_RECENT);
    if (!has_room(self, what->state, what->tx ? what->tx->body.size : what->proof.size))
        return BODIES_FULL;
    struct fairness_producer *producer = NULL;
    int verdict = what->tx ? charge_producer(self, what, &producer) : 0;
    if (verdict != 0)
        return verdict;
    if (body) {
        recent_end(self, body);
    } else {
        int rc = body_new(self, what, &body);
        if (rc < 0)
            return rc;
    }
    body->producer = producer;
    wait_begin(self, body, what->state, what->now_ms);
    if (out)
        *out = body;
    return 0;
}

static void recent_trim(struct bodies *self)
{
    while (self->usage.recent_bytes > self->limits.recent_bytes_max ||
           self->usage.recent_count > self->limits.recent_count_max)
        bodies_forget(self, self->recent.oldest);
}

void bodies_retire(struct bodies *self, struct body *body, uint64_t now_ms)
{
    wait_end(self, body);
    body->state = BODY_RECENT;
    body->since_ms = now_ms;
    body->held_block = 0;
    usage_add(self, body);
    list_append(&self->recent, body);
    recent_trim(self);
}

void bodies_release(struct bodies *self, struct body *body, uint64_t now_ms)
{
    assert(body->state == BODY_HELD);
    enum body_state state = body_is_proof(body) ? BODY_PROOF : BODY_POOLED;
    if (!has_room(self, state, body->size)) {
        bodies_retire(self, body, now_ms);
        return;
    }
    usage_remove(self, body);
    body->state = state;
    body->held_block = 0;
    usage_add(self, body);
}

void bodies_forget(struct bodies *self, struct body *body)
{
    assert(body);
    if (body->state == BODY_RECENT)
        recent_end(self, body);
    else
        wait_end(self, body);
    struct body *removed = map_remove(self->by_id, body_id(body));
    assert(removed == body);
    free(removed);
}

void bodies_finalized_put(struct bodies *self, const struct hash *id)
{
    if (map_find(self->finalized, id))
        return;
    struct hash *place = &self->finalized_ring[self->finalized_count % self->limits.finalized_count_max];
    if (self->finalized_count >= self->limits.finalized_count_max)
        map_remove(self->finalized, place);
    if (map_put(self->finalized, id, self) < 0)
        memset(place, 0, sizeof *place); /* the place is lost for one round, nothing else */
    else
        *place = *id;
    self->finalized_count++;
}

bool bodies_is_finalized(const struct bodies *self, const struct hash *id)
{
    return map_find(self->finalized, id) != NULL;
}

struct body *bodies_oldest(const struct bodies *self)
{
    return self->waiting.oldest;
}

/* The node is the first member. */
static struct body *body_of(struct order_node *node)
{
    static_assert(offsetof(struct body, order) == 0, "a body begins with its order node");
    return (struct body *)(void *)node;
}

struct body *bodies_first(const struct bodies *self)
{
    return body_of(order_first(&self->order));
}

struct body *bodies_next(const struct body *body)
{
    return body_of(order_next(&body->order));
}

struct bodies_usage bodies_usage(const struct bodies *self)
{
    return self->usage;
}

struct fairness *bodies_fairness(const struct bodies *self)
{
    return self->fairness;
}
