/* database.c - statements and rows. */
#include "services/apid/database.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/err.h"
#include "common/edge/loop.h"
#include "common/edge/pg.h"
#include "services/apid/answers.h"

enum {
    CONNECT_TIMEOUT_S = 2,
    STATEMENT_TIMEOUT_MS = 5000,
    REPLY_TIMEOUT_MS = 6000, /* a server that says nothing at all */
    CONNECT_PAUSE_MS = 500,  /* after a failed connect: nobody tries, requests fail at once */
    CONNECTIONS_MAX = 257,   /* API_THREADS_MAX and the watch */
};

struct database {
    struct database_options options;
    pthread_mutex_t lock;
    pthread_cond_t freed;
    struct pg *idle[CONNECTIONS_MAX];
    uint32_t idle_count;
    uint32_t open_count; /* idle or in use */
    uint64_t connect_ms; /* not before */
};

#define BLOCK_COLUMNS                                                                                                  \
    "height, hash, parent_hash, view, proposer, timestamp_ms, state_root, tx_root, transaction_count, anomaly_count, " \
    "evidence_count, policy_count, size_bytes"

static const struct pg_statement block_latest = {"block_latest",
                                                 "SELECT " BLOCK_COLUMNS " FROM blocks ORDER BY height DESC LIMIT 1"};
static const struct pg_statement block_at = {"block_at", "SELECT " BLOCK_COLUMNS " FROM blocks WHERE height = $1"};
static const struct pg_statement block_range = {
    "block_range", "SELECT " BLOCK_COLUMNS " FROM blocks WHERE height >= $1 ORDER BY height LIMIT $2"};
static const struct pg_statement block_height = {"block_height", "SELECT coalesce(max(height), -1)::int8 FROM blocks"};
static const struct pg_statement block_proof = {"block_proof", "SELECT proof FROM blocks WHERE height = $1"};
static const struct pg_statement transaction_at = {
    "transaction_at",
    "SELECT t.tx_id, t.event_id, t.producer, t.height, t.idx, t.kind, t.ts, r.receipt FROM transactions t "
    "JOIN receipts r ON r.height = t.height AND r.idx = t.idx WHERE t.tx_id = $1"};
static const struct pg_statement block_items = {
    "block_items",
    "SELECT t.tx_id, r.receipt FROM transactions t JOIN receipts r ON r.height = t.height AND r.idx = t.idx "
    "WHERE t.height = $1 ORDER BY t.idx"};
#define VALIDATOR_SQL                                                                                                  \
    "SELECT v.id, v.name, v.sign_key, v.active, v.reputation_ppm, v.blocks_proposed, v.blocks_committed, "             \
    "v.views_missed, v.last_active_height FROM validators v "
static const struct pg_statement validator_all = {"validator_all", VALIDATOR_SQL "ORDER BY v.idx"};
static const struct pg_statement validator_at = {"validator_at", VALIDATOR_SQL "WHERE v.id = $1"};
static const struct pg_statement anomaly_latest = {
    "anomaly_latest", "SELECT id, type, source, status, producer, tx_id, severity, confidence_ppm, height, ts FROM "
                      "anomalies ORDER BY height DESC, idx DESC LIMIT $1"};

static const struct pg_statement consensus_evidence_all = {
    "consensus_evidence_all",
    "SELECT e.offender, v.name, e.tx_id, e.kind, e.view, e.height, e.ts FROM consensus_evidence e "
    "JOIN validators v ON v.id = e.offender ORDER BY e.height DESC, e.idx DESC"};

/* --- the pool ----------------------------------------------------------------------------------------------------- */

/* An idle connection, or the right to open one (*out NULL). Returns 0 or ERR_PEER_GONE. */
static int take_idle(struct database *self, struct pg **out)
{
    int rc = 0;
    pthread_mutex_lock(&self->lock);
    while (self->idle_count == 0 && self->open_count >= self->options.connection_count)
        pthread_cond_wait(&self->freed, &self->lock);
    *out = self->idle_count > 0 ? self->idle[--self->idle_count] : NULL;
    if (!*out && loop_now_ms() < self->connect_ms)
        rc = ERR_PEER_GONE;
    else if (!*out)
        self->open_count++;
    pthread_mutex_unlock(&self->lock);
    return rc;
}

