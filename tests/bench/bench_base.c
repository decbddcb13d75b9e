/* bench_base.c - what the pure layer's operations cost: one JSON line each, the best of several rounds.
 *
 * {"op": name, "us_per_op": number, "ops": number per round}
 */
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/base/hash.h"
#include "common/base/map.h"
#include "common/base/merkle.h"
#include "common/base/sign.h"
#include "common/base/tx.h"

enum { ROUNDS = 5, PAYLOAD_BYTES = 512, MERKLE_ITEMS = 1000, MAP_KEYS = 100000 };

/* Everything the operations work on. */
struct bench {
    struct sign_key key;
    uint8_t payload[PAYLOAD_BYTES];
    struct hash content_hash;
    uint8_t nonce[TX_NONCE_BYTES];
    struct signature signature;
    struct tx_fields fields;
    uint8_t body[4096];
    size_t body_size;
    struct tx tx;
    struct hash *items;
    struct hash *scratch;
    struct map *map;
};

/* Results go here, so that no work is left out as unused. */
static volatile uint64_t sink;

static void bench_sign(struct bench *bench)
{
    bench->body_size = tx_encoded_size(&bench->fields);
    tx_encode(bench->body, &bench->fields);
    const char *why;
    if (tx_parse(&bench->tx, span_of(bench->body, bench->body_size), &why) != 0) {
        fprintf(stderr, "the bench's own transaction is refused: %s\n", why);
        exit(EXIT_FAILURE);
    }
    uint8_t bytes[sizeof bench->body + 64];
    size_t size = tx_signing_bytes(&bench->tx, bytes, sizeof bytes);
    sign_message(&bench->signature, &bench->key, span_of(bytes, size));
}

static void bench_fields(struct bench *bench)
{
    struct span producer = span_of(bench->key.public.bytes, SIGN_PUBLIC_BYTES);
    bench->fields = (struct tx_fields){.kind = TX_ANOMALY,
                                       .id = span_text("6f1d3a52-7f0e-4c7b-9d35-0a4b8f6f2c11"),
                                       .type = span_text("port_scan"),
                                       .source = span_text("sensor-1.dmz"),
                                       .model_version = span_text("ddos-v3.1"),
                                       .alg = span_text("Ed25519-v2"),
                                       .content = span_of(bench->payload, PAYLOAD_BYTES),
                                       .severity = 7,
                                       .confidence = 0.875,
                                       .ts = 1760000000,
                                       .content_hash = span_of(bench->content_hash.bytes, HASH_BYTES),
                                       .producer_id = producer,
                                       .nonce = span_of(bench->nonce, TX_NONCE_BYTES),
                                       .signature = span_of(bench->signature.bytes, SIGN_BYTES),
                                       .pubkey = producer};
}

static void bench_init(struct bench *bench)
{
    const uint8_t seed[SIGN_SEED_BYTES] = {1};
    memset(bench, 0, sizeof *bench);
    sign_key_from_seed(&bench->key, seed);
    memset(bench->payload, ' ', PAYLOAD_BYTES);
    bench->payload[0] = '{';
    bench->payload[PAYLOAD_BYTES - 1] = '}';
    bench->content_hash = hash_sha256(span_of(bench->payload, PAYLOAD_BYTES));
    bench_fields(bench);
    bench_sign(bench); /* signs the form without its signature */
    bench_sign(bench); /* the body now has the signature in it */
    bench->items = calloc(MAP_KEYS, sizeof *bench->items);
    bench->scratch = calloc(MERKLE_ITEMS, sizeof *bench->scratch);
    if (!bench->items || !bench->scratch || map_new(&bench->map, MAP_KEYS, 1) < 0)
        exit(EXIT_FAILURE);
    for (uint32_t i = 0; i < MAP_KEYS; i++)
        bench->items[i] = hash_of(span_of(&i, sizeof i));
}

