/* test_executord_store.c - a real store in a directory of its own. */
#include "tests/unit/executord/world.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/err.h"
#include "common/edge/store.h"
#include "proto/outcome.pb-c.h"
#include "services/executord/executord_store.h"
#include "services/executord/outcome_codec.h"

static char directory[] = "/tmp/executord-store-XXXXXX";

static int setup(void **state)
{
    strcpy(directory + strlen(directory) - 6, "XXXXXX");
    return mkdtemp(directory) ? 0 : -1;
}

static int teardown(void **state)
{
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", directory);
    return system(command);
}

static struct executord_store *store_of(void)
{
    struct executord_store *store = NULL;
    struct executord_store_options options = {.path = directory, .map_bytes_max = 64 << 20};
    assert_int_equal(executord_store_open(&store, &options), 0);
    return store;
}

/* Make one block with this anomaly, store it, then commit it. */
static void append(struct world *world, struct executord_store *store, const struct executor_build *build)
{
    struct executor_built built;
    assert_int_equal(executor_build(world->executor, build, &built), 0);
    const struct version *version;
    struct executor_block block = {.header = &built.version->header};
    assert_int_equal(executor_prepare(world->executor, &block, &version), 0);
    assert_int_equal(executord_store_append(store, version, span_text("proof")), 0);
    executor_commit(world->executor, version);
}

static void append_empty(struct world *world, struct executord_store *store)
{
    struct executor_build build = world_build_on(executor_committed(world->executor), NULL, 0);
    append(world, store, &build);
}

static void commit_stored(struct world *world, struct executord_store *store, unsigned number)
{
    char id[16];
    snprintf(id, sizeof id, "id-%u", number);
    struct world_body body = world_body(world, &(struct world_event){TX_ANOMALY, .id = id, .nonce = number});
    struct span span = world_span(&body);
    struct executor_build build = world_build_on(executor_committed(world->executor), &span, 1);
    append(world, store, &build);
    assert_int_equal(executord_store_write(store), 0);
    world_body_free(&body);
}

static void a_restart_has_every_height_again(void **state)
{
    struct world world;
    world_genesis(&world);
    world_start(&world, 1);
    struct executord_store *store = store_of();
    assert_int_equal(executord_store_load(store, world.executor), 0);
    for (unsigned i = 1; i <= 5; i++)
        commit_stored(&world, store, i);
    struct hash before = executor_committed(world.executor)->id;
    uint64_t keys = executor_usage(world.executor).key_count;
    executord_store_close(&store);
    world_end(&world);

    world_start(&world, 2);
    store = store_of();
    assert_int_equal(executord_store_load(store, world.executor), 0);
    assert_true(hash_equal(&executor_committed(world.executor)->id, &before));
    assert_int_equal(executor_usage(world.executor).key_count, keys);
    commit_stored(&world, store, 6);
    assert_int_equal(executor_committed(world.executor)->header.height, 6);
    executord_store_close(&store);
    world_end(&world);
}

static void another_genesis_is_refused(void **state)
{
    struct world world;
    world_genesis(&world);
    world_start(&world, 1);
    struct executord_store *store = store_of();
    assert_int_equal(executord_store_load(store, world.executor), 0);
    world_end(&world);
    world.genesis.chain_id.bytes[0] ^= 1;
    world_start(&world, 1);
    assert_int_equal(executord_store_load(store, world.executor), ERR_CONFIG);
    executord_store_close(&store);
    world_end(&world);
}

static void changes_that_do_not_give_the_root_are_corrupt(void **state)
{
    struct world world;
    world_genesis(&world);
    world_start(&world, 1);
    struct executord_store *store = store_of();
    assert_int_equal(executord_store_load(store, world.executor), 0);
    for (unsigned i = 1; i <= 2; i++)
        commit_stored(&world, store, i);
    executord_store_close(&store);
    world_end(&world);

    /* Put the first block's record in the second's place. */
    struct store *raw = NULL;
    struct store_table table;
    uint8_t *value;
    size_t size;
    struct store_options options = {
        .path = directory, .map_bytes = 64 << 20, .map_bytes_max = 64 << 20, .table_count_max = 4};
    assert_int_equal(store_open(&raw, &options), 0);
    assert_int_equal(store_table_open(raw, "outcomes", STORE_KEYS_HEIGHT, &table), 0);
    assert_int_equal(store_get_copy(raw, table, store_key_height(1), &value, &size), 0);
    struct store_op op = {STORE_PUT, table, store_key_height(2), span_of(value, size)};
    assert_int_equal(store_write(raw, &op, 1), 0);
    free(value);
    store_close(&raw);

    world_start(&world, 1);
    store = store_of();
    assert_int_equal(executord_store_load(store, world.executor), ERR_CORRUPT);
    executord_store_close(&store);
    world_end(&world);
}

