/* test_persist.c - what persistd asks for and writes, as stories with golden traces. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "services/persistd/persist.h"

enum { TOLD_BYTES_MAX = 65536 };

struct story {
    struct persist core;
    struct persist_effects effects;
    uint64_t now_ms;
    size_t held; /* handles in the core */
    char told[TOLD_BYTES_MAX];
};

/* The block of this height on a chain of this letter; chain 'b' leaves 'a' at height 3. */
static struct hash id_of(char chain, uint64_t height)
{
    struct hash id = {{1}};
    id.bytes[1] = (uint8_t)(height >= 3 ? chain : 'a');
    id.bytes[2] = (uint8_t)height;
    return id;
}

static struct persist_block block_of(char chain, uint64_t height)
{
    static char handle;
    struct persist_block block = {
        .height = height, .id = id_of(chain, height), .tx_count = 10, .size_bytes = 1000, .handle = &handle};
    if (height > 0)
        block.parent_id = id_of(chain, height - 1);
    return block;
}

static const char *const names[] = {
    [PERSIST_OPEN] = "open",       [PERSIST_ASK] = "ask",   [PERSIST_ACK] = "ack",           [PERSIST_WRITE] = "write",
    [PERSIST_PUBLISH] = "publish", [PERSIST_DROP] = "drop", [PERSIST_CONFLICT] = "conflict",
};

static void tell(struct story *s)
{
    for (size_t i = 0; i < s->effects.count; i++) {
        const struct persist_effect *effect = &s->effects.items[i];
        char *end = s->told + strlen(s->told);
        size_t room = sizeof s->told - (size_t)(end - s->told);
        if (effect->kind == PERSIST_OPEN)
            snprintf(end, room, "open\n");
        else if (effect->kind == PERSIST_WRITE)
            snprintf(end, room, "write %" PRIu64 "..%" PRIu64 "\n", s->core.queue[0].height,
                     s->core.queue[s->core.run_count - 1].height);
        else
            snprintf(end, room, "%s %" PRIu64 "\n", names[effect->kind], effect->height);
        if (effect->kind == PERSIST_PUBLISH || effect->kind == PERSIST_DROP) {
            assert_non_null(effect->handle);
            s->held--;
        }
    }
}

static void step(struct story *s, struct persist_event event)
{
    event.now_ms = s->now_ms;
    s->held += event.kind == PERSIST_ARRIVED ? event.block_count : 0;
    persist_step(&s->core, &event, &s->effects);
    tell(s);
    assert_int_equal(s->held, s->core.queue_count);
}

static void tick(struct story *s, uint64_t after_ms)
{
    s->now_ms += after_ms;
    step(s, (struct persist_event){.kind = PERSIST_TICK});
}

static void happens(struct story *s, enum persist_event_kind kind)
{
    step(s, (struct persist_event){.kind = kind});
}

static void opens_empty(struct story *s)
{
    step(s, (struct persist_event){.kind = PERSIST_OPENED});
}

static void opens_at(struct story *s, char chain, uint64_t height)
{
    step(s, (struct persist_event){.kind = PERSIST_OPENED,
                                   .tip = {.exists = true, .height = height, .id = id_of(chain, height)}});
}

static void arrive(struct story *s, char chain, uint64_t first, size_t count)
{
    struct persist_block blocks[PERSIST_ARRIVED_BLOCKS_MAX];
    for (size_t i = 0; i < count; i++)
        blocks[i] = block_of(chain, first + i);
    step(s, (struct persist_event){.kind = PERSIST_ARRIVED, .blocks = blocks, .block_count = count});
}

static void expect(struct story *s, const char *told)
{
    assert_string_equal(s->told, told);
    s->told[0] = '\0';
}

static int begin(void **state)
{
    struct story *s = calloc(1, sizeof *s);
    s->now_ms = 1000;
    persist_init(&s->core, 7);
    *state = s;
    return 0;
}

