/* The pool against a naive model: arrays, sorting, counting. Seeded; a failure prints its seed and step.
 *
 * Two worlds: a small pool, where room matters and every named transaction is there; and a large one, where blocks name
 * transactions that are missing and come later, from ingestd or from other validators. MODEL_SEEDS says how many seeds
 * (default 30), MODEL_SEED_FIRST where to begin.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "tests/unit/mempoold/pool_world.h"

enum { TX_COUNT = 120, BLOCK_COUNT = 12, BLOCK_TXS_MAX = 12, PRODUCER_COUNT = 5, STEP_COUNT = 1500 };

enum tx_fate { TX_ABSENT, TX_WAITS, TX_FINAL, TX_REFUSED, TX_EXPIRED };

struct model_block {
    bool named;
    bool waits; /* for an answer */
    uint64_t request;
    size_t tx_count;
    size_t txs[BLOCK_TXS_MAX];
};

struct model {
    struct pool_world *world;
    uint64_t random;
    uint64_t seed;
    size_t step;
    enum tx_fate fate[TX_COUNT];
    bool body_known[TX_COUNT];
    uint64_t since_ms[TX_COUNT];
    unsigned producer[TX_COUNT];
    struct tx parsed[TX_COUNT];
    struct model_block blocks[BLOCK_COUNT];
    bool may_miss;
};

static uint64_t draw(struct model *model, uint64_t below)
{
    model->random ^= model->random << 13;
    model->random ^= model->random >> 7;
    model->random ^= model->random << 17;
    return model->random % below;
}

#define EXPECT(model, condition) expect((model), (condition), #condition, __LINE__)

static void expect(const struct model *model, bool holds, const char *condition, int line)
{
    if (!holds)
        fail_msg("seed %llu step %zu line %d: %s", (unsigned long long)model->seed, model->step, line, condition);
}

static struct hash *id_of(struct model *model, size_t tx)
{
    return &model->world->txs[tx].id;
}

static size_t tx_of(struct model *model, struct span body)
{
    struct hash id = tx_id(body);
    for (size_t i = 0; i < TX_COUNT; i++) {
        if (hash_equal(id_of(model, i), &id))
            return i;
    }
    fail();
    return 0;
}

static struct hash block_name(size_t block)
{
    struct hash id = {{0xb1, (uint8_t)block}};
    return id;
}

static size_t waiting_count(const struct model *model)
{
    size_t count = 0;
    for (size_t i = 0; i < TX_COUNT; i++)
        count += model->fate[i] == TX_WAITS;
    return count;
}

/* Every effect RESOLVED is one that the model expects, and all it expects are there. */
static void expect_resolved(struct model *model)
{
    for (size_t i = 0; i < model->world->effects.count; i++) {
        const struct mempool_effect *effect = &model->world->effects.items[i];
        if (effect->kind != MEMPOOL_SEND_RESOLVED)
            continue;
        struct model_block *block = &model->blocks[effect->answer.block_id.bytes[1]];
        EXPECT(model, block->waits);
        EXPECT(model, effect->answer.request == block->request);
        EXPECT(model, effect->answer.body_count == block->tx_count);
        for (size_t j = 0; j < block->tx_count; j++)
            EXPECT(model, tx_of(model, effect->answer.bodies[j]) == block->txs[j]);
        block->waits = false;
    }
    for (size_t i = 0; i < BLOCK_COUNT; i++) {
        bool missing = false;
        for (size_t j = 0; j < model->blocks[i].tx_count; j++)
            missing |= !model->body_known[model->blocks[i].txs[j]];
        EXPECT(model, !model->blocks[i].waits || missing);
    }
}

static void step(struct model *model, struct mempool_event event)
{
    pool_world_step(model->world, event);
}

