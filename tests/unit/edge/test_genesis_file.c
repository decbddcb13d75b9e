/* test_genesis_file.c - a good genesis file, and each way to spoil it. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/err.h"
#include "common/edge/genesis_file.h"
#include "common/edge/json.h"
#include "common/edge/log.h"
#include "tests/unit/base/vectors.h"

/* The first genesis of the vectors, and a good file. The caller ends it. */
static json_t *good_value(struct hash *chain_id)
{
    json_t *root = vectors_load("genesis.json");
    json_t *test_case = json_array_get(vectors_get(root, "cases"), 0);
    json_t *value = json_deep_copy(vectors_get(test_case, "genesis"));
    if (chain_id)
        *chain_id = vectors_hash(test_case, "expect");
    json_decref(root);
    return value;
}

/* Parse the value's text, which is ended here. */
static int parse_value(json_t *value, struct genesis **out, char detail[static GENESIS_FILE_DETAIL_BYTES])
{
    char *text = json_dumps(value, JSON_INDENT(1));
    int rc = genesis_file_parse(span_text(text), out, detail);
    free(text);
    json_decref(value);
    return rc;
}

static void a_good_file_is_read(void **state)
{
    CLEANUP(genesis_destroy) struct genesis *genesis = NULL;
    char detail[GENESIS_FILE_DETAIL_BYTES];
    struct hash chain_id;
    assert_int_equal(parse_value(good_value(&chain_id), &genesis, detail), 0);
    assert_string_equal(detail, "");
    assert_string_equal(genesis->network, "vectors");
    assert_true(genesis->created_ms == 1759999000123);
    assert_true(hash_equal(&genesis->chain_id, &chain_id));
    assert_int_equal(genesis->validator_count, 5);
    assert_string_equal(genesis->validators[4].name, "v5");
    assert_int_equal(genesis->validators[0].sign_key.bytes[0], 0x4b);
    assert_int_equal(genesis->validators[0].control_key.bytes[0], 0x62);
    assert_int_equal(genesis->validators[0].consensus_curve_key[0], 0x84);
    assert_int_equal(genesis->validators[0].mempool_curve_key[0], 0x50);
    struct hash id = hash_sha256(span_of(genesis->validators[0].sign_key.bytes, 32));
    assert_true(hash_equal(&genesis->validators[0].id, &id));
    assert_int_equal(genesis->producer_count, 3);
    assert_string_equal(genesis->producers[1].name, "forensics-1");
    assert_int_equal(genesis->producers[1].roles, PRODUCER_ROLE_EVIDENCE);
    assert_int_equal(genesis->parameters.tx_max_age_s, 86400);
    assert_int_equal(genesis->parameters.block_max_txs, 5000);
    assert_true(genesis->parameters.custody_verification);
}

static void chain_ids_are_those_of_the_vectors(void **state)
{
    json_t *root = vectors_load("genesis.json");
    size_t index;
    json_t *test_case;
    VECTORS_EACH(root, index, test_case)
    {
        char *text = json_dumps(vectors_get(test_case, "genesis"), JSON_INDENT(3) | JSON_ENSURE_ASCII);
        struct hash got, expected = vectors_hash(test_case, "expect");
        assert_int_equal(genesis_file_chain_id(&got, span_text(text)), 0);
        vectors_assert_equal(vectors_text(test_case, "name"), span_of(got.bytes, HASH_BYTES),
                             span_of(expected.bytes, HASH_BYTES));
        free(text);
    }
    json_decref(root);
}

/* Find "a.b[1].c" without its last part, which is left in *last. */
static json_t *parent_of(json_t *value, const char *path, char last[static 64])
{
    char copy[128], *rest = NULL;
    snprintf(copy, sizeof copy, "%s", path);
    last[0] = '\0';
    for (char *part = strtok_r(copy, ".", &rest); part; part = strtok_r(NULL, ".", &rest)) {
        if (*last)
            value =
                json_is_array(value) ? json_array_get(value, strtoul(last, NULL, 10)) : json_object_get(value, last);
        snprintf(last, 64, "%s", part);
    }
    return value;
}

