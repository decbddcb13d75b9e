/* test_admin.c - the admin listener, over real HTTP on a free loopback port. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "common/edge/admin.h"
#include "common/edge/daemon.h"

static const char *const conditions[] = {"kafka", "store"};
static const struct metric metric_table[] = {
    {.name = "cybermesh_x_seen_total", .kind = METRIC_COUNTER, .help = "Seen."}};

struct story {
    struct metrics *metrics;
    struct admin *admin;
    char answer[65536];
    size_t answer_size;
};

static struct admin_options options_of(const struct story *s)
{
    return (struct admin_options){.daemon = "sampled",
                                  .node = "v1",
                                  .listen = "127.0.0.1:0",
                                  .metrics = s->metrics,
                                  .conditions = conditions,
                                  .condition_count = ARRAY_COUNT(conditions)};
}

/* One listener for all stories: civetweb needs up to two seconds to stop. */
static int group_setup(void **state)
{
    static struct story s;
    assert_int_equal(metrics_new(&s.metrics, metric_table, ARRAY_COUNT(metric_table)), 0);
    const struct admin_options options = options_of(&s);
    assert_int_equal(admin_new(&s.admin, &options), 0);
    assert_true(admin_port(s.admin) > 0);
    *state = &s;
    return 0;
}

static int group_teardown(void **state)
{
    struct story *s = *state;
    admin_destroy(&s->admin);
    metrics_destroy(&s->metrics);
    return 0;
}

static int story_setup(void **state)
{
    struct story *s = *state;
    admin_ready_set(s->admin, 0, false, NULL);
    admin_ready_set(s->admin, 1, false, NULL);
    admin_beat(s->admin);
    return 0;
}

/* Another listener instead, until the group's end. */
static void given_admin(struct story *s, const struct admin_options *options)
{
    admin_destroy(&s->admin);
    assert_int_equal(admin_new(&s->admin, options), 0);
}

static int connected(uint16_t port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)&address, sizeof address), 0);
    const struct timeval limit = {.tv_sec = 20};
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit), 0);
    return fd;
}

/* Send bytes as they are, keep what comes until the connection ends. Returns the status, 0 when there was no answer. */
static int exchanged(struct story *s, const void *request, size_t size)
{
    int fd = connected(admin_port(s->admin));
    ssize_t sent = send(fd, request, size, MSG_NOSIGNAL);
    (void)sent; /* the other end may have had enough before all is sent */
    s->answer_size = 0;
    for (;;) {
        ssize_t got = recv(fd, s->answer + s->answer_size, sizeof s->answer - 1 - s->answer_size, 0);
        if (got <= 0)
            break;
        s->answer_size += (size_t)got;
    }
    s->answer[s->answer_size] = '\0';
    close(fd);
    int status = 0;
    return sscanf(s->answer, "HTTP/1.1 %d ", &status) == 1 ? status : 0;
}

static int sent(struct story *s, const char *request)
{
    return exchanged(s, request, strlen(request));
}

static int got(struct story *s, const char *path)
{
    char request[256];
    snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", path);
    return sent(s, request);
}

static const char *body(const struct story *s)
{
    const char *end = strstr(s->answer, "\r\n\r\n");
    return end ? end + 4 : "";
}

static bool has(const struct story *s, const char *text)
{
    return strstr(s->answer, text) != NULL;
}

static void a_beating_daemon_is_healthy(void **state)
{
    struct story *s = *state;
    assert_int_equal(got(s, "/health"), 200);
    assert_true(has(s, "Content-Type: application/json\r\n"));
    assert_true(has(s, "Cache-Control: no-store\r\n"));
    assert_int_equal(strncmp(body(s), "{\"status\":\"ok\",\"beat_age_ms\":", 29), 0);
    assert_int_equal(got(s, "/health?verbose=1"), 200);
}

static void a_stalled_daemon_is_not_until_it_beats_again(void **state)
{
    struct story *s = *state;
    struct admin_options options = options_of(s);
    options.beat_age_ms_max = 300;
    given_admin(s, &options);
    assert_int_equal(got(s, "/health"), 200);
    int status = 200;
    for (int tries = 0; status == 200 && tries < 1000000; tries++)
        status = got(s, "/health");
    assert_int_equal(status, 503);
    assert_int_equal(strncmp(body(s), "{\"status\":\"stalled\"", 19), 0);
    admin_beat(s->admin);
    assert_int_equal(got(s, "/health"), 200);
    options.beat_age_ms_max = 0;
    given_admin(s, &options);
}

