/* test_hex.c */
#include "tests/unit/base/vectors.h"

#include "common/base/attr.h"
#include "common/base/err.h"
#include "common/base/hex.h"

static void bytes_become_lower_case_digits_and_come_back(void **state)
{
    const uint8_t bytes[] = {0x00, 0x0f, 0xa0, 0xff};
    char text[2 * sizeof bytes + 1];
    hex_encode(text, bytes, sizeof bytes);
    assert_string_equal(text, "000fa0ff");
    uint8_t back[sizeof bytes];
    assert_int_equal(hex_decode(back, sizeof back, text), 0);
    assert_memory_equal(back, bytes, sizeof bytes);
}

static void nothing_is_the_empty_text(void **state)
{
    char text[1] = "x";
    hex_encode(text, NULL, 0);
    assert_string_equal(text, "");
    assert_int_equal(hex_decode(NULL, 0, ""), 0);
    assert_int_equal(hex_decode(NULL, 0, "0"), ERR_MALFORMED);
}

static void other_texts_are_refused_and_leave_the_output_alone(void **state)
{
    static const char *const texts[] = {"",     "0",     "00f",   "00ff0", "00ff00", "00FF",
                                        "00fg", " 0ff0", "0x00f", "00f/",  "00f:",   "00f`"};
    for (size_t i = 0; i < ARRAY_COUNT(texts); i++) {
        uint8_t out[2] = {1, 2};
        assert_int_equal(hex_decode(out, sizeof out, texts[i]), ERR_MALFORMED);
        assert_int_equal(out[0], 1);
        assert_int_equal(out[1], 2);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_become_lower_case_digits_and_come_back),
        cmocka_unit_test(nothing_is_the_empty_text),
        cmocka_unit_test(other_texts_are_refused_and_leave_the_output_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
