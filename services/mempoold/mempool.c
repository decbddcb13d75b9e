/* mempool.c - what each event means; how bodies, blocks and shares are kept is in files of their own.
 *
 * A step has two halves. The first does what the event says. The second, settle(), looks at what has become true:
 * blocks that miss nothing are answered, what is missing is asked for, consensusd and ingestd are told what they wait
 * to hear. So no path can forget to tell.
 */
#include "services/mempoold/mempool.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "common/base/equivocation.h"
#include "services/mempoold/batch.h"

struct mempool {
    struct mempool_limits limits;
    struct bodies *bodies;
    struct blocks *blocks;
    struct rejections *rejections;
    struct mempool_counters counters;
    uint64_t batch_number;
    bool watched;           /* consensusd listens */
    uint32_t pending_told;  /* transactions, in the last Pending */
    uint32_t free_txs_told; /* in the last Verdicts */
    uint64_t free_bytes_told;
    /* room for what effects point to */
    enum mempool_verdict *verdicts; /* MEMPOOL_SUBMIT_COUNT_MAX */
    struct mempool_check *checks;   /* MEMPOOL_FETCHED_COUNT_MAX */
    struct span *spans;
    size_t spans_used;
    size_t spans_max;
    struct hash *ids; /* BLOCKS_RESOLVING_MAX questions */
    size_t ids_used;
};

static int check_limits(const struct mempool_limits *limits)
{
    bool ok = limits->tx_count_max > 0 && limits->tx_bytes_max >= TX_BODY_BYTES_MAX && limits->ttl_ms > 0 &&
              limits->rate_per_second > 0 && limits->block_tx_count_max > 0 && limits->block_bytes_max > 0;
    return ok ? 0 : -EINVAL;
}

static int parts_new(struct mempool *self)
{
    const struct mempool_limits *limits = &self->limits;
    int rc = rejections_new(&self->rejections, limits->epoch);
    if (rc < 0)
        return rc;
    rc = bodies_new(&self->bodies, &(struct bodies_limits){
                                       .pooled_count_max = limits->tx_count_max,
                                       .pooled_bytes_max = limits->tx_bytes_max,
                                       .proof_count_max = limits->validator_count,
                                       .recent_bytes_max = MEMPOOL_RECENT_BYTES_MAX,
                                       .recent_count_max = MEMPOOL_RECENT_COUNT_MAX,
                                       .finalized_count_max = MEMPOOL_FINALIZED_COUNT_MAX,
                                       .fairness = {.producer_count_max = MEMPOOL_PRODUCER_COUNT_MAX,
                                                    .rate_per_second = limits->rate_per_second,
                                                    .seed = limits->seed},
                                   });
    if (rc < 0)
        return rc;
    return blocks_new(&self->blocks,
                      &(struct blocks_limits){.tx_count_max = limits->block_tx_count_max,
                                              .bytes_max = limits->block_bytes_max,
                                              .validator_count = limits->validator_count,
                                              .peers = limits->peers,
                                              .seed = limits->seed},
                      self->bodies);
}

int mempool_new(struct mempool **out, const struct mempool_limits *limits)
{
    int rc = check_limits(limits);
    if (rc < 0)
        return rc;
    CLEANUP(mempool_destroy) struct mempool *self = calloc(1, sizeof *self);
    if (!self)
        return -ENOMEM;
    self->limits = *limits;
    self->free_txs_told = limits->tx_count_max;
    self->free_bytes_told = limits->tx_bytes_max;
    rc = parts_new(self);
    if (rc < 0)
        return rc;

    size_t answer_max = limits->block_tx_count_max;
    if (answer_max < MEMPOOL_FETCH_COUNT_MAX)
        answer_max = MEMPOOL_FETCH_COUNT_MAX;
    self->spans_max = (BLOCKS_RESOLVING_MAX + 1) * answer_max;
    self->spans = calloc(self->spans_max, sizeof *self->spans);
    self->ids = calloc((size_t)BLOCKS_RESOLVING_MAX * BLOCKS_FETCH_IDS_MAX, sizeof *self->ids);
    self->verdicts = calloc(MEMPOOL_SUBMIT_COUNT_MAX, sizeof *self->verdicts);
    self->checks = calloc(MEMPOOL_FETCHED_COUNT_MAX, sizeof *self->checks);
    if (!self->spans || !self->ids || !self->verdicts || !self->checks)
        return -ENOMEM;
    *out = TAKE(self);
    return 0;
}

