/* test_params.c - facts of a policy's params. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/err.h"
#include "common/edge/params.h"

static struct params_facts facts;

static void facts_are_taken_in_order(void **state)
{
    static const char json[] =
        "{\"policy_id\": \"p-1\", \"target\": {\"cidrs\": [\"10.0.0.0/8\"], \"ips\": [\"10.1.2.3\", \"10.1.2.4\"]},"
        " \"guardrails\": {\"ttl_seconds\": 3600}, \"criteria\": {\"score\": 0.5}}";
    assert_int_equal(params_read(&facts, span_text(json)), 0);
    assert_true(span_equal(facts.policy_id, span_text("p-1")));
    assert_int_equal(facts.ttl_s, 3600);
    assert_int_equal(facts.target_count, 3);
    assert_true(span_equal(facts.targets[0], span_text("10.1.2.3")));
    assert_true(span_equal(facts.targets[1], span_text("10.1.2.4")));
    assert_true(span_equal(facts.targets[2], span_text("10.0.0.0/8")));
    params_facts_deinit(&facts);
}

static void what_is_of_another_kind_is_as_if_it_were_not_there(void **state)
{
    static const char *const cases[] = {
        "{}",
        "{\"policy_id\": 5, \"target\": [], \"guardrails\": 7}",
        "{\"policy_id\": \"\", \"target\": {\"ips\": \"10.1.2.3\", \"cidrs\": {}}}",
        "{\"target\": {\"ips\": [1, null, \"\", \"a\\u0001b\", [\"x\"]]}, \"guardrails\": {\"ttl_seconds\": 3600.0}}",
        "{\"guardrails\": {\"ttl_seconds\": -1}}",
        "{\"guardrails\": {\"ttl_seconds\": 36e2}}",
        "{\"guardrails\": {\"ttl_seconds\": \"3600\"}}",
        "{\"guardrails\": {\"ttl_seconds\": 315360001}}",
        "{\"guardrails\": {\"ttl_seconds\": 9223372036854775807}}",
        " {\"target\": null} ",
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        assert_int_equal(params_read(&facts, span_text(cases[i])), 0);
        assert_int_equal(facts.policy_id.size, 0);
        assert_int_equal(facts.target_count, 0);
        assert_int_equal(facts.ttl_s, 0);
        params_facts_deinit(&facts);
    }
}

static void texts_are_bounded(void **state)
{
    char id[PARAMS_POLICY_ID_BYTES_MAX + 2];
    char target[PARAMS_TARGET_BYTES_MAX + 2];
    char json[512];
    for (size_t over = 0; over < 2; over++) {
        memset(id, 'x', sizeof id);
        memset(target, 'y', sizeof target);
        id[PARAMS_POLICY_ID_BYTES_MAX + over] = '\0';
        target[PARAMS_TARGET_BYTES_MAX + over] = '\0';
        snprintf(json, sizeof json, "{\"policy_id\": \"%s\", \"target\": {\"ips\": [\"%s\"]}}", id, target);
        assert_int_equal(params_read(&facts, span_text(json)), 0);
        assert_int_equal(facts.policy_id.size, over ? 0 : PARAMS_POLICY_ID_BYTES_MAX);
        assert_int_equal(facts.target_count, over ? 0 : 1);
        params_facts_deinit(&facts);
    }
}

static void targets_are_bounded(void **state)
{
    size_t count = PARAMS_TARGETS_MAX + 10;
    char *json = malloc(64 + 8 * count);
    char *end = json + sprintf(json, "{\"target\": {\"cidrs\": [");
    for (size_t i = 0; i < count; i++)
        end += sprintf(end, "%s\"%zu\"", i ? "," : "", i);
    sprintf(end, "]}}");
    assert_int_equal(params_read(&facts, span_text(json)), 0);
    assert_int_equal(facts.target_count, PARAMS_TARGETS_MAX);
    assert_true(span_equal(facts.targets[PARAMS_TARGETS_MAX - 1], span_text("999")));
    params_facts_deinit(&facts);
    free(json);
}

/* {"a":{"a": ... {} ... }} of this depth. */
static int read_depth(size_t depth)
{
    char json[512] = "";
    for (size_t i = 1; i < depth; i++)
        strcat(json, "{\"a\":");
    strcat(json, "{}");
    for (size_t i = 1; i < depth; i++)
        strcat(json, "}");
    return params_read(&facts, span_text(json));
}

static void what_is_no_object_of_the_form_is_malformed(void **state)
{
    static const char *const cases[] = {"",
                                        "[]",
                                        "7",
                                        "\"x\"",
                                        "{\"a\": 1, \"a\": 2}",
                                        "{\"a\": 1,}",
                                        "{\"a\": 1} x",
                                        "{\"a",
                                        "{\"a\": \"\\u0000\"}",
                                        "{\"a\": 9223372036854775808}",
                                        "{\"a\": 1e999}",
                                        "{\"a\": \"\\ud800\"}"};
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++)
        assert_int_equal(params_read(&facts, span_text(cases[i])), ERR_MALFORMED);
    assert_int_equal(read_depth(32), 0);
    params_facts_deinit(&facts);
    assert_int_equal(read_depth(33), ERR_MALFORMED);
    assert_int_equal(params_read(&facts, span_text("{\"a\": \"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\\\"{\"}")), 0);
    params_facts_deinit(&facts);
    params_facts_deinit(&facts);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(facts_are_taken_in_order),
        cmocka_unit_test(what_is_of_another_kind_is_as_if_it_were_not_there),
        cmocka_unit_test(texts_are_bounded),
        cmocka_unit_test(targets_are_bounded),
        cmocka_unit_test(what_is_no_object_of_the_form_is_malformed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
