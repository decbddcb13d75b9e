/* cluster.c - cores that react to events, and effects that become events.
 *
 * A validator's effects are carried out in order. A PERSIST that takes time holds back the effects behind it and
 * whatever else happens to that validator, as the daemon's one thread does; a crash meanwhile loses them.
 */
#include "tests/sim/cluster_state.h"

#include <errno.h>
#include <stdio.h>

enum { EXECUTE_MS = 1, FLUSH_MS = 500, TICK_MS_MAX = 1000, LATE_MS_MAX = 100 };

/* --- a validator's clock ------------------------------------------------------------------------------------------ */

static uint64_t local_ms(const struct cluster *self, const struct node *node)
{
    return node->monotonic_base_ms + (self->now_ms - node->born_ms) * (uint64_t)(1000 + node->drift_ppt) / 1000;
}

static void wake_at_deadline(struct cluster *self, uint32_t index)
{
    struct node *node = &self->nodes[index];
    uint64_t due_ms = consensus_deadline_ms(node->core);
    uint64_t local = local_ms(self, node);
    uint64_t delay_ms = due_ms > local ? (due_ms - local) * 1000 / (uint64_t)(1000 + node->drift_ppt) : 1;
    delay_ms = delay_ms > TICK_MS_MAX ? TICK_MS_MAX : delay_ms + (delay_ms == 0);
    if (node->tick_ms > self->now_ms && node->tick_ms <= self->now_ms + delay_ms)
        return;
    node->tick++;
    node->tick_ms = self->now_ms + delay_ms;
    mail_self(self, MAIL_TICK, index, delay_ms, NULL);
}

/* --- effects ------------------------------------------------------------------------------------------------------ */

static void send(struct cluster *self, uint32_t index, const struct consensus_effect *effect)
{
    if (self->nodes[index].liar && liar_on_effect(self, index, effect))
        return;
    self->nodes[index].talk += effect->type != CONSENSUS_SEND_HEARTBEAT;
    struct parcel *parcel = mail_parcel_of(effect);
    mail_broadcast(self, index, parcel);
    parcel_release(&parcel);
}

static void commit(struct cluster *self, uint32_t index, const struct consensus_commit *commit)
{
    struct node *node = &self->nodes[index];
    invariants_committed(self, index, commit);
    if (self->violation[0] != '\0')
        return;
    pool_on_commit(self, index, commit);
    struct certified_copy *copy = &node->committed[commit->header.height - 1];
    copy->block = model_block(self, &commit->header, &commit->block_id, commit->tx_ids);
    if (commit->qc)
        copy->qc = *commit->qc;
    else
        copy->qc.signature_count = 0;
    node->height = commit->header.height;
    node->root_id = commit->block_id;
}

static void ask_sync(struct cluster *self, uint32_t index, const struct consensus_effect *effect)
{
    struct consensus_event event = {0};
    self->nodes[index].talk++;
    struct parcel *parcel = parcel_new(&event);
    parcel->height_first = effect->u.sync.height_first;
    mail_send(self, MAIL_SYNC_ASK, index, effect->u.sync.peer, parcel);
    parcel_release(&parcel);
}

/* The one place that knows what each effect means. */
static void carry_out(struct cluster *self, uint32_t index, const struct consensus_effect *effect)
{
    switch ((int)effect->type) {
    case CONSENSUS_PERSIST:
        disk_write(self, index, effect);
        break;
    case CONSENSUS_SEND_PROPOSAL:
    case CONSENSUS_SEND_VOTE:
    case CONSENSUS_SEND_TIMEOUT:
    case CONSENSUS_SEND_NEW_VIEW:
    case CONSENSUS_SEND_HEARTBEAT:
    case CONSENSUS_SEND_EVIDENCE:
        invariants_sent(self, index, effect);
        send(self, index, effect);
        break;
    case CONSENSUS_BUILD:
        model_on_build(self, index, &effect->u.build);
        break;
    case CONSENSUS_CHECK:
        model_on_check(self, index, &effect->u.check);
        break;
    case CONSENSUS_RECHECK:
        model_on_recheck(self, index, &effect->u.recheck.parent_id);
        break;
    case CONSENSUS_COMMIT:
        commit(self, index, &effect->u.commit);
        break;
    case CONSENSUS_SYNC:
        ask_sync(self, index, effect);
        break;
    case CONSENSUS_FORGET:
        break; /* an open block that lost is harmless on disk: it goes with its height */
    default:
        fprintf(stderr, "the simulation does not know effect %d\n", (int)effect->type);
        abort();
    }
}

