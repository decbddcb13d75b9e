/* executord_metrics.c - the metrics of executord. */
#include "services/executord/executord_metrics.h"

#include "common/base/reason.h"

static const char *const reason_names[REASON_COUNT] = {[REASON_NONE] = "IN_CHAIN",
#define REASON_NAME(name) [REASON_##name] = #name,
                                                       REASON_LIST(REASON_NAME)
#undef REASON_NAME
};

const char *const executord_arrow_names[EXECUTORD_ARROW_COUNT] = {
    [EXECUTORD_EXECUTION] = "execution",
    [EXECUTORD_OUTCOME] = "outcome",
    [EXECUTORD_QUERY] = "query",
};

/* enum Status of proto/execution.proto */
static const char *const status_names[] = {"none",     "ok",         "unknown_parent", "bad_tx",
                                           "bad_root", "bad_header", "conflict"};

#define HISTOGRAM                                                                                                      \
    .kind = METRIC_HISTOGRAM, .scale = 1000000, .bounds = metrics_bounds_us, .bound_count = METRICS_BOUNDS_US_COUNT
#define GAUGE .kind = METRIC_GAUGE
#define COUNTER .kind = METRIC_COUNTER

const struct metric executord_metrics[EXECUTORD_METRIC_COUNT] = {
    [EXECUTORD_METRIC_BLOCKS] = {.name = "cybermesh_executord_blocks_total", COUNTER, .help = "Blocks committed."},
    [EXECUTORD_METRIC_TXS] = {.name = "cybermesh_executord_txs_total", COUNTER, .help = "Transactions committed."},
    [EXECUTORD_METRIC_VALIDATOR_EVIDENCE] = {.name = "cybermesh_executord_validator_evidence_total",
                                             COUNTER,
                                             .help = "Committed proofs that a validator equivocated."},
    [EXECUTORD_METRIC_INACTIVE] = {.name = "cybermesh_executord_validators_inactive",
                                   GAUGE,
                                   .help = "Validators that are inactive because they equivocated."},
    [EXECUTORD_METRIC_REFUSED] = {.name = "cybermesh_executord_refused_total",
                                  COUNTER,
                                  .label = "reason",
                                  .label_values = reason_names,
                                  .label_count = REASON_COUNT,
                                  .help = "Transactions refused while building, checking or rechecking."},
    [EXECUTORD_METRIC_ANSWERS] = {.name = "cybermesh_executord_answers_total",
                                  COUNTER,
                                  .label = "status",
                                  .label_values = status_names,
                                  .label_count = ARRAY_COUNT(status_names),
                                  .help = "Answers to consensusd."},
    [EXECUTORD_METRIC_BAD_FRAMES] = {.name = "cybermesh_executord_bad_frames_total",
                                     COUNTER,
                                     .label = "arrow",
                                     .label_values = executord_arrow_names,
                                     .label_count = EXECUTORD_ARROW_COUNT,
                                     .help = "Frames dropped because they are malformed."},
    [EXECUTORD_METRIC_UNSENT] = {.name = "cybermesh_executord_unsent_total",
                                 COUNTER,
                                 .help = "Answers dropped because the peer is gone or its queue is full."},
    [EXECUTORD_METRIC_BUILD_TIME] = {.name = "cybermesh_executord_build_seconds",
                                     HISTOGRAM,
                                     .help = "Time to build a block."},
    [EXECUTORD_METRIC_CHECK_TIME] = {.name = "cybermesh_executord_check_seconds",
                                     HISTOGRAM,
                                     .help = "Time to check a block."},
    [EXECUTORD_METRIC_COMMIT_TIME] = {.name = "cybermesh_executord_commit_seconds",
                                      HISTOGRAM,
                                      .help = "Time to make a block durable."},
    [EXECUTORD_METRIC_HEIGHT] = {.name = "cybermesh_executord_height", GAUGE, .help = "Durable height."},
    [EXECUTORD_METRIC_PERSISTED_HEIGHT] = {.name = "cybermesh_executord_persisted_height",
                                           GAUGE,
                                           .help = "Height that persistd acknowledged last."},
    [EXECUTORD_METRIC_STATE_KEYS] = {.name = "cybermesh_executord_state_keys", GAUGE, .help = "Keys of the state."},
    [EXECUTORD_METRIC_STATE_BYTES] = {.name = "cybermesh_executord_state_bytes",
                                      GAUGE,
                                      .help = "Memory in use by all versions of the state."},
    [EXECUTORD_METRIC_STATE_CHUNK_BYTES] = {.name = "cybermesh_executord_state_reserved_bytes",
                                            GAUGE,
                                            .help = "Memory taken from the system for the state."},
    [EXECUTORD_METRIC_VERSIONS] = {.name = "cybermesh_executord_committed_versions",
                                   GAUGE,
                                   .help = "Committed heights that answer queries."},
    [EXECUTORD_METRIC_SPECULATIVE] = {.name = "cybermesh_executord_speculative_versions",
                                      GAUGE,
                                      .help = "Executed blocks that are not committed."},
    [EXECUTORD_METRIC_STORE_BYTES] = {.name = "cybermesh_executord_store_bytes",
                                      GAUGE,
                                      .help = "Bytes used in the store."},
};
