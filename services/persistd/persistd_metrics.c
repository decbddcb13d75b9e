/* persistd_metrics.c - the metrics of persistd. */
#include "services/persistd/persistd_metrics.h"

static const char *const run_names[PERSISTD_RUN_COUNT] = {
    [PERSISTD_RUN_WRITTEN] = "written",
    [PERSISTD_RUN_RETRIED] = "retried",
    [PERSISTD_RUN_UNKNOWN] = "unknown",
    [PERSISTD_RUN_BAD] = "bad",
};

static const char *const arrow_names[PERSISTD_ARROW_COUNT] = {
    [PERSISTD_OUTCOME] = "outcome",
    [PERSISTD_FEED] = "feed",
};

#define NAME(text) "cybermesh_persistd_" text

const struct metric persistd_metrics[PERSISTD_METRIC_COUNT] = {
    [PERSISTD_METRIC_HEIGHT] = {.name = NAME("db_height"),
                                .kind = METRIC_GAUGE,
                                .help = "Newest block of the database."},
    [PERSISTD_METRIC_BLOCKS] = {.name = NAME("blocks_total"), .kind = METRIC_COUNTER, .help = "Blocks persisted."},
    [PERSISTD_METRIC_TXS] = {.name = NAME("txs_total"), .kind = METRIC_COUNTER, .help = "Transactions persisted."},
    [PERSISTD_METRIC_WRITE_TIME] = {.name = NAME("write_seconds"),
                                    .kind = METRIC_HISTOGRAM,
                                    .scale = 1000000,
                                    .bounds = metrics_bounds_us,
                                    .bound_count = METRICS_BOUNDS_US_COUNT,
                                    .help = "Time of a transaction of the database, from BEGIN to its answer."},
    [PERSISTD_METRIC_RUNS] = {.name = NAME("runs_total"),
                              .kind = METRIC_COUNTER,
                              .label = "result",
                              .label_values = run_names,
                              .label_count = PERSISTD_RUN_COUNT,
                              .help = "Transactions of the database by what became of them."},
    [PERSISTD_METRIC_LAG] = {.name = NAME("lag_seconds"),
                             .kind = METRIC_GAUGE,
                             .scale = 1000,
                             .help = "Age of the newest block, by its own time, when it was persisted."},
    [PERSISTD_METRIC_QUEUE_BLOCKS] = {.name = NAME("queue_blocks"),
                                      .kind = METRIC_GAUGE,
                                      .help = "Blocks that arrived and are not yet persisted."},
    [PERSISTD_METRIC_QUEUE_BYTES] = {.name = NAME("queue_bytes"), .kind = METRIC_GAUGE, .help = "Bytes of these."},
    [PERSISTD_METRIC_QUESTIONS] = {.name = NAME("questions_total"),
                                   .kind = METRIC_COUNTER,
                                   .help = "Questions of the feed."},
    [PERSISTD_METRIC_UNANSWERED] = {.name = NAME("unanswered_total"),
                                    .kind = METRIC_COUNTER,
                                    .help = "Questions dropped: too many, no database, or the asker was gone."},
    [PERSISTD_METRIC_BAD_FRAMES] = {.name = NAME("bad_frames_total"),
                                    .kind = METRIC_COUNTER,
                                    .label = "arrow",
                                    .label_values = arrow_names,
                                    .label_count = PERSISTD_ARROW_COUNT,
                                    .help = "Frames dropped because they are malformed."},
};
