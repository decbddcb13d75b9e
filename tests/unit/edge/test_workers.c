/* test_workers.c - the pool of threads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#include "common/edge/log.h"
#include "common/edge/loop.h"
#include "common/edge/workers.h"

enum { JOB_COUNT = 2000, QUEUE_MAX = 64, GIVE_UP_MS = 30000 };

struct story;

struct item {
    struct story *story;
    unsigned number;
    uint64_t result; /* written by the worker, read by done */
};

struct story {
    struct loop *loop;
    struct workers *workers;
    struct item items[JOB_COUNT];
    unsigned submitted;
    unsigned done;
    unsigned abandoned;
    bool in_order;
    bool gave_up;
    pthread_t loop_thread;
    atomic_uint started;
    atomic_bool gate_open;
};

static void give_up(void *context)
{
    struct story *s = context;
    s->gave_up = true;
    loop_stop(s->loop);
}

static int story_setup(void **state)
{
    struct story *s = calloc(1, sizeof *s);
    for (unsigned i = 0; i < JOB_COUNT; i++)
        s->items[i] = (struct item){.story = s, .number = i};
    s->in_order = true;
    s->loop_thread = pthread_self();
    assert_int_equal(loop_new(&s->loop), 0);
    assert_int_equal(loop_timer_once(s->loop, GIVE_UP_MS, give_up, s, NULL), 0);
    *state = s;
    return 0;
}

static int story_teardown(void **state)
{
    struct story *s = *state;
    workers_destroy(&s->workers, NULL);
    loop_destroy(&s->loop);
    assert_false(s->gave_up);
    free(s);
    return 0;
}

static void given_workers(struct story *s, uint32_t thread_count, uint32_t queue_count_max)
{
    struct workers_options options = {
        .name = "verify", .thread_count = thread_count, .queue_count_max = queue_count_max};
    assert_int_equal(workers_new(&s->workers, s->loop, &options), 0);
}

/* Takes longer for some numbers than for others. */
static void work(void *argument)
{
    struct item *item = argument;
    uint64_t sum = 0;
    for (unsigned i = 0; i < (item->number * 7919) % 5000; i++)
        sum += i ^ item->number;
    item->result = sum + item->number + 1;
}

static void done(void *argument);

static void submit_while_there_is_room(struct story *s)
{
    while (s->submitted < JOB_COUNT) {
        struct workers_job job = {.work = work, .done = done, .argument = &s->items[s->submitted]};
        if (workers_submit(s->workers, &job) == -EAGAIN)
            return;
        s->submitted++;
    }
}

static void done(void *argument)
{
    struct item *item = argument;
    struct story *s = item->story;
    s->in_order =
        s->in_order && item->number == s->done && item->result > 0 && pthread_equal(s->loop_thread, pthread_self());
    s->done++;
    submit_while_there_is_room(s);
    if (s->done == JOB_COUNT)
        loop_stop(s->loop);
}

static void jobs_come_back_in_order_on_the_loops_thread(void **state)
{
    struct story *s = *state;
    given_workers(s, 4, QUEUE_MAX);
    submit_while_there_is_room(s);
    assert_int_equal(workers_pending(s->workers), QUEUE_MAX);
    assert_int_equal(workers_room(s->workers), 0);
    assert_int_equal(loop_run(s->loop), 0);
    assert_int_equal(s->done, JOB_COUNT);
    assert_true(s->in_order);
    assert_int_equal(workers_pending(s->workers), 0);
}

static void one_thread_and_one_place_are_enough(void **state)
{
    struct story *s = *state;
    given_workers(s, 1, 1);
    submit_while_there_is_room(s);
    assert_int_equal(loop_run(s->loop), 0);
    assert_int_equal(s->done, JOB_COUNT);
    assert_true(s->in_order);
}

static void wait_at_the_gate(void *argument)
{
    struct item *item = argument;
    atomic_fetch_add(&item->story->started, 1);
    while (!atomic_load(&item->story->gate_open))
        usleep(100);
}

static void count_abandoned(void *argument)
{
    struct item *item = argument;
    item->story->abandoned++;
}

static void *open_the_gate(void *argument)
{
    struct story *s = argument;
    usleep(20000);
    atomic_store(&s->gate_open, true);
    return NULL;
}

static void the_end_waits_for_running_work_and_gives_the_rest_back(void **state)
{
    struct story *s = *state;
    given_workers(s, 2, 10);
    for (unsigned i = 0; i < 10; i++) {
        struct workers_job job = {.work = wait_at_the_gate, .done = done, .argument = &s->items[i]};
        assert_int_equal(workers_submit(s->workers, &job), 0);
    }
    struct workers_job one_more = {.work = wait_at_the_gate, .done = done, .argument = &s->items[10]};
    assert_int_equal(workers_submit(s->workers, &one_more), -EAGAIN);
    while (atomic_load(&s->started) < 2)
        usleep(100);
    pthread_t opener;
    pthread_create(&opener, NULL, open_the_gate, s);
    workers_destroy(&s->workers, count_abandoned);
    assert_null(s->workers);
    pthread_join(opener, NULL);
    assert_int_equal(s->abandoned, 10);
    assert_int_equal(s->done, 0);
    assert_int_equal(atomic_load(&s->started), 2);
}

static void options_out_of_range_are_refused(void **state)
{
    struct story *s = *state;
    const struct workers_options bad[] = {
        {.name = NULL, .thread_count = 1, .queue_count_max = 1},
        {.name = "x", .thread_count = 0, .queue_count_max = 1},
        {.name = "x", .thread_count = WORKERS_THREAD_COUNT_MAX + 1, .queue_count_max = 1},
        {.name = "x", .thread_count = 1, .queue_count_max = 0},
        {.name = "x", .thread_count = 1, .queue_count_max = WORKERS_QUEUE_COUNT_MAX + 1},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(workers_new(&s->workers, s->loop, &bad[i]), -EINVAL);
    assert_null(s->workers);
    workers_destroy(NULL, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define STORY(name) cmocka_unit_test_setup_teardown(name, story_setup, story_teardown)
        STORY(jobs_come_back_in_order_on_the_loops_thread),
        STORY(one_thread_and_one_place_are_enough),
        STORY(the_end_waits_for_running_work_and_gives_the_rest_back),
        STORY(options_out_of_range_are_refused),
    };
    log_set_fd(open("/dev/null", O_WRONLY));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
