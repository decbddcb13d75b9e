/* bench_executor.c - what execution costs per transaction: one JSON line per case, CPU time.
 *
 * {"op": "build" | "check" | "commit", "block_txs": number, "keys": number, "us_per_tx": number}
 *
 * Blocks of anomalies with 512-byte payloads, from four producers; build on one executor, check on another, commit on
 * both (without the store). keys: of the state when the last block was done.
 */
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/base/genesis.h"
#include "common/base/tx.h"
#include "services/executord/executor.h"

enum { PAYLOAD_BYTES = 512, PRODUCERS = 4, BLOCK_TXS_MAX = 5000 };

static const struct {
    size_t block_txs;
    size_t blocks;
} cases[] = {{1, 2000}, {20, 1000}, {500, 100}, {500, 1000}, {5000, 10}};

struct bench {
    struct genesis genesis;
    struct genesis_producer producers[PRODUCERS];
    struct executor *proposer;
    struct executor *voter;
    struct span bodies[BLOCK_TXS_MAX];
    uint8_t payload[PAYLOAD_BYTES];
    uint32_t made;
    double build_us;
    double check_us;
    double commit_us;
};

static double cpu_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

static void check(bool good, const char *what)
{
    if (good)
        return;
    fprintf(stderr, "bench_executor: %s failed\n", what);
    exit(EXIT_FAILURE);
}

static int no_facts(void *context, struct span params, struct policy_facts *out)
{
    (void)context;
    (void)params;
    *out = (struct policy_facts){.ttl_s = 0};
    return 0;
}

static struct executor *executor_of(const struct bench *bench)
{
    struct executor *executor = NULL;
    struct executor_options options = {
        .genesis = &bench->genesis,
        .retain_versions = 100,
        .speculative_max = 64,
        .state_bytes_max = UINT64_C(8) << 30,
        .policy_facts = no_facts,
        .seed = 1,
    };
    check(executor_new(&executor, &options) == 0, "start");
    return executor;
}

static void start(struct bench *bench)
{
    struct genesis *genesis = &bench->genesis;
    genesis->parameters = genesis_parameters_default();
    genesis->parameters.block_max_bytes = 64 << 20;
    genesis->created_ms = UINT64_C(1700000000000);
    genesis->validator_count = 4;
    for (uint32_t i = 0; i < genesis->validator_count; i++) {
        memset(genesis->validators[i].sign_key.bytes, (int)i + 1, SIGN_PUBLIC_BYTES);
        genesis->validators[i].id = sign_public_id(&genesis->validators[i].sign_key);
    }
    for (uint32_t i = 0; i < PRODUCERS; i++) {
        memset(bench->producers[i].key.bytes, (int)i + 0x40, SIGN_PUBLIC_BYTES);
        bench->producers[i].roles = PRODUCER_ROLE_ANOMALY;
    }
    genesis->producers = bench->producers;
    genesis->producer_count = PRODUCERS;
    memset(bench->payload, 'x', sizeof bench->payload);
    bench->proposer = executor_of(bench);
    bench->voter = executor_of(bench);
}

static struct span body_of(struct bench *bench)
{
    static const uint8_t zeros[SIGN_BYTES];
    uint32_t number = bench->made++;
    const struct sign_public *key = &bench->producers[number % PRODUCERS].key;
    char id[40];
    uint8_t nonce[TX_NONCE_BYTES] = {0};
    snprintf(id, sizeof id, "3f2a%08x-4abc-9def-%012x", number * UINT32_C(2654435761), number);
    memcpy(nonce, &number, sizeof number);
    struct tx_fields fields = {
        .kind = TX_ANOMALY,
        .id = span_text(id),
        .type = span_text("port_scan"),
        .source = span_text("10.1.2.3"),
        .model_version = span_text("1.0"),
        .alg = span_text("Ed25519-v2"),
        .content = span_of(bench->payload, sizeof bench->payload),
        .severity = 7,
        .confidence = 0.5,
        .ts = INT64_C(1700000000),
        .content_hash = span_of(zeros, HASH_BYTES),
        .producer_id = span_of(key->bytes, SIGN_PUBLIC_BYTES),
        .nonce = span_of(nonce, sizeof nonce),
        .signature = span_of(zeros, SIGN_BYTES),
        .pubkey = span_of(key->bytes, SIGN_PUBLIC_BYTES),
    };
    size_t size = tx_encoded_size(&fields);
    uint8_t *data = malloc(size);
    check(data != NULL, "malloc");
    tx_encode(data, &fields);
    return span_of(data, size);
}

static void commit(struct executor *executor, const struct block_header *header)
{
    const struct version *version;
    check(executor_prepare(executor, &(struct executor_block){.header = header}, &version) == 0, "prepare");
    executor_commit(executor, version);
}

static void one_block(struct bench *bench, size_t txs)
{
    for (size_t i = 0; i < txs; i++)
        bench->bodies[i] = body_of(bench);
    const struct version *parent = executor_committed(bench->proposer);
    struct executor_build build = {
        .parent_id = parent->id,
        .height = parent->header.height + 1,
        .timestamp_ms = parent->header.timestamp_ms + 20,
        .bodies = {.items = bench->bodies, .count = txs},
    };
    struct executor_built built;
    double start_us = cpu_us();
    check(executor_build(bench->proposer, &build, &built) == 0 && built.refused_count == 0, "build");
    double built_us = cpu_us();
    struct block_header header = built.version->header;
    struct executor_refused bad;
    struct executor_block block = {.header = &header, .bodies = build.bodies};
    check(executor_check(bench->voter, &block, &bad) == 0, "check");
    double checked_us = cpu_us();
    commit(bench->proposer, &header);
    commit(bench->voter, &header);
    bench->commit_us += (cpu_us() - checked_us) / 2;
    bench->check_us += checked_us - built_us;
    bench->build_us += built_us - start_us;
    for (size_t i = 0; i < txs; i++)
        free((void *)(uintptr_t)bench->bodies[i].data);
}

int main(void)
{
    check(sodium_init() >= 0, "sodium_init");
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        static struct bench bench;
        bench = (struct bench){.made = 0};
        start(&bench);
        for (size_t block = 0; block < cases[i].blocks; block++)
            one_block(&bench, cases[i].block_txs);
        const struct {
            const char *op;
            double us;
        } lines[] = {{"build", bench.build_us}, {"check", bench.check_us}, {"commit", bench.commit_us}};
        for (size_t line = 0; line < ARRAY_COUNT(lines); line++)
            printf("{\"op\": \"%s\", \"block_txs\": %zu, \"keys\": %llu, \"us_per_tx\": %.2f}\n", lines[line].op,
                   cases[i].block_txs, (unsigned long long)executor_usage(bench.proposer).key_count,
                   lines[line].us / bench.made);
        executor_destroy(&bench.proposer);
        executor_destroy(&bench.voter);
    }
    return EXIT_SUCCESS;
}
