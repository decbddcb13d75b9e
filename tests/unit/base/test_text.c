/* test_text.c - against a second, slow reading of UTF-8, over every character and every short byte sequence. */
#include "tests/unit/base/vectors.h"

#include "common/base/text.h"

enum { CODE_POINTS = 0x110000 };

/* The encoding of a code point, without any rule about which are allowed. */
static size_t utf8_write(uint8_t out[static 4], uint32_t code)
{
    if (code < 0x80) {
        out[0] = (uint8_t)code;
        return 1;
    }
    size_t size = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    static const uint8_t leads[] = {0, 0, 0xc0, 0xe0, 0xf0};
    for (size_t i = size - 1; i > 0; i--) {
        out[i] = (uint8_t)(0x80 | (code & 0x3f));
        code >>= 6;
    }
    out[0] = (uint8_t)(leads[size] | code);
    return size;
}

static bool code_is_clean(uint32_t code)
{
    bool surrogate = code >= 0xd800 && code <= 0xdfff;
    bool control = code < 0x20 || (code >= 0x7f && code <= 0x9f);
    return !surrogate && !control && code < CODE_POINTS;
}

static void every_character_is_judged_by_its_code_point(void **state)
{
    for (uint32_t code = 0; code < CODE_POINTS + 0x1000; code++) {
        uint8_t bytes[4];
        size_t size = utf8_write(bytes, code);
        if (text_is_clean(span_of(bytes, size)) != code_is_clean(code))
            fail_msg("U+%04X", code);
    }
}

/* Every sequence of one, two and three bytes is clean exactly if it is a run of encodings of clean characters: count
 * those that are and compare with how many there must be. */
static void only_the_shortest_encodings_are_text(void **state)
{
    size_t ascii = 0, two = 0, three = 0;
    for (uint32_t code = 0; code < 0x10000; code++) {
        ascii += code < 0x80 && code_is_clean(code);
        two += code >= 0x80 && code < 0x800 && code_is_clean(code);
        three += code >= 0x800 && code_is_clean(code);
    }
    size_t found[4] = {0};
    for (uint32_t i = 0; i < 1 << 24; i++) {
        const uint8_t bytes[3] = {(uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i};
        found[3] += text_is_clean(span_of(bytes, 3));
        if ((i & 0xff) == 0)
            found[2] += text_is_clean(span_of(bytes, 2));
        if ((i & 0xffff) == 0)
            found[1] += text_is_clean(span_of(bytes, 1));
    }
    assert_int_equal(found[1], ascii);
    assert_int_equal(found[2], ascii * ascii + two);
    assert_int_equal(found[3], ascii * ascii * ascii + 2 * ascii * two + three);
}

static void a_fault_is_found_wherever_it_stands(void **state)
{
    assert_true(text_is_clean(span_text("")));
    assert_true(text_is_clean((struct span){0}));
    assert_true(text_is_clean(span_text("na\xc3\xafve \xe6\x97\xa5\xe6\x9c\xac \xf0\x9f\x98\x80 text")));
    assert_false(text_is_clean(span_of("a\0b", 3)));
    assert_false(text_is_clean(span_text("text\n")));
    assert_false(text_is_clean(span_text("text\xf0\x9f\x98")));
    assert_false(text_is_clean(span_text("\xe6\x97 text")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_character_is_judged_by_its_code_point),
        cmocka_unit_test(only_the_shortest_encodings_are_text),
        cmocka_unit_test(a_fault_is_found_wherever_it_stands),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
