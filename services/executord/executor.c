/* executor.c - the versions of the state.
 *
 * The committed versions are a ring by height. Speculative ones are an array, searched in order: they are few, and a
 * block is many times dearer than a look through them. A version does not need its parent once it is made, so any may
 * be dropped at any time; who asks for a dropped one is told EXECUTOR_UNKNOWN_PARENT and sends the bodies again.
 */
#include "services/executord/executor.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "common/base/err.h"
#include "services/executord/committee.h"
#include "services/executord/record.h"

struct executor {
    struct genesis genesis; /* without producers */
    struct slab *slab;
    struct execution *execution;
    struct version **committed; /* retain_versions: height h is at h % retain_versions */
    uint32_t retain_versions;
    uint64_t height; /* of the last committed */
    struct version **speculative;
    uint32_t speculative_count;
    uint32_t speculative_max;
    uint64_t sequence;
    struct executor_refused *refused; /* block_max_txs */
};

static struct version *committed_at(const struct executor *self, uint64_t height)
{
    return self->committed[height % self->retain_versions];
}

const struct version *executor_committed(const struct executor *self)
{
    return committed_at(self, self->height);
}

uint64_t executor_height_min(const struct executor *self)
{
    return self->height >= self->retain_versions ? self->height - self->retain_versions + 1 : 0;
}

/* --- genesis ------------------------------------------------------------------------------------------------------ */

static int put_record(struct execution *execution, const struct record_key *key, const struct bytes_writer *value)
{
    assert(!value->failed);
    return execution_put(execution, record_key_span(key), bytes_written(value));
}

static int put_producer(struct execution *execution, const struct genesis_producer *producer)
{
    uint8_t data[2 * GENESIS_NAME_BYTES_MAX];
    struct bytes_writer value = bytes_writer_of(data, sizeof data);
    struct record_producer record = {.name = span_text(producer->name), .roles = producer->roles, .active = true};
    record_producer_encode(&value, &record);
    struct record_key key = record_key_producer(&producer->key);
    return put_record(execution, &key, &value);
}

/* The genesis state: a record for each producer and each validator of the genesis file. */
static int commit_genesis(struct executor *self, const struct genesis *genesis)
{
    execution_begin(self->execution, &(struct execution_base){.timestamp_ms = genesis->created_ms});
    int rc = 0;
    for (uint32_t i = 0; i < genesis->producer_count && rc == 0; i++)
        rc = put_producer(self->execution, &genesis->producers[i]);
    if (rc == 0)
        rc = committee_genesis(self->execution, genesis);
    if (rc < 0)
        return rc;
    struct execution_result result;
    rc = execution_end(self->execution, &result);
    if (rc < 0)
        return rc;
    struct hash state_root = state_hash(result.root);
    struct block_header header = block_genesis(genesis, &state_root);
    rc = version_new(&self->committed[0], self->slab, &header, &result, 0);
    if (rc < 0) {
        state_release(self->slab, result.root);
        expiry_release(self->slab, result.expiry);
    }
    execution_clear(self->execution);
    return rc;
}

/* --- making and ending -------------------------------------------------------------------------------------------- */

static int allocate(struct executor *self, const struct executor_options *options)
{
    self->committed = calloc(self->retain_versions, sizeof(struct version *));
    self->speculative = calloc(self->speculative_max, sizeof(struct version *));
    self->refused = calloc(self->genesis.parameters.block_max_txs, sizeof self->refused[0]);
    if (!self->committed || !self->speculative || !self->refused)
        return -ENOMEM;
    int rc = slab_new(&self->slab, &(struct slab_options){.bytes_max = options->state_bytes_max});
    if (rc < 0)
        return rc;
    return execution_new(&self->execution, &(struct execution_options){
                                               .genesis = &self->genesis,
                                               .slab = self->slab,
                                               .policy_facts = options->policy_facts,
                                               .policy_facts_context = options->policy_facts_context,
                                               .seed = options->seed,
                                           });
}

int executor_new(struct executor **out, const struct executor_options *options)
{
    if (options->retain_versions < 1 || options->retain_versions > EXECUTOR_RETAIN_MAX ||
        options->speculative_max < 2 || options->speculative_max > EXECUTOR_SPECULATIVE_MAX)
        return -EINVAL;
    CLEANUP(executor_destroy) struct executor *self = calloc(1, sizeof *self);
    if (!self)
        return -ENOMEM;
    self->genesis = *options->genesis;
    self->genesis.producers = NULL;
    self->genesis.producer_count = 0;
    self->retain_versions = options->retain_versions;
    self->speculative_max = options->speculative_max;
    int rc = allocate(self, options);
    if (rc < 0)
        return rc;
    rc = commit_genesis(self, options->genesis);
    if (rc < 0)
        return rc;
    *out = TAKE(self);
    return 0;
}

