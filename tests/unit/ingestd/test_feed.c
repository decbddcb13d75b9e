/* feed.c as stories. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "services/ingestd/feed.h"

static void expect_nothing(struct feed *feed, uint64_t announce, uint64_t now_ms)
{
    assert_int_equal(feed_ask(feed, announce, now_ms).kind, FEED_ASK_NOTHING);
}

static uint64_t expect_range(struct feed *feed, uint64_t announce, uint64_t now_ms, uint64_t first)
{
    struct feed_question question = feed_ask(feed, announce, now_ms);
    assert_int_equal(question.kind, FEED_ASK_RANGE);
    assert_int_equal(question.range.height_first, first);
    assert_int_equal(question.range.count_max, FEED_CODEC_RANGE_BLOCKS_MAX);
    return question.range.request;
}

static void producers_come_first_and_are_asked_for_until_they_are_known(void **state)
{
    struct feed feed = {0};
    assert_int_equal(feed_ask(&feed, 1, 1000).kind, FEED_ASK_PRODUCERS);
    expect_nothing(&feed, 1, 1499);
    struct feed_question again = feed_ask(&feed, 1, 1500);
    assert_int_equal(again.kind, FEED_ASK_PRODUCERS);
    assert_int_equal(feed_block(&feed, 1, 1500), FEED_OLD);
    feed_producers(&feed, 4);
    feed_answered(&feed, again.range.request, 4, 1510);
    expect_nothing(&feed, 0, 1520);
    feed_producers(&feed, 9); /* known already: changes come with blocks */
    assert_int_equal(feed.next, 5);
}

static struct feed following(uint64_t height, uint64_t now_ms)
{
    struct feed feed = {0};
    feed_producers(&feed, height);
    feed_answered(&feed, 0, height, now_ms);
    return feed;
}

static void blocks_are_applied_once_and_in_order(void **state)
{
    struct feed feed = following(4, 1000);
    assert_int_equal(feed_block(&feed, 5, 1000), FEED_APPLY);
    assert_int_equal(feed_block(&feed, 5, 1000), FEED_OLD);
    assert_int_equal(feed_block(&feed, 7, 1000), FEED_GAP);
    assert_int_equal(feed_block(&feed, 6, 1000), FEED_APPLY);
    assert_int_equal(feed_block(&feed, 7, 1000), FEED_APPLY);
}

static void a_gap_is_asked_for_at_once_and_again_without_an_answer(void **state)
{
    struct feed feed = following(4, 1000);
    assert_int_equal(feed_block(&feed, 8, 1000), FEED_GAP);
    expect_range(&feed, 0, 1000, 5);
    expect_nothing(&feed, 0, 1499);
    uint64_t request = expect_range(&feed, 0, 1500, 5);
    assert_int_equal(feed_block(&feed, 5, 1510), FEED_APPLY);
    feed_answered(&feed, request - 1, 8, 1510); /* late: the other question still waits */
    expect_nothing(&feed, 0, 1520);
    feed_answered(&feed, request, 8, 1530);
    expect_range(&feed, 0, 1540, 6);
}

static void silence_is_broken_by_a_question(void **state)
{
    struct feed feed = following(4, 1000);
    expect_nothing(&feed, 0, 1499);
    uint64_t request = expect_range(&feed, 0, 1500, 5);
    feed_answered(&feed, request, 4, 1501); /* nothing new */
    expect_nothing(&feed, 0, 2000);
    expect_range(&feed, 0, 2001, 5);
}

static void announcing_that_is_behind_has_ranges_of_its_own_in_turn(void **state)
{
    struct feed feed = following(100, 1000);
    uint64_t request = expect_range(&feed, 3, 1000, 3);
    feed_answered(&feed, request, 100, 1001);
    request = expect_range(&feed, 67, 1001, 67); /* nothing else is missing */
    assert_int_equal(feed_block(&feed, 105, 1002), FEED_GAP);
    feed_answered(&feed, request, 105, 1003);
    request = expect_range(&feed, 99, 1003, 101); /* now it is the other's turn */
    feed_answered(&feed, request, 105, 1004);
    request = expect_range(&feed, 99, 1004, 99);
    feed_answered(&feed, request, 105, 1005);
}

static void announcing_that_waits_for_the_same_block_or_for_none_asks_nothing(void **state)
{
    struct feed feed = following(100, 1000);
    expect_nothing(&feed, 101, 1000); /* not there yet */
    expect_nothing(&feed, 102, 1000);
    expect_nothing(&feed, 0, 1000);
    assert_int_equal(feed_block(&feed, 103, 1000), FEED_GAP);
    expect_range(&feed, 101, 1000, 101);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(producers_come_first_and_are_asked_for_until_they_are_known),
        cmocka_unit_test(blocks_are_applied_once_and_in_order),
        cmocka_unit_test(a_gap_is_asked_for_at_once_and_again_without_an_answer),
        cmocka_unit_test(silence_is_broken_by_a_question),
        cmocka_unit_test(announcing_that_is_behind_has_ranges_of_its_own_in_turn),
        cmocka_unit_test(announcing_that_waits_for_the_same_block_or_for_none_asks_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
