/* consensusd.c - starts everything, feeds the core and carries its effects out in order.
 *
 * The order of effects is the safety of the whole: what PERSIST names is on disk before the effect behind it is looked
 * at. If it cannot be written, the daemon ends and nothing more is sent.
 */
#include "services/consensusd/consensusd.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "common/base/err.h"
#include "common/base/tx.h"
#include "common/edge/genesis_file.h"
#include "common/edge/keyfile.h"
#include "services/consensusd/consensusd_state.h"
#include "services/consensusd/retention.h"

enum { BEAT_MS = 500, WAITING_LOG_MS = 5000 };

void consensusd_stop(struct consensusd *self, int rc, const char *what)
{
    if (self->failure == 0)
        self->failure = log_failure(rc, what);
    loop_stop(self->loop);
}

const char *consensusd_validator_name(const struct consensusd *self, uint32_t index)
{
    return self->genesis->validators[index].name;
}

void consensusd_bad_frame(struct consensusd *self, const char *arrow, const char *peer, int rc)
{
    self->dropped_frames++;
    log_limited(&self->bad_frame_limit, LOG_LEVEL_WARN, "frame.bad", "arrow=%s peer=%s error=\"%s\"", arrow,
                LOG_QUOTE_TEXT(peer), err_text(rc));
}

/* --- effects ------------------------------------------------------------------------------------------------------ */

static int persist(struct consensusd *self, const struct consensus_effect *effect)
{
    uint64_t start_us = loop_now_us();
    struct safety_store_vote vote = {.voting = effect->u.persist.voting};
    struct block_cache_entry *entry = NULL;
    if (effect->u.persist.block_id) {
        /* A block without transactions may have no entry yet; with one, FORGET finds what to remove from the store. */
        if (effect->u.persist.header->tx_count == 0) {
            int rc =
                block_cache_put(self->cache, effect->u.persist.block_id, effect->u.persist.header->height, NULL, 0);
            if (rc < 0 && rc != ERR_FULL)
                return rc;
        }
        entry = block_cache_find(self->cache, effect->u.persist.block_id);
        vote.header = effect->u.persist.header;
        vote.id = effect->u.persist.block_id;
        vote.justify = effect->u.persist.justify;
        vote.bodies = entry ? entry->bodies : NULL;
        vote.body_count = entry ? entry->body_count : 0;
        if (vote.body_count != vote.header->tx_count)
            return ERR_NOT_FOUND;
    }
    int rc = safety_store_vote(self->store, &vote);
    if (rc == 0 && entry)
        entry->stored = true;
    metrics_observe(self->metrics, CONSENSUSD_METRIC_PERSIST_TIME, loop_now_us() - start_us);
    return rc;
}

/* Returns 0, or why nothing more may be done. */
static int carry_out(struct consensusd *self, const struct consensus_effect *effect)
{
    switch (effect->type) {
    case CONSENSUS_PERSIST:
        return persist(self, effect);
    case CONSENSUS_SEND_PROPOSAL: {
        struct hash id = block_id(&effect->u.proposal.header);
        log_debug("block.proposed", "height=%llu view=%llu txs=%u id=%s",
                  (unsigned long long)effect->u.proposal.header.height,
                  (unsigned long long)effect->u.proposal.header.view, effect->u.proposal.header.tx_count,
                  LOG_HASH(&id));
        peers_broadcast(self, effect);
        break;
    }
    case CONSENSUS_SEND_TIMEOUT:
        log_info("view.timeout", "view=%llu", (unsigned long long)effect->u.timeout.view);
        peers_broadcast(self, effect);
        break;
    case CONSENSUS_SEND_EVIDENCE: {
        int rc = proofs_take(self, effect->u.evidence);
        return rc < 0 ? rc : self->failure;
    }
    case CONSENSUS_SEND_VOTE:
    case CONSENSUS_SEND_NEW_VIEW:
    case CONSENSUS_SEND_HEARTBEAT:
        peers_broadcast(self, effect);
        break;
    case CONSENSUS_BUILD:
        stages_build(self, &effect->u.build);
        break;
    case CONSENSUS_CHECK:
        stages_check(self, &effect->u.check);
        break;
    case CONSENSUS_RECHECK:
        stages_recheck(self, &effect->u.recheck.parent_id, effect->u.recheck.timestamp_ms);
        break;
    case CONSENSUS_COMMIT:
        handover_commit(self, &effect->u.commit);
        break;
    case CONSENSUS_SYNC:
        sync_blocks_ask(self, effect->u.sync.peer, effect->u.sync.height_first);
        break;
    case CONSENSUS_FORGET:
        stages_forget(self, &effect->u.forget);
        break;
    }
    return self->failure;
}

