/* announce.c as stories. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "services/ingestd/announce.h"

static void without_an_offset_it_begins_with_height_1(void **state)
{
    struct announce a;
    announce_start(&a, -1);
    assert_false(announce_wants(&a, 0));
    assert_true(announce_wants(&a, 1));
    uint64_t next;
    assert_false(announce_commit_due(&a, &next));
}

static void before_it_has_started_it_wants_nothing(void **state)
{
    struct announce a = {0};
    assert_false(announce_has_room(&a));
    assert_false(announce_wants(&a, 0));
    uint64_t next;
    assert_false(announce_commit_due(&a, &next));
}

static void only_what_is_acknowledged_in_order_is_written_down(void **state)
{
    struct announce a;
    announce_start(&a, 5);
    uint64_t t5 = announce_sent(&a, 5), t6 = announce_sent(&a, 6), t7 = announce_sent(&a, 7);
    uint64_t next = 0;
    announce_delivered(&a, t6, true);
    assert_false(announce_commit_due(&a, &next));
    announce_delivered(&a, t5, true);
    assert_true(announce_commit_due(&a, &next));
    assert_int_equal(next, 7);
    assert_false(announce_commit_due(&a, &next));
    announce_delivered(&a, t7, true);
    assert_true(announce_commit_due(&a, &next));
    assert_int_equal(next, 8);
}

static void after_a_failure_it_begins_again_behind_what_is_settled(void **state)
{
    struct announce a;
    announce_start(&a, 1);
    uint64_t t1 = announce_sent(&a, 1), t2 = announce_sent(&a, 2), t3 = announce_sent(&a, 3);
    announce_delivered(&a, t1, true);
    announce_delivered(&a, t2, false);
    assert_true(announce_wants(&a, 2));
    announce_delivered(&a, t3, true); /* of the round before: it will be announced again */
    uint64_t again = announce_sent(&a, 2);
    assert_true(again != t2);
    announce_delivered(&a, t2, true); /* late, means nothing */
    uint64_t next;
    assert_true(announce_commit_due(&a, &next));
    assert_int_equal(next, 2);
    announce_delivered(&a, again, true);
    assert_true(announce_commit_due(&a, &next));
    assert_int_equal(next, 3);
}

static void outstanding_notices_have_a_bound(void **state)
{
    struct announce a;
    announce_start(&a, 1);
    uint64_t first = 0;
    for (uint64_t h = 1; h <= ANNOUNCE_OUTSTANDING_MAX; h++) {
        assert_true(announce_wants(&a, h));
        uint64_t tag = announce_sent(&a, h);
        first = h == 1 ? tag : first;
        if (h > 1)
            announce_delivered(&a, tag, true);
    }
    assert_false(announce_has_room(&a));
    assert_false(announce_wants(&a, ANNOUNCE_OUTSTANDING_MAX + 1));
    announce_delivered(&a, first, true);
    assert_true(announce_wants(&a, ANNOUNCE_OUTSTANDING_MAX + 1));
    uint64_t next;
    assert_true(announce_commit_due(&a, &next));
    assert_int_equal(next, ANNOUNCE_OUTSTANDING_MAX + 1);
}

static void a_tag_leaves_its_top_bit_free(void **state)
{
    struct announce a;
    announce_start(&a, INT64_C(1) << 40);
    for (int i = 0; i < 70000; i++)
        announce_delivered(&a, announce_sent(&a, UINT64_C(1) << 40), false);
    assert_int_equal(announce_sent(&a, UINT64_C(1) << 40) >> 63, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_an_offset_it_begins_with_height_1),
        cmocka_unit_test(before_it_has_started_it_wants_nothing),
        cmocka_unit_test(only_what_is_acknowledged_in_order_is_written_down),
        cmocka_unit_test(after_a_failure_it_begins_again_behind_what_is_settled),
        cmocka_unit_test(outstanding_notices_have_a_bound),
        cmocka_unit_test(a_tag_leaves_its_top_bit_free),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
