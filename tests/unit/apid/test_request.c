/* test_request.c - requests that are ambiguous, or more than a question, are refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "services/apid/request.h"

/* method, version, content length (-1: none), and how many headers, Hosts, Content-Lengths, Transfer-Encodings. */
static const struct {
    struct request_form form;
    int status;
    const char *claim;
} cases[] = {
    {{"GET", "1.1", -1, 1, 1, 0, 0}, 0, "a question passes"},
    {{"HEAD", "1.1", -1, 1, 1, 0, 0}, 0, "HEAD is a question too"},
    {{"GET", "1.0", -1, 0, 0, 0, 0}, 0, "HTTP/1.0 knows no Host"},
    {{"GET", "1.1", 0, 2, 1, 1, 0}, 0, "an empty body is none"},
    {{"GET", "1.1", -1, REQUEST_HEADERS_MAX - 1, 1, 0, 0}, 0, "as many headers as allowed"},
    {{"GET", "1.1", -1, REQUEST_HEADERS_MAX, 1, 0, 0}, 400, "one header too many"},
    {{"GET", "1.1", -1, 0, 0, 0, 0}, 400, "no Host"},
    {{"GET", "", -1, 0, 0, 0, 0}, 400, "no Host and no version"},
    {{"GET", "1.1", -1, 2, 2, 0, 0}, 400, "two Hosts"},
    {{"GET", "1.0", -1, 2, 2, 0, 0}, 400, "two Hosts in HTTP/1.0"},
    {{"POST", "1.1", 5, 3, 1, 1, 1}, 400, "two lengths are ambiguous whatever the method"},
    {{"POST", "1.1", 5, 3, 1, 2, 0}, 400, "two Content-Lengths too"},
    {{"GET", "1.1", 0, 3, 1, 1, 1}, 400, "even when one says 0"},
    {{"POST", "1.1", 5, 2, 1, 1, 0}, 405, "POST is not answered"},
    {{"OPTIONS", "1.1", -1, 1, 1, 0, 0}, 405, "OPTIONS is not answered: no CORS"},
    {{"get", "1.1", -1, 1, 1, 0, 0}, 405, "methods are in capitals"},
    {{"GET", "1.1", 5, 2, 1, 1, 0}, 400, "a question has no body"},
    {{"GET", "1.1", -1, 2, 1, 0, 1}, 400, "nor a chunked one"},
};

static void requests_that_are_ambiguous_or_more_than_a_question_are_refused(void **state)
{
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        const char *why = NULL;
        int status = request_judge(&cases[i].form, &why);
        if (status != cases[i].status || (status == 0) != (why == NULL))
            fail_msg("%s: %d", cases[i].claim, status);
    }
}

static void if_none_match_is_a_list_of_tags(void **state)
{
    assert_true(request_knows("\"abc\"", "abc"));
    assert_true(request_knows("W/\"abc\"", "abc"));
    assert_true(request_knows("\"x\", W/\"y\" ,\"abc\"", "abc"));
    assert_true(request_knows("*", "abc"));
    assert_false(request_knows(NULL, "abc"));
    assert_false(request_knows("", "abc"));
    assert_false(request_knows("abc", "abc"));
    assert_false(request_knows("\"abcd\"", "abc"));
    assert_false(request_knows("\"ab\"", "abc"));
    assert_false(request_knows("\"abc", "abc"));
    assert_false(request_knows("\"xabcx\"", "abc"));
    assert_false(request_knows(",,", "abc"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_that_are_ambiguous_or_more_than_a_question_are_refused),
        cmocka_unit_test(if_none_match_is_a_list_of_tags),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