static bool begins_slow_write(struct cluster *self, uint32_t index, const struct consensus_effect *effect)
{
    struct node *node = &self->nodes[index];
    if (effect->type != CONSENSUS_PERSIST || node->disk.write_ms_max == 0)
        return false;
    uint64_t duration_ms = random_below(self, node->disk.write_ms_max + 1);
    if (duration_ms == 0)
        return false;
    node->writing = true;
    node->written_ms = self->now_ms + duration_ms;
    mail_self(self, MAIL_WRITTEN, index, duration_ms, NULL);
    return true;
}

/* Carry out what is left of the step, up to a slow write or a crash. */
static void go_on(struct cluster *self, uint32_t index)
{
    struct node *node = &self->nodes[index];
    while (node->effect_next < node->effects.count && self->violation[0] == '\0') {
        if (node->crash_armed && node->crash_countdown-- == 0) {
            cluster_crash(self, index);
            return;
        }
        const struct consensus_effect *effect = &node->effects.items[node->effect_next++];
        self->fingerprint = (self->fingerprint ^ (uint64_t)effect->type) * 1099511628211u;
        if (self->options.trace)
            trace_effect(self, index, effect);
        if (begins_slow_write(self, index, effect))
            return;
        carry_out(self, index, effect);
    }
    if (self->violation[0] != '\0')
        return;
    invariants_stepped(self, index, node->effects.count);
    if (self->now_ms >= node->flushed_ms + FLUSH_MS)
        disk_flush(self, index);
    wake_at_deadline(self, index);
}

static void step(struct cluster *self, uint32_t index, struct consensus_event *event)
{
    struct node *node = &self->nodes[index];
    event->now_ms = local_ms(self, node);
    event->wall_ms = (uint64_t)((int64_t)(start_wall_ms + self->now_ms) + node->wall_skew_ms);
    self->steps++;
    self->fingerprint =
        (self->fingerprint ^ (self->now_ms << 16 | index << 8 | (uint64_t)event->type)) * 1099511628211u;
    if (self->options.trace && event->type != CONSENSUS_TICK)
        trace_event(self, index, event);
    consensus_step(node->core, event, &node->effects);
    node->effect_next = 0;
    node->idle_ticks = event->type == CONSENSUS_TICK && node->effects.count == 0 ? node->idle_ticks + 1 : 0;
    go_on(self, index);
}

/* --- mail --------------------------------------------------------------------------------------------------------- */

static void answer_sync(struct cluster *self, uint32_t index, uint32_t asker, uint64_t height)
{
    struct node *node = &self->nodes[index];
    if (node->liar && liar_on_sync_ask(self, index, asker, height))
        return;
    struct consensus_event event = {.type = CONSENSUS_SYNCED};
    struct parcel *answer = parcel_new(&event);
    answer->certified = must(malloc(2 * SYNC_BLOCKS_MAX * sizeof *answer->certified));
    for (; height >= 1 && height <= node->height && answer->certified_count < SYNC_BLOCKS_MAX; height++) {
        if (node->committed[height - 1].qc.signature_count == 0)
            break;
        answer->certified[answer->certified_count++] = node->committed[height - 1];
    }
    struct consensus_certified open[SYNC_BLOCKS_MAX];
    size_t count = 0;
    if (height > node->height)
        count = consensus_certified(node->core, height, open, SYNC_BLOCKS_MAX - answer->certified_count);
    for (size_t i = 0; i < count; i++) {
        struct hash id = block_id(&open[i].header);
        answer->certified[answer->certified_count++] = (struct certified_copy){
            .block = model_block(self, &open[i].header, &id, open[i].tx_ids), .qc = *open[i].qc};
    }
    mail_send(self, MAIL_SYNC_ANSWER, index, asker, answer);
    parcel_release(&answer);
}

