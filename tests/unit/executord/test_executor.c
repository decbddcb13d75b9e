/* test_executor.c - stories of blocks: built, checked, committed, forked, refused, replayed. */
#include "tests/unit/executord/world.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/err.h"
#include "common/base/merkle.h"
#include "services/executord/record.h"

enum { BODIES_MAX = 64 };

/* Fail the nth allocation from here: the linker sends malloc and calloc of the core here. */
static long allocations_left = -1;

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);

static bool allocation_fails(void)
{
    return allocations_left >= 0 && allocations_left-- == 0;
}

void *__wrap_malloc(size_t size)
{
    return allocation_fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return allocation_fails() ? NULL : __real_calloc(count, size);
}

/* Bodies made from events, and their spans. */
struct batch {
    struct world_body bodies[BODIES_MAX];
    struct span spans[BODIES_MAX];
    size_t count;
};

static void batch_add(struct batch *batch, const struct world *world, struct world_event event)
{
    assert_true(batch->count < BODIES_MAX);
    batch->bodies[batch->count] = world_body(world, &event);
    batch->spans[batch->count] = world_span(&batch->bodies[batch->count]);
    batch->count++;
}

static void batch_free(struct batch *batch)
{
    for (size_t i = 0; i < batch->count; i++)
        world_body_free(&batch->bodies[i]);
    batch->count = 0;
}

/* Anomalies id-<from> .. with nonces to match. */
static void batch_anomalies(struct batch *batch, const struct world *world, unsigned from, unsigned count)
{
    for (unsigned i = from; i < from + count; i++) {
        char id[32];
        snprintf(id, sizeof id, "id-%u", i);
        batch_add(batch, world, (struct world_event){TX_ANOMALY, .id = id, .nonce = i + 1});
    }
}

static const struct version *build(struct world *world, const struct version *parent, const struct batch *batch)
{
    struct executor_build request = world_build_on(parent, batch->spans, batch->count);
    struct executor_built built;
    assert_int_equal(executor_build(world->executor, &request, &built), 0);
    assert_int_equal(built.refused_count, 0);
    return built.version;
}

static bool state_has(struct world *world, const char *key, uint64_t height)
{
    struct executor_value value;
    assert_int_equal(executor_query(world->executor, span_text(key), height, &value), 0);
    struct hash root = value.version->header.state_root;
    struct span shown = value.found ? value.value : (struct span){0};
    assert_int_equal(stateproof_verify(&root, span_text(key), shown, &value.proof), 0);
    return value.found;
}

static void genesis_holds_producers_and_validators(void **state)
{
    struct world world;
    world_genesis(&world);
    world_start(&world, 1);
    const struct version *genesis = executor_committed(world.executor);
    struct block_header expected = block_genesis(&world.genesis, &genesis->header.state_root);
    struct hash expected_id = block_id(&expected);
    assert_true(hash_equal(&genesis->id, &expected_id));
    assert_int_equal(genesis->content->change_count, WORLD_PRODUCERS + 4 + 1);
    assert_int_equal(executor_usage(world.executor).key_count, WORLD_PRODUCERS + 4 + 1);
    assert_true(state_has(&world, "schedule/0", 0));
    assert_true(state_has(&world, record_key_producer(&world.producers[0].key).text, 0));
    assert_true(state_has(&world, record_key_validator(&world.genesis.validators[3].id).text, 0));
    assert_false(state_has(&world, "anomaly/none", 0));
    world_end(&world);
}

static void options_out_of_range_are_refused(void **state)
{
    struct world world;
    world_genesis(&world);
    struct executor_options good = world_options(&world, 1);
    struct executor_options options = good;
    options.retain_versions = 0;
    assert_int_equal(executor_new(&world.executor, &options), -EINVAL);
    options = good;
    options.speculative_max = 1;
    assert_int_equal(executor_new(&world.executor, &options), -EINVAL);
    options = good;
    options.state_bytes_max = 10;
    assert_int_equal(executor_new(&world.executor, &options), -EINVAL);
    assert_null(world.executor);
    executor_destroy(&world.executor);
    executor_destroy(NULL);
}

static void a_built_block_checks_elsewhere_and_says_what_it_did(void **state)
{
    struct world proposer, voter;
    struct batch batch = {0};
    world_genesis(&proposer);
    world_genesis(&voter);
    static struct span target;
    target = span_text("10.1.2.3");
    proposer.facts = voter.facts = (struct policy_facts){.targets = &target, .target_count = 1, .ttl_s = 60};
    world_start(&proposer, 1);
    world_start(&voter, 999);
    batch_add(&batch, &proposer, (struct world_event){TX_ANOMALY, .id = "a", .nonce = 1});
    batch_add(&batch, &proposer, (struct world_event){TX_EVIDENCE, .id = "a", .nonce = 1, .refs = 2});
    batch_add(&batch, &proposer, (struct world_event){TX_POLICY, .id = "a", .nonce = 1});
    const struct version *built = build(&proposer, executor_committed(proposer.executor), &batch);

    struct executor_refused bad;
    struct executor_block block = {&built->header, {batch.spans, batch.count}};
    assert_int_equal(executor_check(voter.executor, &block, &bad), 0);
    const struct version *checked;
    assert_int_equal(executor_prepare(voter.executor, &(struct executor_block){&built->header, {0}}, &checked), 0);
    assert_true(hash_equal(&checked->id, &built->id));
    executor_commit(voter.executor, checked);

    const struct version_content *content = executor_committed(voter.executor)->content;
    assert_int_equal(content->tx_count, 3);
    assert_int_equal(content->change_count, 6 + 4); /* every validator signed for the parent */
    for (size_t i = 1; i < content->change_count; i++) {
        struct span before = state_leaf_key(content->changes[i - 1].leaf);
        struct span after = state_leaf_key(content->changes[i].leaf);
        assert_true(memcmp(before.data, after.data, before.size < after.size ? before.size : after.size) < 0);
    }
    struct hash items[3], scratch[3];
    for (size_t i = 0; i < 3; i++) {
        assert_true(span_equal(content->bodies[i], batch.spans[i]));
        items[i] = hash_of(content->receipts[i]);
    }
    struct hash receipt_root = merkle_root(items, 3, scratch);
    assert_true(hash_equal(&receipt_root, &built->header.receipt_root));
    assert_true(state_has(&voter, "anomaly/a", 1));
    assert_true(state_has(&voter, "evidence/a", 1));
    assert_true(state_has(&voter, "policy/a", 1));
    assert_false(state_has(&voter, "anomaly/a", 0));
    batch_free(&batch);
    world_end(&proposer);
    world_end(&voter);
}

