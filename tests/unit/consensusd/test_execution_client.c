/* test_execution_client.c - which answers of executord count, and for what. */
#include "tests/unit/consensusd/shell_rig.h"

#include <stdlib.h>

#include "common/base/err.h"
#include "common/base/tx.h"

enum { REQUEST = 7, HEIGHT = 5, BODIES = 3, EPOCH = 4 };

static const char *const texts[BODIES] = {"one", "two", "three"};

static int start(void **state)
{
    (void)state;
    shell_start();
    struct consensusd *daemon = shell.daemon;
    daemon->executor = EXECUTOR_LIVE;
    daemon->executor_known = true;
    daemon->executor_epoch = EPOCH;
    daemon->genesis_known = true;
    daemon->genesis_header = sample_header(0, 0);
    daemon->genesis_header.chain_id = shell.genesis.chain_id;
    return 0;
}

/* The one question that is under way. */
static struct job *ask(enum job_kind kind, enum job_stage stage)
{
    struct job *job = &shell.daemon->jobs[0];
    stages_job_end(job);
    *job = (struct job){.kind = kind, .stage = stage, .request = REQUEST, .asked_ms = 1};
    job->header = sample_header(HEIGHT, 0);
    job->block_id = shell_block_id(HEIGHT);
    job->build.view = 9;
    if (kind != JOB_CHECK) {
        job->body_count = BODIES;
        job->bodies = calloc(BODIES, sizeof job->bodies[0]);
        job->tx_ids = calloc(BODIES, sizeof job->tx_ids[0]);
        assert_true(job->bodies && job->tx_ids);
        for (size_t i = 0; i < BODIES; i++) {
            job->bodies[i] = span_text(texts[i]);
            job->tx_ids[i] = tx_id(job->bodies[i]);
        }
    }
    shell_forget();
    return job;
}

static void checked_with(uint64_t request, Cybermesh__Execution__V1__Status status, size_t leader_count,
                         const uint8_t *leaders)
{
    execution_pb frame;
    Cybermesh__Execution__V1__Checked body;
    cybermesh__execution__v1__execution_frame__init(&frame);
    cybermesh__execution__v1__checked__init(&body);
    body.request = request;
    body.status = status;
    body.leaders = LOAN(leaders, leader_count);
    frame.body_case = CYBERMESH__EXECUTION__V1__EXECUTION_FRAME__BODY_CHECKED;
    frame.checked = &body;
    shell_execution_says(&frame);
}

static void checked(Cybermesh__Execution__V1__Status status)
{
    checked_with(REQUEST, status, 0, NULL);
}

/* Of executord's answers to Check. */
static void some_statuses_are_a_verdict_and_some_are_none(void **state)
{
    (void)state;
    const struct {
        Cybermesh__Execution__V1__Status status;
        bool verdict, ok, known;
    } cases[] = {
        {CYBERMESH__EXECUTION__V1__STATUS__STATUS_OK, true, true, true},
        {CYBERMESH__EXECUTION__V1__STATUS__STATUS_BAD_TX, true, false, true},
        {CYBERMESH__EXECUTION__V1__STATUS__STATUS_BAD_ROOT, true, false, true},
        {CYBERMESH__EXECUTION__V1__STATUS__STATUS_BAD_HEADER, true, false, true},
        {CYBERMESH__EXECUTION__V1__STATUS__STATUS_UNSPECIFIED, false, false, true},
        {CYBERMESH__EXECUTION__V1__STATUS__STATUS_UNKNOWN_PARENT, false, false, false},
        {(Cybermesh__Execution__V1__Status)99, false, false, true},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        const struct job *job = ask(JOB_CHECK, JOB_EXECUTE);
        shell.daemon->executor_known = true;
        checked(cases[i].status);
        assert_int_equal(shell.event_count, cases[i].verdict);
        assert_int_equal(job->kind, cases[i].verdict ? JOB_NONE : JOB_CHECK);
        assert_int_equal(shell.daemon->executor_known, cases[i].known);
        if (!cases[i].verdict)
            continue;
        assert_int_equal(shell.event.type, CONSENSUS_CHECKED);
        assert_int_equal(shell.event.u.checked.ok, cases[i].ok);
    }
}

