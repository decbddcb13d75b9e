/* consensus.c - the consensus core's door: events in, effects out.
 *
 * Every step begins with the event's own rule and ends with the same round: hand out what is final, ask for what can be
 * executed, propose if it is our turn, look at the clocks. So no rule has to remember to wake another.
 */
#include "services/consensusd/consensus.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "services/consensusd/consensus_state.h"

enum { EFFECTS_RESERVED = 8 }; /* for PERSIST, which must never be left out */

/* Nor is a FORGET ever left out: the shell would keep the block, and ask for its execution, for ever. In one step a
 * block is at most checked or persisted, and then committed or forgotten; blocks are those held before, those that came
 * by sync, and one proposal of each validator. */
static_assert(EFFECTS_MAX - EFFECTS_RESERVED >=
                  2 * (CONSENSUS_BLOCKS_MAX + CONSENSUS_SYNCED_MAX + GENESIS_VALIDATORS_MAX) + 64,
              "a step has room for what may happen to every block, and for its messages");

struct consensus_effect *consensus_effect_add(struct consensus *self, enum consensus_effect_type type)
{
    if (self->effect_count >= EFFECTS_MAX - EFFECTS_RESERVED)
        return NULL;
    struct consensus_effect *effect = &self->effects[self->effect_count++];
    *effect = (struct consensus_effect){.type = type};
    return effect;
}

void consensus_persist(struct consensus *self, struct block *block)
{
    assert(self->effect_count < EFFECTS_MAX);
    struct consensus_effect *effect = &self->effects[self->effect_count++];
    *effect = (struct consensus_effect){.type = CONSENSUS_PERSIST};
    effect->u.persist.voting = &self->voting;
    effect->u.persist.block_id = block ? &block->id : NULL;
    effect->u.persist.header = block ? &block->header : NULL;
    effect->u.persist.justify = block && block->parent->has_qc ? &block->parent->qc : NULL;
    if (block)
        block->stored = true;
}

static void restore(struct consensus *self, const struct consensus_config *config)
{
    if (config->voting) {
        self->voting = *config->voting;
    } else if (config->root.height == 0) {
        /* The certificate of the genesis block is implied: view 0, no signers. Above it nothing is: a validator that
         * has blocks and never voted begins with the root's own certificate, which RESTORED brings, or hears of one. */
        self->voting.high_qc.block_id = config->root_id;
    }
    self->view = self->voting.high_qc.view;
    if (self->voting.has_tc && self->voting.high_tc.view > self->view)
        self->view = self->voting.high_tc.view;
    self->view++;
    self->floor_view = config->floor_view;
    if (self->voting.last_voted_view < config->floor_view)
        self->voting.last_voted_view = config->floor_view;
}

int consensus_new(struct consensus **out, const struct consensus_config *config)
{
    const struct genesis *genesis = config->genesis;
    if (genesis->validator_count < 1 || genesis->validator_count > GENESIS_VALIDATORS_MAX ||
        config->self >= genesis->validator_count)
        return -EINVAL;
    CLEANUP(consensus_destroy) struct consensus *self = calloc(1, sizeof *self);
    if (!self)
        return -ENOMEM;
    self->genesis = genesis;
    self->self = config->self;
    self->quorum = genesis_quorum(genesis->validator_count);
    self->key = config->key;
    self->block_min_interval_ms = config->block_min_interval_ms;
    self->block_target_txs = config->block_target_txs;
    self->random = config->seed;
    self->now_ms = config->now_ms;
    int rc = blocktree_new(&self->tree, &config->root, &config->root_id, CONSENSUS_BLOCKS_MAX, config->seed);
    if (rc < 0)
        return rc;
    struct block *root = blocktree_root(self->tree);
    root->schedule = config->root_schedule;
    if (config->root.height == 0)
        schedule_genesis(&root->schedule, genesis);
    /* A block may be built on the root before anybody shows the root's certificate again. */
    if (config->voting && hash_equal(&config->voting->high_qc.block_id, &config->root_id)) {
        root->has_qc = true;
        root->qc = config->voting->high_qc;
    }
    rc = tally_new(&self->tally, genesis->validator_count);
    if (rc < 0)
        return rc;
    restore(self, config);
    self->view_entered_ms = config->now_ms;
    self->work_since_ms = NEVER_MS;
    self->behind_since_ms = NEVER_MS;
    self->heartbeat_ms = config->now_ms;
    self->sync_peer = config->self;
    *out = TAKE(self);
    return 0;
}

