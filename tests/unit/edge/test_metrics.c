/* test_metrics.c - counters, gauges, histograms and their text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <time.h>

#include "common/edge/metrics.h"

enum { ADMITTED, REFUSED, DEPTH, WAIT, ROUTE };

static const char *const reasons[] = {"full", "a \"quoted\" \\ one\n"};
static const char *const routes[] = {"blocks"};
static const uint64_t bounds_us[] = {1000, 500000};

static const struct metric table[] = {
    [ADMITTED] = {.name = "cybermesh_x_admitted_total", .kind = METRIC_COUNTER, .help = "Admitted."},
    [REFUSED] = {.name = "cybermesh_x_refused_total",
                 .kind = METRIC_COUNTER,
                 .help = "Refused.",
                 .label = "reason",
                 .label_values = reasons,
                 .label_count = ARRAY_COUNT(reasons)},
    [DEPTH] = {.name = "cybermesh_x_depth", .kind = METRIC_GAUGE, .help = "Depth."},
    [WAIT] = {.name = "cybermesh_x_wait_seconds",
              .kind = METRIC_HISTOGRAM,
              .scale = 1000000,
              .bounds = bounds_us,
              .bound_count = ARRAY_COUNT(bounds_us),
              .help = "Wait."},
    [ROUTE] = {.name = "cybermesh_x_route_bytes",
               .kind = METRIC_HISTOGRAM,
               .label = "route",
               .label_values = routes,
               .label_count = 1,
               .bounds = bounds_us,
               .bound_count = 1,
               .help = "Route."},
};

static int story_setup(void **state)
{
    struct metrics *metrics = NULL;
    assert_int_equal(metrics_new(&metrics, table, ARRAY_COUNT(table)), 0);
    *state = metrics;
    return 0;
}

static int story_teardown(void **state)
{
    metrics_destroy((struct metrics **)state);
    return 0;
}

/* What /metrics would say; until the next call. */
static char *rendered(const struct metrics *metrics)
{
    static char copy[65536];
    char *text = NULL;
    size_t size = 0;
    assert_int_equal(metrics_render(metrics, &text, &size), 0);
    assert_true(size < sizeof copy && strlen(text) == size);
    memcpy(copy, text, size + 1);
    free(text);
    return copy;
}

static void the_text_is_what_prometheus_reads(void **state)
{
    struct metrics *metrics = *state;
    metrics_add(metrics, ADMITTED, 2);
    metrics_add(metrics, ADMITTED, 1);
    metrics_add_at(metrics, REFUSED, 1, 7);
    metrics_set(metrics, DEPTH, -4);
    metrics_observe(metrics, WAIT, 1000);
    metrics_observe(metrics, WAIT, 1001);
    metrics_observe(metrics, WAIT, 2000000);
    metrics_observe_at(metrics, ROUTE, 0, 12);
    char *text = rendered(metrics);
    static const char expected[] = "# HELP cybermesh_x_admitted_total Admitted.\n"
                                   "# TYPE cybermesh_x_admitted_total counter\n"
                                   "cybermesh_x_admitted_total 3\n"
                                   "# HELP cybermesh_x_refused_total Refused.\n"
                                   "# TYPE cybermesh_x_refused_total counter\n"
                                   "cybermesh_x_refused_total{reason=\"full\"} 0\n"
                                   "cybermesh_x_refused_total{reason=\"a \\\"quoted\\\" \\\\ one\\n\"} 7\n"
                                   "# HELP cybermesh_x_depth Depth.\n"
                                   "# TYPE cybermesh_x_depth gauge\n"
                                   "cybermesh_x_depth -4\n"
                                   "# HELP cybermesh_x_wait_seconds Wait.\n"
                                   "# TYPE cybermesh_x_wait_seconds histogram\n"
                                   "cybermesh_x_wait_seconds_bucket{le=\"0.001\"} 1\n"
                                   "cybermesh_x_wait_seconds_bucket{le=\"0.5\"} 2\n"
                                   "cybermesh_x_wait_seconds_bucket{le=\"+Inf\"} 3\n"
                                   "cybermesh_x_wait_seconds_sum 2.002001\n"
                                   "cybermesh_x_wait_seconds_count 3\n"
                                   "# HELP cybermesh_x_route_bytes Route.\n"
                                   "# TYPE cybermesh_x_route_bytes histogram\n"
                                   "cybermesh_x_route_bytes_bucket{route=\"blocks\",le=\"1000\"} 1\n"
                                   "cybermesh_x_route_bytes_bucket{route=\"blocks\",le=\"+Inf\"} 1\n"
                                   "cybermesh_x_route_bytes_sum{route=\"blocks\"} 12\n"
                                   "cybermesh_x_route_bytes_count{route=\"blocks\"} 1\n"
                                   "# HELP process_cpu_seconds_total";
    char *end = strstr(text, " Of this process.");
    assert_non_null(end);
    *end = '\0';
    assert_string_equal(text, expected);
}