/* executord has a block at that height and executes no other: a quorum executed the one that is certified. */
static void of_blocks_that_executord_has_already_the_certified_one_is_good(void **state)
{
    (void)state;
    const struct job *job = ask(JOB_CHECK, JOB_EXECUTE);
    checked(CYBERMESH__EXECUTION__V1__STATUS__STATUS_CONFLICT);
    shell.certified_count = 1;
    shell.certified[0].header = sample_header(HEIGHT + 1, 0);
    checked(CYBERMESH__EXECUTION__V1__STATUS__STATUS_CONFLICT);
    assert_int_equal(shell.event_count, 0);
    assert_int_equal(job->kind, JOB_CHECK);
    assert_int_equal(shell.certified_from, HEIGHT);
    shell.certified[0].header = sample_header(HEIGHT, 0);
    checked(CYBERMESH__EXECUTION__V1__STATUS__STATUS_CONFLICT);
    assert_int_equal(shell.event_count, 1);
    assert_true(shell.event.u.checked.ok);
}

static void an_answer_is_to_the_question_that_is_under_way(void **state)
{
    (void)state;
    const struct {
        enum job_kind kind;
        enum job_stage stage;
        uint64_t request, asked_ms;
        size_t counts;
    } cases[] = {
        {JOB_CHECK, JOB_EXECUTE, REQUEST, 1, 1},     {JOB_CHECK, JOB_POOL, REQUEST, 1, 0},
        {JOB_CHECK, JOB_EXECUTE, REQUEST + 1, 1, 0}, {JOB_CHECK, JOB_EXECUTE, REQUEST, 0, 0},
        {JOB_RECHECK, JOB_EXECUTE, REQUEST, 1, 0},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        ask(cases[i].kind, cases[i].stage)->asked_ms = cases[i].asked_ms;
        checked_with(cases[i].request, CYBERMESH__EXECUTION__V1__STATUS__STATUS_OK, 0, NULL);
        assert_int_equal(shell.event_count, cases[i].counts);
    }
}

static void leaders_are_validators_each_once(void **state)
{
    (void)state;
    static const uint8_t twice[] = {2, 0, 2}, unknown[] = {1, RIG_VALIDATORS}, far[] = {200}, good[] = {2, 0, 3};
    ask(JOB_CHECK, JOB_EXECUTE);
    checked_with(REQUEST, CYBERMESH__EXECUTION__V1__STATUS__STATUS_OK, sizeof twice, twice);
    checked_with(REQUEST, CYBERMESH__EXECUTION__V1__STATUS__STATUS_OK, sizeof unknown, unknown);
    checked_with(REQUEST, CYBERMESH__EXECUTION__V1__STATUS__STATUS_OK, sizeof far, far);
    assert_int_equal(shell.event_count, 0);
    assert_int_equal(shell.daemon->dropped_frames, 3);
    checked_with(REQUEST, CYBERMESH__EXECUTION__V1__STATUS__STATUS_OK, sizeof good, good);
    assert_int_equal(shell.event.u.checked.schedule.count, sizeof good);
    assert_memory_equal(shell.event.u.checked.schedule.leaders, good, sizeof good);
}

static void built(Cybermesh__Execution__V1__Status status, uint32_t tx_count, uint32_t refused_index)
{
    execution_pb frame;
    Cybermesh__Execution__V1__Built body;
    Cybermesh__Execution__V1__RefusedTx refused, *list = &refused;
    cybermesh__execution__v1__execution_frame__init(&frame);
    cybermesh__execution__v1__built__init(&body);
    cybermesh__execution__v1__refused_tx__init(&refused);
    refused.index = refused_index;
    refused.settled = true;
    uint8_t header[BLOCK_HEADER_BYTES];
    const struct block_header made = sample_header(HEIGHT, tx_count);
    block_header_encode(header, &made);
    body.request = REQUEST;
    body.status = status;
    body.header = LOAN(header, sizeof header);
    body.n_refused = 1;
    body.refused = &list;
    frame.body_case = CYBERMESH__EXECUTION__V1__EXECUTION_FRAME__BODY_BUILT;
    frame.built = &body;
    shell_execution_says(&frame);
}

static void a_built_block_has_the_bodies_that_were_not_refused(void **state)
{
    (void)state;
    const struct job *job = ask(JOB_BUILD, JOB_EXECUTE);
    built(CYBERMESH__EXECUTION__V1__STATUS__STATUS_OK, BODIES - 1, 1);
    assert_int_equal(job->kind, JOB_NONE);
    assert_int_equal(shell.event.type, CONSENSUS_BUILT);
    assert_int_equal(shell.event.u.built.view, 9);
    const struct block_header header = sample_header(HEIGHT, BODIES - 1);
    const struct hash id = block_id(&header);
    const struct block_cache_entry *entry = block_cache_find(shell.daemon->cache, &id);
    assert_non_null(entry);
    assert_int_equal(entry->body_count, BODIES - 1);
    assert_true(span_equal(entry->bodies[0], span_text(texts[0])));
    assert_true(span_equal(entry->bodies[1], span_text(texts[2])));
    assert_int_equal(shell.sent_count, 1); /* mempoold hears of the refused one */
}

