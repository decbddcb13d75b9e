/* fuzz_map.c - any sequence of puts, removals and look-ups agrees with a plain array of 256 places. Input: the seed,
 * then two bytes an operation: what, and which key.
 */
#include "tests/fuzz/base/fuzz.h"

#include <string.h>

#include "common/base/map.h"

enum { KEYS = 256 };

struct model {
    struct map *map;
    uint8_t values[KEYS];
    bool present[KEYS];
    size_t count;
};

static struct hash key_of(uint8_t number)
{
    struct hash key = {{number}};
    return key;
}

static void step(struct model *model, uint8_t operation, uint8_t number)
{
    struct hash key = key_of(number);
    void *expected = model->present[number] ? &model->values[number] : NULL;
    if (operation < 128) {
        FUZZ_REQUIRE(map_put(model->map, &key, &model->values[number]) == 0);
        model->count += !model->present[number];
        model->present[number] = true;
    } else if (operation < 240) {
        FUZZ_REQUIRE(map_remove(model->map, &key) == expected);
        model->count -= model->present[number];
        model->present[number] = false;
    } else {
        FUZZ_REQUIRE(map_find(model->map, &key) == expected);
    }
    FUZZ_REQUIRE(map_count(model->map) == model->count);
}

static void require_equal(const struct model *model)
{
    for (size_t i = 0; i < KEYS; i++) {
        struct hash key = key_of((uint8_t)i);
        const void *value = map_find(model->map, &key);
        FUZZ_REQUIRE(model->present[i] ? value == &model->values[i] : value == NULL);
    }
    size_t cursor = 0, visited = 0;
    struct hash key;
    while (map_next(model->map, &cursor, &key))
        visited++;
    FUZZ_REQUIRE(visited == model->count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct model model = {0};
    FUZZ_REQUIRE(map_new(&model.map, 0, size > 0 ? data[0] : 0) == 0);
    for (size_t i = 1; i + 1 < size; i += 2)
        step(&model, data[i], data[i + 1]);
    require_equal(&model);
    map_destroy(&model.map);
    return 0;
}
