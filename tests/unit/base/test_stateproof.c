/* test_stateproof.c */
#include "tests/unit/base/vectors.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/hex.h"
#include "common/base/stateproof.h"

enum { ENTRIES_MAX = 128 };

/* The page's definition, word by word: the hash of the subtree at depth that holds these leaves. */
static struct hash subtree_hash(const struct stateproof_leaf *leaves, size_t count, uint32_t depth)
{
    if (count == 0)
        return (struct hash){0};
    if (count == 1)
        return stateproof_leaf_hash(&leaves[0]);
    struct stateproof_leaf sides[2][ENTRIES_MAX] = {0};
    size_t counts[2] = {0, 0};
    for (size_t i = 0; i < count; i++) {
        unsigned side = stateproof_bit(&leaves[i].key_hash, depth);
        sides[side][counts[side]++] = leaves[i];
    }
    struct hash left = subtree_hash(sides[0], counts[0], depth + 1);
    struct hash right = subtree_hash(sides[1], counts[1], depth + 1);
    return stateproof_node_hash(&left, &right);
}

static void roots_are_those_of_the_vectors(void **state)
{
    json_t *root = vectors_load("state_roots.json");
    size_t index;
    const json_t *test_case;
    VECTORS_EACH(root, index, test_case)
    {
        struct stateproof_leaf leaves[ENTRIES_MAX] = {0};
        size_t count, total = json_array_size(vectors_get(test_case, "entries"));
        assert_true(total <= ENTRIES_MAX);
        const json_t *entry;
        json_array_foreach(vectors_get(test_case, "entries"), count, entry)
        {
            struct blob value = vectors_bytes(entry, "value");
            leaves[count].key_hash = stateproof_key_hash(span_text(vectors_text(entry, "key")));
            leaves[count].value_hash = hash_of(blob_span(&value));
            blob_free(&value);
        }
        struct hash got = subtree_hash(leaves, total, 0);
        struct hash expected = vectors_hash(test_case, "expect");
        assert_true(hash_equal(&got, &expected));
    }
    json_decref(root);
}

static struct stateproof proof_read(const json_t *object)
{
    struct stateproof proof = {0};
    const json_t *leaf = vectors_get(object, "leaf");
    if (!json_is_null(leaf)) {
        proof.has_leaf = true;
        proof.leaf.key_hash = vectors_hash(leaf, "key_hash");
        proof.leaf.value_hash = vectors_hash(leaf, "value_hash");
    }
    size_t index;
    const json_t *sibling;
    json_array_foreach(vectors_get(object, "siblings"), index, sibling)
    {
        proof.sibling_count++;
        if (index < STATEPROOF_DEPTH_MAX)
            assert_int_equal(hex_decode(proof.siblings[index].bytes, HASH_BYTES, json_string_value(sibling)), 0);
    }
    return proof;
}

static void proofs_are_judged_as_the_vectors_say(void **state)
{
    json_t *root = vectors_load("state_siblings.json");
    size_t index;
    const json_t *test_case;
    VECTORS_EACH(root, index, test_case)
    {
        struct stateproof proof = proof_read(test_case);
        struct hash tree_root = vectors_hash(test_case, "root");
        struct span key = span_text(vectors_text(test_case, "key"));
        struct hash key_hash = stateproof_key_hash(key), expected = vectors_hash(test_case, "key_hash");
        assert_true(hash_equal(&key_hash, &expected));
        struct blob value = {0};
        if (!json_is_null(vectors_get(test_case, "value")))
            value = vectors_bytes(test_case, "value");
        int verdict = stateproof_verify(&tree_root, key, blob_span(&value), &proof);
        if ((verdict == 0) != vectors_expect_ok(test_case))
            fail_msg("%s: %d", vectors_text(test_case, "name"), verdict);
        blob_free(&value);
    }
    json_decref(root);
}

