#include "tests/unit/mempoold/pool_world.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/equivocation.h"

enum { NAMES_MAX = 512 };

struct mempool_limits pool_world_limits(void)
{
    return (struct mempool_limits){
        .tx_count_max = 4,
        .tx_bytes_max = 4 << 20,
        .ttl_ms = 900000,
        .rate_per_second = 1000,
        .block_tx_count_max = 1000,
        .block_bytes_max = 4 << 20,
        .validator_count = 4,
        .peers = 0xe,
        .epoch = 100,
        .seed = 7,
    };
}

struct pool_world *pool_world_new(const struct mempool_limits *limits)
{
    struct pool_world *world = calloc(1, sizeof *world);
    assert(world);
    world->limits = *limits;
    int rc = mempool_new(&world->pool, limits);
    assert(rc == 0);
    (void)rc;
    return world;
}

void pool_world_end(struct pool_world *world)
{
    mempool_destroy(&world->pool);
    for (size_t i = 0; i < world->tx_count; i++)
        free(world->txs[i].body);
    free(world);
}

void pool_world_clear(struct pool_world *world)
{
    world->told_size = 0;
    world->told[0] = '\0';
}

static void fill(uint8_t *out, size_t size, uint64_t value)
{
    memset(out, 0, size);
    memcpy(out, &value, sizeof value);
}

struct pool_world_tx *pool_world_make(struct pool_world *world, const char *name, struct pool_world_kind kind)
{
    assert(world->tx_count < POOL_WORLD_TX_MAX);
    struct pool_world_tx *made = &world->txs[world->tx_count++];
    snprintf(made->name, sizeof made->name, "%s", name);

    uint8_t producer[32], nonce[16], zeros[64] = {0};
    fill(producer, sizeof producer, kind.producer + 1);
    fill(nonce, sizeof nonce, world->tx_count);
    size_t content_bytes = kind.content_bytes ? kind.content_bytes : 2;
    uint8_t *content = malloc(content_bytes);
    assert(content);
    memset(content, ' ', content_bytes);
    content[0] = '{';
    content[content_bytes - 1] = '}';
    struct tx_fields fields = {
        .kind = kind.kind ? kind.kind : TX_ANOMALY,
        .id = span_text(made->name),
        .type = span_text("scan"),
        .source = span_text("s"),
        .model_version = span_text("m"),
        .action = span_text(kind.action ? kind.action : "drop"),
        .alg = span_text("Ed25519-v2"),
        .content = span_of(content, content_bytes),
        .severity = kind.severity ? kind.severity : 5,
        .confidence = kind.confidence,
        .ts = kind.ts ? kind.ts : 1000 + (int64_t)world->tx_count,
        .content_hash = span_of(zeros, 32),
        .producer_id = span_of(producer, 32),
        .pubkey = span_of(producer, 32),
        .nonce = span_of(nonce, 16),
        .signature = span_of(zeros, 64),
    };
    made->size = tx_encoded_size(&fields);
    made->body = malloc(made->size);
    assert(made->body);
    tx_encode(made->body, &fields);
    made->id = tx_id(span_of(made->body, made->size));
    free(content);
    return made;
}

struct pool_world_tx *pool_world_make_proof(struct pool_world *world, const char *name, uint64_t view)
{
    assert(world->tx_count < POOL_WORLD_TX_MAX);
    struct pool_world_tx *made = &world->txs[world->tx_count++];
    snprintf(made->name, sizeof made->name, "%s", name);
    struct equivocation proof = {.kind = EQUIVOCATION_VOTE, .view = view};
    proof.statements[1].block_id.bytes[0] = 1;
    made->body = malloc(EQUIVOCATION_BODY_BYTES_MAX);
    assert(made->body);
    made->size = equivocation_encode(made->body, &proof);
    made->id = tx_id(span_of(made->body, made->size));
    return made;
}

static struct pool_world_tx *find(struct pool_world *world, const char *name)
{
    for (size_t i = 0; i < world->tx_count; i++) {
        if (strcmp(world->txs[i].name, name) == 0)
            return &world->txs[i];
    }
    return NULL;
}

struct pool_world_tx *pool_world_tx(struct pool_world *world, const char *name)
{
    struct pool_world_tx *tx = find(world, name);
    return tx ? tx : pool_world_make(world, name, (struct pool_world_kind){0});
}

struct hash pool_world_block(const char *name)
{
    struct hash id = {{0}};
    memcpy(id.bytes, name, strlen(name));
    return id;
}

/* --- what was said ------------------------------------------------------------------------------------------------ */

