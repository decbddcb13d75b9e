/* test_memory.c - every allocation fails once: what was given comes back, and the next try succeeds. Linked with
 * --wrap=malloc and --wrap=calloc.
 */
#include "tests/unit/persistd/chain.h"

#include <errno.h>
#include <stdlib.h>

#include "services/persistd/rows.h"

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);

static long fail_at; /* this many allocations from now; 0: none */

static int fails(void)
{
    return fail_at > 0 && --fail_at == 0;
}

void *__wrap_malloc(size_t size)
{
    return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return fails() ? NULL : __real_calloc(count, size);
}

static struct span frame_of_all_kinds(struct chain *chain)
{
    chain_begin(chain);
    chain_add(chain,
              (struct chain_event[]){
                  {.kind = TX_ANOMALY, .id = "a"}, {.kind = TX_EVIDENCE, .id = "e"}, {.kind = TX_POLICY, .id = "p"}},
              3);
    return chain_frame(chain, 0, 2);
}

static void a_frame_is_decoded_or_nothing_is(void **state)
{
    struct chain chain;
    struct span bytes = frame_of_all_kinds(&chain);
    int rc = -ENOMEM;
    long at = 0;
    while (rc == -ENOMEM && at < 1000) {
        struct outcome_codec_frame frame = {0};
        fail_at = ++at;
        rc = outcome_codec_decode(&frame, bytes);
        fail_at = 0;
        assert_true(rc == 0 || (rc == -ENOMEM && !frame.outcomes));
        outcome_codec_deinit(&frame);
    }
    assert_int_equal(rc, 0);
    assert_true(at > 3);
    free((void *)(uintptr_t)bytes.data);
    chain_end(&chain);
}

static void rows_are_built_or_there_are_none(void **state)
{
    struct chain chain;
    struct span bytes = frame_of_all_kinds(&chain);
    struct chain_run run = chain_run(&chain, 0, 2);
    int rc = -ENOMEM;
    long at = 0;
    while (rc == -ENOMEM && at < 1000) {
        struct rows rows;
        const char *why;
        rows_init(&rows, 1);
        fail_at = ++at;
        rc = rows_build(&rows, run.outcomes, 2, &why);
        fail_at = 0;
        assert_true(rc == 0 || (rc == -ENOMEM && rows.txs.count == 0 && rows.blocks.count == 0));
        if (rc < 0)
            assert_int_equal(rows_build(&rows, run.outcomes, 2, &why), 0);
        assert_int_equal(rows.txs.count, 3);
        rows_deinit(&rows);
    }
    assert_int_equal(rc, 0);
    assert_true(at > 10);
    chain_run_end(&run);
    free((void *)(uintptr_t)bytes.data);
    chain_end(&chain);
}

static void the_next_run_of_that_size_costs_no_more_than_its_index(void **state)
{
    struct chain chain;
    chain_begin(&chain);
    chain_add_anomalies(&chain, "a", 2000);
    struct chain_run run = chain_run(&chain, 1, 1);
    struct rows rows;
    const char *why;
    rows_init(&rows, 1);
    assert_int_equal(rows_build(&rows, run.outcomes, 1, &why), 0);
    fail_at = 5; /* the map and its table */
    assert_int_equal(rows_build(&rows, run.outcomes, 1, &why), 0);
    assert_true(fail_at > 0);
    fail_at = 0;
    rows_deinit(&rows);
    chain_run_end(&run);
    chain_end(&chain);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_frame_is_decoded_or_nothing_is),
        cmocka_unit_test(rows_are_built_or_there_are_none),
        cmocka_unit_test(the_next_run_of_that_size_costs_no_more_than_its_index),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
