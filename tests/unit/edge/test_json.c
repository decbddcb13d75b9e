/* test_json.c - what is JSON by the rules of the protocol, and its canonical form. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/err.h"
#include "common/edge/json.h"
#include "common/edge/json_canonical.h"
#include "tests/unit/base/vectors.h"

static int parse(const char *text)
{
    CLEANUP(json_cleanup) json_t *value = NULL;
    return json_parse_strict(&value, span_text(text), JSON_DEPTH_MAX);
}

static void objects_by_the_rules_are_read(void **state)
{
    static const char *const good[] = {
        "{}",
        " \t\r\n{} \n",
        "{\"a\":[1,-0,2.5e3,true,false,null,\"\\u00e9\\ud83d\\ude00\"]}",
        "{\"a\":9223372036854775807,\"b\":-9223372036854775808}",
        "{\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\":\"\\\"{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{\"}",
        "{\"a\\\\\":{\"b\":{}}}",
    };
    for (size_t i = 0; i < ARRAY_COUNT(good); i++)
        assert_int_equal(parse(good[i]), 0);
}

static void everything_else_is_malformed(void **state)
{
    static const char *const bad[] = {
        "",
        " ",
        "[]",
        "1",
        "null",
        "\"a\"",
        "{",
        "{}{}",
        "{} x",
        "{\"a\":1,}",
        "{'a':1}",
        "{\"a\":01}",
        "{\"a\":.5}",
        "{\"a\":NaN}",
        "{\"a\":1e999}",
        "{\"a\":9223372036854775808}",
        "{\"a\":1,\"a\":2}",
        "{\"b\":{\"a\":1,\"\\u0061\":2}}",
        "{\"a\":\"\\u0000\"}",
        "{\"\\u0000\":1}",
        "{\"a\":\"\\ud800\"}",
        "{\"a\":\"\xff\"}",
        "{\"a\":\"\xc0\x80\"}",
        "{\"a\":\"\t\"}",
        "\xef\xbb\xbf{}",
        "{}/*x*/",
    };
    for (size_t i = 0; i < ARRAY_COUNT(bad); i++) {
        if (parse(bad[i]) != ERR_MALFORMED)
            fail_msg("accepted: %s", bad[i]);
    }
    CLEANUP(json_cleanup) json_t *value = NULL;
    assert_int_equal(json_parse_strict(&value, span_of("{}\0", 3), JSON_DEPTH_MAX), ERR_MALFORMED);
    assert_int_equal(json_parse_strict(&value, span_of("{\"a\0\":1}", 8), JSON_DEPTH_MAX), ERR_MALFORMED);
    assert_int_equal(json_parse_strict(&value, (struct span){0}, JSON_DEPTH_MAX), ERR_MALFORMED);
    assert_null(value);
}

/* An object with arrays in it, `depth` deep. */
static char *nested(size_t depth)
{
    char *text = calloc(1, 2 * depth + sizeof "{\"a\":}");
    strcpy(text, "{\"a\":");
    memset(text + strlen(text), '[', depth - 1);
    memset(text + strlen(text), ']', depth - 1);
    strcat(text, "}");
    return text;
}

static void the_depth_has_a_limit(void **state)
{
    static const struct {
        size_t depth;
        uint32_t depth_max;
        int expected;
    } cases[] = {{32, 32, 0}, {33, 32, ERR_MALFORMED}, {500000, 32, ERR_MALFORMED}, {2, 2, 0}, {3, 2, ERR_MALFORMED}};
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        CLEANUP(json_cleanup) json_t *value = NULL;
        char *text = nested(cases[i].depth);
        assert_int_equal(json_parse_strict(&value, span_text(text), cases[i].depth_max), cases[i].expected);
        free(text);
    }
}

static void a_fault_names_its_place_and_quotes_nothing(void **state)
{
    CLEANUP(json_cleanup) json_t *value = NULL;
    struct json_fault fault;
    static const char text[] = "{\n \"secret\": 1,\n \"secret\": 2}";
    assert_int_equal(json_parse_explained(&value, span_text(text), JSON_DEPTH_MAX, &fault), ERR_MALFORMED);
    assert_int_equal(fault.line, 3);
    assert_string_equal(fault.what, "two members of one name");
}

static void numbers_that_are_no_small_integers_have_no_canonical_form(void **state)
{
    static const char *const bad[] = {"{\"a\":1.5}", "{\"a\":1.0}", "{\"a\":9007199254740992}",
                                      "{\"a\":[-9007199254740992]}"};
    for (size_t i = 0; i < ARRAY_COUNT(bad); i++) {
        CLEANUP(json_cleanup) json_t *value = NULL;
        char *text = NULL;
        size_t size = 0;
        assert_int_equal(json_parse_strict(&value, span_text(bad[i]), JSON_DEPTH_MAX), 0);
        assert_int_equal(json_canonical(&text, &size, value), ERR_MALFORMED);
        assert_null(text);
    }
}

static void canonical_form_is_that_of_the_vectors(void **state)
{
    json_t *root = vectors_load("genesis.json");
    size_t index;
    json_t *test_case;
    VECTORS_EACH(root, index, test_case)
    {
        char *text = NULL;
        size_t size = 0;
        assert_int_equal(json_canonical(&text, &size, vectors_get(test_case, "genesis")), 0);
        struct blob expected = vectors_bytes(test_case, "canonical_hex");
        vectors_assert_equal(vectors_text(test_case, "name"), span_of(text, size), blob_span(&expected));
        blob_free(&expected);
        free(text);
    }
    json_decref(root);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(objects_by_the_rules_are_read),
        cmocka_unit_test(everything_else_is_malformed),
        cmocka_unit_test(the_depth_has_a_limit),
        cmocka_unit_test(a_fault_names_its_place_and_quotes_nothing),
        cmocka_unit_test(numbers_that_are_no_small_integers_have_no_canonical_form),
        cmocka_unit_test(canonical_form_is_that_of_the_vectors),
    };
    return cmocka_run_group_tests_name("json", tests, NULL, NULL);
}
