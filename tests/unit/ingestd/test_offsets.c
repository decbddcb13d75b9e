/* offsets.c as stories: each is a script, and what it must say.
 *
 *   assign T/P      a window begins            read T/P O [B]   a record is read (B bytes, 1 if not said): named aO,
 * bO, revoke T/P      ... ends                                    ... by its topic pend R, dead R, final R   a record
 * moves   commits, again   what may be committed
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "common/base/err.h"
#include "services/ingestd/offsets.h"

enum { NAME_BYTES = 16, RECORDS_MAX = 64, TRACE_BYTES = 4096 };

struct story {
    struct offsets *offsets;
    char names[RECORDS_MAX][NAME_BYTES]; /* of the records in the slab */
    char trace[TRACE_BYTES];
};

static void say(struct story *story, const char *text)
{
    size_t used = strlen(story->trace);
    assert_true(used + strlen(text) + 2 < TRACE_BYTES);
    snprintf(story->trace + used, TRACE_BYTES - used, "%s%s", used ? "; " : "", text);
}

static struct offsets_partition partition_of(const char *text)
{
    assert_true(text && strlen(text) == 3);
    return (struct offsets_partition){.topic = (uint32_t)(text[0] - 'a'), .partition = text[2] - '0'};
}

static void do_read(struct story *story, const char *where, const char *offset, const char *bytes)
{
    struct offsets_position position = {.of = partition_of(where), .offset = atoll(offset)};
    uint32_t record;
    int rc = offsets_read(story->offsets, &position, bytes ? strtoull(bytes, NULL, 10) : 1, &record);
    if (rc == 0)
        snprintf(story->names[record], NAME_BYTES, "%c%s", where[0], offset);
    else
        say(story, rc == ERR_FULL ? "full" : rc == ERR_CONFLICT ? "seen" : rc == ERR_NOT_FOUND ? "not ours" : "?");
}

static uint32_t record_of(const struct story *story, const char *name)
{
    for (uint32_t i = 0; i < RECORDS_MAX; i++) {
        if (strcmp(story->names[i], name) == 0)
            return i;
    }
    fail_msg("no record %s", name);
    return 0;
}

static void do_move(struct story *story, const char *name, enum offsets_state state)
{
    char text[NAME_BYTES + 8];
    if (offsets_move(story->offsets, record_of(story, name), state) == OFFSETS_GONE) {
        snprintf(text, sizeof text, "%s gone", name);
        say(story, text);
    }
}

static void do_revoke(struct story *story, const char *where)
{
    char text[NAME_BYTES + 8];
    for (uint32_t record = offsets_revoke(story->offsets, partition_of(where)); record != OFFSETS_NONE;
         record = offsets_revoke(story->offsets, partition_of(where))) {
        snprintf(text, sizeof text, "drop %s", story->names[record]);
        say(story, text);
    }
}

static void do_commits(struct story *story, bool again)
{
    struct offsets_position out[8];
    char text[32];
    size_t count = offsets_commits(story->offsets, again, out, 8);
    if (count == 0)
        say(story, "none");
    for (size_t i = 0; i < count; i++) {
        snprintf(text, sizeof text, "%c/%d=%lld", 'a' + (char)out[i].of.topic, out[i].of.partition,
                 (long long)out[i].offset);
        say(story, text);
    }
}

static void do_room(struct story *story)
{
    struct offsets_usage usage = offsets_usage(story->offsets);
    char text[64];
    snprintf(text, sizeof text, "%u records %llu bytes %s%s", usage.count, (unsigned long long)usage.bytes,
             offsets_has_room(story->offsets) ? "room" : "no room",
             offsets_is_half_free(story->offsets) ? " half" : "");
    say(story, text);
}

static void do_line(struct story *story, char *line)
{
    char *rest = NULL;
    const char *verb = strtok_r(line, " ", &rest);
    const char *first = strtok_r(NULL, " ", &rest);
    const char *second = first ? strtok_r(NULL, " ", &rest) : NULL;
    const char *third = second ? strtok_r(NULL, " ", &rest) : NULL;
    if (strcmp(verb, "assign") == 0)
        assert_int_equal(offsets_assign(story->offsets, partition_of(first)), 0);
    else if (strcmp(verb, "revoke") == 0)
        do_revoke(story, first);
    else if (strcmp(verb, "read") == 0)
        do_read(story, first, second, third);
    else if (strcmp(verb, "pend") == 0)
        do_move(story, first, OFFSETS_PENDING);
    else if (strcmp(verb, "dead") == 0)
        do_move(story, first, OFFSETS_DEAD_LETTERING);
    else if (strcmp(verb, "final") == 0)
        do_move(story, first, OFFSETS_FINAL);
    else if (strcmp(verb, "commits") == 0)
        do_commits(story, false);
    else if (strcmp(verb, "again") == 0)
        do_commits(story, true);
    else if (strcmp(verb, "room") == 0)
        do_room(story);
    else
        fail_msg("what is %s?", verb);
}

static void tell(const char *script, const char *expected)
{
    static const struct offsets_limits limits = {.record_count_max = 6, .record_bytes_max = 100, .extra_count = 2};
    struct story story = {0};
    assert_int_equal(offsets_new(&story.offsets, &limits), 0);
    char text[1024], *rest = NULL;
    snprintf(text, sizeof text, "%s", script);
    for (char *line = strtok_r(text, ",", &rest); line; line = strtok_r(NULL, ",", &rest))
        do_line(&story, line + strspn(line, " "));
    assert_string_equal(story.trace, expected);
    offsets_destroy(&story.offsets);
}