void executor_destroy(struct executor **self)
{
    if (!self || !*self)
        return;
    struct executor *executor = *self;
    for (uint32_t i = 0; executor->speculative && i < executor->speculative_count; i++)
        version_destroy(&executor->speculative[i], executor->slab);
    for (uint32_t i = 0; executor->committed && i < executor->retain_versions; i++)
        version_destroy(&executor->committed[i], executor->slab);
    execution_destroy(&executor->execution);
    slab_destroy(&executor->slab);
    free(executor->committed);
    free(executor->speculative);
    free(executor->refused);
    free(executor);
    *self = NULL;
}

/* --- finding versions --------------------------------------------------------------------------------------------- */

static struct version *find_speculative(const struct executor *self, const struct hash *id)
{
    for (uint32_t i = 0; i < self->speculative_count; i++) {
        if (hash_equal(&self->speculative[i]->id, id))
            return self->speculative[i];
    }
    return NULL;
}

/* A version that may have children. */
static const struct version *find_parent(const struct executor *self, const struct hash *id)
{
    const struct version *last = executor_committed(self);
    return hash_equal(&last->id, id) ? last : find_speculative(self, id);
}

/* Any version: rechecks also work on a block that is behind the last commit. */
static const struct version *find_any(const struct executor *self, const struct hash *id)
{
    const struct version *parent = find_parent(self, id);
    for (uint64_t h = executor_height_min(self); !parent && h < self->height; h++) {
        if (hash_equal(&committed_at(self, h)->id, id))
            parent = committed_at(self, h);
    }
    return parent;
}

static bool is_ancestor(const struct executor *self, const struct version *older, const struct version *of)
{
    while (of && of != older)
        of = find_speculative(self, &of->header.parent_id);
    return of == older;
}

static void drop_at(struct executor *self, uint32_t index)
{
    version_destroy(&self->speculative[index], self->slab);
    self->speculative[index] = self->speculative[--self->speculative_count];
}

/* Make room for a child of parent: the oldest version goes that is no ancestor of it; when all are, the oldest but the
 * parent itself. */
static void make_room(struct executor *self, const struct version *parent)
{
    if (self->speculative_count < self->speculative_max)
        return;
    int64_t chosen = -1;
    bool chosen_is_ancestor = true;
    for (uint32_t i = 0; i < self->speculative_count; i++) {
        const struct version *version = self->speculative[i];
        if (version == parent)
            continue;
        bool ancestor = is_ancestor(self, version, parent);
        bool older = chosen < 0 || version->sequence < self->speculative[chosen]->sequence;
        if ((chosen_is_ancestor && !ancestor) || (chosen_is_ancestor == ancestor && older)) {
            chosen = i;
            chosen_is_ancestor = ancestor;
        }
    }
    assert(chosen >= 0);
    drop_at(self, (uint32_t)chosen);
}

/* Keep the executed block as a speculative version; *out is the one that is kept (an equal one may be there already).
 */
static int keep(struct executor *self, const struct block_header *header, const struct version *parent,
                struct execution_result *result, const struct version **out)
{
    struct version *version;
    int rc = version_new(&version, self->slab, header, result, parent->key_count);
    if (rc < 0) {
        state_release(self->slab, result->root);
        expiry_release(self->slab, result->expiry);
        return rc;
    }
    struct version *same = find_speculative(self, &version->id);
    if (same) {
        version_destroy(&version, self->slab);
        *out = same;
        return 0;
    }
    make_room(self, parent);
    version->sequence = ++self->sequence;
    self->speculative[self->speculative_count++] = version;
    *out = version;
    return 0;
}

/* --- building ----------------------------------------------------------------------------------------------------- */

static bool fits_limits(const struct executor *self, const struct executor_bodies *bodies)
{
    if (bodies->count > self->genesis.parameters.block_max_txs)
        return false;
    uint64_t bytes = 0;
    for (size_t i = 0; i < bodies->count; i++)
        bytes += bodies->items[i].size;
    return bytes <= self->genesis.parameters.block_max_bytes;
}

static void begin(struct executor *self, const struct version *parent, uint64_t timestamp_ms)
{
    execution_begin(self->execution, &(struct execution_base){
                                         .root = parent->root,
                                         .expiry = parent->expiry,
                                         .height = parent->header.height + 1,
                                         .timestamp_ms = timestamp_ms,
                                     });
}