static void each_fault_is_named_with_what_is_wanted(void **state)
{
    static const struct {
        const char *path;
        const char *value; /* NULL: removed */
        const char *detail;
    } cases[] = {
        {"extra", "1", "\"extra\": unknown member"},
        {"network", NULL, "network: wants text of 1 to 64 bytes without control characters"},
        {"network", "\"\"", "network: wants text"},
        {"network", "\"a\\nb\"", "network: wants text"},
        {"created_ms", "-1", "created_ms: wants an integer of 0 to 9007199254740991"},
        {"created_ms", "1.5", "created_ms: wants an integer"},
        {"created_ms", "true", "created_ms: wants an integer"},
        {"validators", "[]", "validators: wants an array of 1 to 64 validators"},
        {"validators", "{}", "validators: wants an array"},
        {"validators.2", "7", "validators[2]: wants an object"},
        {"validators.2.port", "7", "validators[2].\"port\": unknown member"},
        {"validators.3.sign_key", "\"abc\"", "validators[3].sign_key: wants 64 lower-case hex digits"},
        {"validators.3.mempool_curve_key", NULL, "validators[3].mempool_curve_key: wants 64 lower-case hex digits"},
        {"validators.1.name", "\"v1\"", "validators[1].name: is the name of validators[0] too"},
        {"validators.1.name", "\"v,1\"", "validators[1].name: wants letters, digits, '.', '_' and '-' only"},
        {"validators.4.control_key", "\"62bcf11f4b58f1cd6ee812ff5b5ce16ba7727f0a0c4548114f64a8a76fb1e40b\"",
         "validators[4].control_key: is the key of validators[0] too"},
        {"producers", NULL, "producers: wants an array of at most 4096 producers"},
        {"producers.0.roles", "[]", "producers[0].roles: wants an array of one or more of anomaly"},
        {"producers.0.roles", "[\"anomaly\",\"anomaly\"]", "producers[0].roles: wants an array"},
        {"producers.0.roles", "[\"king\"]", "producers[0].roles: wants an array"},
        {"producers.0.name", "\"soc-1\"", "producers: two have one name: "},
        {"producers.0.key", "\"568a5aef3ade5ba9a76325ab62881168319d3972b58d9e76436559e247d529d1\"",
         "producers: two have one key: "},
        {"parameters", NULL, "parameters: wants an object"},
        {"parameters.block_maxtxs", "1", "parameters.\"block_maxtxs\": unknown member"},
        {"parameters.block_max_txs", "0", "parameters.block_max_txs: wants an integer of 1 to 100000"},
        {"parameters.block_max_txs", "100001", "parameters.block_max_txs: wants an integer"},
        {"parameters.require_v2", "1", "parameters.require_v2: wants true or false"},
        {"parameters.custody_verification", "true", "parameters.custody_verification: wants \"required\" or \"off\""},
        {"parameters.view_timeout_min_ms", "5000",
         "parameters.view_timeout_initial_ms: wants view_timeout_min_ms <= it"},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        json_t *value = good_value(NULL);
        char last[64], detail[GENESIS_FILE_DETAIL_BYTES];
        json_t *parent = parent_of(value, cases[i].path, last);
        json_t *member = cases[i].value ? json_loads(cases[i].value, JSON_DECODE_ANY, NULL) : NULL;
        if (json_is_array(parent))
            assert_int_equal(json_array_set_new(parent, strtoul(last, NULL, 10), member), 0);
        else if (member)
            assert_int_equal(json_object_set_new(parent, last, member), 0);
        else
            assert_int_equal(json_object_del(parent, last), 0);
        struct genesis *genesis = NULL;
        assert_int_equal(parse_value(value, &genesis, detail), ERR_MALFORMED);
        assert_null(genesis);
        if (strncmp(detail, cases[i].detail, strlen(cases[i].detail)) != 0)
            fail_msg("%s: says \"%s\"", cases[i].path, detail);
    }
}

