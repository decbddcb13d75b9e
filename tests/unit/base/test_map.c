/* test_map.c */
#include "tests/unit/base/vectors.h"

#include <errno.h>
#include <stdlib.h>

#include "common/base/map.h"

enum { MODEL_KEYS = 512 };

static struct hash key_of(uint32_t number)
{
    return hash_of(span_of(&number, sizeof number));
}

static void what_was_put_is_found_until_it_is_removed(void **state)
{
    CLEANUP(map_destroy) struct map *map = NULL;
    assert_int_equal(map_new(&map, 0, 1), 0);
    struct hash a = key_of(1), b = key_of(2);
    int first, second;
    assert_null(map_find(map, &a));
    assert_null(map_remove(map, &a));
    assert_int_equal(map_put(map, &a, &first), 0);
    assert_ptr_equal(map_find(map, &a), &first);
    assert_null(map_find(map, &b));
    assert_int_equal(map_put(map, &a, &second), 0);
    assert_ptr_equal(map_find(map, &a), &second);
    assert_int_equal(map_count(map), 1);
    assert_ptr_equal(map_remove(map, &a), &second);
    assert_null(map_find(map, &a));
    assert_int_equal(map_count(map), 0);
}

/* A table beside a plain array that says what must be in it. */
struct model {
    struct map *map;
    int values[MODEL_KEYS];
    bool present[MODEL_KEYS];
    size_t count;
};

static void model_step(struct model *model, uint32_t number, bool put)
{
    struct hash key = key_of(number);
    if (put) {
        assert_int_equal(map_put(model->map, &key, &model->values[number]), 0);
        model->count += !model->present[number];
    } else {
        void *removed = map_remove(model->map, &key);
        assert_ptr_equal(removed, model->present[number] ? &model->values[number] : NULL);
        model->count -= model->present[number];
    }
    model->present[number] = put;
}

static void model_check(const struct model *model)
{
    assert_int_equal(map_count(model->map), model->count);
    for (uint32_t i = 0; i < MODEL_KEYS; i++) {
        struct hash key = key_of(i);
        assert_ptr_equal(map_find(model->map, &key), model->present[i] ? &model->values[i] : NULL);
    }
}

static void random_puts_and_removes_agree_with_a_plain_array(void **state)
{
    for (uint32_t seed = 1; seed <= 8; seed++) {
        struct model model = {0};
        assert_int_equal(map_new(&model.map, 0, seed), 0);
        uint32_t random = seed;
        for (uint32_t i = 0; i < 20000; i++) {
            random = random * 1664525u + 1013904223u;
            /* Phases of growth and of shrinking, so that runs of entries form and are taken apart. */
            bool put = (random >> 24) < ((i / 2000) % 2 == 0 ? 200u : 56u);
            model_step(&model, (random >> 8) % MODEL_KEYS, put);
            if (i % 500 == 0)
                model_check(&model);
        }
        model_check(&model);
        map_destroy(&model.map);
    }
}

static void it_grows_and_keeps_everything(void **state)
{
    CLEANUP(map_destroy) struct map *map = NULL;
    assert_int_equal(map_new(&map, 0, 7), 0);
    static int values[50000];
    for (uint32_t i = 0; i < ARRAY_COUNT(values); i++) {
        struct hash key = key_of(i);
        assert_int_equal(map_put(map, &key, &values[i]), 0);
    }
    assert_int_equal(map_count(map), ARRAY_COUNT(values));
    for (uint32_t i = 0; i < ARRAY_COUNT(values); i++) {
        struct hash key = key_of(i);
        assert_ptr_equal(map_find(map, &key), &values[i]);
    }
}

static void a_walk_visits_every_entry_once(void **state)
{
    CLEANUP(map_destroy) struct map *map = NULL;
    assert_int_equal(map_new(&map, 100, 9), 0);
    int values[100], visits[100] = {0};
    for (uint32_t i = 0; i < 100; i++) {
        struct hash key = key_of(i);
        assert_int_equal(map_put(map, &key, &values[i]), 0);
    }
    size_t cursor = 0, count = 0;
    struct hash key;
    for (int *value = map_next(map, &cursor, &key); value; value = map_next(map, &cursor, &key)) {
        struct hash expected = key_of((uint32_t)(value - values));
        assert_true(hash_equal(&key, &expected));
        visits[value - values]++;
        count++;
    }
    assert_int_equal(count, 100);
    for (size_t i = 0; i < 100; i++)
        assert_int_equal(visits[i], 1);
    assert_null(map_next(map, &cursor, &key));
}

/* Ids and keys come from outside: equal beginnings or endings must not make long probes. */
static void keys_that_are_alike_do_not_make_it_slow(void **state)
{
    CLEANUP(map_destroy) struct map *map = NULL;
    assert_int_equal(map_new(&map, 0, 11), 0);
    static int value;
    for (uint32_t i = 0; i < 100000; i++) {
        struct hash key = {0};
        key.bytes[13] = (uint8_t)i;
        key.bytes[20] = (uint8_t)(i >> 8);
        key.bytes[31] = (uint8_t)(i >> 16);
        assert_int_equal(map_put(map, &key, &value), 0);
    }
    assert_int_equal(map_count(map), 100000);
}

static void a_size_beyond_memory_is_refused(void **state)
{
    struct map *map = NULL;
    assert_int_equal(map_new(&map, SIZE_MAX, 1), -ENOMEM);
    assert_null(map);
}

static void destroying_nothing_is_allowed(void **state)
{
    struct map *map = NULL;
    map_destroy(&map);
    map_destroy(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_put_is_found_until_it_is_removed),
        cmocka_unit_test(random_puts_and_removes_agree_with_a_plain_array),
        cmocka_unit_test(it_grows_and_keeps_everything),
        cmocka_unit_test(a_walk_visits_every_entry_once),
        cmocka_unit_test(keys_that_are_alike_do_not_make_it_slow),
        cmocka_unit_test(a_size_beyond_memory_is_refused),
        cmocka_unit_test(destroying_nothing_is_allowed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