static void tell(struct pool_world *world, const char *format, ...)
{
    if (world->silent)
        return;
    va_list args;
    va_start(args, format);
    int size = vsnprintf(world->told + world->told_size, POOL_WORLD_TOLD_MAX - world->told_size, format, args);
    va_end(args);
    assert(size >= 0 && (size_t)size < POOL_WORLD_TOLD_MAX - world->told_size);
    world->told_size += (size_t)size;
}

static void tell_id(struct pool_world *world, const struct hash *id)
{
    for (size_t i = 0; i < world->tx_count; i++) {
        if (hash_equal(&world->txs[i].id, id)) {
            tell(world, " %s", world->txs[i].name);
            return;
        }
    }
    tell(world, " ?");
}

static void tell_bodies(struct pool_world *world, const struct mempool_answer *answer)
{
    for (size_t i = 0; i < answer->body_count; i++) {
        struct hash id = tx_id(answer->bodies[i]);
        tell_id(world, &id);
    }
}

static void tell_verdicts(struct pool_world *world, const struct mempool_verdicts *verdicts)
{
    static const char *const names[] = {"?", "pooled", "duplicate", "full", "rate", "bad"};
    tell(world, "verdicts %" PRIu64 ":", verdicts->batch);
    for (size_t i = 0; i < verdicts->verdict_count; i++)
        tell(world, " %s", names[verdicts->verdicts[i]]);
    tell(world, "%s free %" PRIu32, verdicts->verdict_count ? "," : "", verdicts->free_txs);
}

static void tell_effect(struct pool_world *world, const struct mempool_effect *effect)
{
    switch (effect->kind) {
    case MEMPOOL_SEND_VERDICTS:
        tell_verdicts(world, &effect->verdicts);
        break;
    case MEMPOOL_SEND_REJECTED:
        tell(world, "rejected %" PRIu64 ":", effect->rejected.sequence);
        for (size_t i = 0; i < effect->rejected.tx_count; i++) {
            tell_id(world, &effect->rejected.txs[i].id);
            tell(world, " %s", reason_text((int)effect->rejected.txs[i].reason));
        }
        break;
    case MEMPOOL_SEND_PENDING:
        tell(world, "pending %" PRIu32 ", oldest %" PRIu64 " ms", effect->pending.tx_count,
             effect->pending.oldest_age_ms);
        break;
    case MEMPOOL_SEND_BATCH:
        tell(world, "batch:");
        tell_bodies(world, &effect->answer);
        break;
    case MEMPOOL_SEND_RESOLVED:
        tell(world, "resolved %" PRIu64 " %s:", effect->answer.request, (const char *)effect->answer.block_id.bytes);
        tell_bodies(world, &effect->answer);
        break;
    case MEMPOOL_SEND_FETCH:
        tell(world, "fetch #%" PRIu64 " from v%" PRIu32 ":", effect->fetch.request, effect->fetch.peer);
        for (size_t i = 0; i < effect->fetch.tx_count; i++)
            tell_id(world, &effect->fetch.tx_ids[i]);
        break;
    case MEMPOOL_SEND_BODIES:
        tell(world, "bodies %" PRIu64 ":", effect->answer.request);
        tell_bodies(world, &effect->answer);
        break;
    case MEMPOOL_VERIFY:
        tell(world, "verify from v%" PRIu32 ":", effect->verify.peer);
        for (size_t i = 0; i < effect->verify.check_count; i++)
            tell_id(world, &effect->verify.checks[i].id);
        break;
    }
    tell(world, "\n");
}

static void keep_checks(struct pool_world *world, const struct mempool_checks *verify)
{
    assert(verify->check_count <= 64);
    memcpy(world->checks, verify->checks, verify->check_count * sizeof verify->checks[0]);
    world->check_count = verify->check_count;
    world->check_peer = verify->peer;
}

void pool_world_step(struct pool_world *world, struct mempool_event event)
{
    event.now_ms = world->now_ms;
    mempool_step(world->pool, &event, &world->effects);
    for (size_t i = 0; i < world->effects.count; i++) {
        if (world->effects.items[i].kind == MEMPOOL_VERIFY)
            keep_checks(world, &world->effects.items[i].verify);
        if (world->silent)
            continue;
        tell(world, "[%5" PRIu64 "] ", world->now_ms);
        tell_effect(world, &world->effects.items[i]);
    }
}

/* --- events ------------------------------------------------------------------------------------------------------- */

void pool_world_wait_until(struct pool_world *world, uint64_t now_ms)
{
    world->now_ms = now_ms;
    pool_world_step(world, (struct mempool_event){.kind = MEMPOOL_TICK});
}

struct names {
    struct span bodies[NAMES_MAX];
    struct hash ids[NAMES_MAX];
    size_t count;
};