static void a_block_that_could_not_be_built_is_asked_for_again(void **state)
{
    (void)state;
    ask(JOB_BUILD, JOB_POOL);
    built(CYBERMESH__EXECUTION__V1__STATUS__STATUS_OK, BODIES - 1, 1);
    assert_int_equal(shell.event_count, 0);
    ask(JOB_BUILD, JOB_EXECUTE);
    built(CYBERMESH__EXECUTION__V1__STATUS__STATUS_OK, BODIES, 1); /* a header of one more */
    assert_int_equal(shell.event.type, CONSENSUS_BUILD_FAILED);
    assert_true(shell.daemon->executor_known);
    ask(JOB_BUILD, JOB_EXECUTE);
    built(CYBERMESH__EXECUTION__V1__STATUS__STATUS_UNKNOWN_PARENT, BODIES, BODIES); /* nor is that one of the bodies */
    assert_int_equal(shell.event.type, CONSENSUS_BUILD_FAILED);
    assert_int_equal(shell.event.u.built.view, 9);
    assert_int_equal(shell.sent_count, 0);
    assert_false(shell.daemon->executor_known);
}

static void rechecked(size_t refused_count)
{
    execution_pb frame;
    Cybermesh__Execution__V1__Rechecked body;
    Cybermesh__Execution__V1__RefusedTx refused, *list[BODIES + 1];
    cybermesh__execution__v1__execution_frame__init(&frame);
    cybermesh__execution__v1__rechecked__init(&body);
    cybermesh__execution__v1__refused_tx__init(&refused);
    for (size_t i = 0; i <= BODIES; i++)
        list[i] = &refused;
    body.request = REQUEST;
    body.status = CYBERMESH__EXECUTION__V1__STATUS__STATUS_OK;
    body.n_refused = refused_count;
    body.refused = list;
    frame.body_case = CYBERMESH__EXECUTION__V1__EXECUTION_FRAME__BODY_RECHECKED;
    frame.rechecked = &body;
    shell_execution_says(&frame);
}

static void what_was_not_refused_is_work(void **state)
{
    (void)state;
    ask(JOB_RECHECK, JOB_EXECUTE);
    rechecked(BODIES - 1);
    assert_int_equal(shell.event.type, CONSENSUS_RECHECKED);
    assert_int_equal(shell.event.u.rechecked.live_count, 1);
    ask(JOB_RECHECK, JOB_EXECUTE);
    rechecked(BODIES + 1);
    assert_int_equal(shell.event_count, 0);
}

static uint64_t inactive; /* as executord has them */

static void stands_at(uint64_t height, uint64_t epoch, const struct block_header *genesis_header)
{
    execution_pb frame;
    Cybermesh__Execution__V1__Height body;
    cybermesh__execution__v1__execution_frame__init(&frame);
    cybermesh__execution__v1__height__init(&body);
    uint8_t header[BLOCK_HEADER_BYTES];
    block_header_encode(header, genesis_header);
    body.height = height;
    body.epoch = epoch;
    body.inactive = inactive;
    body.genesis_header = LOAN(header, sizeof header);
    frame.body_case = CYBERMESH__EXECUTION__V1__EXECUTION_FRAME__BODY_HEIGHT;
    frame.height = &body;
    shell_execution_says(&frame);
}

/* Three blocks are committed here, and this executord has the first. */
static void commit_three(void)
{
    shell.daemon->executor = EXECUTOR_AWAY;
    for (uint64_t height = 1; height <= 3; height++)
        shell_commit(height, 0, 0);
    shell.daemon->executor = EXECUTOR_LIVE;
    shell.daemon->executor_height = 1;
    shell.daemon->resume_ms = shell.now_ms;
    shell_forget();
}

static void assert_resumed(bool expected)
{
    assert_int_equal(shell.sent_count, expected ? 2 : 0);
    shell_forget();
    if (expected)
        shell.daemon->executor_height = 1;
}

