/* pg.h - one connection to PostgreSQL or CockroachDB. The adapter of libpq.
 *
 *   static const struct pg_statement insert_block = {.name = "insert_block", .sql = "INSERT ... VALUES ($1, $2)"};
 *   struct pg_params params;
 *   pg_params_init(&params);
 *   pg_param_int8(&params, height);
 *   pg_param_bytea(&params, header);
 *   rc = pg_pipeline_begin(pg);
 *   if (rc == 0)
 *       rc = pg_pipeline_add(pg, &insert_block, &params);
 *   ...
 *   rc = pg_pipeline_commit(pg);
 *
 * Not pure: sockets, the log. Every call waits for the server, reply_timeout_ms at most.
 * Ownership: results belong to the caller or to the connection, as said below. Parameters are borrowed for the call.
 * Threads:   one owner per connection; a thread has its own.
 *
 * A connection that broke (ERR_PEER_GONE, PG_UNKNOWN, pg_is_lost()) is good for pg_destroy() only: connect anew.
 * Failures are logged with statement name, SQLSTATE and constraint, never with a value.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/attr.h"
#include "common/base/span.h"

enum {
    PG_PARAM_COUNT_MAX = 48,
    PG_STATEMENT_COUNT_MAX = 128,          /* prepared ones of a connection */
    PG_PIPELINE_STATEMENT_COUNT_MAX = 256, /* of one transaction */
    PG_ARRAY_BYTES_MAX = 128 << 20,
    PG_PASSWORD_BYTES_MAX = 1024,
};

/* Verdicts of a statement or transaction. A pipeline has been rolled back when it returns one; after pg_exec() inside a
 * transaction of pg_command()'s the caller does that. */
enum pg_verdict {
    PG_RETRY = 1, /* 40001, 40P01: nothing was written; back off and do the same again */
    PG_UNKNOWN,   /* 40003, or the connection was lost at COMMIT: read back; always with a lost connection afterwards */
    PG_DUPLICATE, /* 23505: a row with this key exists */
};

/* --- connection --------------------------------------------------------------------------------------------------- */

struct pg;

struct pg_options {
    const char *dsn;               /* libpq conninfo or URL; parameters below win over it */
    const char *password_file;     /* NULL: from `passfile=` of the dsn, or none. One line; mode 0600, ours or root's */
    const char *application_name;  /* the daemon's name */
    uint32_t connect_timeout_s;    /* 0: 5; libpq knows no less than 2 */
    uint32_t reply_timeout_ms;     /* longest wait for an answer, then the connection counts as lost; 0: 60000 */
    uint32_t statement_timeout_ms; /* the server gives up: -ETIMEDOUT; 0: none */
};

/* Connect. Returns 0; ERR_PEER_GONE (no connection, refused or not authenticated: logged, the caller backs
 * off); -EINVAL (dsn, logged); ERR_PERMISSIONS, ERR_MALFORMED or -errno (password file, logged); -ENOMEM. */
MUST_USE int pg_connect(struct pg **out, const struct pg_options *options);

/* Accepts NULL and pointer to NULL; leaves *self NULL. */
void pg_destroy(struct pg **self);

/* Has the connection broken, as far as we have seen? */
bool pg_is_lost(const struct pg *self);

/* Is it CockroachDB (SELECT version())? */
bool pg_is_cockroach(const struct pg *self);

/* --- parameters --------------------------------------------------------------------------------------------------- */

/* Reusable room for an array parameter in binary form. Grows, and keeps its memory when it is reset: no allocation per
 * row in steady state. */
enum pg_type { PG_BOOL = 16, PG_BYTEA = 17, PG_INT8 = 20, PG_INT4 = 23, PG_TEXT = 25 }; /* the servers' own numbers */

struct pg_array {
    enum pg_type type; /* of an element */
    uint32_t count;
    bool has_null;
    int rc; /* the first failure of an append: reported when the array is used */
    uint8_t *data;
    size_t size;
    size_t capacity;
};

void pg_array_init(struct pg_array *array, enum pg_type type);
void pg_array_deinit(struct pg_array *array);
void pg_array_reset(struct pg_array *array); /* empty, memory kept */

/* Append an element; the function must fit the array's type (assert). A failure (-ENOMEM, ERR_TOO_LARGE) sticks to the
 * array and comes out where the array is used. */
void pg_array_add_bool(struct pg_array *array, bool value);
void pg_array_add_int4(struct pg_array *array, int32_t value);
void pg_array_add_int8(struct pg_array *array, int64_t value);
void pg_array_add_bytea(struct pg_array *array, struct span value);
void pg_array_add_text(struct pg_array *array, struct span value); /* UTF-8 without U+0000: the caller has checked */
void pg_array_add_null(struct pg_array *array);

/* The parameters $1, $2, ... of one statement. A value on the stack: it points into itself, so it is not copied; bytes,
 * text and arrays are borrowed until the statement was added or executed. */
