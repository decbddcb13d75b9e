/* No memory: the 1st, 2nd, ... Nth allocation fails, until it passes. Linked with --wrap for malloc and calloc. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "common/base/err.h"
#include "services/mempoold/admission_codec.h"
#include "services/mempoold/gossip_codec.h"
#include "services/mempoold/pool_codec.h"
#include "services/mempoold/query_codec.h"
#include "tests/unit/mempoold/pool_world.h"

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);

static long allocations_left = -1; /* below 0: no limit */

static bool may_allocate(void)
{
    if (allocations_left < 0)
        return true;
    return allocations_left-- > 0;
}

void *__wrap_malloc(size_t size)
{
    return may_allocate() ? __real_malloc(size) : NULL;
}

void *__wrap_calloc(size_t count, size_t size)
{
    return may_allocate() ? __real_calloc(count, size) : NULL;
}

static void a_pool_is_made_whole_or_not_at_all(void **state)
{
    (void)state;
    struct mempool_limits limits = pool_world_limits();
    struct mempool *pool = NULL;
    int rc = -ENOMEM;
    long count = 0;
    for (; rc == -ENOMEM; count++) {
        allocations_left = count;
        rc = mempool_new(&pool, &limits);
        allocations_left = -1;
        assert_true(rc == 0 || (rc == -ENOMEM && !pool));
    }
    assert_int_equal(rc, 0);
    assert_true(count > 10);
    mempool_destroy(&pool);
}

/* A life of a pool in which every kind of allocation happens. Afterwards, with memory, all works as ever. */
static void live(struct pool_world *world)
{
    pool_world_submit(world, 1, "a b");
    pool_world_resolve(world, 7, "B1", 2, "a c d");
    pool_world_answer(world, 2, 1, "c d");
    if (world->check_count > 0)
        pool_world_verified(world, 0);
    pool_world_own_block(world, "B2", "b");
    pool_world_finalize(world, "B1", "a c d");
    pool_world_drop(world, "b", REASON_ID_CONFLICT);
    pool_world_fetch(world, 3, "a b c");
}

static void without_memory_a_transaction_is_refused_and_nothing_breaks(void **state)
{
    (void)state;
    for (long count = 0; count < 12; count++) {
        struct mempool_limits limits = pool_world_limits();
        struct pool_world *world = pool_world_new(&limits);
        pool_world_submit(world, 1, "x"); /* all transactions are made before memory ends */
        for (const char *name = "abcd"; *name; name++) {
            char text[2] = {*name, '\0'};
            (void)pool_world_tx(world, text);
        }
        allocations_left = count;
        live(world);
        allocations_left = -1;

        pool_world_clear(world);
        pool_world_submit(world, 9, "e");
        pool_world_resolve(world, 10, "B9", 1, "e");
        assert_non_null(strstr(world->told, "verdicts 9: pooled"));
        assert_non_null(strstr(world->told, "resolved 10 B9: e"));
        pool_world_end(world);
    }
}

static void the_verdict_without_memory_is_full(void **state)
{
    (void)state;
    struct mempool_limits limits = pool_world_limits();
    struct pool_world *world = pool_world_new(&limits);
    (void)pool_world_tx(world, "a");
    allocations_left = 0;
    pool_world_submit(world, 1, "a");
    allocations_left = -1;
    pool_world_submit(world, 2, "a");
    assert_string_equal(world->told, "[    0] verdicts 1: full, free 4\n"
                                     "[    0] verdicts 2: pooled, free 3\n");
    pool_world_end(world);
}

/* Encode something, decode it again if it is ours to read. */
static int verdicts_round(void)
{
    const enum mempool_verdict verdicts[] = {MEMPOOL_VERDICT_POOLED};
    uint8_t *frame = NULL;
    size_t size = 0;
    int rc = admission_codec_encode_verdicts(
        &(struct mempool_verdicts){.batch = 1, .verdicts = verdicts, .verdict_count = 1}, 1, &frame, &size);
    free(frame);
    return rc;
}

static int fetch_round(void)
{
    const struct hash ids[] = {{{1}}, {{2}}};
    uint8_t *frame = NULL;
    size_t size = 0;
    int rc = gossip_codec_encode_fetch(&(struct mempool_question){.request = 1, .tx_ids = ids, .tx_count = 2}, &frame,
                                       &size);
    if (rc < 0)
        return rc;
    struct gossip_codec_frame decoded;
    rc = gossip_codec_decode(&decoded, span_of(frame, size));
    free(frame);
    if (rc < 0)
        return rc;
    gossip_codec_deinit(&decoded);
    return 0;
}

static int bodies_round(void)
{
    const struct span bodies[] = {span_text("a body")};
    uint8_t *frame = NULL;
    size_t size = 0;
    struct mempool_answer answer = {.request = 1, .bodies = bodies, .body_count = 1};
    int rc = pool_codec_encode_batch(&answer, &frame, &size);
    free(frame);
    frame = NULL;
    if (rc == 0)
        rc = pool_codec_encode_resolved(&answer, &frame, &size);
    free(frame);
    frame = NULL;
    if (rc == 0)
        rc = gossip_codec_encode_bodies(&answer, &frame, &size);
    if (rc < 0)
        return rc;
    struct gossip_codec_frame decoded;
    rc = gossip_codec_decode(&decoded, span_of(frame, size));
    free(frame);
    if (rc < 0)
        return rc;
    gossip_codec_deinit(&decoded);
    return 0;
}

static int status_round(void)
{
    uint8_t *frame = NULL;
    size_t size = 0;
    int rc = query_codec_encode_status(1, &(struct query_codec_item){.name = "epoch", .value = 7}, 1, &frame, &size);
    free(frame);
    return rc;
}

static void a_codec_without_memory_fails_and_leaks_nothing(void **state)
{
    (void)state;
    int (*const rounds[])(void) = {verdicts_round, fetch_round, bodies_round, status_round};
    for (size_t i = 0; i < sizeof rounds / sizeof rounds[0]; i++) {
        int rc = -1;
        long count = 0;
        for (; rc != 0; count++) {
            assert_true(count < 100);
            allocations_left = count;
            rc = rounds[i]();
            allocations_left = -1;
            /* protobuf-c says malformed when it has no memory. */
            assert_true(rc == 0 || rc == -ENOMEM || rc == ERR_MALFORMED);
        }
        assert_true(count > 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pool_is_made_whole_or_not_at_all),
        cmocka_unit_test(without_memory_a_transaction_is_refused_and_nothing_breaks),
        cmocka_unit_test(the_verdict_without_memory_is_full),
        cmocka_unit_test(a_codec_without_memory_fails_and_leaks_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