void consensus_destroy(struct consensus **self)
{
    if (!self || !*self)
        return;
    for (size_t i = 0; i < GENESIS_VALIDATORS_MAX; i++)
        free((*self)->held[i].tx_ids);
    blocktree_destroy(&(*self)->tree);
    tally_destroy(&(*self)->tally);
    sign_key_wipe(&(*self)->key);
    free(*self);
    *self = NULL;
}

/* Executions asked before are forgotten; every uncommitted block is asked again, parents first. */
static void executor_reset(struct consensus *self)
{
    for (struct block *block = blocktree_first(self->tree); block; block = block->next) {
        if (block->parent && block->state != BLOCK_REFUSED)
            block->state = BLOCK_WAITING;
    }
    self->building_view = NEVER_VIEW;
}

static void pool_changed(struct consensus *self, uint32_t tx_count, uint64_t oldest_age_ms)
{
    self->pool.tx_count = tx_count;
    self->pool.oldest_ms = oldest_age_ms < self->now_ms ? self->now_ms - oldest_age_ms : 0;
    pacemaker_pool_changed(self);
}

static void dispatch(struct consensus *self, const struct consensus_event *event)
{
    switch (event->type) {
    case CONSENSUS_TICK:
        break;
    case CONSENSUS_PROPOSAL:
        vote_on_proposal(self, event);
        break;
    case CONSENSUS_VOTE:
        vote_on_vote(self, event);
        break;
    case CONSENSUS_TIMEOUT:
        pacemaker_on_timeout(self, event);
        break;
    case CONSENSUS_NEW_VIEW:
        if (event->u.new_view->view < self->view)
            self->counters.dropped_stale++;
        else if (certificate_tc_valid(self, event->u.new_view))
            certificate_take_tc(self, event->u.new_view);
        else
            self->counters.dropped_bad++;
        break;
    case CONSENSUS_HEARTBEAT:
        pacemaker_on_heartbeat(self, event);
        break;
    case CONSENSUS_EVIDENCE:
        evidence_on_event(self, event);
        break;
    case CONSENSUS_SYNCED:
        catchup_on_synced(self, event);
        break;
    case CONSENSUS_RESTORED:
        catchup_on_restored(self, &event->u.restored);
        break;
    case CONSENSUS_BUILT:
        propose_built(self, event);
        break;
    case CONSENSUS_BUILD_FAILED:
        propose_failed(self, event->u.built.view);
        break;
    case CONSENSUS_CHECKED:
        vote_on_checked(self, event);
        break;
    case CONSENSUS_RECHECKED:
        pacemaker_rechecked(self, &event->u.rechecked.parent_id, event->u.rechecked.live_count);
        break;
    case CONSENSUS_POOL:
        pool_changed(self, event->u.pool.tx_count, event->u.pool.oldest_age_ms);
        break;
    case CONSENSUS_ACCUSED:
        evidence_known(self, event->u.accused);
        break;
    case CONSENSUS_EXECUTOR_RESET:
        executor_reset(self);
        break;
    }
}

static bool sender_known(const struct consensus *self, const struct consensus_event *event)
{
    return event->sender < self->genesis->validator_count && event->sender != self->self;
}

static bool is_message(enum consensus_event_type type)
{
    return type >= CONSENSUS_PROPOSAL && type <= CONSENSUS_SYNCED;
}