static void an_empty_value_is_a_value(void **state)
{
    struct stateproof proof = {.has_leaf = true};
    proof.leaf.key_hash = stateproof_key_hash(span_text("a/b"));
    proof.leaf.value_hash = hash_of((struct span){0});
    struct hash root = stateproof_leaf_hash(&proof.leaf);
    assert_int_equal(stateproof_verify(&root, span_text("a/b"), span_text(""), &proof), 0);
    assert_int_equal(stateproof_verify(&root, span_text("a/b"), (struct span){0}, &proof), STATEPROOF_BAD);
    assert_int_equal(stateproof_verify(&root, span_text("a/c"), (struct span){0}, &proof), 0);
}

static void bits_count_from_the_most_significant(void **state)
{
    const struct hash key_hash = {{0x80, 0x01}};
    assert_int_equal(stateproof_bit(&key_hash, 0), 1);
    assert_int_equal(stateproof_bit(&key_hash, 1), 0);
    assert_int_equal(stateproof_bit(&key_hash, 14), 0);
    assert_int_equal(stateproof_bit(&key_hash, 15), 1);
}

/* Trees that no honest state has: the rules hold without the root's help. */
static void what_stands_elsewhere_shows_nothing(void **state)
{
    struct stateproof proof = {.has_leaf = true};
    proof.leaf.key_hash = stateproof_key_hash(span_text("a"));
    proof.leaf.value_hash = hash_of(span_text("v"));
    struct hash root = stateproof_leaf_hash(&proof.leaf);
    assert_int_equal(stateproof_verify(&root, span_text("a"), span_text("v"), &proof), 0);
    assert_int_equal(stateproof_verify(&root, span_text("b"), span_text("v"), &proof), STATEPROOF_BAD);

    /* A leaf whose first bit is not that of the key, where the key would stand. */
    char key[2] = "a";
    struct hash key_hash;
    do {
        key[0]++;
        key_hash = stateproof_key_hash(span_text(key));
    } while (stateproof_bit(&key_hash, 0) == stateproof_bit(&proof.leaf.key_hash, 0));
    struct hash node = stateproof_leaf_hash(&proof.leaf);
    proof.sibling_count = 1;
    root = stateproof_bit(&key_hash, 0) == 1 ? stateproof_node_hash(&proof.siblings[0], &node)
                                             : stateproof_node_hash(&node, &proof.siblings[0]);
    assert_int_equal(stateproof_verify(&root, span_text(key), (struct span){0}, &proof), STATEPROOF_BAD);
}

/* The deepest place there is: two keys that differ in the last bit only. */
static void a_leaf_may_stand_at_depth_256(void **state)
{
    struct stateproof proof = {.has_leaf = true, .sibling_count = STATEPROOF_DEPTH_MAX};
    proof.leaf.key_hash = stateproof_key_hash(span_text("k"));
    proof.leaf.value_hash = hash_of(span_text("v"));
    struct hash node = stateproof_leaf_hash(&proof.leaf);
    for (uint32_t i = 0; i < STATEPROOF_DEPTH_MAX; i++) {
        const struct hash *sibling = &proof.siblings[i];
        bool is_right = stateproof_bit(&proof.leaf.key_hash, STATEPROOF_DEPTH_MAX - 1 - i) == 1;
        node = is_right ? stateproof_node_hash(sibling, &node) : stateproof_node_hash(&node, sibling);
    }
    assert_int_equal(stateproof_verify(&node, span_text("k"), span_text("v"), &proof), 0);
    proof.sibling_count++;
    assert_int_equal(stateproof_verify(&node, span_text("k"), span_text("v"), &proof), STATEPROOF_BAD);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(roots_are_those_of_the_vectors),      cmocka_unit_test(proofs_are_judged_as_the_vectors_say),
        cmocka_unit_test(an_empty_value_is_a_value),           cmocka_unit_test(bits_count_from_the_most_significant),
        cmocka_unit_test(what_stands_elsewhere_shows_nothing), cmocka_unit_test(a_leaf_may_stand_at_depth_256),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
