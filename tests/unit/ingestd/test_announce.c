/* announce.c as stories. Frees are counted; the notice of a height is its 8 bytes, with zeros behind when a story wants
 * it larger.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "services/ingestd/announce.h"

static size_t freed;

void __real_free(void *memory);
void __wrap_free(void *memory);

void __wrap_free(void *memory)
{
    freed += memory != NULL;
    __real_free(memory);
}

static void make_large(struct announce *a, size_t size)
{
    uint64_t height = a->next;
    uint8_t *notice = calloc(1, size);
    assert_non_null(notice);
    memcpy(notice, &height, sizeof height);
    assert_true(announce_wants(a, height));
    announce_add_take(a, &notice, size);
    assert_null(notice);
}

static void make(struct announce *a, size_t count)
{
    for (size_t i = 0; i < count; i++)
        make_large(a, sizeof(uint64_t));
}

/* The notice of this height is the next one for the broker. */
static void give(struct announce *a, uint64_t height)
{
    struct announce_notice notice;
    uint64_t text;
    assert_true(announce_give(a, &notice));
    assert_int_equal(notice.height, height);
    assert_true(notice.value.size >= sizeof text);
    memcpy(&text, notice.value.data, sizeof text);
    assert_int_equal(text, height);
}

static void give_range(struct announce *a, uint64_t first, uint64_t last)
{
    for (uint64_t height = first; height <= last; height++)
        give(a, height);
}

static void assert_nothing_to_give(struct announce *a)
{
    struct announce_notice notice;
    assert_false(announce_give(a, &notice));
}

/* All that may be given is given and acknowledged. */
static void deliver(struct announce *a)
{
    struct announce_notice notice;
    while (announce_give(a, &notice))
        announce_delivered(a, notice.height, true);
}

static void assert_committed(struct announce *a, uint64_t expected)
{
    uint64_t next = 0;
    assert_true(announce_commit_due(a, &next));
    assert_int_equal(next, expected);
    assert_false(announce_commit_due(a, &next));
}

static void without_an_offset_it_begins_with_height_1(void **state)
{
    struct announce a;
    announce_start(&a, -1);
    assert_false(announce_wants(&a, 0));
    assert_true(announce_wants(&a, 1));
    assert_true(announce_asks(&a));
    uint64_t next;
    assert_false(announce_commit_due(&a, &next));
}

static void before_it_has_started_it_wants_nothing_and_gives_nothing(void **state)
{
    struct announce a = {0};
    assert_false(announce_asks(&a));
    assert_false(announce_wants(&a, 0));
    assert_nothing_to_give(&a);
    uint64_t next;
    assert_false(announce_commit_due(&a, &next));
    announce_deinit(&a);
}

static void only_what_is_acknowledged_in_order_is_written_down(void **state)
{
    struct announce a;
    announce_start(&a, 5);
    make(&a, 3);
    give_range(&a, 5, 7);
    uint64_t next;
    announce_delivered(&a, 6, true);
    assert_false(announce_commit_due(&a, &next));
    announce_delivered(&a, 5, true);
    assert_committed(&a, 7);
    announce_delivered(&a, 7, true);
    assert_committed(&a, 8);
}

static void after_a_failure_it_gives_again_what_is_not_acknowledged_without_a_block(void **state)
{
    struct announce a;
    announce_start(&a, 1);
    make(&a, 5);
    give_range(&a, 1, 3);
    announce_delivered(&a, 1, true);
    announce_delivered(&a, 2, false);
    assert_false(announce_wants(&a, 2));
    assert_true(announce_wants(&a, 6));
    assert_nothing_to_give(&a); /* neither 4, it would be before 2, nor 2 while the word about 3 is missing */
    announce_delivered(&a, 3, false);
    assert_committed(&a, 2);
    give_range(&a, 2, 5);
    assert_nothing_to_give(&a);
    announce_delivered(&a, 2, true);
    assert_committed(&a, 3);
    announce_deinit(&a);
}

