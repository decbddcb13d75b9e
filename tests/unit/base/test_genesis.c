/* test_genesis.c */
#include "tests/unit/base/vectors.h"

static void quorums_are_those_of_the_vectors(void **state)
{
    json_t *root = vectors_load("quorums.json");
    size_t index;
    const json_t *test_case;
    VECTORS_EACH(root, index, test_case)
    {
        uint32_t count = (uint32_t)vectors_integer(test_case, "validators");
        assert_int_equal(genesis_faults_max(count), vectors_integer(test_case, "faults"));
        assert_int_equal(genesis_quorum(count), vectors_integer(test_case, "expect"));
    }
    json_decref(root);
}

/* G1: two quorums share more validators than can lie; G2: the honest ones are a quorum. */
static void two_quorums_share_an_honest_validator_and_the_honest_ones_are_a_quorum(void **state)
{
    for (uint32_t count = 1; count <= GENESIS_VALIDATORS_MAX; count++) {
        uint32_t quorum = genesis_quorum(count), faults = genesis_faults_max(count);
        assert_true(2 * quorum > count + faults);
        assert_true(count - faults >= quorum);
    }
}

static void a_validator_is_found_by_its_id_and_by_its_name(void **state)
{
    struct genesis genesis = {.validator_count = 3};
    for (uint32_t i = 0; i < 4; i++)
        genesis.validators[i].id.bytes[0] = (uint8_t)(i + 1);
    for (uint32_t i = 0; i < 3; i++)
        assert_int_equal(genesis_validator_index(&genesis, &genesis.validators[i].id), i);
    assert_int_equal(genesis_validator_index(&genesis, &genesis.validators[3].id), -1);
    strcpy(genesis.validators[2].name, "v3");
    strcpy(genesis.validators[3].name, "v4"); /* beyond the count */
    assert_int_equal(genesis_validator_named(&genesis, "v3"), 2);
    assert_int_equal(genesis_validator_named(&genesis, "v4"), -1);
}

static void defaults_are_within_their_limits(void **state)
{
    struct genesis_parameters parameters = genesis_parameters_default();
#define CHECK(name, default_value, min, max)                                                                           \
    assert_true(parameters.name == (default_value));                                                                   \
    assert_in_range(parameters.name, min, max);
    GENESIS_PARAMETERS(CHECK)
#undef CHECK
    assert_false(parameters.require_v2);
    assert_true(parameters.custody_verification);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(quorums_are_those_of_the_vectors),
        cmocka_unit_test(two_quorums_share_an_honest_validator_and_the_honest_ones_are_a_quorum),
        cmocka_unit_test(a_validator_is_found_by_its_id_and_by_its_name),
        cmocka_unit_test(defaults_are_within_their_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
