/* http_metrics.c - the table. */
#include "services/apid/http_metrics.h"

#include "services/apid/route.h"

static const char *const class_names[] = {"other", "1xx", "2xx", "3xx", "4xx", "5xx"};

const struct metric http_metrics[HTTP_METRIC_COUNT] = {
    [HTTP_METRIC_REQUESTS] = {.name = "cybermesh_apid_requests_total",
                              .kind = METRIC_COUNTER,
                              .label = "route",
                              .label_values = route_names,
                              .label_count = ROUTE_COUNT,
                              .help = "Requests with a known path."},
    [HTTP_METRIC_ANSWERS] = {.name = "cybermesh_apid_answers_total",
                             .kind = METRIC_COUNTER,
                             .label = "status",
                             .label_values = class_names,
                             .label_count = ARRAY_COUNT(class_names),
                             .help = "Answers by class of status."},
    [HTTP_METRIC_IN_FLIGHT] = {.name = "cybermesh_apid_requests_in_flight",
                               .kind = METRIC_GAUGE,
                               .help = "Requests being answered now."},
    [HTTP_METRIC_TIME] = {.name = "cybermesh_apid_request_seconds",
                          .kind = METRIC_HISTOGRAM,
                          .scale = 1000000,
                          .bounds = metrics_bounds_us,
                          .bound_count = METRICS_BOUNDS_US_COUNT,
                          .help = "Time from a request's header to its answer."},
};