static void submit(struct model *model)
{
    struct span bodies[8];
    size_t txs[8];
    size_t count = 1 + draw(model, 8);
    for (size_t i = 0; i < count; i++) {
        txs[i] = draw(model, TX_COUNT);
        bodies[i] = span_of(model->world->txs[txs[i]].body, model->world->txs[txs[i]].size);
    }
    uint32_t room = model->world->limits.tx_count_max - mempool_usage(model->world->pool).pooled_count;
    struct mempool_submit submit = {.batch = 1, .bodies = bodies, .body_count = count};
    step(model, (struct mempool_event){.kind = MEMPOOL_SUBMIT, .submit = submit});
    const struct mempool_effect *effect = &model->world->effects.items[0];
    EXPECT(model, effect->kind == MEMPOOL_SEND_VERDICTS && effect->verdicts.verdict_count == count);
    for (size_t i = 0; i < count; i++) {
        enum tx_fate *fate = &model->fate[txs[i]];
        enum mempool_verdict expected = MEMPOOL_VERDICT_POOLED;
        if (*fate == TX_WAITS || *fate == TX_FINAL)
            expected = MEMPOOL_VERDICT_DUPLICATE;
        else if (room == 0)
            expected = MEMPOOL_VERDICT_FULL;
        EXPECT(model, effect->verdicts.verdicts[i] == expected);
        if (expected != MEMPOOL_VERDICT_POOLED)
            continue;
        room -= !model->may_miss;
        *fate = TX_WAITS;
        model->body_known[txs[i]] = true;
        model->since_ms[txs[i]] = model->world->now_ms;
    }
}

/* A block of different transactions that have not been finalized. */
static void name_block(struct model *model)
{
    size_t number = draw(model, BLOCK_COUNT);
    struct model_block *block = &model->blocks[number];
    struct hash ids[BLOCK_TXS_MAX];
    if (!block->named) {
        block->tx_count = 0;
        size_t count = draw(model, BLOCK_TXS_MAX);
        for (size_t i = 0; i < count; i++) {
            size_t tx = draw(model, TX_COUNT);
            bool fits = model->may_miss ? model->fate[tx] != TX_FINAL : model->body_known[tx];
            for (size_t j = 0; j < block->tx_count; j++)
                fits &= block->txs[j] != tx;
            if (fits)
                block->txs[block->tx_count++] = tx;
        }
    }
    for (size_t i = 0; i < block->tx_count; i++)
        ids[i] = *id_of(model, block->txs[i]);
    bool own = draw(model, 4) == 0;
    struct mempool_resolve resolve = {
        .request = model->step,
        .block_id = block_name(number),
        .tx_ids = ids,
        .tx_count = block->tx_count,
        .proposer = (uint32_t)draw(model, 4),
        .own_block = own,
    };
    /* The model does without a ninth that resolves. */
    size_t waiting = 0;
    for (size_t i = 0; i < BLOCK_COUNT; i++)
        waiting += i != number && model->blocks[i].waits;
    if (!own && waiting == BLOCKS_RESOLVING_MAX)
        return;
    block->named = true;
    if (!own) {
        block->waits = true;
        block->request = model->step;
    }
    step(model, (struct mempool_event){.kind = MEMPOOL_RESOLVE, .resolve = resolve});
}

static void finalize(struct model *model)
{
    size_t number = draw(model, BLOCK_COUNT);
    struct model_block *block = &model->blocks[number];
    struct hash ids[BLOCK_TXS_MAX];
    if (!block->named)
        return;
    for (size_t i = 0; i < block->tx_count; i++) {
        ids[i] = *id_of(model, block->txs[i]);
        model->fate[block->txs[i]] = TX_FINAL;
    }
    size_t tx_count = block->tx_count;
    *block = (struct model_block){0};
    struct mempool_finalized finalized = {.block_id = block_name(number), .tx_ids = ids, .tx_count = tx_count};
    step(model, (struct mempool_event){.kind = MEMPOOL_FINALIZED, .finalized = finalized});
}

static void refuse(struct model *model)
{
    size_t tx = draw(model, TX_COUNT);
    if (model->fate[tx] != TX_WAITS)
        return;
    model->fate[tx] = TX_REFUSED;
    struct rejections_tx dropped = {.id = *id_of(model, tx), .reason = REASON_NONCE_REUSED};
    step(model, (struct mempool_event){.kind = MEMPOOL_DROPPED, .dropped = {.txs = &dropped, .tx_count = 1}});
}

