/* test_query_client.c - tickets: questions of this test to an executord that it plays, on a clock of its own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "common/base/err.h"
#include "services/apid/query_client.h"

typedef Cybermesh__Query__V1__QueryFrame Frame;

enum { GIVE_UP_MS = 20000, SEEN_MAX = 8 };

struct story {
    struct loop *loop;
    struct bus *bus;
    struct bus_socket *executord;
    struct query_client *client;
    char directory[32], endpoint[64];
    struct bus_route asker;
    uint64_t seen[SEEN_MAX]; /* requests, in order of arrival */
    size_t seen_count, stop_at;
    bool gave_up;
};

/* The linker puts this clock in the place of the loop's, for what the client reads of it. */
static uint64_t now_ms;
uint64_t __wrap_loop_now_ms(void);
uint64_t __wrap_loop_now_ms(void)
{
    return now_ms;
}

static void give_up(void *context)
{
    struct story *s = context;
    s->gave_up = true;
    loop_stop(s->loop);
}

/* What executord hears; only questions for states count. */
static void hear(void *context, struct bus_message *message)
{
    struct story *s = context;
    Frame *frame = cybermesh__query__v1__query_frame__unpack(NULL, message->payload.size, message->payload.data);
    assert_non_null(frame);
    assert_int_equal(frame->body_case, CYBERMESH__QUERY__V1__QUERY_FRAME__BODY_STATE_REQUEST);
    s->asker = message->route;
    if (s->seen_count < SEEN_MAX)
        s->seen[s->seen_count++] = frame->state_request->request;
    cybermesh__query__v1__query_frame__free_unpacked(frame, NULL);
    if (s->seen_count == s->stop_at)
        loop_stop(s->loop);
}

static int given(void **state)
{
    struct story *s = calloc(1, sizeof *s);
    now_ms = 1000;
    snprintf(s->directory, sizeof s->directory, "/tmp/query-XXXXXX");
    assert_non_null(mkdtemp(s->directory));
    snprintf(s->endpoint, sizeof s->endpoint, "ipc://%s/q.sock", s->directory);
    assert_int_equal(loop_new(&s->loop), 0);
    assert_int_equal(loop_timer_once(s->loop, GIVE_UP_MS, give_up, s, NULL), 0);
    assert_int_equal(bus_new(&s->bus), 0);
    struct bus_options options = {
        .name = "query", .endpoint = s->endpoint, .frame_bytes_max = 4096, .queue_count_max = 1000};
    assert_int_equal(bus_router_bind(&s->executord, s->bus, &options), 0);
    struct loop_socket_handlers handlers = {.message = hear, .context = s};
    assert_int_equal(loop_socket_add(s->loop, s->executord, &handlers), 0);
    struct query_client_options client = {.loop = s->loop, .bus = s->bus};
    client.stages[QUERY_CLIENT_EXECUTORD] = options;
    assert_int_equal(query_client_new(&s->client, &client), 0);
    *state = s;
    return 0;
}

static int ended(void **state)
{
    struct story *s = *state;
    query_client_destroy(&s->client);
    loop_socket_remove(s->loop, s->executord);
    bus_socket_close(&s->executord);
    bus_destroy(&s->bus);
    loop_destroy(&s->loop);
    char command[64];
    snprintf(command, sizeof command, "rm -rf '%s'", s->directory);
    int rc = system(command);
    free(s);
    return rc;
}

/* Until executord has heard so many questions. */
static void run_until(struct story *s, size_t seen_count)
{
    s->stop_at = seen_count;
    assert_int_equal(loop_run(s->loop), 0);
    assert_false(s->gave_up);
}

static void stop(void *context)
{
    loop_stop(((struct story *)context)->loop);
}

/* What is on its way arrives. */
static void run_a_while(struct story *s)
{
    assert_int_equal(loop_timer_once(s->loop, 100, stop, s, NULL), 0);
    assert_int_equal(loop_run(s->loop), 0);
}