static void on_timer(void *context);

static void arm(struct consensusd *self)
{
    uint64_t due_ms = consensus_deadline_ms(self->core);
    if (self->timer != LOOP_TIMER_NONE && due_ms == self->timer_due_ms)
        return;
    loop_timer_cancel(self->loop, self->timer);
    self->timer = LOOP_TIMER_NONE;
    uint64_t now_ms = loop_now_ms();
    uint64_t delay_ms = due_ms > now_ms ? due_ms - now_ms : 1;
    self->timer_due_ms = due_ms;
    int rc = loop_timer_once(self->loop, delay_ms < 1000 ? (uint32_t)delay_ms : 1000, on_timer, self, &self->timer);
    if (rc < 0)
        consensusd_stop(self, rc, "arm the view's timer");
}

static void one_step(struct consensusd *self, struct consensus_event *event)
{
    uint64_t start_us = loop_now_us();
    event->now_ms = start_us / 1000;
    event->wall_ms = (uint64_t)loop_wall_ms();
    struct consensus_effects effects;
    consensus_step(self->core, event, &effects);
    uint64_t committed_before = self->committed_height;
    for (size_t i = 0; i < effects.count && self->failure == 0; i++) {
        int rc = carry_out(self, &effects.items[i]);
        if (rc < 0)
            consensusd_stop(self, rc, "carry out what consensus decided");
    }
    if (self->committed_height > committed_before) {
        block_cache_prune(self->cache, self->committed_height);
        log_debug("block.committed", "height=%llu", (unsigned long long)self->committed_height);
    }
    metrics_observe(self->metrics, CONSENSUSD_METRIC_STEP_TIME, loop_now_us() - start_us);
}

void consensusd_step(struct consensusd *self, const struct consensus_event *event)
{
    if (self->failure != 0)
        return;
    if (self->in_step) {
        /* From inside an effect: only events without borrowed memory come this way. */
        if (self->event_count < EVENTS_MAX)
            self->events[self->event_count++] = *event;
        return;
    }
    self->in_step = true;
    struct consensus_event first = *event;
    one_step(self, &first);
    for (size_t i = 0; i < self->event_count && self->failure == 0; i++)
        one_step(self, &self->events[i]);
    self->event_count = 0;
    self->in_step = false;
    if (self->failure == 0)
        arm(self);
}

static void on_timer(void *context)
{
    struct consensusd *self = context;
    self->timer = LOOP_TIMER_NONE;
    struct consensus_event event = {.type = CONSENSUS_TICK};
    consensusd_step(self, &event);
}

/* --- starting the core -------------------------------------------------------------------------------------------- */

static int restore_block(void *context, const struct safety_store_block *block)
{
    struct consensusd *self = context;
    int rc = block_cache_put(self->cache, &block->id, block->header.height, block->bodies, block->body_count);
    if (rc < 0)
        return rc;
    block_cache_find(self->cache, &block->id)->stored = true;
    struct hash *ids = calloc(block->body_count + 1, sizeof *ids);
    if (!ids)
        return -ENOMEM;
    for (size_t i = 0; i < block->body_count; i++)
        ids[i] = tx_id(block->bodies[i]);
    struct consensus_event event = {.type = CONSENSUS_RESTORED};
    /* The certificate of the genesis block is implied, and none was stored. */
    const struct qc *justify = block->qc.signature_count > 0 ? &block->qc : NULL;
    event.u.restored = (struct consensus_certified){.header = block->header, .tx_ids = ids, .justify = justify};
    consensusd_step(self, &event);
    free(ids);
    return self->failure;
}

/* The last committed block, and its own certificate (no signatures: none stored). */
static int read_root(struct consensusd *self, struct consensus_config *config, struct qc *qc)
{
    self->committed_height = safety_store_height(self->store);
    config->root = self->genesis_header;
    config->root_id = block_id(&self->genesis_header);
    if (self->committed_height == 0)
        return 0;
    struct safety_store_block block;
    int rc = safety_store_read(self->store, self->committed_height, &block);
    if (rc < 0)
        return rc;
    config->root = block.header;
    config->root_id = block.id;
    config->root_schedule = block.schedule;
    *qc = block.qc;
    safety_store_block_deinit(&block);
    return 0;
}