struct refusal {
    struct world_event event;
    enum reason reason;
};

/* Give each body to a block of its own on the last commit: building, checking and rechecking agree. */
static void assert_refusals(struct world *world, const struct refusal *refusals, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct world_body body = world_body(world, &refusals[i].event);
        struct span span = world_span(&body);
        struct executor_build request = world_build_on(executor_committed(world->executor), &span, 1);
        struct executor_built built;
        assert_int_equal(executor_build(world->executor, &request, &built), 0);
        assert_int_equal(built.refused_count, 1);
        assert_int_equal(built.refused[0].reason, refusals[i].reason);
        assert_int_equal(built.version->header.tx_count, 0);

        struct block_header header = built.version->header;
        header.tx_count = 1;
        struct executor_refused bad;
        struct executor_block block = {&header, {&span, 1}};
        assert_int_equal(executor_check(world->executor, &block, &bad), EXECUTOR_BAD_TX);
        assert_int_equal(bad.index, 0);
        assert_int_equal(bad.reason, refusals[i].reason);

        struct executor_recheck recheck = {request.parent_id, request.timestamp_ms, {&span, 1}};
        assert_int_equal(executor_recheck(world->executor, &recheck, &built), 0);
        assert_int_equal(built.refused_count, 1);
        assert_int_equal(built.refused[0].reason, refusals[i].reason);
        world_body_free(&body);
    }
}

static void each_reason_refuses(void **state)
{
    struct world world;
    struct batch batch = {0};
    world_genesis(&world);
    world_start(&world, 1);
    batch_add(&batch, &world, (struct world_event){TX_ANOMALY, .id = "used", .nonce = 7});
    world_commit(&world, batch.spans, batch.count);
    int64_t now = WORLD_CREATED_S + 2; /* of the next block */
    const struct refusal refusals[] = {
        {{TX_ANOMALY, .id = "used", .nonce = 7}, REASON_NONE},
        {{TX_ANOMALY, .id = "x", .nonce = 1, .alg = "RSA"}, REASON_MALFORMED},
        {{TX_ANOMALY, .id = "x", .nonce = 1, .producer = 99}, REASON_PRODUCER_UNKNOWN},
        {{TX_ANOMALY, .id = "x", .nonce = 1, .producer = 1 + WORLD_EVIDENCE}, REASON_PRODUCER_ROLE},
        {{TX_POLICY, .id = "x", .nonce = 1, .producer = 1 + WORLD_ANOMALIES}, REASON_PRODUCER_ROLE},
        {{TX_ANOMALY, .id = "x", .nonce = 1, .ts = now - 86401}, REASON_TIMESTAMP_SKEW},
        {{TX_ANOMALY, .id = "x", .nonce = 1, .ts = now + 301}, REASON_TIMESTAMP_SKEW},
        {{TX_ANOMALY, .id = "x", .nonce = 1, .ts = INT64_MAX}, REASON_TIMESTAMP_SKEW},
        {{TX_ANOMALY, .id = "x", .nonce = 1, .ts = INT64_MIN}, REASON_TIMESTAMP_SKEW},
        {{TX_ANOMALY, .id = "x", .nonce = 7}, REASON_NONCE_REUSED},
        {{TX_ANOMALY, .id = "used", .nonce = 8}, REASON_ID_CONFLICT},
    };
    assert_refusals(&world, refusals, ARRAY_COUNT(refusals));
    world.facts_verdict = REASON_CONTENT_RULE;
    const struct refusal policy = {{TX_POLICY, .id = "x", .nonce = 1}, REASON_CONTENT_RULE};
    assert_refusals(&world, &policy, 1);
    batch_free(&batch);
    world_end(&world);
}

static void the_window_of_timestamps_includes_both_ends(void **state)
{
    struct world world;
    struct batch batch = {0};
    world_genesis(&world);
    world_start(&world, 1);
    int64_t now = WORLD_CREATED_S + 1;
    batch_add(&batch, &world, (struct world_event){TX_ANOMALY, .id = "a", .nonce = 1, .ts = now - 86400});
    batch_add(&batch, &world, (struct world_event){TX_ANOMALY, .id = "b", .nonce = 2, .ts = now + 300});
    world_commit(&world, batch.spans, batch.count);
    batch_free(&batch);
    world_end(&world);
}

static void require_v2_refuses_v1(void **state)
{
    struct world world;
    world_genesis(&world);
    world.genesis.parameters.require_v2 = true;
    world_start(&world, 1);
    const struct refusal refusal = {{TX_ANOMALY, .id = "x", .nonce = 1, .alg = "Ed25519"}, REASON_BAD_SIGNATURE};
    assert_refusals(&world, &refusal, 1);
    world_end(&world);
}

