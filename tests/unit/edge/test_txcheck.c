/* test_txcheck.c - every check in its order, against the vectors, on one thread and on several. */
#include "tests/unit/base/vectors.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "common/edge/txcheck.h"

struct producer {
    bool is_known;
    bool is_quarantined;
    uint32_t roles;
};

static int producer_check(void *context, const struct sign_public *key, uint32_t role)
{
    const struct producer *producer = context;
    (void)key;
    if (!producer->is_known)
        return REASON_PRODUCER_UNKNOWN;
    if (!(producer->roles & role))
        return REASON_PRODUCER_ROLE;
    return producer->is_quarantined ? REASON_PRODUCER_QUARANTINED : 0;
}

static uint32_t roles_of(const json_t *names)
{
    static const char *const known[] = {"anomaly", "evidence", "policy", "governor"};
    uint32_t roles = 0;
    size_t index;
    const json_t *name;
    json_array_foreach(names, index, name)
    {
        for (size_t i = 0; i < 4; i++) {
            if (strcmp(known[i], json_string_value(name)) == 0)
                roles |= 1u << i;
        }
    }
    return roles;
}

/* What the checks before the state's should say. */
static const char *expected_here(const json_t *test_case)
{
    const char *expected = vectors_text(test_case, "expect");
    bool is_of_state = strcmp(expected, "NONCE_REUSED") == 0 || strcmp(expected, "ID_CONFLICT") == 0;
    return is_of_state ? "OK" : expected;
}

static void expect_verdict(const char *name, const struct txcheck_context *context, struct span body,
                           const char *expected)
{
    struct tx tx;
    const char *why = NULL;
    int rc = txcheck_run(context, body, &tx, &why);
    const char *got = rc == 0 ? "OK" : reason_text(rc);
    if (strcmp(got, expected) != 0)
        fail_msg("%s: %s (%s), expected %s", name, got, why ? why : "-", expected);
    if (rc > 0)
        assert_true(why && *why);
}

static void every_case_has_the_reason_of_the_vectors(void **state)
{
    json_t *root = vectors_load("checks.json");
    size_t index;
    const json_t *test_case;
    size_t count = 0;
    VECTORS_EACH(root, index, test_case)
    {
        if (json_is_null(json_object_get(test_case, "body")))
            continue;
        struct producer producer = {
            .is_known = vectors_bool(test_case, "producer_known"),
            .is_quarantined = vectors_bool(test_case, "producer_quarantined"),
            .roles = roles_of(vectors_get(test_case, "producer_roles")),
        };
        struct txcheck_context context = {
            .require_v2 = vectors_bool(test_case, "require_v2"),
            .custody_verification = strcmp(vectors_text(test_case, "custody_verification"), "required") == 0,
            .producer = producer_check,
            .producer_context = &producer,
            .has_reference = true,
            .reference_s = vectors_integer(test_case, "broker_timestamp_s"),
            .skew_s = vectors_integer(test_case, "skew_s"),
        };
        struct blob body = vectors_bytes(test_case, "body");
        const char *name = vectors_text(test_case, "name");
        expect_verdict(name, &context, blob_span(&body), expected_here(test_case));

        struct genesis_parameters parameters = genesis_parameters_default();
        struct txcheck_context static_context = txcheck_static(&parameters);
        if (strcmp(vectors_text(test_case, "stage"), "static") == 0)
            expect_verdict(name, &static_context, blob_span(&body), vectors_text(test_case, "expect"));
        blob_free(&body);
        count++;
    }
    assert_true(count > 100);
    json_decref(root);
    (void)state;
}

static struct blob large_body(const json_t *test_case)
{
    struct blob prefix = vectors_bytes(test_case, "body_prefix"), suffix = vectors_bytes(test_case, "body_suffix");
    struct blob fill = vectors_bytes(test_case, "fill");
    size_t fill_count = (size_t)vectors_integer(test_case, "fill_count");
    struct blob body = {.size = prefix.size + fill_count + suffix.size};
    body.data = malloc(body.size);
    assert_non_null(body.data);
    memcpy(body.data, prefix.data, prefix.size);
    memset(body.data + prefix.size, fill.data[0], fill_count);
    memcpy(body.data + prefix.size + fill_count, suffix.data, suffix.size);
    blob_free(&prefix);
    blob_free(&suffix);
    blob_free(&fill);
    return body;
}

static void transactions_at_the_limits_too(void **state)
{
    json_t *root = vectors_load("checks_large.json");
    size_t index;
    const json_t *test_case;
    struct genesis_parameters parameters = genesis_parameters_default();
    struct txcheck_context context = txcheck_static(&parameters);
    size_t count = 0;
    VECTORS_EACH(root, index, test_case)
    {
        if (json_is_null(json_object_get(test_case, "body_prefix")))
            continue;
        struct blob body = large_body(test_case);
        expect_verdict(vectors_text(test_case, "name"), &context, blob_span(&body), vectors_text(test_case, "expect"));
        blob_free(&body);
        count++;
    }
    assert_true(count > 0);
    json_decref(root);
    (void)state;
}