/* Another validator answers with anything; some of it is wanted. */
static void answer(struct model *model)
{
    struct span bodies[8];
    size_t count = draw(model, 9);
    for (size_t i = 0; i < count; i++) {
        const struct pool_world_tx *tx = &model->world->txs[draw(model, TX_COUNT)];
        bodies[i] = span_of(tx->body, tx->size);
    }
    struct mempool_bodies answer = {
        .peer = 1 + (uint32_t)draw(model, 3), .request = draw(model, 10), .bodies = bodies, .body_count = count};
    model->world->check_count = 0;
    step(model, (struct mempool_event){.kind = MEMPOOL_BODIES, .bodies = answer});
    expect_resolved(model);
    for (size_t i = 0; i < model->world->check_count; i++) {
        size_t tx = tx_of(model, model->world->checks[i].body);
        EXPECT(model, !model->body_known[tx]);
        model->body_known[tx] = true;
        if (model->fate[tx] == TX_FINAL)
            continue;
        model->fate[tx] = TX_WAITS;
        model->since_ms[tx] = model->world->now_ms;
    }
    if (model->world->check_count > 0)
        pool_world_verified(model->world, 0);
}

static void pass_time(struct model *model)
{
    model->world->now_ms += draw(model, 40);
    for (size_t i = 0; i < TX_COUNT; i++) {
        if (model->fate[i] != TX_WAITS || model->world->now_ms < model->since_ms[i] + model->world->limits.ttl_ms)
            continue;
        model->fate[i] = TX_EXPIRED;
        model->body_known[i] = false;
    }
    step(model, (struct mempool_event){.kind = MEMPOOL_TICK});
}

/* The order of the design, from the parsed fields. */
static bool goes_before(struct model *model, size_t a, size_t b)
{
    const struct tx *left = &model->parsed[a];
    const struct tx *right = &model->parsed[b];
    if (tx_class(left) != tx_class(right))
        return tx_class(left) < tx_class(right);
    if (left->severity != right->severity)
        return left->severity > right->severity;
    if (left->confidence_ppm != right->confidence_ppm)
        return left->confidence_ppm > right->confidence_ppm;
    if (left->ts != right->ts)
        return left->ts < right->ts;
    return memcmp(id_of(model, a)->bytes, id_of(model, b)->bytes, HASH_BYTES) < 0;
}

static size_t eligible_in_order(struct model *model, const bool *excluded, size_t *out)
{
    size_t count = 0;
    for (size_t i = 0; i < TX_COUNT; i++) {
        if (model->fate[i] != TX_WAITS || excluded[i])
            continue;
        size_t place = count++;
        for (; place > 0 && goes_before(model, i, out[place - 1]); place--)
            out[place] = out[place - 1];
        out[place] = i;
    }
    return count;
}

/* One to each producer in turn, until there is no room for another round; the rest in order. */
static void choose(struct model *model, const size_t *eligible, size_t count, size_t room, bool *chosen)
{
    size_t have[PRODUCER_COUNT] = {0};
    size_t quota = 0;
    for (size_t i = 0; i < count; i++)
        have[model->producer[eligible[i]]]++;
    for (;;) {
        size_t total = 0;
        for (size_t i = 0; i < PRODUCER_COUNT; i++)
            total += have[i] < quota + 1 ? have[i] : quota + 1;
        if (total > room || quota > TX_COUNT)
            break;
        quota++;
    }
    if (quota == 0)
        quota = 1; /* the first of a producer always fits */
    size_t taken[PRODUCER_COUNT] = {0};
    for (int pass = 0; pass < 2; pass++) {
        for (size_t i = 0; i < count && room > 0; i++) {
            size_t *mine = &taken[model->producer[eligible[i]]];
            if (chosen[eligible[i]] || (pass == 0 && *mine >= quota))
                continue;
            chosen[eligible[i]] = true;
            (*mine)++;
            room--;
        }
    }
}