static int connect_reader(struct database *self, struct pg **out)
{
    struct pg_options options = {.dsn = self->options.dsn,
                                 .password_file = self->options.password_file,
                                 .application_name = "apid",
                                 .connect_timeout_s = CONNECT_TIMEOUT_S,
                                 .reply_timeout_ms = REPLY_TIMEOUT_MS,
                                 .statement_timeout_ms = STATEMENT_TIMEOUT_MS};
    CLEANUP(pg_destroy) struct pg *pg = NULL;
    int rc = pg_connect(&pg, &options);
    rc = rc == 0 ? pg_command(pg, "read_only", "SET default_transaction_read_only = on") : rc;
    if (rc != 0)
        return rc > 0 ? ERR_PEER_GONE : rc;
    *out = TAKE(pg);
    return 0;
}

static int take(struct database *self, struct pg **out)
{
    struct pg *pg = NULL;
    int rc = take_idle(self, &pg);
    if (rc < 0)
        return rc;
    rc = pg ? 0 : connect_reader(self, &pg);
    if (rc == 0) {
        *out = pg;
        return 0;
    }
    pthread_mutex_lock(&self->lock);
    self->open_count--;
    self->connect_ms = loop_now_ms() + CONNECT_PAUSE_MS;
    pthread_cond_signal(&self->freed);
    pthread_mutex_unlock(&self->lock);
    return rc;
}

/* A connection that broke takes the idle ones with it: the server has most likely restarted, and each of them would
 * cost a request. */
static void give_back_take(struct database *self, struct pg *pg)
{
    struct pg *gone[CONNECTIONS_MAX];
    uint32_t gone_count = 0;
    pthread_mutex_lock(&self->lock);
    if (pg_is_lost(pg)) {
        gone[gone_count++] = pg;
        while (self->idle_count > 0)
            gone[gone_count++] = self->idle[--self->idle_count];
        self->open_count -= gone_count;
    } else {
        self->idle[self->idle_count++] = pg;
    }
    pthread_cond_broadcast(&self->freed);
    pthread_mutex_unlock(&self->lock);
    for (uint32_t i = 0; i < gone_count; i++)
        pg_destroy(&gone[i]);
}

/* One read. A connection that broke while it was idle is replaced once. */
static int read_rows(struct database *self, const struct pg_statement *statement, const struct pg_params *params,
                     struct pg_result **out)
{
    int rc = ERR_PEER_GONE;
    for (int attempt = 0; attempt < 2 && rc == ERR_PEER_GONE; attempt++) {
        struct pg *pg = NULL;
        rc = take(self, &pg);
        if (rc < 0)
            return rc;
        rc = pg_exec(pg, statement, params, out);
        give_back_take(self, pg);
    }
    return rc > 0 ? ERR_PEER_GONE : rc;
}

static int read_by_int(struct database *self, const struct pg_statement *statement, uint64_t number,
                       struct pg_result **out)
{
    struct pg_params params;
    pg_params_init(&params);
    pg_param_int8(&params, (int64_t)number);
    return read_rows(self, statement, &params, out);
}

static int read_by_id(struct database *self, const struct pg_statement *statement, const struct hash *id,
                      struct pg_result **out)
{
    struct pg_params params;
    pg_params_init(&params);
    pg_param_bytea(&params, span_of(id->bytes, HASH_BYTES));
    return read_rows(self, statement, &params, out);
}

/* --- rows to JSON ------------------------------------------------------------------------------------------------- */

static uint64_t number_at(const struct pg_result *rows, uint32_t row, uint32_t column)
{
    return (uint64_t)pg_result_int(rows, row, column);
}

static json_t *block_of(const struct pg_result *rows, uint32_t row)
{
    struct answers_block block = {
        .height = number_at(rows, row, 0),
        .hash = pg_result_span(rows, row, 1),
        .parent_hash = pg_result_span(rows, row, 2),
        .view = number_at(rows, row, 3),
        .proposer = pg_result_span(rows, row, 4),
        .timestamp_ms = number_at(rows, row, 5),
        .state_root = pg_result_span(rows, row, 6),
        .tx_root = pg_result_span(rows, row, 7),
        .transaction_count = (uint32_t)number_at(rows, row, 8),
        .anomaly_count = (uint32_t)number_at(rows, row, 9),
        .evidence_count = (uint32_t)number_at(rows, row, 10),
        .policy_count = (uint32_t)number_at(rows, row, 11),
        .size_bytes = number_at(rows, row, 12),
    };
    return answers_block(&block);
}