static void sixty_four_validators_are_the_most(void **state)
{
    for (unsigned count = 64; count <= 65; count++) {
        json_t *value = good_value(NULL), *array = json_array();
        for (unsigned i = 0; i < count; i++) {
            char name[8], key[65];
            snprintf(name, sizeof name, "v%u", i);
            snprintf(key, sizeof key, "%064x", i + 1);
            json_array_append_new(array,
                                  json_pack("{s:s,s:s,s:s,s:s,s:s}", "name", name, "sign_key", key, "control_key", key,
                                            "consensus_curve_key", key, "mempool_curve_key", key));
        }
        json_object_set_new(value, "validators", array);
        CLEANUP(genesis_destroy) struct genesis *genesis = NULL;
        char detail[GENESIS_FILE_DETAIL_BYTES];
        assert_int_equal(parse_value(value, &genesis, detail), count == 64 ? 0 : ERR_MALFORMED);
    }
}

static void text_that_is_no_json_is_told_with_its_line(void **state)
{
    struct genesis *genesis = NULL;
    char detail[GENESIS_FILE_DETAIL_BYTES];
    assert_int_equal(genesis_file_parse(span_text("{\n\"network\":\n"), &genesis, detail), ERR_MALFORMED);
    assert_non_null(strstr(detail, "line 3"));
    char *large = calloc(1, GENESIS_FILE_BYTES_MAX + 1);
    memset(large, ' ', GENESIS_FILE_BYTES_MAX + 1);
    assert_int_equal(genesis_file_parse(span_of(large, GENESIS_FILE_BYTES_MAX + 1), &genesis, detail), ERR_TOO_LARGE);
    free(large);
    assert_null(genesis);
}

static void what_is_written_is_loaded_and_never_replaced(void **state)
{
    char directory[] = "/tmp/genesis-XXXXXX", path[64], detail[GENESIS_FILE_DETAIL_BYTES];
    assert_non_null(mkdtemp(directory));
    snprintf(path, sizeof path, "%s/genesis.json", directory);
    CLEANUP(genesis_destroy) struct genesis *genesis = NULL;
    CLEANUP(genesis_destroy) struct genesis *again = NULL;
    assert_int_equal(genesis_file_load(path, &again), -ENOENT);
    assert_int_equal(parse_value(good_value(NULL), &genesis, detail), 0);
    genesis->parameters.require_v2 = true;
    genesis->parameters.custody_verification = false;
    genesis->parameters.block_max_txs = 17;
    genesis->producers[0].roles = PRODUCER_ROLE_ANOMALY | PRODUCER_ROLE_GOVERNOR;
    assert_int_equal(genesis_file_write(path, genesis), 0);
    assert_int_equal(genesis_file_write(path, genesis), -EEXIST);
    assert_int_equal(genesis_file_load(path, &again), 0);
    assert_false(hash_is_zero(&again->chain_id));
    assert_false(hash_equal(&again->chain_id, &genesis->chain_id)); /* parameters were added */
    assert_memory_equal(again->validators, genesis->validators, sizeof genesis->validators);
    assert_memory_equal(again->producers, genesis->producers, 3 * sizeof *genesis->producers);
    assert_true(again->parameters.require_v2);
    assert_false(again->parameters.custody_verification);
    assert_int_equal(again->parameters.block_max_txs, 17);
    unlink(path);
    genesis->validator_count = 0;
    assert_int_equal(genesis_file_write(path, genesis), ERR_MALFORMED);
    assert_int_equal(access(path, F_OK), -1);
    rmdir(directory);
}

static int quiet(void **state)
{
    log_set_fd(open("/dev/null", O_WRONLY | O_CLOEXEC));
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_good_file_is_read),
        cmocka_unit_test(chain_ids_are_those_of_the_vectors),
        cmocka_unit_test(each_fault_is_named_with_what_is_wanted),
        cmocka_unit_test(sixty_four_validators_are_the_most),
        cmocka_unit_test(text_that_is_no_json_is_told_with_its_line),
        cmocka_unit_test(what_is_written_is_loaded_and_never_replaced),
    };
    return cmocka_run_group_tests_name("genesis_file", tests, quiet, NULL);
}
