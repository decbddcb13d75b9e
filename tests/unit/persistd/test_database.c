/* test_database.c - what is written into a real PostgreSQL, and what is refused. Without the server's programs the
 * tests are skipped.
 */
#include "tests/unit/persistd/chain.h"
#include "tests/unit/persistd/server.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/err.h"
#include "common/edge/log.h"
#include "proto/feed.pb-c.h"
#include "services/persistd/feed_store.h"
#include "services/persistd/database.h"

enum { DSN_BYTES = 160 };

struct story {
    struct server *server;
    struct chain chain;
    struct database *database;
    struct persist_tip tip; /* as opened */
    char dsn[DSN_BYTES];
};

static struct database_options options_of(const struct story *s, const char *dsn)
{
    return (struct database_options){
        .dsn = dsn, .steps = migrate_steps, .step_count = migrate_step_count, .chain_id = s->chain.chain_id};
}

static int group_begin(void **state)
{
    struct server *server = calloc(1, sizeof *server);
    log_set_fd(open("/dev/null", O_WRONLY | O_CLOEXEC));
    server_start(server);
    *state = server;
    return 0;
}

static int group_end(void **state)
{
    server_stop(*state);
    free(*state);
    return 0;
}

/* An empty database, open. */
static struct story *begin(void **state)
{
    struct server *server = *state;
    if (server->pid == 0)
        skip();
    struct story *s = calloc(1, sizeof *s);
    s->server = server;
    server_database(server, "story", s->dsn);
    chain_begin(&s->chain);
    struct database_options options = options_of(s, s->dsn);
    assert_int_equal(database_new(&s->database, &options), 0);
    assert_int_equal(database_open(s->database, &s->tip), 0);
    return s;
}

static void end(struct story *s)
{
    database_destroy(&s->database);
    chain_end(&s->chain);
    free(s);
}

static struct persist_tip tip_at(const struct chain *chain, uint64_t height)
{
    return (struct persist_tip){.exists = true, .height = height, .id = chain->ids[height]};
}

/* Write blocks of a chain on top of the block before them. */
static int write_blocks(struct database *database, const struct chain *chain, uint64_t first, size_t count)
{
    struct chain_run run = chain_run(chain, first, count);
    struct rows rows;
    const char *why;
    rows_init(&rows, 1);
    assert_int_equal(rows_build(&rows, run.outcomes, count, &why), 0);
    struct persist_tip tip = first > 0 ? tip_at(chain, first - 1) : (struct persist_tip){0};
    int rc = database_write(database, &rows, &tip);
    rows_deinit(&rows);
    chain_run_end(&run);
    return rc;
}

static int64_t rows_of(const struct story *s, const char *table)
{
    char sql[400];
    snprintf(sql, sizeof sql, "SELECT count(*) FROM %s", table);
    return server_number(s->dsn, sql);
}

static void assert_tip(struct story *s, bool exists, uint64_t height)
{
    struct persist_tip tip;
    assert_int_equal(database_open(s->database, &tip), 0);
    assert_int_equal(tip.exists, exists);
    if (exists) {
        assert_int_equal(tip.height, height);
        assert_true(hash_equal(&tip.id, &s->chain.ids[height]));
    }
}

/* --- migrations --------------------------------------------------------------------------------------------------- */

static void an_empty_database_gets_the_schema_once(void **state)
{
    struct story *s = begin(state);
    assert_false(s->tip.exists);
    assert_int_equal(rows_of(s, "schema_migrations"), migrate_step_count);
    assert_int_equal(rows_of(s, "state_kv"), 0);
    assert_tip(s, false, 0);
    assert_int_equal(rows_of(s, "schema_migrations"), migrate_step_count);
    end(s);
}

static int open_with(struct story *s, const struct migrate_step *steps, size_t count)
{
    struct database_options options = options_of(s, s->dsn);
    options.steps = steps;
    options.step_count = count;
    struct database *database = NULL;
    struct persist_tip tip;
    assert_int_equal(database_new(&database, &options), 0);
    int rc = database_open(database, &tip);
    database_destroy(&database);
    return rc;
}

