/* pg.c - everything goes through libpq's non-blocking interface, so that every wait has an end and a pipeline that is
 * larger than the sockets' buffers cannot deadlock: while it is sent, answers are read.
 *
 * A single statement is a pipeline of (at most) a Prepare and an Execute; a transaction is BEGIN, its statements and
 * COMMIT with one sync. A statement counts as prepared when the server has said so: a Prepare behind an error was
 * skipped.
 */
#include "common/edge/pg.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <libpq-fe.h>
#include <sodium.h>

#include "common/base/err.h"
#include "common/edge/log.h"
#include "common/edge/loop.h"

enum {
    CONNECT_TIMEOUT_DEFAULT_S = 5,
    REPLY_TIMEOUT_DEFAULT_MS = 60000,
    STEP_COUNT_MAX = 2 * PG_PIPELINE_STATEMENT_COUNT_MAX + 2, /* a Prepare and an Execute each; BEGIN and COMMIT */
    BINARY = 1,
};

/* What we sent and wait for the answer of. */
struct step {
    const struct pg_statement *statement; /* NULL: BEGIN or COMMIT */
    bool prepare;
    int32_t index; /* of the statement in the pipeline, for an Execute; else -1 */
};

struct pg {
    PGconn *connection;
    uint32_t reply_timeout_ms;
    bool lost;
    bool cockroach;
    struct log_limit log_limit;

    const struct pg_statement *prepared[PG_STATEMENT_COUNT_MAX];
    uint32_t prepared_count;

    bool in_pipeline;
    int rc; /* the first failure on our side */
    struct step steps[STEP_COUNT_MAX];
    uint32_t step_count;
    uint32_t statement_count;
    PGresult *results[PG_PIPELINE_STATEMENT_COUNT_MAX];
};

DEFINE_CLEANUP(result_cleanup, PGresult, PQclear)

/* --- verdicts ----------------------------------------------------------------------------------------------------- */

static bool has_class(const char *sqlstate, const char *class)
{
    return strncmp(sqlstate, class, strlen(class)) == 0;
}

static int sqlstate_result(const char *sqlstate)
{
    if (has_class(sqlstate, "40001") || has_class(sqlstate, "40P01"))
        return PG_RETRY;
    if (has_class(sqlstate, "40003"))
        return PG_UNKNOWN;
    if (has_class(sqlstate, "23505"))
        return PG_DUPLICATE;
    if (has_class(sqlstate, "57014"))
        return -ETIMEDOUT;
    if (has_class(sqlstate, "57P") || has_class(sqlstate, "08"))
        return ERR_PEER_GONE;
    if (has_class(sqlstate, "53") || has_class(sqlstate, "55P03"))
        return ERR_RETRY;
    return -EIO;
}

static const char *text_or(const char *text, const char *otherwise)
{
    return text ? text : otherwise;
}

/* The verdict of a failed result. Logged without the server's words, which may quote values. */
static int result_failure(struct pg *self, const char *name, const PGresult *result)
{
    const char *sqlstate = text_or(PQresultErrorField(result, PG_DIAG_SQLSTATE), "");
    int rc = *sqlstate ? sqlstate_result(sqlstate) : ERR_PEER_GONE; /* without one it is libpq that complains */
    if (rc == ERR_PEER_GONE || rc == PG_UNKNOWN)
        self->lost = true;
    log_limited(&self->log_limit, rc < 0 ? LOG_LEVEL_ERROR : LOG_LEVEL_DEBUG, "pg.failed",
                "statement=%s sqlstate=%s constraint=%s position=%s", name, LOG_QUOTE_TEXT(sqlstate),
                LOG_QUOTE_TEXT(text_or(PQresultErrorField(result, PG_DIAG_CONSTRAINT_NAME), "")),
                LOG_QUOTE_TEXT(text_or(PQresultErrorField(result, PG_DIAG_STATEMENT_POSITION), "")));
    return rc;
}