static int end(void **state)
{
    struct story *s = *state;
    while (persist_release(&s->core))
        s->held--;
    assert_int_equal(s->held, 0);
    free(s);
    return 0;
}

/* --- the straight way --------------------------------------------------------------------------------------------- */

static void an_empty_database_begins_with_genesis(void **state)
{
    struct story *s = *state;
    tick(s, 0);
    expect(s, "open\n");
    opens_empty(s);
    expect(s, "ask 0\n");
    arrive(s, 'a', 0, 2);
    expect(s, "write 0..1\nask 2\n");
    happens(s, PERSIST_WRITTEN);
    expect(s, "publish 0\npublish 1\nack 1\n");
}

static void it_goes_on_from_the_databases_height(void **state)
{
    struct story *s = *state;
    tick(s, 0);
    opens_at(s, 'a', 6);
    expect(s, "open\nack 6\nask 7\n");
    arrive(s, 'a', 7, 1);
    expect(s, "write 7..7\nask 8\n");
}

static void a_question_without_an_answer_is_repeated(void **state)
{
    struct story *s = *state;
    tick(s, 0);
    opens_at(s, 'a', 0);
    expect(s, "open\nack 0\nask 1\n");
    uint64_t request = s->core.request;
    tick(s, PERSIST_ASK_AGAIN_MS - 1);
    expect(s, "");
    tick(s, 1);
    expect(s, "ask 1\n");
    assert_true(s->core.request > request);
}

static void what_arrives_while_a_run_is_written_is_the_next_run(void **state)
{
    struct story *s = *state;
    tick(s, 0);
    opens_at(s, 'a', 0);
    arrive(s, 'a', 1, 1);
    arrive(s, 'a', 2, 1);
    arrive(s, 'a', 3, 2);
    expect(s, "open\nack 0\nask 1\nwrite 1..1\nask 2\nask 3\nask 5\n");
    happens(s, PERSIST_WRITTEN);
    expect(s, "publish 1\nack 1\nwrite 2..4\n");
}

static void a_run_is_bounded_by_transactions(void **state)
{
    struct story *s = *state;
    tick(s, 0);
    opens_at(s, 'a', 0);
    struct persist_block blocks[4];
    for (size_t i = 0; i < 4; i++) {
        blocks[i] = block_of('a', 1 + i);
        blocks[i].tx_count = PERSIST_RUN_TXS_MAX / 2;
    }
    blocks[3].tx_count = PERSIST_RUN_TXS_MAX + 1;
    step(s, (struct persist_event){.kind = PERSIST_ARRIVED, .blocks = blocks, .block_count = 4});
    happens(s, PERSIST_WRITTEN);
    happens(s, PERSIST_WRITTEN);
    expect(s, "open\nack 0\nask 1\nwrite 1..2\nask 5\npublish 1\npublish 2\nack 2\nwrite 3..3\npublish 3\nack 3\n"
              "write 4..4\n");
}

static void a_run_is_bounded_by_bytes(void **state)
{
    struct story *s = *state;
    tick(s, 0);
    opens_at(s, 'a', 0);
    struct persist_block blocks[4];
    for (size_t i = 0; i < 4; i++) {
        blocks[i] = block_of('a', 1 + i);
        blocks[i].size_bytes = PERSIST_RUN_BYTES_MAX / 2;
    }
    step(s, (struct persist_event){.kind = PERSIST_ARRIVED, .blocks = blocks, .block_count = 4});
    happens(s, PERSIST_WRITTEN);
    expect(s, "open\nack 0\nask 1\nwrite 1..2\nask 5\npublish 1\npublish 2\nack 2\nwrite 3..4\n");
}

/* The queue is full, and the first of it is being written. */
static void fill(struct story *s)
{
    tick(s, 0);
    opens_at(s, 'a', 0);
    arrive(s, 'a', 1, 1);
    for (uint64_t next = 2; next <= PERSIST_QUEUE_BLOCKS_MAX; next++)
        arrive(s, 'a', next, 1);
    assert_int_equal(s->core.queue_count, PERSIST_QUEUE_BLOCKS_MAX);
    s->told[0] = '\0';
}