static void heads_and_outcomes_are_served(void **state)
{
    struct world world;
    world_genesis(&world);
    world_start(&world, 1);
    struct executord_store *store = store_of();
    assert_int_equal(executord_store_load(store, world.executor), 0);
    for (unsigned i = 1; i <= 4; i++)
        commit_stored(&world, store, i);
    struct executord_store_head head;
    assert_int_equal(executord_store_head(store, 4, &head), 0);
    struct block_header header;
    assert_int_equal(block_header_decode(&header, span_of(head.header, sizeof head.header)), 0);
    struct hash id = block_id(&header);
    assert_true(hash_equal(&id, &executor_committed(world.executor)->id));
    assert_true(span_equal(head.proof, span_text("proof")));
    assert_int_equal(executord_store_head(store, 0, &head), 0);
    assert_int_equal(head.proof.size, 0);
    assert_int_equal(executord_store_head(store, 5, &head), ERR_NOT_FOUND);

    static const struct {
        struct executord_store_ask ask;
        size_t count;
    } cases[] = {
        {{7, 0, 100, 1 << 20}, 5}, /* all */
        {{7, 2, 2, 1 << 20}, 2},   /* by count */
        {{7, 1, 100, 1}, 1},       /* by size: one always */
        {{7, 4, 0, 1 << 20}, 1},   /* none asked is one */
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct span payload;
        assert_int_equal(executord_store_outcomes(store, &cases[i].ask, &payload), 0);
        Cybermesh__Outcome__V1__OutcomeFrame *frame =
            cybermesh__outcome__v1__outcome_frame__unpack(NULL, payload.size, payload.data);
        assert_non_null(frame);
        assert_int_equal(frame->outcomes->request, 7);
        assert_int_equal(frame->outcomes->n_blocks, cases[i].count);
        for (size_t block = 0; block < cases[i].count; block++)
            assert_int_equal(frame->outcomes->blocks[block]->height, cases[i].ask.height_first + block);
        cybermesh__outcome__v1__outcome_frame__free_unpacked(frame, NULL);
    }
    struct span payload;
    struct executord_store_ask ask = {7, 5, 1, 1};
    assert_int_equal(executord_store_outcomes(store, &ask, &payload), ERR_NOT_FOUND);
    assert_true(executord_store_bytes(store) > 0);
    executord_store_close(&store);
    world_end(&world);
}

static void versions_appended_are_written_together_or_not_at_all(void **state)
{
    (void)state;
    struct world world;
    world_genesis(&world);
    world_start(&world, 1);
    struct executord_store *store = store_of();
    assert_int_equal(executord_store_load(store, world.executor), 0);
    assert_int_equal(executord_store_write(store), 0); /* nothing */
    struct executord_store_head head;
    for (unsigned height = 1; height <= EXECUTORD_STORE_APPENDED_MAX; height++) {
        append_empty(&world, store);
        assert_int_equal(executord_store_head(store, height, &head), ERR_NOT_FOUND);
    }
    assert_int_equal(executord_store_write(store), 0);
    for (unsigned height = 1; height <= EXECUTORD_STORE_APPENDED_MAX; height++) {
        struct block_header header;
        assert_int_equal(executord_store_head(store, height, &head), 0);
        assert_int_equal(block_header_decode(&header, span_of(head.header, sizeof head.header)), 0);
        assert_int_equal(header.height, height);
    }
    append_empty(&world, store);
    assert_int_equal(executord_store_append(store, executor_committed(world.executor), span_text("proof")), 0);
    assert_int_equal(executord_store_write(store), -EEXIST);
    assert_int_equal(executord_store_head(store, EXECUTORD_STORE_APPENDED_MAX + 1, &head), ERR_NOT_FOUND);
    assert_int_equal(executord_store_write(store), 0); /* nothing is left of it */
    executord_store_close(&store);
    world_end(&world);
}

static void a_height_out_of_order_is_not_written(void **state)
{
    struct world world;
    world_genesis(&world);
    world_start(&world, 1);
    struct executord_store *store = store_of();
    assert_int_equal(executord_store_load(store, world.executor), 0);
    assert_int_equal(executord_store_append(store, executor_committed(world.executor), (struct span){0}), 0);
    assert_int_equal(executord_store_write(store), -EEXIST);
    executord_store_close(&store);
    world_end(&world);
}

static void a_genesis_certificate_is_kept_and_can_be_replaced(void **state)
{
    struct executord_store *store = store_of();
    assert_int_equal(executord_store_certificate(store).size, 0);
    assert_int_equal(executord_store_put_certificate(store, span_text("one")), 0);
    assert_int_equal(executord_store_put_certificate(store, span_text("another")), 0);
    executord_store_close(&store);
    store = store_of();
    assert_true(span_equal(executord_store_certificate(store), span_text("another")));
    static uint8_t large[OUTCOME_CODEC_CERTIFICATE_BYTES_MAX + 1];
    assert_int_equal(executord_store_put_certificate(store, span_of(large, sizeof large)), ERR_TOO_LARGE);
    assert_int_equal(executord_store_put_certificate(store, span_of(large, sizeof large - 1)), 0);
    assert_int_equal(executord_store_certificate(store).size, sizeof large - 1);
    executord_store_close(&store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_restart_has_every_height_again, setup, teardown),
        cmocka_unit_test_setup_teardown(another_genesis_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(changes_that_do_not_give_the_root_are_corrupt, setup, teardown),
        cmocka_unit_test_setup_teardown(heads_and_outcomes_are_served, setup, teardown),
        cmocka_unit_test_setup_teardown(a_genesis_certificate_is_kept_and_can_be_replaced, setup, teardown),
        cmocka_unit_test_setup_teardown(a_height_out_of_order_is_not_written, setup, teardown),
        cmocka_unit_test_setup_teardown(versions_appended_are_written_together_or_not_at_all, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