static json_t *validator_of(const struct pg_result *rows, uint32_t row)
{
    struct answers_validator validator = {
        .id = pg_result_span(rows, row, 0),
        .name = pg_result_span(rows, row, 1),
        .public_key = pg_result_span(rows, row, 2),
        .active = pg_result_bool(rows, row, 3),
        .reputation_ppm = number_at(rows, row, 4),
        .proposed_blocks = number_at(rows, row, 5),
        .committed_blocks = number_at(rows, row, 6),
        .missed_views = number_at(rows, row, 7),
        .last_active_height = number_at(rows, row, 8),
    };
    return answers_validator(&validator);
}

static json_t *anomaly_of(const struct pg_result *rows, uint32_t row)
{
    struct answers_anomaly anomaly = {
        .id = pg_result_span(rows, row, 0),
        .type = pg_result_span(rows, row, 1),
        .source = pg_result_span(rows, row, 2),
        .status = pg_result_span(rows, row, 3),
        .producer = pg_result_span(rows, row, 4),
        .tx_id = pg_result_span(rows, row, 5),
        .severity = (uint32_t)number_at(rows, row, 6),
        .confidence_ppm = (uint32_t)number_at(rows, row, 7),
        .height = number_at(rows, row, 8),
        .timestamp = pg_result_int(rows, row, 9),
    };
    return answers_anomaly(&anomaly);
}

static json_t *consensus_evidence_of(const struct pg_result *rows, uint32_t row)
{
    struct answers_consensus_evidence evidence = {
        .offender = pg_result_span(rows, row, 0),
        .name = pg_result_span(rows, row, 1),
        .tx_id = pg_result_span(rows, row, 2),
        .kind = (int)pg_result_int(rows, row, 3),
        .view = number_at(rows, row, 4),
        .height = number_at(rows, row, 5),
        .timestamp = pg_result_int(rows, row, 6),
    };
    return answers_consensus_evidence(&evidence);
}

static json_t *list_of(const struct pg_result *rows, json_t *(*item_of)(const struct pg_result *, uint32_t))
{
    json_t *list = json_array();
    for (uint32_t i = 0; list && i < pg_result_rows(rows); i++)
        list = answers_append_take(list, item_of(rows, i));
    return list;
}

static int not_found(const char **why, const char *text)
{
    *why = text;
    return ERR_NOT_FOUND;
}

static int done(json_t **out, json_t *value)
{
    if (!value)
        return -ENOMEM;
    *out = value;
    return 0;
}

int database_height(struct database *self, int64_t *out)
{
    CLEANUP(pg_result_destroy) struct pg_result *rows = NULL;
    int rc = read_rows(self, &block_height, NULL, &rows);
    if (rc == 0)
        *out = pg_result_int(rows, 0, 0);
    return rc;
}

/* --- the routes --------------------------------------------------------------------------------------------------- */

static int answer_block(struct database *self, const struct route_request *request, json_t **out, const char **why)
{
    CLEANUP(pg_result_destroy) struct pg_result *rows = NULL;
    int rc = request->route == ROUTE_BLOCK_LATEST ? read_rows(self, &block_latest, NULL, &rows)
                                                  : read_by_int(self, &block_at, request->height, &rows);
    if (rc < 0)
        return rc;
    if (pg_result_rows(rows) == 0)
        return not_found(why, "no such block; the height is not committed yet");
    return done(out, block_of(rows, 0));
}

