/* show.c - metrics, the admin listener's status, and the answers to apid's StatusRequest. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/base/err.h"
#include "proto/query.pb-c.h"
#include "services/consensusd/consensusd_state.h"

enum { QUERY_BYTES_MAX = 64 << 10, QUEUE_COUNT_MAX = 100, FRESH_MS = 3000 };

const char *const show_conditions[CONDITION_COUNT] = {"store", "mempoold", "executord", "genesis", "voting", "sync"};

static const char *const drop_names[DROP_COUNT] = {"stale", "ahead", "bad", "unlinked", "frame", "sync_limit"};

/* In the order of enum consensus_event_type. */
enum { MESSAGES = CONSENSUS_EVIDENCE - CONSENSUS_PROPOSAL + 1 };
static const char *const message_names[MESSAGES] = {"proposal", "vote", "timeout", "new_view", "heartbeat", "evidence"};

static const char *const timeout_names[CONSENSUS_TIMEOUT_REASONS] = {"no_proposal", "no_payload", "refused",
                                                                     "no_certificate", "joined"};

#define COUNTER .kind = METRIC_COUNTER
#define GAUGE .kind = METRIC_GAUGE
#define HISTOGRAM                                                                                                      \
    .kind = METRIC_HISTOGRAM, .scale = 1000000, .bounds = metrics_bounds_us, .bound_count = METRICS_BOUNDS_US_COUNT

