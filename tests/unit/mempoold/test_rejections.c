/* Notices of rejections: one at a time, until acknowledged. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/base/reason.h"
#include "services/mempoold/rejections.h"

static int begin(void **state)
{
    struct rejections *rejections = NULL;
    assert_int_equal(rejections_new(&rejections, 100), 0);
    *state = rejections;
    return 0;
}

static int end(void **state)
{
    struct rejections *rejections = *state;
    rejections_destroy(&rejections);
    return 0;
}

static void put(struct rejections *rejections, uint32_t number)
{
    struct rejections_tx tx = {.reason = REASON_ID_CONFLICT};
    memcpy(tx.id.bytes, &number, sizeof number);
    rejections_put(rejections, &tx);
}

static uint32_t number_of(const struct rejections_tx *tx)
{
    uint32_t number;
    memcpy(&number, tx->id.bytes, sizeof number);
    return number;
}

/* The notice that is due names the transactions first..last. */
static void expect(struct rejections *rejections, uint64_t now_ms, uint64_t sequence, uint32_t first, uint32_t last)
{
    struct rejections_notice notice;
    assert_true(rejections_due(rejections, now_ms, &notice));
    assert_int_equal(notice.sequence, sequence);
    assert_int_equal(notice.tx_count, last - first + 1);
    for (uint32_t i = 0; i < notice.tx_count; i++) {
        assert_int_equal(number_of(&notice.txs[i]), first + i);
        assert_int_equal(notice.txs[i].reason, REASON_ID_CONFLICT);
    }
}

static void expect_none(struct rejections *rejections, uint64_t now_ms)
{
    struct rejections_notice notice;
    assert_false(rejections_due(rejections, now_ms, &notice));
}

static void a_notice_is_repeated_every_second_until_its_acknowledgement(void **state)
{
    struct rejections *rejections = *state;
    expect_none(rejections, 0);
    put(rejections, 1);
    put(rejections, 2);
    expect(rejections, 0, 101, 1, 2);
    put(rejections, 3);
    expect_none(rejections, 999);
    expect(rejections, 1000, 101, 1, 2);
    expect_none(rejections, 1999);
    rejections_acknowledge(rejections, 100);
    rejections_acknowledge(rejections, 102);
    expect_none(rejections, 1999);
    rejections_acknowledge(rejections, 101);
    expect(rejections, 1999, 102, 3, 3);
    rejections_acknowledge(rejections, 102);
    rejections_acknowledge(rejections, 102);
    expect_none(rejections, 9999);
}

static void a_notice_has_a_bounded_size(void **state)
{
    struct rejections *rejections = *state;
    for (uint32_t i = 0; i < REJECTIONS_NOTICE_MAX + 5; i++)
        put(rejections, i);
    expect(rejections, 0, 101, 0, REJECTIONS_NOTICE_MAX - 1);
    rejections_acknowledge(rejections, 101);
    expect(rejections, 0, 102, REJECTIONS_NOTICE_MAX, REJECTIONS_NOTICE_MAX + 4);
}

static void the_oldest_are_dropped_also_from_a_notice_on_its_way(void **state)
{
    struct rejections *rejections = *state;
    for (uint32_t i = 0; i < 3; i++)
        put(rejections, i);
    expect(rejections, 0, 101, 0, 2);
    for (uint32_t i = 3; i < REJECTIONS_COUNT_MAX + 2; i++)
        put(rejections, i);
    assert_int_equal(rejections_lost_count(rejections), 2);
    expect(rejections, 1000, 101, 2, 2);
    rejections_acknowledge(rejections, 101);
    expect(rejections, 1000, 102, 3, REJECTIONS_NOTICE_MAX + 2);
}

static void a_notice_that_was_dropped_whole_is_not_acknowledged_for_another(void **state)
{
    struct rejections *rejections = *state;
    put(rejections, 0);
    expect(rejections, 0, 101, 0, 0);
    for (uint32_t i = 1; i < REJECTIONS_COUNT_MAX + 1; i++)
        put(rejections, i);
    rejections_acknowledge(rejections, 101);
    expect(rejections, 0, 102, 1, REJECTIONS_NOTICE_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_notice_is_repeated_every_second_until_its_acknowledgement, begin, end),
        cmocka_unit_test_setup_teardown(a_notice_has_a_bounded_size, begin, end),
        cmocka_unit_test_setup_teardown(the_oldest_are_dropped_also_from_a_notice_on_its_way, begin, end),
        cmocka_unit_test_setup_teardown(a_notice_that_was_dropped_whole_is_not_acknowledged_for_another, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
