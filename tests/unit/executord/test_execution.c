/* test_execution.c - what the stories of test_executor.c cannot reach. */
#include "tests/unit/executord/world.h"

#include "common/base/err.h"
#include "services/executord/execution.h"
#include "services/executord/record.h"

static struct slab *slab;
static struct execution *execution;
static struct world world;

static int setup(void **state)
{
    world_genesis(&world);
    if (slab_new(&slab, &(struct slab_options){.bytes_max = 64 << 20}) < 0)
        return -1;
    struct execution_options options = {.genesis = &world.genesis, .slab = slab, .seed = 1};
    return execution_new(&execution, &options);
}

static int teardown(void **state)
{
    execution_destroy(&execution);
    uint64_t used = slab_used_bytes(slab);
    slab_destroy(&slab);
    return used == 0 ? 0 : -1;
}

/* Start a block that puts this producer record first. */
static void begin_with(const struct record_producer *record)
{
    uint8_t data[128];
    struct bytes_writer value = bytes_writer_of(data, sizeof data);
    record_producer_encode(&value, record);
    struct record_key key = record_key_producer(&world.producers[WORLD_ANOMALIES].key);
    execution_begin(execution, &(struct execution_base){.height = 1, .timestamp_ms = WORLD_CREATED_MS});
    assert_int_equal(execution_put(execution, record_key_span(&key), bytes_written(&value)), 0);
}

static void a_producer_that_is_not_active_is_unknown(void **state)
{
    struct world_body body = world_body(&world, &(struct world_event){TX_ANOMALY, .id = "a", .nonce = 1});
    enum reason reason;
    begin_with(&(struct record_producer){.roles = PRODUCER_ROLE_ANOMALY, .active = false});
    assert_int_equal(execution_apply(execution, world_span(&body), &reason), EXECUTION_REFUSED);
    assert_int_equal(reason, REASON_PRODUCER_UNKNOWN);
    begin_with(&(struct record_producer){.roles = PRODUCER_ROLE_ANOMALY, .active = true});
    assert_int_equal(execution_judge(execution, world_span(&body), &reason), 0);
    assert_int_equal(execution_apply(execution, world_span(&body), &reason), 0);
    execution_clear(execution);
    world_body_free(&body);
}

static void a_nonce_record_that_is_none_or_twice_is_malformed(void **state)
{
    uint8_t data[64];
    struct bytes_writer value = bytes_writer_of(data, sizeof data);
    record_nonce_encode(&value, &(struct record_nonce){.expires_at_s = 5});
    execution_begin(execution, &(struct execution_base){.height = 1});
    assert_int_equal(execution_put(execution, span_text("nonce/a"), span_text("\x08")), ERR_MALFORMED);
    assert_int_equal(execution_put(execution, span_text("nonce/a"), bytes_written(&value)), 0);
    assert_int_equal(execution_put(execution, span_text("nonce/a"), bytes_written(&value)), ERR_MALFORMED);
    execution_clear(execution);
}

static void the_bound_on_expiry_grows_with_the_block(void **state)
{
    enum { NONCES = 1000, TXS = 10 };
    uint8_t data[64];
    struct bytes_writer value = bytes_writer_of(data, sizeof data);
    record_nonce_encode(&value, &(struct record_nonce){.expires_at_s = 5});
    execution_begin(execution, &(struct execution_base){.height = 1});
    for (uint32_t i = 0; i < NONCES; i++) {
        uint8_t key[] = {'n', 'o', 'n', 'c', 'e', '/', (uint8_t)(i >> 8), (uint8_t)i};
        assert_int_equal(execution_put(execution, span_of(key, sizeof key), bytes_written(&value)), 0);
    }
    struct execution_result first, second;
    assert_int_equal(execution_end(execution, &first), 0);
    assert_int_equal(first.keys_added, NONCES);
    execution_begin(execution, &(struct execution_base){
                                   .root = first.root,
                                   .expiry = first.expiry,
                                   .height = 2,
                                   .timestamp_ms = WORLD_CREATED_MS,
                               });
    execution_replayed(execution, TXS);
    assert_int_equal(execution_end(execution, &second), 0);
    assert_int_equal(second.keys_added, -(EXECUTION_EXPIRED_BASE + TXS * EXECUTION_EXPIRED_PER_TX));
    execution_clear(execution);
    state_release(slab, first.root);
    state_release(slab, second.root);
    expiry_release(slab, first.expiry);
    expiry_release(slab, second.expiry);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_producer_that_is_not_active_is_unknown, setup, teardown),
        cmocka_unit_test_setup_teardown(a_nonce_record_that_is_none_or_twice_is_malformed, setup, teardown),
        cmocka_unit_test_setup_teardown(the_bound_on_expiry_grows_with_the_block, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
