/* test_block_cache.c - bodies of blocks in flight. */
#include "tests/unit/consensusd/samples.h"

#include <string.h>

#include "common/base/err.h"
#include "services/consensusd/block_cache.h"

static struct block_cache *cache;

static int setup(void **state)
{
    return block_cache_new(&cache, 1);
}

static int teardown(void **state)
{
    block_cache_destroy(&cache);
    return 0;
}

static void put(uint8_t id, uint64_t height, const char *text)
{
    struct span bodies[] = {span_text(text), span_text("")};
    struct hash hash = sample_hash(id);
    assert_int_equal(block_cache_put(cache, &hash, height, bodies, 2), 0);
}

static const struct block_cache_entry *find(uint8_t id)
{
    struct hash hash = sample_hash(id);
    return block_cache_find(cache, &hash);
}

static void bodies_are_copied(void **state)
{
    char text[] = "body";
    put(1, 5, text);
    memset(text, 'x', 4);
    const struct block_cache_entry *entry = find(1);
    assert_non_null(entry);
    assert_int_equal(entry->body_count, 2);
    assert_true(span_equal(entry->bodies[0], span_text("body")));
    assert_int_equal(entry->bodies[1].size, 0);
    assert_null(find(2));
}

static void each_body_has_its_own_place(void **state)
{
    struct span bodies[] = {span_text("first"), span_text("the second"), span_text("third")};
    struct hash hash = sample_hash(1);
    assert_int_equal(block_cache_put(cache, &hash, 5, bodies, ARRAY_COUNT(bodies)), 0);
    for (size_t i = 0; i < ARRAY_COUNT(bodies); i++)
        assert_true(span_equal(find(1)->bodies[i], bodies[i]));
}

static void the_first_bodies_of_a_block_stay(void **state)
{
    put(1, 5, "first");
    put(1, 5, "second");
    assert_true(span_equal(find(1)->bodies[0], span_text("first")));
}

static void a_block_without_bodies_is_a_block(void **state)
{
    struct hash hash = sample_hash(1);
    assert_int_equal(block_cache_put(cache, &hash, 5, NULL, 0), 0);
    assert_int_equal(find(1)->body_count, 0);
}

static void pruning_keeps_what_is_above(void **state)
{
    put(1, 5, "a");
    put(2, 6, "b");
    put(3, 7, "c");
    block_cache_prune(cache, 6);
    assert_null(find(1));
    assert_null(find(2));
    assert_non_null(find(3));
}

static void a_removed_block_can_come_again(void **state)
{
    put(1, 5, "a");
    put(2, 5, "b");
    struct hash one = sample_hash(1), unknown = sample_hash(9);
    block_cache_remove(cache, &unknown);
    block_cache_remove(cache, &one);
    assert_null(find(1));
    assert_non_null(find(2));
    put(1, 5, "again");
    assert_true(span_equal(find(1)->bodies[0], span_text("again")));
}

static void it_is_full_at_its_limit_and_not_after_pruning(void **state)
{
    for (uint64_t i = 0; i < BLOCK_CACHE_COUNT_MAX; i++) {
        struct hash hash = sample_hash(1);
        memcpy(hash.bytes, &i, sizeof i);
        assert_int_equal(block_cache_put(cache, &hash, i, NULL, 0), 0);
    }
    struct hash hash = sample_hash(0xff);
    assert_int_equal(block_cache_put(cache, &hash, 1, NULL, 0), ERR_FULL);
    block_cache_prune(cache, 0);
    assert_int_equal(block_cache_put(cache, &hash, 1, NULL, 0), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define STORY(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        STORY(bodies_are_copied),
        STORY(each_body_has_its_own_place),
        STORY(the_first_bodies_of_a_block_stay),
        STORY(a_block_without_bodies_is_a_block),
        STORY(pruning_keeps_what_is_above),
        STORY(a_removed_block_can_come_again),
        STORY(it_is_full_at_its_limit_and_not_after_pruning),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