static void bytes_that_are_no_body_are_malformed(void **state)
{
    json_t *root = vectors_load("bodies.json");
    size_t index;
    const json_t *test_case;
    struct txcheck_context context = {0};
    VECTORS_EACH(root, index, test_case)
    {
        struct blob body = vectors_bytes(test_case, "body");
        expect_verdict(vectors_text(test_case, "name"), &context, blob_span(&body), vectors_text(test_case, "expect"));
        blob_free(&body);
    }
    json_decref(root);
    (void)state;
}

/* A good body, then each later check would fail too: the earliest one speaks. */
static void the_first_failure_wins(void **state)
{
    json_t *root = vectors_load("events.json");
    const json_t *test_case = json_array_get(vectors_get(root, "cases"), 0);
    struct blob body = vectors_bytes(test_case, "body");
    struct producer producer = {.is_known = false};
    struct txcheck_context context = {
        .require_v2 = true,
        .producer = producer_check,
        .producer_context = &producer,
        .has_reference = true,
        .reference_s = 0,
        .skew_s = 0,
    };
    const char *name = "the first event";
    body.data[body.size - 1] ^= 1; /* alg is the last field: malformed */
    expect_verdict(name, &context, blob_span(&body), "MALFORMED");
    body.data[body.size - 1] ^= 1;
    expect_verdict(name, &context, blob_span(&body), "PRODUCER_UNKNOWN");
    producer.is_known = true;
    expect_verdict(name, &context, blob_span(&body), "PRODUCER_ROLE");
    producer.roles = 15;
    producer.is_quarantined = true;
    expect_verdict(name, &context, blob_span(&body), "PRODUCER_QUARANTINED");
    producer.is_quarantined = false;
    context.require_v2 = false;
    expect_verdict(name, &context, blob_span(&body), "TIMESTAMP_SKEW");
    context.has_reference = false;
    expect_verdict(name, &context, blob_span(&body), "OK");
    blob_free(&body);
    json_decref(root);
    (void)state;
}

static int producer_fails(void *context, const struct sign_public *key, uint32_t role)
{
    (void)context, (void)key, (void)role;
    return -ENOMEM;
}

static void a_failure_of_the_producer_lookup_is_passed_on(void **state)
{
    json_t *root = vectors_load("events.json");
    struct blob body = vectors_bytes(json_array_get(vectors_get(root, "cases"), 0), "body");
    struct txcheck_context context = {.producer = producer_fails};
    struct tx tx;
    const char *why;
    assert_int_equal(txcheck_run(&context, blob_span(&body), &tx, &why), -ENOMEM);
    blob_free(&body);
    json_decref(root);
    (void)state;
}

enum { THREAD_COUNT = 4, ROUND_COUNT = 50 };

struct run {
    struct blob *bodies;
    size_t body_count;
    bool ok;
};

static void *check_all(void *argument)
{
    struct run *run = argument;
    struct genesis_parameters parameters = genesis_parameters_default();
    struct txcheck_context context = txcheck_static(&parameters);
    run->ok = true;
    for (size_t i = 0; i < ROUND_COUNT * run->body_count; i++) {
        struct tx tx;
        const char *why;
        run->ok &= txcheck_run(&context, blob_span(&run->bodies[i % run->body_count]), &tx, &why) == 0;
    }
    return NULL;
}

static void threads_do_not_disturb_each_other(void **state)
{
    json_t *root = vectors_load("events.json");
    size_t index;
    const json_t *test_case;
    static struct blob bodies[64];
    size_t count = 0;
    VECTORS_EACH(root, index, test_case)
    {
        if (count < ARRAY_COUNT(bodies))
            bodies[count++] = vectors_bytes(test_case, "body");
    }
    pthread_t threads[THREAD_COUNT];
    struct run runs[THREAD_COUNT];
    for (size_t i = 0; i < THREAD_COUNT; i++) {
        runs[i] = (struct run){.bodies = bodies, .body_count = count};
        assert_int_equal(pthread_create(&threads[i], NULL, check_all, &runs[i]), 0);
    }
    for (size_t i = 0; i < THREAD_COUNT; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_true(runs[i].ok);
    }
    for (size_t i = 0; i < count; i++)
        blob_free(&bodies[i]);
    json_decref(root);
    (void)state;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_case_has_the_reason_of_the_vectors),
        cmocka_unit_test(transactions_at_the_limits_too),
        cmocka_unit_test(bytes_that_are_no_body_are_malformed),
        cmocka_unit_test(the_first_failure_wins),
        cmocka_unit_test(a_failure_of_the_producer_lookup_is_passed_on),
        cmocka_unit_test(threads_do_not_disturb_each_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