const struct metric consensusd_metrics[CONSENSUSD_METRIC_COUNT] = {
    [CONSENSUSD_METRIC_HEIGHT] = {.name = "cybermesh_consensusd_height", GAUGE, .help = "Committed height."},
    [CONSENSUSD_METRIC_VIEW] = {.name = "cybermesh_consensusd_view", GAUGE, .help = "Current view."},
    [CONSENSUSD_METRIC_HIGH_QC_VIEW] = {.name = "cybermesh_consensusd_high_qc_view",
                                        GAUGE,
                                        .help = "View of the highest certificate."},
    [CONSENSUSD_METRIC_BLOCKS_HELD] = {.name = "cybermesh_consensusd_blocks_held",
                                       GAUGE,
                                       .help = "Uncommitted blocks in memory."},
    [CONSENSUSD_METRIC_BEHIND] = {.name = "cybermesh_consensusd_behind",
                                  GAUGE,
                                  .help = "1 while blocks are asked of others."},
    [CONSENSUSD_METRIC_PROPOSED] = {.name = "cybermesh_consensusd_proposals_total",
                                    COUNTER,
                                    .help = "Blocks proposed."},
    [CONSENSUSD_METRIC_VOTES] = {.name = "cybermesh_consensusd_votes_total", COUNTER, .help = "Votes cast."},
    [CONSENSUSD_METRIC_TIMEOUTS] = {.name = "cybermesh_consensusd_timeouts_total", COUNTER, .help = "Timeouts sent."},
    [CONSENSUSD_METRIC_TIMEOUT_CERTIFICATES] = {.name = "cybermesh_consensusd_timeout_certificates_total",
                                                COUNTER,
                                                .help = "Timeout certificates formed."},
    [CONSENSUSD_METRIC_COMMITS] = {.name = "cybermesh_consensusd_commits_total", COUNTER, .help = "Blocks committed."},
    [CONSENSUSD_METRIC_SIGNATURES] = {.name = "cybermesh_consensusd_signatures_verified_total",
                                      COUNTER,
                                      .help = "Signatures verified."},
    [CONSENSUSD_METRIC_EQUIVOCATIONS] = {.name = "cybermesh_consensusd_equivocations_total",
                                         COUNTER,
                                         .help = "Second, different votes or proposals of a validator in a view."},
    [CONSENSUSD_METRIC_OFFENDERS] = {.name = "cybermesh_consensusd_offenders",
                                     GAUGE,
                                     .help = "Validators with a proof of equivocation against them."},
    [CONSENSUSD_METRIC_PROOFS_HELD] = {.name = "cybermesh_consensusd_proofs_uncommitted",
                                       GAUGE,
                                       .help = "Proofs of equivocation that no committed block has."},
    [CONSENSUSD_METRIC_TIMEOUT_REASONS] = {.name = "cybermesh_consensusd_view_timeouts_total",
                                           COUNTER,
                                           .label = "reason",
                                           .label_values = timeout_names,
                                           .label_count = CONSENSUS_TIMEOUT_REASONS,
                                           .help = "Timeouts sent, by what was missing."},
    [CONSENSUSD_METRIC_DROPPED] = {.name = "cybermesh_consensusd_dropped_total",
                                   COUNTER,
                                   .label = "reason",
                                   .label_values = drop_names,
                                   .label_count = DROP_COUNT,
                                   .help = "Messages dropped."},
    [CONSENSUSD_METRIC_RECEIVED] = {.name = "cybermesh_consensusd_messages_received_total",
                                    COUNTER,
                                    .label = "type",
                                    .label_values = message_names,
                                    .label_count = MESSAGES,
                                    .help = "Messages of other validators."},
    [CONSENSUSD_METRIC_PEERS_CONNECTED] = {.name = "cybermesh_consensusd_peers_connected",
                                           GAUGE,
                                           .help = "Other validators that this one hears and can ask."},
    [CONSENSUSD_METRIC_SYNC_ANSWERED] = {.name = "cybermesh_consensusd_sync_blocks_sent_total",
                                         COUNTER,
                                         .help = "Blocks given to other validators."},
    [CONSENSUSD_METRIC_SYNC_RECEIVED] = {.name = "cybermesh_consensusd_sync_blocks_received_total",
                                         COUNTER,
                                         .help = "Blocks received from other validators."},
    [CONSENSUSD_METRIC_STEP_TIME] = {.name = "cybermesh_consensusd_step_seconds",
                                     HISTOGRAM,
                                     .help = "Time of one event with its effects."},
    [CONSENSUSD_METRIC_PERSIST_TIME] = {.name = "cybermesh_consensusd_persist_seconds",
                                        HISTOGRAM,
                                        .help = "Time to make the voting state durable."},
    [CONSENSUSD_METRIC_STORE_BYTES] = {.name = "cybermesh_consensusd_store_bytes",
                                       GAUGE,
                                       .help = "Bytes used in the store."},
    [CONSENSUSD_METRIC_SILENT] = {.name = "cybermesh_consensusd_silent",
                                  GAUGE,
                                  .help = "1 while this validator may not vote, see the condition voting of /ready."},
    [CONSENSUSD_METRIC_HEIGHT_LOWEST] = {.name = "cybermesh_consensusd_height_lowest",
                                         GAUGE,
                                         .help = "Lowest committed block in the store; older ones are pruned."},
    [CONSENSUSD_METRIC_SYNC_PRUNED] = {.name = "cybermesh_consensusd_sync_pruned",
                                       GAUGE,
                                       .help = "1 while every reachable validator has pruned the next block."},
    [CONSENSUSD_METRIC_PEER_CONNECTED] = {.name = "cybermesh_consensusd_peer_connected",
                                          GAUGE,
                                          .label = "validator",
                                          .help = "1 while this validator hears that one and can ask it."},
    [CONSENSUSD_METRIC_PEER_FRAMES] = {.name = "cybermesh_consensusd_peer_frames_received_total",
                                       COUNTER,
                                       .label = "validator",
                                       .help = "Frames of that validator, dropped ones too."},
    [CONSENSUSD_METRIC_PEER_BYTES] = {.name = "cybermesh_consensusd_peer_bytes_received_total",
                                      COUNTER,
                                      .label = "validator",
                                      .help = "Bytes of those frames."},
    [CONSENSUSD_METRIC_PEER_LIMITED] = {.name = "cybermesh_consensusd_peer_frames_limited_total",
                                        COUNTER,
                                        .label = "validator",
                                        .help = "Frames of that validator dropped because it sends too much."},
    [CONSENSUSD_METRIC_PEER_BAD] = {.name = "cybermesh_consensusd_peer_frames_bad_total",
                                    COUNTER,
                                    .label = "validator",
                                    .help =
                                        "Frames of that validator dropped because they are not what they should be."},
    [CONSENSUSD_METRIC_PEER_HEARD] = {.name = "cybermesh_consensusd_peer_heard_timestamp_seconds",
                                      GAUGE,
                                      .scale = 1000,
                                      .label = "validator",
                                      .help = "When that validator was heard last; 0: never."},
    [CONSENSUSD_METRIC_PEER_VIEW] = {.name = "cybermesh_consensusd_peer_view",
                                     GAUGE,
                                     .label = "validator",
                                     .help = "View of the highest certificate that it said it has."},
    [CONSENSUSD_METRIC_PEER_HEIGHT] = {.name = "cybermesh_consensusd_peer_height",
                                       GAUGE,
                                       .label = "validator",
                                       .help = "Highest height that it said it has committed."},
    [CONSENSUSD_METRIC_PEER_ROUND_TRIP] = {.name = "cybermesh_consensusd_peer_round_trip_seconds",
                                           GAUGE,
                                           .scale = 1000000,
                                           .label = "validator",
                                           .help = "From the last question about peers to its answer."},
    [CONSENSUSD_METRIC_BEACONS_DROPPED] = {.name = "cybermesh_consensusd_beacons_dropped_total",
                                           COUNTER,
                                           .help = "Datagrams to CONSENSUS_BEACON that were too large or too many."},
    [CONSENSUSD_METRIC_PEER_RECORDS] =
        {.name = "cybermesh_consensusd_peer_records_total",
         COUNTER,
         .label = "result",
         .help = "Records of validators' addresses that were shown, by what became of them."},
    [CONSENSUSD_METRIC_GENESIS_READY] = {.name = "cybermesh_consensusd_genesis_ready",
                                         GAUGE,
                                         .help = "Validators that are there for the genesis ceremony."},
    [CONSENSUSD_METRIC_GENESIS_REFUSALS] = {.name = "cybermesh_consensusd_genesis_refusals_total",
                                            COUNTER,
                                            .help = "Messages of the genesis ceremony that were refused."},
};