/* Else the broker would have 3 before 2, and nobody the right order. */
static void what_was_acknowledged_behind_a_failure_is_given_again(void **state)
{
    struct announce a;
    announce_start(&a, 1);
    make(&a, 3);
    give_range(&a, 1, 3);
    announce_delivered(&a, 2, true);
    announce_delivered(&a, 3, true);
    announce_delivered(&a, 1, false);
    give(&a, 1);
    announce_delivered(&a, 1, true);
    assert_committed(&a, 2);
    give_range(&a, 2, 3);
    announce_delivered(&a, 2, true);
    assert_committed(&a, 3);
    announce_delivered(&a, 3, true);
    assert_committed(&a, 4);
}

/* The broker may have all that no word came about: together with what is given again they would be more than 4. */
static void a_refusal_in_a_burst_waits_for_the_words_about_the_rest(void **state)
{
    struct announce a;
    announce_start(&a, 1);
    make(&a, 8);
    give_range(&a, 1, 3);
    announce_delivered(&a, 3, false); /* not even taken */
    assert_nothing_to_give(&a);
    announce_delivered(&a, 1, true);
    assert_nothing_to_give(&a);
    announce_delivered(&a, 2, true);
    give_range(&a, 3, 6);
    assert_nothing_to_give(&a);
    announce_deinit(&a);
}

static void at_most_4_are_unacknowledged_and_the_next_4_go_together(void **state)
{
    struct announce a;
    announce_start(&a, 1);
    make(&a, 20);
    give_range(&a, 1, ANNOUNCE_OUTSTANDING_MAX);
    for (uint64_t height = 1; height <= ANNOUNCE_OUTSTANDING_MAX; height++) {
        assert_nothing_to_give(&a);
        announce_delivered(&a, height, true);
    }
    give_range(&a, ANNOUNCE_OUTSTANDING_MAX + 1, 2 * ANNOUNCE_OUTSTANDING_MAX);
    assert_nothing_to_give(&a);
    announce_deinit(&a);
}

/* Of a burst that is not full the rest may come later: a single block does not wait for another's acknowledgement. */
static void what_is_made_while_less_than_4_are_unacknowledged_is_given_at_once(void **state)
{
    struct announce a;
    announce_start(&a, 1);
    for (uint64_t height = 1; height <= ANNOUNCE_OUTSTANDING_MAX; height++) {
        make(&a, 1);
        give(&a, height);
    }
    make(&a, 1);
    assert_nothing_to_give(&a);
    announce_deinit(&a);
}

static void twenty_with_a_failure_in_the_middle_are_given_in_order_from_the_first_unacknowledged(void **state)
{
    struct announce a;
    announce_start(&a, 1);
    make(&a, 20);
    char trace[256] = "";
    size_t at = 0;
    bool failed = false;
    struct announce_notice burst[ANNOUNCE_COUNT_MAX];
    for (size_t count = 0; at + 64 < sizeof trace; count = 0) {
        while (announce_give(&a, &burst[count]))
            at += (size_t)snprintf(trace + at, sizeof trace - at, "%d ", (int)burst[count++].height);
        if (count == 0)
            break;
        at += (size_t)snprintf(trace + at, sizeof trace - at, "| ");
        for (size_t i = 0; i < count; i++) {
            bool fails = !failed && burst[i].height == 10;
            failed = failed || fails;
            announce_delivered(&a, burst[i].height, !fails);
        }
    }
    assert_string_equal(trace, "1 2 3 4 | 5 6 7 8 | 9 10 11 12 | 10 11 12 13 | 14 15 16 17 | 18 19 20 | ");
    assert_committed(&a, 21);
}