static void nothing_is_committed_before_the_first_record_is_final(void **state)
{
    tell("assign a/0, commits, read a/0 5, read a/0 6, commits, pend a6, final a6, commits, pend a5, commits, "
         "final a5, commits, commits",
         "none; none; none; none; a/0=7; none");
}

static void the_offset_is_that_of_the_first_record_that_is_not_final(void **state)
{
    tell("assign a/0, read a/0 1, read a/0 2, read a/0 3, pend a1, pend a3, dead a2, final a1, final a3, commits, "
         "final a2, commits",
         "a/0=2; a/0=4");
}

static void offsets_may_have_gaps(void **state)
{
    tell("assign a/0, read a/0 10, read a/0 20, pend a10, final a10, commits, pend a20, final a20, commits",
         "a/0=11; a/0=21");
}

static void partitions_are_apart(void **state)
{
    tell("assign a/0, assign b/0, assign a/1, read a/0 1, read b/0 7, read a/1 9, pend b7, final b7, commits, pend a9, "
         "final a9, commits, again",
         "b/0=8; a/1=10; b/0=8; a/1=10");
}

static void a_refused_record_is_final_when_its_dead_letter_is(void **state)
{
    tell(
        "assign a/0, read a/0 0, dead a0, commits, final a0, commits, read a/0 1, pend a1, dead a1, commits, final a1, "
        "commits",
        "none; a/0=1; none; a/0=2");
}

static void what_is_pending_goes_with_its_partition(void **state)
{
    tell("assign a/0, read a/0 0, read a/0 1, pend a1, revoke a/0, commits, room",
         "drop a1; none; 1 records 1 bytes room half");
}

static void what_others_hold_stays_until_it_is_reported_and_means_nothing(void **state)
{
    tell("assign a/0, read a/0 0, read a/0 1, dead a1, revoke a/0, room, assign a/0, pend a0, final a1, commits, room",
         "2 records 2 bytes room half; a0 gone; a1 gone; none; 0 records 0 bytes room half");
}

static void a_partition_that_came_back_is_read_anew(void **state)
{
    tell("assign a/0, read a/0 3, pend a3, final a3, commits, revoke a/0, again, assign a/0, again, read a/0 3, pend "
         "a3, "
         "final a3, commits",
         "a/0=4; none; none; a/0=4");
}

static void assigning_twice_changes_nothing(void **state)
{
    tell("assign a/0, read a/0 3, assign a/0, read a/0 3, pend a3, final a3, commits", "seen; a/0=4");
}

static void only_assigned_partitions_are_read_and_only_forwards(void **state)
{
    tell("read a/0 0, assign a/0, read a/0 5, read a/0 5, read a/0 4, read a/0 6, revoke b/0, room",
         "not ours; seen; seen; 2 records 2 bytes room half");
}

static void room_ends_by_count_and_begins_at_half(void **state)
{
    tell("assign a/0, read a/0 0, read a/0 1, read a/0 2, room, read a/0 3, read a/0 4, room, read a/0 5, room, "
         "read a/0 6, read a/0 7, read a/0 8, room, pend a0, final a0, room",
         "3 records 3 bytes room half; 5 records 5 bytes room; 6 records 6 bytes no room; full; 8 records 8 bytes no "
         "room; 7 records 7 bytes no room");
}

static void room_ends_by_bytes_too_and_final_records_have_none(void **state)
{
    tell("assign a/0, read a/0 0 50, room, read a/0 1 49, room, read a/0 2 1, room, pend a1, final a1, room",
         "1 records 50 bytes room half; 2 records 99 bytes room; 3 records 100 bytes no room; 3 records 51 bytes room");
}

static void limits_are_checked(void **state)
{
    struct offsets *offsets = NULL;
    assert_int_not_equal(offsets_new(&offsets, &(struct offsets_limits){.record_count_max = 0}), 0);
    assert_null(offsets);
    assert_int_equal(offsets_new(&offsets, &(struct offsets_limits){.record_count_max = 1, .record_bytes_max = 1}), 0);
    for (int32_t i = 0; i < OFFSETS_PARTITION_COUNT_MAX; i++)
        assert_int_equal(offsets_assign(offsets, (struct offsets_partition){.partition = i}), 0);
    assert_int_equal(offsets_assign(offsets, (struct offsets_partition){.topic = 1}), ERR_FULL);
    assert_int_equal(offsets_revoke(offsets, (struct offsets_partition){.partition = 9}), OFFSETS_NONE);
    assert_int_equal(offsets_assign(offsets, (struct offsets_partition){.topic = 1}), 0);
    offsets_destroy(&offsets);
    offsets_destroy(&offsets);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_committed_before_the_first_record_is_final),
        cmocka_unit_test(the_offset_is_that_of_the_first_record_that_is_not_final),
        cmocka_unit_test(offsets_may_have_gaps),
        cmocka_unit_test(partitions_are_apart),
        cmocka_unit_test(a_refused_record_is_final_when_its_dead_letter_is),
        cmocka_unit_test(what_is_pending_goes_with_its_partition),
        cmocka_unit_test(what_others_hold_stays_until_it_is_reported_and_means_nothing),
        cmocka_unit_test(a_partition_that_came_back_is_read_anew),
        cmocka_unit_test(assigning_twice_changes_nothing),
        cmocka_unit_test(only_assigned_partitions_are_read_and_only_forwards),
        cmocka_unit_test(room_ends_by_count_and_begins_at_half),
        cmocka_unit_test(room_ends_by_bytes_too_and_final_records_have_none),
        cmocka_unit_test(limits_are_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