static void ready_means_that_every_condition_is_ok(void **state)
{
    struct story *s = *state;
    assert_int_equal(got(s, "/ready"), 503);
    assert_string_equal(body(s), "{\"ready\":false,\"conditions\":[{\"name\":\"kafka\",\"ok\":false,\"detail\":\"\"},"
                                 "{\"name\":\"store\",\"ok\":false,\"detail\":\"\"}]}\n");
    admin_ready_set(s->admin, 0, true, "3 partitions");
    assert_int_equal(got(s, "/ready"), 503);
    assert_false(admin_ready(s->admin));
    admin_ready_set(s->admin, 1, true, NULL);
    assert_true(admin_ready(s->admin));
    assert_int_equal(got(s, "/ready"), 200);
    assert_string_equal(body(s),
                        "{\"ready\":true,\"conditions\":[{\"name\":\"kafka\",\"ok\":true,\"detail\":\"3 partitions\"},"
                        "{\"name\":\"store\",\"ok\":true,\"detail\":\"\"}]}\n");
    admin_ready_set(s->admin, 0, false, "broker \"a\\b\" gone\n\xff");
    assert_int_equal(got(s, "/ready"), 503);
    assert_true(has(s, "\"detail\":\"broker \\\"a\\\\b\\\" gone??\""));
}

static void a_long_detail_is_cut_between_characters(void **state)
{
    struct story *s = *state;
    char detail[ADMIN_TEXT_BYTES_MAX + 10];
    for (size_t i = 0; i + 2 < sizeof detail; i += 2)
        memcpy(detail + i, "\xc3\xa4", 3);
    admin_ready_set(s->admin, 0, true, detail);
    got(s, "/ready");
    assert_false(has(s, "?"));
    assert_true(has(s, "\xc3\xa4\"},"));
}

static void status_shows_what_was_set(void **state)
{
    struct story *s = *state;
    admin_status_set_u64(s->admin, "height", 6);
    admin_status_set_text(s->admin, "state_root", "ab\"cd");
    admin_status_set_u64(s->admin, "height", UINT64_MAX);
    assert_int_equal(got(s, "/status"), 200);
    char expected[256];
    snprintf(expected, sizeof expected,
             "{\"daemon\":\"sampled\",\"node\":\"v1\",\"version\":\"%s\",\"uptime_seconds\":", daemon_version());
    assert_int_equal(strncmp(body(s), expected, strlen(expected)), 0);
    assert_true(has(s, ",\"height\":18446744073709551615,\"state_root\":\"ab\\\"cd\"}\n"));
}

static void more_members_than_there_is_room_for_are_ignored(void **state)
{
    struct story *s = *state;
    const struct admin_options options = options_of(s);
    given_admin(s, &options);
    for (unsigned i = 0; i < ADMIN_STATUS_COUNT_MAX + 5; i++) {
        char name[16];
        snprintf(name, sizeof name, "m%u", i);
        admin_status_set_u64(s->admin, name, i);
    }
    assert_int_equal(got(s, "/status"), 200);
    assert_true(has(s, ",\"m127\":127}\n"));
    assert_false(has(s, "m128"));
}

static void metrics_are_prometheus_text(void **state)
{
    struct story *s = *state;
    metrics_add(s->metrics, 0, 41);
    assert_int_equal(got(s, "/metrics"), 200);
    assert_true(has(s, "Content-Type: text/plain; version=0.0.4"));
    assert_true(has(s, "\ncybermesh_x_seen_total 41\n"));
    assert_true(has(s, "\nprocess_open_fds "));
}

static void metrics_of_the_process_need_no_table(void **state)
{
    struct story *s = *state;
    struct admin_options options = options_of(s);
    options.metrics = NULL;
    given_admin(s, &options);
    assert_int_equal(got(s, "/metrics"), 200);
    assert_true(has(s, "\nprocess_open_fds "));
}

static void what_is_refused_is_a_problem_document(void **state)
{
    static const struct {
        const char *request;
        int status;
    } cases[] = {
        {"GET / HTTP/1.1\r\nHost: x\r\n\r\n", 404},
        {"GET /health/ HTTP/1.1\r\nHost: x\r\n\r\n", 404},
        {"GET /../etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n", 404},
        {"GET /%00health HTTP/1.1\r\nHost: x\r\n\r\n", 404},
        {"POST /health HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", 405},
        {"HEAD /health HTTP/1.1\r\nHost: x\r\n\r\n", 405},
        {"DELETE /status HTTP/1.1\r\nHost: x\r\n\r\n", 405},
        {"OPTIONS /health HTTP/1.1\r\nHost: x\r\nOrigin: http://y\r\nAccess-Control-Request-Method: PUT\r\n\r\n", 405},
        {"GET /health HTTP/1.1\r\n\r\n", 400},
        {"GET /health HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", 400},
        {"GET /health HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx", 400},
        {"GET /health HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nContent-Length: 0\r\n\r\n", 400},
        {"GET /health HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\nabc", 400},
        {"GET /health HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
        {"junk\r\n\r\n", 400},
    };
    struct story *s = *state;
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        int status = sent(s, cases[i].request);
        if (status != cases[i].status || !has(s, "Content-Type: application/problem+json\r\n"))
            fail_msg("%s: %s", cases[i].request, s->answer);
        if (status == 405)
            assert_true(has(s, "\r\nAllow: GET\r\n"));
    }
}

static void http_1_0_needs_no_host(void **state)
{
    assert_int_equal(sent(*state, "GET /health HTTP/1.0\r\n\r\n"), 200);
}

