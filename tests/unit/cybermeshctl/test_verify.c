/* test_verify.c - `cybermeshctl verify`, offline, on the good and the bad proofs of tests/vectors. */
#include "tests/unit/base/vectors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "services/cybermeshctl/ctl.h"

static char directory[] = "/tmp/cybermeshctl-verify-XXXXXX";
static char genesis_path[64], proof_path[64];

static int run_verb(int count, const char **arguments)
{
    return ctl_verify.run(count, (char **)(uintptr_t)arguments);
}

static int start(void **state)
{
    (void)state;
    if (sodium_init() < 0 || !mkdtemp(directory))
        return -1;
    snprintf(genesis_path, sizeof genesis_path, "%s/genesis.json", directory);
    snprintf(proof_path, sizeof proof_path, "%s/proof.json", directory);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    char command[64];
    snprintf(command, sizeof command, "rm -rf %s", directory);
    return system(command);
}

static int verify(const char *option, const char *value)
{
    const char *arguments[] = {"verify", "--genesis", genesis_path, proof_path, option, value, NULL};
    return run_verb(option ? 6 : 4, arguments);
}

static json_t *load(const char *file)
{
    json_t *root = vectors_load(file);
    assert_int_equal(json_dump_file(vectors_get(root, "genesis"), genesis_path, 0), 0);
    return root;
}

/* Each case of a file: proved when it is good, the answer no when it is not. */
static void check(const char *file, const char *option, const char *asked)
{
    json_t *root = load(file);
    size_t index, good = 0;
    json_t *test_case;
    VECTORS_EACH(root, index, test_case)
    {
        json_t *proof = json_object_get(test_case, "proof");
        assert_int_equal(json_dump_file(proof ? proof : test_case, proof_path, 0), 0);
        int expected = vectors_expect_ok(test_case) ? CTL_OK : CTL_NO;
        int got = verify(option, option ? vectors_text(test_case, asked) : NULL);
        if (got != expected)
            fail_msg("%s, %s: %d, expected %d", file, vectors_text(test_case, "name"), got, expected);
        good += expected == CTL_OK;
    }
    assert_true(good > 0 && good < index);
    json_decref(root);
}

static void commit_proofs(void **state)
{
    (void)state;
    check("commit_proofs.json", NULL, NULL);
}

static void transaction_proofs(void **state)
{
    (void)state;
    check("tx_proofs.json", "--tx", "tx_id");
}

static void state_proofs(void **state)
{
    (void)state;
    check("state_proofs.json", "--key", "key");
}

static void a_proof_of_another_height_than_asked_for_is_none(void **state)
{
    (void)state;
    json_t *root = load("commit_proofs.json");
    json_t *first = json_array_get(vectors_get(root, "cases"), 0);
    assert_true(vectors_expect_ok(first));
    assert_int_equal(json_dump_file(first, proof_path, 0), 0);
    assert_int_equal(verify("--height", "1"), CTL_OK);
    assert_int_equal(verify("--height", "2"), CTL_NO);
    json_decref(root);
}

static void another_genesis_file_proves_nothing(void **state)
{
    (void)state;
    json_t *root = load("commit_proofs.json");
    json_object_set_new(vectors_get(root, "genesis"), "network", json_string("another"));
    assert_int_equal(json_dump_file(vectors_get(root, "genesis"), genesis_path, 0), 0);
    assert_int_equal(json_dump_file(json_array_get(vectors_get(root, "cases"), 0), proof_path, 0), 0);
    assert_int_equal(verify(NULL, NULL), CTL_NO);
    json_decref(root);
}

static void write_text(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void what_is_no_proof_is_told_from_what_is_no_json(void **state)
{
    (void)state;
    json_t *root = load("commit_proofs.json");
    write_text(proof_path, "{}");
    assert_int_equal(verify(NULL, NULL), CTL_NO);
    write_text(proof_path, "{");
    assert_int_equal(verify(NULL, NULL), CTL_USAGE);
    write_text(genesis_path, "{}");
    assert_int_equal(verify(NULL, NULL), CTL_USAGE);
    json_decref(root);
}

static void the_command_line_is_understood_whole_or_not_at_all(void **state)
{
    (void)state;
    assert_int_equal(verify("--heigth", "1"), CTL_USAGE);
    assert_int_equal(verify("--height", "-1"), CTL_USAGE);
    assert_int_equal(verify("-o", "yaml"), CTL_USAGE);
    const char *no_genesis[] = {"verify", proof_path, NULL};
    assert_int_equal(run_verb(2, no_genesis), CTL_USAGE);
    const char *no_value[] = {"verify", proof_path, "--genesis", NULL};
    assert_int_equal(run_verb(3, no_value), CTL_USAGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(commit_proofs),
        cmocka_unit_test(transaction_proofs),
        cmocka_unit_test(state_proofs),
        cmocka_unit_test(a_proof_of_another_height_than_asked_for_is_none),
        cmocka_unit_test(another_genesis_file_proves_nothing),
        cmocka_unit_test(what_is_no_proof_is_told_from_what_is_no_json),
        cmocka_unit_test(the_command_line_is_understood_whole_or_not_at_all),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
