/* fuzz_executor.c - bodies of any bytes through building, checking and committing: nothing they hold may reach an
 * assertion, and a built block always checks.
 */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "common/base/genesis.h"
#include "services/executord/executor.h"

enum { BODIES_MAX = 16, HEIGHT_MAX = 64 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct genesis genesis;
static struct genesis_producer producer;

static int facts_of(void *context, struct span params, struct policy_facts *out)
{
    (void)context;
    *out = (struct policy_facts){.ttl_s = params.size};
    return 0;
}

static struct executor *start(void)
{
    genesis.parameters = genesis_parameters_default();
    genesis.parameters.block_max_txs = 100;
    genesis.created_ms = 1000;
    genesis.validator_count = 1;
    producer.roles = 15; /* its key is 32 zero bytes */
    genesis.producers = &producer;
    genesis.producer_count = 1;
    struct executor *executor = NULL;
    int rc = executor_new(&executor, &(struct executor_options){
                                         .genesis = &genesis,
                                         .retain_versions = 4,
                                         .speculative_max = 4,
                                         .state_bytes_max = 256 << 20,
                                         .policy_facts = facts_of,
                                         .seed = 7,
                                     });
    assert(rc == 0);
    return executor;
}

/* u16 length || body, again and again. */
static size_t split(struct span *bodies, struct bytes_reader *reader)
{
    size_t count = 0;
    while (count < BODIES_MAX && bytes_left(reader) > 2) {
        size_t length = bytes_get_u16(reader);
        bodies[count++] = bytes_get_span(reader, length <= bytes_left(reader) ? length : bytes_left(reader));
    }
    return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct executor *executor;
    if (executor && executor_committed(executor)->header.height >= HEIGHT_MAX)
        executor_destroy(&executor);
    if (!executor)
        executor = start();
    struct span bodies[BODIES_MAX];
    struct bytes_reader reader = bytes_reader_of(span_of(data, size));
    const struct version *parent = executor_committed(executor);
    struct executor_build build = {
        .parent_id = parent->id,
        .height = parent->header.height + 1,
        .timestamp_ms = parent->header.timestamp_ms + 1000 + bytes_get_u16(&reader) * UINT64_C(1000),
        .bodies = {.items = bodies, .count = split(bodies, &reader)},
    };
    struct executor_built built;
    int rc = executor_build(executor, &build, &built);
    assert(rc == 0 && built.version->header.tx_count + built.refused_count == build.bodies.count);
    struct block_header header = built.version->header;
    struct executor_block block = {.header = &header};
    const struct version *prepared;
    rc = executor_prepare(executor, &block, &prepared);
    assert(rc == 0);
    executor_commit(executor, prepared);
    return 0;
}
