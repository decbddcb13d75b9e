/* metrics.h - counters, gauges and histograms of one daemon, shown as Prometheus text.
 *
 * All metrics are known when the daemon is written; so they are a table, and an index names one:
 *
 *   enum { METRIC_ADMITTED, METRIC_REFUSED, METRIC_POOL_BYTES, METRIC_WAIT };
 *   static const struct metric metric_table[] = {
 *       [METRIC_ADMITTED] = {.name = "cybermesh_mempoold_admitted_total", .kind = METRIC_COUNTER,
 *                            .help = "Transactions admitted."},
 *       [METRIC_REFUSED] = {.name = "cybermesh_mempoold_refused_total", .kind = METRIC_COUNTER,
 *                           .label = "reason", .label_values = reason_names, .label_count = REASON_COUNT,
 *                           .help = "Transactions refused."},
 *       [METRIC_POOL_BYTES] = {.name = "cybermesh_mempoold_pool_bytes", .kind = METRIC_GAUGE,
 *                              .help = "Bytes held."},
 *       [METRIC_WAIT] = {.name = "cybermesh_mempoold_wait_seconds", .kind = METRIC_HISTOGRAM, .scale = 1000000,
 *                        .bounds = wait_bounds_us, .bound_count = ARRAY_COUNT(wait_bounds_us),
 *                        .help = "Time from admission to proposal."},
 *   };
 *   metrics_add(m, METRIC_ADMITTED, 1);
 *   metrics_add_at(m, METRIC_REFUSED, reason, 1);
 *   metrics_observe(m, METRIC_WAIT, waited_us);
 *
 * Names are cybermesh_<daemon>_<what>_<unit>, counters end with _total; units are seconds and bytes. Values are whole
 * numbers inside; `scale` makes seconds of microseconds.
 *
 * Pure but for metrics_render(), which reads /proc for the process's own metrics. Ownership: the table and what it
 * points to must outlive the metrics. Threads: every function but new and destroy may be called from any thread.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "common/base/attr.h"

enum {
    METRICS_COUNT_MAX = 256,
    METRICS_LABEL_COUNT_MAX = 256, /* values of one label */
    METRICS_BOUND_COUNT_MAX = 32,  /* buckets of one histogram, without +Inf */
    METRICS_TEXT_BYTES_MAX = 4 << 20,
};

enum metric_kind {
    METRIC_COUNTER, /* only grows, but may be set from a count kept elsewhere */
    METRIC_GAUGE,   /* a signed number */
    METRIC_HISTOGRAM,
};

struct metric {
    const char *name;
    const char *help; /* one sentence without line breaks */
    enum metric_kind kind;
    uint32_t scale; /* the value is divided by it when shown; 0 means 1 */

    const char *label; /* name of the one label, or NULL */
    const char *const *label_values;
    size_t label_count;

    const uint64_t *bounds; /* HISTOGRAM: upper ends of the buckets, rising, in the unit of metrics_observe() */
    size_t bound_count;
};

struct metrics;

/* Upper ends in microseconds for what takes 50 us to 10 s; use with scale 1000000. */
enum { METRICS_BOUNDS_US_COUNT = 17 };
extern const uint64_t metrics_bounds_us[METRICS_BOUNDS_US_COUNT];

/* All values start at 0. Returns 0, -EINVAL (the table breaks a limit) or -ENOMEM. */
MUST_USE int metrics_new(struct metrics **out, const struct metric *table, size_t count);

/* Accepts NULL and pointer to NULL; leaves *self NULL. */
void metrics_destroy(struct metrics **self);

/* `index` is one of the table, of the right kind. `label` is the index of the label's value, 0 where there is none; one
 * beyond the table is counted nowhere. */
void metrics_add_at(struct metrics *self, size_t index, size_t label, uint64_t count);     /* counters */
void metrics_set_at(struct metrics *self, size_t index, size_t label, int64_t value);      /* gauges, counters */
void metrics_observe_at(struct metrics *self, size_t index, size_t label, uint64_t value); /* histograms */

/* Metrics without a label. */
static inline void metrics_add(struct metrics *self, size_t index, uint64_t count)
{
    metrics_add_at(self, index, 0, count);
}

static inline void metrics_set(struct metrics *self, size_t index, int64_t value)
{
    metrics_set_at(self, index, 0, value);
}

static inline void metrics_observe(struct metrics *self, size_t index, uint64_t value)
{
    metrics_observe_at(self, index, 0, value);
}

/* What a counter or gauge is now: for tests and status. */
int64_t metrics_get(const struct metrics *self, size_t index, size_t label);

/* All metrics and those of the process (process_cpu_seconds_total, process_resident_memory_bytes, process_open_fds,
 * process_start_time_seconds) in Prometheus text format 0.0.4. *out (zero-terminated) is the caller's to free(); *size
 * is without the zero. Returns 0, ERR_FULL (METRICS_TEXT_BYTES_MAX) or -ENOMEM. */
MUST_USE int metrics_render(const struct metrics *self, char **out, size_t *size);
