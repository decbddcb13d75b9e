/* test_route.c - which request is which question, and what is none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "common/base/hex.h"
#include "services/apid/route.h"

#define ID "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

static struct route_request parse(const char *uri, const char *query)
{
    struct route_request request;
    const char *why = NULL;
    int rc = route_parse(&request, uri, query, &why);
    if (rc != 0)
        fail_msg("%s?%s: %d %s", uri, query ? query : "", rc, why);
    return request;
}

static void every_route_has_its_path(void **state)
{
    static const struct {
        const char *uri;
        enum route route;
    } cases[] = {
        {"/api/v1/health", ROUTE_HEALTH},
        {"/api/v1/ready", ROUTE_READY},
        {"/api/v1/metrics", ROUTE_METRICS},
        {"/api/v1/blocks/latest", ROUTE_BLOCK_LATEST},
        {"/api/v1/blocks", ROUTE_BLOCKS},
        {"/api/v1/blocks/0", ROUTE_BLOCK},
        {"/api/v1/blocks/7/proof", ROUTE_BLOCK_PROOF},
        {"/api/v1/transactions/" ID, ROUTE_TRANSACTION},
        {"/api/v1/transactions/" ID "/proof", ROUTE_TRANSACTION_PROOF},
        {"/api/v1/state/root", ROUTE_STATE_ROOT},
        {"/api/v1/state/anomaly%2Fa", ROUTE_STATE},
        {"/api/v1/validators", ROUTE_VALIDATORS},
        {"/api/v1/validators/" ID, ROUTE_VALIDATOR},
        {"/api/v1/anomalies", ROUTE_ANOMALIES},
        {"/api/v1/consensus/evidence", ROUTE_CONSENSUS_EVIDENCE},
        {"http://example.org:80/api/v1/blocks/latest", ROUTE_BLOCK_LATEST},
    };
    bool seen[ROUTE_COUNT] = {false};
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        assert_int_equal(parse(cases[i].uri, NULL).route, cases[i].route);
        seen[cases[i].route] = true;
    }
    for (size_t i = 0; i < ROUTE_COUNT; i++) {
        assert_true(seen[i]);
        assert_non_null(route_names[i]);
    }
}

static void heights_ids_and_keys_are_read(void **state)
{
    assert_int_equal(parse("/api/v1/blocks/42", NULL).height, 42);
    assert_int_equal(parse("/api/v1/blocks/9007199254740992/proof", NULL).height, UINT64_C(1) << 53);
    struct route_request request = parse("/api/v1/transactions/" ID, "");
    char hex[2 * HASH_BYTES + 1];
    hex_encode(hex, request.id.bytes, HASH_BYTES);
    assert_string_equal(hex, ID);
    assert_string_equal(parse("/api/v1/state/anomaly%2Fa%20b%c3%A9~", NULL).key, "anomaly/a b\xc3\xa9~");
    assert_string_equal(parse("/api/v1/state/%72oot", NULL).key, "root");
}

static void parameters_are_read(void **state)
{
    struct route_request request = parse("/api/v1/blocks", "start=0&limit=100");
    assert_true(request.has_start);
    assert_int_equal(request.start, 0);
    assert_int_equal(request.limit, 100);
    request = parse("/api/v1/blocks", NULL);
    assert_false(request.has_start);
    assert_int_equal(request.limit, ROUTE_LIMIT_DEFAULT);
    request = parse("/api/v1/state/a", "height=5&proof=true");
    assert_true(request.has_height && request.proof);
    assert_int_equal(request.height, 5);
    assert_false(parse("/api/v1/state/a", "proof=false").proof);
    assert_int_equal(parse("/api/v1/anomalies", "limit=1").limit, 1);
}

static void bad_values_are_refused_with_what_is_wanted(void **state)
{
    static const struct {
        const char *uri, *query, *wanted;
    } cases[] = {
        {"/api/v1/blocks/", NULL, "height"},
        {"/api/v1/blocks/x", NULL, "height"},
        {"/api/v1/blocks/-1", NULL, "height"},
        {"/api/v1/blocks/+1", NULL, "height"},
        {"/api/v1/blocks/1.0", NULL, "height"},
        {"/api/v1/blocks/%31", NULL, "height"},
        {"/api/v1/blocks/9007199254740993", NULL, "height"},
        {"/api/v1/blocks/18446744073709551617", NULL, "height"},
        {"/api/v1/transactions/00", NULL, "64"},
        {"/api/v1/transactions/00112233445566778899AABBCCDDEEFF00112233445566778899aabbccddeeff", NULL, "lower-case"},
        {"/api/v1/transactions/" ID "0", NULL, "64"},
        {"/api/v1/validators/", NULL, "64"},
        {"/api/v1/validators/v1", NULL, "64"},
        {"/api/v1/state/", NULL, "percent-encoded"},
        {"/api/v1/state/a%2", NULL, "percent-encoded"},
        {"/api/v1/state/a%", NULL, "percent-encoded"},
        {"/api/v1/state/a%zz", NULL, "percent-encoded"},
        {"/api/v1/state/a%00", NULL, "percent-encoded"},
        {"/api/v1/state/a%0a", NULL, "percent-encoded"},
        {"/api/v1/state/%ff", NULL, "percent-encoded"},
        {"/api/v1/state/anomaly/a", NULL, "%2F"},
        {"/api/v1/blocks", "limit=0", "limit"},
        {"/api/v1/blocks", "limit=101", "limit"},
        {"/api/v1/blocks", "limit=", "limit"},
        {"/api/v1/blocks", "limit", "name=value"},
        {"/api/v1/blocks", "&", "name=value"},
        {"/api/v1/blocks", "limit=1&limit=2", "twice"},
        {"/api/v1/blocks", "start=-1", "start"},
        {"/api/v1/blocks", "page=1", "no such parameter"},
        {"/api/v1/blocks/5", "height=6", "no such parameter"},
        {"/api/v1/state/a", "limit=1", "no such parameter"},
        {"/api/v1/state/a", "proof=yes", "proof"},
        {"/api/v1/state/a", "height=x", "height"},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct route_request request = {.limit = 77};
        const char *why = NULL;
        int rc = route_parse(&request, cases[i].uri, cases[i].query, &why);
        if (rc != ROUTE_BAD || !strstr(why, cases[i].wanted))
            fail_msg("%s?%s: %d %s", cases[i].uri, cases[i].query ? cases[i].query : "", rc, why);
        assert_int_equal(request.limit, 77); /* written only on success */
    }
}