static struct names *names_of(struct pool_world *world, const char *text)
{
    static struct names names;
    names.count = 0;
    char copy[8192];
    snprintf(copy, sizeof copy, "%s", text);
    for (char *name = strtok(copy, " "); name; name = strtok(NULL, " ")) {
        assert(names.count < NAMES_MAX);
        const struct pool_world_tx *tx = pool_world_tx(world, name);
        names.ids[names.count] = tx->id;
        names.bodies[names.count++] = span_of(tx->body, tx->size);
    }
    return &names;
}

void pool_world_submit(struct pool_world *world, uint64_t batch, const char *text)
{
    const struct names *names = names_of(world, text);
    pool_world_step(world, (struct mempool_event){
                               .kind = MEMPOOL_SUBMIT,
                               .submit = {.batch = batch, .bodies = names->bodies, .body_count = names->count},
                           });
}

void pool_world_evidence(struct pool_world *world, const char *text)
{
    const struct names *names = names_of(world, text);
    pool_world_step(world, (struct mempool_event){.kind = MEMPOOL_EVIDENCE,
                                                  .evidence = {.bodies = names->bodies, .body_count = names->count}});
}

void pool_world_take(struct pool_world *world, uint32_t count_max, const char *excluded_blocks)
{
    struct hash excluded[16];
    size_t count = 0;
    char copy[256];
    snprintf(copy, sizeof copy, "%s", excluded_blocks);
    for (char *name = strtok(copy, " "); name; name = strtok(NULL, " "))
        excluded[count++] = pool_world_block(name);
    pool_world_step(world, (struct mempool_event){
                               .kind = MEMPOOL_TAKE_BATCH,
                               .take_batch = {.request = 1,
                                              .tx_count_max = count_max,
                                              .tx_bytes_max = UINT64_MAX,
                                              .excluded = excluded,
                                              .excluded_count = count},
                           });
}

static void resolve(struct pool_world *world, struct mempool_resolve what, const char *text)
{
    const struct names *names = names_of(world, text);
    what.tx_ids = names->ids;
    what.tx_count = names->count;
    pool_world_step(world, (struct mempool_event){.kind = MEMPOOL_RESOLVE, .resolve = what});
}

void pool_world_resolve(struct pool_world *world, uint64_t request, const char *block, uint32_t proposer,
                        const char *names)
{
    resolve(world,
            (struct mempool_resolve){.request = request, .block_id = pool_world_block(block), .proposer = proposer},
            names);
}

void pool_world_own_block(struct pool_world *world, const char *block, const char *names)
{
    resolve(world, (struct mempool_resolve){.block_id = pool_world_block(block), .own_block = true}, names);
}

void pool_world_finalize(struct pool_world *world, const char *block, const char *text)
{
    const struct names *names = names_of(world, text);
    pool_world_step(
        world, (struct mempool_event){
                   .kind = MEMPOOL_FINALIZED,
                   .finalized = {.block_id = pool_world_block(block), .tx_ids = names->ids, .tx_count = names->count},
               });
}

void pool_world_drop(struct pool_world *world, const char *text, enum reason reason)
{
    static struct rejections_tx txs[NAMES_MAX];
    const struct names *names = names_of(world, text);
    for (size_t i = 0; i < names->count; i++)
        txs[i] = (struct rejections_tx){.id = names->ids[i], .reason = reason};
    pool_world_step(world,
                    (struct mempool_event){.kind = MEMPOOL_DROPPED, .dropped = {.txs = txs, .tx_count = names->count}});
}

void pool_world_fetch(struct pool_world *world, uint64_t request, const char *text)
{
    const struct names *names = names_of(world, text);
    pool_world_step(world, (struct mempool_event){
                               .kind = MEMPOOL_FETCH,
                               .fetch = {.request = request, .tx_ids = names->ids, .tx_count = names->count},
                           });
}

void pool_world_answer(struct pool_world *world, uint32_t peer, uint64_t request, const char *text)
{
    const struct names *names = names_of(world, text);
    pool_world_step(
        world, (struct mempool_event){
                   .kind = MEMPOOL_BODIES,
                   .bodies = {.peer = peer, .request = request, .bodies = names->bodies, .body_count = names->count},
               });
}

void pool_world_verified(struct pool_world *world, int result)
{
    for (size_t i = 0; i < world->check_count; i++)
        world->checks[i].result = result;
    pool_world_step(
        world, (struct mempool_event){
                   .kind = MEMPOOL_VERIFIED,
                   .verified = {.peer = world->check_peer, .checks = world->checks, .check_count = world->check_count},
               });
}
