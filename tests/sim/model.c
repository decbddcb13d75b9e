/* model.c - the fake executor: its state root follows from its parent's and the block's transactions. A block is valid
 * when its roots are those, and when none of its transactions, nor one of the same nonce, was executed before on its
 * chain.
 */
#include "common/base/merkle.h"
#include "tests/sim/cluster_state.h"

struct stored *model_find(const struct cluster *self, const struct hash *id)
{
    return map_find(self->blocks, id);
}

static struct hash executed_root(const struct hash *parent_root, const struct hash *tx_root)
{
    return hash_of2(span_of(parent_root, sizeof *parent_root), span_of(tx_root, sizeof *tx_root));
}

static struct hash root_after(const struct cluster *self, const struct hash *parent_id)
{
    if (hash_equal(parent_id, &self->genesis_id))
        return self->genesis_header.state_root;
    const struct stored *parent = map_find(self->blocks, parent_id);
    return parent ? parent->model_root : (struct hash){0};
}

void model_begin(struct cluster *self)
{
    struct stored *genesis = &self->genesis_block;
    *genesis = (struct stored){.header = self->genesis_header, .id = self->genesis_id};
    for (uint32_t i = 0; i < self->genesis.validator_count; i++)
        genesis->standings[i] = schedule_standing_start(&self->genesis.parameters);
    schedule_genesis(&genesis->schedule, &self->genesis);
}

static const struct stored *parent_of(const struct cluster *self, const struct stored *block)
{
    return hash_equal(&block->header.parent_id, &self->genesis_id) ? &self->genesis_block : block->parent;
}

/* As executord does: the standings after a block, and who leads its children. */
static void reckon(const struct cluster *self, struct stored *block)
{
    const struct stored *parent = parent_of(self, block);
    const struct block_header *header = &block->header;
    if (!parent || parent->schedule.count == 0 || header->height != parent->header.height + 1)
        return;
    const struct genesis *genesis = &self->genesis;
    memcpy(block->standings, parent->standings, sizeof block->standings);
    schedule_apply(
        block->standings, genesis,
        &(struct schedule_block){.height = header->height,
                                 .proposer = (uint32_t)genesis_validator_index(genesis, &header->proposer),
                                 .signers = header->justify_signers,
                                 .skipped = schedule_skipped(&parent->schedule, header->justify_view, header->view)});
    uint64_t epoch = schedule_epoch(&genesis->parameters, header->height);
    const struct stored *frozen = block;
    while (frozen->header.height > epoch)
        frozen = parent_of(self, frozen);
    schedule_of(&block->schedule, genesis, frozen->standings);
}

const struct schedule *model_schedule(const struct cluster *self, const struct hash *id)
{
    static const struct schedule unknown;
    const struct stored *block = hash_equal(id, &self->genesis_id) ? &self->genesis_block : model_find(self, id);
    return block ? &block->schedule : &unknown;
}

struct stored *model_block(struct cluster *self, const struct block_header *header, const struct hash *id,
                           const struct hash *tx_ids)
{
    struct stored *stored = map_find(self->blocks, id);
    if (stored)
        return stored;
    stored = must(calloc(1, sizeof *stored));
    stored->header = *header;
    stored->id = *id;
    if (header->tx_count > 0) {
        stored->tx_ids = must(malloc(header->tx_count * sizeof *tx_ids));
        memcpy(stored->tx_ids, tx_ids, header->tx_count * sizeof *tx_ids);
    }
    stored->parent = map_find(self->blocks, &header->parent_id);
    struct hash before = root_after(self, &header->parent_id);
    stored->model_root = executed_root(&before, &header->tx_root);
    reckon(self, stored);
    if (map_put(self->blocks, id, stored) < 0)
        abort();
    return stored;
}

