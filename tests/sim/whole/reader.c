/* reader.c - the questions: a table of all of a run, and the times at which they are asked. */
#include "tests/sim/whole/reader.h"

#include <stdio.h>

#include "common/base/hex.h"
#include "services/apid/query_client.h"

enum {
    QUESTIONS_MAX = 1 << 14,
    PAUSE_MS_MAX = 300,
    FLOOD = QUERY_CLIENT_WAITING_MAX + 50, /* questions in .. */
    ALL_ROUNDS = 3,
    TRIES = 8,
    HEIGHTS_BACK = 25, /* executord keeps the state of 20 */
    /* Of an answer: what apid waits for executord, its clock that drifts, and the look after it. */
    ANSWER_MS_MAX = QUERY_CLIENT_WAIT_MS + 200,
};

static struct {
    struct question *questions;
    uint64_t count;
} reader;

/* --- questions ---------------------------------------------------------------------------------------------------- */

static void overdue(void *thing, uint64_t number)
{
    const struct question *question = &reader.questions[number];
    if (question->open)
        violate("v%" PRIu32 ".apid does not answer question %" PRIu64 " (kind %d)", question->validator, number,
                (int)question->kind);
}

static const char *write_uri(char uri[static 128], const struct question *question)
{
    char hex[2 * HASH_BYTES + 1];
    hex_encode(hex, question->tx_id.bytes, HASH_BYTES);
    switch (question->kind) {
    case QUESTION_STATE:
        snprintf(uri, 128, "/api/v1/state/anomaly%%2F%s", question->id[0] ? question->id : "none");
        break;
    case QUESTION_BLOCK:
        snprintf(uri, 128, "/api/v1/blocks/%" PRIu64, question->height);
        break;
    case QUESTION_BLOCK_LATEST:
        snprintf(uri, 128, "/api/v1/blocks/latest");
        break;
    case QUESTION_STATE_ROOT:
        snprintf(uri, 128, "/api/v1/state/root");
        break;
    case QUESTION_TRANSACTION:
        snprintf(uri, 128, "/api/v1/transactions/%s", hex);
        break;
    case QUESTION_TRANSACTION_PROOF:
        snprintf(uri, 128, "/api/v1/transactions/%s/proof", hex);
        break;
    case QUESTION_KINDS:
        abort();
    }
    return uri;
}

static void ask(struct process *apid, const struct question *question, uint64_t delay_us)
{
    if (!process_is_up(apid) || world_is_liar(apid->validator) || reader.count == QUESTIONS_MAX)
        return;
    uint64_t number = reader.count++;
    struct question *asked = &reader.questions[number];
    *asked = *question;
    asked->validator = apid->validator;
    asked->open = true;
    asked->executord_height = judge_executord_height(apid->validator);
    char uri[128], query[64] = "";
    if (question->kind == QUESTION_STATE && question->at_height)
        snprintf(query, sizeof query, "proof=true&height=%" PRIu64, question->height);
    else if (question->kind == QUESTION_STATE)
        snprintf(query, sizeof query, "proof=true");
    write_uri(uri, question);
    if (world.trace)
        trace_line("v%" PRIu32 ".apid is asked %" PRIu64 ": %s?%s", apid->validator, number, uri, query);
    apid_http_get(apid, number, delay_us, uri, query);
    world_at(&(struct world_event){
        .at_us = world.now_us + delay_us + ANSWER_MS_MAX * WORLD_MS, .run = overdue, .number = number});
}

static void close_question(uint64_t number)
{
    if (!reader.questions[number].open)
        violate("question %" PRIu64 " is answered twice", number);
    reader.questions[number].open = false;
}

void reader_answered(uint64_t number, int status, const json_t *body)
{
    world_mark(number << 10 | (uint64_t)status);
    if (world.trace)
        trace_line("question %" PRIu64 " is answered: %d", number, status);
    close_question(number);
    judge_answer(&reader.questions[number], status, body);
}

void reader_lost(uint64_t number)
{
    if (world.trace)
        trace_line("question %" PRIu64 " is lost", number);
    close_question(number);
}

/* --- what is asked ------------------------------------------------------------------------------------------------ */

/* A record of chance that may be in the ledger; for a state one that reports an anomaly, when some tries find one. */
static void choose_record(struct question *question)
{
    for (int tries = 0; tries < TRIES; tries++) {
        const struct judge_record *record = judge_record_at(world_below(judge_record_count()));
        if (!record)
            return;
        question->tx_id = record->tx_id;
        memcpy(question->id, record->anomaly, sizeof question->id);
        if (question->kind != QUESTION_STATE || question->id[0] != '\0')
            return;
    }
}

static struct question any_question(enum question_kind kind)
{
    struct question question = {.kind = kind};
    question.at_height = kind == QUESTION_STATE && world_below(2) == 0;
    uint64_t end = judge_height_max() + 3; /* two more than are there */
    question.height = end - 1 - world_below(end < HEIGHTS_BACK ? end : HEIGHTS_BACK);
    if (kind != QUESTION_STATE || world_below(4) > 0)
        choose_record(&question);
    return question;
}

static struct process *any_apid(void)
{
    return &world.validators[world_below(world.n)].stages[STAGE_APID];
}

static void ask_now_and_then(void *thing, uint64_t number)
{
    struct question question = any_question((enum question_kind)world_below(QUESTION_KINDS));
    ask(any_apid(), &question, 1);
    world_at(&(struct world_event){.at_us = world.now_us + (1 + world_below(PAUSE_MS_MAX)) * WORLD_MS,
                                   .run = ask_now_and_then});
}

void reader_flood(struct process *apid)
{
    for (int i = 0; i < FLOOD; i++) {
        struct question question = any_question(QUESTION_STATE);
        ask(apid, &question, 1 + world_below(READER_FLOOD_MS * WORLD_MS));
    }
}

static void ask_all_of(uint32_t validator)
{
    struct process *apid = &world.validators[validator].stages[STAGE_APID];
    for (int kind = 0; kind < QUESTION_KINDS * ALL_ROUNDS; kind++) {
        struct question question = any_question((enum question_kind)(kind % QUESTION_KINDS));
        question.must = true;
        question.at_height = false;
        question.height = world_below((uint64_t)base_height(world.validators[validator].base) + 1);
        bool of_tx = question.kind == QUESTION_TRANSACTION || question.kind == QUESTION_TRANSACTION_PROOF;
        if (!of_tx || base_has_tx(world.validators[validator].base, &question.tx_id))
            ask(apid, &question, 1);
    }
}

void reader_ask_all(void)
{
    for (uint32_t i = 0; i < world.n; i++) {
        if (judge_is_whole(i))
            ask_all_of(i);
    }
    world_run((ANSWER_MS_MAX + 1) * WORLD_MS);
}

void reader_begin(void)
{
    reader.questions = must(calloc(QUESTIONS_MAX, sizeof *reader.questions));
    reader.count = 0;
    ask_now_and_then(NULL, 0);
}

void reader_end(void)
{
    free(reader.questions);
    reader.questions = NULL;
}
