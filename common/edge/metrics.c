/* metrics.c - counters, gauges and histograms.
 *
 * All values are one array of atomics; a metric owns a row of it per label value: one slot, or for a histogram its
 * buckets (each counted alone, added up when shown), the one beyond the last bound, and the sum. Updates are single
 * relaxed additions; a text made meanwhile may see a sum without its count, which Prometheus bears.
 */
#include "common/edge/metrics.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/base/err.h"

const uint64_t metrics_bounds_us[METRICS_BOUNDS_US_COUNT] = {50,     100,     250,     500,     1000,    2500,
                                                             5000,   10000,   25000,   50000,   100000,  250000,
                                                             500000, 1000000, 2500000, 5000000, 10000000};

struct metrics {
    const struct metric *table;
    size_t count;
    size_t first[METRICS_COUNT_MAX]; /* slot of each metric's first row */
    atomic_uint_fast64_t *slots;
};

static size_t rows_of(const struct metric *metric)
{
    return metric->label ? metric->label_count : 1;
}

static size_t row_slots(const struct metric *metric)
{
    return metric->kind == METRIC_HISTOGRAM ? metric->bound_count + 2 : 1;
}

static bool metric_is_valid(const struct metric *metric)
{
    if (!metric->name || !metric->help || rows_of(metric) > METRICS_LABEL_COUNT_MAX)
        return false;
    if (metric->kind != METRIC_HISTOGRAM)
        return metric->bound_count == 0;
    for (size_t i = 1; i < metric->bound_count; i++) {
        if (metric->bounds[i - 1] >= metric->bounds[i])
            return false;
    }
    return metric->bound_count > 0 && metric->bound_count <= METRICS_BOUND_COUNT_MAX;
}

int metrics_new(struct metrics **out, const struct metric *table, size_t count)
{
    if (count > METRICS_COUNT_MAX)
        return -EINVAL;
    for (size_t i = 0; i < count; i++) {
        if (!metric_is_valid(&table[i]))
            return -EINVAL;
    }
    CLEANUP(metrics_destroy) struct metrics *self = calloc(1, sizeof *self);
    if (!self)
        return -ENOMEM;
    self->table = table;
    self->count = count;
    size_t slot_count = 0;
    for (size_t i = 0; i < count; i++) {
        self->first[i] = slot_count;
        slot_count += rows_of(&table[i]) * row_slots(&table[i]);
    }
    self->slots = calloc(slot_count + 1, sizeof *self->slots);
    if (!self->slots)
        return -ENOMEM;
    *out = TAKE(self);
    return 0;
}

void metrics_destroy(struct metrics **self)
{
    if (!self || !*self)
        return;
    free((*self)->slots);
    free(*self);
    *self = NULL;
}

/* The first slot of a row; NULL when the label is beyond the table. */
static atomic_uint_fast64_t *row_of(const struct metrics *self, size_t index, size_t label)
{
    assert(index < self->count);
    const struct metric *metric = &self->table[index];
    return label < rows_of(metric) ? &self->slots[self->first[index] + label * row_slots(metric)] : NULL;
}

static void slot_add(atomic_uint_fast64_t *slot, uint64_t count)
{
    atomic_fetch_add_explicit(slot, count, memory_order_relaxed);
}

static uint64_t slot_get(atomic_uint_fast64_t *slot)
{
    return atomic_load_explicit(slot, memory_order_relaxed);
}

void metrics_add_at(struct metrics *self, size_t index, size_t label, uint64_t count)
{
    atomic_uint_fast64_t *row = row_of(self, index, label);
    assert(self->table[index].kind == METRIC_COUNTER);
    if (row)
        slot_add(row, count);
}

void metrics_set_at(struct metrics *self, size_t index, size_t label, int64_t value)
{
    atomic_uint_fast64_t *row = row_of(self, index, label);
    assert(self->table[index].kind != METRIC_HISTOGRAM);
    if (row)
        atomic_store_explicit(row, (uint64_t)value, memory_order_relaxed);
}

void metrics_observe_at(struct metrics *self, size_t index, size_t label, uint64_t value)
{
    atomic_uint_fast64_t *row = row_of(self, index, label);
    const struct metric *metric = &self->table[index];
    assert(metric->kind == METRIC_HISTOGRAM);
    if (!row)
        return;
    size_t bucket = 0;
    while (bucket < metric->bound_count && value > metric->bounds[bucket])
        bucket++;
    slot_add(&row[bucket], 1);
    slot_add(&row[metric->bound_count + 1], value);
}

int64_t metrics_get(const struct metrics *self, size_t index, size_t label)
{
    atomic_uint_fast64_t *row = row_of(self, index, label);
    return row ? (int64_t)slot_get(row) : 0;
}

/* --- text --------------------------------------------------------------------------------------------------------- */

static void put_number(FILE *out, int64_t value, uint32_t scale)
{
    if (scale > 1)
        fprintf(out, "%.9g", (double)value / scale);
    else
        fprintf(out, "%" PRId64, value);
}

/* Prometheus wants backslash, quote and line break escaped. */
static void put_label(FILE *out, const struct metric *metric, size_t label)
{
    fprintf(out, "%s=\"", metric->label);
    for (const char *c = metric->label_values[label]; *c; c++) {
        if (*c == '\n') {
            fputs("\\n", out);
            continue;
        }
        if (*c == '\\' || *c == '"')
            fputc('\\', out);
        fputc(*c, out);
    }
    fputc('"', out);
}

