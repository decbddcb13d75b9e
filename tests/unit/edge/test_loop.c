/* test_loop.c - the event loop, with descriptors, timers, signals, threads and ipc sockets of the test's own. */
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
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zmq.h>

#include "common/base/err.h"
#include "common/edge/log.h"
#include "common/edge/loop.h"

enum { GIVE_UP_MS = 20000 };

struct story {
    struct loop *loop;
    struct bus *bus;
    struct bus_socket *router;
    struct bus_socket *dealer;
    char directory[32];
    char endpoint[64];
    char told[512]; /* what happened, in order */
    uint32_t timer;
    uint32_t other_timer;
    unsigned count;
    unsigned count_max;
    unsigned batches;
    unsigned echoes;
    unsigned lost;
    int pipe[2];
    int other_pipe[2];
    struct bus_message kept;
};

static void tell(struct story *s, const char *what)
{
    size_t size = strlen(s->told);
    snprintf(s->told + size, sizeof s->told - size, "%s ", what);
}

static void give_up(void *context)
{
    tell(context, "GAVE-UP");
    loop_stop(((struct story *)context)->loop);
}

static int story_setup(void **state)
{
    struct story *s = calloc(1, sizeof *s);
    snprintf(s->directory, sizeof s->directory, "/tmp/loop-XXXXXX");
    assert_non_null(mkdtemp(s->directory));
    snprintf(s->endpoint, sizeof s->endpoint, "ipc://%s/x.sock", s->directory);
    assert_int_equal(loop_new(&s->loop), 0);
    assert_int_equal(loop_timer_once(s->loop, GIVE_UP_MS, give_up, s, NULL), 0);
    assert_int_equal(pipe2(s->pipe, O_CLOEXEC | O_NONBLOCK), 0);
    assert_int_equal(pipe2(s->other_pipe, O_CLOEXEC | O_NONBLOCK), 0);
    *state = s;
    return 0;
}

static int story_teardown(void **state)
{
    struct story *s = *state;
    bus_socket_close(&s->dealer);
    bus_socket_close(&s->router);
    bus_destroy(&s->bus);
    loop_destroy(&s->loop);
    close(s->pipe[0]);
    close(s->pipe[1]);
    close(s->other_pipe[0]);
    close(s->other_pipe[1]);
    char command[64];
    snprintf(command, sizeof command, "rm -rf '%s'", s->directory);
    int rc = system(command);
    free(s);
    return rc;
}

static void tell_a(void *context)
{
    tell(context, "a");
}

static void tell_b(void *context)
{
    tell(context, "b");
}

static void stop(void *context)
{
    struct story *s = context;
    tell(s, "stop");
    loop_stop(s->loop);
}

/* --- timers ------------------------------------------------------------------------------------------------------- */

static void timers_fire_in_the_order_of_their_deadlines(void **state)
{
    struct story *s = *state;
    assert_int_equal(loop_timer_once(s->loop, 40, stop, s, NULL), 0);
    assert_int_equal(loop_timer_once(s->loop, 20, tell_b, s, NULL), 0);
    assert_int_equal(loop_timer_once(s->loop, 1, tell_a, s, NULL), 0);
    assert_int_equal(loop_run(s->loop), 0);
    assert_string_equal(s->told, "a b stop ");
}

static void count_up(void *context)
{
    struct story *s = context;
    tell(s, "tick");
    if (++s->count == s->count_max)
        loop_timer_cancel(s->loop, s->timer);
}

static void a_repeating_timer_fires_until_it_is_cancelled(void **state)
{
    struct story *s = *state;
    s->count_max = 3;
    assert_int_equal(loop_timer_every(s->loop, 2, count_up, s, &s->timer), 0);
    assert_int_equal(loop_timer_once(s->loop, 100, stop, s, NULL), 0);
    uint64_t before_ms = loop_now_ms();
    assert_int_equal(loop_run(s->loop), 0);
    assert_true(loop_now_ms() - before_ms >= 99);
    assert_string_equal(s->told, "tick tick tick stop ");
}

static void cancel_other(void *context)
{
    struct story *s = context;
    tell(s, "cancel");
    loop_timer_cancel(s->loop, s->other_timer);
}