void mempool_destroy(struct mempool **self)
{
    if (!self || !*self)
        return;
    blocks_destroy(&(*self)->blocks);
    bodies_destroy(&(*self)->bodies);
    rejections_destroy(&(*self)->rejections);
    free((*self)->checks);
    free((*self)->verdicts);
    free((*self)->ids);
    free((*self)->spans);
    free(*self);
    *self = NULL;
}

static struct mempool_effect *effect_add(struct mempool_effects *effects, enum mempool_effect_kind kind)
{
    assert(effects->count < MEMPOOL_EFFECT_COUNT_MAX);
    struct mempool_effect *effect = &effects->items[effects->count++];
    *effect = (struct mempool_effect){.kind = kind};
    return effect;
}

static struct span *spans_free(const struct mempool *self, size_t count)
{
    assert(self->spans_used + count <= self->spans_max);
    return self->spans + self->spans_used;
}

static uint32_t min_u32(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

static uint64_t min_u64(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* --- ingestd ------------------------------------------------------------------------------------------------------ */

static void tell_verdicts(struct mempool *self, uint64_t batch, size_t verdict_count, struct mempool_effects *effects)
{
    struct fairness_room room = bodies_room(self->bodies);
    self->free_txs_told = (uint32_t)room.tx_count;
    self->free_bytes_told = room.tx_bytes;
    effect_add(effects, MEMPOOL_SEND_VERDICTS)->verdicts = (struct mempool_verdicts){
        .batch = batch,
        .verdicts = self->verdicts,
        .verdict_count = verdict_count,
        .free_txs = self->free_txs_told,
        .free_bytes = self->free_bytes_told,
    };
}

static enum mempool_verdict add_verdict(int rc)
{
    if (rc == 0)
        return MEMPOOL_VERDICT_POOLED;
    /* Without memory there is no room either: ingestd submits again. */
    return rc == BODIES_RATE ? MEMPOOL_VERDICT_RATE : MEMPOOL_VERDICT_FULL;
}

static enum mempool_verdict submit_one(struct mempool *self, struct span bytes, uint64_t now_ms)
{
    if (bytes.size == 0 || bytes.size > TX_BODY_BYTES_MAX)
        return MEMPOOL_VERDICT_BAD;
    struct hash id = tx_id(bytes);
    const struct body *known = bodies_find(self->bodies, &id);
    if ((known && known->state != BODY_RECENT) || bodies_is_finalized(self->bodies, &id))
        return MEMPOOL_VERDICT_DUPLICATE;
    struct tx tx;
    const char *why;
    if (tx_parse(&tx, bytes, &why) != 0)
        return MEMPOOL_VERDICT_BAD;

    /* What a proposed block waits for is taken in even when the pool is full. */
    uint64_t held_block = blocks_charge(self->blocks, &id, bytes.size);
    struct bodies_new_body what = {
        .tx = &tx, .id = &id, .state = held_block ? BODY_HELD : BODY_POOLED, .now_ms = now_ms};
    struct body *body;
    int rc = bodies_add(self->bodies, &what, &body);
    if (rc == 0) {
        body->held_block = held_block;
        blocks_arrived(self->blocks, &id);
    }
    return add_verdict(rc);
}

/* Proof of equivocation waits outside the limits, the rates and the shares of producers: it has none. */
static void take_proof(struct mempool *self, struct span bytes, uint64_t now_ms)
{
    struct equivocation proof;
    if (equivocation_decode(&proof, bytes) != 0) {
        self->counters.bad_requests++;
        return;
    }
    struct hash id = tx_id(bytes);
    const struct body *known = bodies_find(self->bodies, &id);
    if ((known && known->state != BODY_RECENT) || bodies_is_finalized(self->bodies, &id))
        return;
    uint64_t held_block = blocks_charge(self->blocks, &id, bytes.size);
    struct bodies_new_body what = {
        .proof = bytes, .id = &id, .state = held_block ? BODY_HELD : BODY_PROOF, .now_ms = now_ms};
    struct body *body;
    if (bodies_add(self->bodies, &what, &body) != 0)
        return; /* full, or no memory: consensusd tells it again */
    body->held_block = held_block;
    blocks_arrived(self->blocks, &id);
}

static void on_submit(struct mempool *self, const struct mempool_submit *submit, uint64_t now_ms,
                      struct mempool_effects *effects)
{
    assert(submit->body_count <= MEMPOOL_SUBMIT_COUNT_MAX);
    for (size_t i = 0; i < submit->body_count; i++) {
        self->verdicts[i] = submit_one(self, submit->bodies[i], now_ms);
        self->counters.verdicts[self->verdicts[i]]++;
    }
    tell_verdicts(self, submit->batch, submit->body_count, effects);
}

static void settle_rejected(struct mempool *self, uint64_t now_ms, struct mempool_effects *effects)
{
    struct rejections_notice notice;
    if (rejections_due(self->rejections, now_ms, &notice))
        effect_add(effects, MEMPOOL_SEND_REJECTED)->rejected = notice;
}

/* ingestd asks for credit every 500 ms only; so when little was left, it is told as soon as there is more again. */
static void settle_credit(struct mempool *self, struct mempool_effects *effects)
{
    struct fairness_room room = bodies_room(self->bodies);
    bool was_short =
        self->free_txs_told < self->limits.tx_count_max / 2 || self->free_bytes_told < self->limits.tx_bytes_max / 2;
    bool is_more = room.tx_count > self->free_txs_told || room.tx_bytes > self->free_bytes_told;
    if (was_short && is_more)
        tell_verdicts(self, 0, 0, effects);
}

/* --- consensusd --------------------------------------------------------------------------------------------------- */

static void tell_pending(struct mempool *self, uint64_t now_ms, struct mempool_effects *effects)
{
    struct mempool_pending pending = mempool_pending(self, now_ms);
    self->pending_told = pending.tx_count;
    effect_add(effects, MEMPOOL_SEND_PENDING)->pending = pending;
}

/* "Sent when the number of transactions has changed." */
static void settle_pending(struct mempool *self, uint64_t now_ms, struct mempool_effects *effects)
{
    if (self->watched && mempool_pending(self, now_ms).tx_count != self->pending_told)
        tell_pending(self, now_ms, effects);
}

static void on_watch(struct mempool *self, uint64_t now_ms, struct mempool_effects *effects)
{
    self->watched = true;
    tell_pending(self, now_ms, effects);
}

static void on_take_batch(struct mempool *self, const struct mempool_take_batch *take, struct mempool_effects *effects)
{
    assert(take->excluded_count <= MEMPOOL_EXCLUDED_COUNT_MAX);
    struct batch_request request = {
        .number = ++self->batch_number,
        .tx_count_max = min_u32(take->tx_count_max, self->limits.block_tx_count_max),
        .tx_bytes_max = min_u64(take->tx_bytes_max, self->limits.block_bytes_max),
    };
    struct span *out = spans_free(self, request.tx_count_max);
    size_t count;
    if (take->oldest) {
        count = batch_take_oldest(self->bodies, &request, out);
    } else {
        batch_begin(self->bodies);
        for (size_t i = 0; i < take->excluded_count; i++) {
            const struct block *block = blocks_find(self->blocks, &take->excluded[i]);
            for (uint32_t j = 0; block && j < block->tx_count; j++)
                batch_exclude(self->bodies, &block->tx_ids[j], request.number);
        }
        count = batch_take(self->bodies, &request, out);
    }
    self->spans_used += count;
    effect_add(effects, MEMPOOL_SEND_BATCH)->answer =
        (struct mempool_answer){.request = take->request, .bodies = out, .body_count = count};
}

static void on_resolve(struct mempool *self, const struct mempool_resolve *resolve, uint64_t now_ms)
{
    struct block *block;
    int rc = blocks_remember(
        self->blocks,
        &(struct blocks_block){
            .id = &resolve->block_id, .tx_ids = resolve->tx_ids, .tx_count = resolve->tx_count, .now_ms = now_ms},
        &block);
    if (rc == 0 && !resolve->own_block)
        rc = blocks_resolve_begin(
            self->blocks, block,
            &(struct blocks_resolve){.request = resolve->request, .proposer = resolve->proposer, .now_ms = now_ms});
    /* Above the limits, or no memory: no answer; consensusd asks again or does without. */
    if (rc < 0)
        self->counters.bad_requests++;
}

/* Every block that misses nothing is answered. */
static void settle_resolved(struct mempool *self, struct mempool_effects *effects)
{
    for (struct block *block = blocks_complete(self->blocks); block; block = blocks_complete(self->blocks)) {
        struct span *out = spans_free(self, block->tx_count);
        if (!blocks_collect(self->blocks, block, out))
            continue;
        self->spans_used += block->tx_count;
        self->counters.resolved++;
        effect_add(effects, MEMPOOL_SEND_RESOLVED)->answer = (struct mempool_answer){
            .request = block->request, .block_id = block->id, .bodies = out, .body_count = block->tx_count};
    }
}

static bool retire_waiting(struct mempool *self, const struct hash *id, uint64_t now_ms)
{
    struct body *body = bodies_find(self->bodies, id);
    if (!body || body->state == BODY_RECENT)
        return false;
    bodies_retire(self->bodies, body, now_ms);
    return true;
}

static void on_finalized(struct mempool *self, const struct mempool_finalized *finalized, uint64_t now_ms)
{
    for (size_t i = 0; i < finalized->tx_count; i++) {
        self->counters.finalized += retire_waiting(self, &finalized->tx_ids[i], now_ms);
        bodies_finalized_put(self->bodies, &finalized->tx_ids[i]);
    }
    blocks_forget(self->blocks, &finalized->block_id, now_ms);
}

static void on_dropped(struct mempool *self, const struct mempool_dropped *dropped, uint64_t now_ms)
{
    for (size_t i = 0; i < dropped->tx_count; i++) {
        const struct rejections_tx *tx = &dropped->txs[i];
        assert(tx->reason < REASON_COUNT);
        const struct body *body = bodies_find(self->bodies, &tx->id);
        bool is_proof = body && body_is_proof(body);
        self->counters.dropped[tx->reason] += retire_waiting(self, &tx->id, now_ms);
        if (tx->reason == REASON_NONE)
            bodies_finalized_put(self->bodies, &tx->id);
        else if (!is_proof) /* ingestd has never heard of it */
            rejections_put(self->rejections, tx);
    }
}

/* --- other validators --------------------------------------------------------------------------------------------- */

static void on_fetch(struct mempool *self, const struct mempool_fetch *fetch, struct mempool_effects *effects)
{
    assert(fetch->tx_count <= MEMPOOL_FETCH_COUNT_MAX);
    struct span *out = spans_free(self, fetch->tx_count);
    size_t count = 0;
    size_t bytes = 0;
    for (size_t i = 0; i < fetch->tx_count; i++) {
        const struct body *body = bodies_find(self->bodies, &fetch->tx_ids[i]);
        if (!body || bytes + body->size > MEMPOOL_FETCH_BYTES_MAX)
            continue;
        bytes += body->size;
        out[count++] = body_span(body);
    }
    self->spans_used += count;
    effect_add(effects, MEMPOOL_SEND_BODIES)->answer =
        (struct mempool_answer){.request = fetch->request, .bodies = out, .body_count = count};
}

/* Only what is missing costs a signature check; late answers to a question that another validator answered do not. */
static void on_bodies(struct mempool *self, const struct mempool_bodies *answer, uint64_t now_ms,
                      struct mempool_effects *effects)
{
    assert(answer->peer < BLOCKS_VALIDATORS_MAX);
    assert(answer->body_count <= MEMPOOL_FETCHED_COUNT_MAX);
    size_t count = 0;
    for (size_t i = 0; i < answer->body_count; i++) {
        struct span body = answer->bodies[i];
        struct hash id = tx_id(body);
        if (blocks_verify_begin(self->blocks, &id))
            self->checks[count++] = (struct mempool_check){.id = id, .body = body};
        else if (!bodies_find(self->bodies, &id) && !bodies_is_finalized(self->bodies, &id))
            self->counters.garbage[answer->peer]++;
    }
    blocks_answered(self->blocks, answer->request, (uint32_t)count, now_ms);
    if (count > 0)
        effect_add(effects, MEMPOOL_VERIFY)->verify =
            (struct mempool_checks){.peer = answer->peer, .checks = self->checks, .check_count = count};
}

/* A verified body that a block misses is held for it, outside the pool's limits. None may miss it any more: it came by
 * another path, or its blocks were given up. */
static int hold(struct mempool *self, const struct mempool_check *check, uint64_t now_ms)
{
    struct tx tx;
    const char *why;
    struct equivocation proof;
    bool is_proof = tx_is_validator_evidence(check->body);
    int rc = is_proof ? equivocation_decode(&proof, check->body) : tx_parse(&tx, check->body, &why);
    if (rc != 0)
        return rc;
    uint64_t held_block = blocks_charge(self->blocks, &check->id, check->body.size);
    if (held_block == 0)
        return 0;
    struct body *body;
    struct bodies_new_body what = {
        .tx = is_proof ? NULL : &tx, .proof = check->body, .id = &check->id, .state = BODY_HELD, .now_ms = now_ms};
    if (bodies_add(self->bodies, &what, &body) != 0)
        return -ENOMEM;
    body->held_block = held_block;
    if (bodies_is_finalized(self->bodies, &check->id))
        bodies_retire(self->bodies, body, now_ms); /* it was only its body that was forgotten */
    blocks_arrived(self->blocks, &check->id);
    self->counters.fetched++;
    return 0;
}

static void on_verified(struct mempool *self, const struct mempool_checks *verified, uint64_t now_ms)
{
    assert(verified->peer < BLOCKS_VALIDATORS_MAX);
    for (size_t i = 0; i < verified->check_count; i++) {
        const struct mempool_check *check = &verified->checks[i];
        int rc = check->result == 0 ? hold(self, check, now_ms) : check->result;
        self->counters.garbage[verified->peer] += rc > 0;
        if (rc != 0)
            blocks_verify_end(self->blocks, &check->id, /* bad= */ rc > 0);
    }
}

static void settle_fetches(struct mempool *self, uint64_t now_ms, struct mempool_effects *effects)
{
    struct blocks_fetch fetch;
    while (blocks_fetch_due(self->blocks, now_ms, &fetch, self->ids + self->ids_used)) {
        effect_add(effects, MEMPOOL_SEND_FETCH)->fetch = (struct mempool_question){
            .request = fetch.request,
            .peer = fetch.peer,
            .tx_ids = self->ids + self->ids_used,
            .tx_count = fetch.id_count,
        };
        self->ids_used += fetch.id_count;
    }
}

/* --- time --------------------------------------------------------------------------------------------------------- */

static void on_tick(struct mempool *self, uint64_t now_ms)
{
    blocks_expire(self->blocks, now_ms);
    for (struct body *body = bodies_oldest(self->bodies); body && now_ms >= body->since_ms + self->limits.ttl_ms;
         body = bodies_oldest(self->bodies)) {
        bodies_forget(self->bodies, body);
        self->counters.expired++;
    }
}

static void apply(struct mempool *self, const struct mempool_event *event, struct mempool_effects *effects)
{
    uint64_t now_ms = event->now_ms;
    switch (event->kind) {
    case MEMPOOL_TICK:
        on_tick(self, now_ms);
        break;
    case MEMPOOL_HELLO:
        tell_verdicts(self, 0, 0, effects);
        break;
    case MEMPOOL_SUBMIT:
        on_submit(self, &event->submit, now_ms, effects);
        break;
    case MEMPOOL_REJECTED_ACK:
        rejections_acknowledge(self->rejections, event->rejected_ack);
        break;
    case MEMPOOL_WATCH:
        on_watch(self, now_ms, effects);
        break;
    case MEMPOOL_TAKE_BATCH:
        on_take_batch(self, &event->take_batch, effects);
        break;
    case MEMPOOL_RESOLVE:
        on_resolve(self, &event->resolve, now_ms);
        break;
    case MEMPOOL_FINALIZED:
        on_finalized(self, &event->finalized, now_ms);
        break;
    case MEMPOOL_PEERS:
        blocks_set_peers(self->blocks, event->peers);
        break;
    case MEMPOOL_DROPPED:
        on_dropped(self, &event->dropped, now_ms);
        break;
    case MEMPOOL_EVIDENCE:
        for (size_t i = 0; i < event->evidence.body_count; i++)
            take_proof(self, event->evidence.bodies[i], now_ms);
        break;
    case MEMPOOL_FETCH:
        on_fetch(self, &event->fetch, effects);
        break;
    case MEMPOOL_BODIES:
        on_bodies(self, &event->bodies, now_ms, effects);
        break;
    case MEMPOOL_VERIFIED:
        on_verified(self, &event->verified, now_ms);
        break;
    }
}

void mempool_step(struct mempool *self, const struct mempool_event *event, struct mempool_effects *effects)
{
    effects->count = 0;
    self->spans_used = 0;
    self->ids_used = 0;
    apply(self, event, effects);
    settle_resolved(self, effects);
    settle_fetches(self, event->now_ms, effects);
    settle_pending(self, event->now_ms, effects);
    settle_rejected(self, event->now_ms, effects);
    settle_credit(self, effects);
}

/* --- looking in --------------------------------------------------------------------------------------------------- */

struct mempool_pending mempool_pending(const struct mempool *self, uint64_t now_ms)
{
    struct bodies_usage usage = bodies_usage(self->bodies);
    const struct body *oldest = bodies_oldest(self->bodies);
    return (struct mempool_pending){
        .tx_count = usage.pooled_count + usage.held_count + usage.proof_count,
        .tx_bytes = usage.pooled_bytes + usage.held_bytes + usage.proof_bytes,
        .oldest_age_ms = oldest ? now_ms - oldest->since_ms : 0,
    };
}

struct bodies_usage mempool_usage(const struct mempool *self)
{
    return bodies_usage(self->bodies);
}

struct mempool_counters mempool_counters(const struct mempool *self)
{
    struct mempool_counters counters = self->counters;
    counters.rejected_lost = rejections_lost_count(self->rejections);
    return counters;
}

struct blocks_counters mempool_blocks_counters(const struct mempool *self)
{
    return blocks_counters(self->blocks);
}