void consensus_step(struct consensus *self, const struct consensus_event *event, struct consensus_effects *effects)
{
    blocktree_bury(self->tree);
    self->effect_count = 0;
    self->proof_header_count = 0;
    if (event->now_ms > self->now_ms)
        self->now_ms = event->now_ms;
    self->wall_ms = event->wall_ms;
    uint64_t voted_before = self->voting.last_voted_view;
    if (is_message(event->type) && !sender_known(self, event))
        self->counters.dropped_bad++;
    else
        dispatch(self, event);
    commit_deliver(self);
    vote_request_checks(self);
    propose_try(self);
    pacemaker_tick(self);
    catchup_tick(self);
    *effects = (struct consensus_effects){.items = self->effects, .count = self->effect_count};
    assert(self->voting.last_voted_view >= voted_before);
    assert(self->view > self->voting.high_qc.view);
}

uint64_t consensus_deadline_ms(const struct consensus *self)
{
    uint64_t due_ms = pacemaker_deadline_ms(self);
    uint64_t propose_ms = propose_deadline_ms(self);
    uint64_t sync_ms = catchup_deadline_ms(self);
    if (propose_ms < due_ms)
        due_ms = propose_ms;
    return sync_ms < due_ms ? sync_ms : due_ms;
}

/* Who leads by the highest certificate's chain; by the last committed block's while that is not here. */
static uint32_t leader(const struct consensus *self)
{
    const struct block *block = blocktree_find(self->tree, &self->voting.high_qc.block_id);
    if (!block || block->schedule.count == 0)
        block = blocktree_root(self->tree);
    return block->schedule.count > 0 ? schedule_leader(&block->schedule, self->view) : self->self;
}

void consensus_status(const struct consensus *self, struct consensus_status *out)
{
    *out = (struct consensus_status){
        .view = self->view,
        .high_qc_view = self->voting.high_qc.view,
        .high_qc_height = self->voting.high_qc.height,
        .committed_height = blocktree_root(self->tree)->header.height,
        .last_voted_view = self->voting.last_voted_view,
        .view_timeout_ms = pacemaker_view_timeout_ms(self),
        .leader = leader(self),
        .blocks_held = (uint32_t)blocktree_count(self->tree),
        .behind = self->behind_since_ms != NEVER_MS,
        .sync_height = self->behind_since_ms != NEVER_MS ? catchup_height(self) : 0,
        .pruned_by = self->behind_since_ms != NEVER_MS ? catchup_pruned_by(self) : 0,
        .floor_view = self->voting.high_qc.view < self->floor_view ? self->floor_view : 0,
        .used_elsewhere_view = self->used_elsewhere_view,
        .counters = self->counters,
    };
}

/* The highest certificate's block, or, where that is missing, the best of what is here: who lacks more is served. */
static const struct block *highest_certified(const struct consensus *self)
{
    const struct block *best = blocktree_find(self->tree, &self->voting.high_qc.block_id);
    if (best)
        return best;
    for (const struct block *block = blocktree_first(self->tree); block; block = block->next) {
        if (block->has_qc && (!best || block->header.view > best->header.view))
            best = block;
    }
    return best;
}

size_t consensus_certified(const struct consensus *self, uint64_t height_first, struct consensus_certified *out,
                           size_t capacity)
{
    const struct block *high = highest_certified(self);
    if (!high || height_first > high->header.height)
        return 0;
    size_t count = 0;
    for (uint64_t height = height_first; height <= high->header.height && count < capacity; height++) {
        const struct block *block = high;
        while (block && block->header.height > height)
            block = block->parent;
        if (!block || block->header.height != height || !block->parent || !block->has_qc)
            break;
        out[count++] = (struct consensus_certified){.header = block->header, .tx_ids = block->tx_ids, .qc = &block->qc};
    }
    return count;
}