/* The core holds the root without its certificate, which is stored with the next block. It is in the store: a block
 * may be built on the root before anybody shows the certificate again. */
static void restore_root(struct consensusd *self, const struct block_header *root, const struct qc *qc)
{
    if (qc->signature_count == 0)
        return;
    struct consensus_event event = {.type = CONSENSUS_RESTORED};
    event.u.restored = (struct consensus_certified){.header = *root, .justify = qc};
    consensusd_step(self, &event);
}

int consensusd_start_core(struct consensusd *self)
{
    struct qc root_qc = {.signature_count = 0};
    struct consensus_config config = {.genesis = self->genesis,
                                      .self = self->self,
                                      .key = self->key,
                                      .block_min_interval_ms = self->config->block_min_interval_ms,
                                      .block_target_txs = (uint32_t)self->config->block_target_txs,
                                      .voting = safety_store_voting(self->store),
                                      .floor_view = safety_store_floor_view(self->store),
                                      .now_ms = loop_now_ms()};
    randombytes_buf(&config.seed, sizeof config.seed);
    int rc = read_root(self, &config, &root_qc);
    rc = rc == 0 ? consensus_new(&self->core, &config) : rc;
    sign_key_wipe(&config.key);
    if (rc < 0)
        return log_failure(rc, "begin at the stored block");
    restore_root(self, &config.root, &root_qc);
    rc = safety_store_each_open(self->store, restore_block, self);
    if (rc < 0)
        return log_failure(rc, "read the blocks voted for");
    rc = proofs_restore(self);
    if (rc < 0)
        return log_failure(rc, "read the proofs of equivocation");
    struct consensus_status status;
    consensus_status(self->core, &status);
    log_info("consensus.started", "height=%llu view=%llu last_voted_view=%llu quorum=%u of=%u",
             (unsigned long long)status.committed_height, (unsigned long long)status.view,
             (unsigned long long)status.last_voted_view, genesis_quorum(self->genesis->validator_count),
             self->genesis->validator_count);
    struct consensus_event event = {.type = CONSENSUS_TICK};
    consensusd_step(self, &event);
    return self->failure;
}

/* --- once in a while ---------------------------------------------------------------------------------------------- */

/* Old blocks leave with the next write. */
static void prune(struct consensusd *self)
{
    struct retention retention = {.blocks = self->config->block_retention,
                                  .committed_height = self->committed_height,
                                  .executor_height = self->executor_known ? self->executor_height : 0};
    int rc =
        self->failure == 0 ? safety_store_prune(self->store, retention_height_first(&retention), PRUNED_PER_BEAT) : 0;
    if (rc < 0)
        consensusd_stop(self, rc, "prune old blocks");
}

static void beat(void *context)
{
    struct consensusd *self = context;
    admin_beat(self->admin);
    beginning_beat(self);
    stages_tick(self);
    peering_tick(self);
    show_all(self);
    show_peers(self);
    int rc = safety_store_flush(self->store);
    if (rc < 0)
        consensusd_stop(self, rc, "write committed blocks");
    prune(self);
    uint64_t now_ms = loop_now_ms();
    if (!self->core && now_ms >= self->waiting_log_ms) {
        self->waiting_log_ms = now_ms + WAITING_LOG_MS;
        struct beginning_text text;
        beginning_show(self, &text);
        if (!self->genesis_known)
            log_info("genesis.wait", "for=executord endpoint=%s", LOG_QUOTE_TEXT(self->config->execution_endpoint));
        if (!self->certified)
            log_info("genesis.wait", "for=validators phase=\"%s\" missing=\"%s\"", text.phase, text.missing);
    }
}

/* --- opening ------------------------------------------------------------------------------------------------------ */

static int load_identity(struct consensusd *self)
{
    int rc = genesis_file_load(self->config->common.genesis_file, &self->genesis);
    if (rc < 0)
        return log_failure(rc, "read GENESIS_FILE");
    uint8_t seed[KEYFILE_KEY_BYTES];
    rc = keyfile_read(self->config->sign_key_file, seed);
    if (rc < 0) {
        log_error("keyfile.unreadable", "path=%s", LOG_QUOTE_TEXT(self->config->sign_key_file));
        return log_failure(rc, "read SIGN_KEY_FILE");
    }
    sign_key_from_seed(&self->key, seed);
    sodium_memzero(seed, sizeof seed);
    const char *name = self->config->common.node_name;
    while (self->self < self->genesis->validator_count && strcmp(self->genesis->validators[self->self].name, name) != 0)
        self->self++;
    if (self->self == self->genesis->validator_count)
        return config_problem("NODE_NAME", name, "a validator of the genesis file");
    if (memcmp(self->key.public.bytes, self->genesis->validators[self->self].sign_key.bytes, SIGN_PUBLIC_BYTES) != 0)
        return config_problem("SIGN_KEY_FILE", NULL, "the key that the genesis file names for this node");
    return 0;
}