struct pg_params {
    uint32_t count;
    int rc; /* the first failure: of an array in it */
    uint32_t types[PG_PARAM_COUNT_MAX];
    const char *values[PG_PARAM_COUNT_MAX];
    int lengths[PG_PARAM_COUNT_MAX];
    uint8_t numbers[PG_PARAM_COUNT_MAX][8];
};

void pg_params_init(struct pg_params *params); /* also empties it for the next row */
void pg_param_bool(struct pg_params *params, bool value);
void pg_param_int4(struct pg_params *params, int32_t value);
void pg_param_int8(struct pg_params *params, int64_t value);
void pg_param_bytea(struct pg_params *params, struct span value);
void pg_param_text(struct pg_params *params, struct span value);
void pg_param_null(struct pg_params *params, enum pg_type type);
void pg_param_array(struct pg_params *params, struct pg_array *array); /* the array is finished and must stay */

/* --- results ------------------------------------------------------------------------------------------------------ */

struct pg_result; /* rows, in binary form */

/* Accepts NULL and pointer to NULL; leaves *self NULL. */
void pg_result_destroy(struct pg_result **self);

uint32_t pg_result_rows(const struct pg_result *result);

/* Rows that an INSERT, UPDATE or DELETE touched (or a SELECT returned). */
uint64_t pg_result_affected(const struct pg_result *result);

/* Values. Row and column must exist (assert). A NULL reads as 0, false or an empty span whose data is NULL, and so does
 * a value of another type (logged: cast in the SQL, `::int8`, `::text`, `::bytea`). int reads int2, int4 and int8; span
 * reads bytea, text, varchar and name, and lives as long as the result. */
bool pg_result_is_null(const struct pg_result *result, uint32_t row, uint32_t column);
int64_t pg_result_int(const struct pg_result *result, uint32_t row, uint32_t column);
bool pg_result_bool(const struct pg_result *result, uint32_t row, uint32_t column);
struct span pg_result_span(const struct pg_result *result, uint32_t row, uint32_t column);

/* --- single statements -------------------------------------------------------------------------------------------- */

/* A statement is prepared at its first use on a connection, with the types of the parameters of that use: these must be
 * the same at every use. The name is unique; both texts live as long as the connection (constants). */
struct pg_statement {
    const char *name;
    const char *sql; /* one statement; parameters are $1, $2, ... */
};

/* Execute one statement, in a transaction of its own or in the one that pg_command() began. params may be NULL (none),
 * result may be NULL (not wanted). *result is written only on success and is the caller's.
 * Returns 0; a verdict of enum pg_verdict; ERR_PEER_GONE; -ETIMEDOUT (statement_timeout_ms); ERR_RETRY (the server is
 * short of something: SQLSTATE 53xxx, 55P03); ERR_FULL (PG_STATEMENT_COUNT_MAX); ERR_TOO_LARGE; -ENOMEM; -EIO (any
 * other SQLSTATE: our SQL or the schema is wrong). Outside an explicit transaction a lost connection is PG_UNKNOWN only
 * for 40003: a statement that writes is best made idempotent. */
MUST_USE int pg_exec(struct pg *self, const struct pg_statement *statement, const struct pg_params *params,
                     struct pg_result **result);

/* Execute constant SQL without parameters or rows: BEGIN, ROLLBACK, DDL, SET; also several statements, which are then
 * one transaction. name is for the log. Results as pg_exec(); a COMMIT whose answer is lost is ERR_PEER_GONE here. */
MUST_USE int pg_command(struct pg *self, const char *name, const char *sql);

/* --- one transaction as one pipeline ------------------------------------------------------------------------------ */

/* BEGIN ISOLATION LEVEL SERIALIZABLE, the added statements and COMMIT go out together, with one sync at the end;
 * nothing is waited for in between, and however large it is, it does not deadlock. Results of an earlier pipeline end
 * here. Returns 0, ERR_PEER_GONE or -ENOMEM. */
MUST_USE int pg_pipeline_begin(struct pg *self);

/* Add a statement; the parameters are copied. The first failure sticks: later adds do nothing and return it.
 * Returns 0, ERR_PEER_GONE, ERR_FULL (PG_PIPELINE_STATEMENT_COUNT_MAX, PG_STATEMENT_COUNT_MAX), ERR_TOO_LARGE or
 * -ENOMEM. After a failure end the pipeline with pg_pipeline_abort() or pg_pipeline_commit(), which returns it. */
MUST_USE int pg_pipeline_add(struct pg *self, const struct pg_statement *statement, const struct pg_params *params);

/* Commit and wait for all answers. Returns what pg_exec() returns; the first error counts. On success
 * pg_pipeline_result(self, i) is there; on anything else nothing is written (PG_UNKNOWN: or everything). */
MUST_USE int pg_pipeline_commit(struct pg *self);

/* Roll back what was added instead. Allowed without a pipeline: does nothing. */
void pg_pipeline_abort(struct pg *self);

/* Result of the statement that was added as number `index` (from 0), after a pg_pipeline_commit() that returned 0. The
 * connection's: valid until the next pg_pipeline_begin() or pg_destroy(). */
const struct pg_result *pg_pipeline_result(const struct pg *self, uint32_t index);