static int connection_lost(struct pg *self, const char *what)
{
    if (!self->lost)
        log_limited(&self->log_limit, LOG_LEVEL_WARN, "pg.lost", "what=%s", what);
    self->lost = true;
    return ERR_PEER_GONE;
}

/* --- sending and waiting ------------------------------------------------------------------------------------------ */

/* Wait until the socket is ready. Returns 0 or ERR_PEER_GONE (deadline). */
static int socket_wait(struct pg *self, short events, uint64_t deadline_ms)
{
    for (;;) {
        uint64_t now_ms = loop_now_ms();
        if (now_ms >= deadline_ms)
            return connection_lost(self, "no answer in time");
        struct pollfd item = {.fd = PQsocket(self->connection), .events = events};
        int ready = poll(&item, 1, (int)(deadline_ms - now_ms));
        if (ready > 0)
            return 0;
        if (ready < 0 && errno != EINTR)
            return connection_lost(self, "poll failed");
    }
}

/* Send what is queued, reading what comes meanwhile. With `wait` until all is sent. */
static int flush(struct pg *self, bool wait)
{
    uint64_t deadline_ms = loop_now_ms() + self->reply_timeout_ms;
    for (;;) {
        int left = PQflush(self->connection);
        if (left < 0)
            return connection_lost(self, "cannot send");
        if (left == 0 || !wait)
            return 0;
        int rc = socket_wait(self, POLLIN | POLLOUT, deadline_ms);
        if (rc < 0)
            return rc;
        if (!PQconsumeInput(self->connection))
            return connection_lost(self, "cannot read");
    }
}

/* The next result; NULL at the end of a command's results. */
static int next_result(struct pg *self, PGresult **out)
{
    uint64_t deadline_ms = loop_now_ms() + self->reply_timeout_ms;
    while (PQisBusy(self->connection)) {
        int rc = socket_wait(self, POLLIN, deadline_ms);
        if (rc < 0)
            return rc;
        if (!PQconsumeInput(self->connection))
            return connection_lost(self, "cannot read");
    }
    *out = PQgetResult(self->connection);
    return 0;
}

/* --- steps -------------------------------------------------------------------------------------------------------- */

static bool is_prepared(const struct pg *self, const struct pg_statement *statement)
{
    for (uint32_t i = 0; i < self->prepared_count; i++) {
        if (self->prepared[i] == statement)
            return true;
    }
    for (uint32_t i = 0; i < self->step_count; i++) { /* on its way */
        if (self->steps[i].prepare && self->steps[i].statement == statement)
            return true;
    }
    return false;
}

static int prepare_send(struct pg *self, const struct pg_statement *statement, const struct pg_params *params)
{
    uint32_t pending = 0;
    for (uint32_t i = 0; i < self->step_count; i++)
        pending += self->steps[i].prepare;
    if (self->prepared_count + pending >= PG_STATEMENT_COUNT_MAX)
        return ERR_FULL;
    if (!PQsendPrepare(self->connection, statement->name, statement->sql, params ? (int)params->count : 0,
                       params ? params->types : NULL))
        return connection_lost(self, "cannot queue");
    self->steps[self->step_count++] = (struct step){.statement = statement, .prepare = true, .index = -1};
    return 0;
}

static int execute_send(struct pg *self, const struct pg_statement *statement, const struct pg_params *params)
{
    int formats[PG_PARAM_COUNT_MAX];
    int count = params ? (int)params->count : 0;
    for (int i = 0; i < count; i++)
        formats[i] = BINARY;
    if (!PQsendQueryPrepared(self->connection, statement->name, count, params ? params->values : NULL,
                             params ? params->lengths : NULL, formats, BINARY))
        return connection_lost(self, "cannot queue");
    self->steps[self->step_count++] = (struct step){.statement = statement, .index = (int32_t)self->statement_count++};
    return 0;
}

static int statement_send(struct pg *self, const struct pg_statement *statement, const struct pg_params *params)
{
    if (params && params->rc < 0)
        return params->rc;
    if (self->statement_count == PG_PIPELINE_STATEMENT_COUNT_MAX)
        return ERR_FULL;
    int rc = is_prepared(self, statement) ? 0 : prepare_send(self, statement, params);
    return rc == 0 ? execute_send(self, statement, params) : rc;
}

