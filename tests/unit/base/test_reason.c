/* test_reason.c */
#include "tests/unit/base/vectors.h"

#include <limits.h>

#include "common/base/attr.h"
#include "common/base/reason.h"

/* The names stand in dead letters and metrics: a change breaks readers. The order is the order of the checks. */
static void reasons_have_their_published_names_and_order(void **state)
{
    static const char *const names[] = {"NONE",          "MALFORMED",
                                        "TOO_LARGE",     "PRODUCER_UNKNOWN",
                                        "PRODUCER_ROLE", "PRODUCER_QUARANTINED",
                                        "BAD_SIGNATURE", "BAD_CONTENT_HASH",
                                        "CONTENT_RULE",  "TIMESTAMP_SKEW",
                                        "BAD_CUSTODY",   "NONCE_REUSED",
                                        "ID_CONFLICT"};
    assert_int_equal(ARRAY_COUNT(names), REASON_COUNT);
    for (int i = 0; i < REASON_COUNT; i++)
        assert_string_equal(reason_text(i), names[i]);
}

static void any_other_number_is_unknown(void **state)
{
    assert_string_equal(reason_text(-1), "UNKNOWN");
    assert_string_equal(reason_text(REASON_COUNT), "UNKNOWN");
    assert_string_equal(reason_text(INT_MAX), "UNKNOWN");
    assert_string_equal(reason_text(INT_MIN), "UNKNOWN");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reasons_have_their_published_names_and_order),
        cmocka_unit_test(any_other_number_is_unknown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