static void a_timer_cancelled_in_the_same_round_does_not_fire(void **state)
{
    struct story *s = *state;
    assert_int_equal(loop_timer_once(s->loop, 0, cancel_other, s, NULL), 0);
    assert_int_equal(loop_timer_once(s->loop, 0, tell_a, s, &s->other_timer), 0);
    assert_int_equal(loop_timer_once(s->loop, 20, stop, s, NULL), 0);
    usleep(3000); /* both are due when the loop starts */
    assert_int_equal(loop_run(s->loop), 0);
    assert_string_equal(s->told, "cancel stop ");
}

static void a_timer_that_was_cancelled_before_the_run_is_harmless(void **state)
{
    struct story *s = *state;
    assert_int_equal(loop_timer_once(s->loop, 0, tell_a, s, &s->timer), 0);
    loop_timer_cancel(s->loop, s->timer);
    loop_timer_cancel(s->loop, s->timer);
    loop_timer_cancel(s->loop, LOOP_TIMER_NONE);
    loop_timer_cancel(s->loop, UINT32_MAX);
    assert_int_equal(loop_timer_once(s->loop, 5, stop, s, &s->other_timer), 0);
    assert_int_not_equal(s->timer, s->other_timer);
    loop_timer_cancel(s->loop, s->timer); /* the old id is not the new timer's */
    assert_int_equal(loop_run(s->loop), 0);
    assert_string_equal(s->told, "stop ");
}

static void stall(void *context)
{
    struct story *s = context;
    tell(s, "stall");
    usleep(50000);
    assert_int_equal(loop_timer_once(s->loop, 8, stop, s, NULL), 0);
}

static void a_late_timer_fires_once_for_what_it_missed(void **state)
{
    struct story *s = *state;
    assert_int_equal(loop_timer_every(s->loop, 20, tell_a, s, NULL), 0);
    assert_int_equal(loop_timer_once(s->loop, 1, stall, s, NULL), 0);
    assert_int_equal(loop_run(s->loop), 0);
    assert_true(strcmp(s->told, "stall a stop ") == 0 || strcmp(s->told, "stall a a stop ") == 0);
}

static void chain(void *context)
{
    struct story *s = context;
    if (++s->count == 1000)
        loop_stop(s->loop);
    assert_int_equal(loop_timer_once(s->loop, 0, chain, s, NULL), 0);
}

static void a_timer_may_set_itself_again_without_starving_others(void **state)
{
    struct story *s = *state;
    assert_int_equal(loop_timer_once(s->loop, 0, chain, s, NULL), 0);
    assert_int_equal(loop_run(s->loop), 0);
    assert_int_equal(s->count, 1000);
}

static void there_are_only_so_many_timers(void **state)
{
    struct story *s = *state;
    assert_int_equal(loop_timer_every(s->loop, 0, tell_a, s, NULL), -EINVAL);
    for (unsigned i = 1; i < LOOP_TIMER_COUNT_MAX; i++) /* one is the story's */
        assert_int_equal(loop_timer_every(s->loop, 1000, tell_a, s, &s->timer), 0);
    assert_int_equal(loop_timer_once(s->loop, 1, tell_a, s, NULL), ERR_FULL);
    loop_timer_cancel(s->loop, s->timer);
    assert_int_equal(loop_timer_once(s->loop, 1, stop, s, NULL), 0);
    assert_int_equal(loop_run(s->loop), 0);
}

/* --- descriptors and threads -------------------------------------------------------------------------------------- */

static void read_one(void *context)
{
    struct story *s = context;
    char byte[2] = {0};
    assert_int_equal(read(s->pipe[0], byte, 1), 1);
    tell(s, byte);
    if (byte[0] == 'z')
        loop_stop(s->loop);
}

static void a_readable_descriptor_is_served_until_it_is_empty(void **state)
{
    struct story *s = *state;
    assert_int_equal(loop_fd_add(s->loop, s->pipe[0], read_one, s), 0);
    assert_int_equal(loop_fd_add(s->loop, s->pipe[0], read_one, s), -EEXIST);
    assert_int_equal(loop_fd_add(s->loop, -1, read_one, s), -EBADF);
    assert_int_equal(write(s->pipe[1], "xyz", 3), 3);
    assert_int_equal(loop_run(s->loop), 0);
    assert_string_equal(s->told, "x y z ");
    loop_fd_remove(s->loop, s->pipe[0]);
    loop_fd_remove(s->loop, s->pipe[0]);
}