static void a_changed_migration_is_refused(void **state)
{
    struct story *s = begin(state);
    struct migrate_step steps[64];
    memcpy(steps, migrate_steps, migrate_step_count * sizeof steps[0]);
    steps[3].sql = "CREATE TABLE other (id BIGINT)";
    assert_int_equal(open_with(s, steps, migrate_step_count), ERR_CONFLICT);
    end(s);
}

static void a_newer_database_is_refused(void **state)
{
    struct story *s = begin(state);
    assert_int_equal(open_with(s, migrate_steps, migrate_step_count - 1), ERR_CONFLICT);
    end(s);
}

static void a_further_migration_is_applied_alone(void **state)
{
    struct story *s = begin(state);
    struct migrate_step steps[64];
    size_t count = migrate_step_count;
    memcpy(steps, migrate_steps, count * sizeof steps[0]);
    steps[count] = (struct migrate_step){
        .version = (uint32_t)count + 1, .name = "further", .sql = "CREATE TABLE further (id BIGINT)"};
    assert_int_equal(open_with(s, steps, count + 1), 0);
    assert_int_equal(open_with(s, steps, count + 1), 0);
    assert_int_equal(rows_of(s, "schema_migrations"), count + 1);
    assert_int_equal(rows_of(s, "further"), 0);
    end(s);
}

static void a_migration_that_fails_leaves_nothing(void **state)
{
    struct story *s = begin(state);
    struct migrate_step steps[64];
    size_t count = migrate_step_count;
    memcpy(steps, migrate_steps, count * sizeof steps[0]);
    steps[count] = (struct migrate_step){.version = (uint32_t)count + 1, .name = "wrong", .sql = "CREATE NONSENSE"};
    assert_true(open_with(s, steps, count + 1) < 0);
    assert_int_equal(rows_of(s, "schema_migrations"), count);
    assert_tip(s, false, 0);
    end(s);
}

static void two_at_once_migrate_once(void **state)
{
    struct story *s = begin(state);
    for (int round = 0; round < 5; round++) {
        server_database(s->server, "race", s->dsn);
        pid_t pids[3];
        for (int i = 0; i < 3; i++) {
            pids[i] = fork();
            if (pids[i] == 0) {
                int rc = ERR_RETRY;
                for (int attempt = 0; attempt < 100 && rc == ERR_RETRY; attempt++)
                    rc = open_with(s, migrate_steps, migrate_step_count);
                _exit(rc == 0 ? 0 : 1);
            }
        }
        for (int i = 0; i < 3; i++) {
            int status = -1;
            assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
            assert_int_equal(status, 0);
        }
        assert_int_equal(rows_of(s, "schema_migrations"), migrate_step_count);
    }
    end(s);
}

static void the_reader_may_read_and_no_more(void **state)
{
    struct story *s = begin(state);
    server_run(s->server->dsn, "DROP ROLE IF EXISTS \"reader-1\"");
    server_run(s->server->dsn, "CREATE ROLE \"reader-1\" LOGIN");
    struct database_options options = options_of(s, s->dsn);
    options.reader_role = "reader-1";
    struct database *database = NULL;
    struct persist_tip tip;
    assert_int_equal(database_new(&database, &options), 0);
    assert_int_equal(database_open(database, &tip), 0);
    database_destroy(&database);
    assert_int_equal(write_blocks(s->database, &s->chain, 0, 1), 0);
    char dsn[DSN_BYTES];
    snprintf(dsn, sizeof dsn, "host=%s user=reader-1 dbname=story", s->server->directory);
    assert_int_equal(server_number(dsn, "SELECT count(*) FROM blocks"), 1);
    assert_int_equal(
        server_number(s->dsn, "SELECT has_table_privilege('reader-1', 'blocks', 'INSERT, UPDATE, DELETE')::int"), 0);
    end(s);
}

/* --- writing ------------------------------------------------------------------------------------------------------ */