static void building_leaves_out_what_is_refused_and_duplicates(void **state)
{
    struct world world;
    struct batch batch = {0};
    world_genesis(&world);
    world_start(&world, 1);
    batch_add(&batch, &world, (struct world_event){TX_ANOMALY, .id = "a", .nonce = 1});
    batch_add(&batch, &world, (struct world_event){TX_ANOMALY, .id = "a", .nonce = 1});
    batch_add(&batch, &world, (struct world_event){TX_ANOMALY, .id = "b", .nonce = 1});
    batch_add(&batch, &world, (struct world_event){TX_ANOMALY, .id = "a", .nonce = 2});
    batch_add(&batch, &world, (struct world_event){TX_ANOMALY, .id = "b", .nonce = 3});
    struct executor_build request = world_build_on(executor_committed(world.executor), batch.spans, batch.count);
    struct executor_built built;
    assert_int_equal(executor_build(world.executor, &request, &built), 0);
    static const struct executor_refused expected[] = {
        {1, REASON_NONE, false}, {2, REASON_NONCE_REUSED, false}, {3, REASON_ID_CONFLICT, false}};
    assert_int_equal(built.refused_count, 3);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(built.refused[i].index, expected[i].index);
        assert_int_equal(built.refused[i].reason, expected[i].reason);
        assert_int_equal(built.refused[i].settled, expected[i].settled);
    }
    assert_int_equal(built.version->header.tx_count, 2);
    batch_free(&batch);
    world_end(&world);
}

/* Its block may be abandoned, and then the refused one may be executed after all. */
static void a_refusal_is_settled_when_the_block_that_causes_it_is_committed(void **state)
{
    struct world world;
    struct batch first = {0}, rivals = {0};
    world_genesis(&world);
    world_start(&world, 1);
    batch_add(&first, &world, (struct world_event){TX_ANOMALY, .id = "a", .nonce = 1});
    batch_add(&rivals, &world, (struct world_event){TX_ANOMALY, .id = "b", .nonce = 1});
    batch_add(&rivals, &world, (struct world_event){TX_ANOMALY, .id = "a", .nonce = 2});
    batch_add(&rivals, &world, (struct world_event){TX_ANOMALY, .id = "a", .nonce = 1});
    const struct version *version = build(&world, executor_committed(world.executor), &first);
    const struct hash parent = version->id;
    for (int committed = 0; committed < 2; committed++) {
        struct executor_built built;
        struct executor_build request = world_build_on(version, rivals.spans, rivals.count);
        assert_int_equal(executor_build(world.executor, &request, &built), 0);
        assert_int_equal(built.refused_count, 3);
        for (size_t i = 0; i < 3; i++)
            assert_int_equal(built.refused[i].settled, committed);
        struct executor_recheck recheck = {parent, request.timestamp_ms, {rivals.spans, rivals.count}};
        assert_int_equal(executor_recheck(world.executor, &recheck, &built), 0);
        assert_int_equal(built.refused_count, 3);
        for (size_t i = 0; i < 3; i++)
            assert_int_equal(built.refused[i].settled, committed);
        if (!committed)
            executor_commit(world.executor, version);
        version = executor_committed(world.executor);
    }
    batch_free(&first);
    batch_free(&rivals);
    world_end(&world);
}

static void a_recheck_judges_each_alone(void **state)
{
    struct world world;
    struct batch batch = {0};
    world_genesis(&world);
    world_start(&world, 1);
    batch_add(&batch, &world, (struct world_event){TX_ANOMALY, .id = "a", .nonce = 1});
    batch_add(&batch, &world, (struct world_event){TX_ANOMALY, .id = "a", .nonce = 2});
    struct hash parent = executor_committed(world.executor)->id;
    struct executor_recheck recheck = {parent, WORLD_CREATED_MS + 1, {batch.spans, batch.count}};
    struct executor_built out;
    assert_int_equal(executor_recheck(world.executor, &recheck, &out), 0);
    assert_int_equal(out.refused_count, 0);
    recheck.parent_id = hash_of(span_text("nobody"));
    assert_int_equal(executor_recheck(world.executor, &recheck, &out), EXECUTOR_UNKNOWN_PARENT);
    batch_free(&batch);
    world_end(&world);
}

static void a_wrong_header_is_told_by_its_part(void **state)
{
    struct world proposer, voter;
    struct batch batch = {0};
    world_genesis(&proposer);
    world_genesis(&voter);
    world_start(&proposer, 1);
    world_start(&voter, 1);
    batch_anomalies(&batch, &proposer, 0, 3);
    struct block_header good = build(&proposer, executor_committed(proposer.executor), &batch)->header;
    enum { CHAIN, PARENT, HEIGHT, HEIGHT_0, COUNT, TIME, TX_ROOT, RECEIPT_ROOT, STATE_ROOT, PARTS };
    static const int expected[PARTS] = {
        [CHAIN] = EXECUTOR_BAD_HEADER,  [PARENT] = EXECUTOR_UNKNOWN_PARENT, [HEIGHT] = EXECUTOR_BAD_HEADER,
        [HEIGHT_0] = EXECUTOR_CONFLICT, [COUNT] = EXECUTOR_BAD_HEADER,      [TIME] = EXECUTOR_BAD_HEADER,
        [TX_ROOT] = EXECUTOR_BAD_ROOT,  [RECEIPT_ROOT] = EXECUTOR_BAD_ROOT, [STATE_ROOT] = EXECUTOR_BAD_ROOT,
    };
    for (int part = 0; part < PARTS; part++) {
        struct block_header header = good;
        uint8_t *flips[PARTS] = {[CHAIN] = header.chain_id.bytes,
                                 [PARENT] = header.parent_id.bytes,
                                 [TX_ROOT] = header.tx_root.bytes,
                                 [RECEIPT_ROOT] = header.receipt_root.bytes,
                                 [STATE_ROOT] = header.state_root.bytes};
        if (flips[part])
            *flips[part] ^= 1;
        header.height = part == HEIGHT ? 2 : part == HEIGHT_0 ? 0 : header.height;
        header.tx_count -= part == COUNT;
        header.timestamp_ms = part == TIME ? WORLD_CREATED_MS : header.timestamp_ms;
        struct executor_refused bad;
        struct executor_block block = {&header, {batch.spans, batch.count}};
        assert_int_equal(executor_check(voter.executor, &block, &bad), expected[part]);
        assert_int_equal(executor_usage(voter.executor).speculative_count, 0);
    }
    struct executor_refused bad;
    struct executor_block block = {&good, {batch.spans, batch.count}};
    assert_int_equal(executor_check(voter.executor, &block, &bad), 0);
    batch_free(&batch);
    world_end(&proposer);
    world_end(&voter);
}