static void remove_own(void *context)
{
    struct story *s = context;
    tell(s, "once");
    loop_fd_remove(s->loop, s->pipe[0]);
}

static void a_handler_may_remove_itself(void **state)
{
    struct story *s = *state;
    assert_int_equal(loop_fd_add(s->loop, s->pipe[0], remove_own, s), 0);
    assert_int_equal(write(s->pipe[1], "x", 1), 1);
    assert_int_equal(loop_timer_once(s->loop, 20, stop, s, NULL), 0);
    assert_int_equal(loop_run(s->loop), 0);
    assert_string_equal(s->told, "once stop ");
}

static void remove_both(void *context)
{
    struct story *s = context;
    tell(s, "one");
    loop_fd_remove(s->loop, s->pipe[0]);
    loop_fd_remove(s->loop, s->other_pipe[0]);
}

static void a_handler_may_remove_another_that_is_ready(void **state)
{
    struct story *s = *state;
    assert_int_equal(loop_fd_add(s->loop, s->pipe[0], remove_both, s), 0);
    assert_int_equal(loop_fd_add(s->loop, s->other_pipe[0], remove_both, s), 0);
    assert_int_equal(write(s->pipe[1], "x", 1), 1);
    assert_int_equal(write(s->other_pipe[1], "x", 1), 1);
    assert_int_equal(loop_timer_once(s->loop, 20, stop, s, NULL), 0);
    assert_int_equal(loop_run(s->loop), 0);
    assert_string_equal(s->told, "one stop ");
}

static void there_are_only_so_many_descriptors(void **state)
{
    struct story *s = *state;
    int fds[LOOP_FD_COUNT_MAX + 1];
    for (unsigned i = 0; i <= LOOP_FD_COUNT_MAX; i++)
        fds[i] = fcntl(s->pipe[0], F_DUPFD_CLOEXEC, 10);
    for (unsigned i = 0; i < LOOP_FD_COUNT_MAX; i++)
        assert_int_equal(loop_fd_add(s->loop, fds[i], tell_a, s), 0);
    assert_int_equal(loop_fd_add(s->loop, fds[LOOP_FD_COUNT_MAX], tell_a, s), ERR_FULL);
    for (unsigned i = 0; i <= LOOP_FD_COUNT_MAX; i++) {
        loop_fd_remove(s->loop, fds[i]);
        close(fds[i]);
    }
}

static void *signal_many(void *wakeup)
{
    for (unsigned i = 0; i < 1000; i++)
        loop_wakeup_signal(wakeup);
    return NULL;
}

static void another_thread_wakes_the_loop(void **state)
{
    struct story *s = *state;
    struct loop_wakeup *wakeup = NULL;
    pthread_t thread;
    assert_int_equal(loop_wakeup_new(&wakeup, s->loop, stop, s), 0);
    pthread_create(&thread, NULL, signal_many, wakeup);
    assert_int_equal(loop_run(s->loop), 0);
    pthread_join(thread, NULL);
    assert_string_equal(s->told, "stop ");
    loop_wakeup_destroy(&wakeup);
    assert_null(wakeup);
}

static void a_library_wakes_the_loop_by_the_descriptor(void **state)
{
    struct story *s = *state;
    struct loop_wakeup *wakeup = NULL;
    assert_int_equal(loop_wakeup_new(&wakeup, s->loop, stop, s), 0);
    ssize_t put = write(loop_wakeup_fd(wakeup), &loop_wakeup_payload, sizeof loop_wakeup_payload);
    assert_int_equal(put, sizeof loop_wakeup_payload);
    assert_int_equal(loop_run(s->loop), 0);
    assert_string_equal(s->told, "stop ");
    loop_wakeup_destroy(&wakeup);
}

/* --- signals ------------------------------------------------------------------------------------------------------ */

static void raise_term(void *context)
{
    (void)context;
    kill(getpid(), SIGTERM);
}

static void raise_int(void *context)
{
    (void)context;
    kill(getpid(), SIGINT);
}