/* The height names the answer. */
static void answer(struct story *s, uint64_t request, uint64_t height)
{
    Cybermesh__Query__V1__State state;
    cybermesh__query__v1__state__init(&state);
    state.request = request;
    state.status = CYBERMESH__QUERY__V1__STATE_STATUS__STATE_OK;
    state.height = height;
    Frame frame;
    cybermesh__query__v1__query_frame__init(&frame);
    frame.version = 1;
    frame.body_case = CYBERMESH__QUERY__V1__QUERY_FRAME__BODY_STATE;
    frame.state = &state;
    uint8_t bytes[64];
    size_t size = cybermesh__query__v1__query_frame__pack(&frame, bytes);
    assert_int_equal(bus_send(s->executord, &s->asker, bytes, size), 0);
}

static uint64_t ask(struct story *s)
{
    static const struct query_codec_question question = {.key = "a"};
    uint64_t ticket = 0;
    assert_int_equal(query_client_ask(s->client, &question, &ticket), 0);
    return ticket;
}

/* The answer that comes to a ticket. */
static uint64_t wait_for(struct story *s, uint64_t ticket)
{
    Frame *frame = NULL;
    int rc = query_client_take(s->client, ticket, &frame);
    while (rc == QUERY_CLIENT_WAITS && !s->gave_up) {
        run_a_while(s);
        rc = query_client_take(s->client, ticket, &frame);
    }
    assert_int_equal(rc, 0);
    uint64_t height = frame->state->height;
    query_codec_free(&frame);
    assert_int_equal(query_client_take(s->client, ticket, &frame), ERR_NOT_FOUND);
    return height;
}

static void each_ticket_gets_its_own_answer_once(void **state)
{
    struct story *s = *state;
    uint64_t first = ask(s), second = ask(s);
    run_until(s, 2);
    answer(s, s->seen[1], 12);
    answer(s, s->seen[1], 13);
    answer(s, s->seen[0], 11);
    assert_int_equal(wait_for(s, first), 11);
    assert_int_equal(wait_for(s, second), 12);
}

static void a_question_without_an_answer_is_asked_again(void **state)
{
    struct story *s = *state;
    uint64_t ticket = ask(s);
    run_until(s, 1);
    now_ms += QUERY_CLIENT_AGAIN_MS;
    run_until(s, 2);
    assert_int_equal(s->seen[0], s->seen[1]);
    answer(s, s->seen[1], 5);
    assert_int_equal(wait_for(s, ticket), 5);
}

static void what_is_not_answered_in_time_is_given_up(void **state)
{
    struct story *s = *state;
    Frame *frame = NULL;
    uint64_t ticket = ask(s);
    now_ms += QUERY_CLIENT_WAIT_MS - 1;
    assert_int_equal(query_client_take(s->client, ticket, &frame), QUERY_CLIENT_WAITS);
    now_ms++;
    assert_int_equal(query_client_take(s->client, ticket, &frame), ERR_PEER_GONE);
    assert_int_equal(query_client_take(s->client, ticket, &frame), ERR_NOT_FOUND);
    assert_null(frame);
}

static void the_table_has_places_again_when_questions_have_ended(void **state)
{
    struct story *s = *state;
    static const struct query_codec_question question = {.key = "a"};
    Frame *frame = NULL;
    uint64_t tickets[QUERY_CLIENT_WAITING_MAX], none = 0;
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < QUERY_CLIENT_WAITING_MAX; i++)
            tickets[i] = ask(s);
        assert_int_equal(query_client_ask(s->client, &question, &none), ERR_FULL);
        now_ms += QUERY_CLIENT_WAIT_MS;
        for (size_t i = 0; i < QUERY_CLIENT_WAITING_MAX; i++)
            assert_int_equal(query_client_take(s->client, tickets[i], &frame), ERR_PEER_GONE);
    }
}

static void an_answer_that_nobody_took_ends_with_the_client(void **state)
{
    struct story *s = *state;
    ask(s);
    run_until(s, 1);
    answer(s, s->seen[0], 1);
    run_a_while(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(each_ticket_gets_its_own_answer_once, given, ended),
        cmocka_unit_test_setup_teardown(a_question_without_an_answer_is_asked_again, given, ended),
        cmocka_unit_test_setup_teardown(what_is_not_answered_in_time_is_given_up, given, ended),
        cmocka_unit_test_setup_teardown(the_table_has_places_again_when_questions_have_ended, given, ended),
        cmocka_unit_test_setup_teardown(an_answer_that_nobody_took_ends_with_the_client, given, ended),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