static void take_sync_answer(struct cluster *self, const struct mail *mail)
{
    struct consensus_certified blocks[SYNC_BLOCKS_MAX * 2];
    struct consensus_event event = {.type = CONSENSUS_SYNCED, .sender = mail->from};
    for (size_t i = 0; i < mail->parcel->certified_count; i++)
        blocks[i] = (struct consensus_certified){.header = mail->parcel->certified[i].block->header,
                                                 .tx_ids = mail->parcel->certified[i].block->tx_ids,
                                                 .qc = &mail->parcel->certified[i].qc};
    event.u.synced.blocks = blocks;
    event.u.synced.count = mail->parcel->certified_count;
    step(self, mail->to, &event);
}

static void hand_over(struct cluster *self, const struct mail *mail)
{
    struct node *node = &self->nodes[mail->to];
    struct consensus_event event =
        mail->parcel ? mail->parcel->event : (struct consensus_event){.type = CONSENSUS_TICK};
    switch (mail->type) {
    case MAIL_CONSENSUS:
        event.sender = mail->from;
        if (node->liar)
            liar_on_event(self, mail->to, &event);
        step(self, mail->to, &event);
        break;
    case MAIL_SYNC_ASK:
        answer_sync(self, mail->to, mail->from, mail->parcel->height_first);
        break;
    case MAIL_SYNC_ANSWER:
        take_sync_answer(self, mail);
        break;
    case MAIL_EXECUTED:
    case MAIL_POOL:
    case MAIL_TICK:
        step(self, mail->to, &event);
        break;
    case MAIL_WRITTEN:
        node->writing = false;
        disk_write(self, mail->to, &node->effects.items[node->effect_next - 1]);
        go_on(self, mail->to);
        break;
    }
}

/* Answers of a validator's own executor, and its clock, end with its life; the network's mail does not. */
static bool is_void(const struct cluster *self, const struct mail *mail)
{
    const struct node *node = &self->nodes[mail->to];
    bool own = mail->type >= MAIL_EXECUTED;
    if (!node->core || (own && mail->life != node->life))
        return true;
    if (mail->type == MAIL_TICK && mail->tick != node->tick)
        return true;
    return mail->type == MAIL_EXECUTED && mail->executor_life != node->executor_life;
}

void cluster_run(struct cluster *self, uint64_t duration_ms)
{
    uint64_t until_ms = self->now_ms + duration_ms;
    while (self->mail_count > 0 && self->mail[0].at_ms <= until_ms && self->violation[0] == '\0') {
        struct mail mail = mail_take(self);
        struct node *node = &self->nodes[mail.to];
        self->now_ms = mail.at_ms;
        if (is_void(self, &mail)) {
            parcel_release(&mail.parcel);
        } else if (node->writing && mail.type != MAIL_WRITTEN) {
            mail.at_ms = node->written_ms;
            mail_put(self, &mail);
        } else {
            hand_over(self, &mail);
            parcel_release(&mail.parcel);
        }
    }
    if (self->violation[0] == '\0')
        self->now_ms = until_ms;
}

/* --- lives -------------------------------------------------------------------------------------------------------- */

static void restore_block(struct cluster *self, uint32_t index, const struct stored *block, const struct qc *justify)
{
    /* The certificate of the genesis block is implied, and none was stored. */
    struct consensus_event event = {.type = CONSENSUS_RESTORED};
    event.u.restored = (struct consensus_certified){
        .header = block->header, .tx_ids = block->tx_ids, .justify = justify->signature_count > 0 ? justify : NULL};
    step(self, index, &event);
}

static void restore_open(struct cluster *self, uint32_t index)
{
    /* The disk's list may change while the core commits what it hears. */
    const struct disk *disk = &self->nodes[index].disk;
    size_t count = disk->open_count;
    struct certified_copy *open = must(malloc((count + 1) * sizeof *open));
    for (size_t i = 0; i < count; i++)
        open[i] = disk->open[i];
    for (size_t i = 0; i < count; i++)
        restore_block(self, index, open[i].block, &open[i].qc);
    free(open);
}