static void a_signal_ends_the_run_but_not_the_process(void **state)
{
    struct story *s = *state;
    assert_int_equal(loop_timer_once(s->loop, 1, raise_term, s, NULL), 0);
    assert_int_equal(loop_run(s->loop), 0);
    tell(s, "between");
    assert_int_equal(loop_timer_once(s->loop, 1, raise_int, s, NULL), 0);
    assert_int_equal(loop_run(s->loop), 0);
    assert_string_equal(s->told, "between ");
}

static void a_signal_with_a_bus_and_its_threads_ends_the_run_too(void **state)
{
    struct story *s = *state;
    assert_int_equal(bus_new(&s->bus), 0);
    a_signal_ends_the_run_but_not_the_process(state);
}

static void on_user_signal(int number)
{
    (void)number;
}

static void interrupt(void *context)
{
    (void)context;
    kill(getpid(), SIGUSR1);
}

static void another_signal_does_not_end_the_run(void **state)
{
    struct story *s = *state;
    struct sigaction action = {.sa_handler = on_user_signal};
    assert_int_equal(sigaction(SIGUSR1, &action, NULL), 0);
    pid_t parent = getpid();
    pid_t child = fork(); /* interrupts the waiting loop */
    if (child == 0) {
        for (int i = 0; i < 5; i++) {
            usleep(5000);
            kill(parent, SIGUSR1);
        }
        _exit(0);
    }
    assert_int_equal(loop_timer_once(s->loop, 1, interrupt, s, NULL), 0);
    assert_int_equal(loop_timer_once(s->loop, 60, stop, s, NULL), 0);
    assert_int_equal(loop_run(s->loop), 0);
    waitpid(child, NULL, 0);
    assert_string_equal(s->told, "stop ");
}

/* --- sockets ------------------------------------------------------------------------------------------------------ */

static void given_sockets(struct story *s, uint32_t queue_count_max)
{
    struct bus_options options = {
        .name = "x", .endpoint = s->endpoint, .frame_bytes_max = 4096, .queue_count_max = queue_count_max};
    assert_int_equal(bus_new(&s->bus), 0);
    assert_int_equal(bus_router_bind(&s->router, s->bus, &options), 0);
    assert_int_equal(bus_dealer_connect(&s->dealer, s->bus, &options), 0);
}

static void count_message(void *context, struct bus_message *message)
{
    struct story *s = context;
    assert_int_equal(message->payload.size, 1);
    if (++s->count == s->count_max)
        loop_stop(s->loop);
}

static void count_batch(void *context)
{
    struct story *s = context;
    s->batches++;
}

static void send_hundred(void *context)
{
    struct story *s = context;
    tell(s, "writable");
    for (unsigned i = 0; i < 100; i++)
        assert_int_equal(bus_send(s->dealer, NULL, "m", 1), 0);
}

/* A hundred messages, so many in each round. */
static void run_in_rounds_of(struct story *s, uint32_t messages_max)
{
    given_sockets(s, 1000);
    s->count_max = 100;
    struct loop_socket_handlers sender = {.writable = send_hundred, .context = s};
    struct loop_socket_handlers receiver = {
        .message = count_message, .drained = count_batch, .context = s, .messages_max = messages_max};
    assert_int_equal(loop_socket_add(s->loop, s->dealer, &sender), 0);
    assert_int_equal(loop_socket_add(s->loop, s->dealer, &sender), -EEXIST);
    assert_int_equal(loop_socket_add(s->loop, s->router, &receiver), 0);
    loop_socket_await_write(s->loop, s->dealer); /* the connection is not there yet */
    assert_int_equal(loop_run(s->loop), 0);
    assert_string_equal(s->told, "writable "); /* once */
    assert_int_equal(s->count, 100);
}

static void messages_come_in_batches(void **state)
{
    struct story *s = *state;
    run_in_rounds_of(s, 10);
    assert_true(s->batches >= 10 && s->batches <= 100);
}

/* One message a round: a loop that slept between them, until some timer, would give up. */
static void what_is_left_of_a_batch_is_not_slept_over(void **state)
{
    struct story *s = *state;
    run_in_rounds_of(s, 1);
    assert_int_equal(s->batches, 100);
}