static void show_counters(struct consensusd *self, const struct consensus_status *status)
{
    const struct consensus_counters *counters = &status->counters;
    const struct {
        enum consensusd_metric metric;
        uint64_t value;
    } values[] = {
        {CONSENSUSD_METRIC_HEIGHT, status->committed_height},
        {CONSENSUSD_METRIC_VIEW, status->view},
        {CONSENSUSD_METRIC_HIGH_QC_VIEW, status->high_qc_view},
        {CONSENSUSD_METRIC_BLOCKS_HELD, status->blocks_held},
        {CONSENSUSD_METRIC_BEHIND, status->behind},
        {CONSENSUSD_METRIC_PROPOSED, counters->blocks_proposed},
        {CONSENSUSD_METRIC_VOTES, counters->votes_sent},
        {CONSENSUSD_METRIC_TIMEOUTS, counters->timeouts_sent},
        {CONSENSUSD_METRIC_TIMEOUT_CERTIFICATES, counters->timeout_certificates},
        {CONSENSUSD_METRIC_COMMITS, counters->commits},
        {CONSENSUSD_METRIC_SIGNATURES, counters->signatures_verified},
        {CONSENSUSD_METRIC_EQUIVOCATIONS, counters->equivocations},
        {CONSENSUSD_METRIC_OFFENDERS, counters->offenders},
        {CONSENSUSD_METRIC_PROOFS_HELD, (uint64_t)__builtin_popcountll(self->proofs_held)},
        {CONSENSUSD_METRIC_PEERS_CONNECTED, peers_connected(self)},
        {CONSENSUSD_METRIC_STORE_BYTES, safety_store_bytes(self->store)},
        {CONSENSUSD_METRIC_HEIGHT_LOWEST, safety_store_height_first(self->store)},
        {CONSENSUSD_METRIC_SILENT, status->floor_view > 0 || status->used_elsewhere_view > 0},
    };
    for (size_t i = 0; i < ARRAY_COUNT(values); i++)
        metrics_set(self->metrics, values[i].metric, (int64_t)values[i].value);
    const uint64_t drops[DROP_COUNT] = {counters->dropped_stale,    counters->dropped_ahead, counters->dropped_bad,
                                        counters->dropped_unlinked, self->dropped_frames,    self->dropped_requests};
    for (size_t i = 0; i < DROP_COUNT; i++)
        metrics_set_at(self->metrics, CONSENSUSD_METRIC_DROPPED, i, (int64_t)drops[i]);
    for (size_t i = 0; i < CONSENSUS_TIMEOUT_REASONS; i++)
        metrics_set_at(self->metrics, CONSENSUSD_METRIC_TIMEOUT_REASONS, i, (int64_t)counters->timeout_reasons[i]);
}

