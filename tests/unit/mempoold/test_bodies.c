/* Bodies from state to state, and what bounds those that nobody waits for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "tests/unit/mempoold/pool_world.h"

enum { CONTENT_BYTES = 10000, RECENT_BYTES_MAX = 45000 };

struct store {
    struct pool_world *world; /* makes transactions */
    struct bodies *bodies;
};

static int begin(void **state)
{
    static struct store store;
    struct mempool_limits limits = pool_world_limits();
    store.world = pool_world_new(&limits);
    struct bodies_limits bodies_limits = {
        .pooled_count_max = 3,
        .pooled_bytes_max = 100000,
        .recent_bytes_max = RECENT_BYTES_MAX,
        .recent_count_max = 6,
        .finalized_count_max = 4,
        .fairness = {.producer_count_max = 8, .rate_per_second = 1000, .seed = 1},
    };
    assert_int_equal(bodies_new(&store.bodies, &bodies_limits), 0);
    *state = &store;
    return 0;
}

static int end(void **state)
{
    struct store *store = *state;
    bodies_destroy(&store->bodies);
    pool_world_end(store->world);
    return 0;
}

static struct pool_world_tx *make(struct store *store, unsigned number, size_t content_bytes)
{
    char name[POOL_WORLD_NAME_MAX];
    snprintf(name, sizeof name, "t%u", number);
    return pool_world_make(store->world, name, (struct pool_world_kind){.content_bytes = content_bytes});
}

static int add(struct store *store, const struct pool_world_tx *made, enum body_state body_state, struct body **out)
{
    struct tx tx;
    const char *why;
    assert_int_equal(tx_parse(&tx, span_of(made->body, made->size), &why), 0);
    return bodies_add(store->bodies, &(struct bodies_new_body){.tx = &tx, .id = &made->id, .state = body_state}, out);
}

static void recent_bodies_are_bounded_by_bytes(void **state)
{
    struct store *store = *state;
    const struct pool_world_tx *first = NULL;
    for (unsigned i = 0; i < 5; i++) {
        const struct pool_world_tx *made = make(store, i, CONTENT_BYTES);
        struct body *body;
        assert_int_equal(add(store, made, BODY_POOLED, &body), 0);
        first = first ? first : made;
        bodies_retire(store->bodies, body, 0);
        assert_true(bodies_usage(store->bodies).recent_bytes <= RECENT_BYTES_MAX);
    }
    assert_int_equal(bodies_usage(store->bodies).recent_count, 4);
    assert_null(bodies_find(store->bodies, &first->id));
}

static void recent_bodies_are_bounded_by_count(void **state)
{
    struct store *store = *state;
    for (unsigned i = 0; i < 9; i++) {
        struct body *body;
        assert_int_equal(add(store, make(store, i, 2), BODY_POOLED, &body), 0);
        bodies_retire(store->bodies, body, 0);
    }
    assert_int_equal(bodies_usage(store->bodies).recent_count, 6);
}

static void the_oldest_finalized_id_is_forgotten(void **state)
{
    struct store *store = *state;
    struct hash ids[6] = {{{1}}, {{2}}, {{3}}, {{4}}, {{5}}, {{6}}};
    for (size_t i = 0; i < 4; i++)
        bodies_finalized_put(store->bodies, &ids[i]);
    bodies_finalized_put(store->bodies, &ids[0]); /* again: it takes no second place */
    for (size_t i = 0; i < 4; i++)
        assert_true(bodies_is_finalized(store->bodies, &ids[i]));
    bodies_finalized_put(store->bodies, &ids[4]);
    bodies_finalized_put(store->bodies, &ids[5]);
    assert_false(bodies_is_finalized(store->bodies, &ids[0]));
    assert_false(bodies_is_finalized(store->bodies, &ids[1]));
    for (size_t i = 2; i < 6; i++)
        assert_true(bodies_is_finalized(store->bodies, &ids[i]));
}

static void a_recent_body_may_wait_again(void **state)
{
    struct store *store = *state;
    const struct pool_world_tx *made = make(store, 1, 2);
    struct body *body;
    assert_int_equal(add(store, made, BODY_HELD, &body), 0);
    bodies_retire(store->bodies, body, 0);
    assert_null(bodies_first(store->bodies));
    assert_null(bodies_oldest(store->bodies));
    struct body *again;
    assert_int_equal(add(store, made, BODY_POOLED, &again), 0);
    assert_ptr_equal(again, body);
    assert_ptr_equal(bodies_first(store->bodies), body);
    assert_ptr_equal(bodies_oldest(store->bodies), body);
    assert_int_equal(bodies_usage(store->bodies).recent_count, 0);
    assert_int_equal(bodies_usage(store->bodies).pooled_count, 1);
    bodies_forget(store->bodies, body);
    assert_null(bodies_find(store->bodies, &made->id));
}

static void held_bodies_need_no_room_until_they_are_released(void **state)
{
    struct store *store = *state;
    struct body *held[5];
    for (unsigned i = 0; i < 5; i++)
        assert_int_equal(add(store, make(store, i, 2), BODY_HELD, &held[i]), 0);
    assert_int_equal(bodies_room(store->bodies).tx_count, 3);
    for (unsigned i = 0; i < 5; i++)
        bodies_release(store->bodies, held[i], 0);
    assert_int_equal(bodies_usage(store->bodies).pooled_count, 3);
    assert_int_equal(bodies_usage(store->bodies).recent_count, 2);
    assert_int_equal(add(store, make(store, 9, 2), BODY_POOLED, NULL), BODIES_FULL);
}

static void with_too_many_producers_there_is_no_room(void **state)
{
    struct store *store = *state;
    for (unsigned i = 0; i < 9; i++) {
        char name[POOL_WORLD_NAME_MAX];
        snprintf(name, sizeof name, "p%u", i);
        const struct pool_world_tx *made = pool_world_make(store->world, name, (struct pool_world_kind){.producer = i});
        assert_int_equal(add(store, made, BODY_HELD, NULL), i < 8 ? 0 : BODIES_FULL);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(recent_bodies_are_bounded_by_bytes, begin, end),
        cmocka_unit_test_setup_teardown(recent_bodies_are_bounded_by_count, begin, end),
        cmocka_unit_test_setup_teardown(the_oldest_finalized_id_is_forgotten, begin, end),
        cmocka_unit_test_setup_teardown(a_recent_body_may_wait_again, begin, end),
        cmocka_unit_test_setup_teardown(held_bodies_need_no_room_until_they_are_released, begin, end),
        cmocka_unit_test_setup_teardown(with_too_many_producers_there_is_no_room, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