static void pause_after_three(void *context, struct bus_message *message)
{
    struct story *s = context;
    tell(s, "m");
    (void)message;
    if (++s->count == 3)
        loop_socket_pause(s->loop, s->router);
}

static void resume(void *context)
{
    struct story *s = context;
    tell(s, "resume");
    s->count_max = 100;
    loop_socket_resume(s->loop, s->router);
}

static void send_five(void *context)
{
    struct story *s = context;
    for (unsigned i = 0; i < 5; i++)
        assert_int_equal(bus_send(s->dealer, NULL, "m", 1), 0);
    assert_int_equal(loop_timer_once(s->loop, 200, resume, s, NULL), 0);
    assert_int_equal(loop_timer_once(s->loop, 400, stop, s, NULL), 0);
}

static void a_paused_socket_is_not_read(void **state)
{
    struct story *s = *state;
    given_sockets(s, 1000);
    struct loop_socket_handlers sender = {.writable = send_five, .context = s};
    struct loop_socket_handlers receiver = {.message = pause_after_three, .context = s};
    assert_int_equal(loop_socket_add(s->loop, s->dealer, &sender), 0);
    assert_int_equal(loop_socket_add(s->loop, s->router, &receiver), 0);
    loop_socket_await_write(s->loop, s->dealer);
    assert_int_equal(loop_run(s->loop), 0);
    assert_string_equal(s->told, "m m m resume m m stop ");
}

static void close_on_message(void *context, struct bus_message *message)
{
    struct story *s = context;
    (void)message;
    tell(s, "closed");
    loop_socket_remove(s->loop, s->router);
    bus_socket_close(&s->router);
    assert_int_equal(loop_timer_once(s->loop, 5, stop, s, NULL), 0);
}

static void send_two(void *context)
{
    struct story *s = context;
    assert_int_equal(bus_send(s->dealer, NULL, "m", 1), 0);
    assert_int_equal(bus_send(s->dealer, NULL, "m", 1), 0);
}

static void a_handler_may_close_its_socket(void **state)
{
    struct story *s = *state;
    given_sockets(s, 1000);
    struct loop_socket_handlers sender = {.writable = send_two, .context = s};
    struct loop_socket_handlers receiver = {.message = close_on_message, .drained = count_batch, .context = s};
    assert_int_equal(loop_socket_add(s->loop, s->dealer, &sender), 0);
    assert_int_equal(loop_socket_add(s->loop, s->router, &receiver), 0);
    loop_socket_await_write(s->loop, s->dealer);
    assert_int_equal(loop_run(s->loop), 0);
    assert_string_equal(s->told, "closed stop ");
    assert_int_equal(s->batches, 0);
}

static void keep_message(void *context, struct bus_message *message)
{
    struct story *s = context;
    bus_message_move(&s->kept, message);
    loop_stop(s->loop);
}

static void a_handler_may_keep_a_message(void **state)
{
    struct story *s = *state;
    given_sockets(s, 1000);
    struct loop_socket_handlers sender = {.writable = send_two, .context = s};
    struct loop_socket_handlers receiver = {.message = keep_message, .context = s, .messages_max = 1};
    assert_int_equal(loop_socket_add(s->loop, s->dealer, &sender), 0);
    assert_int_equal(loop_socket_add(s->loop, s->router, &receiver), 0);
    loop_socket_await_write(s->loop, s->dealer);
    assert_int_equal(loop_run(s->loop), 0);
    assert_memory_equal(s->kept.payload.data, "m", 1);
    bus_message_deinit(&s->kept);
}

enum { STREAM_COUNT = 50000 };

/* As many as the queue takes, then wait for room. */
static void stream_write(void *context)
{
    struct story *s = context;
    while (s->count < STREAM_COUNT) {
        int rc = bus_send(s->dealer, NULL, "m", 1);
        if (rc == -EAGAIN) {
            loop_socket_await_write(s->loop, s->dealer);
            return;
        }
        assert_int_equal(rc, 0);
        s->count++;
    }
}

static void stream_end(struct story *s)
{
    if (s->echoes + s->lost == STREAM_COUNT)
        loop_stop(s->loop);
}