static void a_build_that_does_not_follow_is_refused(void **state)
{
    struct world world;
    world_genesis(&world);
    world_start(&world, 1);
    struct executor_build good = world_build_on(executor_committed(world.executor), NULL, 0);
    struct executor_built built;
    struct executor_build request = good;
    request.timestamp_ms = WORLD_CREATED_MS;
    assert_int_equal(executor_build(world.executor, &request, &built), EXECUTOR_BAD_HEADER);
    request = good;
    request.height = 2;
    assert_int_equal(executor_build(world.executor, &request, &built), EXECUTOR_BAD_HEADER);
    request = good;
    request.parent_id.bytes[0] ^= 1;
    assert_int_equal(executor_build(world.executor, &request, &built), EXECUTOR_UNKNOWN_PARENT);
    assert_int_equal(executor_build(world.executor, &good, &built), 0);
    const struct version *first = built.version;
    assert_int_equal(executor_build(world.executor, &good, &built), 0);
    assert_ptr_equal(built.version, first); /* the same block again is the same version */
    world_end(&world);
}

static void a_block_above_its_limits_is_refused(void **state)
{
    struct world world;
    struct batch batch = {0};
    world_genesis(&world);
    world.genesis.parameters.block_max_txs = 2;
    world_start(&world, 1);
    batch_anomalies(&batch, &world, 0, 3);
    const struct version *parent = executor_committed(world.executor);
    struct executor_build request = world_build_on(parent, batch.spans, 3);
    struct executor_built built;
    assert_int_equal(executor_build(world.executor, &request, &built), EXECUTOR_BAD_HEADER);
    struct executor_recheck recheck = {parent->id, WORLD_CREATED_MS + 1, {batch.spans, 3}};
    assert_int_equal(executor_recheck(world.executor, &recheck, &built), EXECUTOR_BAD_HEADER);
    request = world_build_on(parent, batch.spans, 2);
    assert_int_equal(executor_build(world.executor, &request, &built), 0);
    struct block_header header = built.version->header;
    header.tx_count = 3;
    struct executor_refused bad;
    struct executor_block block = {&header, {batch.spans, 3}};
    assert_int_equal(executor_check(world.executor, &block, &bad), EXECUTOR_BAD_HEADER);
    executor_destroy(&world.executor);
    world.genesis.parameters.block_max_bytes = batch.spans[0].size + batch.spans[1].size - 1;
    world_start(&world, 1);
    request = world_build_on(executor_committed(world.executor), batch.spans, 2);
    assert_int_equal(executor_build(world.executor, &request, &built), EXECUTOR_BAD_HEADER);
    batch_free(&batch);
    world_end(&world);
}

static void heights_commit_in_order_and_end_other_forks(void **state)
{
    struct world world;
    struct batch one = {0}, two = {0}, three = {0};
    world_genesis(&world);
    world_start(&world, 1);
    batch_anomalies(&one, &world, 0, 2);
    batch_anomalies(&two, &world, 2, 2);
    batch_anomalies(&three, &world, 4, 2);
    const struct version *genesis = executor_committed(world.executor);
    const struct version *a1 = build(&world, genesis, &one);
    const struct version *b1 = build(&world, genesis, &two);
    const struct version *a2 = build(&world, a1, &two);
    const struct version *b2 = build(&world, b1, &three);
    struct block_header a1_header = a1->header, a2_header = a2->header, b1_header = b1->header, b2_header = b2->header;
    assert_int_equal(executor_usage(world.executor).speculative_count, 4);

    const struct version *prepared;
    assert_int_equal(executor_prepare(world.executor, &(struct executor_block){&a2_header, {0}}, &prepared),
                     EXECUTOR_UNKNOWN_PARENT);
    assert_int_equal(executor_prepare(world.executor, &(struct executor_block){&a1_header, {0}}, &prepared), 0);
    executor_commit(world.executor, prepared);
    assert_int_equal(executor_usage(world.executor).speculative_count, 1);
    assert_int_equal(executor_prepare(world.executor, &(struct executor_block){&b1_header, {0}}, &prepared),
                     EXECUTOR_BELOW);
    assert_int_equal(executor_prepare(world.executor, &(struct executor_block){&b2_header, {0}}, &prepared),
                     EXECUTOR_CONFLICT);
    struct executor_refused bad;
    assert_int_equal(executor_check(world.executor, &(struct executor_block){&b1_header, {two.spans, 2}}, &bad),
                     EXECUTOR_CONFLICT);
    assert_int_equal(executor_prepare(world.executor, &(struct executor_block){&a2_header, {0}}, &prepared), 0);
    executor_commit(world.executor, prepared);
    assert_int_equal(executor_committed(world.executor)->header.height, 2);
    assert_true(state_has(&world, "anomaly/id-3", 2));
    assert_false(state_has(&world, "anomaly/id-3", 1));
    batch_free(&one);
    batch_free(&two);
    batch_free(&three);
    world_end(&world);
}

static void a_dropped_version_is_executed_again_from_its_bodies(void **state)
{
    struct world world;
    struct batch batch = {0};
    world_genesis(&world);
    world_start(&world, 1);
    batch_anomalies(&batch, &world, 0, 2);
    const struct version *genesis = executor_committed(world.executor);
    struct block_header first = build(&world, genesis, &batch)->header;
    /* Four more forks: there is room for four. */
    for (unsigned fork = 1; fork <= 4; fork++) {
        struct batch other = {0};
        batch_anomalies(&other, &world, 10 * fork, 1);
        build(&world, genesis, &other);
        batch_free(&other);
    }
    assert_int_equal(executor_usage(world.executor).speculative_count, 4);
    const struct version *prepared;
    assert_int_equal(executor_prepare(world.executor, &(struct executor_block){&first, {0}}, &prepared),
                     EXECUTOR_UNKNOWN_PARENT);
    struct executor_block block = {&first, {batch.spans, batch.count}};
    assert_int_equal(executor_prepare(world.executor, &block, &prepared), 0);
    executor_commit(world.executor, prepared);
    batch_free(&batch);
    world_end(&world);
}

