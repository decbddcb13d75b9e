/* http_metrics.h - what is counted of requests and answers. Pure. */
#pragma once

#include "common/edge/metrics.h"

enum http_metric {
    HTTP_METRIC_REQUESTS, /* by route */
    HTTP_METRIC_ANSWERS,  /* by class of status */
    HTTP_METRIC_IN_FLIGHT,
    HTTP_METRIC_TIME,
    HTTP_METRIC_COUNT
};
extern const struct metric http_metrics[HTTP_METRIC_COUNT];
