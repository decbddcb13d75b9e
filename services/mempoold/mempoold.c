/* mempoold.c - decode, step, carry out.
 *
 * One consensusd and one ingestd speak to a mempoold: answers go to where each of them was heard last. What cannot be
 * sent is dropped: both ask again, and what is kept for them is kept by the core.
 */
#include "services/mempoold/mempoold.h"

#include <assert.h>
#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/err.h"
#include "common/edge/admin.h"
#include "common/edge/genesis_file.h"
#include "common/edge/log.h"
#include "common/edge/loop.h"
#include "services/mempoold/admission_codec.h"
#include "services/mempoold/gossip_codec.h"
#include "services/mempoold/gossip_limits.h"
#include "services/mempoold/links.h"
#include "services/mempoold/mempool.h"
#include "services/mempoold/mempoold_metrics.h"
#include "services/mempoold/pool_codec.h"
#include "services/mempoold/query_codec.h"
#include "services/mempoold/verify.h"

enum {
    TICK_MS = 50,
    BEAT_MS = 1000,
    SILENCE_MS_MAX = 3000,   /* a stage that said nothing for so long is away */
    GOSSIP_MESSAGES_MAX = 4, /* questions per wake-up: each may cost a frame of 8 MiB */
};

enum condition { CONDITION_INGESTD, CONDITION_CONSENSUSD, CONDITION_COUNT };
static const char *const condition_names[CONDITION_COUNT] = {"ingestd", "consensusd"};

struct peer {
    struct mempoold *daemon;
    uint32_t index;
    struct peer_meter meter;
};

struct mempoold {
    const struct mempoold_config *config;
    struct genesis *genesis;
    uint32_t own_index;
    uint64_t epoch;
    struct loop *loop;
    struct links links;
    struct peer peers[GENESIS_VALIDATORS_MAX];
    struct verify *verify;
    struct mempoold_metrics *metrics;
    struct admin *admin;
    struct mempool *pool;
    struct mempool_effects effects;
    struct bus_route ingestd;    /* heard last */
    struct bus_route consensusd; /* heard last */
    struct bus_route asker;      /* of the Fetch being answered */
    struct peer *asker_peer;     /* who that is */
    uint64_t heard_ms[CONDITION_COUNT];
    struct log_limit bad_frame_log[MEMPOOLD_ARROW_COUNT];
    struct log_limit unsent_log;
};

/* --- effects ------------------------------------------------------------------------------------------------------ */

/* The frame is taken. A peer that is away, or slower than its queue, asks again. */
static void send_frame(struct mempoold *self, struct bus_socket *socket, const struct bus_route *route, uint8_t *frame,
                       size_t size)
{
    int rc = bus_send_take(socket, route, &frame, size);
    if (rc < 0) {
        free(frame);
        log_limited(&self->unsent_log, LOG_LEVEL_DEBUG, "frame.unsent", "socket=%s bytes=%zu error=\"%s\"",
                    bus_socket_name(socket), size, err_text(rc));
    }
}

static int encode(const struct mempoold *self, const struct mempool_effect *effect, uint8_t **out, size_t *size)
{
    switch (effect->kind) {
    case MEMPOOL_SEND_VERDICTS:
        return admission_codec_encode_verdicts(&effect->verdicts, self->epoch, out, size);
    case MEMPOOL_SEND_REJECTED:
        return admission_codec_encode_rejected(&effect->rejected, out, size);
    case MEMPOOL_SEND_PENDING:
        return pool_codec_encode_pending(&effect->pending, out, size);
    case MEMPOOL_SEND_BATCH:
        return pool_codec_encode_batch(&effect->answer, out, size);
    case MEMPOOL_SEND_RESOLVED:
        return pool_codec_encode_resolved(&effect->answer, out, size);
    case MEMPOOL_SEND_FETCH:
        return gossip_codec_encode_fetch(&effect->fetch, out, size);
    case MEMPOOL_SEND_BODIES:
        return gossip_codec_encode_bodies(&effect->answer, out, size);
    case MEMPOOL_VERIFY:
        break;
    }
    return -EINVAL;
}

/* A destination: a socket, and on a ROUTER the route; nobody heard yet: socket is NULL. */
struct destination {
    struct bus_socket *socket;
    const struct bus_route *route;
};