/* A validator that may not vote says why, again and again. */
static void show_voting(struct consensusd *self, const struct consensus_status *status)
{
    char why[96];
    if (status->used_elsewhere_view > 0)
        snprintf(why, sizeof why, "the signing key was used elsewhere, in view %" PRIu64, status->used_elsewhere_view);
    else if (status->floor_view > 0)
        snprintf(why, sizeof why, "silent until a certificate of view %" PRIu64, status->floor_view);
    else
        why[0] = '\0';
    admin_ready_set(self->admin, CONDITION_VOTING, why[0] == '\0', why[0] ? why : NULL);
    if (status->used_elsewhere_view > 0)
        log_limited(&self->silent_limit, LOG_LEVEL_ERROR, "safety.used_elsewhere",
                    "view=%" PRIu64 " last_voted_view=%" PRIu64 " error=\"%s\" do=\"%s\"", status->used_elsewhere_view,
                    status->last_voted_view,
                    "a certificate has our signature for a view that this process never voted in; it votes no more",
                    "look for another consensusd with this key, or an older copy of the store; docs/operations.md, "
                    "A validator that lost its voting state");
}

static void show_genesis(struct consensusd *self)
{
    struct beginning_text text;
    beginning_show(self, &text);
    char why[sizeof text.missing + sizeof text.phase + 16];
    snprintf(why, sizeof why, "%s, waiting for %s", text.phase, text.missing);
    admin_ready_set(self->admin, CONDITION_GENESIS, self->certified, self->certified ? NULL : why);
    admin_status_set_text(self->admin, "genesis", text.phase);
    admin_status_set_text(self->admin, "genesis_missing", text.missing);
    metrics_set(self->metrics, CONSENSUSD_METRIC_GENESIS_READY, text.ready_count);
    metrics_set(self->metrics, CONSENSUSD_METRIC_GENESIS_REFUSALS, (int64_t)text.refusals);
}

void show_all(struct consensusd *self)
{
    show_genesis(self);
    uint64_t now_ms = loop_now_ms();
    bool pool = self->pool_heard_ms && now_ms < self->pool_heard_ms + FRESH_MS;
    bool executor = self->executor_heard_ms && now_ms < self->executor_heard_ms + FRESH_MS;
    admin_ready_set(self->admin, CONDITION_MEMPOOLD, pool, pool ? NULL : "no answer");
    admin_ready_set(self->admin, CONDITION_EXECUTORD, executor && self->executor == EXECUTOR_LIVE,
                    !executor                         ? "no answer"
                    : self->executor_pruned           ? "wants blocks that were pruned here; see the log"
                    : self->executor != EXECUTOR_LIVE ? "catching up"
                                                      : NULL);
    if (!self->core)
        return;
    struct consensus_status status;
    consensus_status(self->core, &status);
    show_counters(self, &status);
    show_voting(self, &status);
    sync_blocks_look(self, &status);
    admin_status_set_u64(self->admin, "height", status.committed_height);
    admin_status_set_u64(self->admin, "view", status.view);
    admin_status_set_u64(self->admin, "high_qc_view", status.high_qc_view);
    admin_status_set_u64(self->admin, "high_qc_height", status.high_qc_height);
    admin_status_set_u64(self->admin, "last_voted_view", status.last_voted_view);
    admin_status_set_u64(self->admin, "view_timeout_ms", status.view_timeout_ms);
    admin_status_set_u64(self->admin, "behind", status.behind);
    admin_status_set_u64(self->admin, "executor_height", self->executor_height);
    admin_status_set_u64(self->admin, "peers_connected", peers_connected(self));
    admin_status_set_text(self->admin, "leader", self->genesis->validators[status.leader].name);
}

