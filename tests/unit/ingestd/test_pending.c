/* pending.c as stories: each is a script with a clock, and what it must say. Transactions are letters, records numbers.
 *
 *   add R X        record R holds transaction X, of 100 bytes       drop R    its record is gone
 *   send           what is to be submitted now                      unsent    ... it could not be
 *   say V..        verdicts for the last batch: p pooled, d duplicate, f full, r rate, b bad
 *   credit N       free for N transactions (of 100 bytes each)      epoch N   mempoold is another one
 *   ask            what is to be looked up                          told      the answer, after what it found was taken
 *   take X         its records                                      doubt X   mempoold says it is committed
 *   wait N         milliseconds pass                                how       the counts
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
#include "services/ingestd/pending.h"

enum { CAPACITY = 16, TRACE_BYTES = 4096, BODY_BYTES = 100 };

struct story {
    struct pending *pending;
    uint64_t now_ms;
    uint64_t epoch;
    uint64_t request;
    struct pending_batch batch;
    char of_record[CAPACITY]; /* its transaction */
    char trace[TRACE_BYTES];
};

static void say(struct story *story, const char *text)
{
    size_t used = strlen(story->trace);
    assert_true(used + strlen(text) + 2 < TRACE_BYTES);
    snprintf(story->trace + used, TRACE_BYTES - used, "%s%s", used ? "; " : "", text);
}

static struct hash id_of(char letter)
{
    return (struct hash){{(uint8_t)letter}};
}

static void do_send(struct story *story)
{
    char text[CAPACITY + 8] = "send ";
    pending_submit(story->pending, story->now_ms, &story->batch);
    for (uint32_t i = 0; i < story->batch.count; i++)
        text[5 + i] = story->of_record[story->batch.records[i]];
    say(story, story->batch.count ? text : "nothing to send");
}

static enum pending_verdict verdict_of(char letter)
{
    switch (letter) {
    case 'p':
        return PENDING_POOLED;
    case 'd':
        return PENDING_DUPLICATE;
    case 'f':
        return PENDING_FULL;
    case 'r':
        return PENDING_RATE;
    default:
        return PENDING_BAD;
    }
}

static void tell_verdicts(struct story *story, uint64_t batch, const char *letters, uint32_t credit)
{
    enum pending_verdict values[PENDING_BATCH_COUNT_MAX];
    struct hash bad[PENDING_BATCH_COUNT_MAX];
    size_t count = strlen(letters);
    for (size_t i = 0; i < count; i++)
        values[i] = verdict_of(letters[i]);
    int rc = pending_verdicts(story->pending, story->now_ms,
                              &(struct pending_verdicts){.batch = batch,
                                                         .verdicts = values,
                                                         .count = count,
                                                         .free_txs = credit,
                                                         .free_bytes = (uint64_t)credit * BODY_BYTES,
                                                         .epoch = story->epoch},
                              bad);
    char text[CAPACITY + 8] = "bad ";
    for (int i = 0; i < rc; i++)
        text[4 + i] = (char)bad[i].bytes[0];
    if (rc != 0)
        say(story, rc == ERR_MALFORMED ? "malformed" : text);
}

static void do_ask(struct story *story)
{
    static struct hash ids[PENDING_LOOKUP_COUNT_MAX];
    char text[CAPACITY + 8] = "ask ";
    size_t count = pending_lookup(story->pending, story->now_ms, ids, &story->request);
    for (size_t i = 0; i < count; i++)
        text[4 + i] = (char)ids[i].bytes[0];
    say(story, count ? text : "nothing to ask");
}

static void do_take(struct story *story, char letter)
{
    struct hash id = id_of(letter);
    char text[64] = "take";
    for (uint32_t record = pending_take(story->pending, &id); record != PENDING_NONE;
         record = pending_take(story->pending, &id))
        snprintf(text + strlen(text), sizeof text - strlen(text), " %u", record);
    say(story, text);
}

static void do_how(struct story *story)
{
    struct pending_usage usage = pending_usage(story->pending);
    char text[64];
    snprintf(text, sizeof text, "%u: %u queued %u sent %u waiting", usage.tx_count, usage.queued, usage.sent,
             usage.waiting);
    say(story, text);
}

static void do_add(struct story *story, uint32_t record, char letter)
{
    struct hash id = id_of(letter);
    story->of_record[record] = letter;
    assert_int_equal(pending_add(story->pending, record, &id, BODY_BYTES), 0);
}

