/* test_schedule.c - leaders by standing. */
#include "tests/unit/base/vectors.h"

#include <string.h>

#include "common/base/schedule.h"

static struct genesis_parameters parameters_of(const json_t *test_case)
{
    const json_t *object = vectors_get(test_case, "parameters");
    struct genesis_parameters parameters = genesis_parameters_default();
    size_t used = 0;
#define TAKE_PARAMETER(name, default_value, min, max)                                                                  \
    if (json_object_get(object, #name)) {                                                                              \
        parameters.name = (uint64_t)vectors_integer(object, #name);                                                    \
        used++;                                                                                                        \
    }
    GENESIS_PARAMETERS(TAKE_PARAMETER)
#undef TAKE_PARAMETER
    assert_int_equal(used, json_object_size(object));
    return parameters;
}

static struct schedule_standing standing_of(const json_t *value)
{
    return (struct schedule_standing){
        .active = vectors_bool(value, "active"),
        .reputation_ppm = (uint32_t)vectors_integer(value, "reputation_ppm"),
        .blocks_proposed = (uint64_t)vectors_integer(value, "blocks_proposed"),
        .blocks_committed = (uint64_t)vectors_integer(value, "blocks_committed"),
        .views_missed = (uint64_t)vectors_integer(value, "views_missed"),
        .last_active_height = (uint64_t)vectors_integer(value, "last_active_height"),
    };
}

static void epochs_are_those_of_the_vectors(void **state)
{
    json_t *root = vectors_load("epochs.json");
    size_t index;
    const json_t *test_case;
    VECTORS_EACH(root, index, test_case)
    {
        struct genesis_parameters parameters = parameters_of(test_case);
        uint64_t height = (uint64_t)vectors_integer(test_case, "height");
        assert_int_equal(schedule_epoch(&parameters, height), vectors_integer(test_case, "expect"));
    }
    json_decref(root);
}

static void assert_after(const json_t *test_case, const struct schedule_standing *standings)
{
    size_t index;
    const json_t *value;
    json_array_foreach(vectors_get(test_case, "after"), index, value)
    {
        struct schedule_standing expected = standing_of(value), got = standings[index];
        assert_int_equal(got.active, expected.active);
        assert_int_equal(got.reputation_ppm, expected.reputation_ppm);
        assert_int_equal(got.blocks_proposed, expected.blocks_proposed);
        assert_int_equal(got.blocks_committed, expected.blocks_committed);
        assert_int_equal(got.views_missed, expected.views_missed);
        assert_int_equal(got.last_active_height, expected.last_active_height);
    }
}

static void check_case(const json_t *test_case)
{
    static struct genesis genesis;
    genesis = (struct genesis){.parameters = parameters_of(test_case)};
    struct schedule_standing standings[GENESIS_VALIDATORS_MAX];
    size_t index;
    const json_t *value;
    json_array_foreach(vectors_get(test_case, "ids"), index, value)
    {
        struct blob id = vectors_hex(json_string_value(value));
        memcpy(genesis.validators[index].id.bytes, id.data, HASH_BYTES);
        blob_free(&id);
        standings[index] = standing_of(json_array_get(vectors_get(test_case, "standings"), index));
        genesis.validator_count++;
    }
    struct schedule schedule;
    schedule_of(&schedule, &genesis, standings);
    assert_int_equal(schedule.count, json_array_size(vectors_get(test_case, "expect")));
    json_array_foreach(vectors_get(test_case, "expect"), index, value)
        assert_int_equal(schedule.leaders[index], json_integer_value(value));
    uint64_t view = (uint64_t)vectors_integer(test_case, "view");
    assert_int_equal(schedule_leader(&schedule, view), vectors_integer(test_case, "leader"));
    const json_t *proposer = vectors_get(test_case, "proposer");
    struct schedule_block block = {
        .height = (uint64_t)vectors_integer(test_case, "height"),
        .proposer = json_is_null(proposer) ? UINT32_MAX : (uint32_t)json_integer_value(proposer),
        .signers = vectors_u64(test_case, "signers"),
        .skipped = schedule_skipped(&schedule, (uint64_t)vectors_integer(test_case, "justify_view"), view),
    };
    assert_int_equal(block.skipped, vectors_u64(test_case, "skipped"));
    schedule_apply(standings, &genesis, &block);
    assert_after(test_case, standings);
}

static void leaders_and_standings_are_those_of_the_vectors(void **state)
{
    json_t *root = vectors_load("schedules.json");
    size_t index;
    const json_t *test_case;
    VECTORS_EACH(root, index, test_case)
    check_case(test_case);
    json_decref(root);
}

static void the_genesis_block_lets_everybody_lead_in_the_order_of_ids(void **state)
{
    static struct genesis genesis;
    genesis.parameters = genesis_parameters_default();
    genesis.validator_count = 4;
    for (uint32_t i = 0; i < 4; i++)
        genesis.validators[i].id.bytes[0] = (uint8_t)(9 - 2 * i);
    struct schedule schedule;
    schedule_genesis(&schedule, &genesis);
    assert_int_equal(schedule.count, 4);
    for (uint64_t view = 0; view < 9; view++)
        assert_int_equal(schedule_leader(&schedule, view), 3 - view % 4);
}

/* However bad all are, a quorum leads. */
static void a_quorum_always_leads(void **state)
{
    static struct genesis genesis;
    genesis.parameters = genesis_parameters_default();
    for (uint32_t count = 1; count <= GENESIS_VALIDATORS_MAX; count++) {
        genesis.validator_count = count;
        genesis.validators[count - 1].id.bytes[0] = (uint8_t)(count * 37);
        static const struct schedule_standing none[GENESIS_VALIDATORS_MAX];
        struct schedule schedule;
        schedule_of(&schedule, &genesis, none);
        assert_int_equal(schedule.count, genesis_quorum(count));
    }
}

static void who_has_just_the_least_reputation_leads(void **state)
{
    static struct genesis genesis;
    genesis.parameters = genesis_parameters_default();
    genesis.validator_count = 4;
    struct schedule_standing standings[4];
    struct schedule schedule;
    for (uint32_t i = 0; i < 4; i++) {
        genesis.validators[i].id.bytes[0] = (uint8_t)i;
        standings[i] = schedule_standing_start(&genesis.parameters);
    }
    standings[1].reputation_ppm = (uint32_t)genesis.parameters.reputation_leader_min_ppm;
    schedule_of(&schedule, &genesis, standings);
    assert_int_equal(schedule.count, 4);
    standings[1].reputation_ppm--;
    schedule_of(&schedule, &genesis, standings);
    assert_int_equal(schedule.count, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(epochs_are_those_of_the_vectors),
        cmocka_unit_test(leaders_and_standings_are_those_of_the_vectors),
        cmocka_unit_test(the_genesis_block_lets_everybody_lead_in_the_order_of_ids),
        cmocka_unit_test(who_has_just_the_least_reputation_leads),
        cmocka_unit_test(a_quorum_always_leads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