/* name_suffix{label="value",le="bound"}: without what is NULL. */
static void put_series(FILE *out, const struct metric *metric, const char *suffix, size_t label)
{
    fprintf(out, "%s%s", metric->name, suffix);
    if (!metric->label)
        return;
    fputc('{', out);
    put_label(out, metric, label);
    fputc('}', out);
}

static void put_bucket(FILE *out, const struct metric *metric, size_t label, size_t bucket)
{
    fprintf(out, "%s_bucket{", metric->name);
    if (metric->label) {
        put_label(out, metric, label);
        fputc(',', out);
    }
    fputs("le=\"", out);
    if (bucket < metric->bound_count)
        put_number(out, (int64_t)metric->bounds[bucket], metric->scale);
    else
        fputs("+Inf", out);
    fputs("\"} ", out);
}

static void put_histogram(FILE *out, const struct metric *metric, size_t label, atomic_uint_fast64_t *row)
{
    uint64_t count = 0;
    for (size_t bucket = 0; bucket <= metric->bound_count; bucket++) {
        count += slot_get(&row[bucket]);
        put_bucket(out, metric, label, bucket);
        fprintf(out, "%" PRIu64 "\n", count);
    }
    put_series(out, metric, "_sum", label);
    fputc(' ', out);
    put_number(out, (int64_t)slot_get(&row[metric->bound_count + 1]), metric->scale);
    fputc('\n', out);
    put_series(out, metric, "_count", label);
    fprintf(out, " %" PRIu64 "\n", count);
}

static void put_metric(FILE *out, const struct metrics *self, size_t index)
{
    static const char *const kinds[] = {"counter", "gauge", "histogram"};
    const struct metric *metric = &self->table[index];
    fprintf(out, "# HELP %s %s\n# TYPE %s %s\n", metric->name, metric->help, metric->name, kinds[metric->kind]);
    for (size_t label = 0; label < rows_of(metric); label++) {
        atomic_uint_fast64_t *row = row_of(self, index, label);
        if (metric->kind == METRIC_HISTOGRAM) {
            put_histogram(out, metric, label, row);
            continue;
        }
        put_series(out, metric, "", label);
        fputc(' ', out);
        put_number(out, (int64_t)slot_get(row), metric->scale);
        fputc('\n', out);
    }
}

/* --- the process itself ------------------------------------------------------------------------------------------- */

static void put_process_metric(FILE *out, const char *name, const char *kind, double value)
{
    fprintf(out, "# HELP %s Of this process.\n# TYPE %s %s\n%s %.15g\n", name, name, kind, name, value);
}

static uint64_t open_fds(void)
{
    DIR *directory = opendir("/proc/self/fd");
    if (!directory)
        return 0;
    uint64_t count = 0;
    while (readdir(directory))
        count++;
    closedir(directory);
    return count > 3 ? count - 3 : 0; /* `.`, `..` and the directory itself */
}

struct process_stat {
    uint64_t started_ticks; /* after the boot */
    uint64_t resident_pages;
};

/* /proc/self/stat: fields 22 (starttime) and 24 (rss), counted behind the name, which may hold anything but is the last
 * thing in parentheses. */
static struct process_stat process_stat(void)
{
    struct process_stat result = {0};
    char text[1024] = "";
    FILE *file = fopen("/proc/self/stat", "re");
    if (!file)
        return result;
    size_t size = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[size] = '\0';
    char *rest = strrchr(text, ')');
    char *position = NULL;
    char *field = rest ? strtok_r(rest + 1, " ", &position) : NULL;
    for (int number = 3; field; number++, field = strtok_r(NULL, " ", &position)) {
        if (number == 22)
            result.started_ticks = strtoull(field, NULL, 10);
        if (number == 24)
            result.resident_pages = strtoull(field, NULL, 10);
    }
    return result;
}

static double seconds_of(clockid_t clock)
{
    struct timespec time = {0};
    clock_gettime(clock, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void put_process(FILE *out)
{
    struct process_stat stat = process_stat();
    double booted = seconds_of(CLOCK_REALTIME) - seconds_of(CLOCK_BOOTTIME);
    put_process_metric(out, "process_cpu_seconds_total", "counter", seconds_of(CLOCK_PROCESS_CPUTIME_ID));
    put_process_metric(out, "process_resident_memory_bytes", "gauge",
                       (double)stat.resident_pages * (double)sysconf(_SC_PAGESIZE));
    put_process_metric(out, "process_open_fds", "gauge", (double)open_fds());
    put_process_metric(out, "process_start_time_seconds", "gauge",
                       booted + (double)stat.started_ticks / (double)sysconf(_SC_CLK_TCK));
}

int metrics_render(const struct metrics *self, char **out, size_t *size)
{
    char *text = NULL;
    size_t text_size = 0;
    FILE *stream = open_memstream(&text, &text_size);
    if (!stream)
        return -ENOMEM;
    for (size_t i = 0; i < self->count && ftello(stream) <= METRICS_TEXT_BYTES_MAX; i++)
        put_metric(stream, self, i);
    put_process(stream);
    int rc = ferror(stream) ? -ENOMEM : 0;
    if (fclose(stream) != 0)
        rc = -ENOMEM;
    if (rc == 0 && text_size > METRICS_TEXT_BYTES_MAX)
        rc = ERR_FULL;
    if (rc < 0) {
        free(text);
        return rc;
    }
    *out = text;
    *size = text_size;
    return 0;
}