static void run_verify(struct bench *bench, uint32_t i)
{
    uint8_t scratch[sizeof bench->body + 64];
    int verdict = tx_check_signature(&bench->tx, scratch, sizeof scratch);
    if (verdict != 0)
        abort();
    sink += i;
}

static void run_sign(struct bench *bench, uint32_t i)
{
    struct signature signature;
    sign_message(&signature, &bench->key, span_of(&i, sizeof i));
    sink += signature.bytes[0];
}

static void run_hash_64(struct bench *bench, uint32_t i)
{
    struct hash hash = hash_of(span_of(&bench->items[i % (MAP_KEYS - 1)], 2 * HASH_BYTES));
    sink += hash.bytes[0];
}

static void run_sha256_512(struct bench *bench, uint32_t i)
{
    sink += hash_sha256(span_of(bench->payload, PAYLOAD_BYTES)).bytes[0] + i;
}

static void run_tx_id(struct bench *bench, uint32_t i)
{
    sink += tx_id(span_of(bench->body, bench->body_size)).bytes[0] + i;
}

static void run_tx_parse(struct bench *bench, uint32_t i)
{
    struct tx tx;
    const char *why;
    sink += (uint64_t)tx_parse(&tx, span_of(bench->body, bench->body_size), &why) + i;
}

static void run_tx_encode(struct bench *bench, uint32_t i)
{
    uint8_t body[sizeof bench->body];
    if (tx_encoded_size(&bench->fields) > sizeof body)
        abort();
    tx_encode(body, &bench->fields);
    sink += body[bench->body_size - 1] + i;
}

static void run_merkle_root(struct bench *bench, uint32_t i)
{
    sink += merkle_root(bench->items, MERKLE_ITEMS, bench->scratch).bytes[0] + i;
}

static void run_map_put_remove(struct bench *bench, uint32_t i)
{
    const struct hash *key = &bench->items[i % MAP_KEYS];
    if (map_put(bench->map, key, bench) < 0)
        abort();
    if (i >= MAP_KEYS / 2)
        map_remove(bench->map, &bench->items[(i - MAP_KEYS / 2) % MAP_KEYS]);
    sink += map_count(bench->map);
}

static const struct operation {
    const char *name;
    void (*run)(struct bench *bench, uint32_t i);
    uint32_t count; /* in a round */
} operations[] = {
    {"tx_check_signature", run_verify, 2000},       {"sign_message", run_sign, 5000},
    {"hash_64_bytes", run_hash_64, 500000},         {"sha256_512_bytes", run_sha256_512, 200000},
    {"tx_id_512_payload", run_tx_id, 200000},       {"tx_parse", run_tx_parse, 500000},
    {"tx_encode", run_tx_encode, 500000},           {"merkle_root_1000", run_merkle_root, 200},
    {"map_put_remove", run_map_put_remove, 500000},
};

static double now_us(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec * 1e6 + (double)time.tv_nsec / 1e3;
}

static double round_us(struct bench *bench, const struct operation *operation)
{
    double begin = now_us();
    for (uint32_t i = 0; i < operation->count; i++)
        operation->run(bench, i);
    return (now_us() - begin) / operation->count;
}

/* bench_base [OPERATION]: a line of JSON for each operation, or for that one. */
int main(int argc, char *argv[])
{
    static struct bench bench;
    if (sodium_init() < 0)
        return EXIT_FAILURE;
    bench_init(&bench);
    for (size_t i = 0; i < ARRAY_COUNT(operations); i++) {
        if (argc > 1 && strcmp(argv[1], operations[i].name) != 0)
            continue;
        double best = round_us(&bench, &operations[i]);
        for (int round = 1; round < ROUNDS; round++) {
            double us = round_us(&bench, &operations[i]);
            best = us < best ? us : best;
        }
        printf("{\"op\": \"%s\", \"us_per_op\": %.4f, \"ops\": %u}\n", operations[i].name, best, operations[i].count);
    }
    map_destroy(&bench.map);
    free(bench.items);
    free(bench.scratch);
    return EXIT_SUCCESS;
}