static void do_line(struct story *story, char *line)
{
    char *rest = NULL;
    const char *verb = strtok_r(line, " ", &rest);
    const char *first = strtok_r(NULL, " ", &rest);
    const char *second = first ? strtok_r(NULL, " ", &rest) : NULL;
    uint32_t number = first ? (uint32_t)strtoul(first, NULL, 10) : 0;
    struct hash id = id_of(first ? first[0] : 0);
    if (strcmp(verb, "add") == 0)
        do_add(story, number, second[0]);
    else if (strcmp(verb, "drop") == 0)
        pending_remove(story->pending, number);
    else if (strcmp(verb, "send") == 0)
        do_send(story);
    else if (strcmp(verb, "unsent") == 0)
        pending_unsent(story->pending);
    else if (strcmp(verb, "say") == 0)
        tell_verdicts(story, story->batch.batch, first, CAPACITY);
    else if (strcmp(verb, "credit") == 0)
        tell_verdicts(story, 0, "", number);
    else if (strcmp(verb, "epoch") == 0)
        story->epoch = number;
    else if (strcmp(verb, "ask") == 0)
        do_ask(story);
    else if (strcmp(verb, "told") == 0)
        pending_looked_up(story->pending, story->request);
    else if (strcmp(verb, "take") == 0)
        do_take(story, first[0]);
    else if (strcmp(verb, "doubt") == 0)
        pending_doubt(story->pending, &id);
    else if (strcmp(verb, "how") == 0)
        do_how(story);
    else if (strcmp(verb, "wait") == 0)
        pending_tick(story->pending, story->now_ms += number);
    else
        fail_msg("what is %s?", verb);
}

static void tell(const char *script, const char *expected)
{
    struct story story = {.now_ms = 10000, .epoch = 1};
    assert_int_equal(pending_new(&story.pending, CAPACITY, 1), 0);
    char text[1024], *rest = NULL;
    snprintf(text, sizeof text, "%s", script);
    for (char *line = strtok_r(text, ",", &rest); line; line = strtok_r(NULL, ",", &rest))
        do_line(&story, line + strspn(line, " "));
    assert_string_equal(story.trace, expected);
    pending_destroy(&story.pending);
}

static void without_credit_nothing_is_sent(void **state)
{
    tell("add 0 A, send, credit 0, send, credit 1, send", "nothing to send; nothing to send; send A");
}

static void as_much_is_sent_as_credit_allows_in_order_of_arrival(void **state)
{
    tell("add 0 A, add 1 B, add 2 C, credit 2, send, say pp, send, how",
         "send AB; send C; 3: 0 queued 1 sent 2 waiting");
}

static void one_batch_is_on_its_way_at_a_time(void **state)
{
    tell("credit 9, add 0 A, send, add 1 B, send, credit 9, send, say p, send",
         "send A; nothing to send; nothing to send; send B");
}

static void a_transaction_of_two_records_is_sent_once(void **state)
{
    tell("credit 9, add 0 A, add 1 A, send, say p, how, take A, how",
         "send A; 1: 0 queued 0 sent 1 waiting; take 1 0; 0: 0 queued 0 sent 0 waiting");
}

static void a_transaction_goes_with_its_last_record(void **state)
{
    tell("add 0 A, add 1 A, add 2 A, drop 1, how, drop 0, drop 2, how, credit 9, send, take A",
         "1: 1 queued 0 sent 0 waiting; 0: 0 queued 0 sent 0 waiting; nothing to send; take");
}

static void what_could_not_be_sent_is_sent_first_when_there_is_credit_again(void **state)
{
    tell("credit 9, add 0 A, add 1 B, send, add 2 C, unsent, send, credit 9, send",
         "send AB; nothing to send; send ABC");
}

static void a_batch_without_an_answer_is_sent_again(void **state)
{
    tell("credit 9, add 0 A, send, wait 999, credit 9, send, wait 1, send, credit 9, send",
         "send A; nothing to send; nothing to send; send A");
}

static void full_means_at_once_in_the_old_order_but_after_another_word(void **state)
{
    tell("credit 9, add 0 A, add 1 B, add 2 C, send, add 3 D, say pff, send, credit 9, send",
         "send ABC; nothing to send; send BCD");
}

static void rate_means_a_little_later(void **state)
{
    tell("credit 9, add 0 A, add 1 B, send, say rd, how, send, wait 99, send, wait 1, send",
         "send AB; 2: 1 queued 0 sent 1 waiting; nothing to send; nothing to send; send A");
}

static void bad_ones_are_named_and_stay_until_they_are_taken(void **state)
{
    tell("credit 9, add 0 A, add 1 B, add 2 B, send, say pb, take B, how",
         "send AB; bad B; take 2 1; 1: 0 queued 0 sent 1 waiting");
}

static void an_answer_must_fit_its_batch(void **state)
{
    tell("credit 9, add 0 A, add 1 B, send, say p, how, say ppp, say pp, how, say pp",
         "send AB; malformed; 2: 0 queued 2 sent 0 waiting; malformed; 2: 0 queued 0 sent 2 waiting");
}