static int open_admin(struct consensusd *self)
{
    int rc = show_peers_metrics(self);
    struct admin_options options = {.daemon = "consensusd",
                                    .node = self->config->common.node_name,
                                    .listen = self->config->common.admin_listen,
                                    .metrics = self->metrics,
                                    .conditions = show_conditions,
                                    .condition_count = CONDITION_COUNT};
    return rc == 0 ? admin_new(&self->admin, &options) : rc;
}

static int open_store(struct consensusd *self)
{
    char beside_key[PATH_MAX];
    snprintf(beside_key, sizeof beside_key, "%s.voted", self->config->sign_key_file);
    struct safety_store_options options = {.path = self->config->data_dir,
                                           .map_bytes_max = self->config->store_map_bytes_max,
                                           .chain_id = self->genesis->chain_id,
                                           .key = self->key.public,
                                           .mark_path = self->config->voted_mark_file ? self->config->voted_mark_file
                                                                                      : beside_key,
                                           .floor_view = self->config->recover_above_view};
    uint64_t seed;
    randombytes_buf(&seed, sizeof seed);
    int rc = block_cache_new(&self->cache, seed);
    rc = rc == 0 ? safety_store_open(&self->store, &options) : rc;
    if (rc < 0)
        return log_failure(rc, "open the store");
    admin_ready_set(self->admin, CONDITION_STORE, true, NULL);
    return 0;
}

static int open_sockets(struct consensusd *self)
{
    int rc = bus_new(&self->bus);
    if (rc < 0)
        return rc;
    uint8_t secret[KEYFILE_KEY_BYTES];
    const char *path = self->config->common.stage_curve_key_file;
    rc = path ? keyfile_read(path, secret) : 0;
    if (rc < 0) {
        log_error("keyfile.unreadable", "path=%s", LOG_QUOTE_TEXT(path));
        return log_failure(rc, "read STAGE_CURVE_KEY_FILE");
    }
    rc = stages_open(self, path ? secret : NULL);
    rc = rc == 0 ? show_open_query(self, path ? secret : NULL) : rc;
    sodium_memzero(secret, sizeof secret);
    return rc == 0 ? peers_open(self) : rc;
}

int consensusd_new(struct consensusd **out, const struct consensusd_config *config)
{
    CLEANUP(consensusd_destroy) struct consensusd *self = calloc(1, sizeof *self);
    if (!self)
        return -ENOMEM;
    self->config = config;
    self->beacon.fd = -1;
    int (*const steps[])(struct consensusd *) = {load_identity, open_admin, open_store, open_sockets, beginning_open};
    int rc = loop_new(&self->loop);
    for (size_t i = 0; i < ARRAY_COUNT(steps) && rc == 0; i++)
        rc = steps[i](self);
    if (rc < 0)
        return rc;
    rc = loop_timer_every(self->loop, BEAT_MS, beat, self, NULL);
    if (rc < 0)
        return rc;
    beat(self);
    *out = TAKE(self);
    return 0;
}

void consensusd_destroy(struct consensusd **self)
{
    if (!self || !*self)
        return;
    struct consensusd *daemon = *self;
    if (daemon->store && daemon->failure == 0 && safety_store_flush(daemon->store) < 0)
        log_warn("store.unflushed", "height=%llu", (unsigned long long)daemon->committed_height);
    beginning_close(daemon);
    stages_close(daemon);
    peers_close(daemon);
    if (daemon->query)
        loop_socket_remove(daemon->loop, daemon->query);
    bus_socket_close(&daemon->query);
    bus_destroy(&daemon->bus);
    admin_destroy(&daemon->admin);
    metrics_destroy(&daemon->metrics);
    consensus_destroy(&daemon->core);
    block_cache_destroy(&daemon->cache);
    safety_store_close(&daemon->store);
    sign_key_wipe(&daemon->key);
    loop_destroy(&daemon->loop);
    genesis_destroy(&daemon->genesis);
    free(daemon);
    *self = NULL;
}

int consensusd_run(struct consensusd *self)
{
    int rc = loop_run(self->loop);
    return rc < 0 ? rc : self->failure;
}