static void notices_have_a_bound_in_number(void **state)
{
    struct announce a;
    announce_start(&a, 1);
    make(&a, ANNOUNCE_COUNT_MAX);
    assert_false(announce_wants(&a, ANNOUNCE_COUNT_MAX + 1));
    give_range(&a, 1, 2);
    announce_delivered(&a, 2, true);
    assert_false(announce_wants(&a, ANNOUNCE_COUNT_MAX + 1));
    announce_delivered(&a, 1, true);
    make(&a, 2);
    assert_false(announce_wants(&a, ANNOUNCE_COUNT_MAX + 3));
    deliver(&a);
    assert_committed(&a, ANNOUNCE_COUNT_MAX + 3);
}

static void notices_have_a_bound_in_bytes_but_for_the_one_that_reaches_it(void **state)
{
    struct announce a;
    announce_start(&a, 1);
    make_large(&a, ANNOUNCE_BYTES_MAX - 1);
    make_large(&a, ANNOUNCE_BYTES_MAX);
    assert_false(announce_wants(&a, 3));
    give_range(&a, 1, 2);
    announce_delivered(&a, 1, true);
    assert_false(announce_wants(&a, 3));
    announce_delivered(&a, 2, true);
    make_large(&a, 2 * ANNOUNCE_BYTES_MAX); /* one is always taken */
    assert_false(announce_wants(&a, 4));
    deliver(&a);
    assert_true(announce_wants(&a, 4));
    assert_committed(&a, 4);
}

static void it_asks_for_blocks_when_half_of_the_room_is_free(void **state)
{
    struct announce a;
    announce_start(&a, 1);
    make(&a, ANNOUNCE_COUNT_MAX / 2);
    assert_true(announce_asks(&a));
    make(&a, 1);
    assert_false(announce_asks(&a));
    give(&a, 1);
    announce_delivered(&a, 1, true);
    assert_true(announce_asks(&a));
    deliver(&a);
    make_large(&a, ANNOUNCE_BYTES_MAX / 2);
    assert_true(announce_asks(&a));
    make(&a, 1);
    assert_false(announce_asks(&a));
    deliver(&a);
    assert_true(announce_asks(&a));
}

static void a_notice_is_freed_when_it_and_all_before_it_are_acknowledged(void **state)
{
    struct announce a;
    announce_start(&a, 1);
    make(&a, 6);
    give_range(&a, 1, 3);
    size_t before = freed;
    announce_delivered(&a, 2, true);
    assert_int_equal(freed - before, 0);
    announce_delivered(&a, 1, true);
    assert_int_equal(freed - before, 2);
    announce_delivered(&a, 3, false);
    assert_int_equal(freed - before, 2);
    give(&a, 3);
    announce_delivered(&a, 3, true);
    assert_int_equal(freed - before, 3);
    announce_deinit(&a);
    assert_int_equal(freed - before, 6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_an_offset_it_begins_with_height_1),
        cmocka_unit_test(before_it_has_started_it_wants_nothing_and_gives_nothing),
        cmocka_unit_test(only_what_is_acknowledged_in_order_is_written_down),
        cmocka_unit_test(after_a_failure_it_gives_again_what_is_not_acknowledged_without_a_block),
        cmocka_unit_test(what_was_acknowledged_behind_a_failure_is_given_again),
        cmocka_unit_test(a_refusal_in_a_burst_waits_for_the_words_about_the_rest),
        cmocka_unit_test(at_most_4_are_unacknowledged_and_the_next_4_go_together),
        cmocka_unit_test(what_is_made_while_less_than_4_are_unacknowledged_is_given_at_once),
        cmocka_unit_test(twenty_with_a_failure_in_the_middle_are_given_in_order_from_the_first_unacknowledged),
        cmocka_unit_test(notices_have_a_bound_in_number),
        cmocka_unit_test(notices_have_a_bound_in_bytes_but_for_the_one_that_reaches_it),
        cmocka_unit_test(it_asks_for_blocks_when_half_of_the_room_is_free),
        cmocka_unit_test(a_notice_is_freed_when_it_and_all_before_it_are_acknowledged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