static int end(struct executor *self, uint64_t height, struct execution_result *result)
{
    int rc = committee_end(self->execution, &self->genesis, height);
    return rc < 0 ? rc : execution_end(self->execution, result);
}

static int apply_all(struct executor *self, const struct executor_bodies *bodies, size_t *refused_count)
{
    *refused_count = 0;
    for (size_t i = 0; i < bodies->count; i++) {
        enum reason reason;
        int verdict = execution_apply(self->execution, bodies->items[i], &reason);
        if (verdict < 0)
            return verdict;
        if (verdict == EXECUTION_REFUSED)
            self->refused[(*refused_count)++] = (struct executor_refused){.index = (uint32_t)i, .reason = reason};
    }
    return 0;
}

/* What is refused because of blocks that may be abandoned, the one at hand among them, may still be executed in others:
 * whether a refusal is the last word is the committed state's to say. */
static int settle(struct executor *self, const struct executor_bodies *bodies, uint64_t timestamp_ms, size_t count)
{
    begin(self, executor_committed(self), timestamp_ms);
    int verdict = 0;
    for (size_t i = 0; i < count && verdict >= 0; i++) {
        enum reason reason;
        verdict = execution_judge(self->execution, bodies->items[self->refused[i].index], &reason);
        self->refused[i].settled = verdict == EXECUTION_REFUSED;
    }
    return verdict < 0 ? verdict : 0;
}

static struct block_header built_header(const struct executor *self, const struct executor_build *build,
                                        const struct execution_result *result)
{
    return (struct block_header){
        .chain_id = self->genesis.chain_id,
        .height = build->height,
        .view = build->view,
        .parent_id = build->parent_id,
        .justify_view = build->justify_view,
        .justify_signers = build->justify_signers,
        .tx_count = result->tx_count,
        .tx_root = result->tx_root,
        .receipt_root = result->receipt_root,
        .state_root = state_hash(result->root),
        .proposer = build->proposer,
        .timestamp_ms = build->timestamp_ms,
    };
}

static int build_on(struct executor *self, const struct version *parent, const struct executor_build *build,
                    struct executor_built *out)
{
    struct executor_built built = {.refused = self->refused};
    begin(self, parent, build->timestamp_ms);
    struct committee_block block = {
        .height = build->height,
        .view = build->view,
        .justify_view = build->justify_view,
        .justify_signers = build->justify_signers,
        .proposer = &build->proposer,
    };
    int rc = committee_begin(self->execution, &self->genesis, &block);
    if (rc == 0)
        rc = apply_all(self, &build->bodies, &built.refused_count);
    struct execution_result result = {0};
    if (rc == 0)
        rc = end(self, build->height, &result);
    if (rc < 0)
        return rc;
    struct block_header header = built_header(self, build, &result);
    rc = keep(self, &header, parent, &result, &built.version);
    if (rc == 0)
        rc = settle(self, &build->bodies, build->timestamp_ms, built.refused_count);
    if (rc == 0)
        *out = built;
    return rc;
}

int executor_build(struct executor *self, const struct executor_build *build, struct executor_built *out)
{
    const struct version *parent = find_parent(self, &build->parent_id);
    if (!parent)
        return EXECUTOR_UNKNOWN_PARENT;
    if (build->height != parent->header.height + 1 || build->timestamp_ms <= parent->header.timestamp_ms ||
        !fits_limits(self, &build->bodies))
        return EXECUTOR_BAD_HEADER;
    int rc = build_on(self, parent, build, out);
    execution_clear(self->execution);
    return rc;
}

/* --- checking ----------------------------------------------------------------------------------------------------- */

/* Is there a version of this very block? A header has its height, so of the committed ones only one can be it. */
static bool is_known(const struct executor *self, const struct block_header *header)
{
    struct hash id = block_id(header);
    if (header->height > self->height)
        return find_speculative(self, &id) != NULL;
    return header->height >= executor_height_min(self) && hash_equal(&committed_at(self, header->height)->id, &id);
}

/* Everything that can be told without executing. */
static int check_header(const struct executor *self, const struct executor_block *block, const struct version **parent)
{
    const struct block_header *header = block->header;
    if (!hash_equal(&header->chain_id, &self->genesis.chain_id))
        return EXECUTOR_BAD_HEADER;
    if (header->height <= self->height)
        return EXECUTOR_CONFLICT;
    *parent = find_parent(self, &header->parent_id);
    if (!*parent)
        return EXECUTOR_UNKNOWN_PARENT;
    if (header->height != (*parent)->header.height + 1 || header->timestamp_ms <= (*parent)->header.timestamp_ms ||
        header->tx_count != block->bodies.count || !fits_limits(self, &block->bodies))
        return EXECUTOR_BAD_HEADER;
    return 0;
}

