/* test_punishment.c - what proof of a validator's equivocation does when it is executed, and which is refused. */
#include "tests/unit/base/vectors.h"
#include "tests/unit/executord/world.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/block.h"
#include "services/executord/record.h"

enum { OFFENDER = 2, VIEW = 41 };

static struct span value_of(struct world *world, const struct record_key *key)
{
    struct executor_value value;
    uint64_t height = executor_committed(world->executor)->header.height;
    assert_int_equal(executor_query(world->executor, record_key_span(key), height, &value), 0);
    return value.found ? value.value : (struct span){0};
}

static struct schedule_standing standing_of(struct world *world, uint32_t validator)
{
    struct record_key key = record_key_validator(&world->genesis.validators[validator].id);
    struct record_validator record;
    assert_int_equal(record_validator_decode(&record, value_of(world, &key)), 0);
    return record.standing;
}

static const struct version *commit_one(struct world *world, const struct equivocation *proof)
{
    struct world_body body = world_proof_body(proof);
    struct span span = world_span(&body);
    const struct version *committed = world_commit(world, &span, 1);
    world_body_free(&body);
    return committed;
}

static void an_offender_is_inactive_without_reputation_and_a_record_says_why(void **state)
{
    const enum equivocation_kind kinds[] = {EQUIVOCATION_VOTE, EQUIVOCATION_PROPOSAL};
    for (size_t i = 0; i < ARRAY_COUNT(kinds); i++) {
        struct world world;
        world_genesis(&world);
        world_start(&world, 1);
        assert_int_equal(executor_inactive(world.executor), 0);
        struct equivocation proof = world_proof(&world, OFFENDER, kinds[i], VIEW);
        const struct version *committed = commit_one(&world, &proof);
        assert_int_equal(committed->header.tx_count, 1);
        assert_int_equal(executor_inactive(world.executor), 1 << OFFENDER);
        for (uint32_t validator = 0; validator < WORLD_VALIDATORS; validator++) {
            struct schedule_standing standing = standing_of(&world, validator);
            assert_int_equal(standing.active, validator != OFFENDER);
            assert_int_equal(standing.reputation_ppm == 0, validator == OFFENDER);
        }
        struct record_key key = record_key_validator_evidence(&proof.offender);
        struct record_validator_evidence record;
        assert_int_equal(record_validator_evidence_decode(&record, value_of(&world, &key)), 0);
        assert_int_equal(record.kind, kinds[i]);
        assert_int_equal(record.view, VIEW);
        assert_int_equal(record.height, 1);
        struct hash id = tx_id(committed->content->bodies[0]);
        assert_true(hash_equal(&record.tx_id, &id));
        world_end(&world);
    }
}

/* Whatever the block itself says about the offender: it proposes it, signs its parent. */
static void the_proof_has_the_last_word_in_its_block_and_after_it(void **state)
{
    struct world world;
    world_genesis(&world);
    world_start(&world, 1);
    struct equivocation proof = world_proof(&world, OFFENDER, EQUIVOCATION_VOTE, VIEW);
    struct world_body body = world_proof_body(&proof);
    struct span span = world_span(&body);
    for (int i = 0; i < 3; i++) {
        const struct version *parent = executor_committed(world.executor);
        struct executor_build build = world_build_on(parent, &span, i == 0 ? 1 : 0);
        build.proposer = proof.offender;
        struct executor_built built;
        assert_int_equal(executor_build(world.executor, &build, &built), 0);
        const struct version *prepared;
        assert_int_equal(
            executor_prepare(world.executor, &(struct executor_block){&built.version->header, {0}}, &prepared), 0);
        executor_commit(world.executor, prepared);
        assert_false(standing_of(&world, OFFENDER).active);
        assert_int_equal(standing_of(&world, OFFENDER).reputation_ppm, 0);
        assert_int_equal(standing_of(&world, OFFENDER).blocks_proposed, 1);
    }
    world_body_free(&body);
    world_end(&world);
}

static void an_offender_leads_no_more_from_the_next_epoch_on(void **state)
{
    struct world world;
    world_genesis(&world);
    world.genesis.parameters.schedule_epoch_blocks = 4;
    world.genesis.parameters.schedule_lag_blocks = 2;
    world_start(&world, 1);
    struct equivocation proof = world_proof(&world, OFFENDER, EQUIVOCATION_VOTE, VIEW);
    commit_one(&world, &proof);
    for (uint64_t height = 1; height < 40; height++) {
        struct schedule schedule;
        executor_schedule(world.executor, &executor_committed(world.executor)->id, &schedule);
        uint64_t leaders = schedule_skipped(&schedule, 0, UINT64_MAX);
        assert_int_equal(leaders, height < 4 + 2 ? 0xf : 0xf & ~(1 << OFFENDER));
        world_commit(&world, NULL, 0);
    }
    world_end(&world);
}

