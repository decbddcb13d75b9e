/* test_err.c */
#include "tests/unit/base/vectors.h"

#include <errno.h>
#include <string.h>

#include "common/base/err.h"

static void our_codes_have_texts_of_their_own(void **state)
{
    assert_string_equal(err_text(ERR_MALFORMED), "malformed input");
    assert_string_equal(err_text(ERR_RETRY), "may succeed when tried again");
}

static void errno_values_have_the_text_of_the_system(void **state)
{
    assert_string_equal(err_text(-ENOENT), strerror(ENOENT));
}

static void our_codes_are_no_errno_values(void **state)
{
#define ERR_BELOW(code, text) assert_true((code) < -4096 && (code) > ERR_FIRST_);
    ERR_LIST(ERR_BELOW)
#undef ERR_BELOW
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(our_codes_have_texts_of_their_own),
        cmocka_unit_test(errno_values_have_the_text_of_the_system),
        cmocka_unit_test(our_codes_are_no_errno_values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