static struct destination destination_of(const struct mempoold *self, const struct mempool_effect *effect)
{
    switch (effect->kind) {
    case MEMPOOL_SEND_VERDICTS:
    case MEMPOOL_SEND_REJECTED:
        return (struct destination){self->ingestd.size ? self->links.admission : NULL, &self->ingestd};
    case MEMPOOL_SEND_PENDING:
    case MEMPOOL_SEND_BATCH:
    case MEMPOOL_SEND_RESOLVED:
        return (struct destination){self->consensusd.size ? self->links.pool : NULL, &self->consensusd};
    case MEMPOOL_SEND_FETCH:
        return (struct destination){self->links.peers[effect->fetch.peer], NULL};
    case MEMPOOL_SEND_BODIES:
        return (struct destination){self->links.gossip, &self->asker};
    case MEMPOOL_VERIFY:
        break;
    }
    return (struct destination){0};
}

static void carry_out(struct mempoold *self, const struct mempool_effect *effect)
{
    if (effect->kind == MEMPOOL_VERIFY) {
        verify_submit(self->verify, &effect->verify);
        return;
    }
    struct destination destination = destination_of(self, effect);
    if (!destination.socket)
        return;
    uint8_t *frame = NULL;
    size_t size = 0;
    int rc = encode(self, effect, &frame, &size);
    if (rc < 0) {
        log_limited(&self->unsent_log, LOG_LEVEL_ERROR, "frame.unsent", "socket=%s error=\"%s\"",
                    bus_socket_name(destination.socket), err_text(rc));
        return;
    }
    if (effect->kind == MEMPOOL_SEND_BODIES)
        peer_meter_charge(&self->asker_peer->meter, GOSSIP_ASKING, size, loop_now_ms());
    send_frame(self, destination.socket, destination.route, frame, size);
}

static void step(struct mempoold *self, struct mempool_event *event)
{
    event->now_ms = loop_now_ms();
    mempool_step(self->pool, event, &self->effects);
    for (size_t i = 0; i < self->effects.count; i++)
        carry_out(self, &self->effects.items[i]);
}

/* --- events ------------------------------------------------------------------------------------------------------- */

static void bad_frame(struct mempoold *self, enum mempoold_arrow arrow, const char *sender, int rc)
{
    mempoold_metrics_bad_frame(self->metrics, arrow);
    log_limited(&self->bad_frame_log[arrow], LOG_LEVEL_WARN, "frame.bad", "arrow=%s sender=%s error=\"%s\"",
                mempoold_metrics_arrow(arrow), LOG_QUOTE_TEXT(sender), err_text(rc));
}

static void on_admission(void *context, struct bus_message *message)
{
    struct mempoold *self = context;
    struct admission_codec_frame frame;
    int rc = admission_codec_decode(&frame, message->payload);
    if (rc < 0) {
        bad_frame(self, MEMPOOLD_ADMISSION, message->user_id, rc);
        return;
    }
    self->ingestd = message->route;
    self->heard_ms[CONDITION_INGESTD] = loop_now_ms();
    step(self, &frame.event);
    admission_codec_deinit(&frame);
}

/* A frame of another validator within its limits, and what it should be; else it is counted. */
static bool gossip_decode(struct peer *peer, const struct bus_message *message, enum gossip_channel channel,
                          enum mempool_event_kind expected, struct gossip_codec_frame *out)
{
    struct mempoold *self = peer->daemon;
    if (!peer_meter_take(&peer->meter, channel, message->payload.size, loop_now_ms()))
        return false;
    int rc = gossip_codec_decode(out, message->payload);
    if (rc == 0 && out->event.kind == expected)
        return true;
    if (rc == 0)
        gossip_codec_deinit(out);
    peer->meter.bad_count++;
    bad_frame(self, MEMPOOLD_GOSSIP, self->genesis->validators[peer->index].name, rc < 0 ? rc : ERR_MALFORMED);
    return false;
}

static void on_bodies(void *context, struct bus_message *message)
{
    struct peer *peer = context;
    struct mempoold *self = peer->daemon;
    struct gossip_codec_frame frame;
    if (!gossip_decode(peer, message, GOSSIP_ANSWERING, MEMPOOL_BODIES, &frame))
        return;
    frame.event.bodies.peer = peer->index;
    step(self, &frame.event);
    gossip_codec_deinit(&frame);
}

static int listen_to_peer(struct mempoold *self, uint32_t index)
{
    return loop_socket_add(self->loop, self->links.peers[index],
                           &(struct loop_socket_handlers){.message = on_bodies,
                                                          .context = &self->peers[index],
                                                          .messages_max = GOSSIP_MESSAGES_MAX});
}