/* Building leaves it out, checking refuses the block, rechecking says so: all with this reason. */
static void assert_refused(struct world *world, const struct equivocation *proof, struct span body, enum reason reason)
{
    uint8_t room[EQUIVOCATION_BODY_BYTES_MAX];
    if (proof)
        body = span_of(room, equivocation_encode(room, proof));
    struct executor_build request = world_build_on(executor_committed(world->executor), &body, 1);
    struct executor_built built;
    assert_int_equal(executor_build(world->executor, &request, &built), 0);
    assert_int_equal(built.refused_count, 1);
    assert_int_equal(built.refused[0].reason, reason);
    struct block_header header = built.version->header;
    header.tx_count = 1;
    struct executor_refused bad;
    struct executor_block block = {&header, {&body, 1}};
    assert_int_equal(executor_check(world->executor, &block, &bad), EXECUTOR_BAD_TX);
    assert_int_equal(bad.reason, reason);
    struct executor_recheck recheck = {request.parent_id, request.timestamp_ms, {&body, 1}};
    assert_int_equal(executor_recheck(world->executor, &recheck, &built), 0);
    assert_int_equal(built.refused_count, 1);
    assert_int_equal(built.refused[0].reason, reason);
}

static void what_is_no_proof_is_refused(void **state)
{
    struct world world;
    world_genesis(&world);
    world_start(&world, 1);
    const struct equivocation good = world_proof(&world, OFFENDER, EQUIVOCATION_VOTE, VIEW);
    for (size_t i = 0; i < 2; i++) {
        struct equivocation proof = good;
        proof.statements[i].signature.bytes[9] ^= 1;
        assert_refused(&world, &proof, (struct span){0}, REASON_BAD_SIGNATURE);
    }
    struct equivocation proof = good;
    proof.offender = world.genesis.validators[0].id;
    assert_refused(&world, &proof, (struct span){0}, REASON_BAD_SIGNATURE);
    proof.offender = hash_of(span_text("stranger"));
    assert_refused(&world, &proof, (struct span){0}, REASON_PRODUCER_UNKNOWN);
    proof = good;
    proof.view++;
    assert_refused(&world, &proof, (struct span){0}, REASON_BAD_SIGNATURE);
    proof = world_proof(&world, OFFENDER, EQUIVOCATION_PROPOSAL, VIEW);
    proof.view++;
    assert_refused(&world, &proof, (struct span){0}, REASON_CONTENT_RULE);
    uint8_t body[EQUIVOCATION_BODY_BYTES_MAX];
    size_t size = equivocation_encode(body, &good);
    /* The same statement twice. */
    memcpy(body + size - EQUIVOCATION_VOTE_BYTES, body + size - 2 * EQUIVOCATION_VOTE_BYTES - 5,
           EQUIVOCATION_VOTE_BYTES);
    assert_refused(&world, NULL, span_of(body, size), REASON_MALFORMED);
    assert_refused(&world, NULL, span_of(body, size - 1), REASON_MALFORMED);
    assert_int_equal(executor_inactive(world.executor), 0);
    world_end(&world);
}

static void one_proof_is_enough_for_each_validator(void **state)
{
    struct world world;
    world_genesis(&world);
    world_start(&world, 1);
    struct equivocation proof = world_proof(&world, OFFENDER, EQUIVOCATION_VOTE, VIEW);
    struct equivocation other = world_proof(&world, OFFENDER, EQUIVOCATION_VOTE, VIEW + 1);
    struct equivocation third = world_proof(&world, OFFENDER, EQUIVOCATION_PROPOSAL, VIEW);
    struct world_body bodies[] = {world_proof_body(&proof), world_proof_body(&other), world_proof_body(&third)};
    struct span spans[] = {world_span(&bodies[0]), world_span(&bodies[1]), world_span(&bodies[2])};
    /* In one block, too. */
    struct executor_build build = world_build_on(executor_committed(world.executor), spans, 3);
    struct executor_built built;
    assert_int_equal(executor_build(world.executor, &build, &built), 0);
    assert_int_equal(built.refused_count, 2);
    assert_int_equal(built.refused[0].reason, REASON_ID_CONFLICT);
    assert_int_equal(built.refused[1].reason, REASON_ID_CONFLICT);
    commit_one(&world, &proof);
    assert_refused(&world, &proof, (struct span){0}, REASON_NONE);
    assert_refused(&world, &other, (struct span){0}, REASON_ID_CONFLICT);
    assert_refused(&world, &third, (struct span){0}, REASON_ID_CONFLICT);
    struct equivocation of_another = world_proof(&world, 0, EQUIVOCATION_VOTE, VIEW);
    commit_one(&world, &of_another);
    assert_int_equal(executor_inactive(world.executor), 1 << OFFENDER | 1);
    for (size_t i = 0; i < ARRAY_COUNT(bodies); i++)
        world_body_free(&bodies[i]);
    world_end(&world);
}

