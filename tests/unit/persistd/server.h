/* server.h - a PostgreSQL of the test's own, below /tmp, on a socket there; and a connection that can be cut.
 *
 * fsync is off: nothing here has to survive the machine.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdatomic.h>
#include <sys/types.h>

struct server {
    char directory[32];
    char programs[64];
    pid_t pid; /* 0: none: its programs are not installed */
    char dsn[128];
};

/* Start it and wait until it answers; and its end. */
void server_start(struct server *self);
void server_stop(struct server *self);

/* An empty database of this name, made anew; dsn has room for 160 bytes. */
void server_database(const struct server *self, const char *name, char *dsn);

/* Run SQL in a connection of its own; the second returns the one number that it gives. */
void server_run(const char *dsn, const char *sql);
int64_t server_number(const char *dsn, const char *sql);

/* --- a connection that can be cut --------------------------------------------------------------------------------- */

enum cut {
    CUT_NONE,
    CUT_REQUEST, /* at the next bytes from the client: the server gets none of them */
    CUT_ANSWER,  /* when the server says COMMIT: the client gets nothing of it */
};

struct proxy {
    char directory[64];
    char target[108];
    int listener;
    atomic_int cut;
    atomic_int cut_count; /* how often it happened */
    atomic_bool stopping;
    pthread_t thread;
};

/* dsn: to the same database of the server, through the proxy; room for 160 bytes. */
void proxy_start(struct proxy *self, const struct server *server, const char *database, char *dsn);
void proxy_stop(struct proxy *self);