static void a_request_beyond_the_limits_is_refused(void **state)
{
    struct story *s = *state;
    static char request[2 * ADMIN_REQUEST_BYTES_MAX];
    int length = snprintf(request, sizeof request, "GET /health HTTP/1.1\r\nHost: x\r\nX: ");
    memset(request + length, 'a', sizeof request - (size_t)length);
    assert_int_equal(exchanged(s, request, sizeof request), 400);

    length = snprintf(request, sizeof request, "GET /health HTTP/1.1\r\nHost: x\r\n");
    for (int i = 0; i < 100; i++)
        length += snprintf(request + length, sizeof request - (size_t)length, "X%d: a\r\n", i);
    length += snprintf(request + length, sizeof request - (size_t)length, "\r\n");
    assert_int_equal(exchanged(s, request, (size_t)length), 431);
}

static void a_second_request_on_a_connection_is_not_read(void **state)
{
    struct story *s = *state;
    assert_int_equal(sent(s, "GET /health HTTP/1.1\r\nHost: x\r\nConnection: keep-alive\r\n\r\n"
                             "GET /status HTTP/1.1\r\nHost: x\r\n\r\n"),
                     200);
    assert_true(has(s, "Connection: close\r\n"));
    assert_false(has(s, "sampled"));
}

static void garbage_does_no_harm(void **state)
{
    struct story *s = *state;
    uint64_t random = 88172645463325252U;
    for (int round = 0; round < 200; round++) {
        uint8_t bytes[256];
        for (size_t i = 0; i < sizeof bytes; i++) {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            bytes[i] = (uint8_t)random;
        }
        if (round % 2)
            memcpy(bytes, "GET /health HTTP/1.1\r\nHost: x\r\n", 31);
        memcpy(bytes + sizeof bytes - 4, "\r\n\r\n", 4);
        int status = exchanged(s, bytes, sizeof bytes);
        assert_true(status == 0 || status == 200 || (status >= 400 && status < 600));
    }
    assert_int_equal(got(s, "/health"), 200);
}

static void *set_things(void *argument)
{
    struct story *s = argument;
    for (unsigned i = 0; i < 2000; i++) {
        admin_beat(s->admin);
        admin_status_set_u64(s->admin, "height", i);
        admin_status_set_text(s->admin, "phase", i % 2 ? "odd" : "even");
        admin_ready_set(s->admin, 0, true, i % 2 ? "odd" : "even");
    }
    return NULL;
}

static void setting_and_asking_may_happen_at_once(void **state)
{
    struct story *s = *state;
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, set_things, s), 0);
    for (int i = 0; i < 20; i++) {
        assert_int_equal(got(s, "/status"), 200);
        assert_int_equal(got(s, "/ready"), 503);
    }
    pthread_join(thread, NULL);
}

static void an_address_that_cannot_be_bound_is_an_error(void **state)
{
    struct story *s = *state;
    char taken[32];
    snprintf(taken, sizeof taken, "127.0.0.1:%u", admin_port(s->admin));
    struct admin_options options = options_of(s);
    struct admin *second = NULL;
    options.listen = taken;
    assert_int_equal(admin_new(&second, &options), -EADDRINUSE);
    options.listen = "192.0.2.1:9000";
    assert_int_equal(admin_new(&second, &options), -EADDRNOTAVAIL);
    options.listen = "9000";
    assert_int_equal(admin_new(&second, &options), -EINVAL);
    options.condition_count = ADMIN_CONDITION_COUNT_MAX + 1;
    assert_int_equal(admin_new(&second, &options), -EINVAL);
    assert_null(second);
    admin_destroy(&second);
    admin_destroy(NULL);
}

static void a_name_is_resolved(void **state)
{
    struct story *s = *state;
    struct admin_options options = options_of(s);
    struct admin *second = NULL;
    options.listen = "localhost:0";
    assert_int_equal(admin_new(&second, &options), 0);
    assert_true(admin_port(second) > 0 && admin_port(second) != admin_port(s->admin));
    admin_destroy(&second);
    assert_null(second);
}

int main(void)
{
#define STORY(name) cmocka_unit_test_setup(name, story_setup)
    const struct CMUnitTest tests[] = {
        STORY(a_beating_daemon_is_healthy),
        STORY(a_stalled_daemon_is_not_until_it_beats_again),
        STORY(ready_means_that_every_condition_is_ok),
        STORY(a_long_detail_is_cut_between_characters),
        STORY(status_shows_what_was_set),
        STORY(more_members_than_there_is_room_for_are_ignored),
        STORY(metrics_are_prometheus_text),
        STORY(metrics_of_the_process_need_no_table),
        STORY(what_is_refused_is_a_problem_document),
        STORY(http_1_0_needs_no_host),
        STORY(a_request_beyond_the_limits_is_refused),
        STORY(a_second_request_on_a_connection_is_not_read),
        STORY(garbage_does_no_harm),
        STORY(setting_and_asking_may_happen_at_once),
        STORY(an_address_that_cannot_be_bound_is_an_error),
        STORY(a_name_is_resolved),
    };
    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
