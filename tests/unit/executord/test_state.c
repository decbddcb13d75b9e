/* test_state.c - the tree against the page's definition, worked out anew for each version, and against the vectors. */
#include "tests/unit/base/vectors.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/stateproof.h"
#include "services/executord/state.h"

enum { KEYS_MAX = 256, ROUNDS = 120 };

/* What the state should hold: key i has value values[i], or nothing when 0. */
struct model {
    uint32_t values[KEYS_MAX];
};

static uint64_t random_next(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static struct slab *slab_make(void)
{
    struct slab *slab = NULL;
    assert_int_equal(slab_new(&slab, &(struct slab_options){.bytes_max = 64 << 20}), 0);
    return slab;
}

static struct span key_of(char text[static 32], uint32_t index)
{
    snprintf(text, 32, "anomaly/%u", index);
    return span_text(text);
}

static struct state_item *leaf_make(struct slab *slab, struct span key, struct span value)
{
    struct hash key_hash = stateproof_key_hash(key);
    struct state_item *leaf = NULL;
    assert_int_equal(state_leaf_new(&leaf, slab, key, value, &key_hash), 0);
    return leaf;
}

static struct state_item *model_leaf(struct slab *slab, uint32_t index, uint32_t value)
{
    char key[32];
    return leaf_make(slab, key_of(key, index), span_of(&value, sizeof value));
}

/* The page's definition, word by word. */
static struct hash subtree_hash(const struct stateproof_leaf *leaves, size_t count, uint32_t depth)
{
    if (count == 0)
        return (struct hash){0};
    if (count == 1)
        return stateproof_leaf_hash(&leaves[0]);
    struct stateproof_leaf sides[2][KEYS_MAX];
    size_t counts[2] = {0, 0};
    for (size_t i = 0; i < count; i++) {
        unsigned side = stateproof_bit(&leaves[i].key_hash, depth);
        sides[side][counts[side]++] = leaves[i];
    }
    struct hash left = subtree_hash(sides[0], counts[0], depth + 1);
    struct hash right = subtree_hash(sides[1], counts[1], depth + 1);
    return stateproof_node_hash(&left, &right);
}

static struct hash model_root(const struct model *model)
{
    struct stateproof_leaf leaves[KEYS_MAX];
    size_t count = 0;
    for (uint32_t i = 0; i < KEYS_MAX; i++) {
        if (model->values[i] == 0)
            continue;
        char key[32];
        leaves[count].key_hash = stateproof_key_hash(key_of(key, i));
        leaves[count++].value_hash = hash_of(span_of(&model->values[i], sizeof model->values[i]));
    }
    return subtree_hash(leaves, count, 0);
}

static int by_key_hash(const void *a, const void *b)
{
    return memcmp(state_leaf_key_hash(((const struct state_change *)a)->leaf),
                  state_leaf_key_hash(((const struct state_change *)b)->leaf), HASH_BYTES);
}

/* Apply the difference between two models, and deletions of what is absent anyway. */
static struct state_item *model_update(struct slab *slab, struct state_item *root, const struct model *from,
                                       const struct model *to)
{
    struct state_change changes[KEYS_MAX];
    size_t count = 0;
    for (uint32_t i = 0; i < KEYS_MAX; i++) {
        if (from->values[i] == to->values[i] && (to->values[i] != 0 || i % 7 != 0))
            continue;
        changes[count++] = (struct state_change){
            .leaf = model_leaf(slab, i, to->values[i]),
            .deleted = to->values[i] == 0,
        };
    }
    qsort(changes, count, sizeof changes[0], by_key_hash);
    struct state_item *out = NULL;
    assert_int_equal(state_update(&out, slab, root, changes, count), 0);
    for (size_t i = 0; i < count; i++)
        state_release(slab, changes[i].leaf);
    return out;
}

static void assert_proofs(const struct state_item *root, const struct model *model)
{
    struct hash root_hash = state_hash(root);
    for (uint32_t i = 0; i < KEYS_MAX; i++) {
        char text[32];
        struct span key = key_of(text, i);
        struct hash key_hash = stateproof_key_hash(key);
        struct stateproof proof;
        state_prove(&proof, root, &key_hash);
        uint32_t value = model->values[i];
        const struct state_item *leaf = state_find(root, &key_hash);
        assert_int_equal(leaf != NULL, value != 0);
        if (leaf)
            assert_true(span_equal(state_leaf_value(leaf), span_of(&value, sizeof value)));
        struct span expected = value ? span_of(&value, sizeof value) : (struct span){0};
        assert_int_equal(stateproof_verify(&root_hash, key, expected, &proof), 0);
        uint32_t other = value + 1;
        assert_int_equal(stateproof_verify(&root_hash, key, span_of(&other, sizeof other), &proof), STATEPROOF_BAD);
    }
}

static void model_mutate(struct model *model, uint64_t *random)
{
    uint64_t changes = random_next(random) % 40;
    bool shrink = random_next(random) % 3 == 0;
    for (uint64_t i = 0; i < changes; i++) {
        uint64_t key = random_next(random) % KEYS_MAX;
        bool erase = shrink || random_next(random) % 4 == 0;
        model->values[key] = erase ? 0 : (uint32_t)(random_next(random) | 1);
    }
}

static void every_version_is_the_definition_and_stays_so(void **state)
{
    struct slab *slab = slab_make();
    static struct model models[ROUNDS];
    struct state_item *roots[ROUNDS] = {NULL};
    uint64_t random = 42;
    for (size_t round = 1; round < ROUNDS; round++) {
        size_t parent = round - 1 - random_next(&random) % (round < 4 ? round : 4); /* forks too */
        models[round] = models[parent];
        model_mutate(&models[round], &random);
        roots[round] = model_update(slab, roots[parent], &models[parent], &models[round]);
    }
    for (size_t round = 0; round < ROUNDS; round++) {
        struct hash got = state_hash(roots[round]);
        struct hash expected = model_root(&models[round]);
        assert_true(hash_equal(&got, &expected));
        assert_proofs(roots[round], &models[round]);
    }
    for (size_t round = 0; round < ROUNDS; round++)
        state_release(slab, roots[round]);
    assert_int_equal(slab_used_bytes(slab), 0);
    slab_destroy(&slab);
}

static void deleting_everything_gives_the_empty_root(void **state)
{
    struct slab *slab = slab_make();
    struct model empty = {0};
    struct model full;
    for (uint32_t i = 0; i < KEYS_MAX; i++)
        full.values[i] = i + 1;
    struct state_item *root = model_update(slab, NULL, &empty, &full);
    assert_int_equal(state_count(root), KEYS_MAX);
    struct state_item *none = model_update(slab, root, &full, &empty);
    assert_null(none);
    struct hash hash = state_hash(none);
    assert_true(hash_is_zero(&hash));
    state_release(slab, root);
    assert_int_equal(slab_used_bytes(slab), 0);
    slab_destroy(&slab);
}

static void an_update_without_a_difference_shares_everything(void **state)
{
    struct slab *slab = slab_make();
    struct model empty = {0};
    struct model some = {.values = {[1] = 5, [2] = 6, [3] = 7}};
    struct state_item *root = model_update(slab, NULL, &empty, &some);
    struct state_item *same = model_update(slab, root, &some, &some);
    assert_ptr_equal(same, root);
    state_release(slab, root);
    state_release(slab, same);
    assert_int_equal(slab_used_bytes(slab), 0);
    slab_destroy(&slab);
}

static void roots_are_those_of_the_vectors(void **state)
{
    json_t *file = vectors_load("state_roots.json");
    size_t index;
    const json_t *test_case;
    VECTORS_EACH(file, index, test_case)
    {
        struct slab *slab = slab_make();
        struct state_change changes[KEYS_MAX];
        size_t count;
        const json_t *entry;
        json_array_foreach(vectors_get(test_case, "entries"), count, entry)
        {
            struct blob value = vectors_bytes(entry, "value");
            struct span key = span_text(vectors_text(entry, "key"));
            changes[count] = (struct state_change){.leaf = leaf_make(slab, key, blob_span(&value))};
            blob_free(&value);
        }
        qsort(changes, count, sizeof changes[0], by_key_hash);
        struct state_item *root = NULL;
        assert_int_equal(state_update(&root, slab, NULL, changes, count), 0);
        struct hash got = state_hash(root);
        struct hash expected = vectors_hash(test_case, "expect");
        assert_true(hash_equal(&got, &expected));
        slab_destroy(&slab);
    }
    assert_true(index > 0);
    json_decref(file);
}

/* state_siblings.json: "<key> among <n>" over the entries anomaly/event-0 .. n-1. */
static void siblings_are_those_of_the_vectors(void **state)
{
    json_t *file = vectors_load("state_siblings.json");
    json_t *roots = vectors_load("state_roots.json");
    size_t index, checked = 0;
    const json_t *test_case;
    VECTORS_EACH(file, index, test_case)
    {
        if (!vectors_expect_ok(test_case))
            continue;
        struct hash wanted = vectors_hash(test_case, "root");
        size_t other;
        const json_t *state_case;
        VECTORS_EACH(roots, other, state_case)
        {
            struct hash root_hash = vectors_hash(state_case, "expect");
            if (!hash_equal(&wanted, &root_hash))
                continue;
            struct slab *slab = slab_make();
            struct state_change changes[KEYS_MAX];
            size_t count;
            const json_t *entry;
            json_array_foreach(vectors_get(state_case, "entries"), count, entry)
            {
                struct blob value = vectors_bytes(entry, "value");
                changes[count] = (struct state_change){
                    .leaf = leaf_make(slab, span_text(vectors_text(entry, "key")), blob_span(&value))};
                blob_free(&value);
            }
            qsort(changes, count, sizeof changes[0], by_key_hash);
            struct state_item *root = NULL;
            assert_int_equal(state_update(&root, slab, NULL, changes, count), 0);
            struct hash key_hash = stateproof_key_hash(span_text(vectors_text(test_case, "key")));
            struct stateproof proof;
            state_prove(&proof, root, &key_hash);
            const json_t *siblings = vectors_get(test_case, "siblings");
            assert_int_equal(proof.sibling_count, json_array_size(siblings));
            for (uint32_t i = 0; i < proof.sibling_count; i++) {
                struct blob sibling = vectors_hex(json_string_value(json_array_get(siblings, i)));
                vectors_assert_equal(vectors_text(test_case, "name"), span_of(proof.siblings[i].bytes, HASH_BYTES),
                                     blob_span(&sibling));
                blob_free(&sibling);
            }
            slab_destroy(&slab);
            checked++;
            break;
        }
    }
    assert_true(checked > 0);
    json_decref(file);
    json_decref(roots);
}

static void sizes_beyond_the_limits_are_refused(void **state)
{
    struct slab *slab = slab_make();
    static uint8_t bytes[STATE_VALUE_BYTES_MAX + 1];
    struct hash hash = {0};
    struct state_item *leaf = NULL;
    struct span value = span_of(bytes, 1);
    assert_int_equal(state_leaf_new(&leaf, slab, span_of(bytes, 0), value, &hash), -EINVAL);
    assert_int_equal(state_leaf_new(&leaf, slab, span_of(bytes, STATE_KEY_BYTES_MAX + 1), value, &hash), -EINVAL);
    assert_int_equal(state_leaf_new(&leaf, slab, value, span_of(bytes, sizeof bytes), &hash), -EINVAL);
    assert_int_equal(state_leaf_new(&leaf, slab, value, span_of(bytes, sizeof bytes - 1), &hash), 0);
    state_release(slab, leaf);
    slab_destroy(&slab);
}

/* The slab's limit ends an update in the middle: what was made so far is given back. */
static void an_update_without_memory_leaves_nothing_behind(void **state)
{
    struct slab *slab = NULL;
    assert_int_equal(slab_new(&slab, &(struct slab_options){.bytes_max = SLAB_CHUNK_BYTES_DEFAULT}), 0);
    struct model empty = {0};
    struct model some = {0};
    for (uint32_t i = 0; i < KEYS_MAX; i += 2)
        some.values[i] = i + 1;
    struct state_item *root = model_update(slab, NULL, &empty, &some);
    struct state_change changes[KEYS_MAX];
    size_t count = 0;
    for (uint32_t i = 1; i < KEYS_MAX; i += 2)
        changes[count++] = (struct state_change){.leaf = model_leaf(slab, i, i)};
    qsort(changes, count, sizeof changes[0], by_key_hash);
    /* Take all memory of the nodes' size but for a few pieces. */
    struct taken {
        struct taken *next;
    } *taken = NULL;
    for (struct taken *piece = slab_alloc(slab, 64); piece; piece = slab_alloc(slab, 64)) {
        piece->next = taken;
        taken = piece;
    }
    uint64_t used = slab_used_bytes(slab);
    struct hash before = state_hash(root);
    int rc = -ENOMEM;
    struct state_item *out = NULL;
    for (size_t spare = 0; rc < 0; spare++) {
        rc = state_update(&out, slab, root, changes, count);
        if (rc == 0)
            break;
        assert_int_equal(rc, -ENOMEM);
        assert_null(out);
        assert_int_equal(slab_used_bytes(slab), used);
        struct taken *piece = taken;
        assert_non_null(piece);
        taken = piece->next;
        slab_free(slab, piece, 64);
        used = slab_used_bytes(slab);
    }
    struct hash after = state_hash(root);
    assert_true(hash_equal(&before, &after));
    assert_int_equal(state_count(out), KEYS_MAX);
    slab_destroy(&slab);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_version_is_the_definition_and_stays_so),
        cmocka_unit_test(deleting_everything_gives_the_empty_root),
        cmocka_unit_test(an_update_without_a_difference_shares_everything),
        cmocka_unit_test(roots_are_those_of_the_vectors),
        cmocka_unit_test(siblings_are_those_of_the_vectors),
        cmocka_unit_test(sizes_beyond_the_limits_are_refused),
        cmocka_unit_test(an_update_without_memory_leaves_nothing_behind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