static void a_run_is_bounded_by_blocks(void **state)
{
    struct story *s = *state;
    fill(s);
    happens(s, PERSIST_WRITTEN);
    assert_int_equal(s->core.run_count, PERSIST_RUN_BLOCKS_MAX);
}

static void what_does_not_fit_is_dropped_and_asked_for_later(void **state)
{
    struct story *s = *state;
    fill(s);
    arrive(s, 'a', PERSIST_QUEUE_BLOCKS_MAX + 1, 1);
    expect(s, "drop 129\n");
    happens(s, PERSIST_WRITTEN);
    s->told[0] = '\0';
    happens(s, PERSIST_WRITTEN);
    assert_non_null(strstr(s->told, "ask 129\n"));
}

static void a_full_queue_asks_for_nothing(void **state)
{
    struct story *s = *state;
    tick(s, 0);
    opens_at(s, 'a', 0);
    uint64_t next = 1;
    for (; next + 31 <= PERSIST_QUEUE_BLOCKS_MAX; next += 32)
        arrive(s, 'a', next, 32);
    s->told[0] = '\0';
    tick(s, 10 * PERSIST_ASK_AGAIN_MS);
    expect(s, "");
    assert_int_equal(s->core.queue_count, PERSIST_QUEUE_BLOCKS_MAX);
}

static void too_many_bytes_stop_the_questions(void **state)
{
    struct story *s = *state;
    tick(s, 0);
    opens_at(s, 'a', 0);
    struct persist_block block = block_of('a', 1);
    block.size_bytes = PERSIST_QUEUE_BYTES_MAX;
    step(s, (struct persist_event){.kind = PERSIST_ARRIVED, .blocks = &block, .block_count = 1});
    expect(s, "open\nack 0\nask 1\nwrite 1..1\n");
    happens(s, PERSIST_WRITTEN);
    expect(s, "publish 1\nack 1\nask 2\n");
}

/* --- re-delivery and conflicts ------------------------------------------------------------------------------------ */

static void what_is_there_already_is_dropped(void **state)
{
    struct story *s = *state;
    tick(s, 0);
    opens_at(s, 'a', 4);
    s->told[0] = '\0';
    arrive(s, 'a', 3, 3);
    expect(s, "drop 3\ndrop 4\nwrite 5..5\nask 6\n");
    arrive(s, 'a', 4, 2);
    expect(s, "drop 4\ndrop 5\n");
}

static void a_gap_is_dropped(void **state)
{
    struct story *s = *state;
    tick(s, 0);
    opens_at(s, 'a', 4);
    s->told[0] = '\0';
    arrive(s, 'a', 6, 1);
    expect(s, "drop 6\n");
}

static void another_block_at_the_tip_is_a_conflict(void **state)
{
    struct story *s = *state;
    tick(s, 0);
    opens_at(s, 'a', 4);
    s->told[0] = '\0';
    arrive(s, 'b', 4, 1);
    expect(s, "drop 4\nconflict 4\n");
    arrive(s, 'a', 5, 1);
    tick(s, 10000);
    expect(s, "drop 5\n");
}

static void a_child_of_another_block_is_a_conflict(void **state)
{
    struct story *s = *state;
    tick(s, 0);
    opens_at(s, 'a', 4);
    s->told[0] = '\0';
    arrive(s, 'b', 5, 2);
    expect(s, "drop 5\nconflict 5\ndrop 6\n");
}

static void another_block_than_one_that_waits_is_a_conflict(void **state)
{
    struct story *s = *state;
    tick(s, 0);
    opens_at(s, 'a', 4);
    arrive(s, 'a', 5, 3);
    s->told[0] = '\0';
    arrive(s, 'b', 6, 1);
    expect(s, "drop 6\nconflict 6\n");
}