static int simple_send(struct pg *self, const char *sql)
{
    if (!PQsendQueryParams(self->connection, sql, 0, NULL, NULL, NULL, NULL, BINARY))
        return connection_lost(self, "cannot queue");
    self->steps[self->step_count++] = (struct step){.index = -1};
    return 0;
}

/* Judge one result. A step behind the first error was skipped by the server: nothing to say. */
static int step_take(struct pg *self, const struct step *step, PGresult **result)
{
    switch (PQresultStatus(*result)) {
    case PGRES_COMMAND_OK:
    case PGRES_TUPLES_OK:
        if (step->prepare)
            self->prepared[self->prepared_count++] = step->statement;
        else if (step->index >= 0)
            self->results[step->index] = TAKE(*result);
        return 0;
    case PGRES_PIPELINE_ABORTED:
        return 0;
    case PGRES_EMPTY_QUERY:
    case PGRES_COPY_OUT:
    case PGRES_COPY_IN:
    case PGRES_BAD_RESPONSE:
    case PGRES_NONFATAL_ERROR:
    case PGRES_FATAL_ERROR:
    case PGRES_COPY_BOTH:
    case PGRES_SINGLE_TUPLE:
    case PGRES_PIPELINE_SYNC:
        break;
    }
    return result_failure(self, step->statement ? step->statement->name : "transaction", *result);
}

/* Read the answers of all steps and of the sync. Returns the first verdict. */
static int answers_take(struct pg *self)
{
    int first = 0;
    uint32_t at = 0;
    bool synced = false;
    while (!synced) {
        CLEANUP(result_cleanup) PGresult *result = NULL;
        int rc = next_result(self, &result);
        if (rc < 0)
            return first ? first : rc;
        if (!result) { /* between two steps; twice in a row only when the connection is gone */
            if (PQstatus(self->connection) == CONNECTION_BAD)
                return first ? first : connection_lost(self, "closed");
            continue;
        }
        synced = PQresultStatus(result) == PGRES_PIPELINE_SYNC;
        if (synced)
            break;
        static const struct step none = {.index = -1};
        rc = step_take(self, at < self->step_count ? &self->steps[at] : &none, &result);
        at++;
        first = first ? first : rc;
        if (self->lost)
            return first;
    }
    return first;
}

static void results_clear(struct pg *self)
{
    for (uint32_t i = 0; i < self->statement_count; i++) {
        PQclear(self->results[i]);
        self->results[i] = NULL;
    }
    self->statement_count = 0;
    self->step_count = 0;
    self->rc = 0;
}

static int pipeline_enter(struct pg *self)
{
    assert(!self->in_pipeline);
    results_clear(self);
    if (self->lost || PQstatus(self->connection) != CONNECTION_OK)
        return connection_lost(self, "not connected");
    if (!PQenterPipelineMode(self->connection))
        return connection_lost(self, "busy");
    self->in_pipeline = true;
    return 0;
}

/* Send the sync, take all answers and leave pipeline mode. */
static int pipeline_finish(struct pg *self)
{
    self->in_pipeline = false;
    int rc = PQpipelineSync(self->connection) ? flush(self, true) : connection_lost(self, "cannot queue");
    if (rc == 0)
        rc = answers_take(self);
    if (!self->lost && !PQexitPipelineMode(self->connection))
        connection_lost(self, "pipeline not empty");
    self->step_count = 0;
    return rc;
}

/* --- commands ----------------------------------------------------------------------------------------------------- */

int pg_command(struct pg *self, const char *name, const char *sql)
{
    assert(!self->in_pipeline);
    if (self->lost)
        return ERR_PEER_GONE;
    if (!PQsendQuery(self->connection, sql))
        return connection_lost(self, "cannot queue");
    int first = flush(self, true);
    while (!self->lost) {
        CLEANUP(result_cleanup) PGresult *result = NULL;
        int rc = next_result(self, &result);
        if (rc < 0 || !result)
            return first ? first : rc;
        ExecStatusType status = PQresultStatus(result);
        if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK && status != PGRES_EMPTY_QUERY && first == 0)
            first = result_failure(self, name, result);
    }
    return first ? first : ERR_PEER_GONE;
}