/* Execute the block's transactions; the first that is refused ends it. */
static int check_txs(struct executor *self, const struct executor_block *block, struct executor_refused *bad)
{
    for (size_t i = 0; i < block->bodies.count; i++) {
        enum reason reason;
        int verdict = execution_apply(self->execution, block->bodies.items[i], &reason);
        if (verdict < 0)
            return verdict;
        if (verdict == EXECUTION_REFUSED) {
            *bad = (struct executor_refused){.index = (uint32_t)i, .reason = reason};
            return EXECUTOR_BAD_TX;
        }
    }
    struct hash tx_root = execution_tx_root(self->execution);
    return hash_equal(&tx_root, &block->header->tx_root) ? 0 : EXECUTOR_BAD_ROOT;
}

static int check_on(struct executor *self, const struct version *parent, const struct executor_block *block,
                    struct executor_refused *bad)
{
    const struct block_header *header = block->header;
    begin(self, parent, header->timestamp_ms);
    struct committee_block validators = {
        .height = header->height,
        .view = header->view,
        .justify_view = header->justify_view,
        .justify_signers = header->justify_signers,
        .proposer = &header->proposer,
    };
    int rc = committee_begin(self->execution, &self->genesis, &validators);
    if (rc == 0)
        rc = check_txs(self, block, bad);
    struct execution_result result = {0};
    if (rc == 0)
        rc = end(self, header->height, &result);
    if (rc != 0)
        return rc;
    struct hash state_root = state_hash(result.root);
    if (!hash_equal(&result.receipt_root, &header->receipt_root) || !hash_equal(&state_root, &header->state_root)) {
        state_release(self->slab, result.root);
        expiry_release(self->slab, result.expiry);
        return EXECUTOR_BAD_ROOT;
    }
    const struct version *kept;
    return keep(self, header, parent, &result, &kept);
}

int executor_check(struct executor *self, const struct executor_block *block, struct executor_refused *bad)
{
    if (is_known(self, block->header))
        return 0;
    const struct version *parent;
    int verdict = check_header(self, block, &parent);
    if (verdict != 0)
        return verdict;
    verdict = check_on(self, parent, block, bad);
    execution_clear(self->execution);
    return verdict;
}

int executor_recheck(struct executor *self, const struct executor_recheck *recheck, struct executor_built *out)
{
    const struct version *parent = find_any(self, &recheck->parent_id);
    if (!parent)
        return EXECUTOR_UNKNOWN_PARENT;
    if (recheck->bodies.count > self->genesis.parameters.block_max_txs)
        return EXECUTOR_BAD_HEADER;
    struct executor_built rechecked = {.version = parent, .refused = self->refused};
    begin(self, parent, recheck->timestamp_ms);
    int verdict = 0;
    for (size_t i = 0; i < recheck->bodies.count && verdict >= 0; i++) {
        enum reason reason;
        verdict = execution_judge(self->execution, recheck->bodies.items[i], &reason);
        if (verdict == EXECUTION_REFUSED)
            self->refused[rechecked.refused_count++] =
                (struct executor_refused){.index = (uint32_t)i, .reason = reason};
    }
    if (verdict >= 0)
        verdict = settle(self, &recheck->bodies, recheck->timestamp_ms, rechecked.refused_count);
    execution_clear(self->execution);
    if (verdict < 0)
        return verdict;
    *out = rechecked;
    return 0;
}

/* --- committing --------------------------------------------------------------------------------------------------- */

int executor_prepare(struct executor *self, const struct executor_block *block, const struct version **out)
{
    const struct block_header *header = block->header;
    if (header->height <= self->height)
        return EXECUTOR_BELOW;
    if (header->height > self->height + 1)
        return EXECUTOR_UNKNOWN_PARENT;
    if (!hash_equal(&header->parent_id, &executor_committed(self)->id))
        return EXECUTOR_CONFLICT;
    struct hash id = block_id(header);
    if (!find_speculative(self, &id)) {
        if (header->tx_count > 0 && block->bodies.count == 0)
            return EXECUTOR_UNKNOWN_PARENT;
        struct executor_refused bad;
        int verdict = executor_check(self, block, &bad);
        if (verdict != 0)
            return verdict;
    }
    *out = find_speculative(self, &id);
    assert(*out);
    return 0;
}

/* The version becomes the last committed one. */
static void append_committed(struct executor *self, struct version *version)
{
    assert(version && version->header.height == self->height + 1);
    version_forget_content(committed_at(self, self->height), self->slab);
    struct version **place = &self->committed[version->header.height % self->retain_versions];
    version_destroy(place, self->slab);
    *place = version;
    self->height = version->header.height;
}