static int answer_blocks(struct database *self, const struct route_request *request, json_t **out)
{
    int64_t last = -1;
    int rc = database_height(self, &last);
    if (rc < 0)
        return rc;
    uint64_t total = (uint64_t)(last + 1);
    uint64_t newest = total > request->limit ? total - request->limit : 0;
    uint64_t start = request->has_start ? request->start : newest;
    CLEANUP(pg_result_destroy) struct pg_result *rows = NULL;
    struct pg_params params;
    pg_params_init(&params);
    pg_param_int8(&params, (int64_t)start);
    pg_param_int8(&params, request->limit);
    rc = read_rows(self, &block_range, &params, &rows);
    if (rc < 0)
        return rc;
    uint64_t after = start + pg_result_rows(rows);
    json_t *next = pg_result_rows(rows) > 0 && after < total ? json_integer((json_int_t)after) : json_null();
    return done(out,
                json_pack("{s:o, s:{s:I, s:i, s:I, s:o}}", "blocks", list_of(rows, block_of), "pagination", "start",
                          (json_int_t)start, "limit", (int)request->limit, "total", (json_int_t)total, "next", next));
}

static int answer_block_proof(struct database *self, const struct route_request *request, json_t **out,
                              const char **why)
{
    CLEANUP(pg_result_destroy) struct pg_result *rows = NULL;
    int rc = read_by_int(self, &block_proof, request->height, &rows);
    if (rc < 0)
        return rc;
    if (pg_result_rows(rows) == 0)
        return not_found(why, "no such block; the height is not committed yet");
    struct span proof = pg_result_span(rows, 0, 0);
    if (proof.size == 0)
        return not_found(why, "the genesis block has no commit proof: it is trusted as the genesis file is");
    return done(out, answers_commit_proof(proof));
}

static int answer_transaction(struct database *self, const struct route_request *request, json_t **out,
                              const char **why)
{
    CLEANUP(pg_result_destroy) struct pg_result *rows = NULL;
    int rc = read_by_id(self, &transaction_at, &request->id, &rows);
    if (rc < 0)
        return rc;
    if (pg_result_rows(rows) == 0)
        return not_found(why, "no such transaction is committed; ask again later");
    struct answers_transaction transaction = {
        .tx_id = pg_result_span(rows, 0, 0),
        .event_id = pg_result_span(rows, 0, 1),
        .producer = pg_result_span(rows, 0, 2),
        .height = number_at(rows, 0, 3),
        .index = (uint32_t)number_at(rows, 0, 4),
        .kind = (int)number_at(rows, 0, 5),
        .timestamp = pg_result_int(rows, 0, 6),
        .receipt = pg_result_span(rows, 0, 7),
    };
    return done(out, answers_transaction(&transaction));
}

static int prove(const struct pg_result *items, uint32_t index, struct span commit_proof, json_t **out)
{
    uint32_t count = pg_result_rows(items);
    struct hash *ids = calloc(2 * (size_t)count + 1, sizeof *ids);
    if (!ids || index >= count) {
        free(ids);
        return ids ? -EIO : -ENOMEM;
    }
    struct hash *receipts = ids + count;
    for (uint32_t i = 0; i < count; i++) {
        struct span id = pg_result_span(items, i, 0);
        if (id.size == HASH_BYTES)
            memcpy(ids[i].bytes, id.data, HASH_BYTES);
        receipts[i] = hash_of(pg_result_span(items, i, 1));
    }
    struct answers_transaction_proof proof = {.tx_ids = ids,
                                              .receipt_hashes = receipts,
                                              .tx_count = count,
                                              .index = index,
                                              .receipt = pg_result_span(items, index, 1),
                                              .commit_proof = commit_proof};
    int rc = done(out, answers_transaction_proof(&proof));
    free(ids);
    return rc;
}

static int answer_transaction_proof(struct database *self, const struct route_request *request, json_t **out,
                                    const char **why)
{
    CLEANUP(pg_result_destroy) struct pg_result *rows = NULL;
    CLEANUP(pg_result_destroy) struct pg_result *items = NULL;
    CLEANUP(pg_result_destroy) struct pg_result *proof = NULL;
    int rc = read_by_id(self, &transaction_at, &request->id, &rows);
    if (rc < 0)
        return rc;
    if (pg_result_rows(rows) == 0)
        return not_found(why, "no such transaction is committed; ask again later");
    uint64_t height = number_at(rows, 0, 3);
    rc = read_by_int(self, &block_items, height, &items);
    rc = rc == 0 ? read_by_int(self, &block_proof, height, &proof) : rc;
    if (rc < 0)
        return rc;
    if (pg_result_rows(proof) == 0)
        return -EIO;
    return prove(items, (uint32_t)number_at(rows, 0, 4), pg_result_span(proof, 0, 0), out);
}