static void take(struct model *model)
{
    bool excluded[TX_COUNT] = {false}, chosen[TX_COUNT] = {false};
    struct hash names[3];
    size_t name_count = draw(model, 3);
    for (size_t i = 0; i < name_count; i++) {
        size_t number = draw(model, BLOCK_COUNT);
        names[i] = block_name(number);
        for (size_t j = 0; model->blocks[number].named && j < model->blocks[number].tx_count; j++)
            excluded[model->blocks[number].txs[j]] = true;
    }
    uint32_t room = (uint32_t)draw(model, 30);
    struct mempool_take_batch request = {
        .tx_count_max = room, .tx_bytes_max = UINT64_MAX, .excluded = names, .excluded_count = name_count};
    step(model, (struct mempool_event){.kind = MEMPOOL_TAKE_BATCH, .take_batch = request});
    const struct mempool_effect *effect = &model->world->effects.items[0];
    EXPECT(model, effect->kind == MEMPOOL_SEND_BATCH);

    size_t eligible[TX_COUNT];
    size_t count = eligible_in_order(model, excluded, eligible);
    choose(model, eligible, count, room, chosen);
    size_t at = 0;
    for (size_t i = 0; i < count; i++) {
        if (!chosen[eligible[i]])
            continue;
        EXPECT(model, at < effect->answer.body_count);
        EXPECT(model, tx_of(model, effect->answer.bodies[at++]) == eligible[i]);
    }
    EXPECT(model, at == effect->answer.body_count);
}

static void make_transactions(struct model *model)
{
    for (size_t i = 0; i < TX_COUNT; i++) {
        char name[8];
        snprintf(name, sizeof name, "t%zu", i);
        static const char *const actions[] = {"drop", "watch", "rate_limit"};
        model->producer[i] = (unsigned)draw(model, PRODUCER_COUNT);
        const struct pool_world_tx *tx =
            pool_world_make(model->world, name,
                            (struct pool_world_kind){.producer = model->producer[i],
                                                     .kind = draw(model, 5) ? TX_ANOMALY : TX_POLICY,
                                                     .severity = 1 + (uint32_t)draw(model, 3),
                                                     .confidence = (double)draw(model, 3) / 2,
                                                     .ts = 1 + (int64_t)draw(model, 5),
                                                     .action = actions[draw(model, 3)]});
        const char *why;
        assert_int_equal(tx_parse(&model->parsed[i], span_of(tx->body, tx->size), &why), 0);
    }
}

static void run(uint64_t seed, bool may_miss)
{
    static struct model model;
    struct mempool_limits limits = pool_world_limits();
    limits.tx_count_max = may_miss ? 1000 : 30;
    limits.ttl_ms = may_miss ? 3000 : 1000000; /* what expires is missing */
    limits.rate_per_second = 1000000;
    model = (struct model){
        .world = pool_world_new(&limits), .seed = seed, .random = seed * 2 + 0x9e3779b97f4a7c15u, .may_miss = may_miss};
    model.world->silent = true;
    make_transactions(&model);
    void (*const actions[])(struct model *) = {submit,    submit, submit, name_block, name_block, finalize,
                                               pass_time, take,   take,   refuse,     answer};
    size_t action_count = sizeof actions / sizeof actions[0] - !may_miss;
    for (model.step = 1; model.step <= STEP_COUNT; model.step++) {
        model.world->effects.count = 0;
        actions[draw(&model, action_count)](&model);
        expect_resolved(&model);
        struct mempool_pending pending = mempool_pending(model.world->pool, model.world->now_ms);
        EXPECT(&model, pending.tx_count == waiting_count(&model));
    }
    pool_world_end(model.world);
}

static uint64_t setting(const char *name, uint64_t value)
{
    const char *text = getenv(name);
    return text ? strtoull(text, NULL, 10) : value;
}

static void the_pool_does_what_the_model_does(void **state)
{
    (void)state;
    uint64_t first = setting("MODEL_SEED_FIRST", 1);
    uint64_t count = setting("MODEL_SEEDS", 30);
    print_message("seeds %llu to %llu\n", (unsigned long long)first, (unsigned long long)(first + count - 1));
    for (uint64_t seed = first; seed < first + count; seed++) {
        run(seed, false);
        run(seed, true);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(the_pool_does_what_the_model_does)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
