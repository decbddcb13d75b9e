/* ingestd_metrics.c - the metrics of ingestd. */
#include "services/ingestd/ingestd_metrics.h"

#include "common/base/reason.h"
#include "services/ingestd/ingestd_config.h"
#include "services/ingestd/pending.h"

static const char *const kind_names[INGESTD_TOPIC_COUNT] = {"anomaly", "evidence", "policy"};

static const char *const reason_names[REASON_COUNT] = {[REASON_NONE] = "NONE",
#define REASON_NAME(name) [REASON_##name] = #name,
                                                       REASON_LIST(REASON_NAME)
#undef REASON_NAME
};

static const char *const verdict_names[PENDING_VERDICT_COUNT] = {
    [0] = "none",
    [PENDING_POOLED] = "pooled",
    [PENDING_DUPLICATE] = "duplicate",
    [PENDING_FULL] = "full",
    [PENDING_RATE] = "rate",
    [PENDING_BAD] = "bad",
};

const char *const ingestd_arrow_names[INGESTD_ARROW_COUNT] = {
    [INGESTD_ADMISSION] = "admission",
    [INGESTD_FEED] = "feed",
    [INGESTD_FEED_PUB] = "feed_pub",
};

#define NAME(text) .name = "cybermesh_ingestd_" text
#define GAUGE .kind = METRIC_GAUGE
#define COUNTER .kind = METRIC_COUNTER
#define BY(what, names) .label = (what), .label_values = (names), .label_count = ARRAY_COUNT(names)

const struct metric ingestd_metrics[INGESTD_METRIC_COUNT] = {
    [INGESTD_METRIC_RECORDS] = {NAME("records_total"), COUNTER, BY("topic", kind_names),
                                .help = "Records read, by what their topic is for."},
    [INGESTD_METRIC_VERIFY_TIME] = {NAME("verify_seconds_total"), COUNTER, .scale = 1000000,
                                    .help = "Time spent on checks, all threads together."},
    [INGESTD_METRIC_REFUSED] = {NAME("refused_total"), COUNTER, BY("reason", reason_names),
                                .help = "Records refused, on arrival or by execution."},
    [INGESTD_METRIC_DEAD_LETTERS] = {NAME("dead_letters_total"), COUNTER, BY("reason", reason_names),
                                     .help = "Dead letters that the broker has acknowledged."},
    [INGESTD_METRIC_DEAD_RETRIES] = {NAME("dead_letter_retries_total"), COUNTER,
                                     .help = "Dead letters that the broker did not take at once."},
    [INGESTD_METRIC_VERDICTS] = {NAME("verdicts_total"), COUNTER, BY("verdict", verdict_names),
                                 .help = "Answers of mempoold to submitted transactions."},
    [INGESTD_METRIC_SUBMITTED] = {NAME("submitted_total"), COUNTER,
                                  .help = "Transactions submitted to mempoold, repetitions included."},
    [INGESTD_METRIC_REQUEUED] = {NAME("requeued_total"), COUNTER,
                                 .help =
                                     "Transactions queued again: not persisted after a while, or mempoold restarted."},
    [INGESTD_METRIC_FINAL] = {NAME("persisted_total"), COUNTER, .help = "Records whose transaction is persisted."},
    [INGESTD_METRIC_IN_FLIGHT] = {NAME("in_flight_records"), GAUGE,
                                  .help = "Records read whose offset cannot be committed yet."},
    [INGESTD_METRIC_IN_FLIGHT_BYTES] = {NAME("in_flight_bytes"), GAUGE, .help = "Bytes of records that are not final."},
    [INGESTD_METRIC_PENDING] = {NAME("pending_txs"), GAUGE,
                                .help = "Verified transactions that are not persisted yet."},
    [INGESTD_METRIC_PAUSED] = {NAME("paused"), GAUGE, .help = "1 while reading from Kafka is paused."},
    [INGESTD_METRIC_PARTITIONS] = {NAME("partitions"), GAUGE, .help = "Partitions assigned."},
    [INGESTD_METRIC_LAG] = {NAME("lag_records"), GAUGE, .help = "Records behind the committed offsets, -1 unknown."},
    [INGESTD_METRIC_HEIGHT] = {NAME("height"), GAUGE, .help = "Newest persisted height heard of."},
    [INGESTD_METRIC_ANNOUNCED] = {NAME("announced_height"), GAUGE,
                                  .help = "Commit notices up to this height are acknowledged."},
    [INGESTD_METRIC_PRODUCERS] = {NAME("producers"), GAUGE, .help = "Producers known."},
    [INGESTD_METRIC_BAD_FRAMES] = {NAME("bad_frames_total"), COUNTER, BY("arrow", ingestd_arrow_names),
                                   .help = "Frames dropped because they are malformed."},
};