static void other_paths_are_not_found(void **state)
{
    static const char *const cases[] = {
        "",
        "/",
        "*",
        "/api/v1",
        "/api/v1/",
        "/api/v2/health",
        "/api/v1//health",
        "/api/v1/health/",
        "/api/v1/healthy",
        "/api/v1/blocks/1/proof/2",
        "/api/v1/blocks/1/header",
        "/api/v1/transactions",
        "/api/v1/state",
        "/api/v1/validators/0/proof",
        "/api/v1/a/b/c/d/e/f/g",
        "http://",
        "http://x",
        "https://x/api/v1/health",
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct route_request request;
        const char *why = NULL;
        if (route_parse(&request, cases[i], NULL, &why) != ROUTE_NOT_FOUND)
            fail_msg("%s is found", cases[i]);
    }
}

static void limits_of_length_are_kept(void **state)
{
    static char uri[ROUTE_PATH_BYTES_MAX + 2];
    const char *why = NULL;
    struct route_request request;
    strcpy(uri, "/api/v1/state/");
    size_t prefix = strlen(uri);
    memset(uri + prefix, 'k', ROUTE_KEY_BYTES_MAX);
    assert_int_equal(strlen(parse(uri, NULL).key), ROUTE_KEY_BYTES_MAX);
    uri[prefix + ROUTE_KEY_BYTES_MAX] = 'k';
    assert_int_equal(route_parse(&request, uri, NULL, &why), ROUTE_BAD);
    memset(uri + prefix, 'k', sizeof uri - 1 - prefix);
    assert_int_equal(route_parse(&request, uri, NULL, &why), ROUTE_BAD);
    assert_string_equal(why, "the path is too long");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_route_has_its_path),  cmocka_unit_test(heights_ids_and_keys_are_read),
        cmocka_unit_test(parameters_are_read),       cmocka_unit_test(bad_values_are_refused_with_what_is_wanted),
        cmocka_unit_test(other_paths_are_not_found), cmocka_unit_test(limits_of_length_are_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