static void stream_echo(void *context, struct bus_message *message)
{
    struct story *s = context;
    if (bus_send(s->router, &message->route, "m", 1) < 0)
        s->lost++; /* a ROUTER cannot wait for one peer */
    stream_end(s);
}

static void stream_count(void *context, struct bus_message *message)
{
    struct story *s = context;
    (void)message;
    s->echoes++;
    stream_end(s);
}

/* libzmq tells once that something has changed, also in the middle of a send or a receive: nobody may sleep over it. */
static void no_wakeup_is_lost(void **state)
{
    struct story *s = *state;
    given_sockets(s, 3);
    struct loop_socket_handlers dealer = {.message = stream_count, .writable = stream_write, .context = s};
    struct loop_socket_handlers router = {.message = stream_echo, .context = s, .messages_max = 2};
    assert_int_equal(loop_socket_add(s->loop, s->dealer, &dealer), 0);
    assert_int_equal(loop_socket_add(s->loop, s->router, &router), 0);
    loop_socket_await_write(s->loop, s->dealer);
    assert_int_equal(loop_run(s->loop), 0);
    assert_string_equal(s->told, ""); /* it did not give up */
}

static void pause_and_stop_soon(void *context, struct bus_message *message)
{
    struct story *s = context;
    (void)message;
    tell(s, "m");
    loop_socket_pause(s->loop, s->router);
    assert_int_equal(loop_timer_once(s->loop, 300, stop, s, NULL), 0);
}

static uint64_t thread_cpu_ms(void)
{
    struct timespec now;
    assert_int_equal(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now), 0);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void a_loop_with_unread_messages_of_a_paused_socket_sleeps(void **state)
{
    struct story *s = *state;
    given_sockets(s, 1000);
    struct loop_socket_handlers sender = {.writable = send_hundred, .context = s};
    struct loop_socket_handlers receiver = {.message = pause_and_stop_soon, .context = s};
    assert_int_equal(loop_socket_add(s->loop, s->dealer, &sender), 0);
    assert_int_equal(loop_socket_add(s->loop, s->router, &receiver), 0);
    loop_socket_await_write(s->loop, s->dealer);
    uint64_t before_ms = thread_cpu_ms();
    assert_int_equal(loop_run(s->loop), 0);
    assert_true(thread_cpu_ms() - before_ms < 150);
    assert_string_equal(s->told, "writable m stop ");
}

static void tell_question(void *context, struct bus_message *message)
{
    struct story *s = context;
    (void)message;
    tell(s, "question");
    if (++s->count == 2)
        loop_stop(s->loop);
}

static void tell_answer(void *context, struct bus_message *message)
{
    struct story *s = context;
    (void)message;
    tell(s, "answer");
    if (++s->count == 2)
        loop_stop(s->loop);
}

static void await(struct bus_socket *socket)
{
    struct pollfd told = {.fd = bus_socket_fd(socket), .events = POLLIN};
    assert_int_equal(poll(&told, 1, GIVE_UP_MS), 1);
}

/* The next message, read past the loop. */
static void receive_one(struct bus_socket *socket, struct bus_message *out)
{
    while (bus_receive(socket, out) == -EAGAIN)
        await(socket);
}

static void sockets_that_are_ready_at_once_are_all_served(void **state)
{
    struct story *s = *state;
    given_sockets(s, 1000);
    struct bus_message first;
    while (bus_send(s->dealer, NULL, "m", 1) == -EAGAIN)
        poll(NULL, 0, 1);
    receive_one(s->router, &first);
    assert_int_equal(bus_send(s->dealer, NULL, "m", 1), 0);
    assert_int_equal(bus_send(s->router, &first.route, "m", 1), 0);
    bus_message_deinit(&first);
    poll(NULL, 0, 50); /* both arrive */
    struct loop_socket_handlers dealer = {.message = tell_answer, .context = s};
    struct loop_socket_handlers router = {.message = tell_question, .context = s};
    assert_int_equal(loop_socket_add(s->loop, s->dealer, &dealer), 0);
    assert_int_equal(loop_socket_add(s->loop, s->router, &router), 0);
    assert_int_equal(loop_run(s->loop), 0);
    assert_string_equal(s->told, "answer question ");
}

enum {
    TAKEN_COUNT = 50,    /* slept over each time, until a timer: it gives up */
    LIBZMQ_PAUSE_MS = 5, /* after which a send looks at what libzmq's thread told */
};

