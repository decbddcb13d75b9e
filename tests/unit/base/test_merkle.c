/* test_merkle.c */
#include "tests/unit/base/vectors.h"

#include <stdlib.h>

#include "common/base/err.h"
#include "common/base/hex.h"
#include "common/base/merkle.h"

enum { ITEMS_MAX = 300 };

static size_t hashes_read(struct hash *out, size_t capacity, const json_t *array)
{
    assert_true(json_array_size(array) <= capacity);
    size_t index;
    const json_t *text;
    json_array_foreach(array, index, text)
    {
        assert_int_equal(hex_decode(out[index].bytes, HASH_BYTES, json_string_value(text)), 0);
    }
    return json_array_size(array);
}

static void roots_are_those_of_the_vectors(void **state)
{
    json_t *root = vectors_load("merkle.json");
    size_t index;
    const json_t *test_case;
    VECTORS_EACH(root, index, test_case)
    {
        struct hash items[ITEMS_MAX], scratch[ITEMS_MAX];
        size_t count = hashes_read(items, ITEMS_MAX, vectors_get(test_case, "items"));
        struct hash got = merkle_root(items, count, scratch);
        struct hash expected = vectors_hash(test_case, "expect");
        assert_true(hash_equal(&got, &expected));
    }
    json_decref(root);
}

static void paths_are_judged_as_the_vectors_say(void **state)
{
    json_t *root = vectors_load("merkle_paths.json");
    size_t index;
    const json_t *test_case;
    VECTORS_EACH(root, index, test_case)
    {
        struct hash path[ITEMS_MAX];
        size_t path_count = hashes_read(path, ITEMS_MAX, vectors_get(test_case, "path"));
        struct hash tree_root = vectors_hash(test_case, "root"), item = vectors_hash(test_case, "item");
        int rc = merkle_verify(&tree_root, &item, (size_t)vectors_integer(test_case, "count"),
                               (size_t)vectors_integer(test_case, "index"), path, path_count);
        if ((rc == 0) != vectors_expect_ok(test_case))
            fail_msg("%s: %d", vectors_text(test_case, "name"), rc);
    }
    json_decref(root);
}

static void every_path_of_every_small_tree_leads_to_its_root_and_to_no_other_place(void **state)
{
    struct hash items[40], scratch[40], path[MERKLE_PATH_MAX];
    for (uint32_t i = 0; i < ARRAY_COUNT(items); i++)
        items[i] = hash_of(span_of(&i, sizeof i));
    for (size_t count = 1; count <= ARRAY_COUNT(items); count++) {
        struct hash root = merkle_root(items, count, scratch);
        for (size_t index = 0; index < count; index++) {
            size_t path_count = merkle_path(path, items, count, index, scratch);
            for (size_t claimed = 0; claimed < count; claimed++) {
                int rc = merkle_verify(&root, &items[index], count, claimed, path, path_count);
                assert_int_equal(rc, claimed == index ? 0 : ERR_MALFORMED);
            }
            if (path_count > 0)
                assert_int_equal(merkle_verify(&root, &items[index], count, index, path, path_count - 1),
                                 ERR_MALFORMED);
            assert_int_equal(merkle_verify(&root, &items[index], count, index + count, path, path_count),
                             ERR_MALFORMED);
        }
    }
}

static void the_empty_tree_is_zero_and_holds_nothing(void **state)
{
    struct hash root = merkle_root(NULL, 0, NULL), item = {0};
    assert_true(hash_is_zero(&root));
    assert_int_equal(merkle_verify(&root, &item, 0, 0, NULL, 0), ERR_MALFORMED);
}

static void an_absurd_count_is_judged_in_few_steps(void **state)
{
    struct hash root = {0}, item = {0};
    struct hash path[MERKLE_PATH_MAX] = {0};
    assert_int_equal(merkle_verify(&root, &item, SIZE_MAX, SIZE_MAX - 1, path, MERKLE_PATH_MAX), ERR_MALFORMED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(roots_are_those_of_the_vectors),
        cmocka_unit_test(paths_are_judged_as_the_vectors_say),
        cmocka_unit_test(every_path_of_every_small_tree_leads_to_its_root_and_to_no_other_place),
        cmocka_unit_test(the_empty_tree_is_zero_and_holds_nothing),
        cmocka_unit_test(an_absurd_count_is_judged_in_few_steps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