/* To another address than before. */
static void reconnect(struct mempoold *self, uint32_t index)
{
    if (self->links.peers[index])
        loop_socket_remove(self->loop, self->links.peers[index]);
    int rc = links_reconnect(&self->links, index);
    if (rc == 0)
        rc = listen_to_peer(self, index);
    if (rc < 0)
        log_warn("gossip.unconnected", "peer=%s error=\"%s\"", LOG_QUOTE_TEXT(self->genesis->validators[index].name),
                 err_text(rc));
    struct mempool_event event = {.kind = MEMPOOL_PEERS, .peers = self->links.peer_bits};
    step(self, &event);
}

/* consensusd tells where the others are. */
static void on_peers(struct mempoold *self, const struct pool_codec_frame *frame)
{
    for (uint32_t i = 0; i < self->genesis->validator_count; i++) {
        if (i != self->own_index && frame->gossip[i][0] != '\0' &&
            links_told(&self->links, i, frame->gossip[i], loop_now_ms()))
            reconnect(self, i);
    }
}

static void on_pool(void *context, struct bus_message *message)
{
    struct mempoold *self = context;
    struct pool_codec_frame frame;
    int rc = pool_codec_decode(&frame, message->payload);
    if (rc < 0) {
        bad_frame(self, MEMPOOLD_POOL, message->user_id, rc);
        return;
    }
    self->consensusd = message->route;
    self->heard_ms[CONDITION_CONSENSUSD] = loop_now_ms();
    if (frame.event.kind == MEMPOOL_PEERS)
        on_peers(self, &frame);
    else
        step(self, &frame.event);
    pool_codec_deinit(&frame);
}

static void on_fetch(void *context, struct bus_message *message)
{
    struct mempoold *self = context;
    int index = genesis_validator_named(self->genesis, message->user_id);
    if (index < 0)
        return; /* links_open() lets nobody else in */
    struct peer *peer = &self->peers[index];
    struct gossip_codec_frame frame;
    if (!gossip_decode(peer, message, GOSSIP_ASKING, MEMPOOL_FETCH, &frame))
        return;
    self->asker = message->route;
    self->asker_peer = peer;
    step(self, &frame.event);
    gossip_codec_deinit(&frame);
}

static void on_verified(void *context, const struct mempool_checks *checks)
{
    struct mempoold *self = context;
    struct mempool_event event = {.kind = MEMPOOL_VERIFIED, .verified = *checks};
    step(self, &event);
}

static void on_query(void *context, struct bus_message *message)
{
    struct mempoold *self = context;
    uint64_t request;
    int rc = query_codec_decode(&request, message->payload);
    if (rc < 0) {
        bad_frame(self, MEMPOOLD_QUERY, message->user_id, rc);
        return;
    }
    struct query_codec_item items[QUERY_CODEC_ITEM_COUNT_MAX];
    size_t count = mempoold_metrics_status(self->pool, loop_now_ms(), self->epoch, items);
    uint8_t *frame = NULL;
    size_t size = 0;
    if (query_codec_encode_status(request, items, count, &frame, &size) == 0)
        send_frame(self, self->links.query, &message->route, frame, size);
}

static void on_tick(void *context)
{
    struct mempool_event event = {.kind = MEMPOOL_TICK};
    step(context, &event);
}

static void on_beat(void *context)
{
    struct mempoold *self = context;
    uint64_t now_ms = loop_now_ms();
    admin_beat(self->admin);
    for (uint32_t i = 0; i < self->genesis->validator_count; i++) {
        if (links_tend(&self->links, i, now_ms))
            reconnect(self, i);
        mempoold_metrics_peer(self->metrics, i, &self->peers[i].meter);
    }
    mempoold_metrics_update(self->metrics, self->pool, now_ms);
    for (size_t i = 0; i < CONDITION_COUNT; i++) {
        bool here = self->heard_ms[i] != 0 && now_ms - self->heard_ms[i] <= SILENCE_MS_MAX;
        admin_ready_set(self->admin, i, here, here ? NULL : "not heard");
    }
    struct query_codec_item items[QUERY_CODEC_ITEM_COUNT_MAX];
    size_t count = mempoold_metrics_status(self->pool, now_ms, self->epoch, items);
    for (size_t i = 0; i < count; i++)
        admin_status_set_u64(self->admin, items[i].name, items[i].value);
}

/* --- life --------------------------------------------------------------------------------------------------------- */

static int genesis_open(struct mempoold *self)
{
    int rc = genesis_file_load(self->config->common.genesis_file, &self->genesis);
    if (rc < 0)
        return rc;
    int own_index = genesis_validator_named(self->genesis, self->config->common.node_name);
    if (own_index < 0)
        return config_problem("NODE_NAME", self->config->common.node_name,
                              "the name of a validator in the genesis file");
    self->own_index = (uint32_t)own_index;
    return 0;
}