static void answer_status(struct consensusd *self, const struct bus_route *route, uint64_t request)
{
    struct consensus_status status = {0};
    if (self->core)
        consensus_status(self->core, &status);
    struct beginning_text genesis;
    beginning_show(self, &genesis);
    const struct {
        char *name;
        uint64_t value;
    } numbers[] = {{(char *)(uintptr_t) "height", status.committed_height},
                   {(char *)(uintptr_t) "view", status.view},
                   {(char *)(uintptr_t) "high_qc_view", status.high_qc_view},
                   {(char *)(uintptr_t) "last_voted_view", status.last_voted_view},
                   {(char *)(uintptr_t) "view_timeout_ms", status.view_timeout_ms},
                   {(char *)(uintptr_t) "leader", status.leader},
                   {(char *)(uintptr_t) "behind", status.behind},
                   {(char *)(uintptr_t) "peers_connected", peers_connected(self)}};
    char texts[ARRAY_COUNT(numbers)][24];
    enum { ITEMS = ARRAY_COUNT(numbers) + 2 };
    Cybermesh__Query__V1__StatusItem items[ITEMS];
    Cybermesh__Query__V1__StatusItem *list[ITEMS];
    for (size_t i = 0; i < ITEMS; i++) {
        cybermesh__query__v1__status_item__init(&items[i]);
        list[i] = &items[i];
    }
    for (size_t i = 0; i < ARRAY_COUNT(numbers); i++) {
        snprintf(texts[i], sizeof texts[i], "%" PRIu64, numbers[i].value);
        items[i].name = numbers[i].name;
        items[i].value = texts[i];
    }
    items[ITEMS - 2].name = (char *)(uintptr_t) "genesis";
    items[ITEMS - 2].value = genesis.phase;
    items[ITEMS - 1].name = (char *)(uintptr_t) "genesis_missing";
    items[ITEMS - 1].value = genesis.missing;
    Cybermesh__Query__V1__Status answer;
    cybermesh__query__v1__status__init(&answer);
    answer.request = request;
    answer.n_items = ITEMS;
    answer.items = list;
    Cybermesh__Query__V1__QueryFrame frame;
    cybermesh__query__v1__query_frame__init(&frame);
    frame.version = 1;
    frame.body_case = CYBERMESH__QUERY__V1__QUERY_FRAME__BODY_STATUS;
    frame.status = &answer;
    uint8_t bytes[2048];
    if (cybermesh__query__v1__query_frame__get_packed_size(&frame) > sizeof bytes)
        return;
    size_t size = cybermesh__query__v1__query_frame__pack(&frame, bytes);
    int rc = bus_send(self->query, route, bytes, size);
    if (rc < 0)
        log_debug("answer.unsent", "error=\"%s\"", err_text(rc));
}

static void on_query(void *context, struct bus_message *message)
{
    struct consensusd *self = context;
    Cybermesh__Query__V1__QueryFrame *frame =
        cybermesh__query__v1__query_frame__unpack(NULL, message->payload.size, message->payload.data);
    bool good =
        frame && frame->version == 1 && frame->body_case == CYBERMESH__QUERY__V1__QUERY_FRAME__BODY_STATUS_REQUEST;
    if (good)
        answer_status(self, &message->route, frame->status_request->request);
    else
        consensusd_bad_frame(self, "query", "apid", ERR_MALFORMED);
    if (frame)
        cybermesh__query__v1__query_frame__free_unpacked(frame, NULL);
}

int show_open_query(struct consensusd *self, const uint8_t *secret)
{
    const struct config_hex32 *key = &self->config->apid_key;
    int rc = key->is_set ? bus_allow(self->bus, "query", key->bytes, "apid") : 0;
    struct bus_options options = {.name = "query",
                                  .endpoint = self->config->query_endpoint,
                                  .curve_secret = secret,
                                  .frame_bytes_max = QUERY_BYTES_MAX,
                                  .queue_count_max = QUEUE_COUNT_MAX};
    rc = rc == 0 ? bus_router_bind(&self->query, self->bus, &options) : rc;
    struct loop_socket_handlers handlers = {.message = on_query, .context = self};
    return rc == 0 ? loop_socket_add(self->loop, self->query, &handlers) : rc;
}