/* With an event in the same block: another executor gets the same roots, and a replay the same state. */
static void a_block_with_a_proof_is_the_same_everywhere(void **state)
{
    struct world proposer, voter, again;
    world_genesis(&proposer);
    world_genesis(&voter);
    world_genesis(&again);
    world_start(&proposer, 1);
    world_start(&voter, 99);
    world_start(&again, 7);
    struct equivocation proof = world_proof(&proposer, OFFENDER, EQUIVOCATION_PROPOSAL, VIEW);
    struct world_body bodies[] = {world_proof_body(&proof),
                                  world_body(&proposer, &(struct world_event){TX_ANOMALY, .id = "a", .nonce = 1})};
    struct span spans[] = {world_span(&bodies[0]), world_span(&bodies[1])};
    const struct version *committed = world_commit(&proposer, spans, 2);
    struct executor_refused bad;
    struct executor_block block = {&committed->header, {spans, 2}};
    assert_int_equal(executor_check(voter.executor, &block, &bad), 0);
    struct block_header other = committed->header;
    other.state_root.bytes[0] ^= 1;
    block.header = &other;
    assert_int_equal(executor_check(voter.executor, &block, &bad), EXECUTOR_BAD_ROOT);
    struct executor_entry *entries = calloc(committed->content->change_count, sizeof *entries);
    assert_non_null(entries);
    for (size_t i = 0; i < committed->content->change_count; i++) {
        const struct state_change *change = &committed->content->changes[i];
        entries[i] = (struct executor_entry){
            .key = state_leaf_key(change->leaf), .value = state_leaf_value(change->leaf), .deleted = change->deleted};
    }
    struct executor_stored stored = {&committed->header, entries, committed->content->change_count};
    assert_int_equal(executor_replay(again.executor, &stored), 0);
    assert_int_equal(executor_inactive(again.executor), 1 << OFFENDER);
    free(entries);
    world_body_free(&bodies[0]);
    world_body_free(&bodies[1]);
    world_end(&proposer);
    world_end(&voter);
    world_end(&again);
}

static void records_and_receipts_are_those_of_the_vectors(void **state)
{
    json_t *root = vectors_load("equivocations.json");
    size_t index;
    const json_t *test_case;
    VECTORS_EACH(root, index, test_case)
    {
        if (!vectors_expect_ok(test_case))
            continue;
        const char *name = vectors_text(test_case, "name");
        struct world world = {.genesis = vectors_genesis(root)};
        world.genesis.parameters = genesis_parameters_default();
        world_start(&world, 1);
        struct blob body = vectors_bytes(test_case, "body"), record = vectors_bytes(test_case, "record"),
                    receipt = vectors_bytes(test_case, "receipt");
        struct span span = blob_span(&body);
        const struct version *committed = world_commit(&world, &span, 1);
        vectors_assert_equal(name, committed->content->receipts[0], blob_span(&receipt));
        struct executor_value value;
        struct span key = span_text(vectors_text(test_case, "state_key"));
        assert_int_equal(executor_query(world.executor, key, 1, &value), 0);
        vectors_assert_equal(name, value.value, blob_span(&record));
        blob_free(&body);
        blob_free(&record);
        blob_free(&receipt);
        world_end(&world);
    }
    json_decref(root);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_offender_is_inactive_without_reputation_and_a_record_says_why),
        cmocka_unit_test(the_proof_has_the_last_word_in_its_block_and_after_it),
        cmocka_unit_test(an_offender_leads_no_more_from_the_next_epoch_on),
        cmocka_unit_test(what_is_no_proof_is_refused),
        cmocka_unit_test(one_proof_is_enough_for_each_validator),
        cmocka_unit_test(a_block_with_a_proof_is_the_same_everywhere),
        cmocka_unit_test(records_and_receipts_are_those_of_the_vectors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