static void an_executord_that_is_new_or_stuck_is_told_what_it_lacks(void **state)
{
    (void)state;
    const struct block_header genesis = shell.daemon->genesis_header;
    commit_three();
    stands_at(1, EPOCH, &genesis); /* they may be on their way */
    assert_resumed(false);
    stands_at(1, EPOCH + 1, &genesis);
    assert_resumed(true);
    stands_at(1, EPOCH + 1, &genesis);
    assert_resumed(false);
    shell.now_ms += RESEND_MS;
    stands_at(1, EPOCH + 1, &genesis);
    assert_resumed(true);
    shell.now_ms += RESEND_MS;
    stands_at(2, EPOCH + 1, &genesis); /* it goes on */
    assert_resumed(false);
    assert_int_equal(shell.daemon->executor_height, 2);
    stands_at(2, EPOCH + 1, &genesis); /* and has time again */
    assert_resumed(false);
}

/* It was not told of them: it is not stuck for that. */
static void an_executord_does_not_lack_what_is_held(void **state)
{
    (void)state;
    const struct block_header genesis = shell.daemon->genesis_header;
    commit_three();
    shell.daemon->executor_height = 3;
    stands_at(3, EPOCH, &genesis);
    shell_commit(4, 0, 0);
    assert_int_equal(shell.daemon->held_count, 1);
    shell_forget();
    shell.now_ms += RESEND_MS;
    stands_at(3, EPOCH, &genesis);
    assert_resumed(false);
    handover_tick(shell.daemon);
    shell_forget();
    shell.now_ms += RESEND_MS;
    stands_at(3, EPOCH, &genesis);
    assert_int_equal(shell.sent_count, 1);
}

static void an_executord_that_refuses_a_commit_is_begun_with_anew(void **state)
{
    (void)state;
    const struct block_header genesis = shell.daemon->genesis_header;
    commit_three();
    shell_execution_committed(2, CYBERMESH__EXECUTION__V1__STATUS__STATUS_UNKNOWN_PARENT);
    assert_int_equal(shell.daemon->executor_height, 1);
    stands_at(1, EPOCH, &genesis);
    assert_resumed(true);
    shell_execution_committed(3, CYBERMESH__EXECUTION__V1__STATUS__STATUS_OK);
    shell_execution_committed(2, CYBERMESH__EXECUTION__V1__STATUS__STATUS_OK);
    assert_int_equal(shell.daemon->executor_height, 3); /* late answers take nothing back */
}

static void who_is_inactive_at_executord_is_accused_no_more(void **state)
{
    (void)state;
    const struct block_header genesis = shell.daemon->genesis_header;
    inactive = 1 << 1;
    stands_at(0, EPOCH, &genesis);
    inactive = 0;
    assert_int_equal(shell.event.type, CONSENSUS_ACCUSED);
    assert_int_equal(shell.event.u.accused, 1 << 1);
}

static void an_executord_of_another_genesis_is_not_spoken_with(void **state)
{
    (void)state;
    struct block_header other = shell.daemon->genesis_header;
    commit_three();
    other.chain_id.bytes[0] ^= 1;
    stands_at(1, EPOCH + 1, &other);
    other = shell.daemon->genesis_header;
    other.height = 1;
    stands_at(1, EPOCH + 1, &other);
    assert_int_equal(shell.daemon->dropped_frames, 2);
    assert_int_equal(shell.daemon->failure, 0);
    other.height = 0;
    other.timestamp_ms++;
    stands_at(1, EPOCH + 1, &other);
    assert_int_equal(shell.daemon->failure, ERR_CONFLICT);
    assert_resumed(false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define STORY(name) cmocka_unit_test_setup_teardown(name, start, shell_stop)
        STORY(some_statuses_are_a_verdict_and_some_are_none),
        STORY(of_blocks_that_executord_has_already_the_certified_one_is_good),
        STORY(an_answer_is_to_the_question_that_is_under_way),
        STORY(leaders_are_validators_each_once),
        STORY(a_built_block_has_the_bodies_that_were_not_refused),
        STORY(a_block_that_could_not_be_built_is_asked_for_again),
        STORY(what_was_not_refused_is_work),
        STORY(an_executord_that_is_new_or_stuck_is_told_what_it_lacks),
        STORY(an_executord_does_not_lack_what_is_held),
        STORY(an_executord_that_refuses_a_commit_is_begun_with_anew),
        STORY(who_is_inactive_at_executord_is_accused_no_more),
        STORY(an_executord_of_another_genesis_is_not_spoken_with),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
