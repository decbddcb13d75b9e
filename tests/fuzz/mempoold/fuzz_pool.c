#include "tests/fuzz/mempoold/fuzz_pool.h"

#include <stdlib.h>

static struct mempool *pool;
static struct mempool_effects effects;
static uint64_t now_ms;

static void pool_end(void)
{
    mempool_destroy(&pool);
}

static void pool_begin(void)
{
    struct mempool_limits limits = {
        .tx_count_max = 8,
        .tx_bytes_max = 2 << 20,
        .ttl_ms = 5000,
        .rate_per_second = 10,
        .block_tx_count_max = 16,
        .block_bytes_max = 2 << 20,
        .validator_count = 4,
        .peers = 0xe,
        .epoch = 1,
        .seed = 1,
    };
    if (mempool_new(&pool, &limits) < 0)
        abort();
    atexit(pool_end);
}

void fuzz_pool_step(struct mempool_event *event)
{
    if (!pool)
        pool_begin();
    event->now_ms = ++now_ms;
    mempool_step(pool, event, &effects);
    for (size_t i = 0; i < effects.count; i++) {
        if (effects.items[i].kind != MEMPOOL_VERIFY)
            continue;
        struct mempool_event verified = {
            .kind = MEMPOOL_VERIFIED, .now_ms = now_ms, .verified = effects.items[i].verify};
        mempool_step(pool, &verified, &effects);
        break;
    }
    if (now_ms % 64 == 0) {
        struct mempool_event tick = {.kind = MEMPOOL_TICK, .now_ms = now_ms += 100};
        mempool_step(pool, &tick, &effects);
    }
}
