/* story.h - apid as a program, between a PostgreSQL of the test's own that persistd's code filled, an executord that
 * the test plays, and a reader over TCP.
 */
#pragma once

#include "tests/unit/base/vectors.h"
#include "tests/unit/persistd/chain.h"
#include "tests/unit/persistd/server.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/edge/bus.h"

enum { WAIT_MS_MAX = 20000, VALUE_BYTES = 200, ANSWER_BYTES_MAX = 1 << 16, BLOCK_TXS = 5, LAST = 3 };

struct story {
    struct server server;
    char directory[32];
    char dsn[160];
    struct chain chain;
    struct blob proof; /* of every block but the first */
    json_t *proof_json;
    pid_t pid;
    uint16_t port;
    struct bus *bus;
    struct bus_socket *executord;
    bool is_mute;
    uint64_t asked_count;
    char asked_key[VALUE_BYTES];
};

/* For a group of tests; argv[1] is the program. Blocks up to LAST are in the database, each with BLOCK_TXS anomalies:
 * a-0.., b-0.., c-0... */
extern const char *story_program;
int story_begin(void **state);
int story_end(void **state);

/* The story; skips the test when the server's programs are not installed. */
struct story *story_given(void **state);

/* Fill the (empty) database. */
void story_fill(struct story *s);

struct story_answer {
    int status;
    char text[ANSWER_BYTES_MAX]; /* head and body */
    const char *body;
};

/* The last answer. */
extern struct story_answer story_answer;

/* Send these bytes, read until the program closes. Meanwhile the executord answers. */
void story_talk(struct story *s, const char *bytes);

/* GET below /api/v1/. Returns the status. */
int story_ask(struct story *s, const char *path);

/* The document there, which the caller ends; the status must be 200. */
json_t *story_get(struct story *s, const char *path);

/* Ask until the answer has this status. */
void story_wait(struct story *s, const char *path, int status);

/* The last answer is a problem document of this status and code. */
void story_problem(int status, const char *code);