static void a_run_of_blocks_is_written_whole(void **state)
{
    struct story *s = begin(state);
    chain_add(&s->chain,
              (struct chain_event[]){{.kind = TX_ANOMALY, .id = "a\xc3\xa9"},
                                     {.kind = TX_EVIDENCE, .id = "e"},
                                     {.kind = TX_POLICY, .id = "p"}},
              3);
    chain_add_anomalies(&s->chain, "more", 5);
    assert_int_equal(write_blocks(s->database, &s->chain, 0, 3), 0);
    assert_tip(s, true, 2);
    assert_int_equal(rows_of(s, "blocks"), 3);
    assert_int_equal(rows_of(s, "transactions"), 8);
    assert_int_equal(rows_of(s, "receipts"), 8);
    assert_int_equal(rows_of(s, "anomalies"), 6);
    assert_int_equal(rows_of(s, "evidence"), 1);
    assert_int_equal(rows_of(s, "policies"), 1);
    assert_int_equal(rows_of(s, "producers"), 1);
    assert_int_equal(rows_of(s, "validators"), CHAIN_VALIDATORS);
    assert_int_equal(rows_of(s, "state_kv"), CHAIN_VALIDATORS + 1 + 8);
    assert_int_equal(rows_of(s, "state_kv WHERE key LIKE 'nonce/%'"), 0);
    assert_int_equal(rows_of(s, "blocks b JOIN blocks p ON p.height = b.height - 1 AND p.hash = b.parent_hash"), 2);
    assert_int_equal(rows_of(s, "transactions WHERE height = 1 AND idx = 0 AND event_id = 'a\xc3\xa9' AND kind = 1 AND "
                                "ts = 1700000000 AND octet_length(body) > 100"),
                     1);
    assert_int_equal(rows_of(s,
                             "anomalies a JOIN transactions t ON t.height = a.height AND t.idx = a.idx AND "
                             "t.event_id = a.id AND t.tx_id = a.tx_id AND t.producer = a.producer WHERE a.severity = 7 "
                             "AND a.confidence_ppm = 500000 AND a.source = 'sensor' AND a.status = 'reported'"),
                     6);
    assert_int_equal(
        rows_of(s, "evidence WHERE height = 1 AND idx = 1 AND octet_length(refs) = 64 AND custody_count = 3"), 1);
    assert_int_equal(rows_of(s,
                             "policies WHERE height = 1 AND idx = 2 AND rule = 'block' AND action = 'drop' AND active "
                             "AND targets = E'10.0.0.1\\n10.1.0.0/16' AND ttl_s = 60 AND expires_at_s = 1700000060"),
                     1);
    assert_int_equal(rows_of(s, "blocks WHERE height = 1 AND transaction_count = 3 AND anomaly_count = 1 AND "
                                "evidence_count = 1 AND policy_count = 1 AND octet_length(header) = 255 AND "
                                "proof = 'proof' AND timestamp_ms = 1700000001000 AND view = 1"),
                     1);
    end(s);
}

static void proof_against_a_validator_has_a_row_of_its_own(void **state)
{
    struct story *s = begin(state);
    chain_add(&s->chain, (struct chain_event[]){{.kind = TX_ANOMALY, .id = "a"}, {.kind = TX_VALIDATOR_EVIDENCE}}, 2);
    assert_int_equal(write_blocks(s->database, &s->chain, 0, 2), 0);
    assert_int_equal(write_blocks(s->database, &s->chain, 0, 2), 0);
    assert_int_equal(rows_of(s, "consensus_evidence"), 1);
    assert_int_equal(
        rows_of(s, "consensus_evidence e JOIN transactions t ON t.tx_id = e.tx_id AND t.height = e.height AND "
                   "t.idx = e.idx AND t.kind = 4 AND t.ts = e.ts AND t.event_id = encode(e.offender, 'hex') "
                   "AND octet_length(t.producer) = 0 JOIN validators v ON v.id = e.offender "
                   "WHERE e.height = 1 AND e.idx = 1 AND e.kind = 1 AND e.view = 2 AND e.ts = 1700000001"),
        1);
    assert_int_equal(rows_of(s, "blocks WHERE height = 1 AND transaction_count = 2 AND anomaly_count = 1 AND "
                                "evidence_count = 0 AND policy_count = 0"),
                     1);
    end(s);
}