static void a_long_chain_pushes_out_its_own_beginning(void **state)
{
    struct world world;
    world_genesis(&world);
    world_start(&world, 1);
    struct block_header headers[6];
    struct batch batches[6] = {{.count = 0}};
    const struct version *parent = executor_committed(world.executor);
    for (unsigned i = 0; i < 6; i++) {
        batch_anomalies(&batches[i], &world, 10 * i, 2);
        parent = build(&world, parent, &batches[i]);
        headers[i] = parent->header;
    }
    assert_int_equal(executor_usage(world.executor).speculative_count, 4);
    for (unsigned i = 0; i < 6; i++) {
        const struct version *prepared;
        struct executor_block block = {&headers[i], {batches[i].spans, batches[i].count}};
        assert_int_equal(executor_prepare(world.executor, &block, &prepared), 0);
        executor_commit(world.executor, prepared);
        batch_free(&batches[i]);
    }
    assert_int_equal(executor_committed(world.executor)->header.height, 6);
    world_end(&world);
}

/* world_start() retains the versions of 5 heights: 2 to 6 when 6 is the last. */
static void a_committed_block_is_valid_while_its_version_is_retained(void **state)
{
    struct world world;
    world_genesis(&world);
    world_start(&world, 1);
    struct block_header headers[6];
    struct batch none = {.count = 0};
    for (unsigned i = 0; i < 6; i++) {
        headers[i] = build(&world, executor_committed(world.executor), &none)->header;
        const struct version *prepared;
        struct executor_block block = {.header = &headers[i]};
        assert_int_equal(executor_prepare(world.executor, &block, &prepared), 0);
        executor_commit(world.executor, prepared);
    }
    for (unsigned i = 0; i < 6; i++) {
        struct executor_refused bad;
        struct block_header other = headers[i];
        other.view++;
        struct executor_block block = {.header = &headers[i]};
        struct executor_block other_block = {.header = &other};
        assert_int_equal(executor_check(world.executor, &block, &bad), i == 0 ? EXECUTOR_CONFLICT : 0);
        assert_int_equal(executor_check(world.executor, &other_block, &bad), EXECUTOR_CONFLICT);
    }
    world_end(&world);
}

static void the_root_depends_on_nothing_but_the_block(void **state)
{
    struct hash roots[3];
    for (uint64_t run = 0; run < 3; run++) {
        struct world world;
        struct batch batch = {0};
        world_genesis(&world);
        if (run == 2) { /* producers in another order of the file: the same state */
            struct genesis_producer first = world.producers[0];
            world.producers[0] = world.producers[2];
            world.producers[2] = first;
        }
        world_start(&world, run * UINT64_C(0x123456789abcdef) + 1);
        if (run == 1) { /* other forks were here before */
            batch_anomalies(&batch, &world, 40, 10);
            build(&world, executor_committed(world.executor), &batch);
            batch_free(&batch);
        }
        batch_anomalies(&batch, &world, 0, 40);
        roots[run] = world_commit(&world, batch.spans, batch.count)->header.state_root;
        batch_free(&batch);
        world_end(&world);
    }
    assert_true(hash_equal(&roots[0], &roots[1]));
    assert_true(hash_equal(&roots[0], &roots[2]));
}

static void only_the_last_versions_answer(void **state)
{
    struct world world;
    world_genesis(&world);
    world_start(&world, 1);
    for (unsigned height = 1; height <= 8; height++) {
        struct batch batch = {0};
        batch_anomalies(&batch, &world, height, 1);
        world_commit(&world, batch.spans, batch.count);
        batch_free(&batch);
    }
    struct executor_value value;
    assert_int_equal(executor_height_min(world.executor), 4);
    assert_int_equal(executor_query(world.executor, span_text("x"), 3, &value), EXECUTOR_HEIGHT_NOT_RETAINED);
    assert_int_equal(executor_query(world.executor, span_text("x"), 9, &value), EXECUTOR_HEIGHT_UNKNOWN);
    assert_true(state_has(&world, "anomaly/id-4", 4));
    assert_false(state_has(&world, "anomaly/id-5", 4));
    assert_true(state_has(&world, "anomaly/id-5", 8));
    assert_int_equal(executor_usage(world.executor).committed_count, 5);
    world_end(&world);
}

/* Commit an empty block at this time. */
static void commit_at(struct world *world, uint64_t timestamp_ms)
{
    struct executor_build request = world_build_on(executor_committed(world->executor), NULL, 0);
    request.timestamp_ms = timestamp_ms;
    struct executor_built built;
    assert_int_equal(executor_build(world->executor, &request, &built), 0);
    const struct version *prepared;
    assert_int_equal(
        executor_prepare(world->executor, &(struct executor_block){&built.version->header, {0}}, &prepared), 0);
    executor_commit(world->executor, prepared);
}

