/* test_tally.c - votes and timeouts by view and validator, in a window that moves. */
#include "services/consensusd/tally.h"
#include "tests/unit/consensusd/samples.h"

enum { VALIDATORS = 5, QUORUM = 4 };

static struct tally *tally;

static int start(void **state)
{
    (void)state;
    return tally_new(&tally, VALIDATORS);
}

static int stop(void **state)
{
    (void)state;
    tally_destroy(&tally);
    return 0;
}

static void vote(uint64_t view, uint32_t validator, uint8_t block)
{
    tally_at(tally, view)->votes[validator] = (struct tally_vote){
        .known = true, .height = 9, .block_id = sample_hash(block), .signature = sample_signature((uint8_t)validator)};
}

static void a_certificate_lists_the_voters_of_one_block_by_index(void **state)
{
    (void)state;
    vote(7, 4, 1);
    vote(7, 0, 1);
    vote(7, 2, 2);
    vote(7, 1, 1);
    struct hash id = sample_hash(1);
    struct qc qc;
    assert_false(tally_qc(tally, tally_at(tally, 7), 9, &id, QUORUM, &qc));
    vote(7, 3, 1);
    assert_true(tally_qc(tally, tally_at(tally, 7), 9, &id, QUORUM, &qc));
    assert_int_equal(qc.view, 7);
    assert_int_equal(qc.height, 9);
    assert_memory_equal(&qc.block_id, &id, HASH_BYTES);
    static const uint32_t voters[] = {0, 1, 3, 4};
    for (uint32_t i = 0; i < QUORUM; i++)
        assert_int_equal(qc.signatures[i].validator, voters[i]);
}

/* A liar signs the right block's id at a wrong height: the signature is good, and would spoil the certificate. */
static void a_vote_for_a_wrong_height_neither_counts_nor_spoils(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < VALIDATORS; i++)
        vote(7, i, 1);
    tally_at(tally, 7)->votes[4].height = 10;
    struct hash id = sample_hash(1);
    struct qc qc;
    assert_true(tally_qc(tally, tally_at(tally, 7), 9, &id, QUORUM, &qc));
    assert_int_equal(qc.height, 9);
    assert_int_equal(qc.signature_count, QUORUM);
    for (uint32_t i = 0; i < QUORUM; i++)
        assert_int_not_equal(qc.signatures[i].validator, 4);
    tally_at(tally, 7)->votes[3].height = 10;
    assert_false(tally_qc(tally, tally_at(tally, 7), 9, &id, QUORUM, &qc));
}

static void timeouts_make_a_certificate_with_the_best_of_theirs(void **state)
{
    (void)state;
    struct tally_view *view = tally_at(tally, 8);
    struct tc tc;
    for (uint32_t i = 0; i < QUORUM; i++) {
        assert_false(tally_tc(tally, view, QUORUM, &tc));
        view->timeouts[i] = (struct tally_timeout){.known = true, .high_qc_view = i, .signature = sample_signature(1)};
        view->timeout_count++;
    }
    view->best_qc = sample_qc(3, QUORUM);
    assert_true(tally_tc(tally, view, QUORUM, &tc));
    assert_int_equal(tc.view, 8);
    assert_int_equal(tc.signature_count, QUORUM);
    assert_int_equal(tc.signatures[2].high_qc_view, 2);
    assert_int_equal(tc.high_qc.view, 3);
}

static void a_newer_view_takes_the_place_of_an_old_one(void **state)
{
    (void)state;
    vote(5, 0, 1);
    assert_true(tally_at(tally, 5)->votes[0].known);
    assert_non_null(tally_at(tally, 5 + TALLY_VIEWS));
    assert_false(tally_at(tally, 5 + TALLY_VIEWS)->votes[0].known);
    assert_null(tally_at(tally, 5));
    assert_non_null(tally_at(tally, 6));
}

/* A word about an old view is none about the view that has its place now. */
static void a_newer_view_begins_without_timeouts(void **state)
{
    (void)state;
    struct tally_view *view = tally_at(tally, 5);
    for (uint32_t i = 0; i < QUORUM; i++)
        view->timeouts[i] = (struct tally_timeout){.known = true, .verified = true, .high_qc_view = 3};
    view->timeout_count = QUORUM;
    view->best_qc = sample_qc(3, QUORUM);
    struct tc tc;
    assert_true(tally_tc(tally, view, QUORUM, &tc));
    view = tally_at(tally, 5 + TALLY_VIEWS);
    assert_false(tally_tc(tally, view, QUORUM, &tc));
    assert_int_equal(view->timeout_count, 0);
    assert_int_equal(view->best_qc.view, 0);
    for (uint32_t i = 0; i < VALIDATORS; i++)
        assert_false(view->timeouts[i].known || view->timeouts[i].verified);
}

#define STORY(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORY(a_certificate_lists_the_voters_of_one_block_by_index),
        STORY(a_vote_for_a_wrong_height_neither_counts_nor_spoils),
        STORY(timeouts_make_a_certificate_with_the_best_of_theirs),
        STORY(a_newer_view_takes_the_place_of_an_old_one),
        STORY(a_newer_view_begins_without_timeouts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