static void what_goes_while_it_is_sent_is_left_out_of_the_answer(void **state)
{
    tell("credit 9, add 0 A, add 1 B, add 2 C, send, take B, add 3 D, say pff, how, credit 9, send",
         "send ABC; take 1; 3: 2 queued 0 sent 1 waiting; send CD");
}

static void another_epoch_queues_everything_again(void **state)
{
    tell("credit 9, add 0 A, add 1 B, add 2 C, send, say ppr, epoch 2, credit 9, how, send",
         "send ABC; 3: 3 queued 0 sent 0 waiting; send ABC");
}

static void another_epoch_with_the_verdicts_keeps_what_they_are_about(void **state)
{
    tell("credit 9, add 0 A, send, say p, add 1 B, send, epoch 2, say p, how, send",
         "send A; send B; 2: 1 queued 0 sent 1 waiting; send A");
}

static void after_two_seconds_persistd_is_asked_and_what_it_does_not_know_is_sent_again(void **state)
{
    tell("credit 9, add 0 A, add 1 B, send, say pp, wait 1999, ask, wait 1, ask, how, take A, told, how, send",
         "send AB; nothing to ask; ask AB; 2: 0 queued 0 sent 2 waiting; take 0; 1: 1 queued 0 sent 0 waiting; send B");
}

static void one_question_at_a_time_and_not_more_often_than_every_half_second(void **state)
{
    tell("credit 9, add 0 A, send, say p, wait 2000, add 1 B, send, say p, ask, wait 2000, ask, told, ask, wait 499, "
         "ask, "
         "doubt A, ask",
         "send A; send B; ask A; nothing to ask; ask B; nothing to ask; nothing to ask");
}

static void a_question_without_an_answer_is_asked_again(void **state)
{
    tell("credit 9, add 0 A, send, say p, wait 2000, ask, wait 4999, ask, wait 1, ask, told, how",
         "send A; ask A; nothing to ask; ask A; 1: 1 queued 0 sent 0 waiting");
}

static void what_mempoold_calls_committed_is_asked_about_at_once(void **state)
{
    tell("credit 9, add 0 A, add 1 B, send, say pp, doubt B, ask, doubt X, how",
         "send AB; ask B; 2: 0 queued 0 sent 2 waiting");
}

static void a_batch_has_at_most_512_transactions_and_4_mib(void **state)
{
    static const struct {
        uint32_t body_bytes;
        uint32_t count;
    } cases[] = {{100, PENDING_BATCH_COUNT_MAX}, {1 << 20, 4}, {(1 << 20) + 1, 3}, {5 << 20, 1}};
    for (size_t i = 0; i < 4; i++) {
        struct pending *pending;
        struct pending_batch batch;
        struct hash bad[1];
        assert_int_equal(pending_new(&pending, 600, 1), 0);
        for (uint32_t r = 0; r < 600; r++)
            assert_int_equal(
                pending_add(pending, r, &(struct hash){{(uint8_t)r, (uint8_t)(r >> 8), 1}}, cases[i].body_bytes), 0);
        struct pending_verdicts credit = {.free_txs = 1000, .free_bytes = UINT64_MAX};
        assert_int_equal(pending_verdicts(pending, 0, &credit, bad), 0);
        pending_submit(pending, 0, &batch);
        assert_int_equal(batch.count, cases[i].count);
        pending_destroy(&pending);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_credit_nothing_is_sent),
        cmocka_unit_test(as_much_is_sent_as_credit_allows_in_order_of_arrival),
        cmocka_unit_test(one_batch_is_on_its_way_at_a_time),
        cmocka_unit_test(a_transaction_of_two_records_is_sent_once),
        cmocka_unit_test(a_transaction_goes_with_its_last_record),
        cmocka_unit_test(what_could_not_be_sent_is_sent_first_when_there_is_credit_again),
        cmocka_unit_test(a_batch_without_an_answer_is_sent_again),
        cmocka_unit_test(full_means_at_once_in_the_old_order_but_after_another_word),
        cmocka_unit_test(rate_means_a_little_later),
        cmocka_unit_test(bad_ones_are_named_and_stay_until_they_are_taken),
        cmocka_unit_test(an_answer_must_fit_its_batch),
        cmocka_unit_test(what_goes_while_it_is_sent_is_left_out_of_the_answer),
        cmocka_unit_test(another_epoch_queues_everything_again),
        cmocka_unit_test(another_epoch_with_the_verdicts_keeps_what_they_are_about),
        cmocka_unit_test(after_two_seconds_persistd_is_asked_and_what_it_does_not_know_is_sent_again),
        cmocka_unit_test(one_question_at_a_time_and_not_more_often_than_every_half_second),
        cmocka_unit_test(a_question_without_an_answer_is_asked_again),
        cmocka_unit_test(what_mempoold_calls_committed_is_asked_about_at_once),
        cmocka_unit_test(a_batch_has_at_most_512_transactions_and_4_mib),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