static void nonce_records_expire_by_block_time_within_a_bound(void **state)
{
    struct world world;
    world_genesis(&world);
    world_start(&world, 1);
    uint64_t genesis_keys = executor_usage(world.executor).key_count;
    for (unsigned i = 0; i < 10; i++) { /* 400 nonces, all of one second */
        struct batch batch = {0};
        batch_anomalies(&batch, &world, 40 * i, 40);
        world_commit(&world, batch.spans, batch.count);
        batch_free(&batch);
    }
    uint64_t gone_ms = WORLD_CREATED_MS + (86400 + 300) * 1000;
    commit_at(&world, gone_ms);
    assert_int_equal(executor_usage(world.executor).key_count, genesis_keys + 800);
    commit_at(&world, gone_ms + 1000);
    assert_int_equal(executor_usage(world.executor).key_count, genesis_keys + 800 - EXECUTION_EXPIRED_BASE);
    assert_int_equal(executor_committed(world.executor)->content->change_count, EXECUTION_EXPIRED_BASE + 4);
    assert_true(executor_committed(world.executor)->content->changes[0].deleted);
    commit_at(&world, gone_ms + 2000);
    assert_int_equal(executor_usage(world.executor).key_count, genesis_keys + 400);
    commit_at(&world, gone_ms + 3000);
    assert_int_equal(executor_committed(world.executor)->content->change_count, 4);
    world_end(&world);
}

/* What the store keeps of a version. */
struct kept {
    struct block_header header;
    struct executor_entry *entries;
    size_t count;
};

static struct kept keep_version(const struct version *version)
{
    struct kept kept = {.header = version->header, .count = version->content->change_count};
    kept.entries = calloc(kept.count + 1, sizeof kept.entries[0]);
    for (size_t i = 0; i < kept.count; i++) {
        const struct state_change *change = &version->content->changes[i];
        kept.entries[i] = (struct executor_entry){.key = state_leaf_key(change->leaf), .deleted = change->deleted};
        if (!change->deleted)
            kept.entries[i].value = state_leaf_value(change->leaf);
    }
    return kept;
}

static void a_replay_is_the_live_run(void **state)
{
    struct world live, again;
    world_genesis(&live);
    world_genesis(&again);
    live.facts.ttl_s = 5;
    world_start(&live, 1);
    world_start(&again, 2);
    for (unsigned i = 0; i < 12; i++) {
        struct batch batch = {0};
        if (i < 8) {
            batch_anomalies(&batch, &live, 40 * i, 40);
            char id[16];
            snprintf(id, sizeof id, "p-%u", i);
            batch_add(&batch, &live, (struct world_event){TX_POLICY, .id = id, .nonce = i});
            world_commit(&live, batch.spans, batch.count);
        } else {
            commit_at(&live, WORLD_CREATED_MS + (86400 + 300 + i) * 1000);
        }
        struct kept kept = keep_version(executor_committed(live.executor));
        struct executor_stored stored = {&kept.header, kept.entries, kept.count};
        assert_int_equal(executor_replay(again.executor, &stored), 0);
        assert_true(hash_equal(&executor_committed(again.executor)->id, &executor_committed(live.executor)->id));
        assert_int_equal(executor_usage(again.executor).key_count, executor_usage(live.executor).key_count);
        free(kept.entries);
        batch_free(&batch);
    }
    /* And they go on alike. */
    commit_at(&live, WORLD_CREATED_MS + 90000 * 1000);
    commit_at(&again, WORLD_CREATED_MS + 90000 * 1000);
    assert_true(hash_equal(&executor_committed(again.executor)->id, &executor_committed(live.executor)->id));
    world_end(&live);
    world_end(&again);
}

/* Commit an empty block whose header says this about the validators. */
static void commit_round(struct world *world, uint64_t view_gap, uint64_t signers, uint32_t proposer)
{
    const struct version *parent = executor_committed(world->executor);
    struct executor_build build = world_build_on(parent, NULL, 0);
    build.view = parent->header.view + view_gap;
    build.justify_signers = signers;
    build.proposer = world->genesis.validators[proposer].id;
    struct executor_built built;
    assert_int_equal(executor_build(world->executor, &build, &built), 0);
    const struct version *prepared;
    struct executor_block block = {.header = &built.version->header};
    assert_int_equal(executor_prepare(world->executor, &block, &prepared), 0);
    executor_commit(world->executor, prepared);
}

static struct schedule_standing standing_of(struct world *world, uint32_t validator)
{
    struct record_key key = record_key_validator(&world->genesis.validators[validator].id);
    struct executor_value value;
    uint64_t height = executor_committed(world->executor)->header.height;
    assert_int_equal(executor_query(world->executor, record_key_span(&key), height, &value), 0);
    struct record_validator record;
    assert_int_equal(record_validator_decode(&record, value.value), 0);
    return record.standing;
}

static void a_block_changes_the_standings_of_those_it_names(void **state)
{
    struct world world;
    world_genesis(&world);
    world.genesis.parameters.reputation_initial_ppm = 800000;
    world_start(&world, 1);
    commit_round(&world, 1, 0, 1);
    assert_int_equal(standing_of(&world, 1).reputation_ppm, 810000);
    assert_int_equal(standing_of(&world, 1).blocks_proposed, 1);
    assert_int_equal(standing_of(&world, 0).last_active_height, 0);
    struct schedule schedule;
    executor_schedule(world.executor, &executor_committed(world.executor)->id, &schedule);
    assert_int_equal(schedule.count, 4);
    /* Views 2 and 3 had no block. */
    uint32_t second = schedule_leader(&schedule, 2), third = schedule_leader(&schedule, 3);
    commit_round(&world, 3, 0x5, schedule_leader(&schedule, 4));
    for (uint32_t i = 0; i < 4; i++) {
        struct schedule_standing standing = standing_of(&world, i);
        bool missed = i == second || i == third, signed_it = 0x5 >> i & 1,
             proposed = i == schedule_leader(&schedule, 4);
        uint32_t ppm =
            (i == 1 ? 810000u : 800000u) + (proposed ? 10000u : 0) + (signed_it ? 2000u : 0) - (missed ? 50000u : 0);
        assert_int_equal(standing.reputation_ppm, ppm);
        assert_int_equal(standing.views_missed, missed);
        assert_int_equal(standing.blocks_committed, signed_it);
        assert_int_equal(standing.last_active_height, signed_it || proposed ? 2 : i == 1 ? 1 : 0);
    }
    world_end(&world);
}

