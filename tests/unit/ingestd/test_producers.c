/* producers.c: snapshots that do not change. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "common/base/genesis.h"
#include "common/base/reason.h"
#include "services/ingestd/producers.h"

static struct producers_record record_of(uint8_t key, uint32_t roles, bool active)
{
    return (struct producers_record){.key = {{key}}, .roles = roles, .active = active};
}

static int check(struct producers *snapshot, uint8_t key, uint32_t role)
{
    return producers_check(snapshot, &(struct sign_public){{key}}, role);
}

static void roles_are_looked_up_by_key(void **state)
{
    const struct producers_record records[] = {record_of(9, PRODUCER_ROLE_POLICY, true),
                                               record_of(1, PRODUCER_ROLE_ANOMALY | PRODUCER_ROLE_EVIDENCE, true),
                                               record_of(5, PRODUCER_ROLE_ANOMALY, false)};
    struct producers *snapshot;
    assert_int_equal(producers_make(&snapshot, NULL, records, 3), 0);
    assert_int_equal(check(snapshot, 1, PRODUCER_ROLE_ANOMALY), 0);
    assert_int_equal(check(snapshot, 1, PRODUCER_ROLE_EVIDENCE), 0);
    assert_int_equal(check(snapshot, 1, PRODUCER_ROLE_POLICY), REASON_PRODUCER_ROLE);
    assert_int_equal(check(snapshot, 9, PRODUCER_ROLE_POLICY), 0);
    assert_int_equal(check(snapshot, 5, PRODUCER_ROLE_ANOMALY), REASON_PRODUCER_UNKNOWN); /* not active */
    assert_int_equal(check(snapshot, 2, PRODUCER_ROLE_ANOMALY), REASON_PRODUCER_UNKNOWN);
    producers_release(&snapshot);
    assert_null(snapshot);
}

static void a_change_makes_a_new_snapshot_and_the_old_one_stays_for_who_holds_it(void **state)
{
    const struct producers_record before[] = {record_of(1, PRODUCER_ROLE_ANOMALY, true)};
    const struct producers_record change[] = {record_of(1, PRODUCER_ROLE_POLICY, true),
                                              record_of(0, PRODUCER_ROLE_POLICY, false),
                                              record_of(0, PRODUCER_ROLE_POLICY, true)};
    struct producers *old, *new;
    assert_int_equal(producers_make(&old, NULL, before, 1), 0);
    struct producers *held = producers_hold(old);
    assert_int_equal(producers_make(&new, old, change, 3), 0);
    producers_release(&old);
    assert_int_equal(check(held, 1, PRODUCER_ROLE_ANOMALY), 0);
    assert_int_equal(check(held, 0, PRODUCER_ROLE_POLICY), REASON_PRODUCER_UNKNOWN);
    assert_int_equal(check(new, 1, PRODUCER_ROLE_ANOMALY), REASON_PRODUCER_ROLE);
    assert_int_equal(check(new, 0, PRODUCER_ROLE_POLICY), 0);
    assert_int_equal(producers_count(new), 2);
    producers_release(&held);
    producers_release(&new);
}

static void nobody_is_a_snapshot_too(void **state)
{
    struct producers *snapshot;
    assert_int_equal(producers_make(&snapshot, NULL, NULL, 0), 0);
    assert_int_equal(check(snapshot, 1, PRODUCER_ROLE_ANOMALY), REASON_PRODUCER_UNKNOWN);
    producers_release(&snapshot);
    producers_release(&snapshot);
}

static void many_are_found(void **state)
{
    struct producers_record records[200];
    for (size_t i = 0; i < 200; i++)
        records[i] = record_of((uint8_t)(i * 7), 1u << (i * 7 % 3), true);
    struct producers *snapshot;
    assert_int_equal(producers_make(&snapshot, NULL, records, 200), 0);
    assert_int_equal(producers_count(snapshot), 200);
    for (size_t i = 0; i < 200; i++)
        assert_int_equal(check(snapshot, (uint8_t)(i * 7), 1u << (i * 7 % 3)), 0);
    producers_release(&snapshot);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(roles_are_looked_up_by_key),
        cmocka_unit_test(a_change_makes_a_new_snapshot_and_the_old_one_stays_for_who_holds_it),
        cmocka_unit_test(nobody_is_a_snapshot_too),
        cmocka_unit_test(many_are_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