static int pool_open(struct mempoold *self)
{
    const struct genesis_parameters *parameters = &self->genesis->parameters;
    struct mempool_limits limits = {
        .tx_count_max = (uint32_t)self->config->max_txs,
        .tx_bytes_max = self->config->max_bytes,
        .ttl_ms = self->config->nonce_ttl_ms,
        .rate_per_second = (uint32_t)self->config->rate_per_second,
        .block_tx_count_max = (uint32_t)parameters->block_max_txs,
        .block_bytes_max = parameters->block_max_bytes,
        .validator_count = self->genesis->validator_count,
        .peers = self->links.peer_bits,
        .epoch = self->epoch,
    };
    randombytes_buf(&limits.seed, sizeof limits.seed);
    int rc = mempool_new(&self->pool, &limits);
    if (rc < 0)
        return rc;
    return verify_new(&self->verify, self->loop,
                      &(struct verify_options){.thread_count = (uint32_t)self->config->verify_threads,
                                               .genesis = self->genesis,
                                               .done = on_verified,
                                               .context = self});
}

static int admin_open(struct mempoold *self)
{
    int rc = mempoold_metrics_new(&self->metrics, self->genesis);
    if (rc < 0)
        return rc;
    return admin_new(&self->admin, &(struct admin_options){.daemon = "mempoold",
                                                           .node = self->config->common.node_name,
                                                           .listen = self->config->common.admin_listen,
                                                           .metrics = mempoold_metrics_table(self->metrics),
                                                           .conditions = condition_names,
                                                           .condition_count = CONDITION_COUNT});
}

static int listen_to(struct mempoold *self, struct bus_socket *socket,
                     void (*message)(void *context, struct bus_message *message))
{
    return loop_socket_add(self->loop, socket, &(struct loop_socket_handlers){.message = message, .context = self});
}

static int listen_to_peers(struct mempoold *self)
{
    int rc = loop_socket_add(
        self->loop, self->links.gossip,
        &(struct loop_socket_handlers){.message = on_fetch, .context = self, .messages_max = GOSSIP_MESSAGES_MAX});
    for (uint32_t i = 0; rc == 0 && i < self->genesis->validator_count; i++) {
        self->peers[i] = (struct peer){
            .daemon = self,
            .index = i,
            .meter = peer_meter_of(gossip_limits, GOSSIP_CHANNEL_COUNT, loop_now_ms()),
        };
        if (self->links.peers[i])
            rc = listen_to_peer(self, i);
    }
    return rc;
}

static int listen_to_all(struct mempoold *self)
{
    int rc = listen_to(self, self->links.admission, on_admission);
    if (rc == 0)
        rc = listen_to(self, self->links.pool, on_pool);
    if (rc == 0)
        rc = listen_to(self, self->links.query, on_query);
    if (rc == 0)
        rc = listen_to_peers(self);
    if (rc == 0)
        rc = loop_timer_every(self->loop, TICK_MS, on_tick, self, NULL);
    if (rc == 0)
        rc = loop_timer_every(self->loop, BEAT_MS, on_beat, self, NULL);
    return rc;
}

int mempoold_new(struct mempoold **out, const struct mempoold_config *config)
{
    CLEANUP(mempoold_destroy) struct mempoold *self = calloc(1, sizeof *self);
    if (!self)
        return -ENOMEM;
    self->config = config;
    self->epoch = (uint64_t)loop_wall_ms();
    int rc = loop_new(&self->loop);
    if (rc == 0)
        rc = genesis_open(self);
    if (rc == 0)
        rc = links_open(&self->links, config, self->genesis, self->own_index);
    if (rc == 0)
        rc = pool_open(self);
    if (rc == 0)
        rc = admin_open(self);
    if (rc == 0)
        rc = listen_to_all(self);
    if (rc < 0)
        return rc;
    *out = TAKE(self);
    return 0;
}

void mempoold_destroy(struct mempoold **self)
{
    if (!self || !*self)
        return;
    admin_destroy(&(*self)->admin);
    verify_destroy(&(*self)->verify);
    mempool_destroy(&(*self)->pool);
    mempoold_metrics_destroy(&(*self)->metrics);
    loop_destroy(&(*self)->loop);
    links_close(&(*self)->links);
    genesis_destroy(&(*self)->genesis);
    free(*self);
    *self = NULL;
}

int mempoold_run(struct mempoold *self)
{
    return loop_run(self->loop);
}
