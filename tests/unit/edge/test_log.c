/* test_log.c - lines of the log: their form, their limits, what is quoted. Lines go to a pipe. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/err.h"
#include "common/edge/log.h"

enum { OUTPUT_BYTES = 65536, THREADS = 4, THREAD_LINES = 100 };

struct output {
    int fds[2];
    char text[OUTPUT_BYTES];
};

static int output_open(void **state)
{
    static struct output output;
    if (pipe2(output.fds, O_NONBLOCK) < 0 || fcntl(output.fds[1], F_SETPIPE_SZ, 1 << 18) < 0)
        return -1;
    log_set_fd(output.fds[1]);
    log_open("testd", "v1", LOG_LEVEL_INFO);
    *state = &output;
    return 0;
}

static int output_close(void **state)
{
    struct output *output = *state;
    log_set_fd(STDERR_FILENO);
    close(output->fds[0]);
    close(output->fds[1]);
    return 0;
}

static const char *written(struct output *output)
{
    ssize_t size = read(output->fds[0], output->text, sizeof output->text - 1);
    output->text[size > 0 ? size : 0] = '\0';
    return output->text;
}

/* A line without its time, which is looked at by its form. */
static const char *after_time(const char *line)
{
    const char *form = "ts=dddd-dd-ddTdd:dd:dd.dddZ ";
    for (size_t i = 0; form[i]; i++) {
        if (form[i] == 'd')
            assert_true(line[i] >= '0' && line[i] <= '9');
        else
            assert_int_equal(line[i], form[i]);
    }
    return line + strlen(form);
}

static void a_line_says_time_level_process_node_and_event(void **state)
{
    struct output *output = *state;
    log_info("block.committed", "height=%d txs=%u", 7, 3u);
    assert_string_equal(after_time(written(output)),
                        "level=info proc=testd node=v1 event=block.committed height=7 txs=3\n");
    log_warn("daemon.slow");
    assert_string_equal(after_time(written(output)), "level=warn proc=testd node=v1 event=daemon.slow\n");
}

static void without_a_node_the_field_is_left_out(void **state)
{
    struct output *output = *state;
    log_open("testd", NULL, LOG_LEVEL_INFO);
    log_info("x");
    assert_string_equal(after_time(written(output)), "level=info proc=testd event=x\n");
}

static int evaluated;

static int evaluate(void)
{
    return ++evaluated;
}

static void lines_below_the_level_are_neither_written_nor_evaluated(void **state)
{
    struct output *output = *state;
    evaluated = 0;
    log_debug("x", "n=%d", evaluate());
    assert_int_equal(evaluated, 0);
    assert_string_equal(written(output), "");
    log_open("testd", "v1", LOG_LEVEL_DEBUG);
    log_debug("x", "n=%d", evaluate());
    assert_string_equal(after_time(written(output)), "level=debug proc=testd node=v1 event=x n=1\n");
}

static void a_line_too_long_is_cut_and_says_so(void **state)
{
    struct output *output = *state;
    static char text[2 * LOG_LINE_BYTES_MAX];
    memset(text, 'a', sizeof text - 1);
    log_info("long", "text=%s", text);
    const char *line = written(output);
    size_t length = strlen(line);
    assert_true(length <= LOG_LINE_BYTES_MAX + strlen(" cut=true\n"));
    assert_string_equal(line + length - strlen("aa cut=true\n"), "aa cut=true\n");
}

static void a_field_cannot_begin_a_second_line(void **state)
{
    struct output *output = *state;
    log_info("x", "text=%s", "a\nts=0 level=error\x7f\r");
    assert_string_equal(after_time(written(output)),
                        "level=info proc=testd node=v1 event=x text=a?ts=0 level=error??\n");
}

static void a_failure_is_named_and_handed_on(void **state)
{
    struct output *output = *state;
    assert_int_equal(log_failure(ERR_CORRUPT, "store"), ERR_CORRUPT);
    const char *line = after_time(written(output));
    assert_non_null(strstr(line, "level=error proc=testd node=v1 event=daemon.failed what=store"));
    assert_non_null(strstr(line, "error=\"stored data is corrupt\""));
}

static void errno_is_kept(void **state)
{
    (void)state;
    errno = ENOENT;
    log_info("x");
    assert_int_equal(errno, ENOENT);
}

static void a_limited_line_is_counted_when_it_is_not_written(void **state)
{
    struct output *output = *state;
    struct log_limit limit = {0};
    for (int i = 0; i < LOG_LIMIT_LINES + 3; i++)
        log_limited(&limit, LOG_LEVEL_WARN, "frame.bad", "peer=%d", i);
    size_t lines = 0;
    for (const char *at = written(output); (at = strchr(at, '\n')); at++)
        lines++;
    assert_int_equal(lines, LOG_LIMIT_LINES);
    assert_int_equal(limit.suppressed, 3);

    /* when the interval is over */
    limit.window_start_ms -= LOG_LIMIT_INTERVAL_MS;
    log_limited(&limit, LOG_LEVEL_WARN, "frame.bad", "peer=%d", 9);
    assert_string_equal(after_time(written(output)),
                        "level=warn proc=testd node=v1 event=frame.bad suppressed=3 peer=9\n");
}

