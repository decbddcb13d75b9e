/* reader.h - one who asks the apids of all validators, at times of chance: what was asked, and what came of it. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/base/hash.h"
#include "common/edge/json.h"
#include "tests/sim/whole/world.h"

enum question_kind {
    QUESTION_STATE, /* of an anomaly, or of a key that nobody uses; with proof */
    QUESTION_BLOCK,
    QUESTION_BLOCK_LATEST,
    QUESTION_STATE_ROOT,
    QUESTION_TRANSACTION,
    QUESTION_TRANSACTION_PROOF,
    QUESTION_KINDS
};

struct question {
    enum question_kind kind;
    uint32_t validator;
    char id[64];     /* STATE: of the anomaly; "": the key that nobody uses */
    bool at_height;  /* STATE */
    uint64_t height; /* BLOCK; STATE with at_height */
    struct hash tx_id;
    bool must;                 /* nothing is broken, and what it asks for is there */
    bool open;                 /* without an answer */
    uint64_t executord_height; /* when it was asked */
};

void reader_begin(void);
void reader_end(void);
/* In a moment more than there are places in apid's table. */
enum { READER_FLOOD_MS = 100 };
void reader_flood(struct process *apid);
/* Everything works: ask everything of every apid that is up, and wait for the answers. */
void reader_ask_all(void);

/* apid_http.c: a request comes to the process after this time. Its end is told once, to one of these two. */
void apid_http_get(struct process *process, uint64_t number, uint64_t delay_us, const char *uri, const char *query);
/* body: NULL unless the status is 200. */
void reader_answered(uint64_t number, int status, const json_t *body);
/* The connection ended without an answer. */
void reader_lost(uint64_t number);

/* judge_answers.c */
void judge_answer(const struct question *question, int status, const json_t *body);
/* So many questions wait for executord in apid. */
void judge_waiting(const struct process *apid, uint32_t count);
/* A question was given up after this time with so many waiting. */
void judge_given_up(const struct process *apid, int rc, uint64_t waited_us, uint32_t waiting_count);