static void another_genesis_is_a_conflict(void **state)
{
    struct story *s = *state;
    tick(s, 0);
    opens_empty(s);
    s->told[0] = '\0';
    struct persist_block block = block_of('a', 0);
    block.parent_id = id_of('a', 9);
    step(s, (struct persist_event){.kind = PERSIST_ARRIVED, .blocks = &block, .block_count = 1});
    expect(s, "drop 0\nconflict 0\n");
}

/* --- trouble with the database ------------------------------------------------------------------------------------ */

static void a_database_that_is_away_is_tried_ever_less_often(void **state)
{
    struct story *s = *state;
    uint64_t waited_max = 0;
    tick(s, 0);
    for (int i = 0; i < 12; i++) {
        expect(s, "open\n");
        happens(s, PERSIST_AWAY);
        expect(s, "");
        uint64_t start = s->now_ms;
        while (s->told[0] == '\0')
            tick(s, 10);
        waited_max = s->now_ms - start > waited_max ? s->now_ms - start : waited_max;
        assert_in_range(s->now_ms - start, PERSIST_OPEN_MS_MIN / 2, PERSIST_OPEN_MS_MAX + 10);
    }
    assert_true(waited_max > PERSIST_OPEN_MS_MAX / 2);
}

static void a_retry_writes_the_same_run_after_a_while(void **state)
{
    struct story *s = *state;
    tick(s, 0);
    opens_at(s, 'a', 0);
    arrive(s, 'a', 1, 1);
    arrive(s, 'a', 2, 1);
    s->told[0] = '\0';
    happens(s, PERSIST_RETRIED);
    expect(s, "");
    tick(s, PERSIST_RETRY_MS_MIN);
    expect(s, "write 1..1\n");
    happens(s, PERSIST_WRITTEN);
    expect(s, "publish 1\nack 1\nwrite 2..2\n");
}

static void lost_at_commit_and_there(void **state)
{
    struct story *s = *state;
    tick(s, 0);
    opens_at(s, 'a', 0);
    arrive(s, 'a', 1, 3);
    s->told[0] = '\0';
    happens(s, PERSIST_UNKNOWN);
    tick(s, 100);
    expect(s, "open\n");
    opens_at(s, 'a', 3);
    expect(s, "publish 1\npublish 2\npublish 3\nack 3\n");
}

static void lost_at_commit_and_not_there(void **state)
{
    struct story *s = *state;
    tick(s, 0);
    opens_at(s, 'a', 0);
    arrive(s, 'a', 1, 3);
    s->told[0] = '\0';
    happens(s, PERSIST_UNKNOWN);
    tick(s, 100);
    opens_at(s, 'a', 0);
    expect(s, "open\nack 0\nwrite 1..3\n");
}

static void lost_at_commit_and_another_block_is_there(void **state)
{
    struct story *s = *state;
    tick(s, 0);
    opens_at(s, 'a', 0);
    arrive(s, 'a', 1, 3);
    s->told[0] = '\0';
    happens(s, PERSIST_UNKNOWN);
    tick(s, 100);
    opens_at(s, 'b', 3);
    expect(s, "open\nconflict 3\n");
}

static void a_tip_that_was_replaced_under_the_queue_is_a_conflict(void **state)
{
    struct story *s = *state;
    tick(s, 0);
    opens_at(s, 'a', 3);
    arrive(s, 'a', 4, 1);
    s->told[0] = '\0';
    happens(s, PERSIST_UNKNOWN);
    tick(s, 100);
    opens_at(s, 'b', 3);
    expect(s, "open\nconflict 4\n");
}

static void a_database_that_went_ahead_is_followed(void **state)
{
    struct story *s = *state;
    tick(s, 0);
    opens_at(s, 'a', 0);
    arrive(s, 'a', 1, 2);
    s->told[0] = '\0';
    happens(s, PERSIST_UNKNOWN);
    tick(s, 100);
    opens_at(s, 'a', 9);
    expect(s, "open\ndrop 1\ndrop 2\nack 9\nask 10\n");
}

