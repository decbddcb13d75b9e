/* test_verify.c - bodies that other validators sent are judged on threads, proofs of equivocation among them. */
#include "tests/unit/base/vectors.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/reason.h"
#include "common/edge/log.h"
#include "services/mempoold/verify.h"

enum { ROUNDS = 3, CASE_COUNT_MAX = 64, PEER = 5, GIVE_UP_MS = 30000 };

struct story {
    struct loop *loop;
    json_t *root;
    struct genesis genesis;
    struct blob bodies[CASE_COUNT_MAX];
    const char *expected[CASE_COUNT_MAX]; /* "OK" or a reason */
    size_t case_count;
    size_t check_count; /* submitted: every case in every round */
    size_t done_count;
    bool is_wrong;
};

static void give_up(void *context)
{
    loop_stop(((struct story *)context)->loop);
}

/* The vectors' cases, and something that is neither a proof nor an event. */
static int story_setup(void **state)
{
    struct story *s = calloc(1, sizeof *s);
    s->root = vectors_load("equivocations.json");
    s->genesis = vectors_genesis(s->root);
    size_t index;
    const json_t *test_case;
    VECTORS_EACH(s->root, index, test_case)
    {
        s->bodies[index] = vectors_bytes(test_case, "body");
        s->expected[index] = vectors_text(test_case, "expect");
    }
    s->bodies[index] = vectors_hex("ff00ff");
    s->expected[index] = "MALFORMED";
    s->case_count = index + 1;
    assert_int_equal(loop_new(&s->loop), 0);
    assert_int_equal(loop_timer_once(s->loop, GIVE_UP_MS, give_up, s, NULL), 0);
    *state = s;
    return 0;
}

static int story_teardown(void **state)
{
    struct story *s = *state;
    for (size_t i = 0; i < s->case_count; i++)
        blob_free(&s->bodies[i]);
    loop_destroy(&s->loop);
    json_decref(s->root);
    free(s);
    return 0;
}

/* The id of a check is its case's number here. */
static void on_done(void *context, const struct mempool_checks *checks)
{
    struct story *s = context;
    s->is_wrong |= checks->peer != PEER || checks->check_count > VERIFY_JOB_COUNT_MAX;
    for (size_t i = 0; i < checks->check_count; i++) {
        const struct mempool_check *check = &checks->checks[i];
        size_t index = check->id.bytes[0];
        const char *got = check->result == 0 ? "OK" : reason_text(check->result);
        struct span sent = blob_span(&s->bodies[index]);
        s->is_wrong |= strcmp(got, s->expected[index]) != 0;
        s->is_wrong |= !span_equal(check->body, sent) || check->body.data == sent.data; /* copied */
    }
    s->done_count += checks->check_count;
    if (s->done_count == s->check_count)
        loop_stop(s->loop);
}

static void each_body_gets_the_verdict_of_the_vectors(void **state)
{
    struct story *s = *state;
    struct verify *verify = NULL;
    const struct verify_options options = {.thread_count = 2, .genesis = &s->genesis, .done = on_done, .context = s};
    assert_int_equal(verify_new(&verify, s->loop, &options), 0);
    struct mempool_check checks[ROUNDS * CASE_COUNT_MAX] = {0};
    for (size_t i = 0; i < ROUNDS * s->case_count; i++) {
        size_t index = i % s->case_count;
        checks[i].id.bytes[0] = (uint8_t)index;
        checks[i].body = blob_span(&s->bodies[index]);
    }
    s->check_count = ROUNDS * s->case_count;
    assert_true(s->check_count > VERIFY_JOB_COUNT_MAX); /* several jobs */
    verify_submit(verify, &(struct mempool_checks){.peer = PEER, .checks = checks, .check_count = s->check_count});
    assert_int_equal(loop_run(s->loop), 0);
    assert_int_equal(s->done_count, s->check_count);
    assert_false(s->is_wrong);
    verify_destroy(&verify);
}

static void what_is_not_done_at_the_end_is_forgotten(void **state)
{
    struct story *s = *state;
    struct verify *verify = NULL;
    const struct verify_options options = {.thread_count = 1, .genesis = &s->genesis, .done = on_done, .context = s};
    assert_int_equal(verify_new(&verify, s->loop, &options), 0);
    const struct mempool_check check = {.body = blob_span(&s->bodies[0])};
    verify_submit(verify, &(struct mempool_checks){.peer = PEER, .checks = &check, .check_count = 1});
    verify_destroy(&verify);
    assert_int_equal(s->done_count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(each_body_gets_the_verdict_of_the_vectors, story_setup, story_teardown),
        cmocka_unit_test_setup_teardown(what_is_not_done_at_the_end_is_forgotten, story_setup, story_teardown),
    };
    log_set_fd(open("/dev/null", O_WRONLY | O_CLOEXEC));
    return cmocka_run_group_tests_name("mempoold_verify", tests, NULL, NULL);
}