static void ask_again(void *context, struct bus_message *message)
{
    struct story *s = context;
    (void)message;
    if (++s->count == TAKEN_COUNT)
        loop_stop(s->loop);
    else
        assert_int_equal(bus_send(s->dealer, NULL, "m", 1), 0);
}

/* The dealer has an answer, its signal is taken by a send, and nothing else will happen. */
static void answer_and_take_the_signal(void *context, struct bus_message *message)
{
    struct story *s = context;
    assert_int_equal(bus_send(s->router, &message->route, "m", 1), 0);
    await(s->dealer);
    poll(NULL, 0, LIBZMQ_PAUSE_MS);
    assert_int_equal(bus_send(s->dealer, NULL, "m", 1), 0);
    struct pollfd taken = {.fd = bus_socket_fd(s->dealer), .events = POLLIN};
    assert_int_equal(poll(&taken, 1, 0), 0);
    struct bus_message next;
    receive_one(s->router, &next);
    bus_message_deinit(&next);
}

static void send_first(void *context)
{
    struct story *s = context;
    assert_int_equal(bus_send(s->dealer, NULL, "m", 1), 0);
}

static void a_socket_whose_signal_a_send_took_is_served(void **state)
{
    struct story *s = *state;
    given_sockets(s, 1000);
    struct loop_socket_handlers dealer = {.message = ask_again, .writable = send_first, .context = s};
    struct loop_socket_handlers router = {.message = answer_and_take_the_signal, .context = s};
    assert_int_equal(loop_socket_add(s->loop, s->dealer, &dealer), 0); /* it is asked before the router */
    assert_int_equal(loop_socket_add(s->loop, s->router, &router), 0);
    loop_socket_await_write(s->loop, s->dealer);
    assert_int_equal(loop_run(s->loop), 0);
    assert_string_equal(s->told, ""); /* it did not give up */
    assert_int_equal(s->count, TAKEN_COUNT);
}

/* Send until nothing more goes into any queue on the way. */
static void fill_the_queue(struct story *s)
{
    for (int refused = 0; refused < 5;) {
        if (bus_send(s->dealer, NULL, "m", 1) == 0) {
            refused = 0;
        } else {
            refused++;
            poll(NULL, 0, 20);
        }
    }
}

static void ask_for_one_and_wait(void *context)
{
    struct story *s = context;
    struct bus_message message;
    if (s->count++ > 0) { /* the second time */
        stop(s);
        return;
    }
    fill_the_queue(s);
    assert_int_equal(bus_receive(s->router, &message), 0);
    assert_int_equal(bus_send(s->router, &message.route, "m", 1), 0);
    bus_message_deinit(&message);
    fill_the_queue(s);
    loop_socket_await_write(s->loop, s->dealer);
}

/* Make room, and come back when libzmq has told so. */
static void empty_the_queue(void *context, struct bus_message *message)
{
    struct story *s = context;
    (void)message;
    tell(s, "m");
    struct pollfd told = {.fd = bus_socket_fd(s->dealer), .events = POLLIN};
    do {
        struct bus_message read;
        while (bus_receive(s->router, &read) == 0)
            bus_message_deinit(&read);
    } while (poll(&told, 1, 20) == 0);
    poll(NULL, 0, 100); /* and has nothing more to tell */
}

static void a_socket_becomes_writable_while_it_is_read(void **state)
{
    struct story *s = *state;
    given_sockets(s, 3);
    struct loop_socket_handlers dealer = {.message = empty_the_queue, .writable = ask_for_one_and_wait, .context = s};
    assert_int_equal(loop_socket_add(s->loop, s->dealer, &dealer), 0);
    loop_socket_await_write(s->loop, s->dealer);
    assert_int_equal(loop_run(s->loop), 0);
    assert_string_equal(s->told, "m stop ");
}

enum { FLOOD_COUNT = 60000 };

static void stop_at_message(void *context, struct bus_message *message)
{
    (void)message;
    stop(context);
}