static void a_large_block_goes_in_chunks(void **state)
{
    struct story *s = begin(state);
    chain_add_anomalies(&s->chain, "a", 2 * DATABASE_CHUNK_ROWS_MAX + 1);
    assert_int_equal(write_blocks(s->database, &s->chain, 0, 2), 0);
    assert_int_equal(rows_of(s, "transactions"), 2 * DATABASE_CHUNK_ROWS_MAX + 1);
    assert_int_equal(rows_of(s, "state_kv WHERE key LIKE 'anomaly/%'"), 2 * DATABASE_CHUNK_ROWS_MAX + 1);
    end(s);
}

static void the_states_values_are_replaced_and_deleted(void **state)
{
    struct story *s = begin(state);
    assert_int_equal(write_blocks(s->database, &s->chain, 0, 1), 0);
    struct chain_change change = {.key = "thing/1", .value = span_text("one")};
    chain_add_changes(&s->chain, NULL, 0, &change, 1);
    assert_int_equal(write_blocks(s->database, &s->chain, 1, 1), 0);
    change.value = span_text("two");
    chain_add_changes(&s->chain, NULL, 0, &change, 1);
    assert_int_equal(write_blocks(s->database, &s->chain, 2, 1), 0);
    assert_int_equal(rows_of(s, "state_kv WHERE key = 'thing/1' AND value = 'two' AND height = 2"), 1);
    change = (struct chain_change){.key = "thing/1", .deleted = true};
    chain_add_changes(&s->chain, NULL, 0, &change, 1);
    assert_int_equal(write_blocks(s->database, &s->chain, 3, 1), 0);
    assert_int_equal(rows_of(s, "state_kv WHERE key = 'thing/1'"), 0);
    end(s);
}

static void a_run_that_is_there_already_is_no_error_and_not_doubled(void **state)
{
    struct story *s = begin(state);
    chain_add_anomalies(&s->chain, "a", 3);
    assert_int_equal(write_blocks(s->database, &s->chain, 0, 2), 0);
    assert_int_equal(write_blocks(s->database, &s->chain, 0, 2), 0);
    assert_int_equal(write_blocks(s->database, &s->chain, 1, 1), 0);
    assert_int_equal(rows_of(s, "blocks"), 2);
    assert_int_equal(rows_of(s, "transactions"), 3);
    end(s);
}

static void a_run_that_is_there_in_part_is_looked_at_again(void **state)
{
    struct story *s = begin(state);
    chain_add_anomalies(&s->chain, "a", 3);
    assert_int_equal(write_blocks(s->database, &s->chain, 0, 1), 0);
    assert_int_equal(write_blocks(s->database, &s->chain, 0, 2), DATABASE_UNKNOWN);
    assert_int_equal(rows_of(s, "blocks"), 1);
    end(s);
}

static void another_block_at_a_height_is_a_conflict_and_changes_nothing(void **state)
{
    struct story *s = begin(state);
    chain_add_anomalies(&s->chain, "a", 3);
    assert_int_equal(write_blocks(s->database, &s->chain, 0, 2), 0);
    struct chain other;
    chain_begin(&other);
    chain_add_anomalies(&other, "b", 4);
    chain_add_anomalies(&other, "c", 4);
    assert_int_equal(write_blocks(s->database, &other, 1, 1), ERR_CONFLICT);
    assert_int_equal(write_blocks(s->database, &other, 1, 2), ERR_CONFLICT);
    assert_int_equal(write_blocks(s->database, &other, 2, 1), DATABASE_UNKNOWN);
    assert_tip(s, true, 1);
    assert_int_equal(rows_of(s, "blocks"), 2);
    assert_int_equal(rows_of(s, "transactions"), 3);
    assert_int_equal(rows_of(s, "anomalies WHERE id LIKE 'a-%'"), 3);
    chain_end(&other);
    end(s);
}