static int answer_state_root(struct database *self, json_t **out, const char **why)
{
    CLEANUP(pg_result_destroy) struct pg_result *rows = NULL;
    int rc = read_rows(self, &block_latest, NULL, &rows);
    if (rc < 0)
        return rc;
    if (pg_result_rows(rows) == 0)
        return not_found(why, "no block is stored yet");
    return done(out, answers_state_root(pg_result_span(rows, 0, 6), number_at(rows, 0, 0)));
}

static int answer_validators(struct database *self, const struct route_request *request, json_t **out, const char **why)
{
    CLEANUP(pg_result_destroy) struct pg_result *rows = NULL;
    bool all = request->route == ROUTE_VALIDATORS;
    int rc = all ? read_rows(self, &validator_all, NULL, &rows) : read_by_id(self, &validator_at, &request->id, &rows);
    if (rc < 0)
        return rc;
    if (all)
        return done(out, json_pack("{s:o, s:i}", "validators", list_of(rows, validator_of), "total",
                                   (int)pg_result_rows(rows)));
    if (pg_result_rows(rows) == 0)
        return not_found(why, "no validator has this id");
    return done(out, validator_of(rows, 0));
}

static int answer_anomalies(struct database *self, const struct route_request *request, json_t **out)
{
    CLEANUP(pg_result_destroy) struct pg_result *rows = NULL;
    int rc = read_by_int(self, &anomaly_latest, request->limit, &rows);
    if (rc < 0)
        return rc;
    return done(out,
                json_pack("{s:o, s:i}", "anomalies", list_of(rows, anomaly_of), "count", (int)pg_result_rows(rows)));
}

/* At most one for each validator: all of them. */
static int answer_consensus_evidence(struct database *self, json_t **out)
{
    CLEANUP(pg_result_destroy) struct pg_result *rows = NULL;
    int rc = read_rows(self, &consensus_evidence_all, NULL, &rows);
    if (rc < 0)
        return rc;
    return done(out, json_pack("{s:o, s:i}", "evidence", list_of(rows, consensus_evidence_of), "count",
                               (int)pg_result_rows(rows)));
}

int database_answer(struct database *self, const struct route_request *request, json_t **out, const char **why)
{
    switch (request->route) {
    case ROUTE_BLOCK_LATEST:
    case ROUTE_BLOCK:
        return answer_block(self, request, out, why);
    case ROUTE_BLOCKS:
        return answer_blocks(self, request, out);
    case ROUTE_BLOCK_PROOF:
        return answer_block_proof(self, request, out, why);
    case ROUTE_TRANSACTION:
        return answer_transaction(self, request, out, why);
    case ROUTE_TRANSACTION_PROOF:
        return answer_transaction_proof(self, request, out, why);
    case ROUTE_STATE_ROOT:
        return answer_state_root(self, out, why);
    case ROUTE_VALIDATORS:
    case ROUTE_VALIDATOR:
        return answer_validators(self, request, out, why);
    case ROUTE_ANOMALIES:
        return answer_anomalies(self, request, out);
    case ROUTE_CONSENSUS_EVIDENCE:
        return answer_consensus_evidence(self, out);
    case ROUTE_HEALTH:
    case ROUTE_READY:
    case ROUTE_METRICS:
    case ROUTE_STATE:
    case ROUTE_COUNT:
        break;
    }
    return -EINVAL;
}

int database_new(struct database **out, const struct database_options *options)
{
    if (options->connection_count < 1 || options->connection_count > CONNECTIONS_MAX)
        return -EINVAL;
    struct database *self = calloc(1, sizeof *self);
    if (!self)
        return -ENOMEM;
    self->options = *options;
    pthread_mutex_init(&self->lock, NULL);
    pthread_cond_init(&self->freed, NULL);
    *out = self;
    return 0;
}

void database_destroy(struct database **self)
{
    if (!self || !*self)
        return;
    for (uint32_t i = 0; i < (*self)->idle_count; i++)
        pg_destroy(&(*self)->idle[i]);
    pthread_cond_destroy(&(*self)->freed);
    pthread_mutex_destroy(&(*self)->lock);
    free(*self);
    *self = NULL;
}