/* bus_receive() looks at a thousand in one call: a loop that slept after each thousand would give up. */
static void a_flood_of_bad_messages_is_not_slept_over(void **state)
{
    struct story *s = *state;
    given_sockets(s, BUS_QUEUE_COUNT_MAX);
    void *stranger_context = zmq_ctx_new();
    void *stranger = zmq_socket(stranger_context, ZMQ_DEALER);
    const int no_limit = 0;
    assert_int_equal(zmq_setsockopt(stranger, ZMQ_SNDHWM, &no_limit, sizeof no_limit), 0);
    assert_int_equal(zmq_connect(stranger, s->endpoint), 0);
    for (int i = 0; i < FLOOD_COUNT; i++) {
        assert_int_equal(zmq_send(stranger, "two", 3, ZMQ_SNDMORE), 3);
        assert_int_equal(zmq_send(stranger, "frames", 6, 0), 6);
    }
    assert_int_equal(zmq_send(stranger, "good", 4, 0), 4);
    poll(NULL, 0, 300); /* most of them arrive */
    struct loop_socket_handlers receiver = {.message = stop_at_message, .context = s};
    assert_int_equal(loop_socket_add(s->loop, s->router, &receiver), 0);
    assert_int_equal(loop_run(s->loop), 0);
    assert_string_equal(s->told, "stop ");
    zmq_close(stranger);
    zmq_ctx_term(stranger_context);
}

static void stop_when_connected(void *context)
{
    struct story *s = context;
    if (bus_socket_is_connected(s->dealer))
        stop(s);
}

static void the_loop_tends_its_sockets(void **state)
{
    struct story *s = *state;
    given_sockets(s, 1000);
    struct loop_socket_handlers nothing = {.context = s};
    assert_int_equal(loop_socket_add(s->loop, s->dealer, &nothing), 0);
    assert_false(bus_socket_is_connected(s->dealer));
    assert_int_equal(loop_timer_every(s->loop, 10, stop_when_connected, s, NULL), 0);
    assert_int_equal(loop_run(s->loop), 0);
    assert_string_equal(s->told, "stop ");
}

static void the_clocks_agree_with_themselves(void **state)
{
    (void)state;
    uint64_t us = loop_now_us();
    uint64_t ms = loop_now_ms();
    assert_true(ms >= us / 1000 && ms - us / 1000 < 1000);
    assert_true(loop_wall_ms() > INT64_C(1700000000000));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define STORY(name) cmocka_unit_test_setup_teardown(name, story_setup, story_teardown)
        STORY(timers_fire_in_the_order_of_their_deadlines),
        STORY(a_repeating_timer_fires_until_it_is_cancelled),
        STORY(a_timer_cancelled_in_the_same_round_does_not_fire),
        STORY(a_timer_that_was_cancelled_before_the_run_is_harmless),
        STORY(a_late_timer_fires_once_for_what_it_missed),
        STORY(a_timer_may_set_itself_again_without_starving_others),
        STORY(there_are_only_so_many_timers),
        STORY(a_readable_descriptor_is_served_until_it_is_empty),
        STORY(a_handler_may_remove_itself),
        STORY(a_handler_may_remove_another_that_is_ready),
        STORY(there_are_only_so_many_descriptors),
        STORY(another_thread_wakes_the_loop),
        STORY(a_library_wakes_the_loop_by_the_descriptor),
        STORY(a_signal_ends_the_run_but_not_the_process),
        STORY(a_signal_with_a_bus_and_its_threads_ends_the_run_too),
        STORY(another_signal_does_not_end_the_run),
        STORY(messages_come_in_batches),
        STORY(what_is_left_of_a_batch_is_not_slept_over),
        STORY(a_paused_socket_is_not_read),
        STORY(a_handler_may_close_its_socket),
        STORY(a_handler_may_keep_a_message),
        STORY(no_wakeup_is_lost),
        STORY(a_loop_with_unread_messages_of_a_paused_socket_sleeps),
        STORY(sockets_that_are_ready_at_once_are_all_served),
        STORY(a_socket_whose_signal_a_send_took_is_served),
        STORY(a_socket_becomes_writable_while_it_is_read),
        STORY(a_flood_of_bad_messages_is_not_slept_over),
        STORY(the_loop_tends_its_sockets),
        STORY(the_clocks_agree_with_themselves),
    };
    log_set_fd(open("/dev/null", O_WRONLY));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