int pg_exec(struct pg *self, const struct pg_statement *statement, const struct pg_params *params,
            struct pg_result **result)
{
    int rc = pipeline_enter(self);
    if (rc < 0)
        return rc;
    int failure = statement_send(self, statement, params);
    rc = pipeline_finish(self);
    rc = failure ? failure : rc;
    if (rc == 0 && !self->results[0])
        rc = -EIO;
    if (rc == 0 && result)
        *result = (struct pg_result *)TAKE(self->results[0]);
    results_clear(self);
    return rc;
}

/* --- one transaction as one pipeline ------------------------------------------------------------------------------ */

int pg_pipeline_begin(struct pg *self)
{
    int rc = pipeline_enter(self);
    if (rc == 0)
        self->rc = simple_send(self, "BEGIN ISOLATION LEVEL SERIALIZABLE");
    return rc == 0 ? self->rc : rc;
}

int pg_pipeline_add(struct pg *self, const struct pg_statement *statement, const struct pg_params *params)
{
    assert(self->in_pipeline);
    if (self->rc == 0)
        self->rc = statement_send(self, statement, params);
    if (self->rc == 0)
        self->rc = flush(self, false); /* the server starts while we go on */
    if (self->rc == 0 && !PQconsumeInput(self->connection))
        self->rc = connection_lost(self, "cannot read");
    return self->rc;
}

static void rollback(struct pg *self)
{
    if (!self->lost && PQtransactionStatus(self->connection) != PQTRANS_IDLE &&
        pg_command(self, "rollback", "ROLLBACK") != 0)
        connection_lost(self, "rollback failed");
}

int pg_pipeline_commit(struct pg *self)
{
    assert(self->in_pipeline);
    int rc = self->rc;
    if (rc == 0)
        rc = simple_send(self, "COMMIT");
    if (rc != 0) {
        pg_pipeline_abort(self);
        return rc;
    }
    rc = pipeline_finish(self); /* sends the rest: from here on the server may have committed */
    if (rc == ERR_PEER_GONE)
        rc = PG_UNKNOWN;
    if (rc != 0) {
        rollback(self);
        results_clear(self);
    }
    return rc;
}

void pg_pipeline_abort(struct pg *self)
{
    if (!self->in_pipeline)
        return;
    pipeline_finish(self);
    rollback(self);
    results_clear(self);
}

const struct pg_result *pg_pipeline_result(const struct pg *self, uint32_t index)
{
    assert(!self->in_pipeline && index < self->statement_count);
    return (const struct pg_result *)self->results[index];
}

/* --- connection --------------------------------------------------------------------------------------------------- */

static void notice_ignore(void *context, const PGresult *result)
{
}

/* The file's only line. The buffer is the caller's, who wipes it. */
static int password_read(const char *path, char out[static PG_PASSWORD_BYTES_MAX + 2])
{
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    struct stat status;
    int rc = fstat(fd, &status) < 0 ? -errno : 0;
    if (rc == 0 && !S_ISREG(status.st_mode))
        rc = ERR_MALFORMED;
    if (rc == 0 && ((status.st_mode & (S_IRWXG | S_IRWXO)) || (status.st_uid != geteuid() && status.st_uid != 0)))
        rc = ERR_PERMISSIONS;
    ssize_t size = rc == 0 ? read(fd, out, PG_PASSWORD_BYTES_MAX + 1) : 0;
    close(fd);
    if (rc < 0 || size < 0)
        return rc < 0 ? rc : -EIO;
    out[size] = '\0';
    if (size > 0 && out[size - 1] == '\n')
        out[--size] = '\0';
    return size < 1 || size > PG_PASSWORD_BYTES_MAX || strlen(out) != (size_t)size || strchr(out, '\n') ? ERR_MALFORMED
                                                                                                        : 0;
}