static void a_gap_is_never_written(void **state)
{
    struct story *s = begin(state);
    chain_add_anomalies(&s->chain, "a", 1);
    chain_add_anomalies(&s->chain, "b", 1);
    assert_int_equal(write_blocks(s->database, &s->chain, 1, 2), DATABASE_UNKNOWN);
    assert_int_equal(rows_of(s, "blocks"), 0);
    assert_int_equal(write_blocks(s->database, &s->chain, 0, 1), 0);
    assert_int_equal(write_blocks(s->database, &s->chain, 2, 1), DATABASE_UNKNOWN);
    assert_int_equal(rows_of(s, "blocks"), 1);
    assert_int_equal(rows_of(s, "transactions"), 0);
    end(s);
}

static void a_transaction_is_in_one_block_only(void **state)
{
    struct story *s = begin(state);
    chain_add_anomalies(&s->chain, "a", 2);
    unsigned nonce = s->chain.nonce;
    s->chain.nonce = 0;
    chain_add_anomalies(&s->chain, "a", 1);
    s->chain.nonce = nonce;
    assert_int_equal(write_blocks(s->database, &s->chain, 0, 2), 0);
    assert_int_equal(write_blocks(s->database, &s->chain, 2, 1), ERR_CONFLICT);
    assert_int_equal(rows_of(s, "blocks"), 2);
    end(s);
}

static void a_database_of_another_chain_is_refused(void **state)
{
    struct story *s = begin(state);
    assert_int_equal(write_blocks(s->database, &s->chain, 0, 1), 0);
    s->chain.chain_id.bytes[0] ^= 1;
    assert_int_equal(open_with(s, migrate_steps, migrate_step_count), ERR_CONFLICT);
    s->chain.chain_id.bytes[0] ^= 1;
    end(s);
}

static void a_serialization_failure_is_to_be_tried_again(void **state)
{
    struct story *s = begin(state);
    server_run(s->dsn, "CREATE SEQUENCE attempts");
    server_run(s->dsn, "CREATE FUNCTION fail_once() RETURNS trigger AS $$ BEGIN IF nextval('attempts') = 1 THEN "
                       "RAISE EXCEPTION 'once' USING ERRCODE = '40001'; END IF; RETURN NULL; END $$ LANGUAGE plpgsql");
    server_run(s->dsn, "CREATE TRIGGER fail AFTER INSERT ON producers EXECUTE FUNCTION fail_once()");
    assert_int_equal(write_blocks(s->database, &s->chain, 0, 1), DATABASE_RETRY);
    assert_int_equal(rows_of(s, "blocks"), 0);
    assert_int_equal(write_blocks(s->database, &s->chain, 0, 1), 0);
    assert_tip(s, true, 0);
    end(s);
}

/* --- lost connections --------------------------------------------------------------------------------------------- */

static void a_connection_lost_before_the_server_heard_leaves_nothing(void **state)
{
    struct story *s = begin(state);
    char dsn[DSN_BYTES];
    struct proxy proxy;
    proxy_start(&proxy, s->server, "story", dsn);
    struct database_options options = options_of(s, dsn);
    struct database *database = NULL;
    struct persist_tip tip;
    assert_int_equal(database_new(&database, &options), 0);
    assert_int_equal(database_open(database, &tip), 0);
    atomic_store(&proxy.cut, CUT_REQUEST);
    assert_int_equal(write_blocks(database, &s->chain, 0, 1), DATABASE_UNKNOWN);
    assert_int_equal(atomic_load(&proxy.cut_count), 1);
    assert_int_equal(database_open(database, &tip), 0);
    assert_false(tip.exists);
    assert_int_equal(write_blocks(database, &s->chain, 0, 1), 0);
    database_destroy(&database);
    proxy_stop(&proxy);
    assert_tip(s, true, 0);
    end(s);
}

