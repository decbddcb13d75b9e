/* persistd_metrics.h - the metrics of persistd. */
#pragma once

#include "common/edge/metrics.h"

enum persistd_metric {
    PERSISTD_METRIC_HEIGHT,
    PERSISTD_METRIC_BLOCKS,
    PERSISTD_METRIC_TXS,
    PERSISTD_METRIC_WRITE_TIME,
    PERSISTD_METRIC_RUNS,
    PERSISTD_METRIC_LAG,
    PERSISTD_METRIC_QUEUE_BLOCKS,
    PERSISTD_METRIC_QUEUE_BYTES,
    PERSISTD_METRIC_QUESTIONS,
    PERSISTD_METRIC_UNANSWERED,
    PERSISTD_METRIC_BAD_FRAMES,
    PERSISTD_METRIC_COUNT
};

/* Labels of PERSISTD_METRIC_RUNS: what became of a transaction of the database. */
enum persistd_run {
    PERSISTD_RUN_WRITTEN,
    PERSISTD_RUN_RETRIED,
    PERSISTD_RUN_UNKNOWN,
    PERSISTD_RUN_BAD,
    PERSISTD_RUN_COUNT
};

/* Labels of PERSISTD_METRIC_BAD_FRAMES. */
enum persistd_arrow { PERSISTD_OUTCOME, PERSISTD_FEED, PERSISTD_ARROW_COUNT };

extern const struct metric persistd_metrics[PERSISTD_METRIC_COUNT];