static int dsn_check(const char *dsn)
{
    char *reason = NULL;
    PQconninfoOption *options = PQconninfoParse(dsn, &reason);
    if (!options) /* libpq's words may quote the dsn: not shown */
        log_error("pg.bad_dsn", "wants a libpq connection string");
    PQfreemem(reason);
    PQconninfoFree(options);
    return options ? 0 : -EINVAL;
}

/* Connect and learn which server it is. */
static int connection_open(struct pg *self, const struct pg_options *options, const char *password)
{
    char connect_timeout[16], server_options[64] = "";
    snprintf(connect_timeout, sizeof connect_timeout, "%" PRIu32,
             options->connect_timeout_s ? options->connect_timeout_s : CONNECT_TIMEOUT_DEFAULT_S);
    if (options->statement_timeout_ms)
        snprintf(server_options, sizeof server_options, "-c statement_timeout=%" PRIu32, options->statement_timeout_ms);
    const char *const names[] = {
        "dbname", "connect_timeout", "application_name", "client_encoding", "options", "password", NULL};
    const char *const values[] = {options->dsn,
                                  connect_timeout,
                                  options->application_name,
                                  "UTF8",
                                  *server_options ? server_options : NULL,
                                  password,
                                  NULL};
    self->connection = PQconnectdbParams(names, values, 1);
    if (!self->connection)
        return -ENOMEM;
    if (PQstatus(self->connection) != CONNECTION_OK) {
        log_warn("pg.connect_failed", "reason=%s", LOG_QUOTE_TEXT(PQerrorMessage(self->connection)));
        return ERR_PEER_GONE;
    }
    PQsetNoticeReceiver(self->connection, notice_ignore, NULL);
    return PQsetnonblocking(self->connection, 1) == 0 ? 0 : -EIO;
}

static int server_identify(struct pg *self)
{
    static const struct pg_statement version = {.name = "version", .sql = "SELECT version()::text"};
    CLEANUP(pg_result_destroy) struct pg_result *result = NULL;
    int rc = pg_exec(self, &version, NULL, &result);
    if (rc != 0)
        return ERR_PEER_GONE;
    static const char cockroach[] = "CockroachDB";
    struct span text = pg_result_rows(result) == 1 ? pg_result_span(result, 0, 0) : (struct span){0};
    self->cockroach = text.size >= sizeof cockroach - 1 && memcmp(text.data, cockroach, sizeof cockroach - 1) == 0;
    return 0;
}

int pg_connect(struct pg **out, const struct pg_options *options)
{
    CLEANUP(pg_destroy) struct pg *self = calloc(1, sizeof *self);
    if (!self)
        return -ENOMEM;
    self->reply_timeout_ms = options->reply_timeout_ms ? options->reply_timeout_ms : REPLY_TIMEOUT_DEFAULT_MS;
    int rc = dsn_check(options->dsn);
    if (rc < 0)
        return rc;
    char password[PG_PASSWORD_BYTES_MAX + 2];
    if (options->password_file) {
        rc = password_read(options->password_file, password);
        if (rc < 0)
            log_error("pg.bad_password_file", "path=%s error=\"%s\"", LOG_QUOTE_TEXT(options->password_file),
                      err_text(rc));
    }
    if (rc == 0)
        rc = connection_open(self, options, options->password_file ? password : NULL);
    sodium_memzero(password, sizeof password);
    if (rc == 0)
        rc = server_identify(self);
    if (rc < 0)
        return rc;
    *out = TAKE(self);
    return 0;
}

void pg_destroy(struct pg **self)
{
    if (!self || !*self)
        return;
    results_clear(*self);
    PQfinish((*self)->connection);
    free(*self);
    *self = NULL;
}

bool pg_is_lost(const struct pg *self)
{
    return self->lost || PQstatus(self->connection) == CONNECTION_BAD;
}

bool pg_is_cockroach(const struct pg *self)
{
    return self->cockroach;
}