static bool leads(struct world *world, uint32_t validator)
{
    struct schedule schedule;
    executor_schedule(world->executor, &executor_committed(world->executor)->id, &schedule);
    uint64_t led = schedule_skipped(&schedule, 0, UINT64_MAX);
    return led >> validator & 1;
}

static void who_misses_views_leads_no_more_from_the_next_epoch_on(void **state)
{
    struct world world;
    world_genesis(&world);
    world_start(&world, 1);
    struct schedule schedule;
    schedule_genesis(&schedule, &world.genesis);
    uint32_t absent = schedule_leader(&schedule, 1);
    uint64_t others = 0xf & ~(UINT64_C(1) << absent);
    for (uint64_t height = 1; height <= 72; height++) {
        assert_true(leads(&world, absent));
        uint64_t view = executor_committed(world.executor)->header.view;
        bool turn = schedule_leader(&schedule, view + 1) == absent;
        commit_round(&world, turn ? 2 : 1, others, schedule_leader(&schedule, view + (turn ? 2 : 1)));
    }
    assert_false(leads(&world, absent));
    assert_int_equal(standing_of(&world, absent).reputation_ppm, 0);
    /* Signing for parents it comes back; the schedules that no block needs are gone. */
    for (uint64_t height = 73; height < 448 + 8; height++) {
        commit_round(&world, 1, 0xf, (absent + 1) % 4);
        assert_false(leads(&world, absent));
    }
    commit_round(&world, 1, 0xf, (absent + 1) % 4);
    assert_true(leads(&world, absent));
    uint64_t last = executor_committed(world.executor)->header.height;
    assert_true(state_has(&world, "schedule/448", last));
    assert_true(state_has(&world, "schedule/384", last));
    assert_false(state_has(&world, "schedule/320", last));
    assert_false(state_has(&world, "schedule/0", last));
    world_end(&world);
}

/* Height 6 is the first whose children another epoch's schedule leads: its own skipped views are still the old one's.
 */
static void a_skipped_view_counts_by_the_parents_schedule(void **state)
{
    struct world world;
    world_genesis(&world);
    world.genesis.parameters.schedule_epoch_blocks = 4;
    world.genesis.parameters.schedule_lag_blocks = 2;
    world.genesis.parameters.reputation_missed_ppm = 400000;
    world_start(&world, 1);
    struct schedule schedule;
    schedule_genesis(&schedule, &world.genesis);
    uint32_t absent = schedule_leader(&schedule, 1);
    commit_round(&world, 2, 0, schedule_leader(&schedule, 2));
    for (uint64_t height = 2; height <= 5; height++)
        commit_round(&world, 1, 0, schedule_leader(&schedule, 2));
    assert_true(leads(&world, absent));
    assert_int_equal(standing_of(&world, absent).views_missed, 1);
    commit_round(&world, 5, 0, schedule_leader(&schedule, 2)); /* nobody of a whole turn was there */
    assert_false(leads(&world, absent));
    assert_int_equal(standing_of(&world, absent).views_missed, 2);
    commit_round(&world, 5, 0, schedule_leader(&schedule, 2));
    assert_int_equal(standing_of(&world, absent).views_missed, 2);
    assert_int_equal(standing_of(&world, schedule_leader(&schedule, 2)).views_missed, 2);
    world_end(&world);
}

static void a_replay_over_epochs_is_the_live_run(void **state)
{
    struct world live, again;
    world_genesis(&live);
    world_genesis(&again);
    live.genesis.parameters.schedule_epoch_blocks = again.genesis.parameters.schedule_epoch_blocks = 4;
    live.genesis.parameters.schedule_lag_blocks = again.genesis.parameters.schedule_lag_blocks = 2;
    world_start(&live, 1);
    world_start(&again, 2);
    for (unsigned i = 0; i < 20; i++) {
        commit_round(&live, i % 3 + 1, i % 16, i % 4);
        struct kept kept = keep_version(executor_committed(live.executor));
        struct executor_stored stored = {&kept.header, kept.entries, kept.count};
        assert_int_equal(executor_replay(again.executor, &stored), 0);
        assert_int_equal(executor_usage(again.executor).key_count, executor_usage(live.executor).key_count);
        free(kept.entries);
    }
    world_end(&live);
    world_end(&again);
}

static void a_replay_of_changed_bytes_is_corrupt(void **state)
{
    struct world live, again;
    world_genesis(&live);
    world_genesis(&again);
    world_start(&live, 1);
    world_start(&again, 1);
    struct batch batch = {0};
    batch_anomalies(&batch, &live, 0, 3);
    world_commit(&live, batch.spans, batch.count);
    struct kept kept = keep_version(executor_committed(live.executor));
    struct executor_stored stored = {&kept.header, kept.entries, kept.count - 1};
    assert_int_equal(executor_replay(again.executor, &stored), ERR_CORRUPT);
    stored.count = kept.count;
    kept.header.height = 2;
    assert_int_equal(executor_replay(again.executor, &stored), ERR_CORRUPT);
    kept.header.height = 1;
    struct span value = kept.entries[0].value;
    kept.entries[0].value = span_text("other");
    assert_int_equal(executor_replay(again.executor, &stored), ERR_CORRUPT);
    kept.entries[0].value = value;
    assert_int_equal(executor_committed(again.executor)->header.height, 0);
    assert_int_equal(executor_replay(again.executor, &stored), 0);
    free(kept.entries);
    batch_free(&batch);
    world_end(&live);
    world_end(&again);
}

/* One life: start, build, check, commit, replay. Returns the first failure. */
static int live_once(struct world *world, const struct batch *batch, const struct executor_block *block)
{
    struct executor_options options = world_options(world, 1);
    int rc = executor_new(&world->executor, &options);
    if (rc < 0)
        return rc;
    struct executor_build request = world_build_on(executor_committed(world->executor), batch->spans, batch->count);
    struct executor_built built;
    rc = executor_build(world->executor, &request, &built);
    if (rc < 0)
        return rc;
    const struct version *prepared;
    rc = executor_prepare(world->executor, block, &prepared);
    if (rc < 0)
        return rc;
    executor_commit(world->executor, prepared);
    return 0;
}