struct block_header model_header(struct cluster *self, uint32_t proposer, const struct consensus_build *build,
                                 const struct hash *tx_ids, uint32_t tx_count)
{
    struct hash scratch[BLOCK_TXS_MAX];
    struct hash tx_root = merkle_root(tx_ids, tx_count, scratch);
    struct hash before = root_after(self, &build->parent_id);
    return (struct block_header){.chain_id = self->genesis.chain_id,
                                 .height = build->height,
                                 .view = build->view,
                                 .parent_id = build->parent_id,
                                 .justify_view = build->justify_view,
                                 .justify_signers = build->justify_signers,
                                 .tx_count = tx_count,
                                 .tx_root = tx_root,
                                 .receipt_root = tx_root,
                                 .state_root = executed_root(&before, &tx_root),
                                 .proposer = self->genesis.validators[proposer].id,
                                 .timestamp_ms = build->timestamp_ms};
}

static uint64_t execution_ms(struct cluster *self, uint32_t index)
{
    return 1 + random_below(self, self->nodes[index].execute_ms_max + 1);
}

void model_on_build(struct cluster *self, uint32_t index, const struct consensus_build *build)
{
    struct consensus_event event = {.type = CONSENSUS_BUILD_FAILED};
    event.u.built.view = build->view;
    struct parcel *parcel = parcel_new(&event);
    if (!random_chance(self, self->nodes[index].build_fail_ppm)) {
        struct hash candidates[BLOCK_TXS_MAX];
        uint32_t count = pool_candidates(self, index, build, candidates);
        parcel->event.type = CONSENSUS_BUILT;
        parcel->event.u.built.header = model_header(self, index, build, candidates, count);
        struct hash id = block_id(&parcel->event.u.built.header);
        const struct stored *block = model_block(self, &parcel->event.u.built.header, &id, candidates);
        parcel->event.u.built.tx_ids = block->tx_ids;
        parcel->event.u.built.schedule = block->schedule;
    }
    mail_self(self, MAIL_EXECUTED, index, execution_ms(self, index), parcel);
}

bool model_is_spent(const struct cluster *self, uint32_t index, const struct stored *block, uint32_t tx)
{
    const struct node *node = &self->nodes[index];
    uint32_t twin = self->twins[tx];
    if (node->done[tx] || (twin > 0 && node->done[twin - 1]))
        return true;
    for (; block && block->header.height > node->height; block = block->parent) {
        for (uint32_t k = 0; k < block->header.tx_count; k++) {
            const struct hash *id = &block->tx_ids[k];
            if (hash_equal(id, &self->txs[tx]) || (twin > 0 && hash_equal(id, &self->txs[twin - 1])))
                return true;
        }
    }
    return false;
}

static bool is_valid(const struct cluster *self, uint32_t index, const struct stored *block)
{
    const struct block_header *header = &block->header;
    if (!hash_equal(&block->model_root, &header->state_root) || !hash_equal(&header->tx_root, &header->receipt_root))
        return false;
    for (uint32_t i = 0; i < header->tx_count; i++) {
        uint32_t tx = pool_number(self, &block->tx_ids[i]);
        if (tx == TXS_MAX || model_is_spent(self, index, block->parent, tx))
            return false;
        for (uint32_t k = 0; k < i; k++) {
            uint32_t other = pool_number(self, &block->tx_ids[k]);
            if (other == tx || self->twins[tx] == other + 1)
                return false;
        }
    }
    return true;
}

void model_on_check(struct cluster *self, uint32_t index, const struct consensus_check *check)
{
    const struct stored *block = model_block(self, &check->header, &check->block_id, check->tx_ids);
    struct consensus_event event = {.type = CONSENSUS_CHECKED};
    event.u.checked.block_id = check->block_id;
    event.u.checked.ok = is_valid(self, index, block);
    event.u.checked.schedule = block->schedule;
    mail_self(self, MAIL_EXECUTED, index, execution_ms(self, index), parcel_new(&event));
}

void model_on_recheck(struct cluster *self, uint32_t index, const struct hash *parent_id)
{
    struct consensus_event event = {.type = CONSENSUS_RECHECKED};
    event.u.rechecked.parent_id = *parent_id;
    event.u.rechecked.live_count = pool_recheck(self, index, model_find(self, parent_id));
    mail_self(self, MAIL_EXECUTED, index, execution_ms(self, index), parcel_new(&event));
}