static void text_from_outside_is_quoted(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t size;
        const char *quoted;
    } cases[] = {
        {"", 0, "\"\""},
        {"plain text", 10, "\"plain text\""},
        {"a\"b\\c", 5, "\"a\\\"b\\\\c\""},
        {"a\n\0b\x7f", 5, "\"a\\x0a\\x00b\\x7f\""},
        {"gr\xc3\xbc\xc3\x9f", 6, "\"gr\xc3\xbc\xc3\x9f\""},
        {"\xc3", 1, "\"\\xc3\""},          /* cut in the middle */
        {"\xc0\xaf", 2, "\"\\xc0\\xaf\""}, /* overlong */
        {"\xc2\x85", 2, "\"\\xc2\\x85\""}, /* a control character */
        {"\xf0\x9f\x98\x80", 4, "\"\xf0\x9f\x98\x80\""},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++)
        assert_string_equal(LOG_QUOTE(span_of(cases[i].text, cases[i].size)), cases[i].quoted);
}

static void quoted_text_is_bounded_whatever_it_holds(void **state)
{
    (void)state;
    static const char *const fills[] = {"a", "\"", "\n", "\xc3\xbc", "\xf0\x9f\x98\x80", "\xff"};
    for (size_t f = 0; f < ARRAY_COUNT(fills); f++) {
        uint8_t text[2000];
        size_t unit = strlen(fills[f]);
        for (size_t size = 0; size + unit <= sizeof text; size += unit) {
            memcpy(text + size, fills[f], unit);
            struct log_text out;
            const char *quoted = log_quote(&out, span_of(text, size + unit));
            size_t length = strlen(quoted);
            assert_in_range(length, 2, LOG_QUOTE_BYTES_MAX);
            assert_int_equal(quoted[length - 1], '"');
        }
        assert_non_null(strstr(LOG_QUOTE(span_of(text, sizeof text)), "..\""));
    }
}

static void hex_is_bounded(void **state)
{
    (void)state;
    static const uint8_t bytes[40] = {0xab, 0x01};
    assert_string_equal(LOG_HEX(span_of(bytes, 2)), "ab01");
    assert_string_equal(LOG_HEX(span_of(NULL, 0)), "");
    const char *text = LOG_HEX(span_of(bytes, sizeof bytes));
    assert_int_equal(strlen(text), 2 * LOG_HEX_BYTES_MAX + 2);
    assert_string_equal(text + 2 * LOG_HEX_BYTES_MAX, "..");
}

static void *write_lines(void *context)
{
    for (int i = 0; i < THREAD_LINES; i++)
        log_info("thread", "id=%s", (const char *)context);
    return NULL;
}

static void lines_of_threads_do_not_mix(void **state)
{
    struct output *output = *state;
    static char names[THREADS][2] = {"0", "1", "2", "3"};
    pthread_t threads[THREADS];
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, write_lines, names[i]), 0);
    for (size_t i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    size_t counts[THREADS] = {0};
    const char *line = written(output);
    while (*line) {
        unsigned int id = THREADS;
        int used = 0;
        assert_int_equal(sscanf(after_time(line), "level=info proc=testd node=v1 event=thread id=%1u\n%n", &id, &used),
                         1);
        assert_in_range(id, 0, THREADS - 1);
        counts[id]++;
        line = strchr(line, '\n') + 1;
    }
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(counts[i], THREAD_LINES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_line_says_time_level_process_node_and_event, output_open, output_close),
        cmocka_unit_test_setup_teardown(without_a_node_the_field_is_left_out, output_open, output_close),
        cmocka_unit_test_setup_teardown(lines_below_the_level_are_neither_written_nor_evaluated, output_open,
                                        output_close),
        cmocka_unit_test_setup_teardown(a_line_too_long_is_cut_and_says_so, output_open, output_close),
        cmocka_unit_test_setup_teardown(a_field_cannot_begin_a_second_line, output_open, output_close),
        cmocka_unit_test_setup_teardown(a_failure_is_named_and_handed_on, output_open, output_close),
        cmocka_unit_test_setup_teardown(errno_is_kept, output_open, output_close),
        cmocka_unit_test_setup_teardown(a_limited_line_is_counted_when_it_is_not_written, output_open, output_close),
        cmocka_unit_test(text_from_outside_is_quoted),
        cmocka_unit_test(quoted_text_is_bounded_whatever_it_holds),
        cmocka_unit_test(hex_is_bounded),
        cmocka_unit_test_setup_teardown(lines_of_threads_do_not_mix, output_open, output_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