/* As consensusd starts: the root with its certificate, the blocks voted for, then the clock. */
static int node_start(struct cluster *self, uint32_t index)
{
    struct node *node = &self->nodes[index];
    node->born_ms = self->now_ms;
    node->monotonic_base_ms = 1000 + random_below(self, 100000);
    node->flushed_ms = self->now_ms;
    node->tick_ms = 0;
    node->idle_ticks = 0;
    const struct certified_copy *root = node->height ? &node->committed[node->height - 1] : NULL;
    struct consensus_config config = {.genesis = &self->genesis,
                                      .self = index,
                                      .key = node->key,
                                      .block_min_interval_ms = 20,
                                      .block_target_txs = 200,
                                      .seed = random_next(self),
                                      .root = root ? root->block->header : self->genesis_header,
                                      .root_id = node->root_id,
                                      .root_schedule = *model_schedule(self, &node->root_id),
                                      .voting = node->disk.has_voting ? &node->disk.voting : NULL,
                                      .now_ms = local_ms(self, node)};
    int rc = consensus_new(&node->core, &config);
    if (rc < 0)
        return rc;
    /* A start reads and does not wait for the disk. */
    uint64_t write_ms_max = node->disk.write_ms_max;
    node->disk.write_ms_max = 0;
    if (root && root->qc.signature_count > 0)
        restore_block(self, index, root->block, &root->qc);
    restore_open(self, index);
    node->disk.write_ms_max = write_ms_max;
    invariants_restarted(self, index);
    struct consensus_event tick = {.type = CONSENSUS_TICK};
    step(self, index, &tick);
    pool_tell(self, index);
    return 0;
}

static void choose_liars(struct cluster *self)
{
    for (uint32_t chosen = 0; chosen < self->options.liar_count && chosen < self->options.validator_count;) {
        struct node *node = &self->nodes[random_below(self, self->options.validator_count)];
        if (node->liar)
            continue;
        node->liar = true;
        node->lies = liar_new();
        chosen++;
    }
}

static void prepare_genesis(struct cluster *self)
{
    const struct cluster_options *options = &self->options;
    self->genesis.validator_count = options->validator_count;
    self->genesis.parameters = genesis_parameters_default();
    if (options->epoch_blocks > 0) {
        /* A run is short: reputations that fall fast, so that leaders come and go in it. */
        self->genesis.parameters.schedule_epoch_blocks = options->epoch_blocks;
        self->genesis.parameters.schedule_lag_blocks = 2;
        self->genesis.parameters.reputation_missed_ppm = 200000;
    }
    memset(self->genesis.chain_id.bytes, 7, HASH_BYTES);
    self->genesis.created_ms = start_wall_ms - 100000;
    for (uint32_t i = 0; i < options->validator_count; i++) {
        uint8_t seed[SIGN_SEED_BYTES] = {(uint8_t)(i + 1), (uint8_t)options->seed};
        sign_key_from_seed(&self->nodes[i].key, seed);
        self->genesis.validators[i].sign_key = self->nodes[i].key.public;
        self->genesis.validators[i].id = sign_public_id(&self->nodes[i].key.public);
    }
    struct hash state_root = {{1}};
    self->genesis_header = block_genesis(&self->genesis, &state_root);
    self->genesis_id = block_id(&self->genesis_header);
    /* Reckoned here again, so that a wrong quorum in the core is seen: more than half of N + f. */
    self->quorum = (options->validator_count + (options->validator_count - 1) / 3) / 2 + 1;
    model_begin(self);
}