static void every_failed_allocation_is_told_and_nothing_leaks(void **state)
{
    struct world world;
    struct batch batch = {0};
    world_genesis(&world);
    world_start(&world, 1);
    batch_anomalies(&batch, &world, 0, 5);
    struct executor_build request = world_build_on(executor_committed(world.executor), batch.spans, 4);
    struct executor_built built;
    assert_int_equal(executor_build(world.executor, &request, &built), 0);
    struct block_header header = built.version->header;
    world_end(&world);
    struct executor_block block = {&header, {batch.spans, 4}};
    long failures = 0;
    for (int rc = -ENOMEM; rc < 0; failures++) {
        allocations_left = failures;
        rc = live_once(&world, &batch, &block);
        bool reached = allocations_left < 0;
        allocations_left = -1;
        assert_true(rc == 0 || rc == -ENOMEM);
        assert_true(reached == (rc == -ENOMEM));
        world_end(&world);
    }
    assert_true(failures > 10);
    batch_free(&batch);
}

static void a_full_state_refuses_and_lives_on(void **state)
{
    struct world world;
    world_genesis(&world);
    struct executor_options options = world_options(&world, 1);
    options.state_bytes_max = 1 << 20;
    assert_int_equal(executor_new(&world.executor, &options), 0);
    int rc = 0;
    unsigned height = 0;
    for (; rc == 0; height++) {
        struct batch batch = {0};
        batch_anomalies(&batch, &world, 50 * height, 50);
        struct executor_build request = world_build_on(executor_committed(world.executor), batch.spans, batch.count);
        struct executor_built built;
        rc = executor_build(world.executor, &request, &built);
        if (rc == 0) {
            const struct version *prepared;
            struct executor_block block = {&built.version->header, {0}};
            assert_int_equal(executor_prepare(world.executor, &block, &prepared), 0);
            executor_commit(world.executor, prepared);
        }
        batch_free(&batch);
    }
    assert_int_equal(rc, -ENOMEM);
    assert_true(height > 5);
    assert_true(state_has(&world, "anomaly/id-0", executor_committed(world.executor)->header.height));
    world_end(&world);
}

static void forks_and_failed_checks_leave_nothing_behind(void **state)
{
    struct world busy, quiet;
    struct batch good = {0}, other = {0};
    world_genesis(&busy);
    world_genesis(&quiet);
    world_start(&busy, 1);
    world_start(&quiet, 1);
    batch_anomalies(&good, &busy, 0, 20);
    batch_anomalies(&other, &busy, 20, 20);
    const struct version *genesis = executor_committed(busy.executor);
    const struct version *fork = build(&busy, build(&busy, genesis, &other), &good);
    struct block_header header = fork->header;
    struct executor_refused bad;
    struct executor_block block = {&header, {other.spans, other.count}};
    assert_int_equal(executor_check(busy.executor, &block, &bad), 0);
    header.view++;
    assert_int_equal(executor_check(busy.executor, &block, &bad), EXECUTOR_BAD_TX);
    block.bodies.items = good.spans;
    header.state_root.bytes[0] ^= 1;
    assert_int_equal(executor_check(busy.executor, &block, &bad), EXECUTOR_BAD_ROOT);
    header.tx_root.bytes[0] ^= 1;
    assert_int_equal(executor_check(busy.executor, &block, &bad), EXECUTOR_BAD_ROOT);
    world_commit(&busy, good.spans, good.count);
    world_commit(&quiet, good.spans, good.count);
    assert_int_equal(executor_usage(busy.executor).state_bytes, executor_usage(quiet.executor).state_bytes);
    batch_free(&good);
    batch_free(&other);
    world_end(&busy);
    world_end(&quiet);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(genesis_holds_producers_and_validators),
        cmocka_unit_test(options_out_of_range_are_refused),
        cmocka_unit_test(a_built_block_checks_elsewhere_and_says_what_it_did),
        cmocka_unit_test(each_reason_refuses),
        cmocka_unit_test(the_window_of_timestamps_includes_both_ends),
        cmocka_unit_test(require_v2_refuses_v1),
        cmocka_unit_test(building_leaves_out_what_is_refused_and_duplicates),
        cmocka_unit_test(a_refusal_is_settled_when_the_block_that_causes_it_is_committed),
        cmocka_unit_test(a_recheck_judges_each_alone),
        cmocka_unit_test(a_wrong_header_is_told_by_its_part),
        cmocka_unit_test(a_build_that_does_not_follow_is_refused),
        cmocka_unit_test(a_block_above_its_limits_is_refused),
        cmocka_unit_test(heights_commit_in_order_and_end_other_forks),
        cmocka_unit_test(a_dropped_version_is_executed_again_from_its_bodies),
        cmocka_unit_test(a_long_chain_pushes_out_its_own_beginning),
        cmocka_unit_test(a_committed_block_is_valid_while_its_version_is_retained),
        cmocka_unit_test(the_root_depends_on_nothing_but_the_block),
        cmocka_unit_test(only_the_last_versions_answer),
        cmocka_unit_test(nonce_records_expire_by_block_time_within_a_bound),
        cmocka_unit_test(a_replay_is_the_live_run),
        cmocka_unit_test(a_block_changes_the_standings_of_those_it_names),
        cmocka_unit_test(who_misses_views_leads_no_more_from_the_next_epoch_on),
        cmocka_unit_test(a_skipped_view_counts_by_the_parents_schedule),
        cmocka_unit_test(a_replay_over_epochs_is_the_live_run),
        cmocka_unit_test(a_replay_of_changed_bytes_is_corrupt),
        cmocka_unit_test(forks_and_failed_checks_leave_nothing_behind),
        cmocka_unit_test(every_failed_allocation_is_told_and_nothing_leaks),
        cmocka_unit_test(a_full_state_refuses_and_lives_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