static void a_database_that_was_set_back_is_filled_again(void **state)
{
    struct story *s = *state;
    tick(s, 0);
    opens_at(s, 'a', 5);
    arrive(s, 'a', 6, 2);
    s->told[0] = '\0';
    happens(s, PERSIST_UNKNOWN);
    tick(s, 100);
    opens_at(s, 'a', 2);
    expect(s, "open\ndrop 6\ndrop 7\nack 2\nask 3\n");
}

static void blocks_that_arrive_while_the_database_is_away_wait(void **state)
{
    struct story *s = *state;
    tick(s, 0);
    opens_at(s, 'a', 0);
    arrive(s, 'a', 1, 1);
    happens(s, PERSIST_UNKNOWN);
    s->told[0] = '\0';
    arrive(s, 'a', 2, 1);
    expect(s, "ask 3\n");
    tick(s, 100);
    opens_at(s, 'a', 1);
    expect(s, "open\npublish 1\nack 1\nwrite 2..2\n");
}

static void writes_that_fail_again_and_again_are_spaced_out(void **state)
{
    struct story *s = *state;
    tick(s, 0);
    opens_at(s, 'a', 0);
    arrive(s, 'a', 1, 1);
    uint64_t start = s->now_ms;
    for (int i = 0; i < 20; i++) {
        happens(s, PERSIST_UNKNOWN);
        while (s->core.state != PERSIST_OPENING)
            tick(s, 5);
        opens_at(s, 'a', 0);
    }
    assert_true(s->now_ms - start > 20000);
}

static void outcomes_that_cannot_be_written_are_asked_for_again_later(void **state)
{
    struct story *s = *state;
    tick(s, 0);
    opens_at(s, 'a', 0);
    arrive(s, 'a', 1, 2);
    s->told[0] = '\0';
    happens(s, PERSIST_BAD);
    expect(s, "drop 1\ndrop 2\n");
    tick(s, PERSIST_BAD_MS - 1);
    expect(s, "");
    tick(s, 1);
    expect(s, "ask 1\n");
}

static void nothing_is_taken_before_the_database_was_seen(void **state)
{
    struct story *s = *state;
    tick(s, 0);
    s->told[0] = '\0';
    arrive(s, 'a', 0, 1);
    expect(s, "drop 0\n");
}

#define STORY(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORY(an_empty_database_begins_with_genesis),
        STORY(it_goes_on_from_the_databases_height),
        STORY(a_question_without_an_answer_is_repeated),
        STORY(what_arrives_while_a_run_is_written_is_the_next_run),
        STORY(a_run_is_bounded_by_transactions),
        STORY(a_run_is_bounded_by_bytes),
        STORY(a_run_is_bounded_by_blocks),
        STORY(what_does_not_fit_is_dropped_and_asked_for_later),
        STORY(a_full_queue_asks_for_nothing),
        STORY(too_many_bytes_stop_the_questions),
        STORY(what_is_there_already_is_dropped),
        STORY(a_gap_is_dropped),
        STORY(another_block_at_the_tip_is_a_conflict),
        STORY(a_child_of_another_block_is_a_conflict),
        STORY(another_block_than_one_that_waits_is_a_conflict),
        STORY(another_genesis_is_a_conflict),
        STORY(a_database_that_is_away_is_tried_ever_less_often),
        STORY(a_retry_writes_the_same_run_after_a_while),
        STORY(lost_at_commit_and_there),
        STORY(lost_at_commit_and_not_there),
        STORY(lost_at_commit_and_another_block_is_there),
        STORY(a_tip_that_was_replaced_under_the_queue_is_a_conflict),
        STORY(a_database_that_went_ahead_is_followed),
        STORY(a_database_that_was_set_back_is_filled_again),
        STORY(blocks_that_arrive_while_the_database_is_away_wait),
        STORY(writes_that_fail_again_and_again_are_spaced_out),
        STORY(outcomes_that_cannot_be_written_are_asked_for_again_later),
        STORY(nothing_is_taken_before_the_database_was_seen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