/* Forks end: what does not descend from the last committed version. Parents are looked at before their children,
 * because every pass drops those whose parent is gone, until nothing changes. */
static void drop_forks(struct executor *self)
{
    bool dropped = true;
    while (dropped) {
        dropped = false;
        for (uint32_t i = 0; i < self->speculative_count;) {
            const struct version *version = self->speculative[i];
            if (version->header.height > self->height && find_parent(self, &version->header.parent_id)) {
                i++;
                continue;
            }
            drop_at(self, i);
            dropped = true;
        }
    }
}

void executor_commit(struct executor *self, const struct version *prepared)
{
    uint32_t index = 0;
    while (index < self->speculative_count && self->speculative[index] != prepared)
        index++;
    assert(index < self->speculative_count); /* it was prepared */
    struct version *version = self->speculative[index];
    self->speculative[index] = self->speculative[--self->speculative_count];
    append_committed(self, version);
    drop_forks(self);
}

size_t executor_change_count_max(const struct executor *self)
{
    return execution_change_count_max(self->execution);
}

static int replay_on(struct executor *self, const struct executor_stored *stored, struct execution_result *result)
{
    begin(self, executor_committed(self), stored->header->timestamp_ms);
    execution_replayed(self->execution, stored->header->tx_count);
    for (size_t i = 0; i < stored->count; i++) {
        const struct executor_entry *entry = &stored->entries[i];
        if (entry->deleted) {
            /* Expired nonce records: the end of the block finds them again. */
            struct hash key_hash = stateproof_key_hash(entry->key);
            if (!record_key_is_nonce(entry->key))
                execution_delete(self->execution, &key_hash);
            continue;
        }
        int rc = execution_put(self->execution, entry->key, entry->value);
        if (rc < 0)
            return rc == -ENOMEM ? rc : ERR_CORRUPT;
    }
    return execution_end(self->execution, result);
}

int executor_replay(struct executor *self, const struct executor_stored *stored)
{
    const struct version *last = executor_committed(self);
    const struct block_header *header = stored->header;
    if (!hash_equal(&header->chain_id, &self->genesis.chain_id) || !hash_equal(&header->parent_id, &last->id) ||
        header->height != self->height + 1 || header->tx_count > self->genesis.parameters.block_max_txs ||
        stored->count > execution_change_count_max(self->execution))
        return ERR_CORRUPT;
    struct execution_result result;
    struct version *version = NULL;
    int rc = replay_on(self, stored, &result);
    if (rc == 0) {
        struct hash state_root = state_hash(result.root);
        rc = hash_equal(&state_root, &header->state_root)
                 ? version_new(&version, self->slab, header, &result, last->key_count)
                 : ERR_CORRUPT;
        if (rc < 0) {
            state_release(self->slab, result.root);
            expiry_release(self->slab, result.expiry);
        }
    }
    execution_clear(self->execution);
    if (rc < 0)
        return rc;
    version_forget_content(version, self->slab);
    append_committed(self, version);
    return 0;
}

/* --- reading ------------------------------------------------------------------------------------------------------ */

int executor_query(const struct executor *self, struct span key, uint64_t height, struct executor_value *out)
{
    if (height > self->height)
        return EXECUTOR_HEIGHT_UNKNOWN;
    if (height < executor_height_min(self))
        return EXECUTOR_HEIGHT_NOT_RETAINED;
    struct hash key_hash = stateproof_key_hash(key);
    out->version = committed_at(self, height);
    const struct state_item *leaf = state_find(out->version->root, &key_hash);
    out->found = leaf != NULL;
    out->value = leaf ? state_leaf_value(leaf) : (struct span){0};
    state_prove(&out->proof, out->version->root, &key_hash);
    return 0;
}

void executor_schedule(const struct executor *self, const struct hash *block_id, struct schedule *out)
{
    const struct version *version = find_any(self, block_id);
    *out = (struct schedule){.count = 0};
    if (version)
        committee_schedule(out, version->root, &self->genesis, version->header.height);
}

uint64_t executor_inactive(const struct executor *self)
{
    return committee_inactive(executor_committed(self)->root, &self->genesis);
}

struct executor_usage executor_usage(const struct executor *self)
{
    return (struct executor_usage){
        .speculative_count = self->speculative_count,
        .committed_count = (uint32_t)(self->height - executor_height_min(self) + 1),
        .key_count = executor_committed(self)->key_count,
        .state_bytes = slab_used_bytes(self->slab),
        .chunk_bytes = slab_chunk_bytes(self->slab),
    };
}
