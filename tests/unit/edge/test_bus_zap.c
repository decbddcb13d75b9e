/* test_bus_zap.c - who is let in: the judgement of one ZAP request, without sockets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/edge/bus_zap.h"

enum { FRAME_COUNT = 7 };

struct story {
    struct bus_zap *zap;
    uint8_t key[BUS_KEY_BYTES];
    struct span frames[FRAME_COUNT + 1];
    char user_id[BUS_NAME_BYTES_MAX];
};

/* A request of RFC 27 by the key, for the domain "admission". */
static int story_setup(void **state)
{
    static struct story s;
    memset(&s, 0, sizeof s);
    memset(s.key, 7, sizeof s.key);
    assert_int_equal(bus_zap_new_idle(&s.zap), 0);
    const struct span frames[] = {
        span_text("1.0"), span_text("1"),     span_text("admission"),      span_text("127.0.0.1"),
        span_text(""),    span_text("CURVE"), span_of(s.key, sizeof s.key)};
    memcpy(s.frames, frames, sizeof frames);
    *state = &s;
    return 0;
}

static int story_teardown(void **state)
{
    struct story *s = *state;
    bus_zap_destroy(&s->zap);
    return 0;
}

static enum bus_zap_verdict judge(struct story *s, size_t count)
{
    return bus_zap_judge(s->zap, s->frames, count, s->user_id);
}

static void nobody_is_let_in_until_named(void **state)
{
    struct story *s = *state;
    assert_int_equal(judge(s, FRAME_COUNT), BUS_ZAP_REFUSED);
    assert_string_equal(s->user_id, "");
}

static void a_named_key_is_let_in_under_its_name(void **state)
{
    struct story *s = *state;
    assert_int_equal(bus_zap_allow(s->zap, "admission", s->key, "ingestd"), 0);
    assert_int_equal(judge(s, FRAME_COUNT), BUS_ZAP_ALLOWED);
    assert_string_equal(s->user_id, "ingestd");
    assert_int_equal(bus_zap_allow(s->zap, "admission", s->key, "renamed"), 0);
    assert_int_equal(judge(s, FRAME_COUNT), BUS_ZAP_ALLOWED);
    assert_string_equal(s->user_id, "renamed");
}

static void another_key_or_socket_is_not(void **state)
{
    struct story *s = *state;
    assert_int_equal(bus_zap_allow(s->zap, "admission", s->key, "ingestd"), 0);
    static const char *const domains[] = {"", "admissio", "admission2", "gossip", "Admission"};
    for (size_t i = 0; i < sizeof domains / sizeof domains[0]; i++) {
        s->frames[2] = span_text(domains[i]);
        assert_int_equal(judge(s, FRAME_COUNT), BUS_ZAP_REFUSED);
    }
    s->frames[2] = span_text("admission");
    s->key[31] ^= 1;
    assert_int_equal(judge(s, FRAME_COUNT), BUS_ZAP_REFUSED);
    s->key[31] ^= 1;
    assert_int_equal(judge(s, FRAME_COUNT), BUS_ZAP_ALLOWED);
}

static void a_forbidden_key_is_not_and_the_others_stay(void **state)
{
    struct story *s = *state;
    uint8_t other[BUS_KEY_BYTES] = {9};
    assert_int_equal(bus_zap_allow(s->zap, "admission", other, "other"), 0);
    assert_int_equal(bus_zap_allow(s->zap, "admission", s->key, "ingestd"), 0);
    bus_zap_forbid(s->zap, "admission", other);
    assert_int_equal(judge(s, FRAME_COUNT), BUS_ZAP_ALLOWED);
    bus_zap_forbid(s->zap, "admission", s->key);
    assert_int_equal(judge(s, FRAME_COUNT), BUS_ZAP_REFUSED);
}

static void every_other_mechanism_is_refused(void **state)
{
    struct story *s = *state;
    assert_int_equal(bus_zap_allow(s->zap, "admission", s->key, "ingestd"), 0);
    static const char *const mechanisms[] = {"NULL", "PLAIN", "GSSAPI", "curve", "CURVE ", ""};
    for (size_t i = 0; i < sizeof mechanisms / sizeof mechanisms[0]; i++) {
        s->frames[5] = span_text(mechanisms[i]);
        for (size_t count = 6; count <= FRAME_COUNT; count++)
            assert_int_equal(judge(s, count), BUS_ZAP_REFUSED);
    }
}

static void what_is_no_request_is_malformed(void **state)
{
    struct story *s = *state;
    assert_int_equal(bus_zap_allow(s->zap, "admission", s->key, "ingestd"), 0);
    for (size_t count = 0; count < FRAME_COUNT; count++)
        assert_int_equal(judge(s, count), BUS_ZAP_MALFORMED);
    s->frames[FRAME_COUNT] = span_text("more");
    assert_int_equal(judge(s, FRAME_COUNT + 1), BUS_ZAP_MALFORMED);
    s->frames[6].size = BUS_KEY_BYTES - 1;
    assert_int_equal(judge(s, FRAME_COUNT), BUS_ZAP_MALFORMED);
    s->frames[6].size = 0;
    assert_int_equal(judge(s, FRAME_COUNT), BUS_ZAP_MALFORMED);
    s->frames[6] = span_of(s->key, BUS_KEY_BYTES);
    s->frames[0] = span_text("2.0");
    assert_int_equal(judge(s, FRAME_COUNT), BUS_ZAP_MALFORMED);
}

static void names_are_short_printable_words(void **state)
{
    (void)state;
    char name[BUS_NAME_BYTES_MAX + 1];
    memset(name, 'n', sizeof name);
    name[BUS_NAME_BYTES_MAX] = '\0';
    assert_false(bus_zap_name_is_valid(name));
    name[BUS_NAME_BYTES_MAX - 1] = '\0';
    assert_true(bus_zap_name_is_valid(name));
    assert_false(bus_zap_name_is_valid(NULL));
    assert_false(bus_zap_name_is_valid(""));
    assert_false(bus_zap_name_is_valid("a b"));
    assert_false(bus_zap_name_is_valid("a\x7f"));
    assert_false(bus_zap_name_is_valid("a\xc3\xa4"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define STORY(name) cmocka_unit_test_setup_teardown(name, story_setup, story_teardown)
        STORY(nobody_is_let_in_until_named),
        STORY(a_named_key_is_let_in_under_its_name),
        STORY(another_key_or_socket_is_not),
        STORY(a_forbidden_key_is_not_and_the_others_stay),
        STORY(every_other_mechanism_is_refused),
        STORY(what_is_no_request_is_malformed),
        cmocka_unit_test(names_are_short_printable_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