static void a_connection_lost_at_commit_is_read_back(void **state)
{
    struct story *s = begin(state);
    chain_add_anomalies(&s->chain, "a", 50);
    char dsn[DSN_BYTES];
    struct proxy proxy;
    proxy_start(&proxy, s->server, "story", dsn);
    struct database_options options = options_of(s, dsn);
    struct database *database = NULL;
    struct persist_tip tip;
    assert_int_equal(database_new(&database, &options), 0);
    assert_int_equal(database_open(database, &tip), 0);
    atomic_store(&proxy.cut, CUT_ANSWER);
    assert_int_equal(write_blocks(database, &s->chain, 0, 2), DATABASE_UNKNOWN);
    assert_int_equal(atomic_load(&proxy.cut_count), 1);
    assert_int_equal(database_open(database, &tip), 0);
    assert_true(tip.exists && tip.height == 1 && hash_equal(&tip.id, &s->chain.ids[1]));
    database_destroy(&database);
    proxy_stop(&proxy);
    assert_int_equal(rows_of(s, "transactions"), 50);
    end(s);
}

static void a_killed_backend_is_a_lost_connection(void **state)
{
    struct story *s = begin(state);
    server_run(s->dsn, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'persistd'");
    assert_int_equal(write_blocks(s->database, &s->chain, 0, 1), DATABASE_UNKNOWN);
    assert_tip(s, false, 0);
    assert_int_equal(write_blocks(s->database, &s->chain, 0, 1), 0);
    end(s);
}

static void a_database_that_is_away_can_be_tried_later(void **state)
{
    struct story *s = begin(state);
    struct database_options options = options_of(s, "host=/tmp/nowhere user=tester dbname=story");
    struct database *database = NULL;
    struct persist_tip tip;
    assert_int_equal(database_new(&database, &options), 0);
    assert_int_equal(database_open(database, &tip), ERR_PEER_GONE);
    assert_int_equal(write_blocks(database, &s->chain, 0, 1), DATABASE_UNKNOWN);
    database_destroy(&database);
    end(s);
}

/* --- the feed's questions ----------------------------------------------------------------------------------------- */

typedef Cybermesh__Feed__V1__FeedFrame Frame;

static Frame *ask(struct feed_store *feed, const struct feed_codec_question *question)
{
    uint8_t *bytes = NULL;
    size_t size = 0;
    assert_int_equal(feed_store_answer(feed, question, &bytes, &size), 0);
    Frame *frame = cybermesh__feed__v1__feed_frame__unpack(NULL, size, bytes);
    assert_non_null(frame);
    free(bytes);
    return frame;
}

static void done(Frame *frame)
{
    cybermesh__feed__v1__feed_frame__free_unpacked(frame, NULL);
}

static void the_feed_answers_from_the_database(void **state)
{
    struct story *s = begin(state);
    chain_add(&s->chain,
              (struct chain_event[]){
                  {.kind = TX_POLICY, .id = "p"}, {.kind = TX_ANOMALY, .id = "z"}, {.kind = TX_ANOMALY, .id = "a"}},
              3);
    struct feed_store *feed = NULL;
    assert_int_equal(feed_store_new(&feed, s->dsn, NULL), 0);
    struct feed_codec_question producers = {.kind = FEED_CODEC_PRODUCERS, .request = 3};
    uint8_t *none = NULL;
    size_t size;
    assert_int_equal(feed_store_answer(feed, &producers, &none, &size), ERR_RETRY);
    assert_int_equal(write_blocks(s->database, &s->chain, 0, 2), 0);

    Frame *frame = ask(feed, &producers);
    assert_int_equal(frame->producers->request, 3);
    assert_int_equal(frame->producers->height, 1);
    assert_int_equal(frame->producers->n_producers, 1);
    assert_string_equal(frame->producers->producers[0]->name, "sensor-1");
    assert_int_equal(frame->producers->producers[0]->roles, 7);
    assert_true(frame->producers->producers[0]->active);
    done(frame);

    frame = ask(feed, &(struct feed_codec_question){.kind = FEED_CODEC_RANGE, .request = 4, .count_max = 64});
    assert_int_equal(frame->range->height_last, 1);
    assert_int_equal(frame->range->n_blocks, 2);
    assert_int_equal(frame->range->blocks[0]->n_producers, 1);
    const Cybermesh__Feed__V1__Persisted *block = frame->range->blocks[1];
    assert_int_equal(block->height, 1);
    assert_int_equal(block->n_tx_ids, 3);
    assert_int_equal(block->n_producers, 0);
    assert_int_equal(block->anomaly_count, 2);
    assert_int_equal(block->policy_count, 1);
    assert_int_equal(block->n_anomaly_ids, 2);
    assert_string_equal(block->anomaly_ids[0], "z");
    assert_string_equal(block->anomaly_ids[1], "a");
    assert_int_equal(block->proof.len, 5);
    struct hash ids[3] = {hash_of(span_text("nobody's"))};
    memcpy(ids[1].bytes, block->tx_ids[2].data, HASH_BYTES);
    done(frame);

    frame = ask(feed, &(struct feed_codec_question){.kind = FEED_CODEC_RANGE, .height_first = 1, .count_max = 1});
    assert_int_equal(frame->range->n_blocks, 1);
    done(frame);
    frame = ask(feed, &(struct feed_codec_question){.kind = FEED_CODEC_RANGE, .height_first = 2, .count_max = 1});
    assert_int_equal(frame->range->n_blocks, 0);
    assert_int_equal(frame->range->height_last, 1);
    done(frame);

    frame =
        ask(feed, &(struct feed_codec_question){.kind = FEED_CODEC_LOOKUP, .request = 5, .ids = ids, .id_count = 2});
    assert_int_equal(frame->lookup->request, 5);
    assert_int_equal(frame->lookup->n_found, 1);
    assert_memory_equal(frame->lookup->found[0].data, ids[1].bytes, HASH_BYTES);
    done(frame);

    server_run(s->dsn,
               "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'persistd feed'");
    assert_true(feed_store_answer(feed, &producers, &none, &size) < 0);
    done(ask(feed, &producers));
    feed_store_destroy(&feed);
    end(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_database_gets_the_schema_once),
        cmocka_unit_test(a_changed_migration_is_refused),
        cmocka_unit_test(a_newer_database_is_refused),
        cmocka_unit_test(a_further_migration_is_applied_alone),
        cmocka_unit_test(a_migration_that_fails_leaves_nothing),
        cmocka_unit_test(two_at_once_migrate_once),
        cmocka_unit_test(the_reader_may_read_and_no_more),
        cmocka_unit_test(a_run_of_blocks_is_written_whole),
        cmocka_unit_test(proof_against_a_validator_has_a_row_of_its_own),
        cmocka_unit_test(a_large_block_goes_in_chunks),
        cmocka_unit_test(the_states_values_are_replaced_and_deleted),
        cmocka_unit_test(a_run_that_is_there_already_is_no_error_and_not_doubled),
        cmocka_unit_test(a_run_that_is_there_in_part_is_looked_at_again),
        cmocka_unit_test(another_block_at_a_height_is_a_conflict_and_changes_nothing),
        cmocka_unit_test(a_gap_is_never_written),
        cmocka_unit_test(a_transaction_is_in_one_block_only),
        cmocka_unit_test(a_database_of_another_chain_is_refused),
        cmocka_unit_test(a_serialization_failure_is_to_be_tried_again),
        cmocka_unit_test(a_connection_lost_before_the_server_heard_leaves_nothing),
        cmocka_unit_test(a_connection_lost_at_commit_is_read_back),
        cmocka_unit_test(a_killed_backend_is_a_lost_connection),
        cmocka_unit_test(a_database_that_is_away_can_be_tried_later),
        cmocka_unit_test(the_feed_answers_from_the_database),
    };
    return cmocka_run_group_tests(tests, group_begin, group_end);
}