static double process_value(const char *text, const char *name)
{
    char line[64];
    snprintf(line, sizeof line, "\n%s ", name);
    const char *found = strstr(text, line);
    assert_non_null(found);
    return strtod(found + strlen(line), NULL);
}

static void the_process_is_measured(void **state)
{
    char *text = rendered(*state);
    assert_true(process_value(text, "process_cpu_seconds_total") > 0);
    assert_true(process_value(text, "process_resident_memory_bytes") > 100000);
    assert_true(process_value(text, "process_open_fds") >= 1);
    double started = process_value(text, "process_start_time_seconds");
    double now = (double)time(NULL);
    assert_true(started > now - 600 && started < now + 2);
}

static void a_label_beyond_the_table_is_counted_nowhere(void **state)
{
    struct metrics *metrics = *state;
    metrics_add_at(metrics, REFUSED, 2, 5);
    metrics_add_at(metrics, REFUSED, SIZE_MAX, 5);
    metrics_observe_at(metrics, ROUTE, 1, 5);
    assert_int_equal(metrics_get(metrics, REFUSED, 0), 0);
    assert_int_equal(metrics_get(metrics, REFUSED, 1), 0);
    assert_int_equal(metrics_get(metrics, REFUSED, 2), 0);
}

enum { THREADS = 4, ROUNDS = 20000 };

static void *count_up(void *metrics)
{
    for (int i = 0; i < ROUNDS; i++) {
        metrics_add(metrics, ADMITTED, 1);
        metrics_observe(metrics, WAIT, 5);
    }
    return NULL;
}

static void no_count_is_lost_between_threads(void **state)
{
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, count_up, *state), 0);
    rendered(*state);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(metrics_get(*state, ADMITTED, 0), THREADS * ROUNDS);
    char *text = rendered(*state);
    char expected[64];
    snprintf(expected, sizeof expected, "\ncybermesh_x_wait_seconds_count %d\n", THREADS * ROUNDS);
    assert_non_null(strstr(text, expected));
}

static void a_table_that_breaks_a_limit_is_refused(void **state)
{
    static const uint64_t falling[] = {2, 1};
    const struct metric bad[] = {
        {.name = NULL, .help = "", .kind = METRIC_GAUGE},
        {.name = "x", .help = "", .kind = METRIC_HISTOGRAM},
        {.name = "x", .help = "", .kind = METRIC_HISTOGRAM, .bounds = falling, .bound_count = 2},
        {.name = "x", .help = "", .kind = METRIC_GAUGE, .label = "l", .label_count = METRICS_LABEL_COUNT_MAX + 1},
    };
    struct metrics *metrics = NULL;
    for (size_t i = 0; i < ARRAY_COUNT(bad); i++) {
        assert_int_equal(metrics_new(&metrics, &bad[i], 1), -EINVAL);
        assert_null(metrics);
    }
    assert_int_equal(metrics_new(&metrics, table, METRICS_COUNT_MAX + 1), -EINVAL);
    metrics_destroy(&metrics);
    metrics_destroy(NULL);
}

int main(void)
{
#define STORY(name) cmocka_unit_test_setup_teardown(name, story_setup, story_teardown)
    const struct CMUnitTest tests[] = {
        STORY(the_text_is_what_prometheus_reads),
        STORY(the_process_is_measured),
        STORY(a_label_beyond_the_table_is_counted_nowhere),
        STORY(no_count_is_lost_between_threads),
        cmocka_unit_test(a_table_that_breaks_a_limit_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