static void prepare_node(struct cluster *self, struct node *node)
{
    uint32_t drift = self->options.clock_drift_ppt_max;
    node->done = must(calloc(TXS_MAX, 1));
    node->gone = must(calloc(TXS_MAX, 1));
    node->history.votes = must(calloc(VIEWS_TRACKED, sizeof(struct hash)));
    node->history.proposals = must(calloc(VIEWS_TRACKED, sizeof(struct hash)));
    node->history.timeouts = must(calloc(VIEWS_TRACKED, sizeof(uint64_t)));
    node->committed = must(calloc(HEIGHTS_MAX, sizeof *node->committed));
    node->root_id = self->genesis_id;
    node->execute_ms_max = EXECUTE_MS;
    node->drift_ppt = drift ? (int64_t)random_below(self, 2 * drift + 1) - drift : 0;
}

int cluster_new(struct cluster **out, const struct cluster_options *options)
{
    if (options->validator_count < 1 || options->validator_count > NODES_MAX)
        return -EINVAL;
    struct cluster *self = must(calloc(1, sizeof *self));
    self->options = *options;
    self->random = options->seed * 2654435761u + 88172645463325252u;
    self->fingerprint = 14695981039346656037u;
    self->late_ms_max = LATE_MS_MAX;
    for (int i = 0; i < 8; i++)
        random_next(self);
    self->txs = must(calloc(TXS_MAX, sizeof *self->txs));
    self->twins = must(calloc(TXS_MAX, sizeof *self->twins));
    self->submitted_ms = must(calloc(TXS_MAX, sizeof *self->submitted_ms));
    self->final = must(calloc(HEIGHTS_MAX, sizeof *self->final));
    if (map_new(&self->blocks, 1024, 1) < 0 || map_new(&self->tx_index, 1024, 2) < 0)
        abort();
    prepare_genesis(self);
    choose_liars(self);
    for (uint32_t i = 0; i < options->validator_count; i++)
        prepare_node(self, &self->nodes[i]);
    *out = self;
    for (uint32_t i = 0; i < options->validator_count; i++) {
        int rc = node_start(self, i);
        if (rc < 0)
            return rc;
    }
    return 0;
}

static void free_blocks(struct cluster *self)
{
    size_t cursor = 0;
    struct hash key;
    for (struct stored *block = map_next(self->blocks, &cursor, &key); block;
         block = map_next(self->blocks, &cursor, &key)) {
        free(block->tx_ids);
        free(block);
    }
    map_destroy(&self->blocks);
    map_destroy(&self->tx_index);
}

void cluster_destroy(struct cluster **self)
{
    if (!self || !*self)
        return;
    struct cluster *cluster = *self;
    for (uint64_t i = 0; i < cluster->mail_count; i++)
        parcel_release(&cluster->mail[i].parcel);
    free(cluster->mail);
    free_blocks(cluster);
    for (uint32_t i = 0; i < cluster->options.validator_count; i++) {
        struct node *node = &cluster->nodes[i];
        consensus_destroy(&node->core);
        liar_free(&node->lies);
        disk_free(&node->disk);
        free(node->committed);
        free(node->done);
        free(node->gone);
        free(node->history.votes);
        free(node->history.proposals);
        free(node->history.timeouts);
    }
    free(cluster->txs);
    free(cluster->twins);
    free(cluster->submitted_ms);
    free(cluster->final);
    free(cluster);
    *self = NULL;
}

void cluster_crash(struct cluster *self, uint32_t validator)
{
    struct node *node = &self->nodes[validator];
    if (!node->core)
        return;
    if (self->options.trace)
        trace_note(self, validator, "crash", node->life);
    node->crash_armed = false;
    disk_crash(self, validator);
    consensus_destroy(&node->core);
    node->effects = (struct consensus_effects){0};
    node->effect_next = 0;
    node->life++;
    node->executor_life++;
}

void cluster_crash_at_effect(struct cluster *self, uint32_t validator, uint32_t effects_from_now)
{
    self->nodes[validator].crash_armed = true;
    self->nodes[validator].crash_countdown = effects_from_now;
}

void cluster_restart(struct cluster *self, uint32_t validator)
{
    struct node *node = &self->nodes[validator];
    node->crash_armed = false;
    if (node->core)
        return;
    if (self->options.trace)
        trace_note(self, validator, "restart", node->life);
    node->pooled_from_ms = self->now_ms;
    pool_refill(self, validator);
    if (node_start(self, validator) < 0)
        abort();
}
